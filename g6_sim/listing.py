"""Which contracts the exchanges list on a day: expiries, strikes, lots, symbols and tokens.

The rules only furnish the simulated exchange; G6 itself takes all of this from the instruments dump. Prices live in
`market`, the dump's text in `dump`.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from g6_market.calendar import TradingCalendar
from g6_market.expiry_rules import expiry_weekday, lists_weeklies, monthly_expiries, on_or_before, option_symbol
from g6_market.indices import INDICES
from g6_sim.ladders import RULES, Ladder
from g6_sim.noise import Array

SEGMENT_BYTES = {"NSE": 1, "NFO": 2, "CDS": 3, "BSE": 4, "BFO": 5, "MCX": 7, "INDICES": 9}
"""Last byte of an instrument token: token = exchange token x 256 + byte."""

CALL, PUT, FUTURE = 1, -1, 0
"""Contract kinds, as signs so that pay-offs are sign x (S - K)."""

KIND_NAMES = {CALL: "CE", PUT: "PE", FUTURE: "FUT"}
"""Kite's `instrument_type` of each kind."""

# From (trade date): lot. At a change two lots really coexist by expiry for a while; here all switch on the day after
# the last expiry with the old one.
_LOTS: dict[str, tuple[tuple[date, int], ...]] = {
    "NIFTY": ((date.min, 50), (date(2024, 4, 26), 25), (date(2024, 12, 27), 75), (date(2025, 12, 31), 65)),
    "BANKNIFTY": ((date.min, 15), (date(2024, 12, 25), 30), (date(2025, 7, 1), 35), (date(2025, 12, 31), 30)),
    "FINNIFTY": ((date.min, 40), (date(2024, 7, 30), 25), (date(2024, 12, 25), 65), (date(2025, 12, 31), 60)),
    "MIDCPNIFTY": (
        (date.min, 75),
        (date(2024, 7, 23), 50),
        (date(2024, 12, 31), 120),
        (date(2025, 7, 1), 140),
        (date(2025, 12, 31), 120),
    ),
    "SENSEX": ((date.min, 10), (date(2024, 12, 28), 20)),
    "BANKEX": ((date.min, 15), (date(2024, 12, 31), 30)),
}

_FUTURE_TICKS = {"NIFTY": 0.1, "BANKNIFTY": 0.2, "FINNIFTY": 0.1, "MIDCPNIFTY": 0.05, "SENSEX": 0.05, "BANKEX": 0.05}
OPTION_TICK = 0.05
"""Tick of every index option, rupees."""

_MONTHS_WITH_FOUR_QUARTERS = 12
_MONTHS_AHEAD = 61


@dataclass(frozen=True, slots=True)
class Expiry:
    """One listed expiry of an index; `monthly` when it is the last of its month."""

    underlying: str
    day: date
    monthly: bool
    ladder: Ladder
    has_future: bool


def lot_size(underlying: str, day: date) -> int:
    """Return the lot of an index's contracts on a trade date, in units."""
    return [lot for since, lot in _LOTS[underlying] if since <= day][-1]


def listed_expiries(underlying: str, day: date, calendar: TradingCalendar) -> list[Expiry]:
    """List an index's expiries on a trade date, nearest first.

    Weekly and monthly dates fall on the weekday of that time's rule, or on the trading day before if that is a
    holiday. Three months have a future; beyond them stand four quarters and, for some, half-years to five years.
    """
    rule = RULES[underlying]
    weekday = expiry_weekday(underlying, day)
    expiries: dict[date, Expiry] = {}

    far_rank = 0
    for rank, (month, expiry_day) in enumerate(monthly_expiries(day, weekday, calendar, _MONTHS_AHEAD)):
        quarter = month % 3 == 0
        if rank < 3:
            ladder = rule.monthly[rank]
            if quarter and rule.quarter_grid:
                ladder = Ladder(ladder.both + rule.quarter_grid)
        elif rule.far and ((quarter and rank < _MONTHS_WITH_FOUR_QUARTERS) or (rule.half_years and month % 6 == 0)):
            ladder = rule.far[min(far_rank, len(rule.far) - 1)]
            far_rank += 1
        else:
            continue
        expiries[expiry_day] = Expiry(underlying, expiry_day, True, ladder, has_future=rank < 3)

    if lists_weeklies(underlying, day):
        nominal = day + timedelta((weekday - day.weekday()) % 7)
        for rank in range(rule.weeks):
            expiry_day = on_or_before(nominal + timedelta(7 * rank), calendar)
            if expiry_day >= day and expiry_day not in expiries:
                ladder = rule.weekly[min(rank, len(rule.weekly) - 1)]
                expiries[expiry_day] = Expiry(underlying, expiry_day, False, ladder, has_future=False)
    return [expiries[expiry_day] for expiry_day in sorted(expiries)]


