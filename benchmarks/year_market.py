"""The market of the synthetic year: one day's raw quotes of five indices, 840 option legs a minute.

Levels, volatilities, books, trades and open interest are drawn by chance from a seed that is the date, and rounded to
what an exchange sends: prices on the tick, a last price that stays until the next trade, open interest in batches of
three minutes, quantities in lots. How often each stays the same from one minute to the next follows the recorded day of
2025-08-29. Where the days are stored is in `year`.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.calendar import TradingCalendar
from g6_market.day import Conventions, TradingDay, make_day
from g6_market.frames import assemble
from g6_market.indices import INDICES, VIX_UNDERLYING
from g6_market.instruments import normalise_dump
from g6_market.pricing import black76
from g6_market.schema import QUOTES, REFERENCE, SNAPSHOTS, conform
from g6_sim.dump import HEADER, contract_lines, index_lines, merged
from g6_sim.listing import Contracts

LEGS = 840
LEVELS = {"NIFTY": 24_500, "BANKNIFTY": 57_000, "FINNIFTY": 26_000, "MIDCPNIFTY": 14_300, "SENSEX": 77_500}
VOLATILITY = {"NIFTY": 0.12, "BANKNIFTY": 0.14, "FINNIFTY": 0.14, "MIDCPNIFTY": 0.17, "SENSEX": 0.12}
CARRY, RATE, TICK = 0.052, 0.065, 0.05
_BATCH = 3  # snapshots between open interest's changes

Floats = NDArray[np.float64]


def listed_day(day: date, calendar: TradingCalendar) -> TradingDay:
    """Return the trading day with its futures, index values and, of every chain, the strikes that are captured."""
    names = list(LEVELS)
    listed = merged(contract_lines(Contracts(day, calendar, tuple(names))), index_lines(names))
    dump = {name: "\n".join((HEADER, *lines, "")).encode() for name, lines in listed.items()}
    tags = {name: INDICES[name].tags for name in names}
    whole = make_day(calendar.session(day), Conventions(), normalise_dump(dump, names), tags, calendar)
    contracts, levels = whole.contracts, _levels(day)
    keep = ~contracts.is_option
    each, left = divmod(LEGS // 2, len(whole.chains))
    for number, (chain, ladder) in enumerate(zip(whole.chains, contracts.ladders, strict=True)):
        strikes = each + (number < left)
        first = int(np.searchsorted(ladder, levels[chain.underlying])) - strikes // 2
        first = min(max(first, 0), len(ladder) - strikes)
        near = (contracts.rank >= first) & (contracts.rank < first + strikes)
        keep |= (contracts.chain == number) & near
    return replace(whole, instruments=contracts.table[keep].reset_index(drop=True))


def quotes_of(day: TradingDay) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each index's rows of table `quotes` (India VIX last), every minute of the session."""
    random = np.random.default_rng(day.trade_date.toordinal())
    underlying = day.contracts.table["underlying"].to_numpy(dtype=str)
    for name in (*day.underlyings, VIX_UNDERLYING):
        numbers = np.flatnonzero(underlying == name)
        yield name, _rows(day, numbers, _index_market(day, name, numbers, random), random)


def snapshots_of(day: TradingDay) -> pd.DataFrame:
    """Return table `snapshots`: each one whole, and, since nothing else is listed, a full chain."""
    size = len(day.due)
    legs = np.bincount(day.contracts.chain[day.contracts.chain >= 0])
    chains = [
        pd.DataFrame(
            {"snapshot_at": day.due, "underlying": chain.underlying, "expiry": np.datetime64(chain.expiry, "us"),
             "outcome": "stored", "full_chain": True, "requested": count, "returned": count, "missing_legs": 0,
             "received_at": day.due + np.timedelta64(1_300, "ms"), "latency_ms": np.full(size, 1_300.0), "attempt": 1}
        )
        for chain, count in zip(day.chains, legs, strict=True)
    ]  # fmt: skip
    return conform(pd.concat(chains, ignore_index=True), SNAPSHOTS)


