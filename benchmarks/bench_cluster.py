"""A synthetic quarter recomputed in the cluster profile, by one worker and by two, and what a live session feels of it.

Real Postgres, Redis and Celery workers, as `deploy/cluster/up.sh` starts them; the shares are those of `g6 recompute`.
`python -m benchmarks.bench_cluster --days 6` tries it on few days, which are made when there is no synthetic year.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.bench_analytics import result
from benchmarks.bench_dagster import free_port
from benchmarks.worlds import DAY, in_new_process, temporary_folder
from benchmarks.year import CACHE, build, built_year, root_of, sessions, take_todays_columns
from benchmarks.year_market import LEVELS
from g6.runtime import PROJECT
from g6_assets.capture import CaptureSession, DayPlan
from g6_assets.capture.snapshot import Taken
from g6_market.calendar import IST, TradingCalendar
from g6_market.day import Conventions, TradingDay
from g6_market.indices import INDICES
from g6_resources.clock import ShiftedClock, SystemTime, write_clock
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.kite.client import KiteSource
from g6_resources.kite.token import write_token
from g6_resources.lake import Lake, LocalStore
from g6_resources.lock import SessionLock
from g6_resources.settings.loading import DEFAULT_FILE
from g6_resources.world import DataRoot, open_root
from g6_resources.world_state import Simulator, write_simulator
from g6_sim.config import API_KEY, SimConfig
from g6_sim.server import SimServer

QUARTER_DAYS = 62
SNAPSHOT_SECONDS, SNAPSHOTS = 5, 8
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Backfill:
    """What one backfill took.

    Parameters
    ----------
    shares, days, legs
        Runs, days of an index, and rows of `option_chain` that were derived.
    seconds
        From the start of the first run to the end of the last.
    cpu_seconds, work_seconds, work_cpu_seconds
        CPU of every process of the cluster meanwhile; wall and CPU of the runs' own work, added.
    waits
        Seconds from the end of a worker's run to the first line of its next.
    peaks_mb
        Largest memory of the workers, in the order of the runs.
    events, event_bytes
        Dagster events, and what they take in Postgres.
    """

    shares: int
    days: int
    legs: int
    seconds: float
    cpu_seconds: float
    work_seconds: float
    work_cpu_seconds: float
    waits: list[float]
    peaks_mb: list[int]
    events: int
    event_bytes: int

    @property
    def overhead_seconds(self) -> float:
        """Wall seconds a share that its worker did not work."""
        return statistics.mean(self.waits) if self.waits else 0.0

    @property
    def overhead_cpu_seconds(self) -> float:
        """CPU seconds a share outside its own work: queue, launch, bookkeeping, Postgres, pages."""
        return (self.cpu_seconds - self.work_cpu_seconds) / self.shares


def results(days: int = QUARTER_DAYS) -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    with temporary_folder() as folder:
        root, chosen = _slice(folder, days)
        one = _measured(root, chosen, 1)
        two, quiet, busy = _measured_beside_a_session(root, chosen)
    return _rows(one, two, quiet, busy)


def _rows(one: Backfill, two: Backfill, quiet: list[float], busy: list[float]) -> list[dict[str, Any]]:
    what = (
        f"{one.legs:,} legs, {one.days} days of an index in {one.shares} shares of a month each, through Dagster on "
        "Postgres and Celery over Redis, CSV series left out"
    )
    million = 1e6 / one.legs
    latency = f"median of {len(busy)} snapshots of all six indices, {SNAPSHOT_SECONDS} s apart, stored after due"
    return [
        result(
            "backfill_two_worker_speedup", one.seconds / two.seconds, None,
            f"wall of 1 worker ({one.seconds:.0f} s) over that of 2 ({two.seconds:.0f} s), two cores: {what}",
            "times", "higher",
        ),
        result(
            "backfill_cpu_seconds_per_million_legs", one.cpu_seconds * million, None,
            f"every process of the cluster, 1 worker; {one.work_cpu_seconds * million:.2f} of it the work: {what}",
        ),
        result(
            "backfill_queue_seconds_per_chunk", one.overhead_seconds, None,
            f"wall, from the end of a worker's run to the first line of its next, mean of {len(one.waits)}: {what}",
        ),
        result(
            "backfill_queue_cpu_seconds_per_chunk", one.overhead_cpu_seconds, None,
            f"CPU of daemon, code server, Postgres, Redis, pages and the worker outside its share's own work: {what}",
        ),
        result(
            "backfill_worker_peak_mb", max(one.peaks_mb), None,
            f"largest resident size of a worker; after its first share {one.peaks_mb[0]}, after its last "
            f"{one.peaks_mb[-1]}: {what}", "MB",
        ),
        result(
            "backfill_event_bytes", one.event_bytes / one.events, None,
            f"bytes of Postgres, indexes included, an event; {one.events / one.days:.1f} events a day of an index "
            f"without series: {what}", "bytes",
        ),
        result(
            "live_latency_beside_backfill_ms", statistics.median(busy) * 1000, statistics.median(quiet) * 1000,
            f"{latency}, while 2 workers recompute on two cores; largest {max(busy) * 1000:.0f}; beside: the same "
            f"session alone, largest {max(quiet) * 1000:.0f}", "ms",
        ),
    ]  # fmt: skip


# ------------------------------------------------------------------ the world
def _slice(folder: Path, days: int) -> tuple[DataRoot, list[date]]:
    """Return a world of the year's last days, linked from it, and the days; files are replaced by renames."""
    chosen = sessions()[-days:]
    if days < QUARTER_DAYS and not (CACHE / "sim-year" / "recomputed.json").exists():
        root = build(folder, chosen)
    else:
        year, root = built_year(), root_of(folder)
        for source in (path for path in year.lake.rglob("*") if path.is_file() and _wanted(path, chosen)):
            target = root.lake / source.relative_to(year.lake)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)
        Lake(LocalStore(root.lake), current=root.current).ensure_sentinels()
    take_todays_columns(Lake(LocalStore(root.lake)), chosen)
    after = TradingCalendar.load().session(chosen[-1]).close + timedelta(hours=5)
    write_clock(root.clock_file, "driven", now=after)
    content = json.loads(DEFAULT_FILE.read_text(encoding="utf-8")) | {"data_dir": str(folder)}
    (root.path / "g6_config.json").write_text(json.dumps(content), encoding="utf-8")
    return root, chosen


