"""The session sensor's decision, minute by minute, from a Sunday in Diwali to a worker killed at 15:39."""

from datetime import date, datetime, timedelta

import pytest

from g6_assets.decide import (
    Action,
    HeartbeatFact,
    RunFact,
    RunState,
    decide_seal,
    decide_session,
    max_runtime,
)
from g6_market.calendar import IST, TradingCalendar

CALENDAR = TradingCalendar.load()
FRIDAY = date(2026, 11, 20)
SYSTEM = datetime(2026, 11, 22, 12, 0, tzinfo=IST)


def at(clock: str, day: date = FRIDAY) -> datetime:
    hour, minute, *second = (int(part) for part in clock.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, *second, tzinfo=IST)


def run(state: RunState = RunState.ACTIVE, attempt: int = 1, asked_ago: float = 3600, run_id: str = "r1") -> RunFact:
    return RunFact(run_id, state, attempt, SYSTEM - timedelta(seconds=asked_ago))


def beat(
    age: float = 2, attempt: int = 1, day: date = FRIDAY, run_id: str = "r1", ended: bool = False
) -> HeartbeatFact:
    return HeartbeatFact(day, attempt, run_id, age, ended)


def decide(now: datetime, runs=(), heartbeat=None, finished=False, resumed_at=None, **more):
    return decide_session(
        now=now,
        system_now=SYSTEM,
        today=CALENDAR.on(now.date()),
        next_session=CALENDAR.next_session(now),
        runs=list(runs),
        heartbeat=heartbeat,
        finished=finished,
        resumed_at=resumed_at,
        **more,
    )


OPERATOR = SYSTEM - timedelta(seconds=60)

CASES = [
    # (what, now, facts, action, words in the reason)
    ("a Sunday in Diwali", at("10:00", date(2026, 11, 8)), {}, Action.SKIP, "hours"),
    ("a plain Sunday", at("10:00", date(2026, 11, 22)), {}, Action.SKIP, "next session Mon 2026-11-23 09:15 IST"),
    ("a holiday names itself", at("10:00", date(2026, 11, 24)), {}, Action.SKIP, "next session Wed 2026-11-25"),
    ("a budget Sunday is open", at("09:06", date(2026, 2, 1)), {}, Action.START, "due"),
    ("deep in the night", at("02:00"), {}, Action.SKIP, "starts at 09:05"),
    ("a minute early", at("09:04:59"), {}, Action.SKIP, "starts at 09:05"),
    ("on time", at("09:05"), {}, Action.START, "due"),
    ("at the open", at("09:15"), {}, Action.START, "due"),
    ("a late start", at("13:37"), {}, Action.START, "due"),
    ("a minute before the close", at("15:39"), {}, Action.START, "due"),
    ("at the close", at("15:40"), {}, Action.SKIP, "closed at 15:40"),
    ("the old regime closed at 15:30", at("15:31", date(2026, 7, 31)), {}, Action.SKIP, "closed at 15:30"),
    ("after the close", at("18:00"), {}, Action.SKIP, "next session Mon 2026-11-23"),
    ("finished early", at("15:20"), {"finished": True}, Action.SKIP, "complete"),
    ("alive", at("11:00"), {"runs": [run()], "heartbeat": beat()}, Action.SKIP, "heartbeat 2 s ago"),
    ("alive, nearly stale", at("11:00"), {"runs": [run()], "heartbeat": beat(20)}, Action.SKIP, "runs"),
    ("stale", at("11:00"), {"runs": [run()], "heartbeat": beat(21)}, Action.RELAUNCH, "21 s old"),
    ("asked for just now", at("09:05"), {"runs": [run(asked_ago=5)]}, Action.SKIP, "starting"),
    ("asked for long ago, never beat", at("09:07"), {"runs": [run(asked_ago=91)]}, Action.RELAUNCH, "missing"),
    (
        "yesterday's heartbeat does not count",
        at("09:06"),
        {"runs": [run(asked_ago=10)], "heartbeat": beat(50_000, day=date(2026, 11, 19), run_id="r0", ended=True)},
        Action.SKIP,
        "starting",
    ),
    (
        "a new attempt is starting while the old heartbeat is stale",
        at("11:00"),
        {"runs": [run(RunState.FAILED), run(attempt=2, asked_ago=5, run_id="r2")], "heartbeat": beat(40)},
        Action.SKIP,
        "starting",
    ),
    (
        "a worker that beat and was killed is not granted the time of a start",
        at("15:39"),
        {"runs": [run(asked_ago=30)], "heartbeat": beat(25)},
        Action.RELAUNCH,
        "does not live",
    ),
    (
        "failed",
        at("11:00"),
        {"runs": [run(RunState.FAILED)], "heartbeat": beat(60)},
        Action.RELAUNCH,
        "no run is active",
    ),
    ("failed twice", at("11:00"), {"runs": [run(RunState.FAILED), run(RunState.FAILED, 2)]}, Action.RELAUNCH, ""),
    ("cancelled", at("11:00"), {"runs": [run(RunState.CANCELED)], "heartbeat": beat(60)}, Action.SKIP, "cancelled"),
    ("being cancelled", at("11:00"), {"runs": [run(RunState.CANCELING)], "heartbeat": beat(60)}, Action.SKIP, "being"),
    (
        "cancelled, then resumed",
        at("11:00"),
        {"runs": [run(RunState.CANCELED, asked_ago=600)], "resumed_at": OPERATOR},
        Action.RELAUNCH,
        "no run is active",
    ),
    (
        "resumed, then cancelled again",
        at("11:00"),
        {"runs": [run(RunState.CANCELED, asked_ago=30)], "resumed_at": OPERATOR},
        Action.SKIP,
        "cancelled",
    ),
    (
        "cancelled, then launched by hand",
        at("11:00"),
        {
            "runs": [run(RunState.CANCELED), run(attempt=2, asked_ago=30, run_id="r2")],
            "heartbeat": beat(3, 2, run_id="r2"),
        },
        Action.SKIP,
        "attempt 2",
    ),
    (
        "a launch by hand that failed is relaunched",
        at("11:00"),
        {"runs": [run(RunState.CANCELED), run(RunState.FAILED, 2, 30, "r2")], "heartbeat": beat(30, 2, run_id="r2")},
        Action.RELAUNCH,
        "attempt 2",
    ),
    (
        "a heartbeat torn just now",
        at("11:00"),
        {"runs": [run()], "garbled_seconds": 3.0},
        Action.SKIP,
        "cannot be read",
    ),
    ("torn long ago", at("11:00"), {"runs": [run()], "garbled_seconds": 21.0}, Action.RELAUNCH, "missing"),
    ("torn tomorrow", at("11:00"), {"runs": [run()], "garbled_seconds": -5.0}, Action.RELAUNCH, "missing"),
    ("torn, and no run", at("11:00"), {"garbled_seconds": 3.0}, Action.START, "due"),
    ("no room to start", at("11:00"), {"obstacle": "the disk is full"}, Action.SKIP, "due, but the disk is full"),
    (
        "no room to start again",
        at("11:00"),
        {"runs": [run(RunState.FAILED)], "obstacle": "the disk is full"},
        Action.SKIP,
        "due, but the disk is full",
    ),
    (
        "silent, and no room for a successor",
        at("11:00"),
        {"runs": [run()], "heartbeat": beat(60), "obstacle": "the disk is full"},
        Action.SKIP,
        "60 s old, but the disk is full",
    ),
    (
        "alive where the room runs out",
        at("11:00"),
        {"runs": [run()], "heartbeat": beat(), "obstacle": "the disk is full"},
        Action.SKIP,
        "heartbeat 2 s ago",
    ),
    ("ended by success but not whole", at("11:00"), {"runs": [run(RunState.SUCCEEDED)]}, Action.RELAUNCH, "succeeded"),
    (
        "Muhurat of 2025",
        at("13:40", date(2025, 10, 21)),
        {},
        Action.START,
        "due",
    ),
]


