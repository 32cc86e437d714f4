"""The market model of one day: prices, books, trades and open interest of every listed contract.

Everything is a function of (seed, trade date, second), elementwise over contracts and seconds, so the same instant gets
the same answer whatever was asked before. Running totals of a day live in `tape`, the shape of answers in `wire`.

A quote at 10:20:00 knows what happened up to 10:19:59, as the candle stamped 10:19 does; hence `second` in this module
is always the last second that counts.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from g6_market.calendar import TradingCalendar
from g6_sim.black76 import option_price
from g6_sim.listing import FUTURE, Contracts
from g6_sim.noise import Array, uniform
from g6_sim.paths import BASE_VOLATILITY, PROFILES, day_paths

RATE = 0.065
"""Risk-free rate of the simulated prices."""

CARRY = 0.052
"""Growth of the forward a year over the index: rate less dividends."""

_YEAR_SECONDS = 365.0 * 86_400
_PHASE, _BID, _ASK, _SIDE, _SIZE, _OI_LEVEL, _BATCH, _OI_WIGGLE, _CARRY = range(10, 19)  # noise streams


@dataclass(frozen=True, slots=True)
class Book:
    """Best bid and ask, and what stands behind them, per contract.

    A price and quantity of 0 is an empty side. `size` is a typical quantity at the touch in lots.
    """

    bid: Array
    ask: Array
    size: Array


class MarketDay:
    """The simulated exchange on one trade date.

    Parameters
    ----------
    seed, day
        The world and its date, which must have a session.
    names
        Underlyings that are listed, each one of `PROFILES`.

    Attributes
    ----------
    contracts
        What is listed, as columns; every array below has one element per contract.
    previous_close
        Yesterday's closing price, rupees.
    opening_oi, closing_oi
        Final open interest of yesterday and today, units.
    previous_spot
        Yesterday's closing value of each contract's index, points.
    published
        What each index of `PROFILES` shows second by second, shape (indices, seconds + 1).
    """

    def __init__(self, seed: int, day: date, calendar: TradingCalendar, names: tuple[str, ...]) -> None:
        self.seed = seed
        self.session = calendar.session(day)
        self.previous = calendar.previous_session(day)
        self.contracts = Contracts(day, calendar, names)
        self.paths = day_paths(seed, self.session, calendar)
        order = list(PROFILES)
        self._profile_of_name = np.array([order.index(name) for name in names])
        self._index = self._profile_of_name[self.contracts.underlying]
        self.previous_spot = self.paths.previous_index[self._index]
        self.published = self.paths.published(np.arange(self.paths.last_second + 1))
        self._volatility_multiple = np.array([p.volatility for p in PROFILES.values()])[self._index]
        self._is_option = self.contracts.kind != FUTURE

        expiry_days = [expiry.day for expiry in self.contracts.expiries]
        fixed = [(calendar.settlement_fixed_at(d) - self.session.open).total_seconds() for d in expiry_days]
        # A session that ends before the usual fixing (Muhurat) fixes at its own end.
        self._settles = np.array(fixed)[self.contracts.expiry]
        if day in expiry_days:
            self._settles = np.where(self._settles <= 86_400, self.paths.settled, self._settles)
        key: Array = np.array([d.toordinal() for d in expiry_days])[self.contracts.expiry]
        self._carry = CARRY + 0.004 * (uniform(seed, _CARRY, key, self._index) - 0.5)
        days_left: Array = key - day.toordinal()
        self._activity = self._activities(days_left)
        self._place_trades()

        since_open = int((self.previous.close - self.session.open).total_seconds())
        self.previous_close = self._to_tick(self._previous_price(since_open))
        self.opening_oi = self._oi_at_close(self.previous.trade_date)
        self.closing_oi = self._oi_at_close(day)
        self._place_batches()
        self.open_price = self._trade_price(np.arange(len(self.contracts)), self._phase.astype(np.int64))

    @property
    def last_second(self) -> int:
        """The last second that counts on this day."""
        return self.paths.last_second - 1

    def second_at(self, since_open: timedelta) -> int:
        """Return the last second that counts for a quote, -1 before the open."""
        return int(min(max(since_open.total_seconds(), 0.0) // 1 - 1, self.last_second))

    def fair(self, rows: Array, second: Array | int) -> Array:
        """Return theoretical prices, broadcast over contracts and seconds, in rupees."""
        at = np.minimum(second, self._settles[rows]).astype(np.int64)
        level = self.paths.index[self._index[rows], at]
        return self._price(rows, level, self.paths.volatility[at], np.asarray(second))

    def book(self, rows: Array, second: Array | int) -> Book:
        """Return the touch: both sides on the tick grid around the fair price, so parity holds within the spread."""
        fair, tick = self.fair(rows, second), self.contracts.tick[rows]
        half = self._half_spread(rows, fair)
        token = self.contracts.token[rows]
        bid = np.floor((fair - half * (0.6 + 0.6 * uniform(self.seed, _BID, token, second))) / tick) * tick
        ask = np.ceil((fair + half * (0.6 + 0.6 * uniform(self.seed, _ASK, token, second))) / tick) * tick
        # Somebody always bids a tick for an option that still has a chance; nobody does far away.
        wanted = self._activity[rows] > 0.002
        bid = np.where(bid >= tick, bid, np.where(wanted, tick, 0.0))
        ask = np.maximum(ask, bid + tick)
        return Book(bid, ask, 1 + np.floor(12 * np.sqrt(self._activity[rows])))

    def last_trade(self, rows: Array, second: Array | int) -> tuple[Array, Array]:
        """Return the last trade up to a second: its price, and its second (-1 where there was none today).

        A contract that has not traded today shows yesterday's close.
        """
        at, _ = self._trade_second(rows, second)
        price = self._trade_price(rows, np.maximum(at, 0))
        return np.where(at >= 0, price, self.previous_close[rows]), at

    def volume(self, rows: Array, second: Array | int) -> Array:
        """Return the day's traded units up to a second: whole lots, and more only with a trade."""
        at, _ = self._trade_second(rows, second)
        lots = 1 + np.floor(self._lots_a_day[rows] * self._share_of_day[np.maximum(at, 0)])
        return np.where(at >= 0, lots, 0).astype(np.int64) * self.contracts.lot[rows]

    def trade_size(self, rows: Array, second: Array | int) -> Array:
        """Return the units of the last trade, 0 where there was none."""
        at, _ = self._trade_second(rows, second)
        lots = 1 + np.floor(5 * uniform(self.seed, _SIZE, self.contracts.token[rows], at))
        return np.where(at >= 0, lots, 0).astype(np.int64) * self.contracts.lot[rows]

    def oi_batch(self, rows: Array, second: Array | int) -> Array:
        """Return how many batches of open interest had arrived by a second, per contract."""
        counts = np.array([np.searchsorted(times, second, side="right") for times in self.batch_times])
        return counts[self.contracts.underlying[rows]] if counts.ndim == 1 else counts

    def open_interest(self, rows: Array, batch: Array | int) -> Array:
        """Return open interest in units after a number of batches, broadcast; batch 0 is yesterday's final one."""
        last: Array = self.batch_counts[self.contracts.underlying[rows]]
        share = np.minimum(np.asarray(batch) / last, 1.0)
        opening, closing, lot = self.opening_oi[rows], self.closing_oi[rows], self.contracts.lot[rows]
        wiggle = (
            0.02 * share * (1.0 - share) * (uniform(self.seed, _OI_WIGGLE, self.contracts.token[rows], batch) - 0.5)
        )
        lots = (opening + share * (closing - opening) + wiggle * opening) / lot
        return np.rint(lots).astype(np.int64) * lot

    def _price(self, rows: Array, level: Array, volatility: Array, second: Array) -> Array:
        years = np.maximum(self._settles[rows] - second, 0.0) / _YEAR_SECONDS
        forward = level * np.exp(self._carry[rows] * years)
        strike = np.where(self._is_option[rows], self.contracts.strike[rows], level)
        smile = self._smile(np.log(strike / forward), years, volatility * self._volatility_multiple[rows])
        option = option_price(forward, strike, self.contracts.kind[rows], years, smile, RATE)
        return np.where(self._is_option[rows], option, forward)

    @staticmethod
    def _smile(moneyness: Array, years: Array, volatility: Array) -> Array:
        # Skewed to the puts, in standard deviations to the expiry; half a day at least, or the last hour's wings
        # explode.
        deviations = np.clip(moneyness / (volatility * np.sqrt(np.maximum(years, 0.5 / 365))), -6.0, 6.0)
        return volatility * (1.0 - 0.05 * deviations + 0.02 * deviations**2)

    def _half_spread(self, rows: Array, fair: Array) -> Array:
        tick, active = self.contracts.tick[rows], np.minimum(self._activity[rows] * 4.0, 1.0)
        option = 0.6 * tick + fair * (0.0006 + 0.006 * (1.0 - active) ** 3)
        return np.where(self._is_option[rows], option, tick + fair * 0.00002)

    def _to_tick(self, price: Array) -> Array:
        tick = self.contracts.tick
        return np.maximum(np.rint(price / tick), 1.0) * tick

    def _previous_price(self, since_open: int) -> Array:
        rows = np.arange(len(self.contracts))
        level = self.paths.previous_index[self._index]
        return self._price(rows, level, np.full(len(rows), self.paths.previous_volatility), np.asarray(since_open))

    def _activities(self, days_left: Array) -> Array:
        """Rate a contract's trading from 0 to 1 by index, expiry and distance from the money at yesterday's close."""
        contracts = self.contracts
        monthly: Array = np.array([expiry.monthly for expiry in contracts.expiries])[contracts.expiry]
        expiry = 0.7 * np.exp(-days_left / 8.0) + monthly * 0.3 * np.exp(-days_left / 35.0) + 0.003
        level = self.paths.previous_index[self._index]
        deviation = BASE_VOLATILITY * self._volatility_multiple * np.sqrt(np.maximum(days_left, 2.0) / 365)
        distance = np.log(np.where(self._is_option, contracts.strike, level) / level) / deviation
        deep: Array = contracts.kind * distance < -0.5
        money = np.exp(-(distance**2) / 5.0) * np.where(deep, 0.4, 1.0)
        money = np.where(contracts.strike % 500 == 0, np.sqrt(money), money)
        activity = np.array([p.activity for p in PROFILES.values()])[self._index] * expiry * money
        return np.where(self._is_option, activity, np.exp(-days_left / 25.0) * 0.5 + 0.01)

    def _place_trades(self) -> None:
        self._period = np.maximum(0.25 / np.maximum(self._activity, 1e-6), 1.0)
        self._phase = np.floor(self._period * uniform(self.seed, _PHASE, self.contracts.token))
        self._lots_a_day = np.rint(1.2 * self.last_second / self._period * (1.0 + 60.0 * self._activity))
        clock = np.linspace(0.0, 1.0, self.paths.last_second + 1)
        busy = 0.6 + 1.6 * np.exp(-clock * 10.0) + 0.8 * np.exp((clock - 1.0) * 10.0)
        self._share_of_day: Array = np.cumsum(busy) / busy.sum()

    def _trade_second(self, rows: Array, second: Array | int) -> tuple[Array, Array]:
        period, phase = self._period[rows], self._phase[rows]
        number = np.floor((second - phase) / period)
        return np.where(number >= 0, np.floor(phase + number * period), -1).astype(np.int64), number

    def _trade_price(self, rows: Array, at: Array) -> Array:
        at = np.minimum(at, self.last_second)
        fair, tick = self.fair(rows, at), self.contracts.tick[rows]
        side = np.where(uniform(self.seed, _SIDE, self.contracts.token[rows], at) < 0.5, -1.0, 1.0)
        return np.maximum(np.rint((fair + 0.6 * side * self._half_spread(rows, fair)) / tick), 1.0) * tick

    def _oi_at_close(self, day: date) -> Array:
        """Final open interest of a date in units: calls pile up above the usual level, puts below."""
        contracts = self.contracts
        days_left: Array = np.array([(e.day - day).days for e in contracts.expiries])[contracts.expiry]
        level = np.array([p.level for p in PROFILES.values()])[self._index]
        deviation = BASE_VOLATILITY * self._volatility_multiple * np.sqrt(np.maximum(days_left, 4.0) / 365)
        distance = np.log(np.where(self._is_option, contracts.strike, level) / level) / deviation
        shape = np.exp(-((contracts.kind * distance - 0.8) ** 2) / 3.0)
        round_strike = np.where(contracts.strike % 500 == 0, 3.0, 1.0)
        activity = np.array([p.activity for p in PROFILES.values()])[self._index]
        lots = 60_000 * activity * shape * round_strike * (np.exp(-np.maximum(days_left, 0) / 20.0) + 0.01)
        lots = np.where(self._is_option, lots, 250_000 * activity * np.exp(-np.maximum(days_left, 0) / 30.0))
        today = 0.85 + 0.3 * uniform(self.seed, _OI_LEVEL, contracts.token, day.toordinal())
        return np.rint(lots * today).astype(np.int64) * contracts.lot

    def _place_batches(self) -> None:
        # Measured: batches come 180 s apart in the median, 90 to 270 s.
        count = self.last_second // 90 + 1
        number = np.arange(count)
        ordinal = self.session.trade_date.toordinal()
        self.batch_times: list[Array] = []
        for profile in self._profile_of_name.tolist():
            gaps = 90 + np.floor(181 * uniform(self.seed, _BATCH, number, profile, ordinal))
            times: Array = np.cumsum(gaps).astype(np.int64)
            self.batch_times.append(times[times <= self.last_second])
        self.batch_counts = np.array([len(times) for times in self.batch_times])
