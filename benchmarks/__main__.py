"""Run every `benchmarks/bench_*.py`, write benchmarks/results.json and show one table: `make bench`.

Each module has `results() -> list[dict]` of {name, value, unit, better: lower|higher, baseline, ratio, note}. Names of
modules as arguments run only those (`make bench ARGS=bench_pricing`) and keep the other results. What is asked of a
synthetic year of 79 million legs runs with `--year` (`make bench ARGS=--year`), which builds the year if it is missing.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
OF_THE_YEAR = ("bench_cluster", "bench_desk", "bench_history", "bench_queries", "bench_readers", "bench_year")
KEYS = ("name", "value", "unit", "better", "baseline", "ratio", "note")

Result = dict[str, Any]


def modules() -> list[str]:
    """Return the names of the benchmark modules."""
    return sorted(path.stem for path in FOLDER.glob("bench_*.py"))


def checked(module: str, results: Iterable[Result]) -> list[Result]:
    """Return the results with every key in order; raise ValueError for a result that lacks or invents one."""
    rows: list[Result] = []
    for result in results:
        if set(result) != set(KEYS) or result["better"] not in ("lower", "higher"):
            raise ValueError(f"{module}: a result has just {', '.join(KEYS)}, better is lower or higher: {result}")
        rows.append({key: result[key] for key in KEYS})
    return rows


def merged(before: Iterable[Result], now: Iterable[Result]) -> list[Result]:
    """Return the results by name, newer ones in the place of older ones."""
    return sorted({row["name"]: row for row in (*before, *now)}.values(), key=lambda row: str(row["name"]))


def table(rows: Iterable[Result]) -> Table:
    """Return the results as a table for the terminal."""
    shown = Table("name", "value", "unit", "better", "baseline", "ratio", "note")
    for row in rows:
        shown.add_row(*("" if row[key] is None else _number(row[key]) for key in KEYS))
    return shown


def main(arguments: list[str]) -> None:
    """Run the benchmarks that are named, else all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("module", nargs="*", help=f"run only these of {', '.join(modules())}")
    parser.add_argument(
        "--year", action="store_true", help="also what needs the synthetic year: 20 minutes more, 20 GB"
    )
    asked = parser.parse_args(arguments)
    named = asked.module or [name for name in modules() if asked.year or name not in OF_THE_YEAR]
    unknown = sorted(set(named) - set(modules()))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(modules())}")
    console = Console()
    results: list[Result] = []
    for name in named:
        console.print(f"[dim]{name}[/dim]", highlight=False)
        results += checked(name, importlib.import_module(f"benchmarks.{name}").results())
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() and named != modules() else []
    rows = merged(before, results)
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    console.print(table(rows))
    console.print(f"written to {RESULTS.relative_to(FOLDER.parent)}")


def _number(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
