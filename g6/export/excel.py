"""Writes Parquet files as one Excel sheet, row by row, so that a full sheet needs little memory."""

from datetime import date, datetime
from math import isfinite
from pathlib import Path
from typing import Any

import duckdb

_WIDTH = 18
_BATCH = 10_000


def write_sheet(parts: list[Path], target: Path) -> None:
    """Write the rows of the parts below a row of column names; null is an empty cell, instants are Excel's own."""
    import xlsxwriter

    names = [str(part) for part in parts]
    query = "FROM read_parquet(?, union_by_name = true, hive_partitioning = false)"
    found = duckdb.connect().execute(query, [names])
    columns = [column[0] for column in found.description or []]
    with xlsxwriter.Workbook(target, {"constant_memory": True, "strings_to_formulas": False}) as book:
        formats = {
            datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
        }
        sheet = book.add_worksheet("rows")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(columns) - 1, _WIDTH)
        sheet.write_row(0, 0, columns, book.add_format({"bold": True}))
        line = 0
        while batch := found.fetchmany(_BATCH):
            for row in batch:
                line += 1
                for place, value in enumerate(row):
                    _write(sheet, line, place, value, formats.get(type(value)))


def _write(sheet: Any, line: int, place: int, value: Any, style: Any) -> None:
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return
    if style is not None:
        sheet.write_datetime(line, place, value, style)
    elif isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif isinstance(value, int | float):
        sheet.write_number(line, place, value)
    else:
        sheet.write_string(line, place, str(value))
