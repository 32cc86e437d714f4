"""`sealed_expiries`: what the expiry labels of the sealed days meant, kept in `g6.duckdb` itself.

Most questions over the year look a label up, and its few rows lie in a file for each index and day: naming and opening
all of those takes longer than the answer. The labels of a sealed day do not change, so only a new seal's are read; the
file of views so far knows the others. The truth stays in the lake.
"""

# ruff: noqa: S608 - every part is our own schema, a number, or text quoted by `literal`

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from g6_market.schema import EXPIRIES
from g6_market.schema.columns import KINDS
from g6_resources.lake import SealRecord
from g6_resources.warehouse_views import SEALED_EXPIRIES, Layout, closed_branches, literal, no_rows

_TYPES = {
    "trade_date": "DATE",
    **{column.name: KINDS[column.kind][2] for column in EXPIRIES.columns},
    "sealed_at": "TIMESTAMP",
}


def keep_expiries(connection: duckdb.DuckDBPyConnection, layout: Layout, before: Path) -> None:
    """Make the table in the file of views that is being made.

    Parameters
    ----------
    connection
        Has that file open.
    layout
        Says which days are sealed, and where their files are.
    before
        The file of views so far, which may be missing or older than this table.
    """
    connection.execute(f"CREATE TABLE {SEALED_EXPIRIES} ({', '.join(map(' '.join, _TYPES.items()))})")
    if not layout.sealed:
        return
    connection.register("seals", _seals(layout.sealed))
    known = _known(before)
    if known is not None:
        connection.register("known", known)
        # Also by their count, so that what an interrupted copy lacks is read again.
        connection.execute(
            f"""INSERT INTO {SEALED_EXPIRIES} BY NAME
            SELECT known.* FROM known JOIN seals USING (trade_date, sealed_at)
            WHERE row_count = (SELECT count(*) FROM known AS same WHERE same.trade_date = known.trade_date)"""
        )
        connection.unregister("known")
    have = {day for (day,) in connection.execute(f"SELECT DISTINCT trade_date FROM {SEALED_EXPIRIES}").fetchall()}
    lacking = {day: record for day, record in layout.sealed.items() if day not in have}
    if lacking:
        branches = (no_rows(EXPIRIES), *closed_branches(EXPIRIES, replace(layout, sealed=lacking)))
        union = " UNION ALL BY NAME ".join(branches)
        connection.execute(
            f"""INSERT INTO {SEALED_EXPIRIES} BY NAME
            SELECT trade_date, {", ".join(EXPIRIES.names)}, sealed_at FROM ({union}) JOIN seals USING (trade_date)"""
        )
    connection.unregister("seals")


def _seals(sealed: Mapping[date, SealRecord]) -> pd.DataFrame:
    rows = [
        (day, record.made_at.replace(tzinfo=None), record.rows.get(EXPIRIES.name, 0)) for day, record in sealed.items()
    ]
    return pd.DataFrame(rows, columns=["trade_date", "sealed_at", "row_count"])


def _known(before: Path) -> pa.Table | None:
    """Return the rows that the file so far has, None where it has none or they have other columns."""
    if not before.exists():
        return None
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {literal(str(before))} AS g6 (READ_ONLY)")
        columns = connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'g6' AND table_name = ?",
            [SEALED_EXPIRIES],
        ).fetchall()
        if dict(columns) != _TYPES:
            return None
        return connection.sql(f"SELECT * FROM g6.{SEALED_EXPIRIES}").to_arrow_table()
