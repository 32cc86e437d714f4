"""A session under a real daemon: it starts by itself and survives what kills processes; a cancel stands.

The tests of this module are one story, told in order on one stack. The real seconds from each kill until the next
snapshot is stored stand in the summary of the test run.
"""

import json
import os
import signal
from datetime import date
from typing import Any

import pytest
import requests

from g6_market.schema import QUOTES, SNAPSHOTS
from g6_resources.clock import SystemTime
from g6_resources.heartbeat import Heartbeat, process_matches
from tests.stack.conftest import Record, Stack, wait_for

pytestmark = pytest.mark.slow

# One more than the interval of this world, and the most that any recovery may take.
NEXT_DUE, RECOVERED = 6, 60
TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename } }"""
TICKS = """{ sensorOrError(sensorSelector: {repositoryLocationName: "g6", repositoryName: "__repository__",
  sensorName: "market_hours"}) { ... on Sensor { sensorState { ticks(limit: 3) { status skipReason runIds timestamp } }
  } } }"""
RUNS = """{ runsOrError(filter: {pipelineName: "session_job"}) { ... on Runs { results { id status } } } }"""
LIVE = """{ assetOrError(assetKey: {path: ["NIFTY", "live"]}) { ... on Asset { assetObservations(limit: 1) {
  timestamp metadataEntries { label } } } } }"""


def stored(stack: Stack, day: date) -> list[str]:
    return stack.lake.live_names(QUOTES, day)


def capturing(stack: Stack, attempt: int = 1) -> Heartbeat:
    return wait_for(f"attempt {attempt} or later that captures", lambda: stack.beating(attempt), RECOVERED)


def next_snapshot(stack: Stack, beat: Heartbeat, record: Record, seconds: float, *, attempt: int = 0) -> Heartbeat:
    """Wait for the next snapshot, by an attempt of at least this number, and record how long it took."""
    system = SystemTime()
    since, before = system.monotonic(), len(stored(stack, beat.trade_date))
    if attempt:
        beat = wait_for("the next attempt", lambda: stack.beating(attempt), seconds)
    wait_for("a snapshot", lambda: len(stored(stack, beat.trade_date)) > before, seconds)
    took = system.monotonic() - since
    record("seconds to the next snapshot", took)
    assert took <= seconds
    return beat


def status_of(stack: Stack, run_id: str) -> str:
    run = stack.instance().get_run_by_id(run_id)
    assert run is not None
    return run.status.value


def statuses(stack: Stack) -> dict[str, str]:
    """What the page of runs shows, by run."""
    return {run["id"]: run["status"] for run in stack.graphql(RUNS)["runsOrError"]["results"]}


def assert_one_session(stack: Stack, beat: Heartbeat) -> None:
    """The pages show the run that beats as the only one that runs, and no instant is stored twice."""
    shown = statuses(stack)
    assert [run for run, status in shown.items() if status == "STARTED"] == [beat.run_id]
    assert set(shown.values()) <= {"STARTED", "FAILURE", "CANCELED"}
    for table in (QUOTES, SNAPSHOTS):
        rows = stack.lake.read(table, beat.trade_date)
        assert not rows.duplicated(list(table.key)).any()


def ticks(stack: Stack) -> list[dict[str, Any]]:
    return stack.graphql(TICKS)["sensorOrError"]["sensorState"]["ticks"]


def test_a_session_starts_by_itself_and_stores_snapshots(stack: Stack) -> None:
    beat = wait_for("a capturing session", lambda: stack.beating(1), 120)
    assert beat.attempt == 1
    wait_for("three snapshots", lambda: len(stored(stack, beat.trade_date)) >= 3, 40)


def test_a_killed_worker_is_replaced_within_a_minute_and_leaves_no_duplicate(stack: Stack, record: Record) -> None:
    first = capturing(stack)
    os.kill(first.pid, signal.SIGKILL)
    second = next_snapshot(stack, first, record, RECOVERED, attempt=first.attempt + 1)
    rows = stack.lake.read(SNAPSHOTS, second.trade_date)
    assert set(rows["attempt"]) == {first.attempt, second.attempt}
    assert status_of(stack, first.run_id) == "FAILURE"
    assert_one_session(stack, second)


def test_the_hole_is_a_gap_whose_cause_is_that_the_process_was_down(stack: Stack) -> None:
    beat = capturing(stack, 2)
    gaps = stack.g6("sql", "select distinct cause from gaps order by 1", "--format", "csv", "--world", "sim:7")
    assert "process down" in gaps
    assert beat.attempt >= 2


def test_a_stopped_worker_is_killed_and_replaced_within_a_minute(stack: Stack, record: Record) -> None:
    stopped = capturing(stack, 2)
    os.kill(stopped.pid, signal.SIGSTOP)
    beat = next_snapshot(stack, stopped, record, RECOVERED, attempt=stopped.attempt + 1)
    assert not process_matches(stopped)
    assert status_of(stack, stopped.run_id) == "FAILURE"
    assert_one_session(stack, beat)


def test_a_worker_that_wakes_up_after_it_was_given_up_writes_nothing_more(stack: Stack, record: Record) -> None:
    asleep = capturing(stack, 3)
    os.kill(asleep.pid, signal.SIGSTOP)
    # As if it were on another machine: nobody here can kill it.
    content = json.loads(stack.root.heartbeat_file.read_bytes())
    stack.root.heartbeat_file.write_text(json.dumps(content | {"host": "another", "boot": "another"}))
    beat = next_snapshot(stack, asleep, record, RECOVERED, attempt=asleep.attempt + 1)
    assert process_matches(asleep)
    os.kill(asleep.pid, signal.SIGCONT)
    wait_for("the worker to find itself fenced out", lambda: not process_matches(asleep), 30)
    assert status_of(stack, asleep.run_id) == "FAILURE"
    assert_one_session(stack, beat)
    # Its last row is of before its successor's first.
    attempts = stack.lake.read(SNAPSHOTS, beat.trade_date).groupby("attempt")["snapshot_at"]
    assert attempts.max()[asleep.attempt] < attempts.min()[beat.attempt]


def test_a_worker_that_is_told_to_end_leaves_whole_files_within_five_seconds(stack: Stack, record: Record) -> None:
    told = capturing(stack, 4)
    system = SystemTime()
    since = system.monotonic()
    os.kill(told.pid, signal.SIGTERM)
    wait_for("the worker to leave", lambda: not process_matches(told), 5)
    record("seconds to leave", system.monotonic() - since)
    beat = next_snapshot(stack, told, record, RECOVERED, attempt=told.attempt + 1)
    # Nobody asked Dagster for it, so it is no cancel: a successor was started.
    assert status_of(stack, told.run_id) == "FAILURE"
    assert_one_session(stack, beat)


def test_without_its_code_server_the_session_goes_on_and_a_worker_that_dies_then_leaves_no_zombie(
    stack: Stack, record: Record
) -> None:
    orphan = capturing(stack, 5)
    stack.kill("code")
    next_snapshot(stack, orphan, record, NEXT_DUE)
    os.kill(orphan.pid, signal.SIGKILL)
    assert status_of(stack, orphan.run_id) == "STARTED"  # nobody is left to tell Dagster
    stack.start("code")
    beat = next_snapshot(stack, orphan, record, RECOVERED, attempt=orphan.attempt + 1)
    assert status_of(stack, orphan.run_id) == "FAILURE"
    assert_one_session(stack, beat)


def test_without_the_daemon_the_session_goes_on_and_its_return_starts_no_second_one(
    stack: Stack, record: Record
) -> None:
    beat = capturing(stack, 6)
    stack.kill("daemon")
    next_snapshot(stack, beat, record, NEXT_DUE)
    before = ticks(stack)[0]["timestamp"]
    stack.start("daemon")

    def two_ticks() -> list[str]:
        new = [tick["skipReason"] or "" for tick in ticks(stack) if tick["timestamp"] > before and tick["skipReason"]]
        return new if len(new) >= 2 else []

    assert all("runs (attempt" in reason for reason in wait_for("two ticks", two_ticks, RECOVERED))
    assert capturing(stack).run_id == beat.run_id
    assert_one_session(stack, beat)


def test_without_the_webserver_the_session_goes_on_and_the_pages_come_back_true(stack: Stack, record: Record) -> None:
    beat = capturing(stack, 6)
    stack.kill("web")
    next_snapshot(stack, beat, record, NEXT_DUE)
    stack.start("web")

    def shown() -> dict[str, Any]:
        try:
            return stack.graphql(LIVE)["assetOrError"]
        except requests.RequestException:
            return {}

    live = wait_for("the pages", shown, RECOVERED)
    labels = {entry["label"] for entry in live["assetObservations"][0]["metadataEntries"]}
    assert {"spot", "front ATM IV %"} <= labels
    assert_one_session(stack, beat)


def test_a_cancelled_session_stays_cancelled_until_it_is_resumed(stack: Stack, record: Record) -> None:
    beat = capturing(stack, 6)
    system = SystemTime()
    since = system.monotonic()
    stack.graphql(TERMINATE, {"id": beat.run_id})
    wait_for("the worker to leave", lambda: not process_matches(beat), 5)
    record("seconds to leave", system.monotonic() - since)
    wait_for("the run to be cancelled", lambda: status_of(stack, beat.run_id) == "CANCELED", 30)

    def respected() -> bool:
        reasons = [tick["skipReason"] or "" for tick in ticks(stack)]
        return len(reasons) >= 2 and all("cancelled by an operator" in reason for reason in reasons[:2])

    wait_for("two ticks that respect the cancel", respected, 60)
    assert stack.beating(beat.attempt + 1) is None
    stack.g6("session", "resume", "--world", "sim:7")
    resumed = next_snapshot(stack, beat, record, RECOVERED, attempt=beat.attempt + 1)
    assert_one_session(stack, resumed)
