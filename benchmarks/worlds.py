"""Worlds to measure in: a capture session with the real client, and a whole day through Dagster.

What is measured runs in a new process of its own; the simulator in another, so that CPU seconds are ours alone.
"""

import atexit
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from g6.commands.demo import OPENS_BEFORE, SEALED_AFTER, simulator
from g6_assets.capture import CaptureSession, DayPlan
from g6_assets.capture.snapshot import Taken
from g6_market.calendar import TradingCalendar
from g6_market.day import Conventions, TradingDay
from g6_market.indices import INDICES
from g6_resources.clock import Beat, MarketClock, SystemTime, clock_from, write_clock
from g6_resources.csv_files import CsvSink
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.kite.client import KiteSource
from g6_resources.lake import Lake, LocalStore
from g6_resources.lock import SessionLock
from g6_resources.settings.loading import DEFAULT_FILE, load_settings
from g6_resources.world import DataRoot, World, make_root, open_root
from g6_resources.world_state import read_simulator
from g6_sim.config import SimConfig

# A Friday on which NIFTY and SENSEX have four different expiries, BANKNIFTY and FINNIFTY two: twelve chains.
DAY = date(2026, 11, 6)
TAGS = {name: list(INDICES[name].tags) for name in ("NIFTY", "BANKNIFTY", "FINNIFTY", "SENSEX")}
PADDING_ROWS = 113_840
"""Rows of other things, by which the dumps fetched get to 91,173 rows (a quarter are of an exchange nobody asks)."""

_Result = TypeVar("_Result")
_STARTS_AT = timedelta(seconds=30)  # after the open: no sweep before the first snapshot
_PROBES = 5
_LATEST = "select max(snapshot_at) as at from option_chain where trade_date = ?"


@dataclass
class Captured:
    """What a measured session did, in CPU seconds of its process.

    Parameters
    ----------
    opening
        From the start to the end of the first snapshot: dump, day, full chain.
    snapshots
        (due, seconds, full chain, legs stored, indices whose front ATM strike moved) of each further snapshot.
    quote_calls
        Quote calls of each further snapshot.
    latencies
        Seconds by the wall of each further snapshot, without what the limits make it wait.
    dump_rows
        Rows of the dumps.
    """

    opening: float = 0.0
    snapshots: list[tuple[datetime, float, bool, int, int]] = field(default_factory=list)
    quote_calls: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    dump_rows: int = 0


class _Enough(Exception):
    """The session has been measured."""


class _UnmeasuredWaits:
    """The driven clock; what its waits cost (a file, a call to the simulator) is no part of a snapshot."""

    def __init__(self, clock: MarketClock) -> None:
        self._clock = clock
        self.spent = 0.0
        self.waited = 0.0

    def now(self) -> datetime:
        return self._clock.now()

    def wait_until(self, when: datetime, beat: Beat | None = None) -> None:
        start, began = time.process_time(), time.perf_counter()
        self._clock.wait_until(when, beat)
        self.spent += time.process_time() - start
        self.waited += time.perf_counter() - began

    def pause(self, seconds: float, beat: Beat | None = None) -> None:
        start, began = time.process_time(), time.perf_counter()
        self._clock.pause(seconds, beat)
        self.spent += time.process_time() - start
        self.waited += time.perf_counter() - began


class _Meter:
    """The session's events: reads the meter after each snapshot, and ends the session after enough of them."""

    def __init__(self, clock: _UnmeasuredWaits, source: KiteSource, wanted: int) -> None:
        self.seen = Captured()
        self._clock, self._source, self._left = clock, source, wanted
        self._atm: dict[str, float] = {}
        self._calls = 0
        self._mark = self._reading()
        self._began = self._wall()

    def day_opened(self, day: TradingDay, *, written: bool) -> None:
        del day, written

    def reference_stored(self, rows: int, at: datetime) -> None:
        # The sweep happens once a day, in a pause.
        del rows, at
        self._mark, self._calls = self._reading(), self._quote_calls()

    def state_changed(self, state: str, detail: str) -> None:
        del state, detail

    def taken(self, taken: Taken) -> None:
        seconds = self._reading() - self._mark
        calls = self._quote_calls()
        if taken.snapshot is None:
            raise RuntimeError(f"{taken.due}: nothing stored, {dict(taken.outcomes)}: this would measure nothing")
        front = taken.snapshot.expiry_overview.sort_values("expiry").drop_duplicates("underlying")
        atm = dict(zip(front["underlying"].astype(str), front["atm_strike"].astype(float), strict=True))
        moved = sum(self._atm.get(name) != strike for name, strike in atm.items())
        if self._atm:
            full = bool(taken.rows["full_chain"].any())
            self.seen.snapshots.append((taken.due, seconds, full, len(taken.snapshot.option_chain), moved))
            self.seen.quote_calls.append(calls - self._calls)
            self.seen.latencies.append(self._wall() - self._began)
        else:
            self.seen.opening = seconds
        self._atm, self._calls = atm, calls
        self._left -= 1
        if not self._left:
            raise _Enough
        self._mark, self._began = self._reading(), self._wall()

    def _quote_calls(self) -> int:
        return sum(stats.calls for (endpoint, _), stats in self._source.stats.items() if endpoint == "quote")

    def _reading(self) -> float:
        return time.process_time() - self._clock.spent

    def _wall(self) -> float:
        return time.perf_counter() - self._clock.waited


