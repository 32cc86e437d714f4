"""A small made-up market for the storage tests: two indices, two expiries, five strikes, as conforming frames."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from g6_market.calendar import IST, TradingCalendar
from g6_market.day import Conventions
from g6_market.schema import (
    CONVENTIONS,
    EXPIRIES,
    EXPIRY_OVERVIEW,
    INSTRUMENTS,
    OFFSET_SERIES,
    OPTION_CHAIN,
    OVERVIEW,
    QUOTES,
    SNAPSHOTS,
    conform,
)
from g6_resources.lake import Lake, LocalStore, snapshot_name
from g6_resources.seams import Snapshot
from g6_resources.world import DataRoot, World

CALENDAR = TradingCalendar.load()
INDICES = ("BANKNIFTY", "NIFTY")
OFFSETS = range(-2, 3)
THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
LEGS = len(INDICES) * 2 * len(OFFSETS) * 2


def root_at(path: Path) -> DataRoot:
    """A data root's folders at a path; its world does not matter here."""
    return DataRoot(path, World("sim:1"))


def lake_of(root: DataRoot) -> Lake:
    return Lake(LocalStore(root.lake), current=root.current)


def expiries_of(day: date) -> tuple[date, date]:
    return day + timedelta(days=4), day + timedelta(days=11)


def due(day: date, number: int) -> datetime:
    """Due time of the n-th snapshot of a day, the first being 0."""
    return datetime.combine(day, datetime.min.time()) + timedelta(hours=9, minutes=16 + number)


