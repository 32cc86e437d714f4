"""What history costs: the six questions at 1, 3 and 6 synthetic years.

The earlier years are the one that there is, its files linked under dates 52, 104 .. weeks before (so a weekday stays
one): other names, the same rows, whose `snapshot_at` keeps its own date. The questions ask the last year, q5 all of it.
Raw quotes are not linked: no question reads them.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.bench_analytics import result
from benchmarks.bench_queries import THREADS, Timed, timed
from benchmarks.year import CACHE, built_year, root_of, sessions
from benchmarks.year_questions import MACROS, QUESTIONS, SQL
from g6.connection import G6Connection
from g6_market.schema import CONVENTIONS, DAILY_SUMMARY, EXPIRIES, EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW
from g6_resources.lake import Lake, LocalStore, SealRecord, closed_path
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot

YEARS = (1, 3, 6)
TABLES = (CONVENTIONS, DAILY_SUMMARY, EXPIRIES, EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW)


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    asked = {years: _asked(_linked(built_year(), years)) for years in YEARS}
    return [_row(question.name, question.meaning, asked) for question in QUESTIONS]


def _linked(year: DataRoot, years: int) -> DataRoot:
    """Return a data root of so many years, made when missing."""
    root = root_of(CACHE / f"years-{years}")
    lake = Lake(LocalStore(root.lake), current=root.current)
    if len(lake.sealed_days()) < years * len(sessions()):
        lake.ensure_sentinels()
        for day, record in Lake(LocalStore(year.lake)).sealed.items():
            files = {table.name: record.files[table.name] for table in TABLES}
            for back in range(years):
                date = day - timedelta(weeks=52 * back)
                for table, names in files.items():
                    for name in names:
                        _link(year.lake / closed_path(table, day, name), root.lake / closed_path(table, date, name))
                lake.commit(SealRecord(date, record.made_at, record.code_version, files, record.schema))
        Warehouse(root).rebuild()
    return root


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        os.link(source, target)


def _asked(root: DataRoot) -> dict[str, Timed]:
    with G6Connection(root) as db:
        db.execute(f"SET threads = {THREADS}")
        found = {name: timed(lambda sql=sql: db.execute(sql).fetchall()) for name, sql in (SQL | MACROS).items()}
        return found | {f"{name} view": timed(lambda sql=SQL[name]: db.execute(sql).fetchall()) for name in MACROS}


def _row(name: str, meaning: str, asked: dict[int, dict[str, Timed]]) -> dict[str, Any]:
    ways = [name, *([f"{name} view"] if name in MACROS else [])]
    words = {name: "macro" if name in MACROS else "view", f"{name} view": "through the views"}
    curve = "; ".join(f"{words[way]} {', '.join(f'{asked[years][way][1]:.1f}' for years in YEARS)}" for way in ways)
    first, last = asked[YEARS[0]][name][1], asked[YEARS[-1]][name][1]
    rows = "its rows grow with the years" if name == "q5" else "the same rows are asked for"
    return result(
        f"query_{name}_6_years_ms", last, first,
        f"{meaning}: least of some repeats at {', '.join(map(str, YEARS))} years, in ms: {curve}; {rows}. Baseline: at "
        "one year",
        "ms",
    )  # fmt: skip