def trading_symbol(underlying: str, expiry: date, monthly: bool, kind: int, strike: float) -> str:
    """Return Kite's symbol: `NIFTY26AUG24350CE` for the last expiry of a month, else `NIFTY2681824350CE`."""
    if kind == FUTURE:
        return f"{underlying}{expiry:%y}{expiry:%b}FUT".upper()
    return option_symbol(underlying, expiry, monthly, KIND_NAMES[kind], strike)


class Contracts:
    """Every listed contract of a trade date as columns; the rows of one expiry lie together.

    Attributes
    ----------
    expiries
        The expiries, in row order; `expiry` holds each contract's position in it.
    kind, strike, token, exchange_token, lot, tick, underlying
        Arrays, one element per contract. `underlying` is a position in `names`; a future's strike is 0.
    symbols, keys
        Trading symbols, and "NFO:..." as a quote call asks for them. `row_of` finds a key, `row_of_token` a token.
    """

    def __init__(self, day: date, calendar: TradingCalendar, names: tuple[str, ...]) -> None:
        self.names = names
        self.expiries = [expiry for name in names for expiry in listed_expiries(name, day, calendar)]
        kinds: list[int] = []
        strikes: list[float] = []
        counts: list[int] = []
        self.symbols: list[str] = []
        for expiry in self.expiries:
            legs = [(kind, strike) for kind in (CALL, PUT) for strike in expiry.ladder.strikes(calls=kind == CALL)]
            legs += [(FUTURE, 0)] if expiry.has_future else []
            counts.append(len(legs))
            for kind, strike in legs:
                kinds.append(kind)
                strikes.append(float(strike))
                self.symbols.append(trading_symbol(expiry.underlying, expiry.day, expiry.monthly, kind, strike))
        self.kind: Array = np.array(kinds, dtype=np.int64)
        self.strike: Array = np.array(strikes)
        self.expiry: Array = np.repeat(np.arange(len(counts)), counts)
        self.underlying: Array = np.array([names.index(e.underlying) for e in self.expiries])[self.expiry]
        self.exchanges = [INDICES[name].derivative_exchange for name in names]
        self.lot: Array = np.array([lot_size(name, day) for name in names])[self.underlying]
        future_ticks: Array = np.array([_FUTURE_TICKS[name] for name in names])[self.underlying]
        self.tick: Array = np.where(self.kind == FUTURE, future_ticks, OPTION_TICK)
        self.exchange_token: Array = self._exchange_tokens()
        segment: Array = np.array([SEGMENT_BYTES[exchange] for exchange in self.exchanges])[self.underlying]
        self.token: Array = self.exchange_token * 256 + segment
        of_row = [self.exchanges[i] for i in self.underlying.tolist()]
        self.keys = [f"{exchange}:{symbol}" for exchange, symbol in zip(of_row, self.symbols, strict=True)]
        self.row_of = {key: row for row, key in enumerate(self.keys)}
        self.row_of_token: dict[int, int] = {token: row for row, token in enumerate(self.token.tolist())}

    def __len__(self) -> int:
        return len(self.symbols)

    def _exchange_tokens(self) -> Array:
        # A contract keeps its token for life and shares it with no other: index, week, strike and kind side by side.
        order = {name: position for position, name in enumerate(INDICES)}
        weeks: Array = np.array([(e.day - date(2024, 1, 1)).days // 7 for e in self.expiries])[self.expiry]
        index: Array = np.array([order[name] for name in self.names])[self.underlying]
        unit: Array = np.array([25 if name == "MIDCPNIFTY" else 50 for name in self.names])[self.underlying]
        strike: Array = (self.strike / unit).astype(np.int64)
        return ((index * 512 + weeks % 512) * 2048 + strike) * 2 + (self.kind == PUT)
