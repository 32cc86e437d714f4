"""Which legs of a day were due and are not stored, and in which order to ask for them.

Everything is a table of yes and no, shape (due instants, contracts), by position in `TradingDay.due` and contract
number. What fills them belongs to `candles`; why they are missing is said by `snapshots` and the view `gaps`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.day import TradingDay
from g6_market.frames import codes_of, floats, instants
from g6_market.indices import VIX_KEY

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
_LOST, _PARTIAL, _STORED = 0, 1, 2
_CODES = {"stored": _STORED, "partial": _PARTIAL}


@dataclass(frozen=True)
class DayLegs:
    """What is known of a day's legs.

    Parameters
    ----------
    quotes
        Columns snapshot_at, tradingsymbol, last_price of what is stored, healed rows included.
    snapshots
        Table `snapshots`.
    expiry_overview
        Columns snapshot_at, underlying, expiry, forward of what was derived.
    """

    day: TradingDay
    quotes: pd.DataFrame
    snapshots: pd.DataFrame
    expiry_overview: pd.DataFrame

    @cached_property
    def stored(self) -> Mask:
        """Whether the leg is stored."""
        return marked(self.quotes, self.day)

    @cached_property
    def index_values(self) -> Mask:
        """Whether it is a spot, India VIX or a near or next future: they belong to every snapshot."""
        contracts = self.day.contracts
        vix = np.array([contracts.number_of_key.get(VIX_KEY, -1)], dtype=np.int64)
        numbers = np.concatenate([self.day.spot_numbers, vix, self.day.futures.ravel()])
        mask = np.zeros((len(self.day.due), len(contracts.table)), dtype=bool)
        mask[:, numbers[numbers >= 0]] = True
        return mask

    def options(self, *, all_strikes: bool = False) -> Mask:
        """Whether a snapshot that was lost, wholly or in part, should have held the option leg.

        A partial snapshot asked for the day's window, ATM +- N of all levels captured before it, or for every listed
        strike if its `requested` says so. One that was lost would have followed the market: the levels of lost minutes
        are in it too, as far as the spot is known. A chain without any level that day has no window, hence no leg.

        Parameters
        ----------
        all_strikes
            Every listed strike also where a full chain was due and lost.
        """
        day, contracts = self.day, self.day.contracts
        mask = np.zeros((len(day.due), len(contracts.table)), dtype=bool)
        for chain, ladder in enumerate(contracts.ladders):
            numbers = contracts.number_of_leg[:, chain, : len(ladder)]
            outcome = self._outcome[:, chain]
            asked_all = (outcome == _PARTIAL) & (self._requested[:, chain] >= (numbers >= 0).sum())
            asked_all |= (outcome == _LOST) & self._full_chain_beat & all_strikes
            first, end = self._window(chain)
            ranks = np.arange(len(ladder))
            wanted = ((ranks >= first[:, None]) & (ranks < end[:, None])) | asked_all[:, None]
            wanted &= (outcome != _STORED)[:, None]
            for side in numbers:
                mask[:, side[side >= 0]] = wanted[:, side >= 0]
        return mask

    def distance(self) -> NDArray[np.int64]:
        """Return how many strikes from the money each contract was at its nearest; 0 for what is no option."""
        contracts = self.day.contracts
        distance = np.zeros(len(contracts.table), dtype=np.int64)
        for chain, ranks in enumerate(self._ranks.T):
            mine = contracts.chain == chain
            known = ranks[~np.isnan(ranks)]
            if len(known):
                away = np.abs(contracts.rank[mine][:, None] - known)
                distance[mine] = away.min(axis=1)
        return distance

    @cached_property
    def _outcome(self) -> NDArray[np.int64]:
        return self._by_chain("outcome", _LOST)

    @cached_property
    def _requested(self) -> NDArray[np.int64]:
        return self._by_chain("requested", 0)

    def _by_chain(self, name: str, default: int) -> NDArray[np.int64]:
        table, day = self.snapshots, self.day
        values = np.full((len(day.due), len(day.chains)), default, dtype=np.int64)
        due, chain, known = _place(table, day)
        column = table["outcome"].map(_CODES).fillna(_LOST) if name == "outcome" else table[name]
        values[due[known], chain[known]] = column.to_numpy(dtype=np.int64)[known]
        return values

    @cached_property
    def _full_chain_beat(self) -> Mask:
        opened = np.datetime64(self.day.session.open.replace(tzinfo=None), "us")
        beat = np.timedelta64(self.day.conventions.full_chain_every_seconds, "s")
        full = (self.day.due - opened) % beat == np.timedelta64(0, "us")
        full[-1:] = True
        return full

    @cached_property
    def _ranks(self) -> Floats:
        """Rank of the strike nearest each chain's level, shape (due instants, chains); NaN where it is unknown."""
        levels, day = self._levels, self.day
        ranks = np.full(levels.shape, np.nan)
        for chain, ladder in enumerate(day.contracts.ladders):
            known = np.flatnonzero(~np.isnan(levels[:, chain]))
            ranks[known, chain] = np.argmin(np.abs(ladder - levels[known, chain][:, None]), axis=1)
        return ranks

    @cached_property
    def _levels(self) -> Floats:
        """Forward of each chain where its snapshot is whole, elsewhere the spot with the basis of the nearest such one.

        Healing must not move these, or it would never come to an end: a forward that healed rows are behind is not
        taken.
        """
        day, table = self.day, self.expiry_overview
        forward = np.full((len(day.due), len(day.chains)), np.nan)
        due, chain, known = _place(table, day)
        forward[due[known], chain[known]] = floats(table, "forward")[known]
        forward[self._outcome != _STORED] = np.nan
        spot = self._spots[:, day.chain_underlying]
        basis = pd.DataFrame(forward - spot).ffill().bfill().fillna(0.0).to_numpy()
        return np.where(np.isnan(forward), spot + basis, forward)

    @cached_property
    def _spots(self) -> Floats:
        day = self.day
        number, due = _cells(self.quotes, day)
        index = np.append(day.spot_underlying, -1)[number]
        rows = np.flatnonzero((index >= 0) & (due >= 0))
        spots = np.full((len(day.due), len(day.underlyings)), np.nan)
        spots[due[rows], index[rows]] = floats(self.quotes, "last_price")[rows]
        return spots

    def _window(self, chain: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the half-open range of ranks that each due instant's snapshot would have asked for."""
        ranks = self._ranks[:, chain]
        width = int(self.day.widths[self.day.chain_underlying[chain]])
        lost = self._outcome[:, chain] == _LOST
        captured = np.concatenate([[np.nan], np.where(lost, np.nan, ranks)[:-1]])
        lowest = np.where(lost, np.fmin.accumulate(ranks), np.fmin.accumulate(captured))
        highest = np.where(lost, np.fmax.accumulate(ranks), np.fmax.accumulate(captured))
        # Before the first level known, the next one.
        coming = pd.Series(ranks).bfill().to_numpy()
        lowest, highest = (np.where(np.isnan(rank), coming, rank) for rank in (lowest, highest))
        nowhere = np.isnan(lowest)
        first = np.where(nowhere, 0, np.maximum(lowest - width, 0))
        end = np.where(nowhere, 0, np.minimum(highest + width + 1, len(self.day.contracts.ladders[chain])))
        return first.astype(np.int64), end.astype(np.int64)


def marked(rows: pd.DataFrame, day: TradingDay) -> Mask:
    """Return which (due instant, contract) have a row, by its snapshot_at and tradingsymbol."""
    mask = np.zeros((len(day.due), len(day.contracts.table)), dtype=bool)
    number, due = _cells(rows, day)
    known = (number >= 0) & (due >= 0)
    mask[due[known], number[known]] = True
    return mask


def asking_order(missing: Mask, legs: DayLegs) -> list[int]:
    """Return the contracts to ask for: index values and futures first, then options, the nearest to the money first."""
    numbers = np.flatnonzero(missing.any(axis=0))
    contracts = legs.day.contracts
    kind = np.where(contracts.is_index[numbers], 0, np.where(contracts.is_option[numbers], 2, 1))
    order = np.lexsort((numbers, contracts.expiry[numbers], legs.distance()[numbers], kind))
    return numbers[order].tolist()


def _cells(rows: pd.DataFrame, day: TradingDay) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return codes_of(rows["tradingsymbol"], day.contracts.symbol_index), _due_positions(rows, day)


def _place(table: pd.DataFrame, day: TradingDay) -> tuple[NDArray[np.int64], NDArray[np.int64], Mask]:
    due, chain = _due_positions(table, day), day.chain_numbers(table["underlying"], instants(table, "expiry"))
    return due, chain, (due >= 0) & (chain >= 0)


def _due_positions(rows: pd.DataFrame, day: TradingDay) -> NDArray[np.int64]:
    at = instants(rows, "snapshot_at")
    position = np.minimum(np.searchsorted(day.due, at), len(day.due) - 1)
    return np.where(day.due[position] == at, position, -1)