@pytest.mark.parametrize(("now", "facts", "action", "words"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_the_session_is_started_relaunched_or_left_alone(now, facts, action, words) -> None:
    decision = decide(now, **facts)
    assert (decision.action, words in decision.reason) == (action, True), decision


def test_a_relaunch_gives_up_the_silent_run_and_takes_the_next_attempt() -> None:
    decision = decide(at("11:00"), runs=[run(attempt=3)], heartbeat=beat(60, attempt=3))
    assert (decision.give_up, decision.attempt) == (("r1",), 4)


def test_the_attempt_counts_on_from_the_heartbeat_when_the_runs_are_pruned() -> None:
    assert decide(at("11:00"), heartbeat=beat(60, attempt=5)).attempt == 6


@pytest.mark.parametrize(("now", "minutes"), [("09:05", 395 + 15), ("15:39", 1 + 15)])
def test_a_run_may_live_until_a_quarter_of_an_hour_after_the_close(now: str, minutes: int) -> None:
    assert max_runtime(at(now), CALENDAR.session(FRIDAY)) == timedelta(minutes=minutes)


SEALED = {FRIDAY: CALENDAR.session(FRIDAY)}


def seal(now: datetime, runs=(), alive=False, days=SEALED):
    return decide_seal(now=now, system_now=SYSTEM, unsealed=days, runs={FRIDAY: list(runs)}, session_alive=alive)


def test_a_day_is_sealed_five_minutes_after_its_close() -> None:
    assert seal(at("15:44"))[0] is None
    assert seal(at("15:45"))[0] == FRIDAY


def test_a_day_is_not_sealed_while_its_session_or_its_seal_runs() -> None:
    assert "session" in seal(at("15:46"), alive=True)[1].reason
    assert "runs" in seal(at("15:46"), runs=[run()])[1].reason


def test_a_seal_that_failed_three_times_asks_for_a_person() -> None:
    failed = [run(RunState.FAILED, asked_ago=1000) for _ in range(3)]
    day, decision = seal(at("17:00"), runs=failed)
    assert day is None
    assert "g6 seal 2026-11-20" in decision.reason


def test_a_failed_seal_is_tried_again_after_five_minutes() -> None:
    assert seal(at("17:00"), runs=[run(RunState.FAILED, asked_ago=60)])[0] is None
    assert seal(at("17:00"), runs=[run(RunState.FAILED, asked_ago=301)])[0] == FRIDAY


def test_the_oldest_unsealed_day_goes_first() -> None:
    thursday = date(2026, 11, 19)
    assert seal(at("17:00"), days={**SEALED, thursday: CALENDAR.session(thursday)})[0] == thursday
