"""Every table of G6: column, type, unit, meaning. Written once, here.

Parquet types, DuckDB view columns, Dagster column metadata, the data dictionary and the validation at the edges are
generated from `TABLES`. How a table is stored (tiers, file names) belongs to `g6_resources.lake`; how its numbers are
computed belongs to `chain`, `overview`, `series` and `pricing`.

Every table is stored per trade date; `trade_date` is part of the file's folder, never a column of the file.
Timestamps are IST wall clock without a zone (India has no daylight saving, so nothing is lost).
"""

from g6_market.schema.columns import Column, Kind, SchemaError, Table, conform, empty_frame
from g6_market.schema.tables import (
    CONVENTIONS,
    DAILY_SUMMARY,
    EXPIRIES,
    EXPIRY_OVERVIEW,
    HEALING,
    INSTRUMENTS,
    OFFSET_SERIES,
    OPTION_CHAIN,
    OVERVIEW,
    QUOTES,
    REFERENCE,
    SNAPSHOTS,
    STORED_TABLES,
    TABLES,
)

__all__ = [
    "CONVENTIONS",
    "DAILY_SUMMARY",
    "EXPIRIES",
    "EXPIRY_OVERVIEW",
    "HEALING",
    "INSTRUMENTS",
    "OFFSET_SERIES",
    "OPTION_CHAIN",
    "OVERVIEW",
    "QUOTES",
    "REFERENCE",
    "SNAPSHOTS",
    "STORED_TABLES",
    "TABLES",
    "Column",
    "Kind",
    "SchemaError",
    "Table",
    "conform",
    "empty_frame",
]