def option_chain(day: date, number: int) -> pd.DataFrame:
    rows = [
        (underlying, expiry, offset, side)
        for underlying in INDICES
        for expiry in expiries_of(day)
        for offset in OFFSETS
        for side in ("CE", "PE")
    ]
    underlying, expiry, offset, side = zip(*rows, strict=True)
    # Every third snapshot the money is one strike higher, so that series roll.
    strike = 24_000.0 + 50 * (np.array(offset) + (number // 3) % 2)
    price = np.round(100 + number + np.arange(len(rows)) * 0.05, 2)
    return conform(
        pd.DataFrame(
            {
                "snapshot_at": pd.Timestamp(due(day, number)),
                "underlying": underlying,
                "expiry": pd.to_datetime(pd.Series(expiry)),
                "strike": strike,
                "option_type": side,
                "tradingsymbol": [
                    f"{u}{e:%y%b}{k:.0f}{s}" for u, e, k, s in zip(underlying, expiry, strike, side, strict=True)
                ],
                "strike_offset": offset,
                "spot_strike_offset": offset,
                "last_price": price,
                "bid_price": price - 0.05,
                "ask_price": np.where(np.array(offset) == 2, np.nan, price + 0.05),
                "price": price,
                "price_source": "mid",
                "volume": np.arange(len(rows)) * 75,
                "oi": 7500,
                "forward": 24_010.0,
                "spot": 23_990.5,
                "t_years": 4 / 365,
                "iv": 0.125,
                "iv_own": 0.126,
                "delta": 0.5,
                "gamma": 0.001,
                "theta": -5.0,
                "vega": 9.0,
                "settlement_window": False,
                "source": "quote",
            }
        ),
        OPTION_CHAIN,
    )


def quotes(day: date, number: int) -> pd.DataFrame:
    chain = option_chain(day, number)
    shared = chain[
        ["snapshot_at", "underlying", "tradingsymbol", "expiry", "strike", "option_type", "last_price", "oi"]
    ]
    return conform(
        shared.assign(
            received_at=chain["snapshot_at"] + pd.Timedelta("300ms"),
            known_at=chain["snapshot_at"] + pd.Timedelta("300ms"),
            contract_type="option",
            exchange="NFO",
            attempt=1,
            source="quote",
        ),
        QUOTES,
    )


def snapshots(day: date, number: int, outcome: str = "stored", cause: str | None = None) -> pd.DataFrame:
    pairs = [(underlying, expiry) for underlying in INDICES for expiry in expiries_of(day)]
    missing = 0 if outcome == "stored" else 3
    return conform(
        pd.DataFrame(
            {
                "snapshot_at": pd.Timestamp(due(day, number)),
                "underlying": [underlying for underlying, _ in pairs],
                "expiry": pd.to_datetime(pd.Series([expiry for _, expiry in pairs])),
                "outcome": outcome,
                "cause": pd.Series([cause] * len(pairs), dtype="str"),
                "full_chain": True,
                "requested": 10,
                "returned": 10 - missing,
                "missing_legs": missing,
                "attempt": 1,
            }
        ),
        SNAPSHOTS,
    )


def expiry_overview(day: date, number: int) -> pd.DataFrame:
    pairs = [(underlying, expiry) for underlying in INDICES for expiry in expiries_of(day)]
    return conform(
        pd.DataFrame(
            {
                "snapshot_at": pd.Timestamp(due(day, number)),
                "underlying": [underlying for underlying, _ in pairs],
                "expiry": pd.to_datetime(pd.Series([expiry for _, expiry in pairs])),
                "forward": 24_010.0,
                "forward_source": "parity_mid",
                "spot": 23_990.5,
                "atm_strike": 24_000.0,
                "straddle": 200.0 + number,
                "t_years": 4 / 365,
                "t_trading_years": 0.01,
                "legs": 10,
                "listed_legs": 10,
                "settlement_window": False,
            }
        ),
        EXPIRY_OVERVIEW,
    )


def overview(day: date, number: int) -> pd.DataFrame:
    return conform(
        pd.DataFrame(
            {
                "snapshot_at": pd.Timestamp(due(day, number)),
                "underlying": INDICES,
                "spot": 23_990.5,
                "spot_unreliable": False,
                "future_near_expiry": pd.Timestamp(expiries_of(day)[0]),
                "expiries_expected": 2,
                "expiries_collected": 2,
                "expected_mask": 3,
                "collected_mask": 3,
                "missing_mask": 0,
            }
        ),
        OVERVIEW,
    )


def expiries(day: date) -> pd.DataFrame:
    rows = [
        (underlying, tag, expiry) for underlying in INDICES for tag, expiry in zip(_TAGS, expiries_of(day), strict=True)
    ]
    return conform(
        pd.DataFrame(
            {
                "underlying": [row[0] for row in rows],
                "expiry_tag": [row[1] for row in rows],
                "expiry": pd.to_datetime(pd.Series([row[2] for row in rows])),
                "is_monthly": False,
                "trading_days_to_expiry": 2,
                "settlement_fixed_at": pd.Timestamp(f"{day} 15:35"),
            }
        ),
        EXPIRIES,
    )


_TAGS = ("this_week", "next_week")


def write_opening(lake: Lake, day: date, **conventions: object) -> None:
    """What a session stores before its first snapshot."""
    chosen = Conventions(strikes_each_side=2, **conventions)  # pyright: ignore[reportArgumentType]
    lake.write_live(CONVENTIONS, day, "day", chosen.to_frame())
    lake.write_live(EXPIRIES, day, "day", expiries(day))
    contracts = option_chain(day, 0)[["underlying", "tradingsymbol", "expiry", "strike", "option_type"]]
    lake.write_live(
        INSTRUMENTS,
        day,
        "day",
        conform(
            contracts.assign(
                contract_type="option", exchange="NFO", instrument_token=range(len(contracts)), exchange_token=1
            ),
            INSTRUMENTS,
        ),
    )


def write_snapshot(lake: Lake, day: date, number: int, outcome: str = "stored", cause: str | None = None) -> None:
    """All live files of one snapshot; quotes and what derives from them only if it was stored."""
    name = snapshot_name(due(day, number))
    if outcome in ("stored", "partial"):
        lake.write_live(QUOTES, day, name, quotes(day, number))
        lake.write_live(OPTION_CHAIN, day, name, option_chain(day, number))
        lake.write_live(EXPIRY_OVERVIEW, day, name, expiry_overview(day, number))
        lake.write_live(OVERVIEW, day, name, overview(day, number))
    lake.write_live(SNAPSHOTS, day, name, snapshots(day, number, outcome, cause))


def write_day(lake: Lake, day: date, count: int = 4, **conventions: object) -> None:
    """An opened day with its first snapshots."""
    write_opening(lake, day, **conventions)
    for number in range(count):
        write_snapshot(lake, day, number)


def as_captured(lake: Lake, day: date) -> dict[str, pd.DataFrame]:
    """A derivation that derives nothing: every table is sealed as it was captured."""
    return {}


def series_rows(day: date, number: int) -> pd.DataFrame:
    """`offset_series` of one snapshot."""
    chain = option_chain(day, number)
    key = ["snapshot_at", "underlying", "expiry", "strike_offset", "strike"]
    sides = {"call": chain[chain["option_type"] == "CE"], "put": chain[chain["option_type"] == "PE"]}
    names = [name.removeprefix("call_") for name in OFFSET_SERIES.names if name.startswith("call_")]
    sources = {name: "iv_own" if name == "iv" else name for name in names}
    rows = sides["call"][key].reset_index(drop=True)
    for side, legs in sides.items():
        for name, source in sources.items():
            rows[f"{side}_{name}"] = legs[source].array
    rows["expiry_tag"] = [_TAGS[expiries_of(day).index(expiry.date())] for expiry in rows["expiry"]]
    rows["straddle"] = rows["call_price"] + rows["put_price"]
    shared = sides["call"][["iv", "gamma", "forward", "spot"]].reset_index(drop=True)
    rolled = number > 0 and number % 3 == 0
    return conform(pd.concat([rows.assign(rolled=rolled), shared], axis=1), OFFSET_SERIES)


def snapshot(day: date, number: int) -> Snapshot:
    """Everything that a sink is told about one snapshot."""
    return Snapshot(
        trade_date=day,
        due=due(day, number).replace(tzinfo=IST),
        quotes=quotes(day, number),
        snapshots=snapshots(day, number),
        option_chain=option_chain(day, number),
        expiry_overview=expiry_overview(day, number),
        overview=overview(day, number),
        offset_series=series_rows(day, number),
    )