def reference_of(quotes: pd.DataFrame) -> pd.DataFrame:
    """Return table `reference`: the closes and the open interest that the day's first quotes stand on."""
    first = quotes[quotes["snapshot_at"] == quotes["snapshot_at"].iloc[0]]
    names = [name for name in REFERENCE.names if name in first.columns]
    at = first["snapshot_at"].iloc[0] - pd.Timedelta(minutes=8)
    return conform(first[names].assign(received_at=at, opening_oi=first["oi_day_low"], previous_oi=first["oi_day_low"]),
                   REFERENCE)  # fmt: skip


def _levels(day: date) -> dict[str, float]:
    # A slow wave for each index, so that a year stays within what the exchange lists.
    phase = day.toordinal() / 365 * 2 * np.pi
    return {name: level * (1 + 0.025 * np.sin(3 * phase + n)) for n, (name, level) in enumerate(LEVELS.items())}


def _index_market(day: TradingDay, name: str, numbers: NDArray[np.int64], random: np.random.Generator) -> Any:
    """Return the columns of an index's contracts, each of shape (contracts, minutes)."""
    contracts, minutes = day.contracts, len(day.due)
    shape = (len(numbers), minutes)
    if name == VIX_UNDERLYING:
        return _index_values(_walk(12.0, 0.02, shape, random), 0.0025)
    sigma = VOLATILITY[name]
    spot = _walk(_levels(day.trade_date)[name], sigma * np.sqrt(1 / 252 / minutes), (1, minutes), random)
    chain, expiry = contracts.chain[numbers], contracts.expiry[numbers]
    years = (expiry[:, None] + np.timedelta64(930, "m") - day.due) / np.timedelta64(365, "D")
    years = np.where(np.isnat(expiry)[:, None], 0.0, np.maximum(years, 1e-6))
    forward = spot * np.exp(CARRY * years)
    strike = np.nan_to_num(contracts.strike[numbers], nan=1.0)[:, None]
    shift = _walk(0.0, 0.0004, (len(day.chains), minutes), random)[np.maximum(chain, 0)]
    x = np.clip(np.log(strike / forward) / np.sqrt(years + 1e-4), -3, 3)
    volatility = np.maximum(sigma + shift - 0.03 * x + 0.02 * x * x, 0.03)
    call = contracts.is_call[numbers][:, None] & np.ones(shape, bool)
    columns = (forward, np.where(chain[:, None] >= 0, strike, forward), years, np.exp(-RATE * years), volatility, call)
    model = black76.price(*(column.ravel() for column in columns)).reshape(shape)
    fair = np.where(chain[:, None] >= 0, model, forward)
    return _traded(fair, chain >= 0, np.abs(x), contracts.table["lot_size"].to_numpy("float64", na_value=1.0)[numbers],
                   contracts.is_index[numbers], random)  # fmt: skip


def _traded(
    fair: Floats, option: NDArray[np.bool_], away: Floats, lot: Floats, is_index: NDArray[np.bool_], random: Any
) -> dict[str, Floats]:
    shape = fair.shape
    lots = np.where(np.isnan(lot), 1.0, lot)[:, None]
    half = np.maximum(0.04, 0.001 * fair) * (0.6 + 0.6 * _kept(random.random(shape), 0.4, random))
    bid = np.floor((fair - half) / TICK)
    ask = np.maximum(np.ceil((fair + half) / TICK), bid + 1)
    traded = random.random(shape) < np.where(option[:, None], 0.85 * np.exp(-away / 3), 1.0)
    traded[:, 0] = True
    last = _held(np.maximum(np.where(random.random(shape) < 0.5, bid, ask), 1), traded)
    size = np.where(traded, 1 + np.floor(random.exponential(30, shape) * np.exp(-away)), 0.0)
    sold = np.cumsum(size, axis=1)
    batch = np.floor(random.normal(0, 25, shape) * np.exp(-away)) * (np.arange(shape[1]) % _BATCH == 0)
    oi = np.maximum(
        np.floor(random.gamma(2, 9_000, (shape[0], 1)) * np.exp(-away[:, :1])) + np.cumsum(batch, axis=1), 0
    )
    queue = _kept(1 + np.floor(random.exponential(12, (2, *shape))), 0.37, random)
    book = _kept(np.floor(random.exponential(9_000, (2, *shape))), 0.3, random)
    columns = {
        "last_price": last * TICK,
        "traded_at": _held(np.broadcast_to(np.arange(shape[1], dtype=float), shape), traded),
        "last_quantity": lots * _held(size, traded),
        "average_price": np.cumsum(size * last * TICK, axis=1) / sold,
        "volume": lots * sold,
        "buy_quantity": lots * book[0],
        "sell_quantity": lots * book[1],
        "oi": lots * oi,
        "oi_day_high": lots * np.maximum.accumulate(oi, axis=1),
        "oi_day_low": lots * np.minimum.accumulate(oi, axis=1),
        "open": np.broadcast_to(last[:, :1] * TICK, shape),
        "high": np.maximum.accumulate(last, axis=1) * TICK,
        "low": np.minimum.accumulate(last, axis=1) * TICK,
        "bid_price": np.where(bid >= 1, bid * TICK, np.nan),
        "bid_quantity": np.where(bid >= 1, lots * queue[0], 0.0),
        "ask_price": ask * TICK,
        "ask_quantity": lots * queue[1],
    }
    values = _index_values(fair, 0.05)
    return {name: np.where(is_index[:, None], values[name], column) for name, column in columns.items()}


