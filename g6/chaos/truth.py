"""What the simulated broker must have answered, computed again from its market model: the other side of each row."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.calendar import IST, Session, TradingCalendar
from g6_market.indices import INDICES, VIX_KEY, VIX_TOKEN
from g6_sim.feed import MarketFeed
from g6_sim.listing import KIND_NAMES, Contracts

# Column of `quotes` -> where Kite sends it, and whether it is a price: a price of 0 means that there is none.
FIELDS: dict[str, tuple[tuple[Any, ...], bool]] = {
    "last_price": (("last_price",), True),
    "last_quantity": (("last_quantity",), False),
    "average_price": (("average_price",), True),
    "volume": (("volume",), False),
    "buy_quantity": (("buy_quantity",), False),
    "sell_quantity": (("sell_quantity",), False),
    "oi": (("oi",), False),
    "oi_day_high": (("oi_day_high",), False),
    "oi_day_low": (("oi_day_low",), False),
    "open": (("ohlc", "open"), True),
    "high": (("ohlc", "high"), True),
    "low": (("ohlc", "low"), True),
    "previous_close": (("ohlc", "close"), True),
    "bid_price": (("depth", "buy", 0, "price"), True),
    "bid_quantity": (("depth", "buy", 0, "quantity"), False),
    "ask_price": (("depth", "sell", 0, "price"), True),
    "ask_quantity": (("depth", "sell", 0, "quantity"), False),
}


class Truth:
    """The market of one day as the broker serves it.

    Parameters
    ----------
    seed, session
        Which day of which world.
    names
        Underlyings that the broker lists.
    """

    def __init__(self, seed: int, session: Session, calendar: TradingCalendar, names: Sequence[str]) -> None:
        self._feed = MarketFeed(seed, calendar, tuple(names), 0, False)
        self._session = session
        self._candles: dict[str, dict[pd.Timestamp, tuple[float, float]]] = {}
        self.contracts = Contracts(session.trade_date, calendar, tuple(names))

    @cached_property
    def identities(self) -> dict[str, tuple[str, pd.Timestamp, float, str]]:
        """Underlying, expiry, strike and option type of each listed option by its key."""
        listed = self.contracts
        found: dict[str, tuple[str, pd.Timestamp, float, str]] = {}
        for key, kind, strike, number in zip(listed.keys, listed.kind, listed.strike, listed.expiry, strict=True):
            expiry = listed.expiries[int(number)]
            found[key] = expiry.underlying, pd.Timestamp(expiry.day), float(strike), KIND_NAMES[int(kind)]
        return found

    def served(self, keys: Sequence[str], at: datetime) -> dict[str, NDArray[np.float64]]:
        """Return the values of `FIELDS` served for keys at an instant (aware), NaN where there is none."""
        entries = self._feed.quotes(keys, at, "full")
        return {
            name: np.array([_value(entries.get(key), path, price) for key in keys], dtype=np.float64)
            for name, (path, price) in FIELDS.items()
        }

    def candles(self, key: str, now: datetime) -> dict[pd.Timestamp, tuple[float, float]]:
        """Return close and open interest of each minute that has a candle, by the minute's end (IST wall clock)."""
        if key not in self._candles:
            self._candles[key] = self._minutes(key, now)
        return self._candles[key]

    def _minutes(self, key: str, now: datetime) -> dict[pd.Timestamp, tuple[float, float]]:
        opened = self._session.open
        rows = self._feed.candles(self.token(key), 1, opened, self._session.close, now) or []
        return {
            pd.Timestamp(datetime.fromisoformat(row[0]).replace(tzinfo=None) + timedelta(minutes=1)): (row[4], row[6])
            for row in rows
        }

    def token(self, key: str) -> int:
        """Return the instrument token of a key."""
        if key == VIX_KEY:
            return VIX_TOKEN
        spots = {spec.spot_key: spec.spot_token for spec in INDICES.values()}
        return spots[key] if key in spots else int(self.contracts.token[self.contracts.row_of[key]])


def aware(stamp: Any) -> datetime:
    """Return a stored wall clock time as an aware instant."""
    return pd.Timestamp(stamp).to_pydatetime().replace(tzinfo=IST)


def _value(entry: Any, path: tuple[Any, ...], price: bool) -> float:
    for step in path:
        if entry is None or (isinstance(step, str) and step not in entry):
            return np.nan
        entry = entry[step]
    return np.nan if entry is None or (price and entry <= 0) else float(entry)
