import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from g6_market.calendar import IST
from g6_resources.clock import SystemTime
from g6_resources.heartbeat import (
    Heartbeat,
    HeartbeatFile,
    HeartbeatUnreadable,
    kill_process,
    process_matches,
    process_started,
)

MARKET_TIME = datetime(2026, 11, 20, 11, 3, 0, tzinfo=IST)

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux' /proc")


@pytest.fixture
def file(tmp_path: Path) -> HeartbeatFile:
    return HeartbeatFile(tmp_path / "heartbeat.json", SystemTime())


def write(file: HeartbeatFile) -> Heartbeat:
    return file.write(
        market_time=MARKET_TIME,
        run_id="run-1",
        trade_date=MARKET_TIME.date(),
        attempt=2,
        state="collecting",
        detail="snapshot 11:04",
    )


def other_process(heartbeat: Heartbeat) -> tuple[subprocess.Popen[bytes], Heartbeat]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    return process, replace(heartbeat, pid=process.pid, pid_started=process_started(process.pid))


def test_what_is_written_is_read_back(file: HeartbeatFile):
    written = write(file)
    assert file.read() == written
    assert written.pid == os.getpid()
    assert (written.trade_date, written.attempt, written.state) == (date(2026, 11, 20), 2, "collecting")
    assert written.market_time == MARKET_TIME


def test_a_heartbeat_is_private_and_leaves_nothing_beside_it(file: HeartbeatFile):
    for _ in range(3):
        write(file)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert list(file.path.parent.iterdir()) == [file.path]


def test_without_a_file_there_is_no_heartbeat(file: HeartbeatFile):
    assert file.read() is None


@pytest.mark.parametrize("cut", [0, 1, 40, -3])
def test_a_torn_heartbeat_is_told_with_its_file(file: HeartbeatFile, cut: int):
    write(file)
    file.path.write_bytes(file.path.read_bytes()[:cut])
    with pytest.raises(HeartbeatUnreadable, match=r"heartbeat\.json cannot be read"):
        file.read()


@pytest.mark.parametrize("content", ["[]", "{}", '{"pid": "x"}', "\x00\xff"])
def test_a_file_that_is_no_heartbeat_is_told(file: HeartbeatFile, content: str):
    file.path.write_text(content, encoding="latin-1")
    with pytest.raises(HeartbeatUnreadable):
        file.read()


class SetTime(SystemTime):
    """A system whose clock was set, and whose machine slept: both clocks are off by what a test says."""

    def __init__(self, clock: timedelta, awake: float) -> None:
        self._clock, self._awake = clock, awake

    def now(self) -> datetime:
        return super().now() + self._clock

    def monotonic(self) -> float:
        return super().monotonic() + self._awake


@linux
@pytest.mark.parametrize("clock", [timedelta(hours=9), timedelta(hours=-9)], ids=["forward, or a sleep", "back"])
def test_a_clock_that_was_set_and_a_machine_that_slept_do_not_make_it_old(file: HeartbeatFile, clock: timedelta):
    assert write(file).age_seconds(SetTime(clock, awake=3)) == pytest.approx(3, abs=1)


@linux
def test_a_clock_set_back_does_not_make_a_silent_session_young(file: HeartbeatFile):
    assert write(file).age_seconds(SetTime(timedelta(hours=-1), awake=21)) == pytest.approx(21, abs=1)


@pytest.mark.parametrize("boot", [None, "another boot"])
@pytest.mark.parametrize(("clock", "age"), [(21, 21), (-3600, 3600)])
def test_after_a_boot_or_on_another_machine_the_times_are_compared(file: HeartbeatFile, boot, clock, age):
    told = replace(write(file), boot=boot).age_seconds(SetTime(timedelta(seconds=clock), awake=0))
    assert told == pytest.approx(age, abs=1)


def test_a_heartbeat_of_before_an_upgrade_is_still_one(file: HeartbeatFile):
    written = write(file)
    content = json.loads(file.path.read_bytes())
    del content["boot"], content["uptime_seconds"]
    file.path.write_text(json.dumps(content))
    assert file.read() == replace(written, boot=None, uptime_seconds=0.0)


@linux
def test_its_own_process_matches_and_is_not_killed(file: HeartbeatFile):
    heartbeat = write(file)
    assert process_matches(heartbeat)
    assert not kill_process(heartbeat)


@linux
def test_a_process_is_killed_even_when_it_is_stopped(file: HeartbeatFile):
    process, heartbeat = other_process(write(file))
    os.kill(process.pid, signal.SIGSTOP)
    assert process_matches(heartbeat)
    assert kill_process(heartbeat)
    assert process.wait(10) == -signal.SIGKILL
    assert not process_matches(heartbeat)
    assert not kill_process(heartbeat)


@linux
def test_a_later_process_with_the_same_pid_or_one_of_another_host_is_left_alone(file: HeartbeatFile):
    process, heartbeat = other_process(write(file))
    try:
        for stranger in (
            replace(heartbeat, pid_started="another-boot/1"),
            replace(heartbeat, host="another-host"),
            replace(heartbeat, pid_started=None),
        ):
            assert not process_matches(stranger)
            assert not kill_process(stranger)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(10)


@linux
def test_a_zombie_is_dead(file: HeartbeatFile):
    process, heartbeat = other_process(write(file))
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not process_matches(heartbeat)
    process.wait(10)
