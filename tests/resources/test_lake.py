"""The lake: files that are whole or absent, and read back as they were written."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from g6_market.schema import OPTION_CHAIN, QUOTES, STORED_TABLES, SchemaError, Table, conform, empty_frame
from g6_resources.lake import Lake, LakeError, LocalStore, SealRecord
from g6_resources.parquet import encode, schema_version, to_arrow
from g6_resources.sealing import seal_day
from tests.resources import lake_frames as made
from tests.resources.lake_frames import FRIDAY, THURSDAY


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStore(tmp_path / "lake"))


@pytest.mark.parametrize("table", STORED_TABLES, ids=lambda table: table.name)
def test_a_live_file_reads_back_exactly_as_it_was_written(lake: Lake, table: Table) -> None:
    made.write_day(lake, FRIDAY, 1)
    frame = lake.read(table, FRIDAY)
    pd.testing.assert_frame_equal(frame, conform(frame, table))
    lake.write_live(table, THURSDAY, "again", frame)
    pd.testing.assert_frame_equal(lake.read(table, THURSDAY), frame)
    if table is OPTION_CHAIN:
        pd.testing.assert_frame_equal(frame, made.option_chain(FRIDAY, 0))
        assert frame["ask_price"].isna().sum() == 8
        assert frame["average_price"].isna().all()


@pytest.mark.parametrize("table", STORED_TABLES, ids=lambda table: table.name)
def test_a_file_without_rows_says_that_there_was_nothing(lake: Lake, table: Table) -> None:
    path = lake.write_live(table, FRIDAY, "s091600", empty_frame(table))
    assert path == f"{table.name}/live/trade_date=2026-11-20/s091600.parquet"
    assert lake.live_names(table, FRIDAY) == ["s091600"]
    pd.testing.assert_frame_equal(lake.read(table, FRIDAY), empty_frame(table))


def test_a_day_of_which_nothing_is_stored_reads_as_no_rows(lake: Lake) -> None:
    pd.testing.assert_frame_equal(lake.read(QUOTES, FRIDAY), empty_frame(QUOTES))
    assert lake.days() == []


def test_reading_can_be_narrowed_to_an_index_and_to_columns(lake: Lake) -> None:
    made.write_day(lake, FRIDAY, 2)
    some = lake.read(OPTION_CHAIN, FRIDAY, underlying="NIFTY", columns=["strike", "iv"])
    assert list(some.columns) == ["strike", "iv"]
    assert len(some) == made.LEGS
    assert lake.read(OPTION_CHAIN, FRIDAY, underlying="SENSEX").empty


def test_snapshots_are_read_in_order_of_time_and_healed_rows_after_them(lake: Lake) -> None:
    for name in ("healed", "s153000", "s091600"):
        lake.write_live(QUOTES, FRIDAY, name, made.quotes(FRIDAY, 0))
    assert lake.live_names(QUOTES, FRIDAY) == ["s091600", "s153000", "healed"]


def test_a_row_written_again_later_replaces_the_earlier_one_when_a_day_is_gathered(lake: Lake) -> None:
    made.write_day(lake, FRIDAY, 2)
    healed = made.quotes(FRIDAY, 1).assign(last_price=77.0, source="candle")
    lake.write_live(QUOTES, FRIDAY, "healed", healed)
    rows = lake.gather(QUOTES, FRIDAY)
    assert len(rows) == 2 * made.LEGS
    assert (rows.loc[rows["source"] == "candle", "last_price"] == 77.0).all()
    assert (rows["source"] == "candle").sum() == made.LEGS


@pytest.mark.parametrize("tier", ["live", "closed"])
def test_the_file_of_no_rows_of_a_tier_says_what_every_field_means(lake: Lake, tmp_path: Path, tier: str) -> None:
    lake.ensure_sentinels()
    schema = pq.read_schema(tmp_path / f"lake/option_chain/{tier}/trade_date=1970-01-01/schema.parquet")
    assert schema.field("iv").metadata[b"null"] == b"see iv_reason"
    assert schema.field("oi").metadata[b"unit"] == b"units"
    assert all(field.metadata[b"description"] for field in schema)


def test_a_file_says_which_columns_it_has(lake: Lake, tmp_path: Path) -> None:
    path = lake.write_live(OPTION_CHAIN, FRIDAY, "s091600", made.option_chain(FRIDAY, 0))
    schema = pq.read_schema(tmp_path / "lake" / path)
    assert schema.metadata[b"g6:schema_version"].decode() == schema_version(OPTION_CHAIN)


def test_sealed_files_are_sorted_and_encoded_for_size(lake: Lake, tmp_path: Path) -> None:
    frame = made.option_chain(FRIDAY, 0).sample(frac=1, random_state=1)
    path, size = lake.write_closed(OPTION_CHAIN, FRIDAY, "NIFTY", frame)
    file = pq.ParquetFile(tmp_path / "lake" / path)
    columns = {name: file.metadata.row_group(0).column(i) for i, name in enumerate(OPTION_CHAIN.names)}
    assert "BYTE_STREAM_SPLIT" in columns["iv"].encodings
    assert "RLE_DICTIONARY" in columns["strike"].encodings
    assert "RLE_DICTIONARY" not in columns["oi"].encodings
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert columns["strike"].statistics.min == 23_900.0
    assert size == (tmp_path / "lake" / path).stat().st_size
    rows = file.read().to_pandas()[list(OPTION_CHAIN.sort)]
    pd.testing.assert_frame_equal(rows, rows.sort_values(list(OPTION_CHAIN.sort), ignore_index=True))


def test_a_frame_that_does_not_fit_its_table_leaves_no_file(lake: Lake) -> None:
    chain = made.option_chain(FRIDAY, 0)
    with pytest.raises(SchemaError, match="option_chain has no column last_prise"):
        lake.write_live(OPTION_CHAIN, FRIDAY, "s091600", chain.rename(columns={"last_price": "last_prise"}))
    with pytest.raises(SchemaError, match="column tradingsymbol holds nulls and may not"):
        lake.write_live(OPTION_CHAIN, FRIDAY, "s091600", chain.assign(tradingsymbol=pd.Series([None], dtype="str")))
    assert lake.live_names(OPTION_CHAIN, FRIDAY) == []


@pytest.mark.parametrize("name", ["../s091600", "", "a/b", "s09.16"])
def test_a_file_name_cannot_leave_its_folder(lake: Lake, name: str) -> None:
    with pytest.raises(LakeError, match="use letters, digits"):
        lake.write_live(QUOTES, FRIDAY, name, made.quotes(FRIDAY, 0))
    with pytest.raises(LakeError, match="use letters, digits"):
        lake.write_closed(QUOTES, FRIDAY, name, made.quotes(FRIDAY, 0))


def test_an_unknown_table_is_answered_with_those_there_are(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"no table 'quote'; it has instruments, .*quotes"):
        lake.read("quote", FRIDAY)


def test_a_column_added_since_a_file_was_written_reads_as_null(lake: Lake) -> None:
    older = Table(OPTION_CHAIN.name, "", OPTION_CHAIN.columns[:-2] + OPTION_CHAIN.columns[-1:], OPTION_CHAIN.key, ())
    frame = made.option_chain(FRIDAY, 0).drop(columns="settlement_window")
    data = encode(to_arrow(frame, older), older, sealed=False)
    lake.store.put("option_chain/live/trade_date=2026-11-20/s091600.parquet", data)
    assert lake.read(OPTION_CHAIN, FRIDAY)["settlement_window"].isna().all()


def test_a_snapshot_written_twice_is_one_file(lake: Lake) -> None:
    made.write_snapshot(lake, FRIDAY, 0)
    made.write_snapshot(lake, FRIDAY, 0)
    assert len(lake.read(OPTION_CHAIN, FRIDAY)) == made.LEGS


def test_the_current_snapshot_is_replaced_whole(lake: Lake, tmp_path: Path) -> None:
    for number in (0, 1):
        lake.write_current(made.option_chain(FRIDAY, number))
    current = pq.read_table(tmp_path / "current" / "option_chain.parquet").to_pandas()
    assert set(current["snapshot_at"]) == {pd.Timestamp("2026-11-20 09:17")}
    assert [file.name for file in (tmp_path / "current").iterdir()] == ["option_chain.parquet"]


def test_deleting_a_days_live_files_takes_their_folders_away(lake: Lake, tmp_path: Path) -> None:
    made.write_day(lake, FRIDAY, 2)
    made.write_day(lake, THURSDAY, 2)
    assert lake.unsealed_days() == [THURSDAY, FRIDAY]
    lake.delete_live(FRIDAY, lake.live_files(FRIDAY))
    assert lake.unsealed_days() == [THURSDAY]
    assert not list((tmp_path / "lake").rglob("trade_date=2026-11-20"))


def test_temporaries_of_a_dead_process_are_ignored_and_swept_when_old(lake: Lake, tmp_path: Path) -> None:
    made.write_snapshot(lake, FRIDAY, 0)
    folder = tmp_path / "lake" / ".incoming"
    old, young = folder / ".s091700.parquet.1.0.tmp", folder / ".s091800.parquet.2.0.tmp"
    for leftover in (old, young):
        leftover.write_bytes(b"PAR1 torn")
    stamp = old.stat().st_mtime - 3700
    os.utime(old, (stamp, stamp))
    assert lake.live_names(QUOTES, FRIDAY) == ["s091600"]
    LocalStore(tmp_path / "lake")
    assert not old.exists()
    assert young.exists()


_WRITER = """
import sys
from pathlib import Path
from tests.resources import lake_frames as made
from g6_resources.lake import Lake, LocalStore