def _wanted(path: Path, days: list[date]) -> bool:
    found = re.search(r"\d{4}-\d\d-\d\d", str(path))
    return found is not None and date.fromisoformat(found[0]) in days


# ------------------------------------------------------------------ the cluster
@contextmanager
def _cluster(root: DataRoot, workers: int) -> Generator[tuple[dict[str, str], list[int]]]:
    """Run the cluster on the world; yields the environment that talks to it, and its processes."""
    command = [str(PROJECT / "deploy" / "cluster" / "up.sh"), "--world", root.world.name, "--workers", str(workers)]
    process = subprocess.Popen(
        [*command, "--port", str(free_port())],
        env={**os.environ, "G6_CONFIG": str(root.path / "g6_config.json")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    said: list[str] = []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"another terminal: \. (\S+)", line):
                break
        else:
            raise RuntimeError("the cluster did not come up:\n" + "".join(said[-15:]))
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        exports = subprocess.run(
            ["bash", "-c", f". {found[1]}; env -0"], capture_output=True, text=True, check=True
        ).stdout
        environment = dict(entry.split("=", 1) for entry in exports.split("\0") if entry)
        environment["G6_CONFIG"] = str(root.path / "g6_config.json")
        yield environment, [int(path.read_text()) for path in Path(found[1]).parent.glob("*.pid")]
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(120)


def _measured(root: DataRoot, days: list[date], workers: int) -> Backfill:
    with _cluster(root, workers) as (environment, processes):
        return _backfill(root, days, environment, processes)


def _measured_beside_a_session(root: DataRoot, days: list[date]) -> tuple[Backfill, list[float], list[float]]:
    """Recompute by two workers, and then some of it again beside a session; the session alone comes first."""
    with _cluster(root, 2) as (environment, processes):
        two = _backfill(root, days, environment, processes)
        quiet = in_new_process(_latencies, root.path)
        again = _launch(root, days, environment, "--no-wait")
        again.wait()
        _until_at_work(environment)
        busy = in_new_process(_latencies, root.path)
    return two, quiet, busy


def _launch(root: DataRoot, days: list[date], environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    span = ["--from", str(days[0]), "--to", str(days[-1]), "--world", root.world.name, "--no-series"]
    names = [part for name in LEVELS for part in ("--index", name)]
    return subprocess.Popen(
        [sys.executable, "-m", "g6", "recompute", *span, *names, *options], cwd=PROJECT, env=environment, text=True
    )


def _backfill(root: DataRoot, days: list[date], environment: dict[str, str], processes: list[int]) -> Backfill:
    before = _cpu_below(processes)
    if _launch(root, days, environment).wait():
        raise RuntimeError("the backfill failed; what it said is above")
    spent = _cpu_below(processes) - before
    return Backfill(**in_new_process(_ran, environment), cpu_seconds=spent)


def _ran(environment: dict[str, str]) -> dict[str, Any]:
    """Read what Dagster recorded of a backfill, and of nothing else: its instance began empty."""
    import dagster as dg
    from sqlalchemy import text

    os.environ.update(environment)
    with dg.DagsterInstance.get() as instance:
        records = sorted(instance.get_run_records(dg.RunsFilter(job_name="recompute_job")), key=_started)
        made: dict[str, dict[str, Any]] = {}
        first_lines: dict[str, float] = {}
        for record in records:
            events = instance.all_logs(record.dagster_run.run_id)
            first_lines[record.dagster_run.run_id] = next(
                entry.timestamp for entry in events if entry.dagster_event and entry.dagster_event.is_step_start
            )
            made[record.dagster_run.run_id] = next(
                {name: value.value for name, value in m.metadata.items()}
                for m in (entry.asset_materialization for entry in events)
                if m is not None and m.asset_key == dg.AssetKey("recomputed")
            )
        with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
            events, size = connection.execute(
                text("select count(*), pg_total_relation_size('event_logs') from event_logs")
            ).one()
    ends = [record.end_time or 0.0 for record in records]
    starts = [first_lines[record.dagster_run.run_id] for record in records]
    free: list[float] = []
    waits: list[float] = []
    # Whichever worker has been free for longest takes the next run.
    for end, begun in zip(ends, starts, strict=True):
        if earlier := [end for end in free if end <= begun]:
            waits.append(begun - min(earlier))
            free.remove(min(earlier))
        free.append(end)
    return {
        "shares": len(records),
        "days": sum(int(one["days derived"]) for one in made.values()),
        "legs": sum(int(one["dagster/row_count"]) for one in made.values()),
        "seconds": max(ends) - min(map(_started, records)),
        "work_seconds": sum(float(one["seconds"]) for one in made.values()),
        "work_cpu_seconds": sum(float(one["CPU seconds"]) for one in made.values()),
        "waits": waits,
        "peaks_mb": [int(one["peak memory of the worker (MB)"]) for one in made.values()],
        "events": int(events),
        "event_bytes": int(size),
    }


def _started(record: Any) -> float:
    return float(record.start_time or 0.0)


def _until_at_work(environment: dict[str, str]) -> None:
    in_new_process(_wait_for_two_runs, environment)


def _wait_for_two_runs(environment: dict[str, str]) -> None:
    import dagster as dg

    os.environ.update(environment)
    clock = SystemTime()
    with dg.DagsterInstance.get() as instance:
        for _ in range(240):
            if len(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))) >= 2:
                return
            clock.sleep(0.5)
    raise RuntimeError("two minutes after the launch of a backfill not two of its runs were at work")


