"""Chain to `offset_series`: call and put side by side at a fixed distance from the money, by label.

What the labels mean on a day is its `atm_reference`; the file of each series belongs to `g6_resources.csv_files`.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.day import TradingDay
from g6_market.frames import assemble, codes_of, floats, instants, text, text_array
from g6_market.indices import TAGS
from g6_market.schema import OFFSET_SERIES, empty_frame
from g6_market.sources import source_codes, source_words

_OFFSET = re.compile(r"ATM(?P<offset>[+-][1-9]\d*)?")
_TAG_WORDS = text_array(TAGS)


class SeriesKey(NamedTuple):
    """One series of an index: an expiry label and a rank from the money."""

    expiry_tag: str
    strike_offset: int


def offset_label(offset: int) -> str:
    """Return "ATM", "ATM+1", "ATM-3" for a rank from the money."""
    return f"ATM{offset:+d}" if offset else "ATM"


def series_key(expiry_tag: str, offset: int) -> str:
    """Return the name of a series, such as "this_week.ATM+1"; it is a partition key and a folder."""
    return f"{expiry_tag}.{offset_label(offset)}"


def parse_series_key(key: str) -> SeriesKey:
    """Read `series_key` back.

    Raises
    ------
    ValueError
        If it is no such name, saying what one looks like.
    """
    tag, _, label = key.partition(".")
    match = _OFFSET.fullmatch(label)
    if tag not in TAGS or match is None:
        raise ValueError(
            f"series {key!r} is not known; expected an expiry label ({', '.join(TAGS)}), a dot, and ATM, ATM+1 or ATM-3"
        )
    return SeriesKey(tag, int(match["offset"] or 0))


def offset_series(
    option_chain: pd.DataFrame,
    expiry_overview: pd.DataFrame,
    day: TradingDay,
    previous: Mapping[tuple[str, str, int], float] | None = None,
) -> pd.DataFrame:
    """Return table `offset_series` of one or more snapshots, ordered by index, label, offset and snapshot.

    Parameters
    ----------
    option_chain, expiry_overview
        As `derive` made them, any order.
    previous
        (index, label, offset) to the strike of the last row before these (`last_strikes`), where there is one.

    Notes
    -----
    Offsets are those within each index's width of that day (`TradingDay.widths`). An expiry with two labels appears
    under both. A side that was not captured is null; where neither was, there is no row. `rolled` is
    false in the first row of a day.
    """
    widths = day.widths[day.chain_underlying]
    width = int(widths.max(initial=0))
    column = "strike_offset" if day.conventions.atm_reference == "forward" else "spot_strike_offset"
    offset = floats(option_chain, column)
    rows = np.flatnonzero(np.abs(offset) <= width)
    number = codes_of(option_chain["tradingsymbol"].take(rows), day.contracts.symbol_index)
    within = np.abs(offset[rows]) <= widths[day.contracts.chain[number]]
    rows, number = rows[within], number[within]
    if not len(rows):
        return empty_frame(OFFSET_SERIES)
    at, snapshot = np.unique(instants(option_chain, "snapshot_at")[rows], return_inverse=True)
    shape = len(at), len(day.chains), 2 * width + 1
    cell = np.ravel_multi_index((snapshot, day.contracts.chain[number], (offset[rows] + width).astype(np.int64)), shape)
    cells, place = np.unique(cell, return_inverse=True)
    # Row of the call and of the put in each cell (snapshot, chain, offset).
    sides = np.full((2, len(cells)), -1, dtype=np.int64)
    sides[np.where(day.contracts.is_call[number], 0, 1), place] = rows
    snapshot, chain, step = np.unravel_index(cells, shape)
    series, cell_of = _by_label(day, chain, step - width)
    order = np.lexsort((snapshot[cell_of], *reversed(series)))
    index, tag, steps = (values[order] for values in series)
    cell_of = cell_of[order]
    call, put = sides[0][cell_of], sides[1][cell_of]
    either = np.where(call >= 0, call, put)
    strike = floats(option_chain, "strike")[either]
    source = {str(name): option_chain[name].array for name in option_chain.columns}
    columns = {
        f"{side}_{name}": source["iv_own" if name == "iv" else name].take(side_rows, allow_fill=True)
        for side, side_rows in (("call", call), ("put", put))
        for name in _SIDE_COLUMNS
    }
    price = floats(option_chain, "price")
    straddle = np.where((call >= 0) & (put >= 0), price[call] + price[put], np.nan)
    forward, spot = _levels(expiry_overview, day, at)
    sources = np.append(source_codes(option_chain["source"]), -1)  # row -1, a side that is not there, is the last
    return assemble(
        OFFSET_SERIES,
        columns
        | {
            "snapshot_at": at[snapshot[cell_of]],
            "underlying": text(index, day.underlying_words),
            "expiry_tag": text(tag, _TAG_WORDS),
            "expiry": day.chain_expiry[chain[cell_of]],
            "strike_offset": steps,
            "strike": strike,
            "rolled": _rolled((index, tag, steps), strike, day, previous or {}),
            "straddle": straddle,
            "iv": source["iv"].take(either),
            "gamma": source["gamma"].take(either),
            "forward": forward[snapshot[cell_of], chain[cell_of]],
            "spot": spot[snapshot[cell_of], chain[cell_of]],
            "source": source_words(np.maximum(sources[call], sources[put])),
        },
    )


def last_strikes(
    series: pd.DataFrame, previous: Mapping[tuple[str, str, int], float] | None = None
) -> dict[tuple[str, str, int], float]:
    """Return the strike of each series' last row, on top of what was known before: `previous` of the next call."""
    keys = zip(series["underlying"], series["expiry_tag"], series["strike_offset"], strict=True)
    return dict(previous or {}) | dict(zip(keys, series["strike"], strict=True))


