"""What the server serves from: the protocol, and the feed of the simulated market.

The other feed, a recorded day, is `replay`. HTTP, limits and faults are `server`'s.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import numpy as np

from g6_market.calendar import Session, TradingCalendar
from g6_market.indices import INDICES, VIX_KEY, VIX_TOKEN
from g6_sim.candles import candle_rows
from g6_sim.dump import Dump, contract_lines, index_lines, merged, padding_lines
from g6_sim.market import Book, MarketDay
from g6_sim.noise import Array, uniform
from g6_sim.paths import PROFILES
from g6_sim.tape import Tape, minute_bars
from g6_sim.wire import LEVELS, ContractQuotes, Depth, QuoteForm, index_entry, stamp, stamps

PRE_OPEN = timedelta(minutes=15)
"""How long before the open the exchange's stamps show today."""

_DAYS_KEPT = 4
_DEPTH = 40  # noise stream


class Feed(Protocol):
    """A source of instruments, quotes and candles at a simulated instant."""

    def dump(self, now: datetime) -> Dump:
        """Return the instruments dump of that day, as CSV lines by exchange."""
        ...

    def quotes(self, keys: Sequence[str], now: datetime, form: QuoteForm) -> dict[str, dict[str, Any]]:
        """Return entries by key; what is unknown is absent."""
        ...

    def candles(
        self, token: int, minutes: int, first: datetime, last: datetime, now: datetime
    ) -> list[list[Any]] | None:
        """Return candles starting within [first, last] that are complete by now; None for an unknown token."""
        ...


