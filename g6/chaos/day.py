"""One simulated day from its first launch to its verdict: the runner plays the sensor, the operator and the judge."""

import hashlib
import resource
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from g6.chaos import invariants as must
from g6.chaos.attempt import log_in, run_attempt, run_closing
from g6.chaos.healing import healed_rows_are_candles, no_gap_is_left_that_candles_fill
from g6.chaos.history import Attempt, History
from g6.chaos.reasons import Reasons
from g6.chaos.script import Script
from g6.chaos.sinks import files_equal_the_store, lines_are_told_once
from g6.chaos.truth import Truth
from g6.chaos.views import ask
from g6.chaos.world import ChaosWorld, Size, make_world
from g6_market.calendar import TradingCalendar
from g6_market.schema import QUOTES, SNAPSHOTS
from g6_sim.control import SimControl

MOST_ATTEMPTS = 120
# What the sensor and a full disk let pass until the next attempt, where no death says otherwise.
RELAUNCHED_AFTER = timedelta(seconds=95)
SEAL_AFTER_CLOSE = timedelta(minutes=5)
# The sensor heals again while something is left, once an hour.
HEALS_AGAIN = timedelta(hours=1)
HEALED_BY = timedelta(hours=6)
MOST_CLOSINGS = 12


@dataclass(frozen=True, slots=True)
class DayResult:
    """The verdict on one day, and its figures.

    Parameters
    ----------
    violations
        Sentences; none is what must be.
    digest
        Of all that was stored: the same script gives the same.
    drawn, struck
        Troubles of the script by kind, and how often they were seen to strike: requests, calls, deaths.
    """

    number: int
    trade_date: str
    violations: tuple[str, ...]
    digest: str
    expected: int
    stored: int
    gaps: Mapping[str, int]
    healed_rows: int
    captured_rows: int
    attempts: int
    views_asked: int
    drawn: Mapping[str, int]
    struck: Mapping[str, int]
    cpu_seconds: float
    wall_seconds: float = field(default=0.0)


def run_day(
    script: Script, size: Size, calendar: TradingCalendar, folder: Path, url: str, *, keep: bool = False
) -> DayResult:
    """Play a day on a running simulator of its seed, in a folder of its own, and judge it."""
    began, cpu = time.monotonic(), _cpu_seconds()
    shutil.rmtree(folder, ignore_errors=True)
    control = SimControl(url)
    control.faults([*script.broker, *_token_faults(script)])
    world = make_world(folder, url, script, size, calendar)
    control.clear_log()
    player = _Player(world)
    stored = must.Stored.nothing()
    violations = player.violations
    try:
        player.play()
        stored = must.Stored.of(world)
        truth = Truth(script.seed, script.session, calendar, list(size.tags))
        violations += judged(world, stored, truth, player.history)
    except (pa.ArrowException, duckdb.Error, OSError, KeyError, ValueError) as error:
        violations.append(f"what is stored cannot be read: {type(error).__name__}: {' '.join(str(error).split())}")
    log = control.log()
    control.faults([])
    violations += must.limits_were_kept(log)
    broken = stored.snapshots[stored.snapshots["outcome"] != "stored"]
    struck = player.history.struck + _broker_struck(log)
    result = DayResult(
        number=script.number,
        trade_date=str(script.trade_date),
        violations=tuple(violations),
        digest=digest(world),
        expected=len(must.dues(world)) * len(stored.expiries[["underlying", "expiry"]].drop_duplicates()),
        stored=int((stored.snapshots["outcome"] == "stored").sum()),
        gaps={str(cause): int(count) for cause, count in broken["cause"].value_counts().items()},
        healed_rows=len(stored.healed),
        captured_rows=len(stored.captured),
        attempts=len(player.history.attempts),
        views_asked=player.history.views_asked,
        drawn=script.kinds(),
        struck=dict(sorted(struck.items())),
        cpu_seconds=_cpu_seconds() - cpu,
        wall_seconds=time.monotonic() - began,
    )
    if not keep:
        shutil.rmtree(folder)
    return result


def judged(world: ChaosWorld, stored: must.Stored, truth: Truth, history: History) -> Iterator[str]:
    """Yield what of the invariants does not hold after the day."""
    reasons = Reasons(world.script, world.size, history)
    yield from must.rows_are_what_was_served(stored, truth, reasons)
    yield from must.each_snapshot_is_stored_once_or_explained(world, stored, reasons)
    after = world.script.session.close + HEALED_BY
    yield from healed_rows_are_candles(stored, truth, after)
    yield from no_gap_is_left_that_candles_fill(world, stored, truth, after)
    yield from must.every_file_opens(world.root.lake)
    if world.root.warehouse.exists():
        yield from must.gaps_know_them(world, stored)
        yield from files_equal_the_store(world)


def digest(world: ChaosWorld) -> str:
    """Return a hash of all stored rows and CSV files; when the seal was made is left out."""
    whole = hashlib.sha256()
    for folder, pattern in ((world.root.lake, "*.parquet"), (world.root.csv, "*.csv")):
        for path in sorted(folder.rglob(pattern)):
            if not path.name.startswith("."):
                whole.update(str(path.relative_to(folder)).encode())
                whole.update(path.read_bytes())
    return whole.hexdigest()