def captured(*, strikes: int, interval: int, full_every: int, wanted: int, repeats: int = 1) -> list[Captured]:
    """Run measured sessions, each in a new world and a new process, against one simulator."""
    results: list[Captured] = []
    for _ in range(repeats):
        with temporary_folder() as folder:
            root = make_root(folder, World("sim:42"))
            session = TradingCalendar.load().session(DAY)
            write_clock(root.clock_file, "driven", now=session.open + _STARTS_AT)
            config = SimConfig(trade_date=DAY, indices=tuple(TAGS), padding_rows=PADDING_ROWS)
            with simulator(root, config):
                results.append(in_new_process(_capture, root.path, strikes, interval, full_every, wanted))
    return results


def _capture(path: Path, strikes: int, interval: int, full_every: int, wanted: int) -> Captured:
    root, calendar = open_root(path), TradingCalendar.load()
    served_by = read_simulator(root)
    clock = _UnmeasuredWaits(clock_from(root, served_by.url if served_by else None))
    source = KiteSource.for_root(root, clock=clock)
    plan = DayPlan(
        Conventions(interval_seconds=interval, full_chain_every_seconds=full_every, strikes_each_side=strikes),
        tags=TAGS,
        strikes_each_side=dict.fromkeys(TAGS, strikes),
    )
    meter = _Meter(clock, source, wanted)
    session = CaptureSession(
        session=calendar.session(DAY),
        plan=plan,
        calendar=calendar,
        clock=clock,
        source=source,
        lake=Lake(LocalStore(root.lake), current=root.current),
        sinks=[CsvSink(root.csv)],
        fence=SessionLock(root.lock_file, SystemTime()).acquire(DAY, 1, "bench"),
        heartbeat=HeartbeatFile(root.heartbeat_file, SystemTime()),
        state_file=root.session_state_file,
        events=meter,
        run_id="bench",
    )
    with suppress(_Enough):
        session.run()
    meter.seen.dump_rows = sum(dump.count(b"\n") - 1 for dump in source.instruments(plan.exchanges).values())
    return meter.seen


@dataclass
class DayThroughDagster:
    """A day of the shipped configuration, run and sealed by Dagster jobs; CPU in seconds.

    Parameters
    ----------
    root
        The world, sealed; gone when this process ends.
    session_cpu, capture_cpu
        Of the whole process of the session run, and what its capture loop took of it.
    events_cpu, events
        What its observations and materialisations took, part of the difference; how many there were.
    seal_cpu, seal_own_cpu, seal_seconds
        Of the whole process of the seal run, of its work without Dagster, and that work's wall time.
    live_bytes
        Size of the day's live files before the seal.
    visibility
        Wall seconds until a new connection's query saw the minute just stored, late in the day.
    """

    root: DataRoot
    session_cpu: float
    capture_cpu: float
    events_cpu: float
    events: int
    seal_cpu: float
    seal_own_cpu: float
    seal_seconds: float
    live_bytes: int
    visibility: list[float]