class MarketFeed:
    """The simulated market, whatever the date.

    Parameters
    ----------
    seed, calendar
        The world, and its trading days.
    names
        Underlyings it lists.
    padding_rows
        Rows of other things in the dump.
    long_index_form
        Whether index quotes carry a contract's keys too.
    """

    def __init__(
        self, seed: int, calendar: TradingCalendar, names: tuple[str, ...], padding_rows: int, long_index_form: bool
    ) -> None:
        self._seed = seed
        self._calendar = calendar
        self._names = names
        self._padding_rows = padding_rows
        self._long_index_form = long_index_form
        self._days: OrderedDict[date, tuple[MarketDay, Tape]] = OrderedDict()
        self._dump: tuple[date, Dump] | None = None
        self._index_of_key = {INDICES[name].spot_key: name for name in names}

    def dump(self, now: datetime) -> Dump:
        """Return the dump of the day, or of the last session on a day without one."""
        day = self._session(now).trade_date
        if self._dump is None or self._dump[0] != day:
            market, _ = self._day(day)
            lines = (index_lines(self._names), contract_lines(market.contracts), padding_lines(self._padding_rows, day))
            self._dump = (day, merged(*lines))
        return self._dump[1]

    def quotes(self, keys: Sequence[str], now: datetime, form: QuoteForm) -> dict[str, dict[str, Any]]:
        """Return entries by key.

        Before the open they show yesterday's close and open interest, after the close the last values; the book is
        empty both times. On a day without a session the last one is shown.
        """
        session = self._session(now)
        market, tape = self._day(session.trade_date)
        second = market.second_at(now - session.open)
        open_now = session.open <= now < session.close
        shown_at = stamp(market.previous.close if now < session.open - PRE_OPEN else min(now, session.close))

        row_of = market.contracts.row_of
        known = [(key, row_of[key]) for key in keys if key in row_of]
        entries: dict[str, dict[str, Any]] = {}
        if known:
            contract_keys, rows = [key for key, _ in known], np.array([row for _, row in known])
            entries = self._contracts(market, tape, contract_keys, rows, second, open_now, shown_at).entries(form)
        for key in keys:
            if key in self._index_of_key or key == VIX_KEY:
                entries[key] = self._index(market, key, second, shown_at, form)
        return entries

    def candles(
        self, token: int, minutes: int, first: datetime, last: datetime, now: datetime
    ) -> list[list[Any]] | None:
        """Return candles starting within [first, last] that are complete by now; None for an unknown token."""
        today, _ = self._day(self._session(now).trade_date)
        index_tokens = {INDICES[name].spot_token: name for name in self._names} | {VIX_TOKEN: VIX_KEY}
        if token not in today.contracts.row_of_token and token not in index_tokens:
            return None
        found: list[list[Any]] = []
        for session in self._calendar.sessions(first.date(), min(last, now).date()):
            if session.open > now:
                continue
            market, _ = self._day(session.trade_date)
            done = (market.second_at(now - session.open) + 1) // 60
            if token in index_tokens:
                parts = self._index_minutes(market, index_tokens[token])
            elif token in market.contracts.row_of_token:
                parts = self._contract_minutes(market, market.contracts.row_of_token[token])
            else:
                continue
            rows = candle_rows(session.open, minutes, done, *parts)
            found += [row for begins, row in rows if first <= begins <= last]
        return found

    def _session(self, now: datetime) -> Session:
        today = self._calendar.on(now.date())
        return today if isinstance(today, Session) else self._calendar.previous_session(now.date())

    def _day(self, day: date) -> tuple[MarketDay, Tape]:
        if day not in self._days:
            market = MarketDay(self._seed, day, self._calendar, self._names)
            self._days[day] = (market, Tape(market))
            if len(self._days) > _DAYS_KEPT:
                self._days.popitem(last=False)
        self._days.move_to_end(day)
        return self._days[day]

    def _contracts(
        self, market: MarketDay, tape: Tape, keys: list[str], rows: Array, second: int, open_now: bool, shown_at: str
    ) -> ContractQuotes:
        contracts, session = market.contracts, market.session
        last, traded_at = market.last_trade(rows, second)
        volume = market.volume(rows, second)
        zero = np.zeros(len(rows))
        if second >= 0:
            to_date = tape.to_date(rows, second, last, volume)
            running = (to_date.average_price, to_date.open, to_date.high, to_date.low)
            oi = tape.open_interest(rows, second)
        else:
            running = (zero, zero, zero, zero)
            opening = market.opening_oi[rows]
            oi = (opening, opening, opening)
        average, day_open, day_high, day_low = running
        buy = sell = None
        buy_quantity = sell_quantity = zero.astype(np.int64)
        if open_now and second >= 0:
            book = market.book(rows, second)
            buy = self._depth(market, rows, second, book, -1)
            sell = self._depth(market, rows, second, book, 1)
            buy_quantity, sell_quantity = buy.quantity.sum(axis=1) * 9, sell.quantity.sum(axis=1) * 9
        previous = market.previous_close[rows]
        band = 0.1 * market.previous_spot[rows]
        opened = session.open.hour * 3600 + session.open.minute * 60
        return ContractQuotes(
            keys=keys,
            token=contracts.token[rows],
            timestamp=[shown_at] * len(rows),
            last_trade_time=stamps(session.trade_date, np.where(traded_at >= 0, traded_at + opened, -1)),
            last_price=last,
            last_quantity=market.trade_size(rows, second),
            buy_quantity=buy_quantity,
            sell_quantity=sell_quantity,
            volume=volume,
            average_price=average,
            oi=oi[0],
            oi_day_high=oi[1],
            oi_day_low=oi[2],
            lower_circuit_limit=np.maximum(np.floor(previous - band), contracts.tick[rows]),
            upper_circuit_limit=np.ceil(previous + band),
            open=day_open,
            high=day_high,
            low=day_low,
            previous_close=previous,
            buy=buy,
            sell=sell,
        )

    def _depth(self, market: MarketDay, rows: Array, second: int, book: Book, side: int) -> Depth:
        contracts, level = market.contracts, np.arange(LEVELS)
        touch = book.bid if side < 0 else book.ask
        tick = contracts.tick[rows][:, None]
        # Levels lie further apart where the spread is wide.
        gap = np.maximum(np.rint((book.ask - book.bid)[:, None] / tick / 3), 1.0) * tick
        price = touch[:, None] + side * level * np.rint(gap / tick) * tick
        there = (touch[:, None] > 0) & (price > tick / 2)
        draw = uniform(self._seed, _DEPTH, contracts.token[rows][:, None], second, level + 8 * (side > 0))
        lots = 1 + np.floor(book.size[:, None] * (1 + level) * (0.5 + 2.5 * draw))
        quantity = np.where(there, lots, 0).astype(np.int64) * contracts.lot[rows][:, None]
        orders = np.where(there, 1 + lots // 3, 0).astype(np.int64)
        return Depth(np.where(there, price, 0.0), quantity, orders)

    def _index(self, market: MarketDay, key: str, second: int, shown_at: str, form: QuoteForm) -> dict[str, Any]:
        path, previous, token = self._index_path(market, key)
        if second >= 0:
            past = path[: second + 1]
            last, ohlc = path[second], (path[0], past.max(), past.min(), previous)
        else:
            last, ohlc = previous, (0.0, 0.0, 0.0, previous)
        bar = (float(ohlc[0]), float(ohlc[1]), float(ohlc[2]), float(ohlc[3]))
        return index_entry(form, token, shown_at, float(last), bar, self._long_index_form)

    def _index_path(self, market: MarketDay, key: str) -> tuple[Array, float, int]:
        if key == VIX_KEY:
            return 100.0 * market.paths.volatility, 100.0 * market.paths.previous_volatility, VIX_TOKEN
        name = self._index_of_key.get(key, key)
        position = list(PROFILES).index(name)
        return (
            market.published[position],
            float(market.paths.previous_index[position]),
            INDICES[name].spot_token,
        )

    def _index_minutes(self, market: MarketDay, key: str) -> Any:
        path, _, _ = self._index_path(market, key)
        minutes = path[:-1].reshape(-1, 60)
        nothing = np.zeros(len(minutes), dtype=np.int64)
        prices = (minutes[:, 0], minutes.max(axis=1), minutes.min(axis=1), minutes[:, -1])
        return prices, nothing, nothing, np.ones(len(minutes), dtype=bool)

    @staticmethod
    def _contract_minutes(market: MarketDay, row: int) -> Any:
        rows = np.array([row])
        bars = minute_bars(market, rows)
        ends = np.arange(bars.close.shape[1]) * 60 + 59
        batch = np.searchsorted(market.batch_times[int(market.contracts.underlying[row])], ends, side="right")
        oi = market.open_interest(rows, batch)
        prices = (bars.open[0], bars.high[0], bars.low[0], bars.close[0])
        return prices, np.diff(bars.volume[0], prepend=0), oi, bars.traded[0]