_SIDE_COLUMNS = tuple(name.removeprefix("call_") for name in OFFSET_SERIES.names if name.startswith("call_"))

_Ints = NDArray[np.int64]


def _by_label(day: TradingDay, chain: _Ints, offset: _Ints) -> tuple[tuple[_Ints, _Ints, _Ints], _Ints]:
    # Each cell once for every label of its chain.
    labels = [
        (day.chain_number(day.chain_key(underlying, tag)), index, TAGS.index(tag))
        for index, underlying in enumerate(day.underlyings)
        for tag in day.tags(underlying)
    ]
    parts = [(np.flatnonzero(chain == number), index, tag) for number, index, tag in labels]
    cells = np.concatenate([cells for cells, _, _ in parts])
    index = np.concatenate([np.full(len(cells), index) for cells, index, _ in parts])
    tag = np.concatenate([np.full(len(cells), tag) for cells, _, tag in parts])
    return (index, tag, offset[cells]), cells


def _rolled(
    series: tuple[_Ints, _Ints, _Ints],
    strike: NDArray[np.float64],
    day: TradingDay,
    previous: Mapping[tuple[str, str, int], float],
) -> NDArray[np.bool_]:
    changed = np.any([np.diff(values, prepend=-10_000) != 0 for values in series], axis=0)
    before = np.concatenate([[np.nan], strike[:-1]])
    for row in np.flatnonzero(changed) if previous else ():
        index, tag, offset = (int(values[row]) for values in series)
        before[row] = previous.get((day.underlyings[index], TAGS[tag], offset), np.nan)
        changed[row] = False
    return ~changed & ~np.isnan(before) & (before != strike)


def _levels(
    expiry_overview: pd.DataFrame, day: TradingDay, at: NDArray[np.datetime64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    chain = day.chain_numbers(expiry_overview["underlying"], instants(expiry_overview, "expiry"))
    snapshot_at = instants(expiry_overview, "snapshot_at")
    snapshot = np.minimum(np.searchsorted(at, snapshot_at), len(at) - 1)
    known = (chain >= 0) & (at[snapshot] == snapshot_at)
    levels = np.full((2, len(at), len(day.chains)), np.nan)
    for level, name in zip(levels, ("forward", "spot"), strict=True):
        level[snapshot[known], chain[known]] = floats(expiry_overview, name)[known]
    return levels[0], levels[1]
