"""Deriving many days of an index again, one after the other: what a worker does with its share of a range of years.

Memory is that of one day, whatever the range. A day looks back on earlier days' summaries only through columns that
are made anew at the end, when this share and those of other workers before it are stored: so shares may run in any
order and side by side, and end in the files that one worker would have written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from g6_market.calendar import TradingCalendar
from g6_market.conventions import CODE_VERSION
from g6_market.daily import WINDOW_DAYS, compared_again
from g6_market.schema import DAILY_SUMMARY
from g6_resources.history import History
from g6_resources.lake import Lake, closed_path
from g6_resources.leases import Leases
from g6_resources.parquet import arrow_schema, decode, sorted_rows, to_arrow, to_frame, written_by
from g6_resources.sealing import replace_index_files


@dataclass(frozen=True, slots=True)
class DayDone:
    """A day of an index that was dealt with.

    Parameters
    ----------
    rows
        Rows by table that were written; empty when the files were current and only what is out of date was asked for.
    """

    day: date
    rows: Mapping[str, int]


def recompute(
    lake: Lake,
    underlying: str,
    days: Sequence[date],
    calendar: TradingCalendar,
    leases: Leases,
    *,
    only_outdated: bool = False,
) -> Iterator[DayDone]:
    """Derive sealed days of an index again, oldest first, and then compare them with earlier days once more.

    Parameters
    ----------
    leases
        Of the index: another worker at the same day is waited for.
    only_outdated
        Leave days whose files this version of the derivations has written.

    Raises
    ------
    SealError
        As `replace_index_files`; the days before are done.
    LeaseTaken
        Another worker is at a day and does not end.
    """
    history = History(lake, [underlying])
    for day in sorted(days):
        with leases.hold(day):
            current = only_outdated and is_current(lake, day, underlying)
            done = DayDone(day, {} if current else replace_index_files(lake, day, underlying, calendar, None, history))
        history.forget(day)
        yield done
    if days:
        compare_again(lake, underlying, min(days), max(days), calendar, leases)


def is_current(lake: Lake, day: date, underlying: str) -> bool:
    """Whether the index's derived files of a day are of this version of the derivations."""
    try:
        # The last of the four to be written, and a thousandth of their size.
        return written_by(lake.store.get(closed_path(DAILY_SUMMARY.name, day, underlying))) == CODE_VERSION
    except FileNotFoundError:
        return False


def compare_again(
    lake: Lake, underlying: str, first: date, last: date, calendar: TradingCalendar, leases: Leases
) -> list[date]:
    """Make anew what the summaries of days say of earlier days: of the range, and of the 252 sealed days after it.

    Of the later ones only those of this version of the derivations: the others are still to be derived again.

    Returns
    -------
    list
        The days whose summary changed.
    """
    sealed = lake.sealed_days()
    days = [day for day in sealed if first <= day <= last] + [day for day in sealed if day > last][:WINDOW_DAYS]
    # One at a time, from reading the past to writing: whoever stored the last value compares last.
    with leases.hold(first.replace(year=1970, month=1, day=1), "compared with earlier days"):
        history = History(lake, [underlying])
        return [day for day in days if _compared(lake, underlying, day, calendar, leases, history)]


def _compared(
    lake: Lake, underlying: str, day: date, calendar: TradingCalendar, leases: Leases, history: History
) -> bool:
    # Asked without a lease first: mostly nothing has changed, and whoever replaces the file now compares later.
    if _changed(lake, underlying, day, calendar, history) is None:
        return False
    with leases.hold(day):
        summary = _changed(lake, underlying, day, calendar, history)
        if summary is not None:
            lake.write_closed(DAILY_SUMMARY, day, underlying, summary)
    return summary is not None


def _changed(
    lake: Lake, underlying: str, day: date, calendar: TradingCalendar, history: History
) -> pd.DataFrame | None:
    record = lake.seal_record(day)
    if record is None or underlying not in record.files.get(DAILY_SUMMARY.name, {}):
        return None
    data = lake.store.get(closed_path(DAILY_SUMMARY.name, day, underlying))
    stored = decode(data)
    if written_by(data) != CODE_VERSION or stored.schema != arrow_schema(DAILY_SUMMARY):
        return None
    summary = compared_again(to_frame(stored, DAILY_SUMMARY), day, calendar, history.before(day))
    same = sorted_rows(to_arrow(summary, DAILY_SUMMARY), DAILY_SUMMARY).equals(stored)
    return None if same else summary