def _cpu_below(roots: list[int]) -> float:
    """Return CPU seconds of processes and all below them, ended ones included."""
    spent: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, tail = path.read_text(encoding="utf-8").rpartition(")")
        except OSError:  # it ended meanwhile, and its parent counts it
            continue
        pid, fields = int(head.split()[0]), tail.split()
        spent[pid] = sum(int(number) for number in fields[11:15])
        children.setdefault(int(fields[1]), []).append(pid)
    todo, total = list(roots), 0
    while todo:
        pid = todo.pop()
        total += spent.get(pid, 0)
        todo += children.get(pid, [])
    return total / _TICKS


# ------------------------------------------------------------------ the session beside it
class _Enough(Exception):
    """The session has been measured."""


class _Late:
    """The session's events: notes how long after its due time each snapshot was stored; one missed, an interval."""

    def __init__(self, clock: Any) -> None:
        self.seconds: list[float] = []
        self._clock = clock

    def day_opened(self, day: TradingDay, *, written: bool) -> None:
        del day, written

    def reference_stored(self, rows: int, at: datetime) -> None:
        del rows, at

    def state_changed(self, state: str, detail: str) -> None:
        del state, detail

    def taken(self, taken: Taken) -> None:
        if taken.snapshot is not None:
            self.seconds.append((self._clock.now() - taken.due).total_seconds())
        elif self.seconds:  # those due while it opened are nobody's
            self.seconds.append(float(SNAPSHOT_SECONDS))
        if len(self.seconds) > SNAPSHOTS:
            raise _Enough


