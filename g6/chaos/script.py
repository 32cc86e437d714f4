"""What befalls a day, drawn from (seed, number): the same two give the same day. Pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from g6_market.calendar import Session, TradingCalendar
from g6_market.indices import INDICES

FIRST_DATE, LAST_DATE = date(2025, 9, 1), date(2026, 11, 20)
START_BEFORE_OPEN = timedelta(minutes=10)
# The files of a snapshot in the order of their writing: a process may die before any of them appears.
CRASH_POINTS = ("quotes", "snapshots", "option_chain", "expiry_overview", "overview", "current", "state", "csv")

OUTAGES = ("rate_limit", "server_error", "html", "reset")
TARGETS = ("", "", "/quote", "/quote", "NIFTY", "BANKNIFTY", "/instruments", "/user/profile")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of market time, [start, end)."""

    start: datetime
    end: datetime

    def holds(self, instant: datetime) -> bool:
        """Whether an instant lies within."""
        return self.start <= instant < self.end

    def meets(self, first: datetime, last: datetime) -> bool:
        """Whether any of [first, last] lies within."""
        return self.start <= last and first < self.end


@dataclass(frozen=True, slots=True)
class Death:
    """How one attempt is killed with signal 9.

    Parameters
    ----------
    at_call
        Before the n-th system call on a file of the world; a write is torn in the middle. None with `point`.
    point
        Before a file of this kind appears (see `CRASH_POINTS`) for the `at_due`-th due instant; "instruments" is the
        file that ends a day's opening.
    power_cut
        The machine dies, not the process alone: what was not flushed to the disk is lost.
    down_seconds
        Market time until the next attempt.
    """

    at_call: int | None
    point: str = ""
    at_due: int = 0
    power_cut: bool = False
    down_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class SlowDisk:
    """Each flush to the disk takes so many seconds of market time."""

    window: Window
    seconds: float


@dataclass(frozen=True, slots=True)
class TokenDeath:
    """The session token ends; somebody logs in again later."""

    at: datetime
    login_at: datetime


@dataclass(frozen=True, slots=True)
class Jump:
    """The machine's time moves: a laptop that slept, or a clock that was set back.

    Parameters
    ----------
    attempt
        In which attempt, from 1; once.
    """

    at: datetime
    seconds: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Script:
    """One day and its troubles.

    Parameters
    ----------
    seed, number
        What it was drawn from; the seed is the simulated market's too.
    first_launch
        Market time at which the first attempt starts.
    broker
        Faults for the simulator, as `g6_sim.faults` reads them.
    deaths, closing_deaths
        Of the session's attempts in order, and of those to heal and seal after the close.
    """

    seed: int
    number: int
    session: Session
    first_launch: datetime
    broker: tuple[Mapping[str, Any], ...] = ()
    deaths: tuple[Death, ...] = ()
    closing_deaths: tuple[Death, ...] = ()
    disk_full: tuple[Window, ...] = ()
    slow_disk: tuple[SlowDisk, ...] = ()
    dead_sink: tuple[Window, ...] = ()
    token_deaths: tuple[TokenDeath, ...] = ()
    jumps: tuple[Jump, ...] = ()

    @property
    def trade_date(self) -> date:
        """The day."""
        return self.session.trade_date

    def kinds(self) -> dict[str, int]:
        """Return what was drawn, by kind."""
        counts: dict[str, int] = {}
        for fault in self.broker:
            name = f"broker: {fault['kind']}"
            counts[name] = counts.get(name, 0) + 1
        own = {
            "kill -9 or power cut": len(self.deaths) + len(self.closing_deaths),
            "disk full": len(self.disk_full),
            "slow disk": len(self.slow_disk),
            "dead sink": len(self.dead_sink),
            "token expired": len(self.token_deaths),
            "clock set forward": sum(jump.seconds > 0 for jump in self.jumps),
            "clock set back": sum(jump.seconds < 0 for jump in self.jumps),
        }
        return counts | {name: count for name, count in own.items() if count}


def draw(seed: int, number: int, calendar: TradingCalendar, interval_seconds: int) -> Script:
    """Return the script of day `number` of a seed.

    Parameters
    ----------
    interval_seconds
        Of the snapshots, so that crash points and delays fall where something happens.
    """
    rng = random.Random(f"{seed}/{number}")
    session = rng.choice(_sessions(calendar))
    late = rng.random() < 0.2
    span = (session.close - session.open).total_seconds()
    first = session.open + timedelta(seconds=rng.uniform(0, 0.8 * span)) if late else session.open - START_BEFORE_OPEN
    day = _Drawing(rng, session, first, interval_seconds)
    if rng.random() < 0.05:
        return Script(seed, number, session, first)  # some days nothing happens
    deaths = tuple(day.death() for _ in range(day.some(0.65, 5)))
    return Script(
        seed=seed,
        number=number,
        session=session,
        first_launch=first,
        broker=tuple(day.broker_faults()),
        deaths=deaths,
        closing_deaths=tuple(day.closing_death() for _ in range(day.some(0.3, 3))),
        disk_full=tuple(day.window(60, 1500) for _ in range(day.some(0.12, 2))),
        slow_disk=tuple(SlowDisk(day.window(60, 1200), rng.uniform(0.2, 9.0)) for _ in range(day.some(0.12, 2))),
        dead_sink=tuple(day.window(60, 7200) for _ in range(day.some(0.25, 2))),
        token_deaths=tuple(day.token_death() for _ in range(day.some(0.15, 1))),
        jumps=tuple(day.jump(len(deaths) + 1) for _ in range(day.some(0.15, 2))),
    )


