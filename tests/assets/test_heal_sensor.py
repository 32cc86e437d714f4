"""When a sealed day is healed and sealed again: the oldest first, once an hour, only with a token."""

from datetime import date, datetime, timedelta

import pytest

from g6_assets.decide import Action, RunFact, RunState
from g6_assets.heal_sensor import decide_heal
from g6_market.calendar import IST

THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
SYSTEM = datetime(2026, 11, 22, 12, 0, tzinfo=IST)
LEGS = "1,200 missing legs that candles were not asked for"


def run(minutes_ago: float, state: RunState = RunState.SUCCEEDED) -> RunFact:
    return RunFact("r", state, 0, SYSTEM - timedelta(minutes=minutes_ago))


def decide(days=(THURSDAY, FRIDAY), runs=None, no_token=None):
    return decide_heal(system_now=SYSTEM, wanting=dict.fromkeys(days, LEGS), runs=runs or {}, no_token=no_token)


CASES = [
    ("nothing is missing", {"days": ()}, None, "nothing of the last 5 sessions is left to heal"),
    ("the oldest first", {}, THURSDAY, f"2026-11-19: {LEGS}"),
    ("no token", {"no_token": "run `g6 login`"}, None, "2026-11-19, 2026-11-20 could be healed, but run `g6 login`"),
    ("a seal runs", {"runs": {THURSDAY: [run(200, RunState.ACTIVE)]}}, FRIDAY, f"2026-11-20: {LEGS}"),
    ("a seal is cancelled", {"runs": {THURSDAY: [run(200, RunState.CANCELING)]}}, FRIDAY, "2026-11-20"),
    ("tried 59 minutes ago", {"days": (FRIDAY,), "runs": {FRIDAY: [run(59)]}}, None, "next try from 12:01 IST"),
    ("tried an hour ago", {"days": (FRIDAY,), "runs": {FRIDAY: [run(60)]}}, FRIDAY, f"2026-11-20: {LEGS}"),
    ("failed a while ago", {"days": (FRIDAY,), "runs": {FRIDAY: [run(61, RunState.FAILED)]}}, FRIDAY, "2026-11-20"),
    ("the last try counts", {"days": (FRIDAY,), "runs": {FRIDAY: [run(300), run(30)]}}, None, "next try from 12:30"),
    ("all rest", {"runs": {THURSDAY: [run(1)], FRIDAY: [run(2)]}}, None, "next try from 12:59 IST; 2026-11-20"),
]


@pytest.mark.parametrize(("facts", "day", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_decision(facts, day: date | None, words: str) -> None:
    chosen, decision = decide(**facts)
    assert chosen == day
    assert decision.action is (Action.SKIP if day is None else Action.START)
    assert words in decision.reason


def test_each_try_has_a_number_of_its_own() -> None:
    _, decision = decide((FRIDAY,), {FRIDAY: [run(300), run(90)]})
    assert decision.attempt == 3
