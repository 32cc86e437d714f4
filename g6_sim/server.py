"""Starting and stopping the simulator: in a thread, in a process of its own, or in the foreground. Loopback only."""

import ipaddress
import logging
import multiprocessing
import signal
import socket
import struct
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Self, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from g6_sim.app import create_app
from g6_sim.config import SimConfig
from g6_sim.replies import ABORT

__all__ = ["SimServer", "SimServerError", "create_app", "serve"]

_log = logging.getLogger(__name__)
_START_TIMEOUT = 60.0  # seconds of real time; a recorded day takes a few to read


class SimServerError(RuntimeError):
    """The simulator could not be started."""


class SimServer:
    """A running simulator; a context manager.

    Parameters
    ----------
    config
        What it answers.
    port
        0 takes a free one.
    host
        A loopback address; anything else is refused, because there is no real authentication behind it.
    own_process
        Whether it runs in a process of its own, so that both sides have a core; otherwise in a thread.

    Raises
    ------
    SimServerError
        If the address is not loopback, the port is taken, or the simulator does not come up.
    """

    def __init__(self, config: SimConfig, port: int = 0, host: str = "127.0.0.1", *, own_process: bool = False) -> None:
        self._config = config
        self._own_process = own_process
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._process: BaseProcess | None = None
        self.url = ""

    def start(self) -> Self:
        """Start it and wait until it answers; `url` then says where."""
        if self._own_process:
            self._start_process()
        else:
            self._start_thread()
        return self

    def stop(self) -> None:
        """Stop it; harmless when it does not run."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None
        if self._process is not None:
            self._process.terminate()
            self._process.join()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _start_thread(self) -> None:
        listener = _listen(self._host, self._port)
        self._server = _Server(self._config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="g6-sim", daemon=True)
        self._thread.start()
        if not self._server.ready.wait(_START_TIMEOUT):
            raise SimServerError(f"the simulator did not start within {_START_TIMEOUT:g} s")
        self.url = _url(listener)

    def _start_process(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_serve_child, args=(self._config, self._host, self._port, theirs), name="g6-sim", daemon=True
        )
        self._process.start()
        theirs.close()
        try:
            message = ours.recv() if ours.poll(_START_TIMEOUT) else "no sign of life"
        except EOFError:
            message = "it ended while starting; its own message stands above"
        if not str(message).startswith("http"):
            self.stop()
            raise SimServerError(f"the simulator did not start: {message}")
        self.url = str(message)


def serve(config: SimConfig, port: int = 0, host: str = "127.0.0.1") -> None:
    """Run the simulator in the foreground until it is interrupted.

    Raises
    ------
    SimServerError
        As for `SimServer`.
    """
    listener = _listen(host, port)
    _log.info("Kite Connect look-alike on %s", _url(listener))
    # uvicorn hands an interrupt on once it has shut down.
    with suppress(KeyboardInterrupt):
        _Server(config).run([listener])


class _Server(uvicorn.Server):
    def __init__(self, config: SimConfig) -> None:
        app = _with_abort(create_app(config))
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                proxy_headers=False,
                timeout_keep_alive=75,  # as web servers do; the 5 s of the default end between two snapshots
            )
        )
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _serve_child(config: SimConfig, host: str, port: int, parent: "Connection[Any, Any]") -> None:
    try:
        listener = _listen(host, port)
    except SimServerError as error:
        parent.send(str(error))
        return
    # Ctrl-C in a terminal reaches this process too; ending it is the parent's business, and done with the other signal,
    # which a parent that was started in the background may have left ignored.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    server = _Server(config)
    threading.Thread(target=server.run, args=([listener],), name="g6-sim", daemon=True).start()
    parent_alive = multiprocessing.parent_process()
    if server.ready.wait(_START_TIMEOUT) and parent_alive is not None:
        parent.send(_url(listener))
        parent.close()
        # A parent that was killed says no goodbye: without it there is nobody left to serve.
        parent_alive.join()


def _listen(host: str, port: int) -> socket.socket:
    try:
        loopback = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        loopback = None
    if loopback is None or not loopback.is_loopback:
        raise SimServerError(f"host is {host!r}; the simulator listens on loopback only: 127.0.0.1, localhost or ::1")
    listener = socket.socket(socket.AF_INET6 if loopback.version == 6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(loopback), port))
    except OSError as error:
        listener.close()
        raise SimServerError(f"port {port} of {host}: {error.strerror}; choose another, or 0 for a free one") from error
    listener.listen(128)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _with_abort(app: ASGIApp) -> ASGIApp:
    """Hand the application a way to reset its connection, which ASGI itself does not have."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn passes a bound method of the object that holds the connection.
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None:
            scope[ABORT] = lambda: _reset(transport)
        await app(scope, receive, send)

    return wrapped


def _reset(transport: Any) -> None:
    if transport.is_closing():
        return  # the client lost its patience first
    connection = cast("socket.socket | None", transport.get_extra_info("socket"))
    if connection is not None:
        # Lingering for zero seconds makes closing a reset instead of a polite end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