class _Drawing:
    """Draws the parts of one script."""

    def __init__(self, rng: random.Random, session: Session, first: datetime, interval_seconds: int) -> None:
        self._rng = rng
        self._session = session
        self._first = first
        self._dues = int((session.close - first).total_seconds() // interval_seconds)

    def some(self, chance: float, most: int) -> int:
        """How many of a trouble: none, or 1 to `most`, few more often than many."""
        rng = self._rng
        return 0 if rng.random() >= chance else 1 + int(rng.random() ** 2 * most)

    def instant(self) -> datetime:
        """Any instant of the session's life."""
        return self._first + (self._session.close - self._first) * self._rng.random()

    def window(self, shortest: float, longest: float) -> Window:
        """A window of a length between, short ones more often."""
        start = self.instant()
        length = shortest * (longest / shortest) ** self._rng.random()
        return Window(start, start + timedelta(seconds=round(length)))

    def death(self) -> Death:
        rng = self._rng
        power_cut = rng.random() < 0.25
        down = 20.0 * 60.0 ** rng.random() if rng.random() < 0.8 else rng.uniform(1200, 6000)
        if rng.random() < 0.4:
            due = rng.randrange(max(self._dues, 1))
            return Death(None, rng.choice(CRASH_POINTS), due, power_cut, down)
        # Half of the deaths fall into the opening and the first snapshots, where most is at stake.
        calls = int(30 * (100.0 ** rng.random())) if rng.random() < 0.5 else rng.randrange(1, 120 * max(self._dues, 2))
        return Death(calls, power_cut=power_cut, down_seconds=down)

    def closing_death(self) -> Death:
        rng = self._rng
        return Death(int(2 * 250 ** rng.random()), power_cut=rng.random() < 0.4, down_seconds=300.0)

    def token_death(self) -> TokenDeath:
        at = self.instant()
        return TokenDeath(at, at + timedelta(seconds=self._rng.uniform(30, 5400)))

    def jump(self, attempts: int) -> Jump:
        rng = self._rng
        seconds = -10.0 * 60.0 ** rng.random() if rng.random() < 0.5 else 30.0 * 100.0 ** rng.random()
        return Jump(self.instant(), round(seconds, 3), rng.randint(1, attempts))

    def broker_faults(self) -> list[Mapping[str, Any]]:
        """Faults of the broker: outages, wrong answers, a bad dump."""
        rng = self._rng
        spots = [spec.spot_key for spec in INDICES.values()][:2]
        faults = [self._outage() for _ in range(self.some(0.6, 4))]
        for _ in range(self.some(0.35, 3)):
            match = rng.choice(("", "NIFTY", "BANKNIFTY", *spots))
            faults += [_fault("absent", self.window(60, 7200), match=match, probability=rng.uniform(0.01, 0.4))]
        for _ in range(self.some(0.25, 2)):
            faults += [_fault("stale", self.window(120, 2400), match=rng.choice(("", "NIFTY", "BANKNIFTY")))]
        if rng.random() < 0.08:
            faults.append(_fault("slow", self.window(600, 3600), seconds=5.5, count=1))
        if rng.random() < 0.1:
            opening = Window(self._first, self._first + timedelta(seconds=rng.uniform(5, 600)))
            faults.append(_fault(rng.choice(("empty_dump", "truncated_dump")), opening, keep=rng.uniform(0.1, 0.9)))
        return faults

    def _outage(self) -> Mapping[str, Any]:
        rng = self._rng
        kind, match = rng.choice(OUTAGES), rng.choice(TARGETS)
        more: dict[str, Any] = {"match": match}
        if kind == "server_error":
            more["status"] = rng.choice((500, 502, 503, 504))
        passing = rng.random()
        if passing < 0.35:
            return _fault(kind, self.window(600, 7200), count=rng.randint(1, 3), **more)
        if passing < 0.5:
            return _fault(kind, self.window(600, 7200), probability=rng.uniform(0.05, 0.4), **more)
        return _fault(kind, self.window(20, 1800), **more)


def lasting(fault: Mapping[str, Any]) -> bool:
    """Whether a fault may outlast the retries: it hits every request of its window, or an unlucky row of them."""
    return "count" not in fault


def window_of(fault: Mapping[str, Any]) -> Window:
    """Return a broker fault's window."""
    return Window(datetime.fromisoformat(fault["from"]), datetime.fromisoformat(fault["to"]))


def _fault(kind: str, window: Window, **more: Any) -> Mapping[str, Any]:
    return {"kind": kind, "from": window.start.isoformat(), "to": window.end.isoformat(), **more}


def _sessions(calendar: TradingCalendar) -> Sequence[Session]:
    return [session for session in calendar.sessions(FIRST_DATE, LAST_DATE) if not session.breaks]