def _latencies(path: Path) -> list[float]:
    """Capture some snapshots at real speed in the world that is being recomputed; the first, a full chain, is left."""
    root, calendar = open_root(path), TradingCalendar.load()
    session = calendar.session(DAY)
    attempt = len(list(root.path.glob("attempt-*"))) + 1
    (root.path / f"attempt-{attempt}").touch()
    shift = datetime.combine(DAY, session.open.time(), IST) + timedelta(hours=attempt) - SystemTime().now()
    # Its own clock, not the world's: the sensors of the cluster shall find the market closed.
    clock = ShiftedClock(shift)
    config = SimConfig(trade_date=DAY, mode="shifted", shift_seconds=shift.total_seconds(), enforce_limits=False)
    with SimServer(config, own_process=True) as server:
        write_simulator(root, Simulator(url=server.url, api_key=API_KEY))
        made = clock.now()
        write_token(root.token_file, access_token=config.access_token, user_id="SIM", api_key=API_KEY, made_at=made)
        late = _Late(clock)
        tags = {name: list(index.tags) for name, index in INDICES.items()}
        plan = DayPlan(
            Conventions(interval_seconds=SNAPSHOT_SECONDS, full_chain_every_seconds=3600, strikes_each_side=10),
            tags=tags,
            strikes_each_side=dict.fromkeys(tags, 10),
        )
        running = CaptureSession(
            session=session,
            plan=plan,
            calendar=calendar,
            clock=clock,
            source=KiteSource.for_root(root, clock=clock, limits={"quote": 20, "historical": 20, "other": 20}),
            lake=Lake(LocalStore(root.lake), current=root.current),
            sinks=[],
            fence=SessionLock(root.lock_file, SystemTime()).acquire(DAY, attempt, "bench"),
            heartbeat=HeartbeatFile(root.heartbeat_file, SystemTime()),
            state_file=root.session_state_file,
            events=late,
            run_id="bench",
        )
        with suppress(_Enough):
            running.run()
    return late.seconds[1:]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--days", type=int, default=QUARTER_DAYS)
    print(json.dumps(results(parser.parse_args().days), indent=2))
