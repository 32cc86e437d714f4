"""A user's override file, and what both files refuse."""

from copy import deepcopy
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
import yaml

from g6_market.calendar import CalendarError, Closed, TradingCalendar

MUHURAT = date(2026, 11, 8)


@pytest.fixture(scope="module")
def shipped(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / "config" / "calendar.yaml").read_text())


def with_override(text: str, folder: Path) -> TradingCalendar:
    path = folder / "override.yaml"
    path.write_text(text)
    return TradingCalendar.load(override=path)


def test_the_override_opens_muhurat_with_its_hours(tmp_path: Path) -> None:
    calendar = with_override(
        'sessions: [{date: 2026-11-08, kind: muhurat, open: "18:00", close: "19:00", source: a circular}]', tmp_path
    )
    session = calendar.session(MUHURAT)
    assert (session.open.time(), session.close.time(), session.kind) == (time(18), time(19), "muhurat")
    assert (session.source, session.confirmed, session.minutes) == ("a circular", True, 60)
    assert session.spot_auction_from is None


def test_the_override_moves_a_holiday(tmp_path: Path) -> None:
    calendar = with_override(
        "holidays_removed: [2026-11-24]\nholidays_added: [{date: 2026-11-25, name: Moved feast}]", tmp_path
    )
    assert calendar.session(date(2026, 11, 24)).minutes == 385
    closed = calendar.on(date(2026, 11, 25))
    assert isinstance(closed, Closed)
    assert closed.reason == "holiday: Moved feast"


def test_the_override_calls_off_a_weekend_session(tmp_path: Path) -> None:
    calendar = with_override("holidays_added: [{date: 2026-11-08, name: Called off}]", tmp_path)
    assert calendar.on(MUHURAT) == Closed(MUHURAT, "holiday: Called off")


def test_the_override_brings_a_year(tmp_path: Path) -> None:
    calendar = with_override(
        'confirmed_years: [2027]\nholidays_added: [{date: "2027-01-26", name: Republic Day}]', tmp_path
    )
    assert not calendar.is_open_day(date(2027, 1, 26))
    assert calendar.session(date(2027, 1, 27)).confirmed
    assert not calendar.session(date(2028, 1, 27)).confirmed


def test_a_session_with_breaks_keeps_the_order_of_its_parts(tmp_path: Path) -> None:
    calendar = with_override(
        'sessions: [{date: 2026-12-05, kind: special, open: "09:15", close: "12:30", breaks: [["10:00", "11:30"]]}]',
        tmp_path,
    )
    assert calendar.session(date(2026, 12, 5)).minutes == 105


def test_an_empty_override_changes_nothing_and_any_content_changes_the_version(tmp_path: Path) -> None:
    shipped = TradingCalendar.load()
    assert with_override("# nothing yet\n", tmp_path).version == shipped.version
    assert with_override("confirmed_years: [2027]", tmp_path).version != shipped.version


def test_a_holiday_that_the_calendar_knows_by_now_may_stay_in_the_override(tmp_path: Path) -> None:
    calendar = with_override("holidays_added: [{date: 2026-01-15, name: Elections}]", tmp_path)
    assert calendar.on(date(2026, 1, 15)) == Closed(date(2026, 1, 15), "holiday: Elections")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 2026-11-08", r"override\.yaml: .* is not a mapping"),
        ("holidays: []", r"unknown key 'holidays'.*holidays_added, holidays_removed, sessions"),
        ("holidays_added: 2027-01-26", r"holidays_added is .*not a list"),
        ("holidays_added: [{date: 2027-01-26}]", r"holidays_added\[0\]: name is None"),
        ("holidays_added: [{name: Feast}]", r"holidays_added\[0\]: date is missing.*date, name, source"),
        ("holidays_added: [{date: 26 Jan 2027, name: Feast}]", r"'26 Jan 2027' is not a date.*YYYY-MM-DD"),
        ("holidays_added: [{date: 2027-01-26 09:15:00, name: Feast}]", r"is not a date"),
        ("holidays_added: [{date: 2027-01-24, name: Feast}]", r"2027-01-24 is a Sunday, closed anyway"),
        (
            "holidays_added: [{date: 2027-01-26, name: A}, {date: 2027-01-26, name: B}]",
            r"holidays_added\[1\]: 2027-01-26 stands twice",
        ),
        ("holidays_removed: [2026-11-25]", r"2026-11-25 is no holiday.*2026-11-24.*correct or delete"),
        ("holidays_removed: [2027-11-25]", r"2027-11-25 is no holiday.*none that year"),
        ('sessions: [{date: 2026-11-08, kind: diwali, open: "18:00", close: "19:00"}]', r"regular, special, muhurat"),
        ("sessions: [{date: 2026-11-08, kind: muhurat}]", r"sessions\[0\]: open is missing"),
        ("sessions: [{date: 2026-11-08, kind: muhurat, open: 18:00, close: 19:00}]", r"open is 1080.*in quotes"),
        ('sessions: [{date: 2026-11-08, kind: muhurat, open: "6 pm", close: "19:00"}]', r"open is '6 pm'"),
        ('sessions: [{date: 2026-11-08, kind: muhurat, open: "19:00", close: "18:00"}]', r"times out of order"),
        (
            'sessions: [{date: 2026-12-05, kind: special, open: "09:15", close: "12:30", breaks: [["10:00"]]}]',
            r"breaks holds \['10:00'\]",
        ),
        (
            'sessions: [{date: 2026-12-05, kind: special, open: "09:15", close: "12:30", breaks: [["10:00", "9:30"]]}]',
            r"times out of order",
        ),
        ("confirmed_years: ['2027']", r"confirmed_years holds '2027'"),
        ("sessions: [", r"not readable as YAML"),
    ],
)
def test_a_wrong_override_is_refused_naming_file_entry_and_remedy(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CalendarError, match=message) as caught:
        with_override(text, tmp_path)
    assert "override.yaml" in str(caught.value)


def test_a_missing_override_file_is_an_error_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(CalendarError, match=r"absent\.yaml: No such file"):
        TradingCalendar.load(override=tmp_path / "absent.yaml")


def test_a_session_without_hours_is_never_given_the_regular_ones(shipped: dict[str, Any]) -> None:
    broken = deepcopy(shipped)
    broken["sessions"][-1]["open"] = "18:00"
    with pytest.raises(CalendarError, match="close is missing"):
        TradingCalendar.from_tables(broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hours": []}, "hours is empty"),
        (
            {"hours": [{"from": "2024-01-01", "open": "09:15", "close": "15:30", "source": "x"}]},
            "settlement is missing",
        ),
        (
            {"hours": [{"from": "2024-01-01", "open": "9:15", "close": "15:30", "settlement": "15:35", "source": "x"}]},
            "times out of order",
        ),
        ({"holidays": [{"date": "2026-12-25", "name": "Christmas"}]}, r"holidays\[0\]: source is None"),
    ],
)
def test_a_shipped_table_needs_hours_and_a_source_in_every_row(
    change: dict[str, Any], message: str, shipped: dict[str, Any]
) -> None:
    with pytest.raises(CalendarError, match=message):
        TradingCalendar.from_tables(shipped | change)


def test_the_regime_is_the_last_one_begun_whatever_the_order_of_rows(shipped: dict[str, Any]) -> None:
    reversed_rows = TradingCalendar.from_tables(shipped | {"hours": shipped["hours"][::-1]})
    for day in (date(2023, 5, 2), date(2026, 7, 31), date(2026, 8, 3)):
        assert reversed_rows.session(day).close == TradingCalendar.load().session(day).close
