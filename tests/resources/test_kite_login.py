import json
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from g6_market.calendar import IST
from g6_resources.clock import clock_from, write_clock
from g6_resources.kite.client import KiteSource
from g6_resources.kite.limiter import Limiter
from g6_resources.kite.login import LoginFailed, login, login_with_request_token
from g6_resources.kite.token import Credentials, Token, read_token
from g6_resources.settings import Secrets, Settings, SettingsError, load_settings
from g6_resources.world import DataRoot, make_root
from g6_sim.config import API_KEY, API_SECRET, SimConfig
from g6_sim.server import SimServer

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=IST)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Browser:
    """Somebody who logs in: waits for the address, and follows it as told."""

    def __init__(self, settings: Settings, secrets: Secrets, root: DataRoot, patience_seconds: float = 20) -> None:
        self.callback = f"http://127.0.0.1:{settings.kite.callback_port}"
        self.token: Token | None = None
        self.error: Exception | None = None
        self._shown = threading.Event()
        self._address = ""

        def run() -> None:
            try:
                self.token = login(settings, secrets, root, show=self._show, patience_seconds=patience_seconds)
            except LoginFailed as error:
                self.error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def _show(self, address: str) -> None:
        self._address = address
        self._shown.set()

    @property
    def address(self) -> str:
        assert self._shown.wait(10)
        return self._address

    @property
    def state(self) -> str:
        (params,) = parse_qs(urlsplit(self.address).query)["redirect_params"]
        return parse_qs(params)["state"][0]

    def come_back(self, path: str = "/success", *, host: str | None = None, **query: str) -> requests.Response:
        headers = {"Host": host} if host else None
        return requests.get(f"{self.callback}{path}", params=query, headers=headers, timeout=10)

    def finish(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimServer]:
    with SimServer(SimConfig(trade_date=date(2026, 11, 20))) as server:
        yield server


@pytest.fixture
def settings(simulator: SimServer, tmp_path: Path) -> Settings:
    file = tmp_path / "g6_config.json"
    kite: dict[str, Any] = {
        "root": simulator.url,
        "login_url": f"{simulator.url}/connect/login",
        "callback_port": free_port(),
    }
    file.write_text(json.dumps({"version": "3.0", "kite": kite}))
    return load_settings(file, {"KITE_API_KEY": API_KEY, "KITE_API_SECRET": API_SECRET})


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    root = make_root(tmp_path / "data", "sim:1")
    write_clock(root.clock_file, "driven", now=NINE)
    return root


@pytest.fixture
def browser(settings: Settings, root: DataRoot) -> Browser:
    return Browser(settings, settings.secrets, root)


def request_token(simulator: SimServer) -> str:
    page = requests.get(f"{simulator.url}/connect/login", params={"api_key": API_KEY, "v": "3"}, timeout=10).text
    return page.split("<code>")[1].split("</code>")[0]


def test_a_login_through_the_browser_ends_with_a_token_kite_accepts(
    browser: Browser, settings: Settings, root: DataRoot
):
    # Where to come back to is registered with Kite; the simulator is told in the address. Kite adds what is in
    # `redirect_params`, which the address asks it to.
    back = f"{browser.callback}/success?{urlencode({'state': browser.state})}"
    page = requests.get(browser.address, params={"redirect_url": back}, timeout=10)
    assert page.status_code == 200
    assert "Logged in" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    browser.finish()
    token = read_token(root.token_file)
    assert browser.token == token
    assert (token.user_id, token.made_at) == ("SIM001", NINE)
    clock = clock_from(root)
    KiteSource(
        Credentials(API_KEY),
        settings.kite.root,
        clock,
        Limiter(root.state, API_KEY, {"other": 10}, clock),
        token_file=root.token_file,
        cache_dir=root.cache,
    ).check()


def test_the_address_carries_the_key_the_version_and_a_state_of_its_own(
    browser: Browser, settings: Settings, root: DataRoot
):
    query = parse_qs(urlsplit(browser.address).query)
    assert query["api_key"] == [API_KEY]
    assert query["v"] == ["3"]
    assert len(browser.state) >= 32
    assert API_SECRET not in browser.address
    browser.come_back(state=browser.state, status="cancelled")
    browser.finish()
    again = Browser(settings, settings.secrets, root)
    assert again.state != browser.state
    again.come_back(state=again.state, status="cancelled")
    again.finish()


