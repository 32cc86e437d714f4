"""Write the plan of docs/scaling.md from what `make bench ARGS=--year` found: `python -m tools.scaling_page`.

The loads and the limits of others are constants here, with where they come from; all costs are results. Only what
stands between the two markers is generated.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from g6_assets.partitions import KEYS_PER_ASSET

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = PROJECT / "docs" / "scaling.md"
RESULTS = PROJECT / "benchmarks" / "results.json"
BEGIN, END = "<!-- plan: begin -->", "<!-- plan: end -->"

INDICES, DAYS_A_YEAR, MINUTES = 6, 250, 375
CONTRACTS = 3_864  # listed options of six indices on 2026-08-18: `full_chain_calls`
QUOTE_SYMBOLS, QUOTES_A_SECOND, CANDLES_A_SECOND = 500, 1, 3  # Kite Connect's documented limits
SOCKET_SYMBOLS = 3 * 3_000
FILES_A_DAY = 1 + 9 * INDICES + 3  # conventions; nine tables by index; India VIX
SERIES_KEYS = 84  # of an index with four labels: 21 offsets each
EVENTS_A_DAY = {"without series": 6, "with series": 6 + SERIES_KEYS}  # four labels, overview, summary
PLANNING_MS = 2.0  # of a view, for an index and a year: docs/performance.md


@dataclass(frozen=True)
class Load:
    """What there would be of it.

    Parameters
    ----------
    years, snapshots
        How many years, and snapshots a day, each of every listed contract.
    """

    name: str
    years: int
    snapshots: int

    @property
    def days(self) -> int:
        """Trading days."""
        return self.years * DAYS_A_YEAR

    @property
    def legs(self) -> int:
        """Rows of `option_chain`."""
        return self.days * self.snapshots * CONTRACTS

    @property
    def shares(self) -> int:
        """Runs of a month of an index."""
        return self.years * 12 * INDICES


TEN_YEARS = Load("10 years, full chains each minute", 10, MINUTES)
SECONDS = Load("1 year, full chains each second", 1, MINUTES * 60)
LOADS = (TEN_YEARS, SECONDS)
NEEDED = (
    "backfill_cpu_seconds_per_million_legs",
    "backfill_event_bytes",
    "backfill_queue_cpu_seconds_per_chunk",
    "backfill_queue_seconds_per_chunk",
    "backfill_two_worker_speedup",
    "backfill_worker_peak_mb",
    "bytes_per_leg",
)


def plan_table(results: Iterable[Mapping[str, Any]]) -> str:
    """Return the table: what each load needs of each part, computed from the results."""
    found = {str(row["name"]): float(row["value"]) for row in results}
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise KeyError(f"benchmarks/results.json lacks {', '.join(missing)}: make bench ARGS=--year")
    header = ["| part | from | " + " | ".join(load.name for load in LOADS) + " |", "|---|---|" + "---|" * len(LOADS)]
    rows = [(part, source, [cell(load, found) for load in LOADS]) for part, source, cell in PARTS]
    return "\n".join([*header, *(f"| {part} | {source} | {' | '.join(cells)} |" for part, source, cells in rows)])


def filled(document: str, results: Iterable[Mapping[str, Any]]) -> str:
    """Return the document with the table in its place; it must hold both markers."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{plan_table(results)}\n{END}{after}"


def core_hours(load: Load, found: Mapping[str, float]) -> float:
    """Return the processor hours of deriving a load again, the work of all processes, queue included."""
    work = load.legs / 1e6 * found["backfill_cpu_seconds_per_million_legs"]
    return (work + load.shares * found["backfill_queue_cpu_seconds_per_chunk"]) / 3600


def _hours_on(load: Load, found: Mapping[str, float], workers: int) -> float:
    # What a second worker on a second core adds is taken for each further one: no more is measured.
    gain = 1 + (workers - 1) * (found["backfill_two_worker_speedup"] - 1)
    queue = load.shares * found["backfill_queue_seconds_per_chunk"] / 3600
    return (core_hours(load, found) + queue) / gain


def _events(load: Load, found: Mapping[str, float], kind: str) -> str:
    events = load.days * INDICES * EVENTS_A_DAY[kind]
    return f"{events:,} events, {events * found['backfill_event_bytes'] / 1e9:,.1f} GB"


def _calls(load: Load, _: Mapping[str, float]) -> str:
    calls = -(-CONTRACTS // QUOTE_SYMBOLS)
    seconds = MINUTES * 60 / load.snapshots
    share = calls / QUOTES_A_SECOND / seconds
    if share <= 1:
        return f"{calls} of {seconds:.0f} calls: fits, {share:.0%}"
    return f"{calls} s for a chain that is due each {seconds:.0f} s: **does not fit**; sockets take {SOCKET_SYMBOLS:,}"


def _keys(load: Load, _: Mapping[str, float]) -> str:
    keys = load.days * SERIES_KEYS
    state = "fits" if keys <= KEYS_PER_ASSET else f"**beyond {KEYS_PER_ASSET:,}**"
    return f"{keys:,} keys of `offset_series` an index: {state}"


PARTS: tuple[tuple[str, str, Any], ...] = (
    ("legs", f"{CONTRACTS:,} contracts", lambda load, _: f"{load.legs / 1e9:,.1f} thousand million"),
    ("quotes at Kite, live", f"{QUOTE_SYMBOLS} symbols a call, {QUOTES_A_SECOND} call a second", _calls),
    (
        "candles at Kite, a day healed whole",
        f"{CANDLES_A_SECOND} contracts a second",
        lambda _load, _: f"{CONTRACTS / CANDLES_A_SECOND / 60:.0f} min a day, minutes only, living contracts only",
    ),
    (
        "the lake, chains alone",
        "`bytes_per_leg`",
        lambda load, found: f"{load.legs * found['bytes_per_leg'] / 1e12:,.2f} TB",
    ),
    ("objects, sealed", f"{FILES_A_DAY} files a day", lambda load, _: f"{load.days * FILES_A_DAY:,}"),
    ("files of one open day, a table", "a file a snapshot", lambda load, _: f"{load.snapshots:,}"),
    (
        "planning a view over all of it",
        f"{PLANNING_MS:.0f} ms an index and year",
        lambda load, _: f"{PLANNING_MS * INDICES * load.years:.0f} ms",
    ),
    ("partitions", f"{SERIES_KEYS} series", _keys),
    (
        "Dagster's events, without series",
        "`backfill_event_bytes`",
        lambda load, found: _events(load, found, "without series"),
    ),
    ("the same with series", "`backfill_event_bytes`", lambda load, found: _events(load, found, "with series")),
    (
        "deriving it again",
        "`backfill_cpu_seconds_per_million_legs`, `backfill_queue_cpu_seconds_per_chunk`",
        lambda load, found: f"{core_hours(load, found):,.0f} core hours in {load.shares:,} shares",
    ),
    (
        "on 2, 8 and 32 workers, a core each",
        "`backfill_two_worker_speedup`, `backfill_queue_seconds_per_chunk`",
        lambda load, found: ", ".join(f"{_hours_on(load, found, workers):,.1f}" for workers in (2, 8, 32)) + " h",
    ),
)


if __name__ == "__main__":
    measured = json.loads(RESULTS.read_text(encoding="utf-8"))
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), measured), encoding="utf-8")
