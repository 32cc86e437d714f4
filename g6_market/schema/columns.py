"""What a column and a table are, and how a frame is brought into a table's types.

The tables themselves are listed in `tables`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import numpy as np
import pandas as pd


class Kind(StrEnum):
    """Logical column types; `KINDS` maps each to pandas, Arrow (by name) and DuckDB."""

    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    FLOAT64 = "float64"
    FLOAT32 = "float32"
    INT64 = "int64"
    INT32 = "int32"
    INT16 = "int16"
    BOOL = "bool"


# kind -> (pandas dtype, Arrow type name, DuckDB type). Nullable extension dtypes for integers and booleans, because an
# unknown open interest is null and never 0; floats use NaN for null. Dates are midnight timestamps in pandas.
KINDS: dict[Kind, tuple[str, str, str]] = {
    Kind.TEXT: ("str", "string", "VARCHAR"),
    Kind.DATE: ("datetime64[us]", "date32", "DATE"),
    Kind.TIMESTAMP: ("datetime64[us]", "timestamp[us]", "TIMESTAMP"),
    Kind.FLOAT64: ("float64", "double", "DOUBLE"),
    Kind.FLOAT32: ("float32", "float", "FLOAT"),
    Kind.INT64: ("Int64", "int64", "BIGINT"),
    Kind.INT32: ("Int32", "int32", "INTEGER"),
    Kind.INT16: ("Int16", "int16", "SMALLINT"),
    Kind.BOOL: ("boolean", "bool", "BOOLEAN"),
}


class SchemaError(ValueError):
    """A frame does not fit its table."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name, kind, description
        What it is called, its logical type and its meaning.
    unit
        Unit of the value: "rupees", "points", "units" (of the underlying, not lots), "IST", "1 = 100 %", ...
    null
        When the value is null; empty where it never is.
    dictionary
        Few distinct values: stored with a Parquet dictionary.
    steady
        A float that mostly stays the same from row to row: sealed whole, where the bytes of others are split apart.
    growing
        A count that grows from row to row: sealed with its bytes split apart, where other integers are left whole.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    null: str = ""
    dictionary: bool = False
    steady: bool = False
    growing: bool = False

    @property
    def nullable(self) -> bool:
        """Whether the column may be null."""
        return bool(self.null)


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns, its key and how its sealed files are sorted.

    Parameters
    ----------
    key
        Columns that identify a row within a trade date.
    sort
        Columns by which sealed files are sorted.
    split
        Column whose value names the sealed file (`underlying`), or None for one file `_all` a day.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    sort: tuple[str, ...]
    split: str | None = "underlying"

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return a column by name; raise `KeyError` naming the table when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name!r}; it has {', '.join(self.names)}")


def empty_frame(table: Table) -> pd.DataFrame:
    """Return a frame of no rows with the table's columns and pandas types."""
    return pd.DataFrame({c.name: _nulls(0, KINDS[c.kind][0]) for c in table.columns})


def conform(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Bring a frame into a table's columns, order and pandas types.

    Columns that the table calls nullable may be absent and become null; others must be there and must hold no null.
    Columns unknown to the table are an error, so that a misspelt one can never be lost.

    Raises
    ------
    SchemaError
        Naming the table, the column and what is wrong.
    """
    unknown = [str(name) for name in frame.columns if name not in table.names]
    if unknown:
        raise SchemaError(f"table {table.name} has no column {', '.join(unknown)}; it has {', '.join(table.names)}")
    columns: dict[str, pd.Series] = {}
    for column in table.columns:
        dtype = KINDS[column.kind][0]
        if column.name not in frame.columns:
            if not column.nullable:
                raise SchemaError(f"table {table.name}: column {column.name} is missing and may not be null")
            columns[column.name] = pd.Series(_nulls(len(frame), dtype), index=frame.index)
            continue
        series = frame[column.name]
        if str(series.dtype) != dtype:
            try:
                series = series.astype(cast("Any", dtype))
            except (TypeError, ValueError) as error:
                raise SchemaError(f"table {table.name}: column {column.name} is not {column.kind}: {error}") from error
        if not column.nullable and bool(series.isna().any()):
            raise SchemaError(f"table {table.name}: column {column.name} holds nulls and may not")
        columns[column.name] = series
    return pd.DataFrame(columns, copy=False)


def _nulls(length: int, dtype: str) -> Any:
    if dtype.startswith("float"):
        return np.full(length, np.nan, dtype=dtype)
    if dtype.startswith("datetime"):
        return np.full(length, np.datetime64("NaT", "us"))
    return pd.array([None] * length, dtype=cast("Any", dtype))
