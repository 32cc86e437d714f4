"""The sensors and the schedule on real worlds: what they ask for, why they do not, and whom they kill.

When to do what is a pure function, tested by the minute in tests/assets/test_decide.py.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from g6_assets.definitions import build_resources
from g6_assets.jobs import SEAL_JOB, SESSION_JOB
from g6_assets.schedules import morning
from g6_assets.sensors import after_close, market_hours
from g6_market.calendar import Closed, TradingCalendar
from g6_market.schema import SNAPSHOTS, empty_frame
from g6_resources.clock import SystemTime
from g6_resources.heartbeat import HeartbeatFile, process_started
from g6_resources.lake import Lake, LocalStore
from g6_resources.settings import load_settings
from g6_resources.world import DataRoot
from tests.dagster_defs.conftest import at, make_world

DAY = date(2026, 10, 1)  # a Thursday; the 2nd is a holiday, so the next session is on Monday the 5th
Tick = dg.RunRequest | dg.SkipReason


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def standing(tmp_path: Path) -> Callable[..., DataRoot]:
    """Make a world whose market clock stands at an instant now and runs at real speed."""

    def make(instant: datetime, **more: Any) -> DataRoot:
        clock = {"mode": "shifted", "offset": instant - SystemTime().now()}
        return make_world(tmp_path / "data", "sim:3", clock, **more)

    return make


def tick(sensor: dg.SensorDefinition, root: DataRoot, instance: dg.DagsterInstance) -> Tick:
    """Evaluate a sensor with the resources that it gets from the definitions."""
    built = build_resources(load_settings(root.path / "g6_config.json"), root)
    resources = {name: built[name] for name in sensor.required_resource_keys}
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        result = sensor(context)
    assert isinstance(result, Tick)
    return result


def skipped(result: Tick) -> str:
    assert isinstance(result, dg.SkipReason), result
    return result.skip_message or ""


def requested(result: Tick) -> dg.RunRequest:
    assert isinstance(result, dg.RunRequest), result
    return result


def put_run(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    job: str = SESSION_JOB,
    attempt: int = 1,
    day: date = DAY,
    asked_ago: float = 0,
) -> str:
    tags = {"dagster/partition": day.isoformat(), "g6/attempt": str(attempt)}
    # Only a run with the address of its code may be queued, and Dagster has no public name for one.
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("g6"), "__repository__"), job)
    run = dg.DagsterRun(job_name=job, status=status, tags=tags, remote_job_origin=origin)
    asked_at = SystemTime().now().astimezone(UTC) - timedelta(seconds=asked_ago)
    return instance.run_storage.add_historical_run(run, asked_at).run_id


def beat_of(root: DataRoot, run_id: str, process: int, age: float, attempt: int = 1) -> None:
    """Write the heartbeat that the process would have written so many seconds ago."""
    file = HeartbeatFile(root.heartbeat_file, SystemTime())
    file.write(market_time=at(DAY, "10:00"), run_id=run_id, trade_date=DAY, attempt=attempt, state="capturing")
    content = json.loads(root.heartbeat_file.read_bytes())
    content |= {
        "pid": process,
        "pid_started": process_started(process),
        "uptime_seconds": SystemTime().monotonic() - age,
    }
    root.heartbeat_file.write_text(json.dumps(content))


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield process
    process.kill()
    process.wait()


# ---------------------------------------------------------------- the session
def test_a_due_session_is_asked_for_once_with_its_day_and_attempt(standing, instance) -> None:
    run = requested(tick(market_hours, standing(at(DAY, "09:06")), instance))
    assert (run.partition_key, run.run_key) == ("2026-10-01", "session:2026-10-01:1")
    assert {name: value for name, value in run.tags.items() if name.startswith("g6/")} == {
        "g6/session": "2026-10-01",
        "g6/attempt": "1",
    }


def test_dagster_itself_ends_a_run_that_outlives_its_session(standing, instance) -> None:
    run = requested(tick(market_hours, standing(at(DAY, "15:30")), instance))
    assert 600 + 900 - 30 < int(run.tags["dagster/max_runtime"]) <= 600 + 900


@pytest.mark.parametrize(
    ("instant", "reason"),
    [
        (at(DAY, "08:10"), "the session of 2026-10-01 starts at 09:05 IST; it opens at 09:15"),
        (at(DAY, "15:50"), "market closed at 15:40 IST: what of 2026-10-01 was not captured is in gaps; next session "
         "Mon 2026-10-05 09:15 IST"),
        (at(date(2026, 10, 2), "10:00"), "market closed: holiday: Mahatma Gandhi Jayanti; next session Mon 2026-10-05 "
         "09:15 IST"),
        (at(date(2026, 10, 3), "10:00"), "market closed: Saturday; next session Mon 2026-10-05 09:15 IST"),
        (at(date(2026, 10, 4), "23:00"), "market closed: Sunday; next session Mon 2026-10-05 09:15 IST"),
    ],
)  # fmt: skip
def test_a_skip_says_why_the_market_is_closed_and_when_it_opens(standing, instance, instant, reason) -> None:
    assert skipped(tick(market_hours, standing(instant), instance)) == reason


def test_a_special_session_whose_hours_nobody_published_is_skipped_and_says_so(standing, instance) -> None:
    reason = skipped(tick(market_hours, standing(at(date(2026, 11, 8), "18:05")), instance))
    assert reason.startswith("market closed: hours unknown: a muhurat session was announced without hours")
    assert reason.endswith("next session Mon 2026-11-09 09:15 IST")


def test_the_special_sunday_of_the_budget_is_a_session(standing, instance) -> None:
    run = requested(tick(market_hours, standing(at(date(2026, 2, 1), "09:10")), instance))
    assert run.partition_key == "2026-02-01"


def test_a_driven_world_starts_nothing_by_itself(tmp_path, instance) -> None:
    root = make_world(tmp_path / "data", "sim:3", {"mode": "driven", "now": at(DAY, "10:00")})
    for sensor in (market_hours, after_close):
        assert "driven by `g6 demo`" in skipped(tick(sensor, root, instance))


def test_the_live_world_follows_the_calendar_and_the_systems_time(tmp_path, instance) -> None:
    result = tick(market_hours, make_world(tmp_path / "data", "live"), instance)
    now = SystemTime().now()
    today = TradingCalendar.load().on(now.date())
    if isinstance(today, Closed):
        assert today.reason in skipped(result)
    elif today.open - timedelta(minutes=9) <= now <= today.close - timedelta(minutes=1):
        assert requested(result).partition_key == now.date().isoformat()
    elif not today.open - timedelta(minutes=11) <= now <= today.close + timedelta(minutes=1):
        assert "IST" in skipped(result)


@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ],
)
def test_a_run_that_was_just_asked_for_is_waited_for(standing, instance, status) -> None:
    put_run(instance, status)
    reason = skipped(tick(market_hours, standing(at(DAY, "10:00")), instance))
    assert reason.startswith("the session of 2026-10-01 was asked for")
    assert reason.endswith("s ago and is starting")


def test_the_machines_time_zone_makes_no_run_older(standing, instance, monkeypatch) -> None:
    root = standing(at(DAY, "10:00"))
    put_run(instance, dg.DagsterRunStatus.STARTED, asked_ago=80)
    try:
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        assert "was asked for 80 s ago and is starting" in skipped(tick(market_hours, root, instance))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_run_that_beats_is_left_alone(standing, instance, worker) -> None:
    root = standing(at(DAY, "10:00"))
    beat_of(root, put_run(instance, dg.DagsterRunStatus.STARTED), worker.pid, age=3)
    assert "runs (attempt 1, heartbeat 3 s ago)" in skipped(tick(market_hours, root, instance))
    assert worker.poll() is None


def test_a_silent_session_is_killed_reported_and_launched_again_as_the_next_attempt(standing, instance, worker) -> None:
    root = standing(at(DAY, "10:00"))
    silent = put_run(instance, dg.DagsterRunStatus.STARTED)
    beat_of(root, silent, worker.pid, age=61)
    run = requested(tick(market_hours, root, instance))
    assert (run.run_key, run.tags["g6/attempt"]) == ("session:2026-10-01:2", "2")
    assert worker.wait(timeout=10) == -signal.SIGKILL
    given_up = instance.get_run_by_id(silent)
    assert given_up is not None
    assert given_up.status is dg.DagsterRunStatus.FAILURE
    (said,) = [entry.message for entry in instance.all_logs(silent, of_type=dg.DagsterEventType.RUN_FAILURE)]
    assert "heartbeat of 2026-10-01 is 61 s old" in said
    assert "its process was killed" in said


def test_a_stopped_worker_is_killed_too(standing, instance, worker) -> None:
    root = standing(at(DAY, "10:00"))
    worker.send_signal(signal.SIGSTOP)
    beat_of(root, put_run(instance, dg.DagsterRunStatus.STARTED), worker.pid, age=30)
    requested(tick(market_hours, root, instance))
    assert worker.wait(timeout=10) == -signal.SIGKILL


def test_a_process_that_only_has_the_pid_of_the_dead_worker_is_left_alone(standing, instance, worker) -> None:
    root = standing(at(DAY, "10:00"))
    beat_of(root, put_run(instance, dg.DagsterRunStatus.STARTED), worker.pid, age=61)
    content = json.loads(root.heartbeat_file.read_bytes()) | {"pid_started": "another boot/1"}
    root.heartbeat_file.write_text(json.dumps(content))
    assert requested(tick(market_hours, root, instance)).tags["g6/attempt"] == "2"
    assert worker.poll() is None


@pytest.mark.parametrize("content", ["", '{"pid": 17', '{"pid": "x"}'])
def test_a_heartbeat_that_cannot_be_read_counts_as_missing(standing, instance, content) -> None:
    root = standing(at(DAY, "10:00"))
    root.heartbeat_file.write_text(content)
    assert requested(tick(market_hours, root, instance)).tags["g6/attempt"] == "1"


@pytest.mark.parametrize("content", ["", '{"pid": 17', '{"pid": "x"}'])
def test_a_fresh_heartbeat_that_cannot_be_read_kills_nobody_and_an_old_one_is_no_sign_of_life(
    standing, instance, content
) -> None:
    root = standing(at(DAY, "10:00"))
    silent = put_run(instance, dg.DagsterRunStatus.STARTED, asked_ago=120)
    root.heartbeat_file.write_text(content)
    assert "cannot be read; a session that lives writes the next within 5 s" in skipped(
        tick(market_hours, root, instance)
    )
    old = SystemTime().now().timestamp() - 21
    os.utime(root.heartbeat_file, (old, old))
    assert requested(tick(market_hours, root, instance)).tags["g6/attempt"] == "2"
    given_up = instance.get_run_by_id(silent)
    assert given_up is not None
    assert given_up.status is dg.DagsterRunStatus.FAILURE


def test_a_run_without_any_heartbeat_is_given_up_after_the_time_of_a_start(standing, instance) -> None:
    root = standing(at(DAY, "10:00"))
    first = put_run(instance, dg.DagsterRunStatus.STARTED, asked_ago=80)
    assert "is starting" in skipped(tick(market_hours, root, instance))
    instance.delete_run(first)
    put_run(instance, dg.DagsterRunStatus.STARTED, asked_ago=100)
    assert requested(tick(market_hours, root, instance)).tags["g6/attempt"] == "2"


@pytest.mark.parametrize("free", [99, 101])
def test_a_session_starts_only_where_there_is_room_for_it(standing, instance, monkeypatch, free) -> None:
    root = standing(at(DAY, "10:00"))
    put_run(instance, dg.DagsterRunStatus.FAILURE)
    usage = shutil.disk_usage(root.path)._replace(free=free * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    result = tick(market_hours, root, instance)
    if free > 100:
        assert requested(result).tags["g6/attempt"] == "2"
    else:
        assert f"has {free} MB free, a session starts from 100 MB: make room, and it goes on by itself" in skipped(
            result
        )


def test_a_cancelled_session_stays_cancelled(standing, instance) -> None:
    put_run(instance, dg.DagsterRunStatus.CANCELED)
    reason = skipped(tick(market_hours, standing(at(DAY, "10:00")), instance))
    assert "cancelled by an operator; `g6 session resume`" in reason


def test_a_failed_session_is_launched_again_as_the_next_attempt(standing, instance) -> None:
    put_run(instance, dg.DagsterRunStatus.FAILURE, attempt=2)
    assert requested(tick(market_hours, standing(at(DAY, "10:00")), instance)).run_key == "session:2026-10-01:3"


def test_runs_of_another_day_do_not_count(standing, instance) -> None:
    put_run(instance, dg.DagsterRunStatus.CANCELED, day=date(2026, 9, 30))
    assert requested(tick(market_hours, standing(at(DAY, "10:00")), instance)).run_key == "session:2026-10-01:1"


def test_no_sensor_and_no_schedule_has_the_broker_at_hand() -> None:
    for definition in (market_hours, after_close, morning):
        assert not definition.required_resource_keys & {"kite", "influx", "csv"}


# ---------------------------------------------------------------- the seal
def captured(root: DataRoot, day: date = DAY) -> None:
    Lake(LocalStore(root.lake)).write_live(SNAPSHOTS, day, "s091600", empty_frame(SNAPSHOTS))


def test_a_captured_day_is_sealed_from_five_minutes_after_its_close(standing, instance) -> None:
    root = standing(at(DAY, "15:43"))
    captured(root)
    assert skipped(tick(after_close, root, instance)) == "2026-10-01 is sealed from 15:45 IST"
    root = standing(at(DAY, "15:46"))
    run = requested(tick(after_close, root, instance))
    assert (run.partition_key, run.run_key) == ("2026-10-01", "seal:2026-10-01:1")
    assert run.tags["g6/seal"] == "2026-10-01"


def test_without_a_captured_day_there_is_nothing_to_seal(standing, instance) -> None:
    assert skipped(tick(after_close, standing(at(DAY, "16:00")), instance)) == "every captured day is sealed"


def test_a_day_left_unsealed_over_a_long_weekend_is_sealed_on_any_day(standing, instance) -> None:
    root = standing(at(date(2026, 10, 4), "11:00"))
    captured(root)
    assert requested(tick(after_close, root, instance)).partition_key == "2026-10-01"


def test_a_queued_seal_is_not_asked_for_again(standing, instance) -> None:
    root = standing(at(DAY, "16:00"))
    captured(root)
    put_run(instance, dg.DagsterRunStatus.QUEUED, job=SEAL_JOB)
    assert skipped(tick(after_close, root, instance)) == "the seal of 2026-10-01 runs"


# ---------------------------------------------------------------- the morning
def morning_tick(root: DataRoot) -> Tick:
    built = build_resources(load_settings(root.path / "g6_config.json"), root)
    resources = {name: built[name] for name in morning.required_resource_keys}
    with dg.build_schedule_context(resources=resources, scheduled_execution_time=SystemTime().now()) as context:
        result = morning(context)
    assert isinstance(result, Tick)
    return result


def test_the_morning_asks_for_the_dump_of_the_markets_today(standing) -> None:
    run = requested(morning_tick(standing(at(DAY, "08:45"))))
    assert (run.partition_key, run.run_key) == ("2026-10-01", "morning:2026-10-01")


def test_the_morning_of_a_closed_day_says_why_and_when_it_opens(standing) -> None:
    reason = skipped(morning_tick(standing(at(date(2026, 10, 2), "08:45"))))
    assert reason == "market closed: holiday: Mahatma Gandhi Jayanti; next session Mon 2026-10-05 09:15 IST"


def test_a_late_morning_leaves_the_day_to_the_session(standing) -> None:
    assert skipped(morning_tick(standing(at(DAY, "09:30")))) == "the session is open and makes its own day"
