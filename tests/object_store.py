"""An object store on loopback for the tests: moto's S3 server, and before it a door that fails as real ones do."""

import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.servers import free_port, wait_for

BUCKET = "g6-lake"


@contextmanager
def s3_server(folder: Path) -> Generator[str]:
    """Run an S3 server with an empty bucket `g6-lake`; yields its address."""
    pytest.importorskip("moto", reason="moto is not installed: make test installs it")
    url = f"http://127.0.0.1:{(port := free_port())}"
    with (
        (folder / "s3.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as server,
    ):
        try:
            wait_for("the S3 server", lambda: _answers(url), 60)
            requests.put(f"{url}/{BUCKET}", timeout=60).raise_for_status()
            yield url
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/moto-api/", timeout=5).ok
    except requests.RequestException:
        return False


class Door:
    """A proxy before an S3 server.

    `faults` are used up one a request: "503", "reset" (before the server heard of it), "lost" (after the server did
    it), "slow" (answered only when the door is told to `hurry`). What has `shut` in its path is refused with 503. Keys
    in `unlisted` are stored and readable, and missing from every listing, as in a store whose index lags.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.faults: deque[str] = deque()
        self.unlisted: set[str] = set()
        self.shut = ""
        self.deaf_to_conditions = False
        self._hurry = threading.Event()
        self.requests: list[str] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                closed = door.shut and door.shut in self.path
                fault = "503" if closed else door.faults.popleft() if door.faults else ""
                door.requests.append(f"{self.command} {self.path}{' ' + fault if fault else ''}")
                if fault == "reset":
                    self.connection.close()
                    self.close_connection = True
                    return
                if fault == "503":
                    self._send(503, {}, b"<Error><Code>SlowDown</Code></Error>")
                    return
                if fault == "slow":
                    door.wait()
                headers = dict(self.headers)
                if door.deaf_to_conditions:
                    headers = {name: value for name, value in headers.items() if not name.lower().startswith("if-")}
                answer = requests.request(self.command, door.server + self.path, data=body, headers=headers, timeout=60)
                if fault == "lost":
                    self.connection.close()
                    self.close_connection = True
                    return
                self._send(answer.status_code, dict(answer.headers), door.without_unlisted(answer.content))

            do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = _pass  # noqa: N815 - the base class's names

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "content-encoding"):
                        self.send_header(name, value)
                length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def without_unlisted(self, body: bytes) -> bytes:
        """Return a listing without the keys that its index does not know yet."""
        for key in self.unlisted if b"<ListBucketResult" in body else ():
            entry = rf"<Contents>(?:(?!</Contents>).)*<Key>{re.escape(key)}</Key>.*?</Contents>"
            body = re.sub(entry.encode(), b"", body, flags=re.DOTALL)
        return body

    def wait(self) -> None:
        """Hold a slow answer back."""
        self._hurry.wait(60)

    def hurry(self) -> None:
        """Let the slow answers go, those to come too."""
        self._hurry.set()

    def close(self) -> None:
        """Close the door."""
        self.hurry()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an S3 server of the module."""
    with s3_server(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
def door(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """A door before it, with keys in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-no-account")
    door = Door(server)
    yield door
    door.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is given up soon."""
    monkeypatch.setattr("g6_resources.lake_s3.PATIENCE", timedelta(seconds=3))
