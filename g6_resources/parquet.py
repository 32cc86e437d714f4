"""Frames of `g6_market.schema` to Parquet bytes and back.

The encoding is the measured best for option chains: zstd, a dictionary only where a column says so, byte-stream split
on the other floats but the steady ones. Where files lie belongs to `lake`.
"""

import hashlib
import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from g6_market.conventions import CODE_VERSION
from g6_market.schema import Column, Kind, SchemaError, Table, conform
from g6_market.schema.columns import KINDS
from g6_resources.arrow import ArrowArray, ArrowSchema, ArrowTable, pa, pc, pq

ROW_GROUP_ROWS = 122_880  # what DuckDB reads as one unit, at most
# 9 is 6 % less than the default for half a second a day; on bytes split apart 15 another 5 % for three seconds, since
# near the money the repeats lie a contract away, where lower levels do not look. Read as fast.
SEALED_LEVEL, SPLIT_LEVEL = 9, 15
_LEAST_ROWS = 8_192  # a row group of fewer costs more than skipping it saves
_FLOATS = (Kind.FLOAT32, Kind.FLOAT64)
_SCHEMA_KEY = b"g6:schema_version"
_CODE_KEY = b"g6:code_version"


@lru_cache
def schema_version(table: Table) -> str:
    """Short hash of the names and types of a table's columns; written into every file of it."""
    layout = ",".join(f"{column.name} {column.kind}" for column in table.columns)
    return hashlib.sha256(layout.encode()).hexdigest()[:12]


@lru_cache
def arrow_schema(table: Table) -> ArrowSchema:
    """Return a table's Arrow schema, with its name and the versions of its columns and of the derivations."""
    return pa.schema(
        [pa.field(column.name, _arrow_type(column), nullable=column.nullable) for column in table.columns],
        metadata={
            b"g6:table": table.name.encode(),
            _SCHEMA_KEY: schema_version(table).encode(),
            _CODE_KEY: CODE_VERSION.encode(),
        },
    )


def described_schema(table: Table) -> ArrowSchema:
    """Return the schema with description, unit and null rule of every field.

    For the file of no rows that each tier has: in every file these words took half of a small one.
    """
    schema = arrow_schema(table)
    fields = [field.with_metadata(_meaning(column)) for field, column in zip(schema, table.columns, strict=True)]
    return pa.schema(fields, metadata=schema.metadata)


def to_arrow(frame: pd.DataFrame, table: Table) -> ArrowTable:
    """Bring a frame into a table's Arrow types.

    Raises
    ------
    SchemaError
        Naming the table, the column and what is wrong.
    """
    # One pass over the columns: reaching them through pandas takes longer than converting them.
    columns = [series for _, series in frame.items()]
    if [(series.name, series.dtype) for series in columns] != _layout(table):
        columns = [series for _, series in conform(frame, table).items()]
    schema = arrow_schema(table)
    arrays = [
        _array(series.array, column.kind, field.type)
        for series, column, field in zip(columns, table.columns, schema, strict=True)
    ]
    for column, array in zip(table.columns, arrays, strict=True):
        if not column.nullable and array.null_count:
            raise SchemaError(f"table {table.name}: column {column.name} holds nulls and may not")
    return pa.Table.from_arrays(arrays, schema=schema)


def to_frame(data: ArrowTable, table: Table, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    """Bring Arrow data into a table's pandas types; columns that the data lacks become null.

    Parameters
    ----------
    columns
        Which columns; all of the table by default.
    """
    wanted = [column for column in table.columns if columns is None or column.name in columns]
    series: dict[str, Any] = {}
    for column in wanted:
        dtype = KINDS[column.kind][0]
        if column.name in data.column_names:
            series[column.name] = _series(data.column(column.name), column, dtype)
        else:
            series[column.name] = _series(
                pa.chunked_array([pa.nulls(data.num_rows, _arrow_type(column))]), column, dtype
            )
    return pd.DataFrame(series, copy=False)


def encode(data: ArrowTable, table: Table, *, sealed: bool) -> bytes:
    """Return the Parquet file of Arrow data that has the table's schema.

    Parameters
    ----------
    sealed
        Smallest file (kept for years), against quickest write (a snapshot's file, replaced at the seal).
    """
    options = _sealed_options(table) if sealed else _live_options(table)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, data.schema, **options) as writer:
        for start, end in _row_groups(data) if sealed else [(0, data.num_rows)]:
            writer.write_table(data.slice(start, end - start), row_group_size=ROW_GROUP_ROWS)
    return sink.getvalue()


