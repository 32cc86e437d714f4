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
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.kite.token import write_token
from g6_resources.settings import load_settings
from g6_resources.spool import Spool
from g6_resources.world import DataRoot, make_root
from g6_resources.world_state import Simulator, write_simulator
from g6_sim.accounts import API_KEY
from g6_sim.server import SimServer
from tests.capture.harness import simulation
from tests.operations.conftest import PROJECT, Operated, configuration, environment
from tests.servers import free_port

MORNING = datetime(2026, 11, 20, 10, 0, tzinfo=IST)


class FixedTime(SystemTime):
    def now(self) -> datetime:
        return MORNING


class Earlier(SystemTime):
    """The time some seconds ago."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> datetime:
        return super().now() - timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return super().monotonic() - self._seconds


ACCESS = "an-access-token-of-today"  # pragma: allowlist secret


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


def test_a_token_of_another_key_is_none(root: DataRoot) -> None:
    write_simulator(root, Simulator("http://127.0.0.1:1", "today's key"))
    write_token(root.token_file, access_token="t", user_id="U", api_key="an old key", made_at=MORNING)
    finding = only(here.token(patient(root)))
    assert finding.status is Status.FAIL
    assert "another API key" in finding.text


def test_a_live_world_whose_key_was_not_loaded_is_told_before_its_token(tmp_path: Path) -> None:
    finding = only(here.token(patient(make_root(tmp_path, "live"))))
    assert (finding.status, "KITE_API_KEY" in finding.text) == (Status.FAIL, True)


@pytest.mark.parametrize(
    ("stored", "status", "words"), [(ACCESS, Status.OK, "takes the token"), ("stale", Status.FAIL, "no longer takes")]
)
def test_a_token_that_the_broker_ended_is_found_though_its_time_is_not_over(
    root: DataRoot, stored: str, status: Status, words: str
) -> None:
    with SimServer(simulation(access_token=ACCESS)) as server:
        write_simulator(root, Simulator(server.url, API_KEY))
        write_token(root.token_file, access_token=stored, user_id="U", api_key=API_KEY, made_at=MORNING)
        assert only(here.token(patient(root))).status is Status.OK
        asked, _ = outside.kite(patient(root))
    assert (asked.status, words in asked.text) == (status, True)
    assert stored not in asked.text


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
                self.send_response(204 if self.path == "/ping" else 403)
                self.end_headers()

            def do_POST(self) -> None:
                self.do_GET()

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


def test_a_server_that_answers_and_refuses_the_token_is_no_server(root: DataRoot, broker) -> None:
    storage = {"influx": {"enabled": True, "url": broker(0)}}
    finding = only(outside.influx(patient(root, storage=storage)))
    assert finding.status is Status.WARN
    assert "403" in finding.text
    assert "INFLUX_TOKEN" in finding.remedy


def test_what_waits_in_the_spool_is_told_with_its_age(root: DataRoot) -> None:
    Spool(root.spool / "influx", 1000).put("2026-11-20T091600", b"points")
    storage = {"influx": {"enabled": True, "url": f"http://127.0.0.1:{free_port()}"}}
    away, waits = outside.influx(patient(root, storage=storage))
    assert "does not answer" in away.text
    assert "1 snapshots wait for it" in waits.text


def test_a_wrong_password_is_not_taken_for_an_absent_redis(root: DataRoot) -> None:
    storage = {"redis": {"enabled": True, "url": f"redis://127.0.0.1:{free_port()}"}}
    assert "REDIS_PASSWORD" in only(outside.redis(patient(root, storage=storage))).text


@pytest.mark.parametrize(
    ("trade_date", "state", "silent_for", "status", "words"),
    [
        (MORNING.date(), "capturing", 0, Status.OK, "attempt 2, capturing: said"),
        (MORNING.date(), "ended", 3600, Status.OK, "ended"),
        (MORNING.date(), "capturing", 300, Status.FAIL, "300 s old"),
        (MORNING.date(), "token dead", 0, Status.FAIL, "token dead"),
        (MORNING.date(), "rate limited", 0, Status.WARN, "rate limited"),
        (date(2026, 11, 19), "ended", 0, Status.FAIL, "none has run today"),
        (None, "", 0, Status.FAIL, "none has run today"),
    ],
)
def test_a_session_is_judged_by_its_last_sign_of_life(
    root: DataRoot, trade_date: date | None, state: str, silent_for: float, status: Status, words: str
) -> None:
    if trade_date is not None:
        HeartbeatFile(root.heartbeat_file, Earlier(silent_for)).write(
            market_time=MORNING, run_id="run", trade_date=trade_date, attempt=2, state=state, detail="said"
        )
    finding = only(platform.session(patient(root)))
    assert finding.status is status
    assert words in finding.text


def test_while_the_market_is_closed_no_session_is_missed(root: DataRoot) -> None:
    write_clock(root.clock_file, "shifted", offset=MORNING.replace(hour=18) - SystemTime().now())
    assert "none is due before Mon 2026-11-23 09:15" in only(platform.session(patient(root))).text


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
