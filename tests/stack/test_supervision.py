"""A session under a real daemon: it starts by itself and survives what kills workers; a cancel stands.

The tests of this module are one story, told in order on one stack.
"""

import os
import signal

import pytest

from g6_market.schema import SNAPSHOTS
from tests.stack.conftest import Stack, wait_for

pytestmark = pytest.mark.slow

TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename } }"""
TICKS = """{ sensorOrError(sensorSelector: {repositoryLocationName: "g6", repositoryName: "__repository__",
  sensorName: "market_hours"}) { ... on Sensor { sensorState { ticks(limit: 3) { status skipReason runIds } } } } }"""


def stored(stack: Stack, day) -> list[str]:
    return stack.lake.live_names(SNAPSHOTS, day)


def test_a_session_starts_by_itself_and_stores_snapshots(stack: Stack) -> None:
    beat = wait_for("a capturing session", lambda: stack.beating(1), 120)
    assert beat.attempt == 1
    wait_for("three snapshots", lambda: len(stored(stack, beat.trade_date)) >= 3, 40)


def test_a_killed_worker_is_replaced_within_a_minute_and_leaves_no_duplicate(stack: Stack) -> None:
    first = wait_for("a capturing session", lambda: stack.beating(1), 60)
    before = len(stored(stack, first.trade_date))
    os.kill(first.pid, signal.SIGKILL)
    second = wait_for("a second attempt that captures", lambda: stack.beating(first.attempt + 1), 60)
    wait_for("a snapshot of the second attempt", lambda: len(stored(stack, first.trade_date)) > before, 30)
    rows = stack.lake.read(SNAPSHOTS, second.trade_date)
    assert not rows.duplicated(["snapshot_at", "underlying", "expiry"]).any()
    assert set(rows["attempt"]) == {first.attempt, second.attempt}
    run = stack.instance().get_run_by_id(first.run_id)
    assert run is not None
    assert run.status.value == "FAILURE"


def test_the_hole_is_a_gap_whose_cause_is_that_the_process_was_down(stack: Stack) -> None:
    beat = wait_for("a capturing session", lambda: stack.beating(2), 60)
    gaps = stack.g6("sql", "select distinct cause from gaps order by 1", "--format", "csv", "--world", "sim:7")
    assert "process down" in gaps
    assert beat.attempt >= 2


def test_a_stopped_worker_is_killed_and_replaced_within_a_minute(stack: Stack) -> None:
    stopped = wait_for("a capturing session", lambda: stack.beating(2), 60)
    os.kill(stopped.pid, signal.SIGSTOP)
    wait_for("the next attempt that captures", lambda: stack.beating(stopped.attempt + 1), 60)
    with pytest.raises(ProcessLookupError):
        os.kill(stopped.pid, 0)
    run = stack.instance().get_run_by_id(stopped.run_id)
    assert run is not None
    assert run.status.value == "FAILURE"


def test_a_cancelled_session_stays_cancelled_until_it_is_resumed(stack: Stack) -> None:
    beat = wait_for("a capturing session", lambda: stack.beating(3), 60)
    stack.graphql(TERMINATE, {"id": beat.run_id})

    def cancelled() -> bool:
        run = stack.instance().get_run_by_id(beat.run_id)
        return run is not None and run.status.value == "CANCELED"

    wait_for("the run to be cancelled", cancelled, 30)

    def respected() -> bool:
        ticks = stack.graphql(TICKS)["sensorOrError"]["sensorState"]["ticks"]
        reasons = [tick["skipReason"] or "" for tick in ticks]
        return len(reasons) >= 2 and all("cancelled by an operator" in reason for reason in reasons[:2])

    wait_for("two ticks that respect the cancel", respected, 60)
    assert stack.beating(beat.attempt + 1) is None
    stack.g6("session", "resume", "--world", "sim:7")
    wait_for("a session after the resume", lambda: stack.beating(beat.attempt + 1), 60)