def test_who_does_not_come_from_this_login_is_sent_away_and_the_wait_goes_on(browser: Browser, simulator: SimServer):
    state, token = browser.state, request_token(simulator)
    assert browser.come_back(status="success", request_token=token).status_code == 400
    assert browser.come_back(status="success", request_token=token, state="x" * len(state)).status_code == 400
    assert browser.come_back(host="evil.example", status="success", request_token=token, state=state).status_code == 400
    assert browser.come_back("/other", status="success", request_token=token, state=state).status_code == 404
    assert requests.post(f"{browser.callback}/success", timeout=10).status_code == 501
    assert browser.come_back(status="success", request_token=token, state=state).status_code == 200
    browser.finish()
    assert browser.token is not None


def test_the_page_is_gone_after_the_login(browser: Browser, simulator: SimServer):
    browser.come_back(state=browser.state, status="success", request_token=request_token(simulator))
    browser.finish()
    with pytest.raises(requests.ConnectionError):
        browser.come_back(state=browser.state)


def test_a_login_that_was_not_completed_leaves_the_old_token(browser: Browser, root: DataRoot):
    page = browser.come_back(state=browser.state, status="cancelled")
    assert "Not logged in" in page.text
    browser.finish()
    assert "the login was not completed" in str(browser.error)
    assert not root.token_file.exists()


def test_nobody_logging_in_is_told_with_the_address_to_register(settings: Settings, root: DataRoot):
    impatient = Browser(settings, settings.secrets, root, patience_seconds=0.1)
    impatient.finish()
    assert "nobody logged in within 0 s" in str(impatient.error)
    assert f"http://127.0.0.1:{settings.kite.callback_port}/success" in str(impatient.error)


def test_a_port_in_use_is_told_before_anybody_is_sent_to_log_in(settings: Settings, root: DataRoot):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.kite.callback_port))
        taken.listen()
        with pytest.raises(LoginFailed, match=r"cannot wait for the login on 127\.0\.0\.1:\d+ .*kite\.callback_port"):
            login(settings, settings.secrets, root, show=lambda _: pytest.fail("nothing to show"))


def test_a_request_token_serves_on_a_machine_without_a_browser(
    settings: Settings, root: DataRoot, simulator: SimServer
):
    token = login_with_request_token(settings, settings.secrets, root, request_token(simulator))
    assert read_token(root.token_file) == token
    assert root.token_file.stat().st_mode & 0o777 == 0o600


def test_a_request_token_works_once(settings: Settings, root: DataRoot, simulator: SimServer):
    used = request_token(simulator)
    first = login_with_request_token(settings, settings.secrets, root, used)
    with pytest.raises(LoginFailed, match=r"Token is invalid or has expired.*works once") as raised:
        login_with_request_token(settings, settings.secrets, root, used)
    assert used not in str(raised.value)
    assert read_token(root.token_file) == first


def test_a_wrong_secret_is_refused_and_shown_nowhere(
    settings: Settings, root: DataRoot, simulator: SimServer, caplog: pytest.LogCaptureFixture
):
    wrong = "wrong-secret-of-the-test"  # pragma: allowlist secret
    secrets = Secrets.from_environ({"KITE_API_KEY": API_KEY, "KITE_API_SECRET": wrong})
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LoginFailed, match="check KITE_API_KEY and KITE_API_SECRET") as raised:
        login_with_request_token(settings, secrets, root, request_token(simulator))
    assert wrong not in f"{raised.value!r} {caplog.text}"


def test_the_callback_page_logs_nothing(
    browser: Browser, simulator: SimServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    token = request_token(simulator)
    browser.come_back(state=browser.state, status="success", request_token=token)
    browser.finish()
    assert token not in "".join(capfd.readouterr()) + caplog.text


@pytest.mark.parametrize("variable", ["KITE_API_KEY", "KITE_API_SECRET"])
def test_a_login_without_key_or_secret_names_the_variable(settings: Settings, root: DataRoot, variable: str):
    environ = {"KITE_API_KEY": "k", "KITE_API_SECRET": "s"} | {variable: ""}
    with pytest.raises(SettingsError, match=f"{variable} is not set"):
        login_with_request_token(settings, Secrets.from_environ(environ), root, "token")
