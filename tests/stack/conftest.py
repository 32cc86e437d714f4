"""A whole stack on loopback: simulator on a shifted clock, code server, daemon and webserver as separate processes."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from g6.commands.demo import simulator
from g6.commands.dev import make_shifted_world
from g6.instance import prepare_instance
from g6.runtime import environment
from g6_resources.clock import SystemTime
from g6_resources.heartbeat import Heartbeat, HeartbeatFile, HeartbeatUnreadable
from g6_resources.lake import Lake, LocalStore
from g6_resources.settings import load_settings
from g6_resources.world import DataRoot, World
from g6_sim.config import SimConfig

Record = Callable[[str, float], None]
PROJECT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Keep a measured time for the summary of the test run."""

    def kept(what: str, seconds: float) -> None:
        request.node.user_properties.append((what, round(seconds, 1)))

    return kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what `record` kept."""
    reports = [report for report in terminalreporter.getreports("passed") if report.when == "call"]
    lines = [
        f"{seconds:6.1f} {what}: {report.nodeid.rpartition('::test_')[2].replace('_', ' ')}"
        for report in reports
        for what, seconds in report.user_properties
        if what.startswith("seconds ")
    ]
    if lines:
        terminalreporter.section("times of recovery")
        terminalreporter.write("\n".join(lines) + "\n")


def wait_for(what: str, probe: Callable[[], Any], seconds: float) -> Any:
    """Return the probe's first true answer; fail, naming what was waited for, when none comes in time."""
    deadline = SystemTime().monotonic() + seconds
    pause = threading.Event()
    while not (answer := probe()):
        if SystemTime().monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s")
        pause.wait(0.25)
    return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Stack:
    """The running processes, and what a test asks of them."""

    root: DataRoot
    web_url: str
    commands: dict[str, Sequence[str]]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def lake(self) -> Lake:
        return Lake(LocalStore(self.root.lake))

    def beat(self) -> Heartbeat | None:
        try:
            return HeartbeatFile(self.root.heartbeat_file, SystemTime()).read()
        except HeartbeatUnreadable:
            return None

    def beating(self, attempt: int) -> Heartbeat | None:
        """The heartbeat if this or a later attempt captures."""
        beat = self.beat()
        return beat if beat is not None and beat.attempt >= attempt and beat.state == "capturing" else None

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.root.dagster_home))

    def graphql(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = requests.post(
            f"{self.web_url}/graphql", json={"query": query, "variables": variables or {}}, timeout=30
        ).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def g6(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "g6", *arguments],
            cwd=PROJECT,
            env=environment(self.root) | {"G6_CONFIG": str(self.root.path / "g6_config.json")},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str) -> None:
        program, *arguments = self.commands[name]
        with (self.root.path / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [BIN / program, *arguments],
                cwd=PROJECT,
                env=environment(self.root),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill a process as the kernel does when memory runs out."""
        self.processes[name].kill()
        self.processes[name].wait()


def small_settings(folder: Path) -> Path:
    """Write settings of a small, quick world: two indices, a snapshot every five seconds."""
    content = json.loads((PROJECT / "config" / "g6_config.json").read_text(encoding="utf-8"))
    content.pop("$schema", None)
    content["data_dir"] = str(folder)
    content["collection"] |= {"interval_seconds": 5, "full_chain_every_seconds": 30}
    content["kite"]["limits"] = {"quote": 10, "historical": 10, "other": 20}
    for name, index in content["indices"].items():
        index["enable"] = name in ("NIFTY", "BANKNIFTY")
        index["strikes_each_side"] = 3
    path = folder / "g6_config.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    settings = load_settings(small_settings(folder))
    # The market opens within seconds of the stack's start.
    root, day, shift = make_shifted_world(settings, World("sim:7"), "09:14:30")
    (root.path / "g6_config.json").write_bytes((folder / "g6_config.json").read_bytes())
    config = SimConfig(
        seed=7, trade_date=day, mode="shifted", shift_seconds=shift.total_seconds(), indices=("NIFTY", "BANKNIFTY"),
        enforce_limits=False,
    )  # fmt: skip
    with simulator(root, config):
        grpc, web = free_port(), free_port()
        prepare_instance(root)
        workspace = root.path / "workspace.yaml"
        workspace.write_text(
            f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {grpc}\n      location_name: g6\n"
        )
        here = ("-h", "127.0.0.1", "-p")
        commands = {
            "code": ("dagster", "api", "grpc", "-m", "g6_assets.definitions", *here, str(grpc)),
            "daemon": ("dagster-daemon", "run", "-w", str(workspace)),
            "web": ("dagster-webserver", "-w", str(workspace), *here, str(web)),
        }
        made = Stack(root, f"http://127.0.0.1:{web}", commands)
        try:
            made.start("code")
            wait_for("code server", lambda: listens(grpc), 90)
            made.start("daemon")
            made.start("web")
            wait_for("webserver", lambda: listens(web), 90)
            yield made
        finally:
            beat = made.beat()
            for process in made.processes.values():
                process.kill()
            for process in made.processes.values():
                process.wait()
            if beat is not None:
                subprocess.run(["kill", "-9", str(beat.pid)], capture_output=True)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
