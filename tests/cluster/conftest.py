"""The cluster profile as an operator starts it, on a small world: two sealed days and a market that opens now."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
import requests

from g6.commands.demo import simulator
from g6_assets.jobs import SESSION_JOB
from g6_assets.session import SESSION_TAG
from g6_market.calendar import IST
from g6_resources.clock import SystemTime, write_clock
from g6_resources.heartbeat import Heartbeat, HeartbeatFile, HeartbeatUnreadable
from g6_resources.kite.token import write_token
from g6_resources.lake import Lake, LocalStore
from g6_resources.sealing import derive_day, seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, World, make_root
from g6_sim.config import API_KEY, SimConfig
from tests.dagster_defs.conftest import DagsterWorld, failure_of
from tests.servers import free_port, program, wait_for
from tests.stack.conftest import small_settings

PROJECT = Path(__file__).parents[2]
PROFILE = PROJECT / "deploy" / "cluster"
TODAY = date(2026, 11, 20)
SEALED = [date(2026, 11, 18), date(2026, 11, 19)]
RUN = """id status jobName tags { key value } """
RUNS = f"{{ runsOrError {{ ... on Runs {{ results {{ {RUN} }} }} }} }}"
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"
LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } } }"""
BACKFILL = (
    """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"""
)


@dataclass
class Cluster:
    """The running profile, and what a test asks of it."""

    root: DataRoot
    url: str
    folder: Path
    process: subprocess.Popen[str]

    def graphql(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables or {}}, timeout=60
        ).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def runs(self, status: str | None = None) -> list[dict[str, Any]]:
        """Return the runs, newest first, with their tags as a dictionary."""
        found = self.graphql(RUNS)["runsOrError"]["results"]
        return [
            run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}}
            for run in found
            if status in (None, run["status"])
        ]

    def backfill(self, asset: str, day: date) -> str:
        """Ask for a day of an asset, as the button of its page does; return the backfill."""
        params = {"assetSelection": [{"path": asset.split("/")}], "partitionNames": [day.isoformat()]}
        return self.graphql(LAUNCH, {"params": params})["launchPartitionBackfill"]["backfillId"]

    def completed(self, backfills: list[str]) -> bool:
        states = [self.graphql(BACKFILL, {"id": name})["partitionBackfillOrError"]["status"] for name in backfills]
        assert not [state for state in states if state in ("COMPLETED_FAILED", "FAILED", "CANCELED")], self.runs()
        return all(state == "COMPLETED_SUCCESS" for state in states)

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def worker_of(self, run: dict[str, Any]) -> str | None:
        """Return which worker took a run, by the workers' own logs; None for a run of no worker."""
        task = run["tags"].get("dagster-celery/task_id")
        for log in self.folder.glob("worker-*.log"):
            if task and f"[{task}] received" in log.read_text():
                return log.stem
        return None

    @property
    def lake(self) -> Lake:
        return Lake(LocalStore(self.root.lake))

    def capturing(self) -> Heartbeat | None:
        try:
            beat = HeartbeatFile(self.root.heartbeat_file, SystemTime()).read()
        except HeartbeatUnreadable:
            return None
        return beat if beat is not None and beat.trade_date == TODAY and beat.state == "capturing" else None


def make_sealed_days(root: DataRoot) -> None:
    """Capture and seal the days before today, a snapshot an hour."""
    config = json.loads((root.path / "g6_config.json").read_text())
    config["collection"] |= {"interval_seconds": 3600, "full_chain_every_seconds": 3600}
    own = root.path / "g6_config.json"
    whole = own.read_bytes()
    own.write_text(json.dumps(config))
    opening = time(8, 55)
    write_clock(root.clock_file, "driven", now=datetime.combine(SEALED[0], opening, IST))
    sim = SimConfig(seed=7, trade_date=SEALED[0], indices=("NIFTY",), enforce_limits=False, padding_rows=20)
    with simulator(root, sim), dg.DagsterInstance.ephemeral() as instance:
        made = DagsterWorld(root, instance)
        for day in SEALED:
            morning = datetime.combine(day, opening, IST)
            write_clock(root.clock_file, "driven", now=morning)
            token = {"access_token": sim.access_token, "user_id": "SIM", "api_key": API_KEY}
            write_token(root.token_file, **token, made_at=morning)
            session = made.run(SESSION_JOB, day, {SESSION_TAG: day.isoformat()})
            assert session.success, failure_of(session)
            seal_day(made.lake, day, lambda lake, day: derive_day(lake, day, made.calendar), Warehouse(root).swap)
    own.write_bytes(whole)


def only_nifty(path: Path) -> Path:
    content = json.loads(path.read_text())
    for name, index in content["indices"].items():
        index["enable"] = name == "NIFTY"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    program("redis-server", "redis-server")
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        program("initdb", "postgresql")
    folder = tmp_path_factory.mktemp("cluster")
    config = only_nifty(small_settings(folder))
    root = make_root(folder, World("sim:7"), first_date=SEALED[0].isoformat())
    (root.path / "g6_config.json").write_bytes(config.read_bytes())
    make_sealed_days(root)
    # The market opens within seconds of the cluster's start.
    shift = datetime.combine(TODAY, time(9, 14, 30), IST) - SystemTime().now()
    write_clock(root.clock_file, "shifted", offset=shift)
    sim = SimConfig(
        seed=7, trade_date=TODAY, mode="shifted", shift_seconds=shift.total_seconds(), indices=("NIFTY",),
        enforce_limits=False, padding_rows=20,
    )  # fmt: skip
    port = free_port()
    with simulator(root, sim), (folder / "up.log").open("w+") as log:
        process = subprocess.Popen(
            [str(PROFILE / "up.sh"), "--world", "sim:7", "--port", str(port)],
            env={**os.environ, "G6_CONFIG": str(config)},
            stdout=log,
            stderr=log,
            text=True,
        )

        def ready() -> re.Match[str] | None:
            said = (folder / "up.log").read_text()
            assert process.poll() is None, said
            return re.search(r"in another terminal: \. (.*)/environment", said)

        try:
            place = Path(wait_for("the cluster", ready, 180)[1])
            yield Cluster(root, f"http://127.0.0.1:{port}", place, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def descends_from(pid: int, ancestor: int) -> bool:
    return ancestor in [process.pid for process in psutil.Process(pid).parents()]
