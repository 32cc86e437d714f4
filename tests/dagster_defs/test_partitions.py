"""Partition keys: the calendar's dates, two dimensions, their mapping, and how many there may be."""

from datetime import date, datetime

import dagster as dg
import pytest

from g6_assets.partitions import (
    KEYS_PER_ASSET,
    budget_warnings,
    expiry_partitions,
    key_date,
    series_keys,
    series_partitions,
    series_to_expiry,
    trading_dates,
)
from g6_market.calendar import IST, TradingCalendar

CALENDAR = TradingCalendar.load()
TAGS = ("this_week", "next_week", "this_month", "next_month")


def keys_at(now: datetime, first: date = date(2026, 1, 1)) -> list[str]:
    return list(trading_dates(CALENDAR, first, now.date()).get_partition_keys(current_time=now))


@pytest.mark.parametrize(
    ("case", "now"),
    [
        ("before the open", datetime(2026, 11, 20, 8, 45, tzinfo=IST)),
        ("the eve of a holiday", datetime(2026, 11, 23, 9, 5, tzinfo=IST)),
        ("a Friday", datetime(2026, 11, 20, 15, 31, tzinfo=IST)),
        ("the special Sunday of the budget", datetime(2026, 2, 1, 9, 10, tzinfo=IST)),
        ("the Saturday session of 2025", datetime(2025, 2, 1, 9, 10, tzinfo=IST)),
    ],
)
def test_todays_key_is_there_during_the_session(case: str, now: datetime) -> None:
    assert now.date().isoformat() in keys_at(now, date(2025, 1, 1)), case


@pytest.mark.parametrize("closed", ["2026-11-24", "2026-11-21", "2026-11-22", "2026-11-08", "2026-10-02"])
def test_a_day_without_a_session_has_no_key(closed: str) -> None:
    assert closed not in keys_at(datetime(2026, 12, 1, 12, 0, tzinfo=IST))


def test_the_keys_of_past_days_are_exactly_the_calendars_sessions() -> None:
    now = datetime(2026, 11, 20, 12, 0, tzinfo=IST)
    sessions = CALENDAR.sessions(date(2024, 1, 1), now.date())
    assert keys_at(now, date(2024, 1, 1)) == [session.trade_date.isoformat() for session in sessions]


@pytest.mark.parametrize("now", ["2026-11-24T10:00", "2026-11-21T10:00", "2026-11-22T20:00"])
def test_on_a_closed_day_dagsters_last_key_lies_in_the_future_so_nobody_may_take_it_for_today(now: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=IST)
    assert keys_at(moment)[-1] > moment.date().isoformat()
    assert not CALENDAR.is_open_day(moment.date())


def test_the_definition_stays_the_same_all_year_so_that_backfills_keep_theirs() -> None:
    first, later = (
        trading_dates(CALENDAR, date(2026, 1, 1), day).get_serializable_unique_identifier()
        for day in (date(2026, 3, 2), date(2026, 11, 20))
    )
    assert first == later


def test_chains_are_by_date_and_expiry_and_series_by_date_and_series() -> None:
    dates = trading_dates(CALENDAR, date(2026, 11, 2), date(2026, 11, 20))
    chain, series = expiry_partitions(dates, TAGS), series_partitions(dates, TAGS, 10)
    assert [d.name for d in chain.partitions_defs] == ["date", "expiry"]
    assert [d.name for d in series.partitions_defs] == ["date", "series"]
    assert len(series_keys(TAGS, 10)) == 84
    assert series_keys(TAGS, 1)[:3] == ["this_week.ATM-1", "this_week.ATM", "this_week.ATM+1"]
    assert key_date("2026-11-20|this_week.ATM+1") == date(2026, 11, 20)
    assert key_date(dg.MultiPartitionKey({"date": "2026-11-20", "expiry": "this_week"})) == date(2026, 11, 20)


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_a_series_comes_from_the_chain_of_its_own_date_and_label() -> None:
    dates = trading_dates(CALENDAR, date(2026, 11, 2), date(2026, 11, 20))
    chain, series = expiry_partitions(dates, TAGS), series_partitions(dates, TAGS, 2)
    mapping = series_to_expiry(TAGS, 2)

    def upstream(*keys: str) -> set[str]:
        subset = series.subset_with_partition_keys(keys)
        found = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, series, chain)
        return set(found.partitions_subset.get_partition_keys())

    assert upstream("2026-11-20|this_week.ATM+1") == {"2026-11-20|this_week"}
    assert upstream("2026-11-19|next_month.ATM", "2026-11-20|this_month.ATM-2") == {
        "2026-11-19|next_month",
        "2026-11-20|this_month",
    }
    down = mapping.get_downstream_partitions_for_partitions(
        chain.subset_with_partition_keys(["2026-11-20|next_week"]), chain, series
    )
    assert set(down.get_partition_keys()) == {f"2026-11-20|{key}" for key in series_keys(["next_week"], 2)}


def test_a_year_of_series_stays_far_within_the_budget() -> None:
    days = len(CALENDAR.sessions(date(2025, 1, 1), date(2025, 12, 31)))
    assert 240 <= days <= 255
    assert days * len(series_keys(TAGS, 10)) < KEYS_PER_ASSET / 4


def test_a_warning_names_the_index_and_the_remedy_from_80_percent_on() -> None:
    indices = {"NIFTY": (TAGS, 10), "BANKNIFTY": (TAGS[2:], 10)}
    days = [s.trade_date for s in CALENDAR.sessions(date(2020, 1, 1), date(2026, 11, 20))]
    enough = int(KEYS_PER_ASSET * 0.8) // 84
    assert budget_warnings(CALENDAR, days[-enough], days[-1], indices) == []
    (warning,) = budget_warnings(CALENDAR, days[-enough - 1], days[-1], indices)
    assert warning.startswith("NIFTY/offset_series has 80,0")
    assert "partitions.first_date" in warning
