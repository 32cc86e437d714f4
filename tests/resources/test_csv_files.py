"""CSV files: whole lines, once each, and the same bytes from the same tables."""

import csv
import os
from pathlib import Path

import pandas as pd
import pytest

from g6_market.schema import OFFSET_SERIES, OVERVIEW, conform
from g6_resources.csv_files import CsvSink
from g6_resources.seams import SinkError, Snapshot, SnapshotSink
from tests.resources import lake_frames as made
from tests.resources.lake_frames import FRIDAY, series_rows, snapshot


def content(base: Path) -> dict[str, bytes]:
    return {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*.csv")}


def day_frames(count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    series = pd.concat([series_rows(FRIDAY, number) for number in range(count)], ignore_index=True)
    return series, pd.concat([made.overview(FRIDAY, number) for number in range(count)], ignore_index=True)


def test_a_snapshot_appends_a_line_to_the_file_of_each_series_and_index(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path)
    assert isinstance(sink, SnapshotSink)
    for number in range(2):
        sink.publish(snapshot(FRIDAY, number))
    files = content(tmp_path)
    assert len(files) == 2 * 2 * 5 + 2
    assert {"options/NIFTY/this_week/ATM/2026-11-20.csv", "options/BANKNIFTY/next_week/ATM+2/2026-11-20.csv"} < set(
        files
    )
    lines = files["options/NIFTY/this_week/ATM-1/2026-11-20.csv"].decode().splitlines()
    assert lines[0] == ",".join(OFFSET_SERIES.names)
    assert [line[:19] for line in lines[1:]] == ["2026-11-20 09:16:00", "2026-11-20 09:17:00"]
    row = next(csv.DictReader(lines))
    assert (row["expiry"], row["strike_offset"], row["strike"], row["rolled"]) == ("2026-11-24", "-1", "23950", "false")
    assert row["call_last_price"] == "101.1"
    assert row["call_average_price"] == ""
    assert row["call_iv"] == "0.126"
    assert files["overview/NIFTY/2026-11-20.csv"].startswith(
        ",".join(OVERVIEW.names).encode() + b"\n2026-11-20 09:16:00,NIFTY,23990.5,false,"
    )


def test_every_number_reads_back_as_itself(tmp_path: Path) -> None:
    values = [0.1, 1e-7, 123456.05, 1 / 3, 24350.0, 7e15]
    overview = pd.concat(
        [made.overview(FRIDAY, number).head(1).assign(spot=value) for number, value in enumerate(values)]
    )
    CsvSink(tmp_path).rewrite_day(FRIDAY, series_rows(FRIDAY, 0), overview)
    read = pd.read_csv(tmp_path / "overview" / "BANKNIFTY" / "2026-11-20.csv")
    assert read["spot"].tolist() == values
    pd.testing.assert_frame_equal(conform(read, OVERVIEW), overview.reset_index(drop=True))


def test_a_snapshot_published_again_by_a_restarted_process_is_not_written_twice(tmp_path: Path) -> None:
    CsvSink(tmp_path).publish(snapshot(FRIDAY, 0))
    first = content(tmp_path)
    restarted = CsvSink(tmp_path)
    restarted.publish(snapshot(FRIDAY, 0))
    assert content(tmp_path) == first
    restarted.publish(snapshot(FRIDAY, 1))
    restarted.publish(snapshot(FRIDAY, 0))
    lines = content(tmp_path)["overview/NIFTY/2026-11-20.csv"].splitlines()
    assert [line[:19] for line in lines[1:]] == [b"2026-11-20 09:16:00", b"2026-11-20 09:17:00"]


def test_a_line_torn_by_a_dying_machine_is_cut_off_before_the_next(tmp_path: Path) -> None:
    for number in range(2):
        CsvSink(tmp_path).publish(snapshot(FRIDAY, number))
    whole = content(tmp_path)
    for path in tmp_path.rglob("*.csv"):
        os.truncate(path, path.stat().st_size - 7)
    CsvSink(tmp_path).publish(snapshot(FRIDAY, 1))
    assert content(tmp_path) == whole


def test_what_was_appended_through_the_day_is_what_the_seal_writes(tmp_path: Path) -> None:
    appended, sealed = tmp_path / "appended", tmp_path / "sealed"
    sink = CsvSink(appended)
    for number in range(4):
        sink.publish(snapshot(FRIDAY, number))
    series, overview = day_frames(4)
    assert CsvSink(sealed).rewrite_day(FRIDAY, series.sample(frac=1, random_state=3), overview) == 22
    assert content(sealed) == content(appended)
    assert sink.rewrite_day(FRIDAY, series, overview) == 22
    assert content(appended) == content(sealed)


def test_one_series_can_be_written_anew_alone(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path)
    series, overview = day_frames(3)
    sink.rewrite_day(FRIDAY, series, overview)
    before = content(tmp_path)
    one = series[
        (series["underlying"] == "NIFTY") & (series["expiry_tag"] == "this_week") & (series["strike_offset"] == 1)
    ]
    name = "options/NIFTY/this_week/ATM+1/2026-11-20.csv"
    assert sink.rewrite_series("NIFTY", "this_week", 1, FRIDAY, one.head(2)) == tmp_path / name
    assert content(tmp_path)[name] == b"".join(before[name].splitlines(keepends=True)[:3])
    sink.rewrite_series("NIFTY", "this_week", 1, FRIDAY, one)
    assert content(tmp_path) == before


def test_after_a_rewrite_appending_goes_on_behind_the_last_line(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path)
    sink.publish(snapshot(FRIDAY, 0))
    series, overview = day_frames(3)
    sink.rewrite_day(FRIDAY, series, overview)
    for number in (1, 3):
        sink.publish(snapshot(FRIDAY, number))
    stamps = [line[11:16] for line in content(tmp_path)["overview/NIFTY/2026-11-20.csv"].decode().splitlines()[1:]]
    assert stamps == ["09:16", "09:17", "09:18", "09:19"]


def test_a_file_deleted_during_the_day_is_begun_again(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path)
    sink.publish(snapshot(FRIDAY, 0))
    file = tmp_path / "overview" / "NIFTY" / "2026-11-20.csv"
    file.unlink()
    sink.publish(snapshot(FRIDAY, 1))
    header, line = file.read_text().splitlines()
    assert (header, line[:19]) == (",".join(OVERVIEW.names), "2026-11-20 09:17:00")


def test_words_with_commas_and_quotes_stay_one_field(tmp_path: Path) -> None:
    series = series_rows(FRIDAY, 0).head(1).assign(call_tradingsymbol=pd.Series(['M&M, "new"'], dtype="str"))
    path = CsvSink(tmp_path).rewrite_series("BANKNIFTY", "this_week", -2, FRIDAY, series)
    with path.open(newline="") as file:
        assert next(csv.DictReader(file))["call_tradingsymbol"] == 'M&M, "new"'


def test_a_file_with_other_columns_is_left_alone_and_named(tmp_path: Path) -> None:
    path = tmp_path / "overview" / "NIFTY" / "2026-11-20.csv"
    path.parent.mkdir(parents=True)
    path.write_text("snapshot_at,spot\n2026-11-20 09:16:00,1\n")
    with pytest.raises(SinkError, match=r"overview/NIFTY/2026-11-20.csv has other columns than today's; seal the day"):
        CsvSink(tmp_path).publish(snapshot(FRIDAY, 1))
    assert path.read_text() == "snapshot_at,spot\n2026-11-20 09:16:00,1\n"


def test_a_base_that_cannot_be_written_is_a_sink_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(SinkError, match=r"csv: .*taken.* cannot be written"):
        CsvSink(tmp_path / "taken").publish(snapshot(FRIDAY, 0))
    with pytest.raises(SinkError, match=r"csv: .*taken.* cannot be written"):
        CsvSink(tmp_path / "taken").rewrite_day(FRIDAY, *day_frames(1))


def test_a_snapshot_without_rows_writes_nothing(tmp_path: Path) -> None:
    empty = snapshot(FRIDAY, 0)
    nothing = {name: getattr(empty, name).head(0) for name in ("offset_series", "overview")}
    fields = {name: getattr(empty, name) for name in Snapshot.__dataclass_fields__}
    CsvSink(tmp_path).publish(Snapshot(**{**fields, **nothing}))
    assert content(tmp_path) == {}
