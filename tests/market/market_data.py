"""Small hand-made markets, and the recorded day, as frames of the schema: what the tests of g6_market begin with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from g6_market.calendar import IST, TradingCalendar
from g6_market.day import Conventions, TradingDay, make_day
from g6_market.indices import INDICES, TAGS, VIX_KEY
from g6_market.instruments import normalise_dump
from g6_market.quotes import quotes_frame
from g6_market.schema import QUOTES, SNAPSHOTS, conform

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange"
)
FRIDAY = date(2025, 8, 29)
NIFTY_EXPIRIES = tuple(map(date.fromisoformat, ("2025-09-02", "2025-09-09", "2025-09-30", "2025-10-28")))
BANKNIFTY_EXPIRIES = NIFTY_EXPIRIES[2:]
LADDERS = {"NIFTY": np.arange(24000, 25050, 50.0), "BANKNIFTY": np.arange(53000, 55600, 100.0)}
LEVELS = {"NIFTY": 24500.0, "BANKNIFTY": 54000.0}


@dataclass(frozen=True)
class Answer:
    quotes: Mapping[str, Mapping[str, Any]]
    received_at: datetime


@cache
def calendar() -> TradingCalendar:
    return TradingCalendar.load()


def symbol(underlying: str, expiry: date, monthly: bool, strike: float, kind: str) -> str:
    month = f"{expiry:%b}".upper() if monthly else "123456789OND"[expiry.month - 1] + f"{expiry:%d}"
    return f"{underlying}{expiry:%y}{month}{'' if kind == 'FUT' else f'{strike:g}'}{kind}"


def dump(
    chains: Mapping[str, Mapping[date, Iterable[float]]], futures: Mapping[str, Iterable[date]] | None = None
) -> dict[str, bytes]:
    """CSV bytes by exchange of a market that lists these ladders, in Kite's shape."""
    lines: dict[str, list[str]] = {}
    number = 1000
    for underlying, ladders in chains.items():
        exchange = INDICES[underlying].derivative_exchange
        last_of_month = {expiry.replace(day=1): expiry for expiry in sorted(ladders)}.values()
        legs = [(e, k, kind) for e, ladder in ladders.items() for k in ladder for kind in ("CE", "PE")]
        legs += [(e, 0.0, "FUT") for e in (futures or {}).get(underlying, ())]
        for expiry, strike, kind in legs:
            number += 1
            name = symbol(underlying, expiry, expiry in last_of_month, strike, kind)
            segment = f"{exchange}-{'FUT' if kind == 'FUT' else 'OPT'}"
            fields = (number * 256 + 2, number, name, underlying, 0, expiry, f"{strike:g}", 0.05, 75, kind, segment)
            lines.setdefault(exchange, []).append(",".join(map(str, (*fields, exchange))))
    return {exchange: "\n".join([HEADER, *rows, ""]).encode() for exchange, rows in lines.items()}


def small_day(trade_date: date = FRIDAY, **conventions: Any) -> TradingDay:
    """NIFTY with four labels on four expiries, BANKNIFTY with two; 21 and 26 strikes."""
    raw = dump(
        {
            "NIFTY": dict.fromkeys(NIFTY_EXPIRIES, LADDERS["NIFTY"]),
            "BANKNIFTY": dict.fromkeys(BANKNIFTY_EXPIRIES, LADDERS["BANKNIFTY"]),
        },
        {"NIFTY": NIFTY_EXPIRIES[2:], "BANKNIFTY": NIFTY_EXPIRIES[2:]},
    )
    tags = {"NIFTY": TAGS, "BANKNIFTY": TAGS}
    instruments = normalise_dump(raw, list(tags))
    return make_day(calendar().session(trade_date), Conventions(**conventions), instruments, tags, calendar())


def at(clock: str, day: date = FRIDAY) -> datetime:
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=IST)


