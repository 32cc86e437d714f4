"""Candles as `/instruments/historical` sends them, from minutes to the interval asked for."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np

from g6_market.calendar import IST
from g6_sim.noise import Array

INTERVAL_MINUTES: dict[str, int] = {
    "minute": 1,
    "3minute": 3,
    "5minute": 5,
    "10minute": 10,
    "15minute": 15,
    "30minute": 30,
    "60minute": 60,
    "day": 24 * 60,
}
"""Minutes of each interval that Kite knows."""

MAX_DAYS = {1: 60, 3: 100, 5: 100, 10: 100, 15: 200, 30: 200, 60: 400, 24 * 60: 2000}
"""Longest span of one request in days, by minutes of the interval."""


def candle_rows(
    opened: datetime,
    minutes: int,
    done: int,
    prices: tuple[Array, Array, Array, Array],
    volume: Array,
    oi: Array,
    traded: Array,
) -> Iterator[tuple[datetime, list[Any]]]:
    """Group a day's minutes and write one candle for each group with a trade.

    Parameters
    ----------
    opened
        The session's open, aware.
    minutes, done
        Minutes of a candle, and how many minutes of the day are complete; later ones are left out.
    prices
        Open, high, low and close per minute.
    volume, oi
        Units traded in each minute, and open interest at its end.
    traded
        Whether there was a trade; a minute without one has no candle.

    Yields
    ------
    tuple
        Start of the candle, and `[stamp, open, high, low, close, volume, oi]`.
    """
    opens, highs, lows, closes = (np.round(price, 2) for price in prices)
    for start in range(0, done, minutes):
        inside = np.flatnonzero(traded[start : min(start + minutes, done)]) + start
        if len(inside) == 0:
            continue
        begins = opened + timedelta(minutes=start) if minutes < INTERVAL_MINUTES["day"] else _midnight(opened)
        yield (
            begins,
            [
                f"{begins:%Y-%m-%dT%H:%M:%S%z}",
                float(opens[inside[0]]),
                float(highs[inside].max()),
                float(lows[inside].min()),
                float(closes[inside[-1]]),
                int(volume[inside].sum()),
                int(oi[inside[-1]]),
            ],
        )


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), time(), IST)
