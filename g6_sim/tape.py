"""What has added up since the open: candles, day highs and lows, average price, batches of open interest.

Worked out once per expiry and day from `market`, then looked up; candles and quotes come from the same numbers.
"""

from dataclasses import dataclass

import numpy as np

from g6_sim.market import MarketDay
from g6_sim.noise import Array

_SAMPLES = np.array([14, 29, 44, 59])  # seconds of a minute at which prices are looked at
_ROWS_AT_ONCE = 64  # keeps the working set inside the processor's cache


@dataclass(frozen=True, slots=True)
class Bars:
    """Minute candles, shape (contracts, minutes).

    `traded` marks the minutes with a trade; elsewhere the prices mean nothing. `volume` is the day's running total in
    units, `turnover` the running sum of price x units.
    """

    traded: Array
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    turnover: Array


@dataclass(frozen=True, slots=True)
class DayToDate:
    """Running values of a day up to a second, one per contract; 0 where nothing traded yet."""

    open: Array
    high: Array
    low: Array
    average_price: Array


def minute_bars(market: MarketDay, rows: Array) -> Bars:
    """Build all minute candles of a day for some contracts."""
    starts = np.arange((market.last_second + 1) // 60) * 60
    seconds = (starts[:, None] + _SAMPLES).ravel()
    price, at = market.last_trade(rows[:, None], seconds[None, :])
    shape = (len(rows), len(starts), len(_SAMPLES))
    price, at = price.reshape(shape), at.reshape(shape)
    inside = at >= starts[None, :, None]
    traded = inside[:, :, -1]
    first = np.take_along_axis(price, inside.argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
    high = np.where(inside, price, -np.inf).max(axis=2)
    low = np.where(inside, price, np.inf).min(axis=2)

    # The day's first trade opens its candle, whichever second it fell on.
    some = np.flatnonzero(traded.any(axis=1))
    minute = traded.argmax(axis=1)[some]
    opening = market.open_price[rows[some]]
    first[some, minute] = opening
    high[some, minute] = np.maximum(high[some, minute], opening)
    low[some, minute] = np.minimum(low[some, minute], opening)

    volume = market.volume(rows[:, None], starts[None, :] + 59)
    turnover = np.cumsum(np.diff(volume, axis=1, prepend=0) * price[:, :, -1], axis=1)
    return Bars(traded, first, high, low, price[:, :, -1], volume, turnover)


class Tape:
    """Running values of one day, filled expiry by expiry when first asked for."""

    def __init__(self, market: MarketDay) -> None:
        self._market = market
        minutes = (market.last_second + 1) // 60
        batches = int(market.batch_counts.max()) + 1
        count = len(market.contracts)
        # np.empty costs no memory until an expiry's rows are written.
        self._high: Array = np.empty((count, minutes), dtype=np.float32)
        self._low: Array = np.empty((count, minutes), dtype=np.float32)
        self._turnover: Array = np.empty((count, minutes))
        self._volume: Array = np.empty((count, minutes), dtype=np.int64)
        self._oi: Array = np.empty((3, count, batches), dtype=np.int32)
        self._filled: set[int] = set()

    def to_date(self, rows: Array, second: int, last: Array, volume: Array) -> DayToDate:
        """Return open, high, low and average price, given the last prices and volumes at that second."""
        self._fill(rows)
        has = volume > 0
        minute = (second + 1) // 60 - 1
        opening = self._market.open_price[rows]
        high, low = np.maximum(last, opening), np.minimum(last, opening)
        turnover, counted = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
        if minute >= 0:
            high = np.maximum(high, self._high[rows, minute].astype(np.float64))
            low = np.minimum(low, self._low[rows, minute].astype(np.float64))
            turnover, counted = self._turnover[rows, minute], self._volume[rows, minute]
        average = (turnover + (volume - counted) * last) / np.maximum(volume, 1)
        return DayToDate(*(np.where(has, value, 0.0) for value in (opening, high, low, average)))

    def open_interest(self, rows: Array, second: int) -> tuple[Array, Array, Array]:
        """Return open interest and its day high and low, in units, after the last batch by that second."""
        self._fill(rows)
        batch = self._market.oi_batch(rows, second)
        now, high, low = self._oi[:, rows, batch]
        return now, high, low

    def _fill(self, rows: Array) -> None:
        contracts = self._market.contracts
        wanted = set(contracts.expiry[rows].tolist()) - self._filled
        for expiry in wanted:
            every = np.flatnonzero(contracts.expiry == expiry)
            for start in range(0, len(every), _ROWS_AT_ONCE):
                self._fill_rows(every[start : start + _ROWS_AT_ONCE])
        self._filled |= wanted

    def _fill_rows(self, rows: Array) -> None:
        bars = minute_bars(self._market, rows)
        self._high[rows] = np.maximum.accumulate(np.where(bars.traded, bars.high, -np.inf), axis=1)
        self._low[rows] = np.minimum.accumulate(np.where(bars.traded, bars.low, np.inf), axis=1)
        self._volume[rows], self._turnover[rows] = bars.volume, bars.turnover
        oi = self._market.open_interest(rows[:, None], np.arange(self._oi.shape[2])[None, :])
        self._oi[0, rows] = oi
        self._oi[1, rows] = np.maximum.accumulate(oi, axis=1)
        self._oi[2, rows] = np.minimum.accumulate(oi, axis=1)
