"""What is installed: units that systemd accepts, a script that can run again, rules, a dashboard, a Compose file."""

import configparser
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from g6.cli import app
from g6_resources.metrics import METRICS
from g6_resources.settings import load_settings
from tests.operations.conftest import PROJECT
from tests.servers import program

DEPLOY = PROJECT / "deploy"
SCRIPT = DEPLOY / "deploy.sh"
SERVICES = ("g6-code", "g6-daemon", "g6-web", "g6-web-readonly", "g6-desk", "g6-metrics", "g6-alerts", "g6-backup")


def deploy(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60)


def unit(folder: Path, name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # pyright: ignore
    parser.read(folder / f"{name}.service")
    return parser


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units as they are installed from this very checkout, whose programs are there."""
    folder = tmp_path_factory.mktemp("units")
    done = deploy("--render", str(folder), "--dir", str(PROJECT), "--user", "root")
    assert done.returncode == 0, done.stderr
    return folder / "systemd"


@pytest.mark.server
def test_systemd_accepts_every_unit(units: Path) -> None:
    files = sorted(map(str, units.iterdir()))
    assert len(files) == len(SERVICES) + 2
    done = subprocess.run(
        [program("systemd-analyze", "systemd"), "verify", *files], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.server
def test_a_workers_machine_has_its_unit_and_no_service_else(tmp_path: Path) -> None:
    done = deploy("--render", str(tmp_path), "--dir", str(PROJECT), "--user", "root", "--worker")
    assert done.returncode == 0, done.stderr
    assert [file.name for file in (tmp_path / "systemd").iterdir()] == ["g6-worker@.service"]
    worker = tmp_path / "g6-worker@1.service"
    worker.write_text((tmp_path / "systemd" / "g6-worker@.service").read_text())
    done = subprocess.run(
        [program("systemd-analyze", "systemd"), "verify", str(worker)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert unit(tmp_path, "g6-worker@1")["Service"]["KillMode"] == "mixed"  # the run in hand is finished
    steps = deploy("--dry-run", "--worker").stdout
    assert "setup.sh dev" in steps
    assert "enable g6-worker@1" in steps
    assert "g6.target" not in steps


@pytest.mark.server
def test_the_check_would_find_a_wrong_unit(units: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.service"
    text = (units / "g6-code.service").read_text()
    broken.write_text(text.replace("/.venv/bin/dagster", "/.venv/bin/dragster").replace("KillMode", "KilMode"))
    done = subprocess.run(
        [program("systemd-analyze", "systemd"), "verify", str(broken)], capture_output=True, text=True, timeout=60
    )
    assert "dragster is not executable" in done.stderr
    assert "KilMode" in done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_and_shows_no_secret(units: Path, name: str) -> None:
    service = unit(units, name)["Service"]
    assert service["User"] == "root"  # as asked for above
    assert (service["UMask"], service["NoNewPrivileges"]) == (
        "0027",
        "true",
    )  # its group may read the lake, nobody the state
    assert service["EnvironmentFile"] == "/etc/g6/environment"
    text = (units / f"{name}.service").read_text()
    assert "0.0.0.0" not in text
    assert not re.search(r"KITE_|TOKEN|PASSWORD", text)
    if "dagster" in service["ExecStart"] and "daemon" not in service["ExecStart"]:
        assert " -h 127.0.0.1 " in service["ExecStart"]


def test_the_order_starts_code_first_and_stops_the_daemon_before_it(units: Path) -> None:
    for name in ("g6-daemon", "g6-web", "g6-web-readonly"):
        assert "g6-code.service" in unit(units, name)["Unit"]["After"]
    assert all(unit(units, name)["Unit"]["PartOf"] == "g6.target" for name in SERVICES if name != "g6-backup")
    code = unit(units, "g6-code")["Service"]
    assert code["KillMode"] == "control-group"  # a stop reaches the session, which is its child
    assert "g6 prepare" in code["ExecStartPre"]
    assert "--read-only" in unit(units, "g6-web-readonly")["Service"]["ExecStart"]
    assert "--read-only" not in unit(units, "g6-web")["Service"]["ExecStart"]


def test_every_g6_command_of_a_unit_exists(units: Path) -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    called = {word for file in units.iterdir() for word in re.findall(r"bin/g6 ([a-z]+)", file.read_text())}
    assert {"prepare", "desk", "metrics", "alerts", "backup"} <= called <= known


def test_installing_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    first = deploy("--destdir", str(tmp_path))
    assert first.returncode == 0, first.stderr
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == len(SERVICES) + 2 + 5
    second = deploy("--destdir", str(tmp_path))
    assert "done, 0 files changed" in second.stdout
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before


def test_what_is_yours_is_kept_and_what_is_ours_is_renewed(tmp_path: Path) -> None:
    deploy("--destdir", str(tmp_path))
    mine, ours = tmp_path / "etc/g6/g6_config.json", tmp_path / "etc/systemd/system/g6-web.service"
    mine.write_text('{"version": "3.0", "data_dir": "/elsewhere"}')
    ours.write_text("[Unit]\n")
    said = deploy("--destdir", str(tmp_path)).stdout
    assert "/elsewhere" in mine.read_text()
    assert "ExecStart" in ours.read_text()
    assert "done, 1 files changed" in said


def test_the_installed_settings_are_valid_and_lie_in_the_data_folder(tmp_path: Path) -> None:
    deploy("--destdir", str(tmp_path), "--data", "/srv/market")
    settings = load_settings(tmp_path / "etc/g6/g6_config.json", {})
    assert settings.data_path == Path("/srv/market")
    assert settings.live_csv == Path("/srv/market/g6_data")
    assert (tmp_path / "etc/g6/environment").stat().st_mode & 0o777 == 0o600


def test_a_dry_run_says_every_step_and_does_none(tmp_path: Path) -> None:
    places = [f"--{name}={tmp_path / name}" for name in ("dir", "data", "config")]
    done = deploy("--dry-run", *(part for place in places for part in place.split("=")))
    assert done.returncode == 0, done.stderr
    for step in ("useradd", "rsync", "setup.sh runtime", "would write: ", "systemctl restart g6.target"):
        assert step in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("--data", "relative"), ("--dir", "/opt/g6;reboot"), ("--colour",), ("--data",)])
def test_a_wrong_argument_is_refused_before_anything_is_done(arguments: tuple[str, ...]) -> None:
    assert deploy("--dry-run", *arguments).returncode == 2


def test_the_command_of_the_installation_is_a_shell_script_without_secrets() -> None:
    text = (DEPLOY / "g6").read_text()
    assert "KITE" not in text
    assert subprocess.run(["sh", "-n", str(DEPLOY / "g6")], timeout=10).returncode == 0


def test_logs_are_rotated_without_losing_their_permissions() -> None:
    text = (DEPLOY / "logrotate" / "g6").read_text()
    assert "@DATA@/*/logs/*.jsonl" in text
    assert "nocreate" in text  # the next line makes the file anew, 0600


@pytest.mark.server
def test_the_alert_rules_hold_on_a_morning_made_up_for_them() -> None:
    promtool = program("promtool", "prometheus")
    for command in (
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules_test.yml"],
        ["check", "config", "prometheus.yml"],
    ):
        done = subprocess.run(
            [promtool, *command], cwd=DEPLOY / "prometheus", capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


def expressions() -> list[str]:
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "g6.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


@pytest.mark.server
def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{place}", "expr": expression.replace("$instance", ".*")}
        for place, expression in enumerate(expressions())
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        [program("promtool", "prometheus"), "check", "rules", str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboard_and_rules_name_only_metrics_that_exist_and_the_dashboard_most_of_them() -> None:
    known = {spec.name for spec in METRICS}
    rules = (DEPLOY / "prometheus" / "rules.yml").read_text()
    named = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for text in (*expressions(), *re.findall(r"expr: (.*(?:\n {10}.*)*)", rules))
        for name in re.findall(r"\bg6_\w+", text)
    }
    assert named <= known
    assert known - named <= {
        "g6_world",
        "g6_sink_backlog_bytes",
        "g6_limiter_waits_total",
        "g6_seal_seconds",
        "g6_seal_age_seconds",
    }


def test_the_provisioning_finds_the_dashboard() -> None:
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/g6.yaml").read_text())["datasources"][0]
    boards = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/g6.yaml").read_text())["providers"][0]
    assert source["type"] == "prometheus"
    assert boards["type"] == "file"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())


KEYS = {  # of the Compose specification, as far as we use it
    "image", "build", "command", "entrypoint", "environment", "env_file", "volumes", "ports", "restart", "init",
    "network_mode", "depends_on", "healthcheck", "stop_grace_period", "profiles", "security_opt", "logging",
}  # fmt: skip


def test_the_compose_file_has_only_keys_that_compose_knows(compose: dict[str, Any]) -> None:
    assert {key for key in compose if not key.startswith("x-")} == {"name", "services", "volumes"}
    for name, service in compose["services"].items():
        assert set(service) <= KEYS, name
        assert "image" in service
        for other, condition in service.get("depends_on", {}).items():
            assert condition["condition"] == "service_healthy"
            assert "healthcheck" in compose["services"][other]
        if "healthcheck" in service:
            assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_every_file_and_volume_of_the_compose_file_is_there(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / "compose" / source).is_file(), source
            else:
                assert source in compose["volumes"]


def test_containers_listen_on_loopback_only_and_hold_no_secret(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        words = str(service.get("command", ""))
        if "dagster-webserver" in words or "grpc" in words:
            assert "127.0.0.1" in words
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    assert "0.0.0.0" not in text
    assert re.findall(r"PASSWORD: (.*)", text) == ["${POSTGRES_PASSWORD:?set it in deploy/compose/.env}"] * 2


def test_the_services_of_compose_run_what_the_units_run(compose: dict[str, Any], units: Path) -> None:
    for name in ("daemon", "web", "web-readonly", "desk", "metrics", "alerts"):
        installed = unit(units, f"g6-{name}")["Service"]["ExecStart"].split()[1:]
        contained = compose["services"][name]["command"][1:]
        assert [Path(word).name for word in installed] == [Path(word).name for word in contained], name


def test_dagsters_settings_in_compose_are_the_projects_with_postgres() -> None:
    ours = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    theirs = yaml.safe_load((DEPLOY / "compose" / "dagster.yaml").read_text())
    postgres = theirs.pop("storage")["postgres"]["postgres_db"]
    assert theirs == ours
    assert postgres["password"] == {"env": "POSTGRES_PASSWORD"}


def test_the_image_takes_the_postgres_storage_of_our_dagster_release() -> None:
    pinned = re.search(r"^dagster==1\.(\d+)\.(\d+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    library = f"dagster-postgres==0.{int(pinned[1]) + 16}.{pinned[2]}"
    assert library in (DEPLOY / "compose" / "Dockerfile").read_text()


def test_the_settings_in_compose_are_the_shipped_ones_in_the_volume() -> None:
    settings = load_settings(DEPLOY / "compose" / "g6_config.json", {})
    shipped = load_settings(PROJECT / "config" / "g6_config.json", {})
    assert settings.data_path == Path("/data")
    assert settings.indices == shipped.indices
    assert settings.kite == shipped.kite


def test_no_secret_and_no_data_get_into_the_image() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "data", "**/.env"} <= set(ignored)


def test_a_blank_in_the_secrets_file_unsays_nothing_of_the_units(tmp_path: Path) -> None:
    # In systemd a variable of EnvironmentFile wins over Environment, an empty one too.
    deploy("--destdir", str(tmp_path))
    secrets = (tmp_path / "etc/g6/environment").read_text()
    given = set(re.findall(r"^(\w+)=", secrets, re.MULTILINE))
    assert {"KITE_API_KEY", "KITE_API_SECRET", "G6_ALERT_URLS", "G6_BACKUP_DIR"} <= given
    text = (tmp_path / "etc/systemd/system/g6-code.service").read_text()
    said = re.search(r"^Environment=(.*)$", text, re.MULTILINE)
    assert said is not None
    assert not given & {pair.partition("=")[0] for pair in said[1].split()}
