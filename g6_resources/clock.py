"""The clocks: the market's (which may be virtual) and the system's. The only module that reads the time or sleeps.

`MarketClock` decides what is due. `SystemTime` serves heartbeats, locks and everything Dagster sees. They are injected
and never mixed. When the market opens and closes belongs to `g6_market.calendar`.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from g6_market.calendar import IST
from g6_resources.files import read_json, write_json

if TYPE_CHECKING:
    from g6_resources.world import DataRoot

Beat = Callable[[], None]
"""Something to do regularly while waiting: writes the heartbeat, and may raise to end the wait."""

# A session is taken for dead after 20 s without a heartbeat; slices keep a wait in step with a clock that was set.
BEAT_SECONDS = 4.0
SLICE_SECONDS = 0.5
MODES = ("system", "shifted", "driven")


class ClockError(ValueError):
    """A clock's state file, or an instant given to a clock, cannot be used."""


class SystemTime:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the present, aware, in IST."""
        return datetime.now(IST)

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Do nothing for a while; an interrupt's exception ends it at once."""
        time.sleep(seconds)


class MarketClock(Protocol):
    """The time by which the market runs."""

    def now(self) -> datetime:
        """Return the market's present, aware, in IST."""
        ...

    def wait_until(self, when: datetime, beat: Beat | None = None) -> None:
        """Return at `when`, or immediately if that is past.

        While waiting, `beat` is called at once and then at least every 5 s of system time.
        """
        ...

    def pause(self, seconds: float, beat: Beat | None = None) -> None:
        """Wait for a number of seconds of market time."""
        ...


class SystemClock:
    """The market runs now. Also the base of a clock that runs at the same speed on another day."""

    def __init__(self, system: SystemTime | None = None) -> None:
        self._system = system or SystemTime()

    def now(self) -> datetime:
        """Return the market's present, aware, in IST."""
        return self._system.now()

    def wait_until(self, when: datetime, beat: Beat | None = None) -> None:
        """Sleep until `when`, beating; see `MarketClock`."""
        _require_zone(when)
        last_beat: float | None = None
        while self.now() < when:
            if beat is not None and (last_beat is None or self._system.monotonic() - last_beat >= BEAT_SECONDS):
                beat()
                last_beat = self._system.monotonic()
            left = (when - self.now()).total_seconds()
            self._system.sleep(min(max(left, 0.0), SLICE_SECONDS))

    def pause(self, seconds: float, beat: Beat | None = None) -> None:
        """Wait for a number of seconds, beating."""
        self.wait_until(self.now() + timedelta(seconds=seconds), beat)


class ShiftedClock(SystemClock):
    """Real speed on another day, so that development has an open market on a Sunday.

    Parameters
    ----------
    offset
        What is added to the system's time; negative for a past day.
    """

    def __init__(self, offset: timedelta, system: SystemTime | None = None) -> None:
        super().__init__(system)
        self._offset = offset

    def now(self) -> datetime:
        """Return the market's present, aware, in IST."""
        return self._system.now() + self._offset


class DrivenClock:
    """Time that stands still until somebody waits, then jumps: a day passes as fast as the machine allows.

    The state file is the time itself, read at each question, so that every process of the world sees the same instant
    and a relaunched session goes on where the killed one stood.

    Parameters
    ----------
    state_file
        The world's clock file, made with `write_clock`.
    tell
        Called with the new time after each jump, so that the simulator follows; see `tell_simulator`.
    """

    def __init__(self, state_file: Path, tell: Callable[[datetime], None]) -> None:
        self._state_file = state_file
        self._tell = tell
        self._known: tuple[tuple[int, ...], datetime] | None = None

    def now(self) -> datetime:
        """Return the market's present, aware, in IST."""
        # The file is asked ten times a call: as long as it is the same file, it holds the same instant.
        version = self._version()
        if self._known is None or self._known[0] != version:
            self._known = version, _instant_of(read_clock(self._state_file), self._state_file)
        return self._known[1]

    def wait_until(self, when: datetime, beat: Beat | None = None) -> None:
        """Jump to `when`, unless that is past."""
        _require_zone(when)
        if when <= self.now():
            return
        if beat is not None:
            beat()
        write_clock(self._state_file, "driven", now=when)
        self._known = None  # two jumps may fall into one tick of the file's time
        self._tell(when.astimezone(IST))

    def pause(self, seconds: float, beat: Beat | None = None) -> None:
        """Jump a number of seconds ahead."""
        self.wait_until(self.now() + timedelta(seconds=seconds), beat)

    def _version(self) -> tuple[int, ...]:
        try:
            status = self._state_file.stat()
        except OSError:
            return ()  # reading it says what is wrong
        return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def tell_simulator(url: str) -> Callable[[datetime], None]:
    """Return what sets the clock of the simulator at `url`: a POST of {"now": ISO instant} to `/sim/clock`.

    It raises `requests.RequestException` when the simulator does not take the time: going on would mix two times.
    """
    import requests  # costs 0.1 s, and only driven worlds need it
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    # The simulator may close a kept connection just as it is used again; a time told twice is the same time.
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=2, status=0, allowed_methods=None)))
    session.trust_env = False  # the simulator is on loopback; a proxy of the environment would not reach it

    def tell(now: datetime) -> None:
        session.post(f"{url}/sim/clock", json={"now": now.isoformat()}, timeout=10).raise_for_status()

    return tell


