"""A small world for the desk: a sealed Friday, and the next one half over, with a lost minute and a healed one."""

import shutil
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd

from g6_market.calendar import IST
from g6_market.schema import EXPIRY_OVERVIEW, HEALING, OPTION_CHAIN, SNAPSHOTS, conform
from g6_resources.clock import SystemTime, write_clock
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.lake import Lake, snapshot_name
from g6_resources.sealing import seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, World, make_root, open_root
from tests.resources.lake_frames import (
    CALENDAR,
    FRIDAY,
    as_captured,
    due,
    expiry_overview,
    lake_of,
    option_chain,
    snapshots,
    write_opening,
    write_snapshot,
)

BEFORE = FRIDAY - timedelta(weeks=1)
COUNT = 8
LOST, HEALED = 3, 5
"""Numbers of the snapshots that were lost for good, and healed from candles: 09:19 and 09:21."""


@dataclass
class DeskWorld:
    """The world, and what its session does next."""

    root: DataRoot
    count: int = 0

    def capture(self) -> None:
        """Store the next snapshot of the running day, as a session does."""
        write_minute(lake_of(self.root), FRIDAY, self.count)
        # A capture also leaves the latest chain, by which readers see that there is news.
        lake_of(self.root).write_current(option_chain(FRIDAY, self.count))
        self.count += 1

    def lose(self) -> None:
        """Store nothing of the next snapshot but that it failed."""
        write_snapshot(lake_of(self.root), FRIDAY, self.count, "failed", "broker answered 503")
        self.count += 1

    def heal(self) -> None:
        """Lose the next snapshot, and heal it from candles."""
        lake, number = lake_of(self.root), self.count
        name = snapshot_name(due(FRIDAY, number))
        chain = option_chain(FRIDAY, number).assign(source="candle")
        lake.write_live(OPTION_CHAIN, FRIDAY, name, chain)
        lake.write_live(EXPIRY_OVERVIEW, FRIDAY, name, figures(FRIDAY, number).assign(source="candle"))
        lake.write_live(SNAPSHOTS, FRIDAY, name, snapshots(FRIDAY, number, "failed", "broker answered 503"))
        contracts = chain[["snapshot_at", "underlying", "tradingsymbol", "expiry", "strike", "option_type"]]
        known = pd.Timestamp(due(FRIDAY, COUNT))
        rows = contracts.assign(contract_type="option", exchange="NFO", outcome="healed", known_at=known)
        lake.write_live(HEALING, FRIDAY, name, conform(rows, HEALING))
        self.count += 1

    def seal(self, day: date) -> None:
        """Seal a day, which makes every older view fail."""
        seal_day(lake_of(self.root), day, as_captured, Warehouse(self.root, CALENDAR).swap)

    def copied(self, folder: Path) -> "DeskWorld":
        """Return the same world in another folder, with its session alive."""
        shutil.copytree(self.root.path, folder / self.root.path.name)
        world = DeskWorld(open_root(folder / self.root.path.name), self.count)
        Warehouse(world.root, CALENDAR).rebuild()
        world.beat()
        return world

    def clock_at(self, hour: int, minute: int) -> None:
        """Set the market's clock on the running day."""
        now = datetime(FRIDAY.year, FRIDAY.month, FRIDAY.day, hour, minute, tzinfo=IST)
        write_clock(self.root.clock_file, "driven", now=now)

    def beat(self, state: str = "collecting") -> None:
        """Leave a sign of life of the session, now."""
        HeartbeatFile(self.root.heartbeat_file, SystemTime()).write(
            market_time=SystemTime().now(), run_id="r", trade_date=FRIDAY, attempt=1, state=state, detail="8 stored"
        )


def figures(day: date, number: int) -> pd.DataFrame:
    """`expiry_overview` of a snapshot with the figures that the page shows."""
    known = {"atm_iv": 0.125, "expected_move": 150.0, "pcr_oi": 0.9, "max_pain": 24_000.0}
    return expiry_overview(day, number).assign(**known, oi_as_of=pd.Timestamp(due(day, number)))


def write_minute(lake: Lake, day: date, number: int) -> None:
    """Store a whole snapshot."""
    write_snapshot(lake, day, number)
    lake.write_live(EXPIRY_OVERVIEW, day, snapshot_name(due(day, number)), figures(day, number))


def empty_world(folder: Path) -> DeskWorld:
    """A world in which nothing has run."""
    root = make_root(folder, World("sim:7"))
    Warehouse(root, CALENDAR).rebuild()
    return DeskWorld(root)


def small_world(folder: Path) -> DeskWorld:
    """A world of two Fridays, on the second at 09:24 with a living session."""
    world = empty_world(folder)
    lake = lake_of(world.root)
    write_opening(lake, BEFORE)
    for number in range(COUNT):
        write_minute(lake, BEFORE, number)
    world.seal(BEFORE)
    write_opening(lake, FRIDAY)
    for number in range(COUNT):
        {LOST: world.lose, HEALED: world.heal}.get(number, world.capture)()
    Warehouse(world.root, CALENDAR).rebuild()
    world.clock_at(9, 24)
    world.beat()
    return world
