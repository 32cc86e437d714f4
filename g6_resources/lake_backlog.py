"""What a lake elsewhere has not taken yet: live files wait on this disk, in the order in which they were written.

So a store that is slow, refuses or is away never holds up a snapshot, and none is lost to it: each is on this disk when
`put` returns, and a thread takes what waits to the store, again and again. The spool and its thread are those of the
sinks; nothing is ever dropped here.
"""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

from g6_resources.clock import SystemTime
from g6_resources.courier import Courier
from g6_resources.lake_s3 import StoreUnreachable
from g6_resources.seams import SinkError
from g6_resources.spool import Spool

_PATIENCE_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.2
_NUMBERS = itertools.count()


class LakeBacklog:
    """Live files on their way to a store.

    Parameters
    ----------
    folder
        Where they wait.
    deliver
        Puts one file, by its path, into the store. Raises `StoreUnreachable` to have it tried again.
    """

    def __init__(self, folder: Path, deliver: Callable[[str, bytes], None]) -> None:
        self._deliver = deliver
        self._spool = Spool(folder, limit_bytes=sys.maxsize)
        self._courier = Courier("lake", self._spool, self._hand_over)
        self._time = SystemTime()

    def put(self, path: str, data: bytes) -> None:
        """Keep a file until the store has it; it is on the disk when this returns."""
        stamp = f"{self._time.now():%Y-%m-%dT%H%M%S.%f}.{next(_NUMBERS):09d}"
        self._spool.put(f"{stamp} {path.replace('/', '%')}", path.encode() + b"\n" + data)

    def wake(self) -> None:
        """Say that something was put."""
        self._courier.wake()

    def waiting(self) -> set[str]:
        """Return the paths of the files that wait."""
        return {name.partition(" ")[2].replace("%", "/") for name in self._spool.waiting()}

    def settle(self) -> None:
        """Return once the store has all that waits, whichever process takes it there.

        Raises
        ------
        StoreUnreachable
            It does not take it; what is left waits, and nothing is lost.
        """
        give_up_at = self._time.monotonic() + _PATIENCE_SECONDS
        while self._spool.waiting():
            try:
                self._courier.deliver_waiting()
            except SinkError as error:
                raise StoreUnreachable(f"{error}; {self._left()}") from error
            if self._time.monotonic() > give_up_at:
                raise StoreUnreachable(f"another process takes long to bring the lake's backlog up; {self._left()}")
            if self._spool.waiting():
                self._time.sleep(_LOOK_AGAIN_SECONDS)

    def _left(self) -> str:
        return f"{len(self._spool.waiting())} live files wait on this disk and go up by themselves once it answers"

    def _hand_over(self, content: bytes) -> None:
        path, _, data = content.partition(b"\n")
        try:
            self._deliver(path.decode(), data)
        except StoreUnreachable as error:
            raise SinkError(str(error)) from error
