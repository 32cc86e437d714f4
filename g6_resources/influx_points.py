"""The points that InfluxDB gets of a table: which columns are tags and fields, as line protocol and as counts.

A point is identified by its tags and the due time, which are a key of its table: no two overwrite each other, and one
written twice is one. The live world's have just these tags; those of any other world (a demo) have the tag `world` too,
so that they stand beside real ones and never on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.frames import floats
from g6_market.schema import OFFSET_SERIES, OPTION_CHAIN, OVERVIEW, Kind, Table
from g6_resources.arrow import ArrowArray, pa, pc
from g6_resources.text_columns import text_columns

_INTEGERS = (Kind.INT16, Kind.INT32, Kind.INT64)
_NUMBERS = (*_INTEGERS, Kind.FLOAT32, Kind.FLOAT64, Kind.BOOL)
_IST_OFFSET = np.timedelta64(timedelta(hours=5, minutes=30))
_RHO = "rho"  # of no column: as in the view, -t_years x price for 1 % of the rate


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement.

    Parameters
    ----------
    table
        Whose rows are its points; it has the table's name.
    tags
        Columns that identify a point, with the time.
    fields
        Field name to column.
    """

    table: Table
    tags: tuple[str, ...]
    fields: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its name in the bucket."""
        return self.table.name


def _numbers_of(table: Table, tags: tuple[str, ...]) -> dict[str, str]:
    return {c.name: c.name for c in table.columns if c.kind in _NUMBERS and c.name not in tags}


_CHAIN_FIELDS = (
    "strike_offset",
    "last_price",
    "average_price",
    "volume",
    "oi",
    "iv",
    "delta",
    "gamma",
    "theta",
    "vega",
)
_SERIES_TAGS = ("underlying", "expiry_tag", "strike_offset")

CHAIN = Measurement(
    OPTION_CHAIN,
    ("underlying", "expiry", "strike", "option_type"),
    {**{name: name for name in _CHAIN_FIELDS}, "bid": "bid_price", "ask": "ask_price", _RHO: _RHO},
)
SERIES = Measurement(OFFSET_SERIES, _SERIES_TAGS, _numbers_of(OFFSET_SERIES, _SERIES_TAGS))
INDEX = Measurement(OVERVIEW, ("underlying",), _numbers_of(OVERVIEW, ("underlying",)))
MEASUREMENTS = (CHAIN, SERIES, INDEX)


def lines(frame: pd.DataFrame, measurement: Measurement, world: str = "") -> list[str]:
    """Return one line of protocol per row that has any field, timestamps in whole seconds.

    Numbers and booleans are fields, integers typed as such; nulls are left out.

    Parameters
    ----------
    world
        Folder name of the world, empty for the live one.
    """
    if frame.empty:
        return []
    columns = text_columns(frame, measurement.table)
    kinds = {column.name: column.kind for column in measurement.table.columns}
    name = f"{measurement.name},world={world}" if world else measurement.name
    key = pc.binary_join_element_wise(name, *(_named(tag, columns[tag]) for tag in measurement.tags), ",")
    fields = [
        _named(field, _rho_text(frame) if column == _RHO else _typed(columns[column], kinds[column]))
        for field, column in measurement.fields.items()
    ]
    values = pc.binary_join_element_wise(*fields, ",", null_handling="skip")
    seconds = pa.array(epoch_seconds(frame)).cast(pa.string())
    joined = pc.binary_join_element_wise(key, values, seconds, " ")
    return joined.filter(pc.not_equal(values, "")).to_pylist()


def counts(frame: pd.DataFrame, measurement: Measurement) -> pd.DataFrame:
    """Return how many values each field has at each instant: columns the fields, index the epoch seconds, ascending."""
    known = {
        field: ~np.isnan(_rho(frame)) if column == _RHO else frame[column].notna().to_numpy()
        for field, column in measurement.fields.items()
    }
    return pd.DataFrame(known, index=epoch_seconds(frame)).groupby(level=0).sum()


def epoch_seconds(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return the due time of each row in whole seconds since 1970 UTC."""
    stamps = frame["snapshot_at"].to_numpy(dtype="datetime64[us]") - _IST_OFFSET
    return stamps.astype("datetime64[s]").astype(np.int64)


def _rho(frame: pd.DataFrame) -> NDArray[np.float64]:
    return -floats(frame, "t_years") * floats(frame, "price") * 0.01


def _rho_text(frame: pd.DataFrame) -> ArrowArray:
    return pc.cast(pa.array(_rho(frame).astype(np.float32), from_pandas=True), pa.string())


def _named(name: str, values: ArrowArray) -> ArrowArray:
    return pc.binary_join_element_wise(f"{name}=", values, "")


def _typed(values: ArrowArray, kind: Kind) -> ArrowArray:
    return pc.binary_join_element_wise(values, "i", "") if kind in _INTEGERS else values
