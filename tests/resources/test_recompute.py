"""A range of days derived again, in shares: killed, in any order, side by side, it ends in the same files."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g6_market.day import CODE_VERSION
from g6_market.quotes import quotes_frame
from g6_market.schema import DAILY_SUMMARY, QUOTES, SNAPSHOTS
from g6_resources.lake import Lake, LocalStore
from g6_resources.leases import Leases
from g6_resources.parquet import decode, written_by
from g6_resources.recompute import recompute
from g6_resources.sealing import derive_day, seal_day
from tests.market import market_data as market

DAYS = [session.trade_date for session in market.calendar().sessions(date(2025, 8, 22), date(2025, 8, 29))]
SHARES = [DAYS[:2], DAYS[2:4], DAYS[4:]]
CLOCKS = ("14:59", "15:00")
DERIVED = ("option_chain", "expiry_overview", "overview", "daily_summary")

KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from g6_resources.lake import Lake, LocalStore
from tests.resources.test_recompute import run

class Killed(LocalStore):
    left = int(sys.argv[2])
    def move(self, path, target):
        super().move(path, target)
        Killed.left -= 1
        if not Killed.left:
            os.kill(os.getpid(), signal.SIGKILL)

run(Lake(Killed(Path(sys.argv[1]))), [date.fromisoformat(day) for day in sys.argv[3:]], "killed")
"""


def lake_at(folder: Path) -> Lake:
    return Lake(LocalStore(folder))


def run(lake: Lake, days: Sequence[date], work: str = "run", *, only_outdated: bool = False) -> list[date]:
    """Derive a share of NIFTY again; returns the days that were derived."""
    leases = Leases(lake, "NIFTY", work)
    done = list(recompute(lake, "NIFTY", days, market.calendar(), leases, only_outdated=only_outdated))
    assert [one.day for one in done] == list(days)
    return [one.day for one in done if one.rows]


def files(lake: Lake, index: str = "NIFTY") -> dict[str, bytes]:
    return {path: lake.store.get(path) for path in lake.store.list("") if path.endswith(f"/{index}.parquet")}


def derived_files(folder: Path, days: Sequence[date]) -> list[Path]:
    return [folder / name / "closed" / f"trade_date={day}" / "NIFTY.parquet" for name in DERIVED for day in days]


def mark_older(folder: Path, days: Sequence[date]) -> None:
    """Make the days' files those of an older code, which did not keep India VIX."""
    for path in derived_files(folder, days):
        rows = pq.read_table(path)
        if DAILY_SUMMARY.name in str(path):
            column = rows.schema.get_field_index("vix_close")
            field = rows.schema.field(column)
            rows = rows.set_column(column, field, pa.nulls(rows.num_rows, field.type))
        pq.write_table(rows.replace_schema_metadata({**rows.schema.metadata, b"g6:code_version": b"older"}), path)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six sealed days of two indices whose NIFTY is of an older code."""
    folder = tmp_path_factory.mktemp("sealed") / "lake"
    lake = lake_at(folder)
    for day in DAYS:
        opened = market.small_day(day)
        lake.write_live("conventions", day, "day", opened.conventions.to_frame())
        lake.write_live("instruments", day, "day", opened.instruments)
        lake.write_live("expiries", day, "day", opened.expiries)
        for seed, clock in enumerate(CLOCKS, start=day.day):
            quotes = quotes_frame(market.market(opened, market.at(clock, day), seed), opened, market.at(clock, day), 1)
            name = f"s{clock.replace(':', '')}00"
            lake.write_live(QUOTES, day, name, quotes)
            rows = market.snapshots_of(quotes, opened, full=[market.at(clock, day)])
            lake.write_live(SNAPSHOTS, day, name, rows)
        seal_day(lake, day, lambda lake_, day_: derive_day(lake_, day_, market.calendar()), lambda: None)
    mark_older(folder, DAYS)
    return folder


@pytest.fixture(scope="module")
def undisturbed(sealed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one worker makes of it, day after day."""
    lake = lake_at(Path(shutil.copytree(sealed, tmp_path_factory.mktemp("undisturbed") / "lake")))
    assert run(lake, DAYS) == DAYS
    return files(lake)


@pytest.fixture
def folder(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "lake"))


def test_deriving_again_carries_todays_code_and_what_earlier_days_are_now(undisturbed: dict[str, bytes]) -> None:
    assert {written_by(data) for path, data in undisturbed.items() if path.split("/")[0] in DERIVED} == {CODE_VERSION}
    last = decode(undisturbed[f"daily_summary/closed/trade_date={DAYS[-1]}/NIFTY.parquet"])
    assert last.column("vix_days_used").to_pylist() == [len(DAYS) - 1]


def test_shares_in_the_wrong_order_end_in_the_same_files(folder: Path, undisturbed: dict[str, bytes]) -> None:
    for share in reversed(SHARES):
        run(lake_at(folder), share)
    assert files(lake_at(folder)) == undisturbed


def test_shares_side_by_side_end_in_the_same_files(folder: Path, undisturbed: dict[str, bytes]) -> None:
    workers = [threading.Thread(target=run, args=(lake_at(folder), share, f"run {share[0]}")) for share in SHARES]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert files(lake_at(folder)) == undisturbed


def test_two_workers_at_the_same_share_end_in_the_same_files(folder: Path, undisturbed: dict[str, bytes]) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            run(lake_at(folder), DAYS, name)
        except BaseException as error:
            failures.append(error)
            raise

    workers = [threading.Thread(target=work, args=(f"run {n}",)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert not failures
    assert files(lake_at(folder)) == undisturbed


@pytest.mark.parametrize("published", [1, 4, 6, 8])
def test_a_worker_killed_in_the_middle_costs_its_share_and_no_other(
    published: int, folder: Path, undisturbed: dict[str, bytes]
) -> None:
    first, mine, last = SHARES
    for share in (first, last):
        run(lake_at(folder), share)
    others = {path: path.stat().st_ino for path in derived_files(folder, [*first, *last])}
    days = [day.isoformat() for day in mine]
    dead = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(published), *days], cwd=Path.cwd())
    assert dead.returncode == -signal.SIGKILL
    again = run(lake_at(folder), mine, "again", only_outdated=True)
    assert again == mine[published // 4 :]
    assert files(lake_at(folder)) == undisturbed
    compared = {path for path, inode in others.items() if path.stat().st_ino != inode}
    # Of the others only what they say of the days that were missing: the later summaries.
    assert compared == set(derived_files(folder, last)) & {p for p in others if DAILY_SUMMARY.name in str(p)}


def test_what_is_current_is_left_and_its_files_are_not_touched(folder: Path) -> None:
    run(lake_at(folder), DAYS)
    before = {path: path.stat().st_ino for path in derived_files(folder, DAYS)}
    assert run(lake_at(folder), DAYS, only_outdated=True) == []
    assert {path: path.stat().st_ino for path in before} == before


def test_the_other_index_is_not_touched(folder: Path) -> None:
    before = files(lake_at(folder), "BANKNIFTY")
    run(lake_at(folder), DAYS)
    assert files(lake_at(folder), "BANKNIFTY") == before