def _index_values(value: Floats, step: float) -> dict[str, Floats]:
    """Return the columns of index values, which nobody trades."""
    value = np.round(value / step) * step
    none, zero = np.full(value.shape, np.nan), np.zeros(value.shape)
    minutes = np.broadcast_to(np.arange(value.shape[1], dtype=float), value.shape)
    bars = {"open": np.broadcast_to(value[:, :1], value.shape), "high": np.maximum.accumulate(value, axis=1),
            "low": np.minimum.accumulate(value, axis=1)}  # fmt: skip
    absent = ("average_price", "oi", "oi_day_high", "oi_day_low", "bid_price", "ask_price")
    still = ("last_quantity", "volume", "buy_quantity", "sell_quantity", "bid_quantity", "ask_quantity")
    return bars | {"last_price": value, "traded_at": minutes} | dict.fromkeys(absent, none) | dict.fromkeys(still, zero)


def _rows(day: TradingDay, numbers: NDArray[np.int64], market: dict[str, Floats], random: Any) -> pd.DataFrame:
    contracts, minutes = day.contracts, len(day.due)
    row = np.repeat(numbers, minutes)
    at = np.tile(day.due, len(numbers))
    received = day.due + random.integers(900_000, 1_500_000, minutes).astype("timedelta64[us]")
    second = np.timedelta64(1, "s")
    traded = market["traded_at"].ravel().astype(np.int64)
    last_trade = day.due[traded] - random.integers(1, 59, minutes)[traded] * second
    prices = {name: np.round(values.ravel(), 2) for name, values in market.items() if name != "traded_at"}
    times = {"snapshot_at": at, "received_at": np.tile(received, len(numbers)), "last_trade_at": last_trade,
             "exchange_at": at - second, "known_at": np.tile(received, len(numbers))}  # fmt: skip
    identity = ("underlying", "contract_type", "exchange", "tradingsymbol", "option_type")
    words = {name: contracts.columns[name].take(row) for name in identity}
    constant = {"source": pd.array(["quote"], dtype="str").take(np.zeros(len(row), int)),
                "depth": pd.array([None], dtype="str").take(np.zeros(len(row), int))}  # fmt: skip
    numbers_of = {
        "expiry": contracts.expiry[row],
        "strike": contracts.strike[row],
        "attempt": np.ones(len(row)),
        "previous_close": np.repeat(np.round(market["open"][:, 0] * 1.003 / TICK) * TICK, minutes),
    }
    return assemble(QUOTES, prices | times | words | constant | numbers_of)


def _walk(start: float, step: float, shape: tuple[int, int], random: np.random.Generator) -> Floats:
    """Return random walks along the minutes: in proportion to their start, absolute from a start of 0."""
    moves = np.cumsum(random.normal(0, step, shape), axis=1)
    return start * np.exp(moves) if start else moves


def _held(values: Floats, new: NDArray[np.bool_]) -> Floats:
    """Return the values of the last minute that had a new one."""
    since = np.maximum.accumulate(np.where(new, np.arange(values.shape[-1]), 0), axis=-1)
    return np.take_along_axis(values, since, axis=-1)


def _kept(values: Floats, share: float, random: np.random.Generator) -> Floats:
    """Return the values, a share of them those of the minute before."""
    return _held(values, random.random(values.shape) >= share)
