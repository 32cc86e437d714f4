"""Arrow columns as text, a whole column at a time: what the CSV files and the InfluxDB lines are joined from.

Numbers are written as the shortest text that reads back as the same number (`24350`, `0.1`), nulls stay null.
"""

import pandas as pd

from g6_market.schema import Column, Kind, Table
from g6_resources.arrow import ArrowArray, pa, pc
from g6_resources.parquet import to_arrow


def text_columns(frame: pd.DataFrame, table: Table) -> dict[str, ArrowArray]:
    """Return a conforming frame's columns as text.

    Returns
    -------
    dict
        Column name to an Arrow string array as long as the frame. Timestamps are `YYYY-MM-DD HH:MM:SS`, dates
        `YYYY-MM-DD`, booleans `true` and `false`.
    """
    data = to_arrow(frame, table)
    return {column.name: _text(data.column(column.name), column) for column in table.columns}


def _text(values: ArrowArray, column: Column) -> ArrowArray:
    array = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # a column of no rows has no chunk
        array = pa.array([], array.type)
    if column.kind is Kind.TIMESTAMP:
        return pc.strftime(pc.cast(array, pa.timestamp("s")), "%Y-%m-%d %H:%M:%S")
    return pc.cast(array, pa.string())
