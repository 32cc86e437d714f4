"""Days, hours and instants of the shipped calendar."""

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g6_market.calendar import IST, CalendarError, Closed, Session, TradingCalendar

CALENDAR = TradingCalendar.load()
DAYS = st.dates(date(2023, 6, 1), date(2028, 6, 30))


def ist(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST)


def days(year: int, *month_days: str) -> list[date]:
    return [date.fromisoformat(f"{year}-{each}") for each in month_days]


HOLIDAYS = [
    *days(2024, "01-22", "01-26", "03-08", "03-25", "03-29", "04-11", "04-17", "05-01", "05-20", "06-17", "07-17"),
    *days(2024, "08-15", "10-02", "11-15", "11-20", "12-25"),
    *days(2025, "02-26", "03-14", "03-31", "04-10", "04-14", "04-18", "05-01", "08-15", "08-27", "10-02", "10-22"),
    *days(2025, "11-05", "12-25"),
    *days(2026, "01-15", "01-26", "03-03", "03-26", "03-31", "04-03", "04-14", "05-01", "05-28", "06-26", "09-14"),
    *days(2026, "10-02", "10-20", "11-10", "11-24", "12-25"),
]
WEEKEND_SESSIONS = days(2024, "01-20", "03-02", "05-18") + days(2025, "02-01") + days(2026, "02-01")
MUHURAT_ON_HOLIDAYS = days(2024, "11-01") + days(2025, "10-21")


@pytest.mark.parametrize("day", HOLIDAYS, ids=str)
def test_every_holiday_is_closed_and_says_its_name(day: date) -> None:
    found = CALENDAR.on(day)
    assert isinstance(found, Closed)
    assert found.reason.startswith("holiday: ")
    assert day.weekday() < 5


def test_no_other_weekday_of_the_known_years_is_closed() -> None:
    closed = CALENDAR.closed_dates(date(2024, 1, 1), date(2026, 12, 31))
    assert [day for day in closed if day.weekday() < 5] == sorted(HOLIDAYS)


def test_the_only_weekend_sessions_are_the_five_known_ones() -> None:
    sessions = CALENDAR.sessions(date(2024, 1, 1), date(2026, 12, 31))
    assert [s.trade_date for s in sessions if s.trade_date.weekday() >= 5] == WEEKEND_SESSIONS
    assert {s.trade_date: s.kind for s in sessions if s.kind != "regular"} == {
        **dict.fromkeys(WEEKEND_SESSIONS, "special"),
        **dict.fromkeys(MUHURAT_ON_HOLIDAYS, "muhurat"),
    }


@pytest.mark.parametrize(
    ("day", "opens", "closes", "minutes"),
    [
        ("2024-01-20", "09:15", "15:30", 375),
        ("2024-11-01", "18:00", "19:00", 60),
        ("2025-02-01", "09:15", "15:30", 375),
        ("2025-10-21", "13:45", "14:45", 60),
        ("2026-02-01", "09:15", "15:30", 375),
        ("2026-07-31", "09:15", "15:30", 375),
        ("2026-08-03", "09:15", "15:40", 385),
        ("2026-11-23", "09:15", "15:40", 385),
    ],
)
def test_hours_of_special_days_and_of_both_regimes(day: str, opens: str, closes: str, minutes: int) -> None:
    session = CALENDAR.session(date.fromisoformat(day))
    assert (session.open, session.close) == (ist(f"{day} {opens}"), ist(f"{day} {closes}"))
    assert session.minutes == minutes == len(session.due_times(60))
    assert session.breaks == ()


@pytest.mark.parametrize("day", days(2024, "03-02", "05-18"), ids=str)
def test_a_disaster_recovery_saturday_has_two_parts_and_nothing_due_between(day: date) -> None:
    session = CALENDAR.session(day)
    due = [at.time() for at in session.due_times(60)]
    assert session.minutes == 45 + 60 == len(due)
    assert (due[0], due[44], due[45], due[-1]) == (time(9, 16), time(10, 0), time(11, 31), time(12, 30))


