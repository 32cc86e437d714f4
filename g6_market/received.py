"""Quotes looked up and put in order: which contract each row is, which leg stands where in its chain.

Nothing is computed here. A "moment" is one chain (index, expiry) at one snapshot; what is derived of it is in `chain`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.day import TradingDay
from g6_market.frames import codes_of, first_rows, floats, instants
from g6_market.sources import source_codes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Instants = NDArray[np.datetime64]


@dataclass(frozen=True)
class Received:
    """Quotes of one or more snapshots with their contracts looked up.

    Parameters
    ----------
    quotes
        Table `quotes`, any order. Rows of contracts that the day does not know are left aside.
    """

    quotes: pd.DataFrame
    day: TradingDay

    @cached_property
    def number(self) -> Ints:
        """Contract number of each row, -1 where the day has no such contract."""
        return codes_of(self.quotes["tradingsymbol"], self.day.contracts.symbol_index)

    @cached_property
    def received_at(self) -> Instants:
        """Arrival of each row."""
        return instants(self.quotes, "received_at")

    @cached_property
    def at(self) -> Instants:
        """The distinct snapshots, ascending."""
        return self._snapshots[0]

    @cached_property
    def snapshot(self) -> Ints:
        """Position in `at` of each row."""
        return self._snapshots[1]

    @cached_property
    def others(self) -> Ints:
        """Rows of futures and index values, by arrival."""
        rows = np.flatnonzero((self.number >= 0) & ~self.day.contracts.is_option[self.number])
        return rows[np.argsort(self.received_at[rows], kind="stable")]

    @cached_property
    def last_price(self) -> Floats:
        """Last price or index value of each row."""
        return floats(self.quotes, "last_price")

    @cached_property
    def source(self) -> Ints:
        """Where each row came from, as a code of `sources`."""
        return source_codes(self.quotes["source"])

    @cached_property
    def index_source(self) -> Ints:
        """Source of each index's spot and futures by snapshot, shape (snapshots, underlyings); -1 where none came."""
        index = codes_of(self.quotes["underlying"].take(self.others), pd.Index(self.day.underlyings, dtype="object"))
        rows, index = self.others[index >= 0], index[index >= 0]
        sources = np.full((len(self.at), len(self.day.underlyings)), -1, dtype=np.int64)
        np.maximum.at(sources, (self.snapshot[rows], index), self.source[rows])
        return sources

    def first_row(self, numbers: Ints) -> Ints:
        """Return the first row to arrive of each contract in each snapshot, shape (snapshots, numbers); -1 for none.

        For futures and index values; number -1 has no row.
        """
        position = np.full(len(self.day.contracts.is_option) + 1, -1, dtype=np.int64)
        position[numbers] = np.arange(len(numbers))
        position[-1] = -1
        rows = self.others[position[self.number[self.others]] >= 0]
        codes = self.snapshot[rows] * len(numbers) + position[self.number[rows]]
        firsts = first_rows(codes, len(self.at) * len(numbers)).reshape(len(self.at), len(numbers))
        return np.append(rows, -1)[firsts]

    @cached_property
    def _snapshots(self) -> tuple[Instants, Ints]:
        at, snapshot = np.unique(instants(self.quotes, "snapshot_at"), return_inverse=True)
        return at, snapshot.astype(np.int64, copy=False)


@dataclass(frozen=True)
class Legs:
    """The option legs of the day's chains, ordered by snapshot, chain, strike and side (the call first)."""

    received: Received

    @cached_property
    def rows(self) -> Ints:
        """Row of each leg in the quotes. Of a contract stored twice for a snapshot, the first to arrive."""
        got, contracts = self.received, self.received.day.contracts
        rows = np.flatnonzero((got.number >= 0) & (contracts.chain[got.number] >= 0))
        key = got.snapshot[rows] * len(contracts.chain) + got.number[rows]
        order = np.argsort(key, kind="stable")
        if bool((np.diff(key[order]) == 0).any()):
            order = np.lexsort((got.received_at[rows], key))
            order = order[np.diff(key[order], prepend=-1) > 0]
        return rows[order]

    @cached_property
    def number(self) -> Ints:
        """Contract number of each leg."""
        return self.received.number[self.rows]

    @cached_property
    def rank(self) -> Ints:
        """Rank of each leg's strike in the listed ladder."""
        return self.received.day.contracts.rank[self.number]

    @cached_property
    def is_call(self) -> NDArray[np.bool_]:
        """Whether each leg is a call."""
        return self.received.day.contracts.is_call[self.number]

    @cached_property
    def moment(self) -> Ints:
        """Moment of each leg."""
        return np.cumsum(np.diff(self._moment_key, prepend=-1) > 0) - 1

    @cached_property
    def start(self) -> Ints:
        """First leg of each moment."""
        return np.flatnonzero(np.diff(self._moment_key, prepend=-1) > 0)

    @cached_property
    def snapshot(self) -> Ints:
        """Position in `received.at` of each moment."""
        return self.received.snapshot[self.rows[self.start]]

    @cached_property
    def chain(self) -> Ints:
        """Chain number of each moment."""
        return self.received.day.contracts.chain[self.number[self.start]]

    @cached_property
    def at(self) -> Instants:
        """Snapshot of each moment."""
        return self.received.at[self.snapshot]

    @cached_property
    def count(self) -> Ints:
        """Count of legs of each moment."""
        return np.diff(self.start, append=len(self.rows))

    @cached_property
    def source(self) -> Ints:
        """Source of each moment's legs."""
        if not len(self.rows):
            return np.zeros(0, dtype=np.int64)
        return np.maximum.reduceat(self.received.source[self.rows], self.start)

    @cached_property
    def ladder(self) -> Floats:
        """Listed strikes of each moment's chain, shape (moments, longest ladder), NaN behind its end."""
        return self.received.day.contracts.grid[self.chain]

    @cached_property
    def grid(self) -> Ints:
        """Leg at (side, moment, rank), side 0 the calls; -1 where none was received."""
        grid = np.full((2, *self.ladder.shape), -1, dtype=np.int64)
        grid[np.where(self.is_call, 0, 1), self.moment, self.rank] = np.arange(len(self.rows))
        return grid

    @cached_property
    def other_leg(self) -> Ints:
        """The leg of the same strike on the other side, -1 where it was not received."""
        return self.grid[self.is_call.astype(np.int64), self.moment, self.rank]

    def numbers(self, name: str) -> Floats:
        """Return a numeric column of the quotes by leg, NaN for null."""
        if name not in self._numbers:
            self._numbers[name] = floats(self.received.quotes, name)[self.rows]
        return self._numbers[name]

    def taken(self, name: str) -> Any:
        """Return a column of the quotes by leg as it is."""
        return self.received.quotes[name].array.take(self.rows)

    @cached_property
    def _numbers(self) -> dict[str, Floats]:
        return {}

    @cached_property
    def _moment_key(self) -> Ints:
        contracts = self.received.day.contracts
        return self.received.snapshot[self.rows] * len(contracts.chains) + contracts.chain[self.number]