@cache
def day_through_dagster() -> DayThroughDagster:
    """Run and seal one simulated day of the shipped configuration; once, whoever asks."""
    folder = Path(tempfile.mkdtemp(prefix="g6-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    root = make_root(folder, World("sim:42"), first_date=DAY.replace(day=1).isoformat())
    session = TradingCalendar.load().session(DAY)
    write_clock(root.clock_file, "driven", now=session.open - OPENS_BEFORE)
    with simulator(root, SimConfig(trade_date=DAY)):
        ran = in_new_process(_session_run, root.path)
        live_bytes = sum(path.stat().st_size for path in root.lake.glob("*/live/trade_date=2*/*.parquet"))
        write_clock(root.clock_file, "driven", now=session.close + SEALED_AFTER)
        sealed = in_new_process(_seal_run, root.path)
    return DayThroughDagster(root=root, live_bytes=live_bytes, **ran, **sealed)


def _session_run(path: Path) -> dict[str, Any]:
    from g6.connection import connect
    from g6_assets import session as module
    from g6_assets.jobs import SESSION_JOB

    events_cpu = loop_cpu = unmeasured = 0.0
    visibility: list[float] = []

    class Timed(module.RunEvents):
        def taken(self, taken: Taken) -> None:
            nonlocal unmeasured
            self._add(super().taken, taken)
            if taken.due.hour == 15 and taken.due.minute in range(20, 20 + _PROBES):
                start_cpu, start = time.process_time(), time.perf_counter()
                with connect(path) as db:
                    seen = db.sql("select max(snapshot_at) as at from option_chain where trade_date = ?", [DAY])["at"][
                        0
                    ]
                visibility.append(time.perf_counter() - start)
                unmeasured += time.process_time() - start_cpu
                if seen != taken.due.replace(tzinfo=None):
                    raise RuntimeError(f"a query after the snapshot of {taken.due} saw {seen} as the latest")

        def state_changed(self, state: str, detail: str) -> None:
            self._add(super().state_changed, state, detail)

        def day_opened(self, day: TradingDay, *, written: bool) -> None:
            self._add(lambda: super(Timed, self).day_opened(day, written=written))

        def reference_stored(self, rows: int, at: datetime) -> None:
            self._add(super().reference_stored, rows, at)

        def _add(self, call: Callable[..., None], *arguments: Any) -> None:
            nonlocal events_cpu
            start = time.process_time()
            call(*arguments)
            events_cpu += time.process_time() - start

    class TimedSession(CaptureSession):
        def run(self) -> Any:
            nonlocal loop_cpu
            start = time.process_time()
            report = super().run()
            loop_cpu = time.process_time() - start
            if report.stored < report.due:
                raise RuntimeError(f"only {report.stored} of {report.due} snapshots were stored")
            return report

    module.RunEvents, module.CaptureSession = Timed, TimedSession
    events = _run(path, SESSION_JOB)
    return {
        "session_cpu": time.process_time() + _children() - unmeasured,
        "capture_cpu": loop_cpu - events_cpu - unmeasured,
        "events_cpu": events_cpu,
        "events": events,
        "visibility": visibility,
    }


def _seal_run(path: Path) -> dict[str, Any]:
    from g6_assets import seal as module
    from g6_assets.jobs import SEAL_JOB

    own = wall = 0.0
    seal_day = module.seal_day

    def timed(*arguments: Any) -> Any:
        nonlocal own, wall
        start = time.process_time()
        report = seal_day(*arguments)
        own, wall = time.process_time() - start, report.seconds
        return report

    module.seal_day = timed
    _run(path, SEAL_JOB)
    return {"seal_cpu": time.process_time() + _children(), "seal_own_cpu": own, "seal_seconds": wall}


def _run(path: Path, job: str) -> int:
    """Run a job as a run worker does, output captured, and return the number of its events."""
    import dagster as dg

    from g6.runtime import environment
    from g6_assets.definitions import build_defs
    from g6_assets.session import SESSION_TAG

    root = open_root(path)
    os.environ.update(environment(root))
    with dg.DagsterInstance.get() as instance:
        definition = build_defs(settings=load_settings(DEFAULT_FILE), root=root).resolve_job_def(job)
        result = definition.execute_in_process(
            partition_key=DAY.isoformat(),
            instance=instance,
            tags={SESSION_TAG: DAY.isoformat()},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        return len(result.all_events)


def _children() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def in_new_process(work: Callable[..., _Result], *arguments: Any) -> _Result:
    """Return what a function returns in a new Python process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


@contextmanager
def temporary_folder() -> Generator[Path]:
    """Make a folder for the while."""
    with tempfile.TemporaryDirectory(prefix="g6-bench-") as name:
        yield Path(name)
