"""The contracts of a day as arrays, and the strike ladder of each (index, expiry).

How they are read from the broker's dump belongs to `instruments`; which are quoted belongs to `universe`.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.frames import text_array
from g6_market.schema import INSTRUMENTS


class ChainKey(NamedTuple):
    """One option chain of a day: all options of an index with one expiry."""

    underlying: str
    expiry: date

    def __str__(self) -> str:
        return f"{self.underlying} {self.expiry}"


@dataclass(frozen=True)
class Contracts:
    """All contracts of a day as arrays, in the order of the `instruments` table, with the ladders of some chains.

    A contract's number is its row. Options of one chain are neighbours, ordered by strike, the call first.

    Parameters
    ----------
    table
        Table `instruments`, of any order.
    chains
        The chains that have a ladder, in the order of the table (index, then expiry).
    """

    instruments: pd.DataFrame
    chains: tuple[ChainKey, ...]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The `instruments` table in its order; a contract's number is its row."""
        return self.instruments.sort_values(list(INSTRUMENTS.sort), ignore_index=True)

    @cached_property
    def keys(self) -> list[str]:
        """What a quote call asks for ("NFO:NIFTY26NOV26000CE"), by number."""
        return [f"{e}:{s}" for e, s in zip(self.table["exchange"], self.table["tradingsymbol"], strict=True)]

    @cached_property
    def number_of_key(self) -> dict[str, int]:
        """Number by quote key."""
        return {key: number for number, key in enumerate(self.keys)}

    @cached_property
    def symbols(self) -> Any:
        """Trading symbols as a pandas text array, by number."""
        return text_array(self.table["tradingsymbol"])

    @cached_property
    def symbol_index(self) -> pd.Index:
        """Number by trading symbol, which is unique among the indices' contracts."""
        return pd.Index(self.table["tradingsymbol"].to_numpy(dtype=object))

    @cached_property
    def columns(self) -> dict[str, Any]:
        """The columns of `table` as pandas arrays, by name."""
        return {str(name): self.table[name].array for name in self.table.columns}

    @cached_property
    def expiry(self) -> NDArray[np.datetime64]:
        """Expiry as `datetime64[us]` by number; NaT for index values."""
        return self.table["expiry"].to_numpy(dtype="datetime64[us]")

    @cached_property
    def is_index(self) -> NDArray[np.bool_]:
        """Whether it is an index value (a spot or India VIX), by number."""
        return (self.table["contract_type"] == "index").to_numpy(dtype=bool)

    @cached_property
    def is_option(self) -> NDArray[np.bool_]:
        """Whether it is an option, by number."""
        return (self.table["contract_type"] == "option").to_numpy(dtype=bool)

    @cached_property
    def is_call(self) -> NDArray[np.bool_]:
        """Whether it is a call, by number."""
        return (self.table["option_type"] == "CE").to_numpy(dtype=bool)

    @cached_property
    def strike(self) -> NDArray[np.float64]:
        """Strike by number; NaN for futures and index values."""
        return self.table["strike"].to_numpy(dtype="float64")

    @cached_property
    def tick(self) -> NDArray[np.float64]:
        """Smallest price step by number; NaN for index values."""
        return self.table["tick_size"].to_numpy(dtype="float64")

    @cached_property
    def chain(self) -> NDArray[np.int64]:
        """Position of an option's chain in `chains` by number; -1 for all other contracts."""
        chain = np.full(len(self.table), -1, dtype=np.int64)
        for position, numbers in enumerate(self._numbers):
            chain[numbers] = position
        return chain

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """Position of an option's strike in its chain's ladder by number; -1 for all other contracts."""
        rank = np.full(len(self.table), -1, dtype=np.int64)
        for ladder, numbers in zip(self.ladders, self._numbers, strict=True):
            rank[numbers] = np.searchsorted(ladder, self.strike[numbers])
        return rank

    @cached_property
    def ladders(self) -> list[NDArray[np.float64]]:
        """The listed strikes of each chain, ascending: those of which a call or a put is listed."""
        return [np.unique(self.strike[numbers]) for numbers in self._numbers]

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Count of listed strikes by chain."""
        return np.array([len(ladder) for ladder in self.ladders], dtype=np.int64)

    @cached_property
    def grid(self) -> NDArray[np.float64]:
        """Listed strikes, shape (chains, longest ladder), NaN behind the end of each ladder."""
        grid = np.full((len(self.chains), max(map(len, self.ladders), default=0)), np.nan)
        for row, ladder in zip(grid, self.ladders, strict=True):
            row[: len(ladder)] = ladder
        return grid

    @cached_property
    def number_of_leg(self) -> NDArray[np.int64]:
        """Number of the contract at (side, chain, rank), side 0 the calls; -1 where none is listed."""
        legs = np.full((2, *self.grid.shape), -1, dtype=np.int64)
        tracked = np.flatnonzero(self.chain >= 0)
        legs[np.where(self.is_call[tracked], 0, 1), self.chain[tracked], self.rank[tracked]] = tracked
        return legs

    @cached_property
    def future_of_chain(self) -> NDArray[np.int64]:
        """Number of the future with the same index and expiry, by chain; -1 where none is listed."""
        futures = [self.future_numbers(key.underlying) for key in self.chains]
        same = [n[self.expiry[n] == np.datetime64(key.expiry)] for key, n in zip(self.chains, futures, strict=True)]
        return np.array([numbers[0] if len(numbers) else -1 for numbers in same], dtype=np.int64)

    def future_numbers(self, underlying: str) -> NDArray[np.int64]:
        """Return the numbers of an index's futures by expiry, the nearest first."""
        mine = (self.table["underlying"] == underlying) & (self.table["contract_type"] == "future")
        return np.flatnonzero(mine.to_numpy(dtype=bool))

    @cached_property
    def _numbers(self) -> list[NDArray[np.int64]]:
        options = self.table[self.is_option]
        groups = options.groupby(["underlying", "expiry"], observed=True, sort=False).indices
        numbers = options.index.to_numpy()
        return [numbers[groups[(key.underlying, pd.Timestamp(key.expiry))]] for key in self.chains]
