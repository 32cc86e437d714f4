"""A day captured by the real loop, healed and sealed on an object store that fails, is the same day as on a disk."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import g6
from g6_assets.capture.snapshot import Taken
from g6_market.schema import STORED_TABLES
from g6_resources.lake_s3 import StoreUnreachable
from g6_resources.metrics_world import WorldMetrics
from g6_resources.spool import Spool
from g6_resources.world import DataRoot, make_root
from g6_sim.server import SimServer
from tests.capture.harness import DAY, Desk, at, make_desk
from tests.healing.conftest import Holed, capture_with_holes, copy_of, small_plan
from tests.object_store import BUCKET, Door
from tests.object_store import door as door  # the fixtures
from tests.object_store import impatient as impatient
from tests.object_store import server as server

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("impatient_session")]

QUESTIONS = {
    "quotes": "SELECT * EXCLUDE (received_at, known_at) FROM quotes ORDER BY snapshot_at, exchange, tradingsymbol",
    "chain": "SELECT * FROM option_chain ORDER BY ALL",
    "overview": "SELECT * FROM overview ORDER BY ALL",
    "gaps": "SELECT * FROM gaps ORDER BY ALL",
    "straddle": "SELECT * FROM straddle('NIFTY', 'front', DATE '2026-11-20') ORDER BY ALL",
}


@pytest.fixture
def impatient_session(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session gives a store up sooner still."""
    monkeypatch.setattr("g6_resources.lake_open._SESSION_PATIENCE", timedelta(milliseconds=400))


def address(door: Door, prefix: str) -> dict[str, str]:
    return {"url": f"s3://{BUCKET}/{prefix}", "endpoint": door.url, "region": "ap-south-1"}


def waiting(root: DataRoot) -> int:
    return Spool(root.spool / "lake", 0).backlog().files


def answers(root: DataRoot) -> dict[str, pd.DataFrame]:
    with g6.connect(root.path) as views:
        return {name: views.sql(query) for name, query in QUESTIONS.items()}


def test_a_day_on_a_failing_store_is_the_day_on_a_disk(
    captured: Desk, simulator: SimServer, door: Door, tmp_path: Path
) -> None:
    """The store fails now and then, is away for three quarters of an hour, and hangs at the end."""
    desk = make_desk(tmp_path / "s3", simulator.url, small_plan(), "14:28", lake=address(door, "day"))
    backlog: dict[pd.Timestamp, int] = {}

    def troubles(taken: Taken) -> None:
        door.faults.extend(["503", "", "reset", "", "lost"])
        door.shut = "/" if at("14:45") <= taken.due < at("15:30") else ""
        if taken.due == at("15:35"):
            door.faults.extend(["slow"] * 4)
        backlog[pd.Timestamp(taken.due)] = waiting(desk.root)

    capture_with_holes(desk, troubles)
    assert backlog[pd.Timestamp(at("15:25"))] > 20  # the session went on, and what it stored waits here
    on_store = Holed(replace(desk))
    on_store.desk.control.faults([])
    on_store.desk.set_clock("15:46")
    door.hurry()
    on_store.heal()
    on_store.seal()
    assert waiting(desk.root) == 0
    on_disk = copy_of(captured, tmp_path / "disk")
    on_disk.heal()
    on_disk.seal()
    mine, theirs = answers(desk.root), answers(on_disk.root)
    for name in QUESTIONS:
        pd.testing.assert_frame_equal(mine[name], theirs[name], obj=name)
    assert len(mine["chain"]) > 1000
    assert not any((desk.root.lake / table.name / "closed").exists() for table in STORED_TABLES)
    assert not list(desk.root.lake.glob(f"*/live/trade_date={DAY}/*"))


def test_a_session_opens_and_captures_while_the_store_is_away(simulator: SimServer, door: Door, tmp_path: Path) -> None:
    desk = make_desk(tmp_path, simulator.url, small_plan(), "15:28", lake=address(door, "away"))
    door.shut = "/"
    report = desk.launch().run()
    assert report.stored == 3
    waits = waiting(desk.root)
    assert waits > 15
    told = WorldMetrics(lambda: desk.root, tmp_path, desk.calendar, 300)()
    assert told["g6_sink_backlog_files"][("lake",)] == waits
    with pytest.raises(StoreUnreachable, match="gave no good answer"):
        Holed(desk).seal()
    door.shut = ""
    Holed(desk).seal()
    assert waiting(desk.root) == 0
    analyst = make_root(tmp_path / "elsewhere", "sim:42", lake=address(door, "away"))
    with g6.connect(analyst.path) as views:
        assert views.rows("SELECT count(DISTINCT snapshot_at) FROM option_chain") == [(3,)]
