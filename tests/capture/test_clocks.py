"""Clocks that jump, machines that sleep, and the time zone of the machine: no instant is stored twice or mistaken."""

import time
from datetime import datetime, timedelta

import pandas as pd
import pytest

from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, QUOTES, SNAPSHOTS
from g6_resources.clock import Beat, SystemClock, SystemTime
from g6_resources.kite.client import KiteSource
from tests.capture.harness import Desk, Killed, at, dues, make_desk
from tests.capture.test_kills import assert_whole, stop_after

TABLES = (QUOTES, SNAPSHOTS, OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW)


class JumpingTime(SystemTime):
    """A machine's time that passes only while somebody sleeps, and jumps once."""

    def __init__(self, start: datetime, jump_at: datetime, jump: timedelta) -> None:
        self._now, self._jump_at, self._jump = start, jump_at, jump
        self._awake = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._awake

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=max(seconds, 0.001))
        self._awake += max(seconds, 0.001)
        if self._now >= self._jump_at and self._jump:
            self._now, self._jump = self._now + self._jump, timedelta(0)


class ToldClock(SystemClock):
    """The system's clock, which the simulated market follows."""

    def __init__(self, system: SystemTime, world: Desk) -> None:
        super().__init__(system)
        self._world = world

    def wait_until(self, when: datetime, beat: Beat | None = None) -> None:
        super().wait_until(when, beat)
        self._world.control.set_clock(self.now())


def run_with_jump(world: Desk, start: str, jump_at: str, jump: timedelta, until: str) -> JumpingTime:
    system = JumpingTime(at(start), at(jump_at), jump)
    session = world.launch()
    session.clock = ToldClock(system, world)
    session.system = system
    session.source = KiteSource.for_root(world.root, clock=session.clock, limits={"quote": 50, "other": 50})
    world.told.on_taken = stop_after(until)
    with pytest.raises(Killed):
        session.run()
    return system


def test_what_a_machine_slept_through_is_late_and_no_later_state_is_stored_for_it(desk):
    world = desk("10:47")
    run_with_jump(world, "10:47", "11:02", timedelta(hours=2), until="13:10")
    rows = world.snapshots().set_index("snapshot_at")
    slept = dues("11:05", "13:00")
    assert_whole(world, dues("10:50", "13:10"))
    assert set(rows.loc[slept, "cause"]) == {"late"}
    assert set(rows.loc[slept, "outcome"]) == {"failed"}
    assert (rows.drop(slept)["outcome"] == "stored").all()
    quotes = world.quotes()
    assert not quotes["snapshot_at"].isin(slept).any()
    assert ((quotes["received_at"] - quotes["snapshot_at"]) < pd.Timedelta("1min")).all()
    late = [detail for state, detail in world.told.states if state == "late"]
    assert len(late) == 1
    assert late[0].startswith("11:05:00 was due 7,020 s ago")  # it woke at 13:02
    assert late[0].endswith("the machine slept, its clock was set forward, or it is too slow for its interval")


def test_a_machine_that_slept_over_the_close_ends_the_day_as_it_is(desk):
    world = desk("14:57")
    system = JumpingTime(at("14:57"), at("15:07"), timedelta(hours=5))
    session = world.launch()
    session.clock = ToldClock(system, world)
    session.system = system
    session.source = KiteSource.for_root(world.root, clock=session.clock, limits={"quote": 50, "other": 50})
    report = session.run()
    assert (report.stored, world.heartbeat().state) == (2, "ended")
    rows = world.snapshots().set_index("snapshot_at")
    assert set(rows.loc[dues("15:10"), "cause"]) == {"late"}


def test_a_clock_set_back_captures_no_instant_twice_and_says_so(desk):
    world = desk("10:57")
    run_with_jump(world, "10:57", "11:07", timedelta(minutes=-30), until="11:15")
    assert_whole(world, dues("11:00", "11:15"))
    assert (world.snapshots()["outcome"] == "stored").all()
    told = [detail for state, detail in world.told.states if state == "clock set back"]
    assert len(told) == 1
    assert "from 11:0" in told[0]
    assert "to 10:3" in told[0]
    assert "carries wrong instants" in told[0]


def test_small_corrections_of_a_clock_are_no_news(desk):
    world = desk("10:57")
    run_with_jump(world, "10:57", "11:02", timedelta(seconds=-1), until="11:05")
    assert {state for state, _ in world.told.states} <= {"opening", "waiting", "capturing"}


def test_the_machines_time_zone_changes_nothing_that_is_stored(simulator, tmp_path, monkeypatch):
    stored: dict[str, dict[str, pd.DataFrame]] = {}
    try:
        for zone in ("Asia/Kolkata", "America/New_York"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            world = make_desk(tmp_path / zone, simulator.url, clock="15:27")
            world.launch().run()
            assert_whole(world, dues("15:30"))
            stored[zone] = {table.name: world.read(table) for table in TABLES}
    finally:
        monkeypatch.undo()
        time.tzset()
    for name, frame in stored["Asia/Kolkata"].items():
        pd.testing.assert_frame_equal(frame, stored["America/New_York"][name])
