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
    return History(lake, underlyings, columns).before(trade_date)


class History:
    """The stored summaries of earlier days for a worker that goes through many: each day's is read once.

    Parameters
    ----------
    underlyings, columns
        As `summaries_before` takes them.
    """

    def __init__(self, lake: Lake, underlyings: Sequence[str], columns: Sequence[str] = HISTORY) -> None:
        self._lake = lake
        self._underlyings = set(underlyings)
        self._columns = tuple(columns)
        self._sealed = lake.sealed_days()
        self._rows: dict[date, ArrowTable | None] = {}

    def before(self, trade_date: date) -> pd.DataFrame:
        """Return what `summaries_before` returns."""
        wanted = [day for day in self._sealed if day < trade_date][-WINDOW_DAYS:]
        for day in wanted:
            if day not in self._rows:
                self._rows[day] = self._read(day)
        kept = {day: rows for day in wanted if (rows := self._rows[day]) is not None}
        dates = [day for day, rows in kept.items() for _ in range(rows.num_rows)]
        empty = arrow_schema(DAILY_SUMMARY).empty_table()
        found = pa.concat_tables(kept.values(), promote_options="default") if kept else empty
        frame = to_frame(found, DAILY_SUMMARY, self._columns)
        return frame.assign(trade_date=np.array(dates, dtype="datetime64[us]"))

    def forget(self, trade_date: date) -> None:
        """Read a day's summary again when it is next asked for: it was replaced."""
        self._rows.pop(trade_date, None)

    def _read(self, day: date) -> ArrowTable | None:
        record = self._lake.seal_record(day)
        files = record.files.get(DAILY_SUMMARY.name, {}) if record is not None else {}
        paths = [closed_path(DAILY_SUMMARY.name, day, name) for name in sorted(set(files) & self._underlyings)]
        rows = [decode(self._lake.store.get(path), self._columns) for path in paths]
        return pa.concat_tables(rows, promote_options="default") if rows else None
