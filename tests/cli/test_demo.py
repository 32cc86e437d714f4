"""`g6 demo`: a day in a world of its own, once; again, interrupted, or asked for what cannot be."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from g6_resources.world import World, make_root
from tests.cli.conftest import FRIDAY, SNAPSHOTS, Command
from tests.stack.conftest import wait_for

ROWS = """
select 'quotes' as t, count(*) as n from quotes union all select 'option_chain', count(*) from option_chain union all
select 'snapshots', count(*) from snapshots union all select 'overview', count(*) from overview union all
select 'expiry_overview', count(*) from expiry_overview union all select 'instruments', count(*) from instruments
"""


def test_a_demo_ends_with_what_landed_and_what_to_try(demo: Command):
    said = (demo.folder / "first.txt").read_text(encoding="utf-8")
    assert "A whole session of Friday 2026-11-20 in the world sim:42" in said
    for name in ("NIFTY", "BANKNIFTY"):
        row = next(line for line in said.splitlines() if line.startswith(f"│ {name}"))
        assert [cell.strip() for cell in row.strip("│").split("│")][1:4] == [str(SNAPSHOTS), "09:30", "15:30"]
    assert f"files: {demo.root().path}" in said
    queries = [line.split('"')[1] for line in said.splitlines() if "g6 sql" in line]
    assert len(queries) == 3
    for query in queries:
        assert len(demo.says("sql", query, "--format", "csv").splitlines()) > 1


def test_a_demo_never_makes_the_live_world(demo: Command):
    assert demo.worlds() == ["sim-42"]


def test_a_second_demo_finds_nothing_due_and_changes_no_row_counts(demo: Command):
    before = demo.says("sql", ROWS, "--format", "csv")
    assert "session: nothing due: the day is sealed" in demo.says("demo", "--date", FRIDAY)
    assert demo.says("sql", ROWS, "--format", "csv") == before


def test_a_day_before_the_worlds_time_is_refused_since_a_market_does_not_go_back(demo: Command):
    assert "choose another --seed" in demo.refuses("demo", "--date", "2026-11-18")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--date", "2031-01-08"), "that session is not over; the latest that is over is "),
        (("--date", "yesterday"), "--date 'yesterday' is no date; write it as YYYY-MM-DD"),
        (("--replay", "nowhere", "--date", "2025-08-29"), "--replay nowhere: there is no such folder"),
        (("--replay", "tests", "--date", "2025-08-29"), "that folder holds no recorded day; name one of <INDEX>_"),
    ],
)
def test_a_day_that_cannot_be_had_is_one_message_and_nothing_is_written(
    g6: Command, arguments: tuple[str, ...], message: str
):
    assert message in g6.refuses("demo", *arguments)
    assert not g6.data.exists()


def test_a_holiday_is_no_mistake_but_stores_nothing(g6: Command):
    assert "2026-01-26: market closed: " in g6.says("demo", "--date", "2026-01-26")
    assert not g6.data.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--replay needs the day to serve: --date with one of 2025-08-27, 2025-08-29"),
        (("--date", "2025-08-28"), "holds nothing of that day; it holds 2025-08-27, 2025-08-29"),
    ],
)
def test_a_replay_without_its_day_names_the_days_there_are(
    g6: Command, tmp_path: Path, arguments: tuple[str, ...], message: str
):
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for day in ("20250827", "20250829"):
        (recordings / f"NIFTY_{day}.parquet").touch()
    assert message in g6.refuses("demo", "--replay", str(recordings), *arguments)
    assert not g6.data.exists()


def test_the_folder_of_another_world_is_refused(g6: Command, demo: Command):
    shutil.copytree(demo.root().path, g6.data / "sim-7")
    said = g6.refuses("demo", "--seed", "7")
    assert "holds the world 'sim:42', not 'sim:7'; a data root holds one world" in said
    assert "holds the world 'sim:42', not 'sim:7'" in g6.refuses("status", "--world", "sim:7")
    make_root(g6.data / "elsewhere", World("live"))
    (g6.data / "elsewhere" / "live").rename(g6.data / "sim-8")
    assert "holds the world 'live', not 'sim:8'" in g6.refuses("demo", "--seed", "8")


@pytest.mark.slow
def test_a_demo_that_is_interrupted_says_how_to_go_on_and_a_later_run_completes_the_day(g6: Command):
    live = g6.data / "sim-42" / "lake" / "snapshots" / "live" / f"trade_date={FRIDAY}"
    # Ctrl+C reaches every process of the terminal, a service manager's signal the command alone.
    for snapshots, number, end in ((3, signal.SIGINT, os.killpg), (6, signal.SIGTERM, os.kill)):
        process = g6.start("demo", "--date", FRIDAY)
        wait_for("snapshots", lambda least=snapshots: len(list(live.glob("s*.parquet"))) >= least, 90)
        end(process.pid, number)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130
        lines = error.strip().splitlines()
        assert len(lines) == 1, error
        (line,) = lines
        assert f"of {FRIDAY}; what was captured is kept, and the same command goes on" in line
    assert "session: captured" in g6.says("demo", "--date", FRIDAY)
    shape = "select count(*) as n, count(distinct (snapshot_at, underlying, expiry)) as d from snapshots"
    whole = g6.says("sql", shape, "--format", "csv").splitlines()[1].split(",")
    assert whole[0] == whole[1]
    counts = g6.says("sql", "select count(distinct snapshot_at) from overview", "--format", "csv")
    assert counts.splitlines()[1] == str(SNAPSHOTS)
    attempts = g6.says("sql", "select distinct attempt from snapshots order by 1", "--format", "csv")
    assert attempts.splitlines()[1:] == ["1", "2", "3"]
    # Taken from a market that stood still at 09:00, a resumed instant would be stale or a gap.
    assert g6.says("sql", "select count(*) from gaps", "--format", "csv").splitlines()[1] == "0"


@pytest.mark.slow
def test_a_sealed_day_of_the_lake_can_be_replayed_and_comes_out_the_same(g6: Command, demo: Command):
    said = g6.says("demo", "--replay", str(demo.root().lake), "--date", FRIDAY)
    assert "in the world replay:sim-42" in said
    query = (
        "select underlying, expiry, strike, option_type, last_price, bid_price, ask_price, volume, oi, exchange_at "
        "from quotes where contract_type = 'option' and snapshot_at = timestamp '2026-11-20 12:30:00'"
    )
    recorded = set(demo.says("sql", query, "--format", "csv").splitlines())
    # A replay asks every strike at every instant; those that were not asked then stand as they were known.
    replayed = set(g6.says("sql", query, "--format", "csv", "--world", "replay:sim-42").splitlines())
    assert len(recorded) > 80
    assert recorded <= replayed
