"""Alerts are kept once a day and kind, whole, and private."""

from datetime import date, datetime
from pathlib import Path

from g6_market.calendar import IST
from g6_resources.alerts import Alert, AlertLog

DAY = date(2026, 11, 20)


def alert(kind: str = "token dead", day: date = DAY, text: str = "run `g6 login`") -> Alert:
    return Alert(datetime(2026, 11, 20, 10, 0, tzinfo=IST), kind, day, text)


def test_an_alert_of_a_kind_is_told_once_a_day(tmp_path: Path) -> None:
    log = AlertLog(tmp_path / "alerts.jsonl")
    assert log.tell(alert())
    assert not log.tell(alert(text="again"))
    assert log.tell(alert(day=date(2026, 11, 23)))
    assert log.tell(alert(kind="run failed"))
    assert [one.kind for one in log.recent()] == ["token dead", "token dead", "run failed"]


def test_what_is_told_each_time_is_kept_each_time(tmp_path: Path) -> None:
    log = AlertLog(tmp_path / "alerts.jsonl")
    assert all(log.tell(alert("run failed"), once=False) for _ in range(3))
    assert log.recent(2) == [alert("run failed")] * 2


def test_a_torn_line_hides_no_other_alert(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    log = AlertLog(path)
    log.tell(alert())
    path.write_text(path.read_text() + '{"at": "2026-\n', encoding="utf-8")
    log.tell(alert("run failed"))
    assert [one.kind for one in log.recent()] == ["token dead", "run failed"]


def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    AlertLog(path).tell(alert())
    assert path.stat().st_mode & 0o777 == 0o600
