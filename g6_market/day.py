"""One trading day as everything derived sees it: session, conventions, contracts, expiry labels.

Where these come from is told elsewhere: `calendar`, the settings, `instruments`, `expiries`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.calendar import IST, Session, TradingCalendar
from g6_market.contracts import ChainKey, Contracts
from g6_market.conventions import CODE_VERSION, Conventions
from g6_market.expiries import ExpiryTags, expiries_table, resolve_expiries
from g6_market.frames import codes_of, floats, text_array
from g6_market.indices import INDICES, TAGS
from g6_market.instruments import monthly_forms

__all__ = ["CODE_VERSION", "ChainKey", "Conventions", "TradingDay", "make_day", "wall_clock"]

# Before the closing auction of 2026-08-03 the settlement value was the average of the last half hour of trading.
_SETTLEMENT_AVERAGE = timedelta(minutes=30)
_YEAR = np.timedelta64(365, "D") / np.timedelta64(1, "us")
_TRADING_DAYS = 252
# More than any date counted in days.
_KEY_STEP = 1_000_000


@dataclass(frozen=True)
class TradingDay:
    """One trading day: all that stays the same from its first snapshot to its last.

    Parameters
    ----------
    session
        Hours of the day.
    instruments
        Table `instruments` of the day.
    expiries
        Table `expiries` of the day, the configured labels only. Its expiries are the day's chains.
    reference
        Table `reference` of the day; None where no sweep is known.
    """

    session: Session
    conventions: Conventions
    instruments: pd.DataFrame
    expiries: pd.DataFrame
    calendar: TradingCalendar
    reference: pd.DataFrame | None = None

    def with_reference(self, reference: pd.DataFrame) -> "TradingDay":
        """Return the same day knowing its reference sweep, which is made after the day has begun."""
        return replace(self, reference=reference)

    @property
    def trade_date(self) -> date:
        """The day."""
        return self.session.trade_date

    @cached_property
    def chains(self) -> tuple[ChainKey, ...]:
        """The chains of the configured labels, each once, by index and expiry."""
        pairs = zip(self.expiries["underlying"], self.expiries["expiry"], strict=True)
        return tuple(sorted({ChainKey(underlying, expiry.date()) for underlying, expiry in pairs}))

    @cached_property
    def underlyings(self) -> tuple[str, ...]:
        """The indices that have chains, in alphabetical order."""
        return tuple(dict.fromkeys(chain.underlying for chain in self.chains))

    @cached_property
    def widths(self) -> NDArray[np.int64]:
        """N of the captured ATM +- N, by position in `underlyings`."""
        own = self.expiries.dropna(subset="strikes_each_side").groupby("underlying")["strikes_each_side"].max()
        return np.array(
            [own.get(name, self.conventions.strikes_each_side) for name in self.underlyings], dtype=np.int64
        )

    @cached_property
    def contracts(self) -> Contracts:
        """The contracts as arrays, with the ladders of `chains`."""
        return Contracts(self.instruments, self.chains)

    def tags(self, underlying: str) -> dict[str, date]:
        """Return the configured labels of an index that resolve on this day, in the order of `TAGS`."""
        return self._tags.get(underlying, {})

    def ladder(self, underlying: str, expiry: date) -> NDArray[np.float64]:
        """Return the listed strikes of a chain, ascending.

        Raises
        ------
        KeyError
            If it is none of the day's chains.
        """
        return self.contracts.ladders[self.chain_number(ChainKey(underlying, expiry))]

    def chain_number(self, key: ChainKey) -> int:
        """Return the position of a chain in `chains`; raises `KeyError` naming the chains there are."""
        if key not in self._chain_numbers:
            raise KeyError(f"{key} is no chain of {self.trade_date}; these are {', '.join(map(str, self.chains))}")
        return self._chain_numbers[key]

    def chain_key(self, underlying: str, tag: str) -> ChainKey:
        """Return the chain that a label means on this day; raises `KeyError` where it means none."""
        return ChainKey(underlying, self.tags(underlying)[tag])

    def chain_numbers(self, underlying: pd.Series, expiry: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Return the positions in `chains` of many (index, expiry); -1 where it is none of them."""
        index = codes_of(underlying, self._underlying_index)
        wanted = index * _KEY_STEP + expiry.astype("datetime64[D]").astype(np.int64)
        position = np.minimum(np.searchsorted(self._chain_codes, wanted), len(self.chains) - 1)
        return np.where((index >= 0) & (self._chain_codes[position] == wanted), position, -1)

    def t_years(self, snapshot_at: NDArray[np.datetime64], chain: NDArray[np.int64] | int) -> NDArray[np.float64]:
        """Return the time to settlement, ACT/365, of chains by number; 0 once it is fixed.

        Parameters
        ----------
        snapshot_at
            IST wall clock, `datetime64[us]`; broadcast against `chain`.
        """
        left = (self.settlement[chain] - snapshot_at) / np.timedelta64(1, "us")
        return np.maximum(left, 0.0) / _YEAR

    def t_trading_years(
        self, snapshot_at: NDArray[np.datetime64], chain: NDArray[np.int64] | int
    ) -> NDArray[np.float64]:
        """Return the session minutes left to settlement over those of 252 regular sessions; 0 once it is fixed."""
        settlement = self.settlement[chain]
        minutes = self._later_minutes[chain]
        for start, end in self._parts:
            left = np.minimum(end, settlement) - np.maximum(start, snapshot_at)
            minutes = minutes + np.maximum(left / np.timedelta64(1, "m"), 0.0)
        return minutes / (_TRADING_DAYS * self._regular_minutes)

    @cached_property
    def settlement(self) -> NDArray[np.datetime64]:
        """When each chain's settlement value is fixed, IST wall clock, by chain number."""
        table = self.expiries.drop_duplicates(["underlying", "expiry"]).sort_values(["underlying", "expiry"])
        return table["settlement_fixed_at"].to_numpy(dtype="datetime64[us]")

    @cached_property
    def chain_expiry(self) -> NDArray[np.datetime64]:
        """Expiry of each chain as `datetime64[us]`, by chain number."""
        return np.array([chain.expiry for chain in self.chains], dtype="datetime64[us]")

    @cached_property
    def chain_underlying(self) -> NDArray[np.int64]:
        """Position of each chain's index in `underlyings`, by chain number."""
        return np.array([self.underlyings.index(chain.underlying) for chain in self.chains], dtype=np.int64)

    @cached_property
    def first_chains(self) -> NDArray[np.int64]:
        """Number of each index's first chain, by position in `underlyings`."""
        return np.flatnonzero(np.diff(self.chain_underlying, prepend=-1))

    @cached_property
    def oi_before(self) -> NDArray[np.float64]:
        """Open interest to compare with, by contract number, shape (2, contracts); NaN where unknown.

        Row 0 what stood before the open, row 1 the last that was stored of the previous session.
        """
        before = np.full((2, len(self.contracts.table)), np.nan)
        if self.reference is not None:
            number = codes_of(self.reference["tradingsymbol"], self.contracts.symbol_index)
            for row, name in zip(before, ("opening_oi", "previous_oi"), strict=True):
                row[number[number >= 0]] = floats(self.reference, name)[number >= 0]
        return before

    @cached_property
    def spot_numbers(self) -> NDArray[np.int64]:
        """Contract number of each index's spot, by position in `underlyings`."""
        keys = [INDICES[underlying].spot_key for underlying in self.underlyings]
        return np.array([self.contracts.number_of_key.get(key, -1) for key in keys], dtype=np.int64)

    @cached_property
    def spot_underlying(self) -> NDArray[np.int64]:
        """Position in `underlyings` of the index whose spot a contract is, by contract number; -1 for all others."""
        position = np.full(len(self.contracts.table) + 1, -1, dtype=np.int64)
        position[self.spot_numbers] = np.arange(len(self.underlyings))
        return position[:-1]

    @cached_property
    def futures(self) -> NDArray[np.int64]:
        """Contract numbers of the near and the next future of each index, shape (2, underlyings); -1 for none."""
        numbers = [self.contracts.future_numbers(underlying) for underlying in self.underlyings]
        return np.array([[n[which] if which < len(n) else -1 for n in numbers] for which in (0, 1)], dtype=np.int64)

    @cached_property
    def chain_of_tag(self) -> NDArray[np.int64]:
        """Chain number by index and label (as `TAGS`); -1 where it is not configured or does not resolve."""
        numbers = [
            [self.chain_number(self.chain_key(name, tag)) if tag in self.tags(name) else -1 for tag in TAGS]
            for name in self.underlyings
        ]
        return np.array(numbers, dtype=np.int64)

    @cached_property
    def underlying_words(self) -> Any:
        """`underlyings` as a pandas text array."""
        return text_array(self.underlyings)

    @cached_property
    def settlement_window_from(self) -> np.datetime64:
        """From when an option expiring today is priced on the settlement average: 15:00, 15:15 since 2026-08-03."""
        session = self.session
        return wall_clock(session.spot_auction_from or session.settlement_fixed_at - _SETTLEMENT_AVERAGE)

    @cached_property
    def spot_unreliable_from(self) -> np.datetime64:
        """From when the index value is no traded price; the end of time where the regime knows no such thing."""
        auction = self.session.spot_auction_from
        return np.datetime64("9999-12-31", "us") if auction is None else wall_clock(auction)

    @cached_property
    def due(self) -> NDArray[np.datetime64]:
        """The instants at which snapshots are due, IST wall clock."""
        times = self.session.due_times(self.conventions.interval_seconds)
        return np.array([time.replace(tzinfo=None) for time in times], dtype="datetime64[us]")

    @cached_property
    def _underlying_index(self) -> pd.Index:
        return pd.Index(self.underlyings, dtype="object")

    @cached_property
    def _chain_codes(self) -> NDArray[np.int64]:
        return self.chain_underlying * _KEY_STEP + self.chain_expiry.astype("datetime64[D]").astype(np.int64)

    @cached_property
    def _chain_numbers(self) -> dict[ChainKey, int]:
        return {chain: number for number, chain in enumerate(self.chains)}

    @cached_property
    def _tags(self) -> dict[str, dict[str, date]]:
        tags: dict[str, dict[str, date]] = {}
        rows = zip(self.expiries["underlying"], self.expiries["expiry_tag"], self.expiries["expiry"], strict=True)
        for underlying, tag, expiry in sorted(rows, key=lambda row: TAGS.index(row[1])):
            tags.setdefault(underlying, {})[tag] = expiry.date()
        return tags

    @cached_property
    def _parts(self) -> list[tuple[np.datetime64, np.datetime64]]:
        session = self.session
        starts = [session.open, *(end for _, end in session.breaks)]
        ends = [*(start for start, _ in session.breaks), session.close]
        return [(wall_clock(start), wall_clock(end)) for start, end in zip(starts, ends, strict=True)]

    @cached_property
    def _later_minutes(self) -> NDArray[np.float64]:
        # Whole sessions after today, the last of them only up to the settlement.
        last = max((chain.expiry for chain in self.chains), default=self.trade_date)
        later = self.calendar.sessions(self.trade_date + timedelta(days=1), last)
        minutes = [
            sum(
                session.minutes - max((session.close - session.settlement_fixed_at) / timedelta(minutes=1), 0.0)
                if session.trade_date == chain.expiry
                else session.minutes
                for session in later
                if session.trade_date <= chain.expiry
            )
            for chain in self.chains
        ]
        return np.array(minutes, dtype=np.float64)

    @cached_property
    def _regular_minutes(self) -> float:
        if self.session.kind == "regular":
            return float(self.session.minutes)
        # A Muhurat hour or a drill Saturday is no measure of a session: take the next regular one.
        near = self.calendar.sessions(self.trade_date, self.trade_date + timedelta(days=14))
        return float(next((s.minutes for s in near if s.kind == "regular"), self.session.minutes))


