"""`g6 dev` in one terminal: page, sensors and a market that is open now; Ctrl+C ends all of it."""

import json
import os
import signal
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from g6_market.calendar import TradingCalendar
from g6_resources.clock import SystemTime, write_clock
from g6_resources.world import World, make_root
from tests.cli.conftest import Command
from tests.servers import free_port
from tests.stack.conftest import wait_for

NUMBERS = """{ assetOrError(assetKey: {path: ["NIFTY", "live"]}) { ... on Asset { assetObservations(limit: 5) {
  metadataEntries { label ... on FloatMetadataEntry { floatValue } } } } } }"""


def test_a_port_that_is_taken_is_refused_before_anything_starts(g6: Command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"--port {port} is taken by another program" in g6.refuses("dev", "--port", port)
    assert not g6.data.exists()


def test_a_start_that_is_no_time_of_day_is_refused(g6: Command):
    assert "--at 'noon' is no time of day; write it as HH:MM:SS" in g6.refuses(
        "dev", "--at", "noon", "--port", str(free_port())
    )


def test_a_world_whose_day_is_over_is_not_started_again(g6: Command):
    over = TradingCalendar.load().latest_completed(SystemTime().now()).close + timedelta(minutes=6)
    root = make_root(g6.data, World("sim:42"))
    write_clock(root.clock_file, "driven", now=over)
    said = g6.refuses("dev", "--world", "sim:42", "--port", str(free_port()))
    assert f"has got to {over:%Y-%m-%d %H:%M} and closed; leave --world away for a fresh one" in said


def test_a_demo_is_refused_in_a_world_whose_clock_runs_by_itself(g6: Command):
    root = make_root(g6.data, World("sim:42"))
    write_clock(root.clock_file, "shifted")
    assert "was made by `g6 dev` and its clock runs by itself; choose another --seed" in g6.refuses("demo")


def observed(url: str) -> dict[str, float]:
    """The numbers of NIFTY/live that the page has."""
    try:
        answer: dict[str, Any] = requests.post(f"{url}/graphql", json={"query": NUMBERS}, timeout=10).json()
    except requests.RequestException:
        return {}
    events = (answer["data"]["assetOrError"] or {}).get("assetObservations", [])
    return {
        entry["label"]: entry["floatValue"]
        for event in events
        for entry in event["metadataEntries"]
        if entry.get("floatValue") is not None
    }


@pytest.mark.slow
def test_development_starts_a_session_by_itself_shows_its_numbers_and_ctrl_c_ends_everything(g6: Command):
    g6.configure(collection={"interval_seconds": 5, "full_chain_every_seconds": 30})
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = g6.folder / "dev.log"
    with log.open("w") as output:
        process = g6.start("dev", "--port", str(port), "--seed", "5", "--at", "09:14:50", output=output)
    try:
        snapshots = g6.data / "sim-5" / "lake" / "snapshots" / "live"
        wait_for("a snapshot", lambda: list(snapshots.glob("trade_date=2*/s*.parquet")), 90)
        numbers = wait_for("numbers in the page", lambda: observed(url), 60)
        assert numbers["spot"] > 1000
        assert "Dagster" in requests.get(url, timeout=10).text
        root = g6.root("sim-5")
        worker = json.loads(root.heartbeat_file.read_text(encoding="utf-8"))["pid"]
        assert "session of" in g6.says("status")
        started = of_world(root.path)
        assert worker in started
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()[-3000:]
        assert [pid for pid in started if alive(pid)] == []
        assert of_world(root.path) == []
        assert json.loads(root.lock_file.read_text(encoding="utf-8"))["owner"] is None
    finally:
        for pid in [process.pid, *of_world(g6.data)]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def of_world(folder: Path) -> list[int]:
    """The processes that were told to work on a world below the folder."""
    mark = f"G6_DATA_ROOT={folder}".encode()
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return found


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
