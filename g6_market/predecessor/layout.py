"""Which files the predecessor wrote, and the columns of every generation of them.

`<INDEX>/<label>/<offset>/<YYYY-MM-DD>.csv` and `overview/<INDEX>/<YYYY-MM-DD>.csv`. A header was written once, when a
file was made, so newer rows may stand below an older header: a row is then told by how many columns it has.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath
from typing import Literal

from g6_market.indices import TAGS

_OPTION_30 = [
    "timestamp",
    "index",
    "expiry_tag",
    "expiry_date",
    "offset",
    "index_price",
    "atm",
    "strike",
    "ce",
    "pe",
    "tp",
    "avg_ce",
    "avg_pe",
    "avg_tp",
    "ce_vol",
    "pe_vol",
    "ce_oi",
    "pe_oi",
    "ce_iv",
    "pe_iv",
    "ce_delta",
    "pe_delta",
    "ce_theta",
    "pe_theta",
    "ce_vega",
    "pe_vega",
    "ce_gamma",
    "pe_gamma",
    "ce_rho",
    "pe_rho",
]
_OVERVIEW_7 = ["timestamp", "index", "pcr_this_week", "pcr_next_week", "pcr_this_month", "pcr_next_month", "day_width"]
_COUNTS = ["expiries_expected", "expiries_collected", "expected_mask", "collected_mask", "missing_mask"]

Kind = Literal["option", "overview"]
GENERATIONS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "option": (tuple(_OPTION_30), (*_OPTION_30, "tp_net_change", "tp_day_change")),
    "overview": (
        tuple(_OVERVIEW_7),
        (*_OVERVIEW_7, *_COUNTS),
        (*_OVERVIEW_7, "index_price", "index_net_change", "index_day_change", "VIX", *_COUNTS),
    ),
}
"""Columns of each generation of a kind of file, oldest first; no two have the same number."""

_DATE_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.csv")
_LABEL = re.compile("|".join([*TAGS, r"\d{4}-\d{2}-\d{2}"]))


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file by its path.

    Parameters
    ----------
    path
        Relative to the imported folder, with forward slashes.
    day
        Date in its name.
    """

    path: str
    kind: Kind
    underlying: str
    day: date


def source_file(path: PurePath) -> SourceFile | None:
    """Return what a file is by its path below the imported folder, None if the predecessor wrote no such file."""
    match = _DATE_FILE.fullmatch(path.name)
    folders = path.parts[:-1]
    if match is None:
        return None
    try:
        day = date.fromisoformat(match[1])
    except ValueError:
        return None
    if len(folders) >= 2 and folders[-2] == "overview":
        return SourceFile(path.as_posix(), "overview", folders[-1], day)
    if len(folders) >= 3 and _LABEL.fullmatch(folders[-2]):
        return SourceFile(path.as_posix(), "option", folders[-3], day)
    return None


def columns_of(kind: Kind, header: Sequence[str], cells: int) -> tuple[str, ...] | None:
    """Return the columns of a row with that many cells under a header, None if no generation has so many."""
    if cells == len(header):
        return tuple(header)
    return next((columns for columns in GENERATIONS[kind] if len(columns) == cells), None)
