"""Serving the desk: on loopback, in the foreground or in a thread."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

import uvicorn

from g6.desk.app import create_app
from g6.errors import CommandError
from g6_market.calendar import TradingCalendar
from g6_resources.world import DataRoot

LOOPBACK = "127.0.0.1"
_STARTS_WITHIN = 30.0  # seconds


def serve(listener: socket.socket, root: DataRoot, calendar: TradingCalendar) -> None:
    """Serve a world's desk until interrupted."""
    with suppress(KeyboardInterrupt):
        _Server(root, calendar).run([listener])


@contextmanager
def served(root: DataRoot, calendar: TradingCalendar) -> Generator[str]:
    """Serve a world's desk on a free port in a thread; gives its address."""
    listener = listen(0)
    server = _Server(root, calendar)
    thread = threading.Thread(target=server.run, args=([listener],), name="g6-desk", daemon=True)
    thread.start()
    try:
        if not server.ready.wait(_STARTS_WITHIN):
            raise CommandError(f"the desk did not start within {_STARTS_WITHIN:g} s")
        yield address(listener)
    finally:
        server.should_exit = True
        thread.join()


def listen(port: int) -> socket.socket:
    """Take a port of this machine; 0 takes a free one.

    Raises
    ------
    CommandError
        It is taken.
    """
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise CommandError(
            f"--port {port} cannot be used ({error}); stop what uses it, or choose another (0: a free one)"
        ) from error
    return listener


def address(listener: socket.socket) -> str:
    """Return the address to open in a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


class _Server(uvicorn.Server):
    def __init__(self, root: DataRoot, calendar: TradingCalendar) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(root, calendar),
                log_level="warning",
                access_log=False,
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