def entry(
    last: float = 0,
    bid: float = 0,
    ask: float = 0,
    *,
    oi: float = 0,
    volume: float = 0,
    stamp: str = "2025-08-29 10:00:00",
    traded: str | None = None,
    close: float = 0,
) -> dict[str, Any]:
    """One contract's entry as Kite sends it."""

    def side(price: float) -> list[dict[str, float]]:
        return [{"price": price, "quantity": 75 if price else 0, "orders": 1}] + [{"price": 0, "quantity": 0}] * 4

    return {
        "instrument_token": 1,
        "timestamp": stamp,
        "last_trade_time": traded,
        "last_price": last,
        "last_quantity": 75,
        "average_price": last,
        "volume": volume,
        "buy_quantity": 0,
        "sell_quantity": 150,
        "oi": oi,
        "oi_day_high": oi,
        "oi_day_low": 0,
        "ohlc": {"open": last, "high": last, "low": last, "close": close},
        "depth": {"buy": side(bid), "sell": side(ask)},
    }


def index_entry(level: float, *, stamp: str = "2025-08-29 10:00:00") -> dict[str, Any]:
    return {
        "instrument_token": 1,
        "timestamp": stamp,
        "last_price": level,
        "net_change": 0,
        "ohlc": {"open": level - 10, "high": level + 20, "low": level - 30, "close": level - 40},
    }


def put_call(forward: float, strike: float, width: float = 150.0) -> tuple[float, float]:
    """Call and put prices in parity (rate 0) around a forward, a bell of time value on top."""
    time_value = 120 * float(np.exp(-(((strike - forward) / width / 3) ** 2))) + 2
    return max(forward - strike, 0) + time_value, max(strike - forward, 0) + time_value


def market(day: TradingDay, due: datetime, seed: int, *, absent: float = 0.0) -> list[Answer]:
    """A snapshot of every contract of the day's chains around levels that depend on the seed; some may be absent."""
    random = np.random.default_rng(seed)
    stamp = f"{due:%Y-%m-%d %H:%M:%S}"
    levels = {name: LEVELS[name] + float(random.normal(0, 40)) for name in day.underlyings}
    contracts = day.contracts
    quotes: dict[str, dict[str, Any]] = {}
    for number in np.flatnonzero(contracts.chain >= 0):
        if random.random() < absent:
            continue
        chain = contracts.chains[contracts.chain[number]]
        forward = levels[chain.underlying] + 1.5 * (chain.expiry - day.trade_date).days
        price = put_call(forward, contracts.strike[number])[0 if contracts.is_call[number] else 1]
        price = round(price / 0.05) * 0.05
        traded = stamp if random.random() < 0.7 else "2025-08-29 09:15:01"
        two_sided = random.random() < 0.9
        quotes[contracts.keys[number]] = entry(
            price,
            price - 0.1 if two_sided else 0,
            price + 0.1,
            oi=int(random.integers(0, 5000)) * 75,
            volume=int(random.integers(0, 9000)) * 75,
            stamp=stamp,
            traded=traded,
        )
    for name in day.underlyings:
        quotes[INDICES[name].spot_key] = index_entry(levels[name], stamp=stamp)
        for number in contracts.future_numbers(name):
            quotes[contracts.keys[number]] = entry(levels[name] + 45, stamp=stamp)
    quotes[VIX_KEY] = index_entry(11.5, stamp=stamp)
    return [Answer(quotes, due - timedelta(seconds=1))]


def snapshots_of(quotes: pd.DataFrame, day: TradingDay, *, full: Iterable[datetime] = ()) -> pd.DataFrame:
    """Table `snapshots` to a `quotes` frame: a row per snapshot and chain that has legs, all of them stored."""
    legs = quotes[quotes["contract_type"] == "option"]
    rows = legs.groupby(["snapshot_at", "underlying", "expiry"], as_index=False, observed=True).agg(
        returned=("tradingsymbol", "size"), received_at=("received_at", "max")
    )
    beats = [pd.Timestamp(due.replace(tzinfo=None)) for due in full]
    rows = rows.assign(
        outcome="stored",
        cause=None,
        full_chain=rows["snapshot_at"].isin(beats),
        requested=rows["returned"],
        missing_legs=0,
        latency_ms=1000.0,
        attempt=1,
    )
    return conform(rows, SNAPSHOTS)


