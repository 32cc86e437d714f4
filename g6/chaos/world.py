"""The data root of one simulated day, its clocks, and the plan of what is captured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from g6.chaos.script import Jump, Script
from g6_assets.capture import DayPlan
from g6_market.calendar import IST, TradingCalendar
from g6_market.day import Conventions
from g6_market.indices import INDICES, TAGS
from g6_resources.clock import Beat, DrivenClock, SystemTime, read_clock, tell_simulator, write_clock
from g6_resources.lake import Lake, LocalStore
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, make_root
from g6_resources.world_state import Simulator, write_simulator
from g6_sim.config import API_KEY


@dataclass(frozen=True, slots=True)
class Size:
    """How large the simulated world is."""

    name: str
    interval_seconds: int
    full_chain_every_seconds: int
    strikes_each_side: int
    tags: dict[str, list[str]]

    @property
    def plan(self) -> DayPlan:
        """What the capture loop is asked for."""
        return DayPlan(
            conventions=Conventions(
                interval_seconds=self.interval_seconds,
                full_chain_every_seconds=self.full_chain_every_seconds,
                strikes_each_side=self.strikes_each_side,
            ),
            tags=self.tags,
            strikes_each_side=dict.fromkeys(self.tags, self.strikes_each_side),
        )


SMALL = Size("small", 300, 3600, 3, {"NIFTY": ["this_week", "next_week"], "BANKNIFTY": ["this_month"]})
FULL = Size("full", 60, 180, 10, {name: list(TAGS) for name in INDICES})


@dataclass(frozen=True, slots=True)
class ChaosWorld:
    """One day's world; what its processes share."""

    root: DataRoot
    url: str
    script: Script
    size: Size
    calendar: TradingCalendar

    @property
    def lake(self) -> Lake:
        """The tables."""
        return Lake(LocalStore(self.root.lake), current=self.root.current)

    @property
    def warehouse(self) -> Warehouse:
        """The views."""
        return Warehouse(self.root, self.calendar)

    def now(self) -> datetime:
        """Return the market time."""
        return datetime.fromisoformat(str(read_clock(self.root.clock_file)["now"]))

    def set_clock(self, now: datetime) -> None:
        """Set the market time of both sides."""
        write_clock(self.root.clock_file, "driven", now=now)
        tell_simulator(self.url)(now)


def make_world(folder: Path, url: str, script: Script, size: Size, calendar: TradingCalendar) -> ChaosWorld:
    """Make the data root of a day on a running simulator, at its first launch, without a token."""
    root = make_root(folder, f"sim:{script.seed}")
    write_simulator(root, Simulator(url=url, api_key=API_KEY))
    world = ChaosWorld(root, url, script, size, calendar)
    world.set_clock(script.first_launch)
    return world


class TroubledClock:
    """The driven clock, on which people and accidents act while the session waits; implements `MarketClock`.

    Parameters
    ----------
    world
        Whose clock file it is.
    jumps
        Jumps of the machine's time in this attempt.
    logins
        Instants at which somebody logs in.
    login
        How.
    """

    def __init__(
        self, world: ChaosWorld, jumps: Sequence[Jump], logins: Sequence[datetime], login: Callable[[], None]
    ) -> None:
        self._file = world.root.clock_file
        self._tell = tell_simulator(world.url)
        self._clock = DrivenClock(self._file, self._tell)
        self._ahead: list[tuple[datetime, float | None]] = sorted(
            [(jump.at, jump.seconds) for jump in jumps] + [(at, None) for at in logins], key=lambda event: event[0]
        )
        self._login = login

    def now(self) -> datetime:
        """Return the market's present, aware, in IST."""
        return self._clock.now()

    def wait_until(self, when: datetime, beat: Beat | None = None) -> None:
        """Jump to `when`, unless that is past; what happens on the way happens first."""
        while self._ahead and self._ahead[0][0] <= when:
            at, seconds = self._ahead.pop(0)
            self._clock.wait_until(at, beat)
            if seconds is None:
                self._login()
            else:
                self.move(seconds)
        self._clock.wait_until(when, beat)

    def pause(self, seconds: float, beat: Beat | None = None) -> None:
        """Wait for a number of seconds of market time."""
        self.wait_until(self.now() + timedelta(seconds=seconds), beat)

    def move(self, seconds: float) -> None:
        """Move the time of both sides, forwards or back, at once."""
        now = self.now() + timedelta(seconds=seconds)
        write_clock(self._file, "driven", now=now)
        self._clock = DrivenClock(self._file, self._tell)
        self._tell(now.astimezone(IST))


class DrivenSystem(SystemTime):
    """System time that stands still with the market's, so that a day's heartbeats are the same each time."""

    def __init__(self, clock: TroubledClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """Return the market's present."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the market's present in seconds."""
        return self._clock.now().timestamp()

    def sleep(self, seconds: float) -> None:
        """Let market time pass."""
        self._clock.pause(seconds)
