"""`g6 seal`, `g6 warehouse rebuild`, a data folder that moved, and a reader that holds on."""

import threading

import duckdb
import pytest

from g6 import connect
from tests.cli.conftest import FRIDAY, SNAPSHOTS, Command
from tests.stack.conftest import wait_for

COUNT = "select count(distinct snapshot_at) as n from overview"


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2026-11-19", "nothing is stored for 2026-11-19, so there is nothing to seal; days with data: 2026-11-20"),
        ("2026-11-21", "2026-11-21 has no session (Saturday), so there is nothing to seal"),
        ("2026-12-01", "2026-12-01 is not over: it closes at 2026-12-01 15:40 IST"),
        ("friday", "'friday' is no date; write it as YYYY-MM-DD"),
    ],
)
def test_a_day_that_cannot_be_sealed_is_told_why(demo: Command, day: str, message: str):
    assert message in demo.refuses("seal", day)


def test_a_day_that_is_still_open_is_not_sealed(copy: Command):
    root = copy.root()
    content = root.clock_file.read_text(encoding="utf-8")
    root.clock_file.write_text(content.replace("T15:46", "T15:30"), encoding="utf-8")
    said = copy.refuses("seal", FRIDAY)
    assert f"is not over: it closes at {FRIDAY} 15:40 IST, and this world's market time is {FRIDAY} 15:30" in said
    assert "leave it to the after_close sensor" in said


def test_sealing_again_says_what_was_written_and_changes_no_rows(copy: Command):
    before = copy.says("sql", "select count(*) from option_chain", "--format", "csv")
    assert f"{FRIDAY} sealed: " in copy.says("seal", FRIDAY)
    assert copy.says("sql", "select count(*) from option_chain", "--format", "csv") == before


def test_a_moved_data_folder_answers_through_connect_and_rebuild_mends_the_file(copy: Command, demo: Command):
    root = copy.root()
    hidden = demo.data.rename(demo.data.with_name("moved away"))
    try:
        with duckdb.connect(str(root.warehouse), read_only=True) as plain, pytest.raises(duckdb.IOException):
            plain.execute(COUNT)
        with connect(root.path) as db:
            assert db.sql(COUNT)["n"].tolist() == [SNAPSHOTS]
        assert "made anew from" in copy.says("warehouse", "rebuild")
        with duckdb.connect(str(root.warehouse), read_only=True) as plain:
            assert plain.execute(COUNT).fetchone() == (SNAPSHOTS,)
    finally:
        hidden.rename(demo.data)


def test_a_dry_prune_says_what_would_go_and_young_runs_stay(demo: Command):
    said = " ".join(demo.says("prune", "--dry-run", "--keep-days", "1").split())
    assert said.startswith("would delete 0 finished runs of before ")
    assert "and keep 0 of their materialisations; Dagster's storage is " in said
    assert "--keep-days" in demo("prune", "--keep-days", "0").stderr


def test_the_machines_time_zone_changes_no_answer(demo: Command):
    abroad = Command(demo.folder, {"TZ": "America/New_York"})
    query = "select min(snapshot_at) as first, max(snapshot_at) as last, max(exchange_at) as told from quotes"
    answer = abroad.says("sql", query, "--format", "csv")
    assert answer == demo.says("sql", query, "--format", "csv")
    assert answer.splitlines()[1].startswith(f"{FRIDAY} 09:30:00,{FRIDAY} 15:30:00,{FRIDAY} 15:")


@pytest.mark.slow
def test_a_reader_that_holds_the_file_open_through_a_demo_harms_nobody_and_never_gets_less(g6: Command):
    process = g6.start("demo", "--date", FRIDAY)
    file = g6.data / "sim-42" / "g6.duckdb"
    wait_for("the views", file.exists, 90)
    held = duckdb.connect(str(file), read_only=True)
    seen: list[int] = []
    refused: list[str] = []
    pause = threading.Event()
    with connect(g6.data / "sim-42") as db:
        fresh: list[int] = []
        while process.poll() is None:
            fresh.append(int(db.sql(COUNT)["n"].iloc[0]))
            try:
                row = held.execute(COUNT).fetchone()
                assert row is not None
                seen.append(row[0])
            except duckdb.IOException as error:
                refused.append(str(error))
            pause.wait(0.2)
        fresh.append(int(db.sql(COUNT)["n"].iloc[0]))
    out, error = process.communicate()
    assert process.returncode == 0, out + error
    assert seen == sorted(seen)
    assert fresh == sorted(fresh)
    assert fresh[-1] == SNAPSHOTS
    # The held handle names files of before the seal: an answer less than the whole would be a lie.
    with pytest.raises(duckdb.IOException, match="No files found"):
        held.execute(COUNT)
    assert all("No files found" in message for message in refused)
