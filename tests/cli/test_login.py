"""`g6 login` against the simulator: always the live world, which it makes."""

import re
from collections.abc import Iterator
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from g6_sim.config import API_KEY, API_SECRET, SimConfig
from g6_sim.server import SimServer
from tests.cli.conftest import Command
from tests.servers import free_port


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimServer]:
    with SimServer(SimConfig(trade_date=date(2026, 11, 20))) as server:
        yield server


@pytest.fixture
def live(g6: Command, simulator: SimServer) -> Command:
    """The command of somebody who has an app at the (simulated) broker."""
    g6.configure(
        kite={"root": simulator.url, "login_url": f"{simulator.url}/connect/login", "callback_port": free_port()}
    )
    g6.environ = {"KITE_API_KEY": API_KEY, "KITE_API_SECRET": API_SECRET}
    return g6


def request_token(simulator: SimServer) -> str:
    page = requests.get(f"{simulator.url}/connect/login", params={"api_key": API_KEY, "v": "3"}, timeout=10).text
    found = re.search(r"<code>(\w+)</code>", page)
    assert found, page
    return found[1]


def test_a_request_token_becomes_a_private_token_of_the_live_world(live: Command, simulator: SimServer):
    said = live.says("login", "--request-token", request_token(simulator))
    assert said.startswith("logged in as ")
    assert live.worlds() == ["live"]
    token = live.root("live").token_file
    assert token.stat().st_mode & 0o777 == 0o600
    assert API_SECRET not in token.read_text(encoding="utf-8")
    assert "session: none has run" in live.says("status")


def test_a_request_token_works_once(live: Command, simulator: SimServer):
    token = request_token(simulator)
    live.says("login", "--request-token", token)
    stored = live.root("live").token_file.read_bytes()
    said = live.refuses("login", "--request-token", token)
    assert "Kite did not give a session token" in said
    assert "run `g6 login` again" in said
    assert token not in said
    assert live.root("live").token_file.read_bytes() == stored


def test_the_browser_comes_back_to_a_page_here_and_the_token_is_stored(live: Command, simulator: SimServer):
    process = live.start("login")
    assert process.stdout is not None
    address = process.stdout.readline().removeprefix("open ").strip()
    assert parse_qs(urlsplit(address).query)["api_key"] == [API_KEY]
    # The app's redirect address is registered with Kite; the simulator is told it in the address.
    token = request_token(simulator)
    (own,) = parse_qs(urlsplit(address).query)["redirect_params"]
    state = parse_qs(own)["state"][0]
    port = _callback_port(live)
    answer = requests.get(
        f"http://127.0.0.1:{port}/success",
        params={"status": "success", "request_token": token, "state": state},
        timeout=10,
    )
    assert answer.ok
    assert "Logged in" in answer.text
    out, error = process.communicate(timeout=30)
    assert process.returncode == 0, error
    assert "logged in as" in out
    assert live.root("live").token_file.stat().st_mode & 0o777 == 0o600
    assert token not in out + error


def _callback_port(command: Command) -> int:
    found = re.search(r'"callback_port": (\d+)', command.config.read_text(encoding="utf-8"))
    assert found
    return int(found[1])


def test_a_login_without_credentials_names_the_variable_to_set(live: Command):
    live.environ = {}
    assert "KITE_API_KEY is not set" in live.refuses("login", "--request-token", "x")
    live.environ = {"KITE_API_KEY": API_KEY}
    assert "KITE_API_SECRET is not set" in live.refuses("login", "--request-token", "x")


def test_live_development_without_a_key_is_refused_at_once(live: Command):
    live.environ = {}
    assert "KITE_API_KEY is not set" in live.refuses("dev", "--world", "live", "--port", str(free_port()))


def test_the_folder_of_another_world_in_the_place_of_live_is_refused(live: Command, demo: Command):
    live.data.mkdir()
    (live.data / "live").symlink_to(demo.root().path)
    said = live.refuses("login", "--request-token", "x")
    assert "holds the world 'sim:42', not 'live'" in said


def test_the_live_world_is_the_default_once_it_is_there(live: Command, demo: Command, simulator: SimServer):
    live.data.mkdir()
    (live.data / "sim-42").symlink_to(demo.root().path)
    assert "world sim:42" in live.says("status")
    live.says("login", "--request-token", request_token(simulator))
    assert "world live" in live.says("status")
    assert "world sim:42" in live.says("status", "--world", "sim:42")