def test_due_times_end_their_intervals() -> None:
    session = CALENDAR.session(date(2026, 11, 20))
    due = session.due_times(60)
    assert (due[0], due[-1], len(due)) == (ist("2026-11-20 09:16"), ist("2026-11-20 15:40"), 385)
    assert len(CALENDAR.session(date(2026, 7, 31)).due_times(60)) == 375


@given(day=DAYS, interval=st.integers(1, 7200))
def test_due_times_are_evenly_spaced_within_the_session_and_outside_its_breaks(day: date, interval: int) -> None:
    session = CALENDAR.on(day)
    if isinstance(session, Closed):
        return
    due = session.due_times(interval)
    assert all((at - session.open) % timedelta(seconds=interval) == timedelta() for at in due)
    assert all(session.open < at <= session.close for at in due)
    assert not any(start + timedelta(seconds=interval) <= at <= end for start, end in session.breaks for at in due)
    if not session.breaks:
        assert len(due) == session.minutes * 60 // interval


def test_an_interval_that_is_not_positive_is_refused() -> None:
    with pytest.raises(CalendarError, match="interval_seconds is 0"):
        CALENDAR.session(date(2026, 11, 20)).due_times(0)


def test_the_index_value_is_unusable_from_1515_only_since_the_closing_auction() -> None:
    assert CALENDAR.session(date(2026, 7, 31)).spot_auction_from is None
    assert CALENDAR.session(date(2026, 8, 3)).spot_auction_from == ist("2026-08-03 15:15")


@pytest.mark.parametrize(
    ("expiry", "fixed"),
    [("2026-07-28", "15:30"), ("2026-08-02", "15:30"), ("2026-08-03", "15:35"), ("2031-06-26", "15:35")],
)
def test_settlement_follows_the_rule_of_the_expiry_also_far_ahead(expiry: str, fixed: str) -> None:
    assert CALENDAR.settlement_fixed_at(date.fromisoformat(expiry)) == ist(f"{expiry} {fixed}")


def test_muhurat_2026_stays_closed_and_says_how_to_give_its_hours() -> None:
    found = CALENDAR.on(date(2026, 11, 8))
    assert isinstance(found, Closed)
    assert found.reason.startswith("hours unknown: ")
    assert "override file" in found.reason
    assert '{date: 2026-11-08, kind: muhurat, open: "HH:MM", close: "HH:MM"}' in found.reason


def test_a_weekday_of_an_unknown_year_is_open_at_the_latest_hours_unconfirmed() -> None:
    session = CALENDAR.session(date(2027, 1, 26))
    assert not session.confirmed
    assert (session.close.time(), session.minutes) == (time(15, 40), 385)
    assert CALENDAR.session(date(2026, 12, 31)).confirmed
    assert not CALENDAR.session(date(2023, 12, 29)).confirmed


def test_an_unknown_year_excludes_weekends_only() -> None:
    closed = CALENDAR.closed_dates(date(2027, 1, 1), date(2027, 12, 31))
    assert len(closed) == 104
    assert all(day.weekday() >= 5 for day in closed)


def test_asking_for_the_session_of_a_closed_day_names_the_reason_and_the_next_open() -> None:
    with pytest.raises(CalendarError, match=r"holiday: Gurunanak Jayanti; the next one opens Wed 2026-11-25 09:15"):
        CALENDAR.session(date(2026, 11, 24))
    with pytest.raises(CalendarError, match=r"no session on 2026-11-22: Sunday"):
        CALENDAR.session(date(2026, 11, 22))


@pytest.mark.parametrize(
    ("now", "completed"),
    [
        ("2026-11-22 12:00", "2026-11-20"),
        ("2026-11-23 15:40", "2026-11-20"),
        ("2026-11-23 15:40:01", "2026-11-23"),
        ("2026-11-25 09:00", "2026-11-23"),
        ("2026-02-01 18:00", "2026-01-30"),
        ("2025-10-22 12:00", "2025-10-20"),
    ],
)
def test_the_latest_completed_session_is_a_regular_one_that_is_over(now: str, completed: str) -> None:
    assert CALENDAR.latest_completed(ist(now)).trade_date == date.fromisoformat(completed)


