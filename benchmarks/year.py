"""A synthetic year as a real sealed lake: 250 days of 375 minutes and two special ones, 840 option legs, 79 million.

`python -m benchmarks.year` builds it in benchmarks/.cache (outside git, about 5 GB) and goes on where it was
interrupted. Every table of G6 is there. The raw quotes come from `year_market`; everything derived is derived from them
by `replace_index_files`, the very work of the per-index assets, and that step is what `year_recompute_*` measures.
"""

import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from benchmarks.year_market import LEVELS, listed_day, quotes_of, reference_of, snapshots_of
from g6_market.calendar import IST, TradingCalendar
from g6_market.day import CODE_VERSION
from g6_market.indices import VIX_UNDERLYING
from g6_market.schema import (
    CONVENTIONS,
    DAILY_SUMMARY,
    EXPIRIES,
    EXPIRY_OVERVIEW,
    INSTRUMENTS,
    OPTION_CHAIN,
    OVERVIEW,
    QUOTES,
    REFERENCE,
    SNAPSHOTS,
    STORED_TABLES,
)
from g6_resources.lake import ALL, Lake, LocalStore, SealRecord
from g6_resources.parquet import schema_version
from g6_resources.sealing import replace_index_files
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, World, make_root

CACHE = Path(__file__).parent / ".cache"
DAYS, PROCESSES, PARTS = 250, 2, 8
DERIVED = (OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW, DAILY_SUMMARY)
# The last one of 375 minutes: sessions are longer since 2026-08-03.
LAST = date(2026, 7, 31)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What deriving the year again took.

    Parameters
    ----------
    days, legs, seconds
        How many days, rows of `option_chain` written, and wall time.
    cpu_seconds
        Of all processes.
    peak_gib
        Largest resident sizes of the processes, added.
    """

    days: int
    legs: int
    seconds: float
    cpu_seconds: float
    peak_gib: float


@cache
def sessions() -> list[date]:
    """Return the days of the year: 250 regular sessions of 375 minutes, and the special ones between them."""
    calendar = TradingCalendar.load()
    known = calendar.sessions(date(LAST.year - 1, LAST.month - 1, 1), LAST)
    first = [session.trade_date for session in known if session.kind == "regular"][-DAYS]
    return [session.trade_date for session in known if session.trade_date >= first]


def root_of(folder: Path) -> DataRoot:
    """Return the year's data root below a folder, made when missing."""
    return make_root(folder, World("sim:year"), first_date=sessions()[0].isoformat())


def built_year() -> DataRoot:
    """Return the data root of the whole year, built when it is missing."""
    root = root_of(CACHE)
    return root if _note(root).exists() else build(CACHE, sessions())


def recomputed(root: DataRoot) -> Recomputed:
    """Return what deriving the year took when it was last done."""
    return Recomputed(**json.loads(_note(root).read_text(encoding="utf-8")))


def build(folder: Path, days: Iterable[date]) -> DataRoot:
    """Make the quotes of those days that are missing, derive every day from its quotes, and make the views."""
    root, wanted = root_of(folder), sorted(days)
    lake = Lake(LocalStore(root.lake), current=root.current)
    lake.ensure_sentinels()
    missing = sorted(set(wanted) - set(lake.sealed_days()))
    _side_by_side(_receive, [(root.lake, missing[part::PARTS]) for part in range(PARTS)])
    recompute(root, wanted)
    Warehouse(root, TradingCalendar.load()).rebuild()
    return root


