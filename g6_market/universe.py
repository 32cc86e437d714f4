"""Which contracts to quote now: the sticky window, the full chain, the reference sweep; packed into few calls.

What a contract is belongs to `contracts`; making the calls, to `g6_resources.kite`; when each is due, to the capture
loop.
"""

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from g6_market.contracts import ChainKey, Contracts
from g6_market.day import TradingDay
from g6_market.indices import INDICES, VIX_KEY

__all__ = [
    "Batch",
    "ChainKey",
    "StickyWindow",
    "expected_legs",
    "full_chain_batches",
    "nearest_rank",
    "reference_batches",
    "window_batches",
]


@dataclass(frozen=True, slots=True)
class Batch:
    """The keys of one quote call, such as "NFO:NIFTY26NOV26000CE"."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class StickyWindow:
    """The strikes captured each snapshot, by chain: they grow with the forward and never shrink within a day.

    Parameters
    ----------
    ranks
        Chain to the half-open range (first, end) of ranks in its listed ladder. A chain without one has had no level to
        put it at yet, and is captured whole.
    """

    ranks: Mapping[ChainKey, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def around(cls, day: TradingDay, levels: Mapping[ChainKey, float], strikes_each_side: int, room: int) -> Self:
        """Return a day's first window: ATM +- N strikes of each chain.

        Parameters
        ----------
        levels
            Forward (or, for want of one, spot) of each chain. A chain that is absent or NaN takes the level of
            its index's chain with the nearest expiry.
        room
            Most strikes that a chain's window may come to hold.

        Raises
        ------
        ValueError
            If the room is smaller than ATM +- N itself.
        """
        return cls().widened(day, levels, strikes_each_side, room)

    def widened(self, day: TradingDay, levels: Mapping[ChainKey, float], strikes_each_side: int, room: int) -> Self:
        """Return the window grown to hold ATM +- N of each new level.

        It never shrinks. Where it would exceed the room, it slides: ATM +- N stays in, the far end falls out. A chain
        that is absent from `levels` keeps its range. Parameters and errors are those of `around`.
        """
        if room < 2 * strikes_each_side + 1:
            raise ValueError(
                f"room is {room} strikes; ATM +- {strikes_each_side} alone needs {2 * strikes_each_side + 1}: raise "
                "the room or lower strikes_each_side"
            )
        levels = {chain: level for chain, level in levels.items() if not math.isnan(level)}
        ranks = dict(self.ranks)
        for chain in day.chains:
            level = levels.get(chain)
            if level is None and chain not in ranks:
                level = _borrowed(chain, levels)
            if level is None:
                continue
            ladder = day.ladder(*chain)
            atm = nearest_rank(ladder, level)
            first, end = max(atm - strikes_each_side, 0), min(atm + strikes_each_side + 1, len(ladder))
            ranks[chain] = _grown(ranks.get(chain, (first, end)), (first, end), room)
        return type(self)(ranks)

    def to_json(self) -> str:
        """Return the window as JSON, for a relaunched session of the same day."""
        return json.dumps({f"{chain.underlying} {chain.expiry}": ends for chain, ends in self.ranks.items()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read `to_json` back."""
        ranks: dict[ChainKey, tuple[int, int]] = {}
        for name, (first, end) in json.loads(text).items():
            underlying, expiry = name.rsplit(" ", 1)
            ranks[ChainKey(underlying, date.fromisoformat(expiry))] = (first, end)
        return cls(ranks)


def full_chain_batches(day: TradingDay, limit: int = 500) -> list[Batch]:
    """Return the calls of a full chain: every listed strike of the day's chains, spots, India VIX and futures.

    Parameters
    ----------
    limit
        Most keys in one call. An expiry travels in one call where that costs no further call; else it is split by its
        strikes. Every call that holds legs of an index holds its spot; a strike's call and put are never parted.
    """
    return window_batches(day, StickyWindow(), limit)


def window_batches(day: TradingDay, window: StickyWindow, limit: int = 500) -> list[Batch]:
    """Return the calls of a snapshot of the window, packed like `full_chain_batches`."""
    contracts = day.contracts
    groups = [_chain_group(contracts, number, window.ranks.get(chain)) for number, chain in enumerate(day.chains)]
    futures = [
        _Group(underlying, [[contracts.keys[number]] for number in numbers if number >= 0])
        for underlying, numbers in zip(day.underlyings, day.futures.T, strict=True)
    ]
    return _pack([*groups, *futures, _Group(None, [[VIX_KEY]])], limit)


