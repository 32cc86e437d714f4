"""A world of three simulated days, captured and sealed by the real parts: two Fridays alike, an expiry day between."""

import fcntl
import json
import os
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path

import pandas as pd
import pytest

import g6
from g6.connection import G6Connection
from g6_assets.capture import CaptureSession
from g6_market.calendar import IST, TradingCalendar
from g6_resources.clock import SystemTime, clock_from, write_clock
from g6_resources.files import write_json
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.kite.client import KiteSource
from g6_resources.kite.token import write_token
from g6_resources.lake import Lake, LocalStore
from g6_resources.lock import SessionLock
from g6_resources.sealing import derive_day, seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, make_root
from g6_resources.world_state import Simulator, write_simulator
from g6_sim.config import API_KEY
from g6_sim.control import SimControl
from g6_sim.server import SimServer
from tests.capture.harness import Told, plan, simulation

CALENDAR = TradingCalendar.load()
FRIDAY_BEFORE, EXPIRY_DAY, LAST = date(2026, 10, 30), date(2026, 11, 3), date(2026, 11, 13)
DAYS = (FRIDAY_BEFORE, EXPIRY_DAY, LAST)
SNAPSHOTS = {FRIDAY_BEFORE: 12, EXPIRY_DAY: 12, LAST: 25}  # 09:45 .. 15:15 at 30 minutes; 09:30 .. 15:30 at 15


def capture(root: DataRoot, day: date) -> None:
    """Run the session of a day on a simulator of its own, and seal it."""
    with SimServer(simulation(trade_date=day)) as server:
        write_simulator(root, Simulator(url=server.url, api_key=API_KEY))
        start = datetime.combine(day, time(8, 55), IST)
        write_clock(root.clock_file, "driven", now=start)
        SimControl(server.url).set_clock(start)
        write_token(root.token_file, access_token="simtoken", user_id="SIM", api_key=API_KEY, made_at=start)
        clock, lock = clock_from(root, server.url), SessionLock(root.lock_file, SystemTime())
        lake = Lake(LocalStore(root.lake), current=root.current)
        attempt = lock.next_attempt(day)
        CaptureSession(
            session=CALENDAR.session(day),
            plan=plan(interval=900 if day == LAST else 1800, full_every=1800, strikes=5),
            calendar=CALENDAR,
            clock=clock,
            source=KiteSource.for_root(root, clock=clock, timeout_seconds=7.0),
            lake=lake,
            sinks=(),
            fence=lock.acquire(day, attempt, "run"),
            heartbeat=HeartbeatFile(root.heartbeat_file, SystemTime()),
            state_file=root.session_state_file,
            events=Told(),
            run_id="run",
        ).run()
    seal_day(lake, day, lambda lake_, day_: derive_day(lake_, day_, CALENDAR), Warehouse(root, CALENDAR).swap)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """The world, made once for all workers of pytest; its tests leave it as it is."""
    temporary = tmp_path_factory.getbasetemp()
    folder = (temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary) / "analyst"
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = make_root(folder / "data", "sim:42")
        for day in DAYS:
            if not (made.lake / "seals" / f"{day}.json").exists():
                capture(made, day)
    return made


@pytest.fixture(scope="session")
def config(root: DataRoot, project: Path) -> Path:
    """A settings file that names the world's data folder."""
    content = json.loads((project / "config" / "g6_config.json").read_text(encoding="utf-8"))
    content.pop("$schema", None)
    content["data_dir"] = str(root.path.parent)
    file = root.path.parent.parent / "settings.json"
    write_json(file, content)
    return file


@pytest.fixture(scope="session")
def db(root: DataRoot) -> Iterator[G6Connection[pd.DataFrame]]:
    with g6.connect(root.path) as connection:
        yield connection