class _Player:
    """Plays one day: launches, relaunches, logs in, closes."""

    def __init__(self, world: ChaosWorld) -> None:
        self.history = History()
        self.violations: list[str] = []
        self._world = world
        self._files: dict[Path, bytes] = {}

    def play(self) -> None:
        world = self._world
        log_in(world, world.now())
        self._run_session()
        world.set_clock(max(world.now(), world.script.session.close + SEAL_AFTER_CLOSE))
        log_in(world, world.now())
        if world.lake.days():
            self._close()

    def _run_session(self) -> None:
        world, script = self._world, self._world.script
        at = script.first_launch
        for number in range(1, MOST_ATTEMPTS + 1):
            self._log_in_between(world.now(), at)
            world.set_clock(at)
            death = script.deaths[number - 1] if number <= len(script.deaths) else None
            outcome = run_attempt(world, number, death)
            ended = world.now()
            self.history.add(Attempt(number, at, ended, outcome, death))
            self._look(f"after attempt {number}")
            if outcome.well:
                return
            if not outcome.killed and not self._may_fail(outcome.ended, at, ended):
                self._violated(f"attempts die by themselves: {outcome.ended} ({outcome.told.get('where')})")
            down = timedelta(seconds=death.down_seconds) if outcome.killed and death else RELAUNCHED_AFTER
            at = ended + down
            if at >= script.session.close:
                return  # the sensor starts no session after the close
        self.violations.append(f"the session did not end within {MOST_ATTEMPTS} attempts")

    def _close(self) -> None:
        world, script = self._world, self._world.script
        before = world.lake.read(QUOTES, script.trade_date)
        for number in range(MOST_CLOSINGS):
            death = script.closing_deaths[number] if number < len(script.closing_deaths) else None
            began = world.now()
            outcome = run_closing(world, death)
            self.history.close(outcome, death)
            self.history.views_asked += 1
            self.violations += [f"while sealing: {sentence}" for sentence in ask(world)]
            if not outcome.killed and not outcome.well and not self._may_fail(outcome.ended, began, world.now()):
                self._violated(f"the seal failed: {outcome.ended} ({outcome.told.get('where')})")
                return
            if outcome.well and not outcome.told["left"]:
                after = world.lake.read(QUOTES, script.trade_date)
                self.violations += must.captured_is_untouched(before, after[after["source"] == "quote"])
                return
            wait = timedelta(seconds=death.down_seconds) if outcome.killed and death else HEALS_AGAIN
            world.set_clock(world.now() + wait)
        self.violations.append(f"the day was not healed and sealed in {MOST_CLOSINGS} runs")

    def _violated(self, sentence: str) -> None:
        sentence = " ".join(sentence.split())
        if sentence not in self.violations:  # sixty attempts may die of one thing
            self.violations.append(sentence)

    def _log_in_between(self, before: datetime, until: datetime) -> None:
        world = self._world
        for death in world.script.token_deaths:
            if before < death.login_at <= until:
                world.set_clock(death.login_at)
                log_in(world, death.login_at)

    def _look(self, when: str) -> None:
        """Ask the views, and see that nothing that was captured has changed."""
        self.history.views_asked += 1
        self.violations += [f"{when}: {sentence}" for sentence in ask(self._world)]
        self.violations += [f"{when}: {sentence}" for sentence in lines_are_told_once(self._world)]
        for path, seen in _captured_files(self._world):
            if self._files.setdefault(path, seen) != seen:
                self.violations.append(f"{when}: {path.parent.parent.parent.name} {path.stem} was written again")

    def _may_fail(self, error: str, began: datetime, ended: datetime) -> bool:
        script = self._world.script
        if error.startswith(("DiskFull", "OSError: [Errno 28]")):
            return any(window.meets(began, ended) for window in script.disk_full)
        if error.startswith("SinkError"):  # the CSV files of a sealed day; somebody seals it again
            return began > script.session.close and any(window.meets(began, ended) for window in script.dead_sink)
        # A dump that cannot be used, an outage or a dead token at the opening: the next attempt asks again.
        return error.startswith(("SourceError", "TokenDead", "TokenMissing", "DumpError"))


def _captured_files(world: ChaosWorld) -> Iterator[tuple[Path, bytes]]:
    for table in (QUOTES, SNAPSHOTS):
        folder = world.root.lake / table.name / "live" / f"trade_date={world.script.trade_date}"
        for path in sorted(folder.glob("[!.]*.parquet")):
            yield path, hashlib.blake2b(path.read_bytes(), digest_size=16).digest()


def _token_faults(script: Script) -> list[dict[str, str]]:
    return [{"kind": "token_expired", "from": death.at.isoformat()} for death in script.token_deaths]


def _broker_struck(log: list[dict[str, Any]]) -> Counter[str]:
    return Counter(f"broker: {row['fault']}" for row in log if row["fault"])


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