def test_the_latest_completed_session_of_any_kind_includes_weekends_and_muhurat() -> None:
    def any_kind(now: str) -> date:
        return CALENDAR.latest_completed(ist(now), regular_only=False).trade_date

    assert any_kind("2026-02-01 18:00") == date(2026, 2, 1)
    assert any_kind("2025-10-22 12:00") == date(2025, 10, 21)


@pytest.mark.parametrize(
    ("now", "following"),
    [
        ("2026-11-20 08:00", "2026-11-20"),
        ("2026-11-20 15:40", "2026-11-20"),
        ("2026-11-20 15:40:01", "2026-11-23"),
        ("2026-11-23 16:00", "2026-11-25"),
        ("2026-11-07 12:00", "2026-11-09"),
        ("2026-01-31 12:00", "2026-02-01"),
    ],
)
def test_the_next_session_is_the_one_in_progress_or_the_next_to_open(now: str, following: str) -> None:
    assert CALENDAR.next_session(ist(now)).trade_date == date.fromisoformat(following)


def test_instants_of_another_zone_are_understood_and_naive_ones_refused() -> None:
    late_evening_utc = datetime.fromisoformat("2026-11-22T20:00:00+00:00")  # already Monday in India
    assert CALENDAR.next_session(late_evening_utc).trade_date == date(2026, 11, 23)
    naive = late_evening_utc.replace(tzinfo=None)
    for ask in (CALENDAR.next_session, CALENDAR.latest_completed):
        with pytest.raises(CalendarError, match="no time zone"):
            ask(naive)


def test_a_datetime_in_place_of_a_date_is_refused_because_it_would_miss_every_holiday() -> None:
    with pytest.raises(CalendarError, match="is a datetime"):
        CALENDAR.is_open_day(ist("2026-11-24 10:00"))


def test_trading_days_count_the_expiry_but_not_the_day_itself() -> None:
    assert CALENDAR.trading_days_between(date(2026, 11, 20), date(2026, 11, 25)) == 2
    assert CALENDAR.trading_days_between(date(2026, 11, 20), date(2026, 11, 20)) == 0
    assert CALENDAR.trading_days_between(date(2026, 11, 25), date(2026, 11, 20)) == 0
    assert CALENDAR.trading_days_between(date(2026, 1, 30), date(2026, 2, 2)) == 2


@given(first=DAYS, length=st.integers(0, 60))
def test_every_date_of_a_range_is_either_closed_or_has_a_session(first: date, length: int) -> None:
    last = first + timedelta(days=length)
    open_days = [session.trade_date for session in CALENDAR.sessions(first, last)]
    assert sorted([*open_days, *CALENDAR.closed_dates(first, last)]) == [
        first + timedelta(days=n) for n in range(length + 1)
    ]
    assert CALENDAR.trading_days_between(first - timedelta(days=1), last) == len(open_days)


@given(day=DAYS)
def test_previous_and_next_session_have_nothing_between(day: date) -> None:
    before = CALENDAR.previous_session(day)
    assert before.trade_date < day
    assert CALENDAR.trading_days_between(before.trade_date, day - timedelta(days=1)) == 0
    assert CALENDAR.next_session(before.close + timedelta(seconds=1)).trade_date >= day


@given(day=DAYS, second=st.integers(0, 86_399))
def test_no_instant_lies_between_the_completed_and_the_next_session(day: date, second: int) -> None:
    now = datetime.combine(day, time(), IST) + timedelta(seconds=second)
    done, following = CALENDAR.latest_completed(now, regular_only=False), CALENDAR.next_session(now)
    assert done.close < now <= following.close
    assert CALENDAR.trading_days_between(done.trade_date, following.trade_date) == 1


def test_every_answer_names_its_source() -> None:
    assert all(isinstance(s, Session) and s.source for s in CALENDAR.sessions(date(2024, 1, 1), date(2026, 12, 31)))
    assert all(holiday.source for holiday in CALENDAR.tables.holidays.values())
