"""Logging in to Kite: once a day, by a person, because the exchanges require it.

The browser comes back to a small page of ours with a request token, which is exchanged for the session token. Nothing
here shows or logs either. Where the token lies afterwards belongs to `token`.
"""

import hmac
import secrets as random_text
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from g6_resources.clock import SystemTime, clock_from
from g6_resources.kite.calls import make_client
from g6_resources.kite.failures import failure_of
from g6_resources.kite.token import Credentials, Token, credentials_from, write_token
from g6_resources.seams import TokenDead
from g6_resources.settings import KiteSettings, Secrets, Settings, SettingsError
from g6_resources.world import DataRoot

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_PAGE = '<!doctype html><meta charset="utf-8"><title>G6</title><h1>{title}</h1><p>{text}</p>\n'


class LoginFailed(TokenDead):
    """No session token was obtained; the one on disk, if any, is as before."""


def login(
    settings: Settings,
    secrets: Secrets,
    root: DataRoot,
    *,
    show: Callable[[str], None],
    patience_seconds: float = 300.0,
    system: SystemTime | None = None,
) -> Token:
    """Wait for a person to log in with the browser, then store the world's session token.

    Parameters
    ----------
    show
        Called once with the address to open, when the page that waits for the answer is up.
    patience_seconds
        How long to wait, in system time.

    Raises
    ------
    LoginFailed
        If the port is taken, nobody logs in, the login is denied, or Kite refuses the request token.
    SettingsError
        If the environment lacks KITE_API_KEY or KITE_API_SECRET.
    """
    kite, system = settings.kite, system or SystemTime()
    credentials = _full_credentials(secrets)
    state = random_text.token_urlsafe(24)
    try:
        server = _CallbackServer(kite, state)
    except OSError as error:
        raise LoginFailed(
            f"cannot wait for the login on {kite.callback_host}:{kite.callback_port} ({error.strerror}); stop what "
            "uses it, set another kite.callback_port (and register it with Kite), or use `g6 login --request-token`"
        ) from error
    with server:
        # Kite sends `redirect_params` back to the callback: so the answer is known to belong to this very login.
        query = {"api_key": credentials.api_key, "v": "3", "redirect_params": urlencode({"state": state})}
        show(f"{kite.login_url}?{urlencode(query)}")
        until = system.monotonic() + patience_seconds
        while server.answer is None:
            server.timeout = min(max(until - system.monotonic(), 0.0), 0.5)
            if server.timeout == 0.0:
                raise LoginFailed(
                    f"nobody logged in within {patience_seconds:.0f} s; run `g6 login` again. If the browser could not "
                    "connect, register this redirect URL with Kite: "
                    f"http://{kite.callback_host}:{kite.callback_port}{kite.callback_path}"
                )
            server.handle_request()
    if not server.answer:
        raise LoginFailed("Kite says the login was not completed; run `g6 login` again")
    return login_with_request_token(settings, secrets, root, server.answer)


def login_with_request_token(settings: Settings, secrets: Secrets, root: DataRoot, request_token: str) -> Token:
    """Exchange a request token (from the address Kite redirected to) for the session token, and store it.

    Raises
    ------
    LoginFailed
        If Kite refuses it or cannot be reached.
    SettingsError
        If the environment lacks KITE_API_KEY or KITE_API_SECRET.
    """
    from kiteconnect.exceptions import KiteException  # costs 0.3 to 0.9 s

    credentials = _full_credentials(secrets)
    session: dict[str, Any] = {}
    try:
        kite = make_client(credentials, settings.kite.root, settings.kite.timeout_seconds)
        session = kite.generate_session(request_token, credentials.api_secret)
        problem = "" if session.get("access_token") else "the answer holds no access token"
    except (KiteException, requests.RequestException, LookupError, TypeError, AttributeError, ValueError) as error:
        problem = failure_of(error, (request_token, credentials.api_key, credentials.api_secret)).text
    if problem:
        raise LoginFailed(
            f"Kite did not give a session token ({problem}). A request token lives a few minutes and works once: run "
            "`g6 login` again, and check KITE_API_KEY and KITE_API_SECRET if it repeats"
        )
    return write_token(
        root.token_file,
        access_token=str(session["access_token"]),
        user_id=str(session.get("user_id", "")),
        api_key=credentials.api_key,
        made_at=clock_from(root).now(),
    )


def _full_credentials(secrets: Secrets) -> Credentials:
    credentials = credentials_from(secrets)
    if not credentials.api_secret:
        raise SettingsError(
            "KITE_API_SECRET is not set, and a login needs it; set it in the environment (see "
            "config/environment.template)"
        )
    return credentials


class _CallbackServer(HTTPServer):
    """Serves one path until one valid answer came."""

    def __init__(self, kite: KiteSettings, state: str) -> None:
        self.path = kite.callback_path
        self.state = state
        # The request token; empty if the login was not completed.
        self.answer: str | None = None
        if kite.callback_host == "::1":
            self.address_family = socket.AF_INET6
        super().__init__((kite.callback_host, kite.callback_port), _CallbackHandler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a browser that hangs up is no news, and a traceback would show the address with the token."""


class _CallbackHandler(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self) -> None:
        server = cast(_CallbackServer, self.server)
        address = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        hosts = {f"{name}:{server.server_port}" for name in _LOOPBACK_NAMES}
        if self.headers.get("Host", "") not in hosts:
            # Another site's name that was pointed at this machine.
            self._reply(HTTPStatus.BAD_REQUEST, "Not here", "This page answers on loopback only.")
        elif address.path != server.path:
            self._reply(HTTPStatus.NOT_FOUND, "Not here", "Nothing is at this address.")
        elif not hmac.compare_digest(query.get("state", "").encode(), server.state.encode()):
            self._reply(
                HTTPStatus.BAD_REQUEST, "Not this login", "Open the address that g6 login shows, and log in there."
            )
        elif query.get("status") == "success" and query.get("request_token"):
            server.answer = query["request_token"]
            self._reply(HTTPStatus.OK, "Logged in", "G6 has what it needs; see the terminal. You can close this page.")
        else:
            server.answer = ""
            self._reply(HTTPStatus.OK, "Not logged in", "Kite did not complete the login. Run g6 login again.")

    def _reply(self, status: HTTPStatus, title: str, text: str) -> None:
        body = _PAGE.format(title=title, text=text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        # The address of this page holds the request token: it goes nowhere else.
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: the request line holds the request token."""
