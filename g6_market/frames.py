"""Columns of numpy arrays made into frames of `schema`, fast enough for every snapshot.

For arrays that our own code computed. Frames that come from outside go through `schema.conform`, which checks them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.schema import Kind, Table

_INTS: dict[Kind, str] = {Kind.INT64: "int64", Kind.INT32: "int32", Kind.INT16: "int16"}


def assemble(table: Table, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Build a frame of a table from arrays, in the table's order and types.

    Parameters
    ----------
    columns
        One array per column: floats with NaN for null (also for integers and booleans), `datetime64[us]` with NaT, or
        pandas arrays, which are taken as they are.

    Raises
    ------
    KeyError
        If a column of the table is not given.
    """
    return pd.DataFrame({c.name: _typed(columns[c.name], c.kind) for c in table.columns}, copy=False)


def text(codes: NDArray[np.int64], words: Any) -> Any:
    """Return the words at `codes` as a pandas text array; a code of -1 is null.

    Parameters
    ----------
    words
        A pandas text array (`text_array`), which need not be made anew each time.
    """
    return words.take(codes, allow_fill=True)


def text_array(words: Iterable[str | None]) -> Any:
    """Return words as a pandas text array."""
    return pd.array(list(words), dtype=cast("Any", "str"))


def floats(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a numeric column as float64 with NaN for null."""
    return frame[name].to_numpy(dtype="float64", na_value=np.nan)


def instants(frame: pd.DataFrame, name: str) -> NDArray[np.datetime64]:
    """Return a time or date column as `datetime64[us]` with NaT for null."""
    return frame[name].to_numpy(dtype="datetime64[us]")


def pick(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return `values` at `rows`, null (NaN or NaT) where the row is -1."""
    # Row -1 is the last element: here the null put behind the values.
    null = np.datetime64("NaT", "us") if values.dtype.kind == "M" else np.nan
    return np.append(values, np.asarray([null], dtype=values.dtype))[rows]


def sum_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of the known values of each row; NaN where none is known."""
    known = ~np.isnan(values)
    return np.where(known.any(axis=1), np.where(known, values, 0.0).sum(axis=1), np.nan)


def first_rows(codes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return for each code below `size` the first row that holds it, -1 where none does."""
    rows = np.full(size, -1, dtype=np.int64)
    rows[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return rows


def codes_of(words: Sequence[str] | pd.Series, index: pd.Index) -> NDArray[np.int64]:
    """Return the position of each word in an index of unique words, -1 where it is not in it."""
    return index.get_indexer(pd.Index(words)).astype(np.int64, copy=False)


def _typed(values: Any, kind: Kind) -> Any:
    if not isinstance(values, np.ndarray):
        return values
    array = cast("NDArray[Any]", values)
    if kind in _INTS and array.dtype.kind == "f":
        null = np.isnan(array)
        whole = np.rint(np.where(null, 0.0, array)).astype(_INTS[kind])
        return pd.arrays.IntegerArray(whole, null)
    if kind in _INTS:
        return pd.arrays.IntegerArray(array.astype(_INTS[kind]), np.zeros(len(array), dtype=bool))
    if kind is Kind.BOOL:
        null = np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), dtype=bool)
        return pd.arrays.BooleanArray((array == 1) if array.dtype.kind == "f" else array.astype(bool), null)
    if kind is Kind.FLOAT32:
        return array.astype(np.float32)
    return array
