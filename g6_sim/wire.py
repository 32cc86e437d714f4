"""Kite's JSON for quotes: from columns to the dictionaries that go over the wire.

Shapes as in Kite Connect v3: `/quote` with a depth of always five rows a side, `/quote/ohlc`, `/quote/ltp`, and the
index entry, which has neither depth nor open interest. Where the numbers come from is the feed's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import numpy as np

from g6_sim.noise import Array

QuoteForm = Literal["full", "ohlc", "ltp"]
"""Which of the three quote endpoints is answered."""

LEVELS = 5
_EMPTY_SIDE = ({"price": 0.0, "quantity": 0, "orders": 0},) * LEVELS


@dataclass(frozen=True, slots=True)
class Depth:
    """One side's five levels: arrays of shape (contracts, 5); a level nobody stands at is zero throughout."""

    price: Array
    quantity: Array
    orders: Array

    def rows(self) -> list[tuple[dict[str, Any], ...]]:
        """Return each contract's five levels as Kite writes them."""
        parts = (part.ravel().tolist() for part in (cents(self.price), self.quantity, self.orders))
        levels = iter(
            [
                {"price": price, "quantity": quantity, "orders": orders}
                for price, quantity, orders in zip(*parts, strict=True)
            ]
        )
        # Most of an answer's time goes into these dictionaries: made in one go, then dealt out in fives.
        return list(zip(*[levels] * LEVELS, strict=True))


@dataclass(frozen=True, slots=True)
class ContractQuotes:
    """Quotes of several contracts, one array element each.

    Prices are rupees, quantities, volume and open interest units of the underlying (not lots). `last_trade_time` is
    null where unknown or not yet traded; `buy` and `sell` are None when the book is empty throughout, as before the
    open and after the close.
    """

    keys: Sequence[str]
    token: Array
    timestamp: Sequence[str]
    last_trade_time: Sequence[str | None]
    last_price: Array
    last_quantity: Array
    buy_quantity: Array
    sell_quantity: Array
    volume: Array
    average_price: Array
    oi: Array
    oi_day_high: Array
    oi_day_low: Array
    lower_circuit_limit: Array
    upper_circuit_limit: Array
    open: Array
    high: Array
    low: Array
    previous_close: Array
    buy: Depth | None
    sell: Depth | None
    unrecorded: tuple[str, ...] = ()

    def entries(self, form: QuoteForm) -> dict[str, dict[str, Any]]:
        """Return the answer's `data` for these contracts, by the keys that were asked for."""
        token, last = self.token.tolist(), cents(self.last_price).tolist()
        if form == "ltp":
            return {
                key: {"instrument_token": number, "last_price": price}
                for key, number, price in zip(self.keys, token, last, strict=True)
            }
        ohlc = [
            {"open": o, "high": h, "low": low, "close": c}
            for o, h, low, c in _transposed(self.open, self.high, self.low, self.previous_close)
        ]
        if form == "ohlc":
            return {
                key: {"instrument_token": number, "last_price": price, "ohlc": bar}
                for key, number, price, bar in zip(self.keys, token, last, ohlc, strict=True)
            }
        counts = (self.last_quantity, self.buy_quantity, self.sell_quantity, self.volume)
        interest = (self.oi, self.oi_day_high, self.oi_day_low)
        prices = (self.average_price, self.lower_circuit_limit, self.upper_circuit_limit)
        empty = [_EMPTY_SIDE] * len(token)
        entries = {
            key: {
                "instrument_token": number,
                "timestamp": stamp,
                "last_trade_time": traded_at,
                "last_price": price,
                "last_quantity": last_quantity,
                "buy_quantity": buy_quantity,
                "sell_quantity": sell_quantity,
                "volume": volume,
                "average_price": average,
                "oi": oi,
                "oi_day_high": oi_high,
                "oi_day_low": oi_low,
                "net_change": 0,
                "lower_circuit_limit": lower,
                "upper_circuit_limit": upper,
                "ohlc": bar,
                "depth": {"buy": buy, "sell": sell},
            }
            for (
                key,
                number,
                stamp,
                traded_at,
                price,
                (last_quantity, buy_quantity, sell_quantity, volume),
                (oi, oi_high, oi_low),
                (average, lower, upper),
                bar,
                buy,
                sell,
            ) in zip(
                self.keys,
                token,
                self.timestamp,
                self.last_trade_time,
                last,
                zip(*(part.tolist() for part in counts), strict=True),
                zip(*(part.tolist() for part in interest), strict=True),
                _transposed(*prices),
                ohlc,
                empty if self.buy is None else self.buy.rows(),
                empty if self.sell is None else self.sell.rows(),
                strict=True,
            )
        }
        for entry in entries.values() if self.unrecorded else ():
            for name in self.unrecorded:
                del entry[name]
        return entries


def index_entry(
    form: QuoteForm, token: int, stamp: str, last: float, ohlc: tuple[float, float, float, float], long_form: bool
) -> dict[str, Any]:
    """Return an index's entry.

    Which optional keys Kite sends for an index is not documented: the short form has the ones everybody sees; the
    long form adds a contract's keys with zeros.
    """
    entry: dict[str, Any] = {"instrument_token": token}
    if form == "full":
        entry["timestamp"] = stamp
    entry["last_price"] = round(last, 2)
    if form == "ltp":
        return entry
    previous = ohlc[3]
    if form == "full":
        entry["net_change"] = round(last - previous, 2)
    entry["ohlc"] = dict(zip(("open", "high", "low", "close"), (round(value, 2) for value in ohlc), strict=True))
    if form == "full" and long_form:
        zeros = ("last_quantity", "buy_quantity", "sell_quantity", "volume", "average_price", "oi")
        entry |= dict.fromkeys((*zeros, "oi_day_high", "oi_day_low", "lower_circuit_limit", "upper_circuit_limit"), 0)
        entry |= {"last_trade_time": None, "depth": {"buy": _EMPTY_SIDE, "sell": _EMPTY_SIDE}}
    return entry


def stamp(instant: datetime) -> str:
    """Write an instant as Kite does: IST wall clock, whole seconds, no zone."""
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def stamps(day: date, seconds_of_day: Array) -> list[str | None]:
    """Write many instants of one day; null where the second is negative."""
    prefix = f"{day.isoformat()} "
    return [prefix + _CLOCK[second] if second >= 0 else None for second in seconds_of_day.tolist()]


def cents(price: Array) -> Array:
    """Round prices to two decimals, so that 1.15 does not travel as 1.1500000000000001."""
    return np.round(price, 2)


def _transposed(*columns: Array) -> Any:
    return zip(*(cents(column).tolist() for column in columns), strict=True)


_CLOCK = [f"{hour:02d}:{minute:02d}:{second:02d}" for hour in range(24) for minute in range(60) for second in range(60)]
