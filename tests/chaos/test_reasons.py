"""What may be missing is decided by what was injected at that instant, and by nothing else."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from g6.chaos.history import Attempt, History
from g6.chaos.process import Outcome
from g6.chaos.reasons import Reasons
from g6.chaos.script import Jump, Script, SlowDisk, TokenDeath, Window
from g6.chaos.world import SMALL
from g6_market.calendar import IST, TradingCalendar

SESSION = TradingCalendar.load().session(datetime(2026, 11, 20, tzinfo=IST).date())
FIRST = SESSION.open - timedelta(minutes=10)


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-20T{clock}+05:30")


def fault(kind: str, since: str, until: str, **more: object) -> dict[str, object]:
    return {"kind": kind, "from": at(since).isoformat(), "to": at(until).isoformat(), **more}


def reasons(*attempts: tuple[str, str, str], **troubles: Any) -> Reasons:
    """Return the reasons of a day with attempts that opened, ended, and how."""
    history = History()
    for number, (opened, ended, how) in enumerate(attempts, start=1):
        told = {"opened": at(opened).isoformat()}
        history.add(Attempt(number, at(opened), at(ended), Outcome(how, told), None))
    return Reasons(Script(1, 0, SESSION, FIRST, **troubles), SMALL, history)


@pytest.mark.parametrize(
    ("broker", "allowed"),
    [
        ([], set()),
        ([fault("reset", "10:59:00", "11:30:00")], {"network"}),
        ([fault("reset", "10:59:00", "11:00:30")], set()),  # the retries outlive it
        ([fault("reset", "10:59:00", "11:30:00", count=3)], set()),
        (
            [fault("reset", "10:59:00", "11:00:44"), fault("html", "10:59:00", "11:30:00", count=3)],
            {"network", "bad answer"},
        ),
        ([fault("reset", "10:59:00", "11:30:00", match="/instruments")], set()),
        (
            [fault("reset", "10:59:00", "11:30:00"), fault("html", "10:59:00", "11:30:00", count=1)],
            {"network", "bad answer"},
        ),
        ([fault("absent", "10:59:00", "11:30:00")], {"absent in answer", "bad answer"}),
        ([fault("server_error", "10:59:00", "11:30:00", status=502)], {"server error", "bad answer"}),
        ([fault("stale", "11:05:00", "11:30:00")], set()),
    ],
)
def test_a_broker_s_fault_is_a_reason_while_it_outlasts_the_retries(broker: list[Any], allowed: set[str]):
    assert reasons(("09:05:00", "15:40:00", "well"), broker=tuple(broker)).causes(at("11:00:00")) == allowed


def test_a_dead_token_is_a_reason_until_the_login():
    found = reasons(token_deaths=(TokenDeath(at("11:02:00"), at("11:31:00")),))
    assert [found.causes(at(clock)) for clock in ("11:00:00", "11:05:00", "11:30:00", "11:35:00")] == [
        set(),
        {"token dead"},
        {"token dead"},
        set(),
    ]


def test_what_died_within_a_snapshot_may_have_interrupted_it():
    found = reasons(("09:05:00", "11:00:10", "killed"))
    assert "interrupted" in found.causes(at("11:00:00"))
    assert found.causes(at("10:55:00")) == set()


def test_a_slow_disk_or_a_lid_makes_a_snapshot_late():
    slow = reasons(slow_disk=(SlowDisk(Window(at("10:58:00"), at("11:02:00")), 9.0),))
    jump = reasons(jumps=(Jump(at("10:41:00"), 1500.0, 1),))
    assert "late" in slow.causes(at("11:00:00"))
    assert "late" in jump.causes(at("11:00:00"))
    assert "late" not in jump.causes(at("11:30:00"))


def test_a_session_that_opened_while_a_snapshot_was_due_may_be_late_for_some_of_its_calls():
    found = reasons(("09:05:00", "10:58:00", "killed"), ("11:01:14", "15:40:00", "well"))
    assert found.causes(at("11:00:00")) == {"late"}
    assert found.causes(at("11:05:00")) == set()


def test_a_snapshot_without_a_row_needs_a_process_that_was_down():
    found = reasons(("09:05:00", "10:58:00", "killed"), ("11:03:00", "15:40:00", "well"))
    assert found.down(at("11:00:00"))
    assert not found.down(at("10:55:00"))
    assert not found.down(at("11:05:00"))
    assert not found.down(at("15:40:00"))
