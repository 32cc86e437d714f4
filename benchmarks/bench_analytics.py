"""What deriving costs: a live snapshot, a day at the seal, and a day against earlier days of its weekday.

CPU seconds of this process, but the overlay: wall time, as an analyst waits. The market is the simulator's model price
for price, without its server. `python -m benchmarks.bench_analytics` prints its results as JSON.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from g6_market.calendar import IST, TradingCalendar
from g6_market.daily import daily_summary
from g6_market.day import Conventions, TradingDay, make_day
from g6_market.derive import derive
from g6_market.indices import INDICES
from g6_market.instruments import normalise_dump
from g6_market.pricing import black76
from g6_market.schema import CONVENTIONS, EXPIRIES, OPTION_CHAIN, QUOTES, SNAPSHOTS, conform
from g6_resources.lake import Lake, LocalStore, SealRecord
from g6_resources.overlays import read_overlay
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, World
from g6_sim.dump import HEADER, contract_lines, index_lines, merged
from g6_sim.listing import Contracts

DAY = date(2026, 11, 6)
RATE = 0.065
PREDECESSOR_LEGS_PER_SECOND = 32_000
PREDECESSOR_OVERLAY_SECONDS = 8.2
SNAPSHOT_LEGS, DAY_LEGS = 2_000, 315_000
PAST_DAYS = 60


@cache
def trading_day() -> TradingDay:
    """Return a day of all indices and labels, listed as the simulator lists them."""
    calendar = TradingCalendar.load()
    listed = merged(contract_lines(Contracts(DAY, calendar, tuple(INDICES))), index_lines(list(INDICES)))
    dump = {name: "\n".join((HEADER, *lines, "")).encode() for name, lines in listed.items()}
    tags = {name: spec.tags for name, spec in INDICES.items()}
    return make_day(calendar.session(DAY), Conventions(), normalise_dump(dump, list(INDICES)), tags, calendar)


def market(day: TradingDay, times: np.ndarray, each_side: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return quotes and snapshots: in each chain the strikes around its middle, books of two ticks about Black-76."""
    contracts, table = day.contracts, day.contracts.table
    middle = np.array([ladder[len(ladder) // 2] for ladder in day.contracts.ladders])
    chain = contracts.chain
    legs = np.flatnonzero(chain >= 0)
    ladders = [contracts.ladders[number] for number in chain[legs]]
    rank = np.array([np.searchsorted(ladder, k) for ladder, k in zip(ladders, contracts.strike[legs], strict=True)])
    centre = np.array([len(ladder) // 2 for ladder in contracts.ladders])[chain[legs]]
    legs = legs[np.abs(rank - centre) <= each_side]
    at = np.repeat(times, len(legs))
    number = np.tile(legs, len(times))
    wave = np.repeat(1 + 0.002 * np.sin(np.arange(len(times)) / 30), len(legs))
    forward, strike = middle[chain[number]] * wave, contracts.strike[number]
    t = day.t_years(at, chain[number])
    x = np.log(strike / forward) / np.sqrt(t)
    smile = 0.12 + 0.03 * np.minimum(x * x, 4.0) - 0.02 * np.clip(x, -2, 2)
    fair = black76.price(forward, strike, t, np.exp(-RATE * t), smile, contracts.is_call[number])
    last = np.maximum(np.round(fair / 0.05), 2) * 0.05
    identity = ["underlying", "contract_type", "exchange", "tradingsymbol", "expiry", "strike", "option_type"]
    quotes = table.iloc[number][identity].reset_index(drop=True).assign(
        snapshot_at=at, received_at=at, exchange_at=at, last_trade_at=at - np.timedelta64(1, "s"), known_at=at,
        last_price=last, average_price=last, bid_price=last - 0.05, ask_price=last + 0.05,
        volume=np.arange(len(at)) % 9_000 * 75, oi=(np.arange(len(at)) * 7 + 1) % 5_000 * 75, attempt=1, source="quote",
    )  # fmt: skip
    pairs = quotes.groupby(["snapshot_at", "underlying", "expiry"], as_index=False).agg(returned=("strike", "size"))
    snapshots = pairs.assign(
        received_at=pairs["snapshot_at"], outcome="stored", full_chain=False, requested=pairs["returned"],
        missing_legs=0, latency_ms=1.0, attempt=1,
    )  # fmt: skip
    return conform(quotes, QUOTES), conform(snapshots, SNAPSHOTS)


def cpu_seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """Return the CPU time of each repeat."""
    seconds: list[float] = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return seconds


def of_legs(wanted: int, snapshots: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the market of a day with about so many legs over so many snapshots."""
    day = trading_day()
    each_side = max(round((wanted / snapshots / len(day.chains) / 2 - 1) / 2), 1)
    return market(day, day.due[:: len(day.due) // snapshots][:snapshots], each_side)


def whole_day(quotes: pd.DataFrame, snapshots: pd.DataFrame) -> pd.DataFrame:
    """Derive a day and its summary, with a year of earlier ones, as the seal does."""
    day = trading_day()
    return daily_summary(quotes, derive(quotes, snapshots, day), day, past_year())


@cache
def past_year() -> pd.DataFrame:
    days = pd.bdate_range(end=pd.Timestamp(DAY) - pd.Timedelta(days=1), periods=252)
    rows = [{"underlying": name, "trade_date": day, "spot_close": 25_000.0} for day in days for name in INDICES]
    history = pd.DataFrame(rows)
    return history.assign(spot_high=25_100.0, spot_low=24_900.0, iv30_1500=0.12, vix_close=12.0)


def snapshot_result() -> dict[str, Any]:
    day = trading_day()
    quotes, snapshots = of_legs(SNAPSHOT_LEGS, 1)
    derive(quotes, snapshots, day)
    seconds = cpu_seconds(lambda: derive(quotes, snapshots, day), 40)
    baseline = len(quotes) / PREDECESSOR_LEGS_PER_SECOND
    return result(
        "snapshot_analytics_cpu_seconds", statistics.median(seconds), baseline,
        f"{len(quotes):,} legs of {len(day.chains)} chains, all tables, median of 40, least {min(seconds):.4f}; "
        "baseline: IV alone at the predecessor's 32,000 legs/s",
    )  # fmt: skip


def seal_result() -> dict[str, Any]:
    quotes, snapshots = of_legs(DAY_LEGS, 385)
    seconds = min(cpu_seconds(lambda: whole_day(quotes, snapshots), 3))
    return result(
        "seal_analytics_seconds", seconds, len(quotes) / PREDECESSOR_LEGS_PER_SECOND,
        f"CPU, {len(quotes):,} legs of 385 snapshots: chain, overviews and summary beside 252 earlier days, least of "
        "3; baseline: IV alone at the predecessor's 32,000 legs/s",
    )  # fmt: skip


def overlay_result() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        root = DataRoot(Path(folder), World("sim:1"))
        last = store_weeks(root)
        ask = (root, "NIFTY", "this_week", 0, last, 0.5)
        read_overlay(*ask)
        seconds: list[float] = []
        for _ in range(7):
            start = time.perf_counter()
            overlay = read_overlay(*ask)
            seconds.append(time.perf_counter() - start)
    if int(overlay["straddle_days"].min()) != PAST_DAYS:
        raise RuntimeError(f"the overlay has not {PAST_DAYS} days behind it")
    return result(
        "weekday_overlay_seconds", min(seconds), PREDECESSOR_OVERLAY_SECONDS,
        f"wall, a label and rank against {PAST_DAYS} stored days of 80,080 legs each: floating and fixed straddle, IV, "
        f"OI by minute, mean and EMA; least of 7, median {statistics.median(seconds):.2f} (two cores, shared)",
    )  # fmt: skip


def store_weeks(root: DataRoot) -> date:
    """Store one weekday's chains of 61 weeks, sealed, and the views over them; return the last day."""
    lake = Lake(LocalStore(root.lake), current=root.current)
    lake.ensure_sentinels()
    last = date(2026, 11, 17)
    for week in range(PAST_DAYS + 1):
        day = last - timedelta(weeks=week)
        frames = {
            OPTION_CHAIN: ("NIFTY", stored_chain(day)),
            EXPIRIES: ("NIFTY", stored_labels(day)),
            CONVENTIONS: ("_all", Conventions().to_frame()),
        }
        files: dict[str, dict[str, int]] = {}
        for table, (split, frame) in frames.items():
            lake.write_closed(table, day, split, frame)
            files[table.name] = {split: len(frame)}
        lake.commit(SealRecord(day, datetime.now(IST), "benchmark", files, {}))
    Warehouse(root).rebuild()
    return last


LABEL_DAYS = {"this_week": 0, "next_week": 7, "this_month": 14, "next_month": 42}


def stored_labels(day: date) -> pd.DataFrame:
    rows = [
        {"expiry_tag": tag, "expiry": pd.Timestamp(day) + pd.Timedelta(days=days), "trading_days_to_expiry": days // 7}
        for tag, days in LABEL_DAYS.items()
    ]
    frame = pd.DataFrame(rows).assign(underlying="NIFTY", is_monthly=False, settlement_fixed_at=pd.Timestamp(day))
    return conform(frame, EXPIRIES)


def stored_chain(day: date, strikes: int = 26, minutes: int = 385) -> pd.DataFrame:
    """Return a chain of four expiries by chance: only its size and shape matter here."""
    random = np.random.default_rng(day.toordinal())
    shape = (len(LABEL_DAYS), strikes, 2, minutes)
    expiry, rank, kind, minute = (axis.ravel() for axis in np.indices(shape))
    money = strikes // 2 + np.cumsum(random.integers(-1, 2, minutes)) % 4
    price = np.round(100 + random.random(expiry.size) * 50, 2)
    midnight = np.datetime64(day, "us")
    frame = pd.DataFrame(
        {
            "snapshot_at": midnight + np.timedelta64(556, "m") + minute * np.timedelta64(1, "m"),
            "underlying": "NIFTY",
            "expiry": midnight + np.array(list(LABEL_DAYS.values()))[expiry] * np.timedelta64(1, "D"),
            "strike": 24_000.0 + 50 * rank,
            "option_type": np.where(kind == 0, "CE", "PE"),
            "tradingsymbol": "NIFTY",
            "strike_offset": rank - money[minute],
            "price": price,
            "last_price": price,
            "oi": random.integers(0, 1000, expiry.size) * 75,
            "t_years": 0.01,
            "iv": random.random(expiry.size),
            "iv_own": random.random(expiry.size),
            "delta": random.random(expiry.size),
            "settlement_window": False,
            "source": "quote",
        }
    )
    return conform(frame, OPTION_CHAIN)


def result(
    name: str, value: float, baseline: float | None, note: str, unit: str = "s", better: str = "lower"
) -> dict[str, Any]:
    """Return a result; the ratio says how many times better than the baseline."""
    ratio = None if baseline is None else (value / baseline if better == "higher" else baseline / value)
    return {
        "name": name,
        "value": round(value, 4) if value < 1000 else round(value),
        "unit": unit,
        "better": better,
        "baseline": None if baseline is None else round(baseline, 4),
        "ratio": None if ratio is None else round(ratio, 1),
        "note": note,
    }


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    return [snapshot_result(), seal_result(), overlay_result()]


if __name__ == "__main__":
    print(json.dumps(results(), indent=2))
