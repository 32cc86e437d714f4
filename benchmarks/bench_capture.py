"""What capturing costs: calls to the broker, and CPU of the collector's process for one snapshot.

The real Kite client asks the simulator, which runs in a process of its own; waiting is not counted.
"""

import os
import statistics
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.worlds import DAY, TAGS, Captured, captured
from g6_market.calendar import TradingCalendar
from g6_market.day import Conventions, make_day
from g6_market.indices import INDICES
from g6_market.instruments import normalise_dump
from g6_market.universe import full_chain_batches
from g6_sim.dump import HEADER, contract_lines, index_lines, merged
from g6_sim.listing import Contracts

DUMP_DAY = date(2026, 8, 18)
BATCH = 500
LEGS_EACH = 8  # ATM +- 8: 12 chains x 17 strikes x 2 = 408 legs
KEYS_EACH = 7  # ATM +- 7: 12 x 15 x 2 legs, 4 spots, India VIX, 8 futures = 373 keys


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    small = captured(strikes=KEYS_EACH, interval=60, full_every=7200, wanted=6)[0]
    warm = captured(strikes=LEGS_EACH, interval=60, full_every=180, wanted=61)[0]
    moving = captured(strikes=LEGS_EACH, interval=1800, full_every=5400, wanted=12)[0]
    firsts = captured(strikes=LEGS_EACH, interval=60, full_every=180, wanted=1, repeats=3)
    return [
        _quote_calls(small),
        _full_chain_calls(),
        _warm(warm),
        _moved(moving),
        _first(firsts),
    ]


def _quote_calls(seen: Captured) -> dict[str, Any]:
    legs = max(legs for _, _, _, legs, _ in seen.snapshots)
    return _row(
        "quote_calls_per_snapshot",
        max(seen.quote_calls),
        "calls",
        14,
        f"window snapshots of {_indices()}, twelve chains at ATM +- {KEYS_EACH}: {legs} legs with spots, India VIX and "
        "futures, at least the 336 symbols of the predecessor's 14-16 calls; counted by the client, most of "
        f"{len(seen.quote_calls)}",
    )


def _full_chain_calls() -> dict[str, Any]:
    dump, source = _dump()
    calendar = TradingCalendar.load()
    tags = {name: spec.tags for name, spec in INDICES.items()}
    day = make_day(calendar.session(DUMP_DAY), Conventions(), normalise_dump(dump, list(INDICES)), tags, calendar)
    legs = int((day.contracts.number_of_leg >= 0).sum())
    return _row(
        "full_chain_calls",
        len(full_chain_batches(day, BATCH)),
        "calls",
        None,
        f"every listed strike of six indices and all their labels on {DUMP_DAY}, {legs:,} option contracts with spots, "
        f"India VIX and futures, {BATCH} keys a call; {source}. The predecessor could not",
    )


def _dump() -> tuple[dict[str, bytes], str]:
    file = Path(os.environ.get("G6_REFERENCE_DATA", ""), "kite-instruments-2026-08-18", "instruments_nfo_bfo.csv.gz")
    if file.is_file():
        whole = pd.read_csv(file, dtype=str, keep_default_na=False)
        by_exchange = {str(name): rows.to_csv(index=False).encode() for name, rows in whole.groupby("exchange")}
        return by_exchange, "Kite's real dump of that day"
    listed = merged(
        contract_lines(Contracts(DUMP_DAY, TradingCalendar.load(), tuple(INDICES))), index_lines(list(INDICES))
    )
    dump = {exchange: "\n".join((HEADER, *lines, "")).encode() for exchange, lines in listed.items()}
    return dump, "the simulator's dump of that day (G6_REFERENCE_DATA names no recorded one)"


def _warm(seen: Captured) -> dict[str, Any]:
    window = [seconds for _, seconds, full, _, _ in seen.snapshots if not full]
    full = [seconds for _, seconds, is_full, _, _ in seen.snapshots if is_full]
    legs = [legs for _, _, is_full, legs, _ in seen.snapshots if not is_full]
    return _row(
        "warm_snapshot_cpu_seconds",
        round(statistics.median(window), 4),
        "s",
        0.13,
        f"CPU of the collector, median of {len(window)} window snapshots of {_indices()}, twelve chains, "
        f"{statistics.median(legs):.0f} legs: call, IV, greeks, overviews, Parquet with fsync, CSV, state, heartbeat. "
        f"Spread {min(window):.3f}-{max(window):.3f}; a full-chain snapshot {statistics.median(full):.3f}. "
        "Predecessor 0.13-0.21",
    )


def _moved(seen: Captured) -> dict[str, Any]:
    window = [row for row in seen.snapshots if not row[2]]
    most = max(moved for *_, moved in window)
    seconds = [row[1] for row in window if row[4] == most]
    legs = [row[3] for row in window if row[4] == most]
    return _row(
        "atm_moved_snapshot_cpu_seconds",
        round(statistics.median(seconds), 4),
        "s",
        3.1,
        f"as the warm one, 30 minutes after the one before, when the front ATM strike of {most} of {len(TAGS)} indices "
        f"had moved: median of {len(seconds)}, {statistics.median(legs):.0f} legs",
    )


def _first(seen: list[Captured]) -> dict[str, Any]:
    return _row(
        "first_snapshot_cpu_seconds",
        round(min(one.opening for one in seen), 3),
        "s",
        3.4,
        f"CPU from the start of the loop to the first stored snapshot in a new process: token check, dump of "
        f"{seen[0].dump_rows:,} rows fetched, checked, normalised and stored, every listed strike of twelve chains "
        f"asked, derived and stored; modules imported before. Least of {len(seen)}. Predecessor 3.4-5.0",
    )


def _indices() -> str:
    return f"{len(TAGS)} indices ({', '.join(TAGS)}) on {DAY}"


def _row(name: str, value: float, unit: str, baseline: float | None, note: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "better": "lower",
        "baseline": baseline,
        "ratio": round(baseline / value, 1) if baseline is not None else None,
        "note": note,
    }