def recompute(root: DataRoot, days: list[date]) -> Recomputed:
    """Derive every index of the days again from the stored quotes, on two processes, and note what it took."""
    take_todays_columns(Lake(LocalStore(root.lake)), days)
    size = -(-len(days) // PARTS)
    # A part of an index starts after the one before it has ended: the summary of a day looks at those before.
    parts = [(root.lake, name, days[n : n + size]) for n in range(0, len(days), size) for name in LEVELS]
    started = time.perf_counter()
    done = _side_by_side(_derive, parts)
    peaks: dict[int, int] = {}
    for one in done:
        peaks[one["pid"]] = max(peaks.get(one["pid"], 0), one["peak_kib"])
    result = Recomputed(
        days=len(days),
        legs=sum(one["legs"] for one in done),
        seconds=time.perf_counter() - started,
        cpu_seconds=sum(one["cpu_seconds"] for one in done),
        peak_gib=sum(peaks.values()) / 2**20,
    )
    _note(root).write_text(json.dumps(asdict(result)), encoding="utf-8")
    return result


def take_todays_columns(lake: Lake, days: list[date]) -> None:
    """Let the records say that the derived files have today's columns, which they are about to get."""
    for day in days:
        record = lake.seal_record(day)
        assert record is not None
        schema = {**record.schema, **{table.name: schema_version(table) for table in DERIVED}}
        if schema != record.schema:
            lake.commit(replace(record, schema=schema))


def _note(root: DataRoot) -> Path:
    return root.path / "recomputed.json"


def _receive(folder: Path, days: list[date]) -> None:
    """Store what was received on each day, and the record of the files that will be derived from it."""
    lake, calendar = Lake(LocalStore(folder)), TradingCalendar.load()
    for day in days:
        trading_day = listed_day(day, calendar)
        files: dict[str, dict[str, int]] = {table.name: {} for table in STORED_TABLES}
        quotes: list[pd.DataFrame] = []
        for name, rows in quotes_of(trading_day):
            quotes.append(rows)
            _store(lake, files, QUOTES.name, day, name, rows)
        _store(lake, files, CONVENTIONS.name, day, ALL, trading_day.conventions.to_frame())
        _store_by_index(lake, files, INSTRUMENTS.name, day, trading_day.instruments)
        _store_by_index(lake, files, EXPIRIES.name, day, trading_day.expiries)
        _store_by_index(lake, files, REFERENCE.name, day, reference_of(pd.concat(quotes, ignore_index=True)))
        _store_by_index(lake, files, SNAPSHOTS.name, day, snapshots_of(trading_day))
        minutes = len(trading_day.due)
        for rows in quotes:
            name = str(rows["underlying"].iloc[0])
            if name == VIX_UNDERLYING:
                continue
            files[OPTION_CHAIN.name][name] = int((rows["contract_type"] == "option").sum())
            files[EXPIRY_OVERVIEW.name][name] = minutes * sum(c.underlying == name for c in trading_day.chains)
            files[OVERVIEW.name][name], files[DAILY_SUMMARY.name][name] = minutes, 1
        schema = {table.name: schema_version(table) for table in STORED_TABLES}
        lake.commit(SealRecord(day, datetime.now(IST), CODE_VERSION, files, schema))


def _store(lake: Lake, files: dict[str, dict[str, int]], table: str, day: date, name: str, rows: pd.DataFrame) -> None:
    lake.write_closed(table, day, name, rows)
    files[table][name] = len(rows)


def _store_by_index(lake: Lake, files: dict[str, dict[str, int]], table: str, day: date, frame: pd.DataFrame) -> None:
    for name, rows in frame.groupby("underlying"):
        _store(lake, files, table, day, str(name), rows)


def _derive(folder: Path, underlying: str, days: list[date]) -> dict[str, Any]:
    lake, calendar, started = Lake(LocalStore(folder)), TradingCalendar.load(), time.process_time()
    legs = sum(replace_index_files(lake, day, underlying, calendar)[OPTION_CHAIN.name] for day in days)
    return {
        "pid": os.getpid(),
        "legs": legs,
        "cpu_seconds": time.process_time() - started,
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def _side_by_side(work: Callable[..., Any], parts: list[tuple[Any, ...]]) -> list[Any]:
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        return [future.result() for future in [pool.submit(work, *part) for part in parts]]


if __name__ == "__main__":
    started = time.perf_counter()
    made = build(CACHE, sessions())
    Console().print(f"{made.path}: {recomputed(made)}, all in {time.perf_counter() - started:.0f} s")
