"""Our calendar against two libraries and against the days on which NSE published prices.

Every difference is listed, with who is right: a new one in a later version of a library fails here and is looked at.
"""

from datetime import date
from pathlib import Path

import exchange_calendars
import pandas as pd
import pandas_market_calendars
import pytest

from g6_market.calendar import TradingCalendar

CALENDAR = TradingCalendar.load()
FIRST, LAST = date(2024, 1, 1), date(2026, 12, 31)

# Both libraries generate sessions from Monday to Friday only.
WEEKEND_SESSIONS = {date(2024, 1, 20), date(2024, 3, 2), date(2024, 5, 18), date(2025, 2, 1), date(2026, 2, 1)}
MUHURAT_ON_WEEKDAYS = {date(2024, 11, 1), date(2025, 10, 21)}
NEW_CLOSE_FROM = date(2026, 8, 3)


@pytest.fixture(scope="module")
def our_days() -> set[date]:
    return {session.trade_date for session in CALENDAR.sessions(FIRST, LAST)}


@pytest.fixture(scope="module")
def nse_schedule() -> pd.DataFrame:
    return pandas_market_calendars.get_calendar("NSE").schedule(FIRST, LAST, tz="Asia/Kolkata")


def test_pandas_market_calendars_misses_only_the_weekend_sessions(
    our_days: set[date], nse_schedule: pd.DataFrame
) -> None:
    assert our_days ^ set(pd.DatetimeIndex(nse_schedule.index).date) == WEEKEND_SESSIONS


def test_exchange_calendars_misses_the_weekend_sessions_and_muhurat(our_days: set[date]) -> None:
    theirs = exchange_calendars.get_calendar("XBOM", start=str(FIRST), end=str(LAST)).sessions
    assert our_days ^ set(theirs.date) == WEEKEND_SESSIONS | MUHURAT_ON_WEEKDAYS


def test_hours_agree_but_for_the_close_of_1540(nse_schedule: pd.DataFrame) -> None:
    differ: set[date] = set()
    for day, opens, closes in nse_schedule[["market_open", "market_close"]].itertuples():
        session = CALENDAR.session(day.date())
        assert session.open == opens
        if session.close != closes:
            assert (session.close - closes).total_seconds() == 600
            differ.add(day.date())
    assert differ == {day for day in pd.DatetimeIndex(nse_schedule.index).date if day >= NEW_CLOSE_FROM}


@pytest.mark.reference
def test_the_days_with_published_prices_are_our_sessions(reference_data: Path, our_days: set[date]) -> None:
    file = reference_data / "nse-observed-trading-dates" / "dates_2025-08-28_2026-07-23.txt"
    observed = {date.fromisoformat(line) for line in file.read_text().split()}
    assert observed <= our_days
    # Its collecting job did not run on these.
    holes = {session.trade_date for session in CALENDAR.sessions(date(2025, 12, 3), date(2026, 1, 9))} | {
        date(2026, 4, 28)
    }
    assert {day for day in our_days if min(observed) <= day <= max(observed)} - observed == holes
