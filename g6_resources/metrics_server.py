"""The small web server of the metrics: `/metrics` for Prometheus, `/healthz` for whoever asks whether it answers."""

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

HOST = "127.0.0.1"
PORT = 9108

_Start = Callable[[str, list[tuple[str, str]]], object]
_App = Callable[[dict[str, Any], _Start], Iterable[bytes]]


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread of its own, so that a slow client keeps nobody waiting."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: a scrape every 15 s is no news."""


def serve(registry: CollectorRegistry, health: Callable[[], dict[str, Any]], port: int = PORT) -> MetricsServer:
    """Return a server on loopback, bound and not started.

    Parameters
    ----------
    health
        Returns what `/healthz` says; that it answers at all is the news, so the status is 200.
    port
        0 takes a free one.

    Raises
    ------
    OSError
        The port is taken.
    """
    return make_server(HOST, port, _app(registry, health), server_class=MetricsServer, handler_class=_Quiet)


def _app(registry: CollectorRegistry, health: Callable[[], dict[str, Any]]) -> _App:
    def app(environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _answer(start, HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"only GET\n")
        match environ["PATH_INFO"]:
            case "/metrics":
                encode, kind = choose_encoder(environ.get("HTTP_ACCEPT", ""))
                return _answer(start, HTTPStatus.OK, kind, encode(registry))
            case "/healthz":
                return _answer(start, HTTPStatus.OK, "application/json", json.dumps(health()).encode())
            case _:
                return _answer(start, HTTPStatus.NOT_FOUND, "text/plain", b"there are /metrics and /healthz\n")

    return app


def _answer(start: _Start, status: HTTPStatus, kind: str, body: bytes) -> Iterable[bytes]:
    start(f"{status.value} {status.phrase}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