def reference_batches(day: TradingDay, limit: int = 500) -> list[Batch]:
    """Return the calls of the sweep before the open: all listed contracts of the day's indices, not only its chains."""
    table = day.contracts.table
    keys = np.array(day.contracts.keys, dtype=object)
    mine = table["underlying"].isin(day.underlyings) & (table["contract_type"] != "index")
    by_strike = (
        table[mine].groupby(["underlying", "contract_type", "expiry", "strike"], dropna=False, sort=True).indices
    )
    rows = np.flatnonzero(mine.to_numpy(dtype=bool))
    units = {name: list(keys[rows[positions]]) for name, positions in by_strike.items()}
    groups = [
        _Group(str(chain[0]), [units[name] for name in names])
        for chain, names in itertools.groupby(units, key=_chain_of)
    ]
    return _pack([*groups, _Group(None, [[VIX_KEY]])], limit)


def expected_legs(day: TradingDay, window: StickyWindow | None = None) -> dict[ChainKey, int]:
    """Return how many option legs of each chain a snapshot asks for.

    Parameters
    ----------
    window
        None for a full chain.
    """
    legs = day.contracts.number_of_leg >= 0
    ranks = {} if window is None else window.ranks
    return {
        chain: int(legs[:, number, slice(*ranks.get(chain, (None, None)))].sum())
        for number, chain in enumerate(day.chains)
    }


def nearest_rank(ladder: NDArray[np.float64], level: float) -> int:
    """Return the rank of the strike nearest a level, the lower on a tie."""
    return int(np.argmin(np.abs(ladder - level)))


def _chain_of(name: Any) -> tuple[Any, ...]:
    return name[:3]


@dataclass(frozen=True)
class _Group:
    """Keys that should share a call: units that may not be parted, and the index whose spot goes with them."""

    underlying: str | None
    units: Sequence[Sequence[str]]

    @property
    def size(self) -> int:
        return sum(map(len, self.units))


@dataclass
class _Call:
    limit: int
    keys: list[str] = field(default_factory=list[str])
    spots: set[str] = field(default_factory=set[str])

    def room(self, underlying: str | None) -> int:
        """How many keys still fit, the spot they need taken off."""
        return self.limit - len(self.keys) - self._spot_cost(underlying)

    def add(self, underlying: str | None, units: Iterable[Sequence[str]]) -> None:
        if underlying is not None and self._spot_cost(underlying):
            self.spots.add(underlying)
            self.keys.append(INDICES[underlying].spot_key)
        self.keys.extend(itertools.chain.from_iterable(units))

    def _spot_cost(self, underlying: str | None) -> int:
        return int(underlying is not None and underlying not in self.spots)


def _chain_group(contracts: Contracts, number: int, ends: tuple[int, int] | None) -> _Group:
    legs = contracts.number_of_leg[:, number, slice(*(ends or (None, None)))]
    units = [[contracts.keys[leg] for leg in pair if leg >= 0] for pair in legs.T.tolist()]
    return _Group(contracts.chains[number].underlying, [unit for unit in units if unit])


def _pack(groups: Sequence[_Group], limit: int) -> list[Batch]:
    if limit < 3:
        raise ValueError(f"limit is {limit} keys a call; a spot with a call and a put needs at least 3")
    groups = sorted((group for group in groups if group.units), key=lambda group: -group.size)
    fewest = -(-sum(group.size for group in groups) // limit)
    return next(packed for count in itertools.count(fewest) if (packed := _pack_into(groups, limit, count)) is not None)


def _pack_into(groups: Sequence[_Group], limit: int, count: int) -> list[Batch] | None:
    calls = [_Call(limit) for _ in range(count)]
    left_over: list[_Group] = []
    for group in groups:
        fitting = [call for call in calls if call.room(group.underlying) >= group.size]
        if not fitting:
            left_over.append(group)
            continue
        # The fullest call that takes it whole, rather one that already holds its spot.
        best = min(fitting, key=lambda call: (group.underlying not in call.spots, call.room(group.underlying)))
        best.add(group.underlying, group.units)
    for group in left_over:
        if not _split(group, calls):
            return None
    return [Batch(tuple(call.keys)) for call in calls if call.keys]


def _split(group: _Group, calls: Sequence[_Call]) -> bool:
    units = list(group.units)
    for call in sorted(calls, key=lambda call: -call.room(group.underlying)):
        room = call.room(group.underlying)
        taken = 0
        while taken < len(units) and room >= len(units[taken]):
            room -= len(units[taken])
            taken += 1
        if taken:
            call.add(group.underlying, units[:taken])
            del units[:taken]
    return not units


def _grown(held: tuple[int, int], needed: tuple[int, int], room: int) -> tuple[int, int]:
    first, end = min(held[0], needed[0]), max(held[1], needed[1])
    if (first, end) == held or end - first <= room:
        return first, end
    return (first, first + room) if first < held[0] else (end - room, end)


def _borrowed(chain: ChainKey, levels: Mapping[ChainKey, float]) -> float | None:
    mine = [other for other in levels if other.underlying == chain.underlying]
    nearest = min(mine, key=lambda other: abs((other.expiry - chain.expiry).days), default=None)
    return None if nearest is None else levels[nearest]
