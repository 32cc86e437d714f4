"""A world on the simulator in which a test runs a trading day, or a part of one, without Dagster, in seconds.

Everything is real but the market: the Kite client, the limiter, the lake, the lock, the heartbeat, the clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from g6_assets.capture import CaptureSession, DayPlan
from g6_assets.capture.snapshot import Taken
from g6_market.calendar import IST, Session, TradingCalendar
from g6_market.day import Conventions, TradingDay
from g6_market.schema import OPTION_CHAIN, QUOTES, SNAPSHOTS, Table
from g6_resources.clock import SystemTime, clock_from, write_clock
from g6_resources.heartbeat import Heartbeat, HeartbeatFile
from g6_resources.kite.client import KiteSource
from g6_resources.kite.token import write_token
from g6_resources.lake import Lake, LocalStore
from g6_resources.lake_open import open_lake
from g6_resources.lock import SessionLock
from g6_resources.seams import Snapshot, SnapshotSink
from g6_resources.world import DataRoot, make_root
from g6_resources.world_state import Simulator, write_simulator
from g6_sim.config import API_KEY, SimConfig
from g6_sim.control import SimControl

DAY = date(2026, 11, 20)  # a Friday: hours 09:15-15:40
TAGS = {
    "NIFTY": ["this_week", "next_week", "this_month", "next_month"],
    "BANKNIFTY": ["this_month", "next_month"],
}


def at(clock: str) -> datetime:
    """Return a wall clock time of the day, aware."""
    return datetime.combine(DAY, time.fromisoformat(clock), IST)


def wall(clock: str) -> pd.Timestamp:
    """Return a wall clock time of the day as it is stored."""
    return pd.Timestamp(at(clock).replace(tzinfo=None))


def plan(interval: int = 300, full_every: int = 900, strikes: int = 3) -> DayPlan:
    """Return a small day's plan: two indices, ATM +- 3, five minutes."""
    return DayPlan(
        conventions=Conventions(
            interval_seconds=interval, full_chain_every_seconds=full_every, strikes_each_side=strikes
        ),
        tags=TAGS,
        strikes_each_side=dict.fromkeys(TAGS, strikes),
    )


@dataclass
class Told:
    """What the loop told its caller; a test may act on it while the session runs."""

    opened: list[bool] = field(default_factory=list)
    swept: list[tuple[int, datetime]] = field(default_factory=list)
    taken_: list[Taken] = field(default_factory=list)
    states: list[tuple[str, str]] = field(default_factory=list)
    on_taken: Callable[[Taken], None] | None = None
    on_state: Callable[[str], None] | None = None

    def day_opened(self, day: TradingDay, *, written: bool) -> None:
        self.opened.append(written)

    def reference_stored(self, rows: int, at: datetime) -> None:
        self.swept.append((rows, at))

    def taken(self, taken: Taken) -> None:
        self.taken_.append(taken)
        if self.on_taken is not None:
            self.on_taken(taken)

    def state_changed(self, state: str, detail: str) -> None:
        self.states.append((state, detail))
        if self.on_state is not None:
            self.on_state(state)


@dataclass
class ListSink:
    """Keeps what it is told."""

    name: str = "list"
    heard: list[Snapshot] = field(default_factory=list)
    closed: int = 0

    def publish(self, snapshot: Snapshot) -> None:
        self.heard.append(snapshot)

    def close(self) -> None:
        self.closed += 1


class Killed(BaseException):
    """What a kill looks like from inside: nothing of the loop may catch it."""


class StoreKilledAfter(LocalStore):
    """A store whose process dies right after its n-th write."""

    def __init__(self, folder: Path, writes: int) -> None:
        super().__init__(folder)
        self.left = writes
        self.last = ""

    def put(self, path: str, data: bytes) -> None:
        super().put(path, data)
        self.left -= 1
        if self.left == 0:
            self.last = path
            raise Killed(path)


@dataclass
class Desk:
    """One world, its simulator, and the parts of a session on it."""

    root: DataRoot
    url: str
    control: SimControl
    calendar: TradingCalendar
    plan: DayPlan
    told: Told = field(default_factory=Told)

    @property
    def session(self) -> Session:
        return self.calendar.session(DAY)

    @property
    def lake(self) -> Lake:
        return open_lake(self.root)

    @property
    def lock(self) -> SessionLock:
        return SessionLock(self.root.lock_file, SystemTime())

    def launch(
        self,
        *,
        sinks: Sequence[SnapshotSink] = (),
        store: LocalStore | None = None,
        timeout_seconds: float = 7.0,
        system: SystemTime | None = None,
    ) -> CaptureSession:
        """Return the day's next attempt, which owns the session."""
        attempt = self.lock.next_attempt(DAY)
        clock = clock_from(self.root, self.url)
        self.told = Told()
        return CaptureSession(
            session=self.session,
            plan=self.plan,
            calendar=self.calendar,
            clock=clock,
            source=KiteSource.for_root(self.root, clock=clock, timeout_seconds=timeout_seconds),
            lake=Lake(store, current=self.root.current) if store else open_lake(self.root, hot=True),
            sinks=sinks,
            fence=self.lock.acquire(DAY, attempt, f"run-{attempt}"),
            heartbeat=HeartbeatFile(self.root.heartbeat_file, system or SystemTime()),
            state_file=self.root.session_state_file,
            events=self.told,
            run_id=f"run-{attempt}",
        )

    def set_clock(self, clock: str) -> None:
        """Move the market's time, for both sides."""
        write_clock(self.root.clock_file, "driven", now=at(clock))
        self.control.set_clock(at(clock))

    def now(self) -> datetime:
        return clock_from(self.root, self.url).now()

    def log_in(self, token: str = "simtoken") -> None:
        """Store a session token, as `g6 login` does."""
        write_token(self.root.token_file, access_token=token, user_id="SIM", api_key=API_KEY, made_at=self.now())

    def heartbeat(self) -> Heartbeat:
        beat = HeartbeatFile(self.root.heartbeat_file, SystemTime()).read()
        assert beat is not None
        return beat

    def served(self, path: str = "/quote") -> list[dict[str, Any]]:
        """Return the calls that the simulator served."""
        return [row for row in self.control.log() if row["path"].startswith(path)]

    def read(self, table: Table) -> pd.DataFrame:
        """Return what is stored of the day."""
        return self.lake.read(table, DAY)

    def quotes(self) -> pd.DataFrame:
        return self.read(QUOTES)

    def snapshots(self) -> pd.DataFrame:
        return self.read(SNAPSHOTS)

    def chain(self) -> pd.DataFrame:
        return self.read(OPTION_CHAIN)


def make_desk(folder: Path, url: str, day_plan: DayPlan | None = None, clock: str = "08:55", **world: Any) -> Desk:
    """Make a world of its own on a running simulator, at a time of the day, logged in and without faults."""
    root = make_root(folder, "sim:42", **world)
    write_simulator(root, Simulator(url=url, api_key=API_KEY))
    desk = Desk(root, url, SimControl(url), TradingCalendar.load(), day_plan or plan())
    desk.control.faults([])
    desk.set_clock(clock)
    desk.control.clear_log()
    desk.log_in()
    return desk


def simulation(**settings: Any) -> SimConfig:
    """Return what the simulator of a small world is started with."""
    return SimConfig(**({"trade_date": DAY, "indices": tuple(TAGS)} | settings))


def dues(first: str, last: str = "15:40", step: int = 300) -> list[pd.Timestamp]:
    """Return due instants as stored."""
    return list(pd.date_range(wall(first), wall(last), freq=timedelta(seconds=step)))
