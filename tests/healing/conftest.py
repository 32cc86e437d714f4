"""A day with every kind of hole, captured once by the real loop; each test heals a copy of it.

Before 14:30 the process was down; at 14:40-14:50 the broker was away; at 15:05 and 15:15, a full chain, it left legs
out; at 15:20 and 15:25 the token was dead.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from g6_assets.capture import DayPlan
from g6_assets.capture.snapshot import Taken
from g6_assets.heal import HealLimit, HealReport, heal_day
from g6_market.calendar import TradingCalendar
from g6_market.day import TradingDay
from g6_market.schema import HEALING, QUOTES
from g6_resources.clock import clock_from
from g6_resources.kite.client import KiteSource
from g6_resources.lake import Lake, LocalStore
from g6_resources.sealing import SealReport, derive_day, seal_day, trading_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot
from g6_sim.feed import MarketFeed
from g6_sim.server import SimServer
from tests.capture.harness import DAY, Desk, at, make_desk, plan, simulation

SMALL = {"NIFTY": ["this_week", "next_month"]}
DOWN = ("14:40", "14:45", "14:50")
PARTIAL = ("15:05", "15:15")
DEAD = ("15:20", "15:25")


def on(clock: str) -> str:
    return f"{DAY}T{clock}:00"


FAULTS = [
    {"kind": "server_error", "from": on("14:40"), "to": on("14:54"), "match": "/quote"},
    {"kind": "absent", "from": on("15:05"), "to": on("15:08"), "match": "NFO", "probability": 0.3},
    {"kind": "absent", "from": on("15:15"), "to": on("15:18"), "match": "NFO", "probability": 0.04},
    {"kind": "token", "from": on("15:20"), "to": on("15:24")},
]


@dataclass
class Holed:
    """A captured day with holes, on a simulator whose clock stands after the close."""

    desk: Desk

    @property
    def root(self) -> DataRoot:
        return self.desk.root

    @property
    def lake(self) -> Lake:
        return self.desk.lake

    @property
    def day(self) -> TradingDay:
        return trading_day(self.lake, DAY, self.desk.calendar)

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.root, self.desk.calendar)

    def source(self) -> KiteSource:
        return KiteSource.for_root(self.root, clock=clock_from(self.root, self.desk.url))

    def heal(self, *, calls: int | None = None, store: LocalStore | None = None, **how: bool) -> HealReport:
        lake = Lake(store, current=self.root.current) if store else self.lake
        clock = clock_from(self.root, self.desk.url)
        return heal_day(lake, self.source(), self.day, clock, limit=HealLimit(calls=calls), **how)

    def seal(self, store: LocalStore | None = None) -> SealReport:
        lake = Lake(store, current=self.root.current) if store else self.lake
        return seal_day(lake, DAY, lambda lake_, day: derive_day(lake_, day, self.desk.calendar), self.warehouse.swap)

    def quotes(self, source: str | None = None) -> pd.DataFrame:
        rows = self.lake.gather(QUOTES, DAY)
        return rows if source is None else rows[rows["source"] == source].reset_index(drop=True)

    def healing(self) -> pd.DataFrame:
        return self.lake.gather(HEALING, DAY)

    def asked(self) -> list[str]:
        """The tokens whose candles were answered, in order."""
        calls = self.desk.served("/instruments/historical")
        return [row["path"].split("/")[3] for row in calls if row["status"] == 200]


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimServer]:
    with SimServer(simulation(indices=tuple(SMALL))) as server:
        yield server


@pytest.fixture(scope="session")
def captured(simulator: SimServer, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The day as its session left it."""
    desk = make_desk(tmp_path_factory.mktemp("captured"), simulator.url, small_plan(), clock="14:28")
    capture_with_holes(desk)
    return desk


def small_plan() -> DayPlan:
    return replace(plan(strikes=2), tags=SMALL, strikes_each_side={"NIFTY": 2})


def capture_with_holes(desk: Desk, on_taken: Callable[[Taken], None] = lambda _: None) -> None:
    """Run the session of the day."""
    desk.control.faults(FAULTS)
    session = desk.launch()

    def log_in_after_15_25(taken: Taken) -> None:
        on_taken(taken)
        if taken.due == at("15:25"):
            desk.log_in()

    desk.told.on_taken = log_in_after_15_25
    session.run()


@pytest.fixture
def holed(captured: Desk, tmp_path: Path) -> Holed:
    """A copy of the day at 15:46, with nothing wrong any more."""
    return copy_of(captured, tmp_path)


@pytest.fixture(scope="session")
def healed(captured: Desk, tmp_path_factory: pytest.TempPathFactory) -> tuple[Holed, HealReport]:
    """The day healed and not sealed, to look at, and what the healing said."""
    world = copy_of(captured, tmp_path_factory.mktemp("healed"))
    return world, world.heal()


@pytest.fixture(scope="session")
def healed_late(captured: Desk, tmp_path_factory: pytest.TempPathFactory) -> Holed:
    """The day sealed and then healed: its seal has not taken the healed rows in yet. To be copied."""
    world = copy_of(captured, tmp_path_factory.mktemp("healed_late"))
    world.seal()
    world.heal()
    return world


def copy_of(desk: Desk, folder: Path) -> Holed:
    """Copy a day, on the simulator with its clock at 15:46 and without faults."""
    place = folder / "data" / desk.root.path.name
    shutil.copytree(desk.root.path, place)
    copy = replace(desk, root=replace(desk.root, path=place))
    copy.control.faults([])
    copy.set_clock("15:46")
    copy.control.clear_log()
    world = Holed(copy)
    if world.root.warehouse.exists():
        world.warehouse.rebuild()  # its views name the folder they were made in
    return world


@pytest.fixture(scope="session")
def market() -> MarketFeed:
    """The simulated market itself, asked in this process."""
    return MarketFeed(42, TradingCalendar.load(), tuple(SMALL), 0, long_index_form=False)