def snapshot(day: TradingDay, clock: str, answers: list[Answer]) -> pd.DataFrame:
    return quotes_frame(answers, day, at(clock), 1)


@dataclass(frozen=True)
class Recorded:
    day: TradingDay
    quotes: pd.DataFrame
    snapshots: pd.DataFrame
    source: Mapping[str, pd.DataFrame]
    """The recording as of each due instant, by index: a row per strike, calls and puts side by side."""


@cache
def recorded_day(folder: Path) -> Recorded:
    """NIFTY (four labels) and BANKNIFTY (two) of 2025-08-29 as `quotes`, read straight from the recording.

    Every snapshot is a full chain. A snapshot is the newest stamp in (due - 60 s, due]; of repeated stamps the last
    collected counts. Spot, India VIX, futures and trade times were not recorded.
    """
    lots = {"NIFTY": 75, "BANKNIFTY": 35}
    source = {name: _as_of(folder / f"nse-option-chain-minute-2025-08/{name}_20250829.parquet") for name in lots}
    chains = {
        name: {expiry.date(): sorted(rows["Strike_Price"].unique()) for expiry, rows in frame.groupby("expiry")}
        for name, frame in source.items()
    }
    instruments = normalise_dump(dump(chains), list(chains))
    tags = {"NIFTY": TAGS, "BANKNIFTY": TAGS[2:]}
    day = make_day(calendar().session(FRIDAY), Conventions(), instruments, tags, calendar())
    names = instruments.set_index(["underlying", "expiry", "strike", "option_type"])["tradingsymbol"]
    parts = []
    for underlying, frame in source.items():
        kept = frame[frame["expiry"].isin([pd.Timestamp(e) for e in day.tags(underlying).values()])]
        for side, option_type in (("CALLS", "CE"), ("PUTS", "PE")):
            keys = pd.DataFrame({"underlying": underlying, "expiry": kept["expiry"], "strike": kept["Strike_Price"]})
            part = pd.DataFrame(
                {
                    "snapshot_at": kept["due"],
                    "received_at": kept["due"],
                    "known_at": kept["due"],
                    "exchange_at": kept["stamp"],
                    "underlying": underlying,
                    "contract_type": "option",
                    "exchange": "NFO",
                    "tradingsymbol": names.loc[
                        pd.MultiIndex.from_arrays([*keys.to_numpy().T, [option_type] * len(keys)])
                    ].to_numpy(),
                    "expiry": kept["expiry"],
                    "strike": kept["Strike_Price"].astype(float),
                    "option_type": option_type,
                    "last_price": kept[f"{side}_LTP"].where(lambda price: price > 0),
                    "volume": kept[f"{side}_Volume"] * lots[underlying],
                    "oi": (kept[f"{side}_OI"] * lots[underlying]).round(),
                    "bid_price": kept[f"{side}_Bid_Price"].where(lambda price: price > 0),
                    "ask_price": kept[f"{side}_Ask_Price"].where(lambda price: price > 0),
                    "bid_quantity": kept[f"{side}_Bid_Qty"],
                    "ask_quantity": kept[f"{side}_Ask_Qty"],
                    "attempt": 1,
                    "source": "quote",
                }
            )
            parts.append(conform(part, QUOTES))
    quotes = pd.concat(parts, ignore_index=True)
    due = [stamp.to_pydatetime() for stamp in quotes["snapshot_at"].drop_duplicates()]
    return Recorded(day, quotes, snapshots_of(quotes, day, full=due), source)


def _as_of(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    stamp = pd.to_datetime(frame["Fetch_Time"].astype("str"), format="%d-%b-%Y %H:%M:%S").astype("datetime64[us]")
    expiry = pd.to_datetime(frame["Expiry_Date"].astype("str"), format="%d-%b-%Y").astype("datetime64[us]")
    frame = frame.assign(stamp=stamp, due=stamp.dt.ceil("60s"), expiry=expiry)
    newest = frame.groupby("due")["stamp"].transform("max")
    frame = frame[frame["stamp"] == newest]
    collected = frame["collection_timestamp"].astype("str")
    return frame[collected == collected.groupby(frame["due"]).transform("max")].reset_index(drop=True)
