"""Leases: one worker at a (date, index) at a time, on a disk and on an object store."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from g6_resources.clock import SystemTime
from g6_resources.heartbeat import process_started
from g6_resources.lake import Lake, LocalStore
from g6_resources.lake_s3 import S3Store
from g6_resources.leases import LEASE_SECONDS, Leases, LeaseTaken, hold_all
from tests.object_store import BUCKET, s3_server
from tests.resources.lake_frames import FRIDAY, THURSDAY

FILE = ".leases/NIFTY/2026-11.json"


class Waiting(SystemTime):
    """Time that passes only while somebody waits; `then` is done at the first wait."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.waited = 0.0
        self._start = super().now()
        self._then: Callable[[], object] | None = then

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.waited)

    def monotonic(self) -> float:
        return self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += seconds
        if self._then is not None:
            then, self._then = self._then, None
            then()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStore(tmp_path / "lake"))


def held(lake: Lake) -> dict[str, dict[str, object]]:
    return json.loads(lake.store.get(FILE))


def leave(lake: Lake, **changes: object) -> None:
    """A lease that a process of this name left behind when it was killed."""
    until = SystemTime().now() + timedelta(seconds=LEASE_SECONDS)
    holder = {
        "work": "run dead", "host": socket.gethostname(), "pid": os.getpid(),
        "pid_started": process_started(os.getpid()), "until": until.isoformat(),
    }  # fmt: skip
    lake.store.put(FILE, json.dumps({str(FRIDAY): holder | changes}).encode())


def test_the_second_worker_goes_on_when_the_first_has_ended(lake: Lake) -> None:
    first = Leases(lake, "NIFTY", "run 1").hold(FRIDAY)
    first.__enter__()
    time = Waiting(then=lambda: first.__exit__(None, None, None))
    with Leases(lake, "NIFTY", "run 2", system_time=time).hold(FRIDAY):
        assert held(lake)[str(FRIDAY)]["work"] == "run 2"
    assert time.waited > 0
    assert held(lake) == {}


def test_who_waits_in_vain_is_told_for_whom(lake: Lake) -> None:
    second = Leases(lake, "NIFTY", "run 2", patience_seconds=60, system_time=Waiting())
    told = r"NIFTY 2026-11-20 is being derived by run 1 \(pid \d+ on .*for 60 s"
    with Leases(lake, "NIFTY", "run 1").hold(FRIDAY):
        with pytest.raises(LeaseTaken, match=told), second.hold(FRIDAY):
            pass
        assert held(lake)[str(FRIDAY)]["work"] == "run 1"


def test_other_days_and_other_indices_are_free(lake: Lake) -> None:
    time = Waiting()
    with (
        Leases(lake, "NIFTY", "run 1").hold(FRIDAY),
        Leases(lake, "NIFTY", "run 2", system_time=time).hold(THURSDAY),
        Leases(lake, "BANKNIFTY", "run 2", system_time=time).hold(FRIDAY),
    ):
        assert time.waited == 0


def test_the_lease_of_a_process_that_was_killed_on_this_machine_is_taken_at_once(lake: Lake) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as worker:
        leave(lake, pid=worker.pid, pid_started=process_started(worker.pid))
        worker.kill()
    time = Waiting()
    with Leases(lake, "NIFTY", "run 2", system_time=time).hold(FRIDAY):
        assert time.waited == 0


def test_the_lease_of_another_machine_stands_until_its_time_is_over(lake: Lake) -> None:
    leave(lake, host="elsewhere", pid=1)
    time = Waiting()
    with Leases(lake, "NIFTY", "run 2", system_time=time).hold(FRIDAY):
        assert LEASE_SECONDS - 5 < time.waited < LEASE_SECONDS + 5


def test_a_worker_elsewhere_that_overslept_does_not_end_the_lease_of_its_successor(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = Leases(lake, "NIFTY", "run 1").hold(FRIDAY)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "elsewhere")
        sleeper.__enter__()
    later = Waiting()
    later.waited = 2 * LEASE_SECONDS
    with Leases(lake, "NIFTY", "run 2", system_time=later).hold(FRIDAY):
        sleeper.__exit__(None, None, None)
        assert held(lake)[str(FRIDAY)]["work"] == "run 2"


def test_a_living_process_of_this_machine_keeps_its_lease_however_slow_it_is(lake: Lake) -> None:
    time = Waiting()
    time.waited = 2 * LEASE_SECONDS
    second = Leases(lake, "NIFTY", "run 2", patience_seconds=10, system_time=time)
    with Leases(lake, "NIFTY", "run 1").hold(FRIDAY), pytest.raises(LeaseTaken, match="run 1"), second.hold(FRIDAY):
        pass


def test_two_that_want_all_indices_of_a_day_never_wait_for_each_other_in_a_circle(lake: Lake) -> None:
    names = ["NIFTY", "BANKNIFTY", "SENSEX"]
    done: list[str] = []

    def take(order: list[str], work: str) -> None:
        for _ in range(20):
            with hold_all(lake, FRIDAY, order, work):
                done.append(work)

    workers = [threading.Thread(target=take, args=(order, f"run {n}")) for n, order in enumerate((names, names[::-1]))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(done) == ["run 0"] * 20 + ["run 1"] * 20


@pytest.mark.server
def test_on_an_object_store_one_of_two_that_come_at_once_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-no-account")
    inside: list[str] = []
    together: list[int] = []

    def work(name: str) -> None:
        lake = Lake(S3Store(f"s3://{BUCKET}/leases", endpoint=url), current=tmp_path / "current")
        for _ in range(3):
            with Leases(lake, "NIFTY", name).hold(FRIDAY):
                inside.append(name)
                together.append(len(inside))
                inside.remove(name)

    with s3_server(tmp_path) as url:
        workers = [threading.Thread(target=work, args=(f"run {n}",)) for n in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
    assert together == [1] * 9
