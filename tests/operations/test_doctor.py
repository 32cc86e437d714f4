"""The examination: each thing that can be wrong is found, and every line that is not well says what to do."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from g6.commands.doctor import examination
from g6.doctor import here, outside, platform
from g6.doctor.patient import Finding, Patient, Status
from g6_market.calendar import IST, TradingCalendar
from g6_resources.clock import SystemTime, write_clock
from g6_resources.kite.token import write_token
from g6_resources.settings import load_settings
from g6_resources.world import DataRoot, make_root
from g6_resources.world_state import Simulator, write_simulator
from tests.operations.conftest import PROJECT, Operated, configuration, environment
from tests.servers import free_port

MORNING = datetime(2026, 11, 20, 10, 0, tzinfo=IST)


class FixedTime(SystemTime):
    def now(self) -> datetime:
        return MORNING


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """A fresh world whose market stands within a session, on a clock that is not driven."""
    made = make_root(tmp_path, "sim:3")
    write_clock(made.clock_file, "shifted", offset=MORNING - SystemTime().now())
    return made


def patient(root: DataRoot | None, **changes) -> Patient:
    config = configuration(root.path.parent, **changes) if root else PROJECT / "config" / "g6_config.json"
    return Patient(load_settings(config, {}), TradingCalendar.load(), root, SystemTime())


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_a_healthy_world_has_nothing_that_fails(operated: Operated) -> None:
    subject = Patient(operated.settings, TradingCalendar.load(), operated.root, SystemTime())
    from g6.doctor import examine

    found = list(examine(subject))
    assert [one for one in found if one.status is Status.FAIL] == []
    well = {one.check for one in found if one.status is Status.OK}
    assert {"world", "token", "private files", "kite", "clock", "instruments", "disk", "store", "views"} <= well


def test_every_line_that_is_not_well_says_what_to_do(root: DataRoot) -> None:
    from g6.doctor import examine

    found = list(examine(patient(root)))
    assert {"token", "instruments", "daemon"} <= {one.check for one in found if one.status is Status.FAIL}
    assert all(one.remedy for one in found if one.status in (Status.WARN, Status.FAIL))


def test_a_dead_token_fails_when_it_is_needed_and_warns_when_not(root: DataRoot) -> None:
    write_token(root.token_file, access_token="t", user_id="U", api_key="k", made_at=MORNING - timedelta(days=1))
    assert only(here.token(patient(root))).status is Status.FAIL
    write_clock(root.clock_file, "shifted", offset=MORNING.replace(hour=18) - SystemTime().now())
    assert only(here.token(patient(root))).status is Status.WARN


@pytest.mark.parametrize(("name", "status"), [("kite_token.json", Status.FAIL), ("x.json", Status.WARN)])
def test_a_file_that_others_can_read_is_found(root: DataRoot, name: str, status: Status) -> None:
    path = root.state / name
    path.write_text("{}")
    path.chmod(0o644)
    finding = only(here.private_files(patient(root)))
    assert finding.status is status
    assert str(path) in finding.text
    assert "chmod" in finding.remedy


@pytest.mark.parametrize(
    ("day", "words"), [(date(2026, 12, 20), "holidays of 2027"), (date(2026, 11, 1), "2026-11-08")]
)
def test_days_ahead_that_nobody_knows_are_named(root: DataRoot, day: date, words: str) -> None:
    now = datetime.combine(day, MORNING.timetz())
    write_clock(root.clock_file, "shifted", offset=now - SystemTime().now())
    warned = [one for one in here.calendar(patient(root)) if one.status is Status.WARN]
    assert any(words in one.text for one in warned)


@pytest.fixture
def broker() -> Iterator[Callable[[float], str]]:
    """A server whose clock is off by some seconds."""
    servers: list[HTTPServer] = []

    def serve(ahead: float) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(403)
                self.end_headers()

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(time.time() + ahead)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("ahead", "status"), [(0, Status.OK), (-6, Status.WARN), (6, Status.WARN), (60, Status.FAIL), (-3600, Status.FAIL)]
)
def test_a_clock_that_is_off_is_told_by_the_brokers(root: DataRoot, broker, ahead: float, status: Status) -> None:
    write_simulator(root, Simulator(broker(ahead), "simkey"))
    answered, drift = outside.kite(patient(root))
    assert answered.status is Status.OK
    assert (drift.check, drift.status) == ("clock", status)


def test_a_broker_that_cannot_be_reached_fails_in_the_live_world_only(root: DataRoot) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    write_simulator(root, Simulator(address, "simkey"))
    assert only(outside.kite(patient(root))).status is Status.SKIP
    live = make_root(root.path.parent, "live")
    assert only(outside.kite(patient(live, kite={"root": address}))).status is Status.FAIL


@pytest.mark.parametrize("part", ["influx", "redis"])
def test_a_server_that_is_enabled_and_down_is_a_warning(root: DataRoot, part: str) -> None:
    scheme = "http" if part == "influx" else "redis"
    storage = {part: {"enabled": True, "url": f"{scheme}://127.0.0.1:{free_port()}"}}
    finding = only(getattr(outside, part)(patient(root, storage=storage)))
    assert finding.status is Status.WARN
    assert "does not answer" in finding.text


def test_a_daemon_that_ticks_is_well_and_one_that_stopped_is_not(root: DataRoot) -> None:
    assert only(platform.daemon(patient(root))).status is Status.FAIL
    root.tick_file.touch()
    assert only(platform.daemon(patient(root))).status is Status.OK
    old = time.time() - 600
    os.utime(root.tick_file, (old, old))
    assert "no sensor for 60" in only(platform.daemon(patient(root))).text


def test_a_sensor_that_was_turned_off_fails(root: DataRoot) -> None:
    import dagster as dg
    from dagster._core.remote_origin import (
        ManagedGrpcPythonEnvCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.scheduler.instigation import (
        InstigatorState,
        InstigatorStatus,
        InstigatorType,
        SensorInstigatorData,
    )
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    with dg.DagsterInstance.from_config(str(root.dagster_home)) as instance:
        location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="g6_assets.definitions"))
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "market_hours")
        instance.add_instigator_state(
            InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED, SensorInstigatorData())
        )
    finding = only(platform.sensors(patient(root)))
    assert finding.status is Status.FAIL
    assert "market_hours" in finding.text


def test_a_store_that_is_damaged_is_told(operated: Operated, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "sim-42"
    shutil.copytree(operated.root.path, copy)
    root = replace(operated.root, path=copy)
    victim = sorted(copy.glob("lake/overview/live/trade_date=2026-11-20/*.parquet"))[0]
    victim.write_bytes(victim.read_bytes()[:100])
    finding = only(here.store(Patient(operated.settings, TradingCalendar.load(), root, SystemTime())))
    assert finding.status is Status.FAIL
    assert "backup" in finding.remedy


def g6(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "g6", *arguments],
        cwd=PROJECT, env=environment(config), capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_command_answers_without_a_world_and_for_programs(tmp_path: Path) -> None:
    done = g6(configuration(tmp_path, kite={"root": f"http://127.0.0.1:{free_port()}"}), "doctor", "--json")
    said = json.loads(done.stdout)
    assert {one["check"]: one["status"] for one in said["findings"]}["world"] == "warn"
    # Nobody reaches the broker here.
    assert [one["check"] for one in said["findings"] if one["status"] == "fail"] == ["kite"]
    assert (said["failed"], done.returncode) == (True, 1)


def test_a_wrong_configuration_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "settings.json"
    config.write_text('{"version": "3.0", "colection": {}}')
    monkeypatch.setenv("G6_CONFIG", str(config))
    finding = only(iter(examination(None)))
    assert finding.status is Status.FAIL
    assert "Did you mean collection" in finding.text


def test_a_running_session_is_shown_live_in_the_terminal(operated: Operated) -> None:
    config = operated.root.path.parent / "settings.json"
    terminal, inner = pty.openpty()
    command = [sys.executable, "-m", "g6", "status", "--watch"]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment(config, TERM="xterm"), stdin=inner, stdout=inner, stderr=inner,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(inner)
        shown = ""
        deadline = time.monotonic() + 30
        # The second picture proves that it is drawn anew.
        while shown.count("BANKNIFTY") < 2 and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.5)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 0
    os.close(terminal)
    assert "7 of 77 snapshots stored" in shown
    assert "620/620" in shown
    assert "Traceback" not in shown


def test_where_there_is_no_terminal_the_session_is_shown_once(operated: Operated) -> None:
    done = g6(operated.root.path.parent / "settings.json", "status", "--watch")
    assert done.returncode == 0
    assert done.stdout.count("BANKNIFTY") == 1
