import ast
import json
import socket
import struct
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from g6_market.calendar import IST
from g6_resources.clock import (
    ClockError,
    DrivenClock,
    MarketClock,
    ShiftedClock,
    SystemClock,
    SystemTime,
    clock_from,
    tell_simulator,
    write_clock,
)
from g6_resources.world import make_root
from g6_sim.config import SimConfig
from g6_sim.control import SimControl
from g6_sim.server import SimServer

START = datetime(2026, 11, 20, 9, 0, tzinfo=IST)


class HandTime(SystemTime):
    """System time that passes only while somebody sleeps."""

    def __init__(self, start: datetime = START) -> None:
        self.start = start
        self.slept = 0.0
        self.longest = 0.0

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return 1000 + self.slept

    def sleep(self, seconds: float) -> None:
        self.longest = max(self.longest, seconds)
        self.slept += max(seconds, 1e-6)


@pytest.fixture
def clock_file(tmp_path: Path) -> Path:
    file = tmp_path / "clock.json"
    write_clock(file, "driven", now=START)
    return file


def test_the_systems_time_is_aware_and_indian():
    now = SystemTime().now()
    assert now.utcoffset() == timedelta(hours=5, minutes=30)
    assert abs(now - datetime.now(IST)) < timedelta(minutes=1)


def test_a_wait_ends_at_its_instant_and_no_later():
    time = HandTime()
    clock = SystemClock(time)
    clock.wait_until(START + timedelta(seconds=61.25))
    assert clock.now() - START == timedelta(seconds=61.25)


def test_a_wait_beats_at_once_and_then_within_five_seconds():
    time = HandTime()
    beats: list[float] = []
    SystemClock(time).wait_until(START + timedelta(seconds=60), lambda: beats.append(time.slept))
    assert beats[0] == 0
    assert max(later - earlier for earlier, later in zip(beats, [*beats[1:], 60.0], strict=True)) <= 5


def test_a_past_instant_is_not_waited_for():
    time = HandTime()
    SystemClock(time).wait_until(START - timedelta(hours=1), lambda: pytest.fail("nothing to wait for"))
    assert time.slept == 0


def test_a_wait_sleeps_in_short_slices_so_that_a_clock_set_forward_ends_it():
    time = HandTime()
    SystemClock(time).pause(30)
    assert time.longest <= 0.5


def test_what_a_beat_raises_ends_the_wait():
    time = HandTime()

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SystemClock(time).wait_until(START + timedelta(hours=1), interrupted)
    assert time.slept == 0


def test_a_shifted_clock_runs_at_real_speed_on_another_day():
    time = HandTime(datetime(2026, 11, 22, 18, 0, tzinfo=IST))
    clock = ShiftedClock(timedelta(days=-2, hours=-8), time)
    assert clock.now() == datetime(2026, 11, 20, 10, 0, tzinfo=IST)
    clock.wait_until(datetime(2026, 11, 20, 10, 1, tzinfo=IST))
    assert time.slept == pytest.approx(60)


def test_a_driven_clock_jumps_tells_and_keeps_the_time(clock_file: Path):
    told: list[datetime] = []
    beats: list[int] = []
    clock = DrivenClock(clock_file, told.append)
    due = START + timedelta(minutes=16)
    clock.wait_until(due, lambda: beats.append(1))
    assert clock.now() == due
    assert told == [due]
    assert beats == [1]
    assert DrivenClock(clock_file, told.append).now() == due


def test_a_driven_clock_never_goes_back_by_waiting(clock_file: Path):
    told: list[datetime] = []
    clock = DrivenClock(clock_file, told.append)
    clock.pause(10)
    clock.wait_until(START)
    assert clock.now() == START + timedelta(seconds=10)
    assert len(told) == 1


def test_two_processes_of_a_driven_world_see_one_time(clock_file: Path):
    session, sensor = (DrivenClock(clock_file, lambda _: None) for _ in range(2))
    session.pause(60)
    assert sensor.now() == START + timedelta(seconds=60)