def make_day(
    session: Session,
    conventions: Conventions,
    instruments: pd.DataFrame,
    configured_tags: Mapping[str, Sequence[str]],
    calendar: TradingCalendar,
    strikes_each_side: Mapping[str, int] | None = None,
) -> TradingDay:
    """Build the trading day from a normalised dump.

    Parameters
    ----------
    configured_tags
        Index to the labels to collect. A label that the index does not have that day is left out, so is an expiry that
        has none of them.
    strikes_each_side
        Width of the window by index; that of the conventions for one left out.

    Raises
    ------
    ExpiryError
        If the dump lists no expiry on or after the day (an old dump), or its symbols contradict it.
    """
    resolved: dict[str, ExpiryTags] = {}
    for underlying in configured_tags:
        forms = monthly_forms(instruments, underlying)
        labels = resolve_expiries(session.trade_date, forms, monthly_symbols=forms, underlying=underlying)
        resolved[underlying] = labels
    table = expiries_table(session.trade_date, resolved, calendar)
    wanted = {(underlying, tag) for underlying, tags in configured_tags.items() for tag in tags}
    keep = [pair in wanted for pair in zip(table["underlying"], table["expiry_tag"], strict=True)]
    widths = strikes_each_side or {}
    common = conventions.strikes_each_side
    table["strikes_each_side"] = pd.array([widths.get(name, common) for name in table["underlying"]], dtype="Int16")
    conventions = (
        conventions if conventions.calendar_version else replace(conventions, calendar_version=calendar.version)
    )
    return TradingDay(session, conventions, instruments, table[keep].reset_index(drop=True), calendar)


def wall_clock(instant: datetime) -> np.datetime64:
    """Return an aware instant as stored: the IST wall clock without its zone, `datetime64[us]`."""
    return np.datetime64(instant.astimezone(IST).replace(tzinfo=None), "us")