lake = Lake(LocalStore(Path(sys.argv[1])))
first = int(sys.argv[2])
frame = made.option_chain(made.FRIDAY, 0)
print("writing", flush=True)
for number in range(first, 100_000):
    lake.write_live("option_chain", made.FRIDAY, f"n{number:06d}", frame)
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_no_torn_file(project: Path, tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    for number in range(4):
        written = len(lake.live_names(OPTION_CHAIN, FRIDAY))
        command = [sys.executable, "-c", _WRITER, str(tmp_path), str(written)]
        with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            while len(lake.live_names(OPTION_CHAIN, FRIDAY)) < written + 5 + 3 * number:
                assert writer.poll() is None
            writer.send_signal(signal.SIGKILL)
    names = lake.live_names(OPTION_CHAIN, FRIDAY)
    assert names == [f"n{number:06d}" for number in range(len(names))]
    whole = made.option_chain(FRIDAY, 0)
    for name in names:
        pd.testing.assert_frame_equal(lake.read_live(OPTION_CHAIN, FRIDAY, names=[name]), whole)


_FILLER = """
import sys
from pathlib import Path
from tests.resources import lake_frames as made
from g6_resources.lake import DiskFull, Lake, LocalStore

lake = Lake(LocalStore(Path(sys.argv[1])))
frame = made.option_chain(made.FRIDAY, 0)
written = 0
try:
    while True:
        lake.write_live("option_chain", made.FRIDAY, f"n{written:03d}", frame)
        written += 1
except DiskFull as error:
    names = lake.live_names("option_chain", made.FRIDAY)
    rows = len(lake.read("option_chain", made.FRIDAY))
    hidden = [path.name for path in Path(sys.argv[1]).rglob("*.tmp")]
    print(written, len(names), rows == written * len(frame), hidden, error, sep="|")
"""


def test_a_full_disk_is_told_and_leaves_only_whole_files(project: Path, tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=512k tmpfs "$1" && exec "$2" -c "$3" "$1"'
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], check=False).returncode:
        pytest.skip("a small file system of its own needs unshare (util-linux) and the right to mount")
    done = subprocess.run(
        [*own, "sh", "-c", mount, "sh", str(tmp_path), sys.executable, _FILLER],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    written, visible, whole, hidden, message = done.stdout.strip().split("|")
    assert int(written) == int(visible) > 3
    assert (whole, hidden) == ("True", "[]")
    assert message.startswith("disk full: ")
    assert "nothing half-written is visible. Free some space" in message


def test_sealed_days_are_those_with_a_record(lake: Lake) -> None:
    made.write_day(lake, FRIDAY, 1)
    lake.write_closed(OPTION_CHAIN, FRIDAY, "NIFTY", made.option_chain(FRIDAY, 0))
    assert (lake.sealed, lake.unsealed_days(), lake.days()) == ({}, [FRIDAY], [FRIDAY])
    assert lake.seal_record(date(2026, 11, 18)) is None


def test_two_workers_who_change_a_seal_record_at_once_lose_neither_change(lake: Lake) -> None:
    made.write_day(lake, FRIDAY, 1)
    seal_day(lake, FRIDAY, made.as_captured, lambda: None)
    together = threading.Barrier(2)

    def worker(underlying: str) -> None:
        first = True

        def change(record: SealRecord) -> SealRecord:
            nonlocal first
            if first:
                together.wait(30)  # both have read the same record
                first = False
            files = {**record.files, "option_chain": {**record.files["option_chain"], underlying: 7}}
            return replace(record, files=files)

        lake.amend(FRIDAY, change)

    threads = [threading.Thread(target=worker, args=(name,)) for name in made.INDICES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert lake.sealed[FRIDAY].files["option_chain"] == {"BANKNIFTY": 7, "NIFTY": 7}