def test_a_driven_clock_takes_the_simulator_along(clock_file: Path):
    with SimServer(SimConfig(trade_date=START.date())) as server:
        DrivenClock(clock_file, tell_simulator(server.url)).wait_until(START + timedelta(minutes=15))
        assert SimControl(server.url).clock() == START + timedelta(minutes=15)


@pytest.mark.parametrize("clock", [SystemClock(HandTime()), ShiftedClock(timedelta(0), HandTime())])
def test_an_instant_without_a_zone_is_refused(clock: MarketClock):
    with pytest.raises(ClockError, match=r"has no zone; write it like 2026-11-20T09:16:00\+05:30"):
        clock.wait_until(START.replace(tzinfo=None))


def test_each_world_gets_the_clock_of_its_state_file(tmp_path: Path):
    root = make_root(tmp_path, "sim:1")
    time = HandTime()
    assert type(clock_from(root, system=time)) is SystemClock
    write_clock(root.clock_file, "shifted", offset=timedelta(hours=-1))
    assert clock_from(root, system=time).now() == START - timedelta(hours=1)
    write_clock(root.clock_file, "driven", now=START)
    clock = clock_from(root)
    clock.pause(1)
    assert clock.now() == START + timedelta(seconds=1)


def test_making_a_root_with_a_clock_sets_it(tmp_path: Path):
    root = make_root(tmp_path, "sim:1", clock={"mode": "driven", "now": START.isoformat()})
    assert clock_from(root).now() == START


def test_the_live_world_takes_no_virtual_clock(tmp_path: Path):
    root = make_root(tmp_path, "live")
    write_clock(root.clock_file, "driven", now=START)
    with pytest.raises(ClockError, match="the live world runs on the system's time, not on a driven clock"):
        clock_from(root)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "cannot be read"),
        ('{"mode": "fast"}', "mode 'fast' is unknown; use one of system, shifted, driven"),
        ('{"mode": "shifted"}', "offset_seconds is None; a shifted clock needs a number"),
        ('{"mode": "driven", "now": "soon"}', "now is 'soon'; write it like"),
        ('{"mode": "driven", "now": "2026-11-20T09:00:00"}', "has no zone"),
    ],
)
def test_a_clock_file_that_makes_no_clock_is_told(tmp_path: Path, content: str, expected: str):
    root = make_root(tmp_path, "sim:1")
    root.clock_file.write_text(content)
    with pytest.raises(ClockError, match=expected):
        clock_from(root)


def test_no_other_module_reads_the_time_or_sleeps(project: Path):
    forbidden = {
        ("time", "sleep"),
        ("time", "time"),
        ("time", "monotonic"),
        ("datetime", "now"),
        ("datetime", "utcnow"),
    }
    for file in [*project.glob("g6_resources/**/*.py"), *project.glob("g6_assets/**/*.py")]:
        if file.name == "clock.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in forbidden, f"{file}:{node.lineno}"


def test_a_kept_connection_that_is_reset_is_no_reason_to_lose_the_simulator():
    told: list[str] = []

    def answer(connection: socket.socket) -> None:
        request = connection.recv(65536)
        head, body = request.split(b"\r\n\r\n", 1)
        assert head.startswith(b"POST /sim/clock ")
        told.append(json.loads(body or connection.recv(65536))["now"])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def serve() -> None:
        first, _ = listener.accept()
        answer(first)
        first.recv(65536)  # the next one over the same connection, which then is reset
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        second, _ = listener.accept()
        answer(second)
        second.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        simulator = Thread(target=serve, daemon=True)
        simulator.start()
        tell = tell_simulator(f"http://127.0.0.1:{listener.getsockname()[1]}")
        tell(START)
        tell(START + timedelta(minutes=1))
        simulator.join(10)
    assert told == [START.isoformat(), (START + timedelta(minutes=1)).isoformat()]
