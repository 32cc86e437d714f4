"""A thread that takes what waits in a spool to its server: in order, again and again while the server is away.

So a slow or absent server never holds up the session: publishing ends with a file on the disk.
"""

import logging
import threading
from collections.abc import Callable

from g6_resources.clock import SystemTime
from g6_resources.seams import SinkError
from g6_resources.spool import Spool

RETRY_SECONDS = 5.0
"""Between two tries while a server is away; a new snapshot is also a reason to try."""

logger = logging.getLogger(__name__)


class Refused(SinkError):
    """The server will never take this file: trying again would only hold up those behind it."""


class Courier:
    """Delivers one spool from one thread, started with the first file.

    Parameters
    ----------
    name
        Of the sink, for the log.
    deliver
        Hands one file's content to the server. Raises `Refused` to give the file up, `SinkError` to try it again.
    """

    def __init__(self, name: str, spool: Spool, deliver: Callable[[bytes], None]) -> None:
        self._name = name
        self._spool = spool
        self._deliver = deliver
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._away: str | None = None
        self._time = SystemTime()
        self._give_up_at = float("inf")

    def wake(self) -> None:
        """Say that something waits."""
        self._wake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"courier {self._name}", daemon=True)
            self._thread.start()

    def close(self, patience_seconds: float) -> int:
        """Deliver what can be delivered within the patience, end the thread, and return how many files still wait."""
        self._give_up_at = self._time.monotonic() + patience_seconds
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(patience_seconds)
            self._thread = None
        return len(self._spool.waiting())

    def deliver_waiting(self) -> None:
        """Deliver, in order, all that waits now; nothing happens while another process does.

        Raises
        ------
        SinkError
            The server is away; what is left waits.
        """
        with self._spool.delivering() as mine:
            for name in self._spool.waiting() if mine else ():
                if self._time.monotonic() > self._give_up_at:
                    return
                self._hand_over(name)

    def _hand_over(self, name: str) -> None:
        try:
            self._deliver(self._spool.read(name))
        except FileNotFoundError:  # dropped to make room meanwhile
            return
        except Refused as error:
            logger.warning("sink %s gives up %s: %s", self._name, name, error)
            self._spool.drop(name)
        else:
            self._spool.delivered(name)

    def _run(self) -> None:
        while True:
            self._wake.clear()
            closing = self._closing.is_set()
            try:
                self.deliver_waiting()
            except SinkError as error:
                self._tell(str(error))
            except OSError as error:
                self._tell(f"its spool cannot be read: {error}")
            else:
                self._tell(None)
            if closing:
                return
            self._wake.wait(RETRY_SECONDS if self._spool.waiting() else None)

    def _tell(self, away: str | None) -> None:
        # Once a change: a server may be away for hours.
        if away is not None and self._away is None:
            logger.warning("sink %s: %s; snapshots wait in its spool", self._name, away)
        elif away is None and self._away is not None:
            logger.info("sink %s takes snapshots again", self._name)
        self._away = away