def write_clock(
    path: Path, mode: str, *, offset: timedelta = timedelta(0), now: datetime | None = None
) -> dict[str, object]:
    """Write a clock's state file, and return its content.

    Parameters
    ----------
    mode
        "system"; "shifted" by `offset`; or "driven", starting at the aware instant `now`.
    """
    state: dict[str, object] = {"mode": mode}
    if mode == "shifted":
        state["offset_seconds"] = offset.total_seconds()
    if mode == "driven":
        if now is None:
            raise ClockError(f"{path}: a driven clock needs the instant it starts at; give now=")
        _require_zone(now)
        state["now"] = now.astimezone(IST).isoformat()
    _require_mode(mode, path)
    write_json(path, state, mode=0o644)
    return state


def read_clock(path: Path) -> dict[str, object]:
    """Return a clock's state: {"mode": ..} with "offset_seconds" or "now" as the mode asks.

    Raises
    ------
    ClockError
        If the file cannot be read as that, naming it and what to do.
    """
    try:
        state: dict[str, object] = read_json(path)
    except (ValueError, OSError) as error:
        raise ClockError(
            f"clock state {path} cannot be read ({error}); remove it and start the world again with `make demo` or "
            "`make dev`"
        ) from error
    _require_mode(state.get("mode"), path)
    return state


def clock_from(root: "DataRoot", simulator_url: str | None = None, system: SystemTime | None = None) -> MarketClock:
    """Return the market clock of a world, from its clock file; the system's time where there is none.

    Parameters
    ----------
    simulator_url
        Whom a driven clock tells about its jumps; None for a process that only reads the time.

    Raises
    ------
    ClockError
        If the clock file cannot be used, or gives the live world anything but the system's time.
    """
    if not root.clock_file.exists():
        return SystemClock(system)
    state = read_clock(root.clock_file)
    if state["mode"] != "system" and root.world.kind == "live":
        raise ClockError(
            f"clock state {root.clock_file}: the live world runs on the system's time, not on a {state['mode']} clock; "
            "remove the file"
        )
    if state["mode"] == "shifted":
        return ShiftedClock(_offset_of(state, root.clock_file), system)
    if state["mode"] == "driven":
        _instant_of(state, root.clock_file)
        return DrivenClock(root.clock_file, tell_simulator(simulator_url) if simulator_url else _tell_nobody)
    return SystemClock(system)


def _tell_nobody(now: datetime) -> None:
    del now


def _require_zone(instant: datetime) -> None:
    if instant.tzinfo is None:
        raise ClockError(f"instant {instant.isoformat()} has no zone; write it like 2026-11-20T09:16:00+05:30")


def _require_mode(mode: object, path: Path) -> None:
    if mode not in MODES:
        raise ClockError(f"clock state {path}: mode {mode!r} is unknown; use one of {', '.join(MODES)}")


def _offset_of(state: dict[str, object], path: Path) -> timedelta:
    seconds = state.get("offset_seconds")
    if not isinstance(seconds, int | float):
        raise ClockError(f"clock state {path}: offset_seconds is {seconds!r}; a shifted clock needs a number")
    return timedelta(seconds=seconds)


def _instant_of(state: dict[str, object], path: Path) -> datetime:
    try:
        instant = datetime.fromisoformat(str(state.get("now")))
    except ValueError as error:
        raise ClockError(
            f"clock state {path}: now is {state.get('now')!r}; write it like 2026-11-20T09:16:00+05:30"
        ) from error
    _require_zone(instant)
    return instant.astimezone(IST)
