"""How long analysts wait: six questions of the synthetic year, through the macros and views, beside what else there is.

Everything is warm: asked before, files in the page cache. Wall milliseconds, the least of some repeats (the machine is
shared, and what else runs on it is not our cost), one process with two threads. The questions are in `year_questions`,
the others in `year_peers`.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.year import built_year
from benchmarks.year_peers import csv_tree, native, pandas_over_csv, polars_over_files
from benchmarks.year_questions import MACROS, QUESTIONS, SQL
from g6.connection import G6Connection

THREADS = 2
_LEAST, _MOST, _ENOUGH_SECONDS = 2, 40, 2.0

Timed = tuple[float, float]
"""Median and least, milliseconds."""


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    root = built_year()
    peers = {"pandas": pandas_over_csv(csv_tree(root)), "polars": polars_over_files(root)}
    found: dict[str, dict[str, Timed]] = {question.name: {} for question in QUESTIONS}
    with G6Connection(root) as db, native(root) as tables:
        for connection in (db, tables):
            connection.execute(f"SET threads = {THREADS}")
        for name, of in found.items():
            if name in MACROS:
                of["macro"] = timed(lambda name=name: db.execute(MACROS[name]).fetchall())
            of["view"] = timed(lambda name=name: db.execute(SQL[name]).fetchall())
            of["native"] = timed(lambda name=name: tables.execute(SQL[name]).fetchall())
            for peer, answers in peers.items():
                if name in answers:
                    of[peer] = timed(answers[name])
    return [_row(question.name, question.meaning, question.aim, found[question.name]) for question in QUESTIONS]


def timed(ask: Callable[[], object]) -> Timed:
    """Return median and least of some repeats, after one that warms."""
    ask()
    seconds: list[float] = []
    while len(seconds) < _LEAST or (len(seconds) < _MOST and sum(seconds) < _ENOUGH_SECONDS):
        start = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * 1000, min(seconds) * 1000


def _row(name: str, meaning: str, aim: float, found: dict[str, Timed]) -> dict[str, Any]:
    median, ours = found.get("macro", found["view"])
    words = {
        "view": "through the year's views" + (" from the legs" if name == "q4" else ""),
        "native": "a native DuckDB file",
        "polars": "polars over the same files",
        "pandas": "pandas over the CSV tree" + (" (21 days only)" if name == "q4" else ""),
    }
    others = "; ".join(f"{words[key]} {found[key][1]:.1f}" for key in words if key in found)
    return {
        "name": f"query_{name}_ms",
        "value": round(ours, 1),
        "unit": "ms",
        "better": "lower",
        "baseline": round(found["pandas"][1], 1) if "pandas" in found and name != "q4" else None,
        "ratio": round(found["pandas"][1] / ours, 1) if "pandas" in found and name != "q4" else None,
        "note": f"{meaning}, {'macro' if 'macro' in found else 'view'}, aim {aim:g}; median {median:.1f}. "
        f"{others}. {ours / found['native'][1]:.1f} times the native file",
    }
