"""What is stored of earlier days, few columns of many small files: the past that a day is compared with.

Only sealed days count, and only the files that their seal records name. The comparison is `g6_market.daily`.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from g6_market.daily import HISTORY, WINDOW_DAYS
from g6_market.schema import DAILY_SUMMARY
from g6_resources.arrow import ArrowTable, pa
from g6_resources.lake import Lake, closed_path
from g6_resources.parquet import arrow_schema, decode, to_frame


def summaries_before(
    lake: Lake, trade_date: date, underlyings: Sequence[str], columns: Sequence[str] = HISTORY
) -> pd.DataFrame:
    """Return the stored `daily_summary` rows of the last 252 sealed days before a day.

    Returns
    -------
    DataFrame
        The columns, and `trade_date` (midnight timestamps), oldest first. A day sealed without the table has no row.
    """
    names = tuple(columns)
    table = DAILY_SUMMARY.name
    parts: list[ArrowTable] = []
    dates: list[date] = []
    for day in [day for day in lake.sealed_days() if day < trade_date][-WINDOW_DAYS:]:
        record = lake.seal_record(day)
        files = record.files.get(table, {}) if record is not None else {}
        for name in sorted(set(files) & set(underlyings)):
            rows = decode(lake.store.get(closed_path(table, day, name)), names)
            parts.append(rows)
            dates += [day] * rows.num_rows
    found = pa.concat_tables(parts, promote_options="default") if parts else arrow_schema(DAILY_SUMMARY).empty_table()
    frame = to_frame(found, DAILY_SUMMARY, names)
    return frame.assign(trade_date=np.array(dates, dtype="datetime64[us]"))