def decode(data: bytes, columns: tuple[str, ...] | None = None) -> ArrowTable:
    """Return the Arrow data of a Parquet file; columns that the file lacks are left out."""
    file = pq.ParquetFile(pa.BufferReader(data))
    if columns is None:
        return file.read(use_threads=False)
    return file.read(columns=[name for name in columns if name in file.schema_arrow.names], use_threads=False)


def written_by(data: bytes) -> str:
    """Return the version of the derivations (`CODE_VERSION`) that wrote a file, empty when it says none."""
    metadata = pq.read_schema(pa.BufferReader(data)).metadata or {}
    return metadata.get(_CODE_KEY, b"").decode()


def columns_of(data: bytes) -> str:
    """Return the version of the columns (`schema_version`) that a file was written with, empty when it says none."""
    metadata = pq.read_schema(pa.BufferReader(data)).metadata or {}
    return metadata.get(_SCHEMA_KEY, b"").decode()


def row_count(data: bytes) -> int:
    """Return how many rows a Parquet file holds."""
    return pq.ParquetFile(pa.BufferReader(data)).metadata.num_rows


def sorted_rows(data: ArrowTable, table: Table) -> ArrowTable:
    """Sort as sealed files are: by the table's sort columns, then by its key, so that one content gives one file."""
    order = [*table.sort, *(name for name in table.key if name not in table.sort)]
    return data.take(pc.sort_indices(data, sort_keys=[(name, "ascending") for name in order]))


def _row_groups(data: ArrowTable) -> Iterator[tuple[int, int]]:
    # A group for each expiry: a question about one reads no other.
    ends = [data.num_rows]
    if "expiry" in data.column_names:
        expiry = data.column("expiry").to_numpy()
        ends = [*(np.flatnonzero(expiry[1:] != expiry[:-1]) + 1).tolist(), *ends]
    start = 0
    for end in ends:
        if end - start >= _LEAST_ROWS or end == data.num_rows:
            yield start, end
            start = end


@lru_cache
def _live_options(table: Table) -> dict[str, Any]:
    # 0.8 ms for 800 legs of 31 columns where the sealed encoding takes 1.7 ms.
    text = [column.name for column in table.columns if column.kind is Kind.TEXT]
    return {"compression": "lz4", "use_dictionary": text, "write_statistics": sorted({*table.key, *table.sort})}


@lru_cache
def _sealed_options(table: Table) -> dict[str, Any]:
    dictionary = [column.name for column in table.columns if column.dictionary]
    split = [c.name for c in table.columns if c.growing or (c.kind in _FLOATS and not (c.dictionary or c.steady))]
    return {
        "compression": "zstd",
        "compression_level": {c.name: SPLIT_LEVEL if c.name in split else SEALED_LEVEL for c in table.columns},
        "use_dictionary": dictionary,
        "column_encoding": dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
        # Minimum and maximum serve pruning by key; on prices and greeks they would only make the footer larger.
        "write_statistics": sorted({*table.key, *table.sort}),
    }


def _arrow_type(column: Column) -> Any:
    if column.kind is Kind.TEXT:
        return pa.large_string()  # what pandas holds: no copy; the file's type is the same
    return pa.timestamp("us") if column.kind is Kind.TIMESTAMP else pa.type_for_alias(KINDS[column.kind][1])


def _meaning(column: Column) -> dict[bytes, bytes]:
    facts = {"description": column.description, "unit": column.unit, "null": column.null}
    return {key.encode(): text.encode() for key, text in facts.items() if text}


@lru_cache
def _layout(table: Table) -> list[tuple[str, Any]]:
    return [(column.name, pd.api.types.pandas_dtype(KINDS[column.kind][0])) for column in table.columns]


def _array(values: Any, kind: Kind, arrow_type: Any) -> ArrowArray:
    if kind is Kind.DATE:
        return pa.array(values.to_numpy().astype("datetime64[D]"), type=arrow_type)
    if kind is Kind.TIMESTAMP or kind in _FLOATS:
        return pa.array(values.to_numpy(), type=arrow_type, from_pandas=True)
    array = values.__arrow_array__(arrow_type)
    if isinstance(array, pa.ChunkedArray):
        return array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    return array


def _series(data: Any, column: Column, dtype: str) -> Any:
    if column.kind is Kind.DATE:
        data = data.cast(pa.timestamp("s")).cast(pa.timestamp("us"))
    if column.kind in (*_FLOATS, Kind.DATE, Kind.TIMESTAMP):
        values = data.to_numpy()
        return values if values.flags.writeable else np.array(values)
    extension: Any = pd.api.types.pandas_dtype(dtype)
    return extension.__from_arrow__(data)
