"""SIGTERM and Ctrl+C in the middle of a snapshot: what is in hand is finished, then the session goes, quickly."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from g6_assets.capture.interrupts import Interrupts
from g6_resources.clock import SystemTime
from g6_resources.lake import LocalStore
from tests.capture.harness import DAY, Desk, ListSink, at, dues, wall
from tests.capture.test_kills import assert_whole


class Ended(BaseException):
    """What whoever runs the session raises when it is told to end, as Dagster does."""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    def end(number: int, frame: object) -> None:
        raise Ended(signal.Signals(number).name)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        assert signal.getsignal(number) is end, "the session did not put the handlers back"
        signal.signal(number, handler)


class SignalledAt(LocalStore):
    """A store in the middle of whose n-th write the process is told to end."""

    def __init__(self, world: Desk, table: str, name: str, number: signal.Signals) -> None:
        super().__init__(world.root.lake)
        self._target, self._number = f"{table}/live/trade_date={DAY}/{name}.parquet", number

    def put(self, path: str, data: bytes) -> None:
        if path == self._target:
            os.kill(os.getpid(), self._number)
        super().put(path, data)


@pytest.mark.parametrize(
    ("table", "number"),
    [("quotes", signal.SIGTERM), ("snapshots", signal.SIGINT), ("option_chain", signal.SIGTERM)],
)
def test_a_snapshot_in_hand_is_stored_and_published_whole_before_the_session_ends(desk, table: str, number):
    world = desk("15:27")
    sink = ListSink()
    with pytest.raises(Ended, match=number.name):
        world.launch(sinks=[sink], store=SignalledAt(world, table, "s153500", number)).run()
    assert_whole(world, dues("15:30", "15:35"))
    assert [snapshot.due for snapshot in sink.heard] == [at("15:30"), at("15:35")]
    assert sink.closed == 1
    assert (world.heartbeat().state, world.heartbeat().detail) == ("stopped", f"Ended: {number.name}")
    world.launch().run()
    assert_whole(world, dues("15:30"))


def test_a_broker_that_does_not_answer_keeps_nobody_waiting_and_the_legs_are_gaps(desk):
    world = desk("15:27")
    world.control.faults([{"kind": "slow", "seconds": 6, "match": "/quote", "from": f"{DAY}T15:35:00"}])
    session = world.launch()
    session.interrupts = Interrupts(patience_seconds=0.4)
    system, told = SystemTime(), []

    def end() -> None:
        told.append(system.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)

    watch = Watch(world, end)
    watch.start()
    with pytest.raises(Ended):
        session.run()
    assert system.monotonic() - told[0] < 2
    watch.join()
    rows = world.snapshots()
    cut = rows[rows["snapshot_at"] == wall("15:35")]
    assert set(cut["outcome"]) == {"failed"}
    assert set(cut["cause"]) == {"interrupted"}
    assert (rows.loc[rows["snapshot_at"] == wall("15:30"), "outcome"] == "stored").all()
    assert world.heartbeat().state == "stopped"


class Watch(threading.Thread):
    """Ends the session once the market's time says that it is asking for the second snapshot."""

    def __init__(self, world: Desk, end) -> None:
        super().__init__()
        self._world, self._end = world, end

    def run(self) -> None:
        pause = threading.Event()
        while self._world.now() < at("15:35"):
            pause.wait(0.02)
        pause.wait(0.3)  # the call is on the wire: its answer takes six seconds
        self._end()


def test_an_interrupt_while_waiting_ends_the_session_at_once(desk):
    world = desk("15:27")
    session = world.launch()
    world.told.on_taken = lambda taken: setattr(session, "clock", Impatient(session.clock))
    with pytest.raises(Ended):
        session.run()
    assert_whole(world, dues("15:30", "15:30"))


class Impatient:
    """The session's clock, in whose next wait the process is told to end."""

    def __init__(self, clock) -> None:
        self._clock = clock

    def now(self):
        return self._clock.now()

    def wait_until(self, when, beat=None) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        self._clock.wait_until(when, beat)
