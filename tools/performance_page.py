"""Write the table of docs/performance.md from what `make bench` found: `python -m tools.performance_page`.

Only what stands between the two markers is generated; the text around it is written by hand. The row of a result that
is not among those found stays as it is: some need a year of data, or hours.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = PROJECT / "docs" / "performance.md"
RESULTS = PROJECT / "benchmarks" / "results.json"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def performance_table(results: Iterable[dict[str, Any]], before: str = "") -> str:
    """Return the table of every result: figure, how many times better than what it is compared with, what it is.

    Parameters
    ----------
    before
        The table so far, whose other rows are kept.
    """
    rows = {name: line for line in before.splitlines() for name in re.findall(r"^\| `(\w+)` \|", line)}
    rows |= {
        row["name"]: f"| `{row['name']}` | {_figure(row['value'])} {row['unit']} | {_ratio(row)} | "
        f"{row['note'].replace('|', '/')} |"
        for row in results
    }
    lines = [rows[name] for name in sorted(rows)]
    return "\n".join(["| name | figure | beside | what was measured |", "|---|---|---|---|", *lines])


def filled(document: str, results: Iterable[dict[str, Any]]) -> str:
    """Return the document with the table in its place; it must hold both markers."""
    before, rest = document.split(BEGIN)
    table, after = rest.split(END)
    return f"{before}{BEGIN}\n{performance_table(results, table)}\n{END}{after}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def _ratio(row: dict[str, Any]) -> str:
    if row["baseline"] is None:
        return "-"
    return f"{_figure(row['baseline'])} {row['unit']}, {_figure(row['ratio'])} times"


if __name__ == "__main__":
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), found), encoding="utf-8")
