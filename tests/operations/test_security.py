"""What must not leak, listen or escape: secrets, sockets, files, names. Each attempt is a real one."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from g6_resources.clock import SystemTime
from g6_resources.files import NotPrivate
from g6_resources.lake import Lake, LakeError, LocalStore
from g6_resources.lock import SessionLock
from g6_resources.settings import SettingsError, load_settings
from g6_resources.world import World, WorldError, make_root
from tests.operations.conftest import HIDDEN, PROJECT, TOKEN, Operated, environment
from tools.audit import audit

SECRETS = {
    **HIDDEN,
    "KITE_API_KEY": "apikeyQ7mVx2",  # pragma: allowlist secret
    "REDIS_PASSWORD": "redispasswordT4bYw6",  # pragma: allowlist secret
    "G6_ALERT_URLS": "json://127.0.0.1:9/hook/pass1234",
}


@pytest.fixture(scope="module")
def serving(operated: Operated) -> Iterator[tuple[int, str]]:
    """`g6 metrics` and what it says, with every secret in its environment; yields its pid and address."""
    config = operated.root.path.parent / "settings.json"
    command = [sys.executable, "-m", "g6", "metrics", "--port", "0"]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment(config, **SECRETS), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().split()[1].removesuffix("/metrics")
        process.send_signal(signal.SIGTERM)


def shown_in(text: str) -> list[str]:
    return [name for name, secret in {**SECRETS, "token": TOKEN}.items() if secret in text]


def test_no_secret_is_in_the_process_list(serving: tuple[int, str]) -> None:
    command_line = Path(f"/proc/{serving[0]}/cmdline").read_text()
    assert "metrics" in command_line
    assert shown_in(command_line) == []


def test_no_secret_is_in_the_metrics(serving: tuple[int, str]) -> None:
    said = requests.get(f"{serving[1]}/metrics", timeout=5).text + requests.get(f"{serving[1]}/healthz", timeout=5).text
    assert "g6_kite_calls_total" in said
    assert shown_in(said) == []


def test_no_secret_is_in_what_the_doctor_says(operated: Operated) -> None:
    config = operated.root.path.parent / "settings.json"
    done = subprocess.run(
        [sys.executable, "-m", "g6", "doctor", "--json"],
        cwd=PROJECT, env=environment(config, **SECRETS), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "sim:42" in done.stdout
    assert shown_in(done.stdout + done.stderr) == []


def test_no_secret_is_in_a_file_of_the_world_but_the_tokens(operated: Operated) -> None:
    holding = [
        path.name
        for path in operated.root.path.rglob("*")
        if path.is_file() and shown_in(path.read_bytes().decode("latin-1"))
    ]
    assert holding == [operated.root.token_file.name]


def test_the_metrics_answer_on_loopback_only(serving: tuple[int, str]) -> None:
    port = int(serving[1].rpartition(":")[2])
    with socket.socket() as client:
        client.settimeout(2)
        # Who listens on every address answers on this one too.
        assert client.connect_ex(("127.0.0.2", port)) != 0
    assert requests.get(f"{serving[1]}/healthz", timeout=5).ok


def test_nothing_of_ours_listens_on_every_address(tree_of_code: dict[str, str]) -> None:
    everywhere = re.compile(r"0\.0\.0\.0|INADDR_ANY|[\"']::[\"']")
    assert [name for name, text in tree_of_code.items() if everywhere.search(text)] == []


@pytest.fixture
def tree_of_code() -> dict[str, str]:
    folders = ("g6", "g6_assets", "g6_market", "g6_resources", "g6_sim", "deploy")
    files = [
        path
        for folder in folders
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in (".py", ".sh", ".yaml", ".service")
    ]
    return {str(path): path.read_text() for path in files}


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_session_refuses_a_state_folder_that_is_open_to_others(tmp_path: Path, mode: int) -> None:
    root = make_root(tmp_path, "sim:1")
    root.state.chmod(mode)
    with pytest.raises(NotPrivate, match=rf"mode {mode:03o}.*chmod 700"):
        SessionLock(root.lock_file, SystemTime()).acquire(date(2026, 11, 20), 1, "run")


def test_a_session_refuses_a_lock_that_others_may_change(tmp_path: Path) -> None:
    root = make_root(tmp_path, "sim:1")
    lock = SessionLock(root.lock_file, SystemTime())
    lock.acquire(date(2026, 11, 20), 1, "run")
    root.lock_file.chmod(0o666)
    with pytest.raises(NotPrivate, match="chmod 600"):
        lock.acquire(date(2026, 11, 20), 2, "run")


def test_every_file_of_state_is_its_owners_alone_whatever_the_umask(operated: Operated) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in operated.root.state.iterdir() if path.is_file()}
    assert len(modes) > 5
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert operated.root.state.stat().st_mode & 0o777 == 0o700


@given(st.text(max_size=80) | st.from_regex(r"\A(sim|replay):[./\w-]+\Z"))
def test_no_name_of_a_world_leads_out_of_the_data_folder(name: str) -> None:
    base = Path("/data")
    try:
        folder = base / World(name).folder
    except WorldError:
        return
    assert Path(os.path.normpath(folder)).parent == base
    assert folder != base


@given(st.text(max_size=60))
def test_no_name_of_a_file_leads_out_of_the_lake(name: str) -> None:
    from g6_market.schema import OVERVIEW, empty_frame

    lake = Lake(LocalStore(Path("/nonexistent/lake")))
    if re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return
    with pytest.raises(LakeError, match="use letters"):
        lake.write_live(OVERVIEW, date(2026, 11, 20), name, empty_frame(OVERVIEW))


@pytest.mark.parametrize("folder", ["../elsewhere", "data/../../elsewhere", "a/..", "", " ", "x\0y"])
@pytest.mark.parametrize("key", ["data_dir", "csv"])
def test_no_folder_of_the_settings_leads_out_of_the_project(tmp_path: Path, folder: str, key: str) -> None:
    content = {"data_dir": folder} if key == "data_dir" else {"storage": {"csv": {"dir": folder}}}
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"version": "3.0", **content}))
    with pytest.raises(SettingsError, match="dir"):
        load_settings(path, {})


@pytest.fixture
def osv() -> Iterator[tuple[str, list[str]]]:
    """A vulnerability service on loopback that knows one hole; yields its address and who was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            asked.append(name)
            hole = {
                "id": "PYSEC-2026-1", "details": "a hole", "aliases": [],
                "affected": [{"package": {"name": name, "ecosystem": "PyPI"}, "versions": [query["version"]],
                              "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}]}],
            }  # fmt: skip
            body = json.dumps({"vulns": [hole]} if name == "holey" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
        server.shutdown()


def requirements(folder: Path, *names: str) -> Path:
    path = folder / "requirements.txt"
    path.write_text("".join(f"{name}==1.0 --hash=sha256:{'0' * 64}\n" for name in names))
    return path


def test_a_dependency_with_a_known_hole_fails_the_audit(
    tmp_path: Path, osv: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, asked = osv
    assert audit([requirements(tmp_path, "sound", "holey")], url) == 1
    assert asked == ["sound", "holey"]
    assert "holey 1.0: PYSEC-2026-1, fixed in 99.0" in capsys.readouterr().out
    assert audit([requirements(tmp_path, "sound")], url) == 0


def test_a_service_that_cannot_be_reached_is_said_and_is_no_hole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit([requirements(tmp_path, "sound")], "http://127.0.0.1:9/v1/query") == 0
    assert "audit skipped: http://127.0.0.1:9/v1/query cannot be asked" in capsys.readouterr().out
