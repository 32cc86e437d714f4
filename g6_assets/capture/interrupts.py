"""An interrupt waits for the snapshot in hand: Ctrl+C, a cancel in the UI, the stop of a service.

What an interrupt raises is the business of whoever set the handlers (Dagster, a terminal): they are put back and told
once the snapshot is stored. Only the main thread hears signals; elsewhere nothing is held back.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from g6_resources.seams import SourceError

# A service manager or a person waits: within five seconds the session has asked, stored, flushed and gone.
PATIENCE_SECONDS = 2.5
CAUSE = "interrupted"
_HELD = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Holds interrupts back, and cuts short the calls that would keep them waiting.

    Parameters
    ----------
    patience_seconds
        How long calls may go on after an interrupt, in system time.
    """

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience = patience_seconds
        self._received: int | None = None
        self._calling = False
        self.out_of_patience = False

    @contextmanager
    def held_back(self) -> Generator[None]:
        """Let nothing interrupt the block; an interrupt that came meanwhile is raised at its end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._receive) for number in _HELD}
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._lose_patience)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)
            received, self._received, self.out_of_patience = self._received, None, False
            if received is not None:
                signal.raise_signal(received)

    @contextmanager
    def call(self) -> Generator[None]:
        """Let a call that is still unanswered when patience ends fail with a `SourceError`."""
        self._calling = True
        try:
            if self.out_of_patience:
                raise self._cut()
            yield
        finally:
            self._calling = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._received is None:
            self._received = number
            signal.setitimer(signal.ITIMER_REAL, self._patience)

    def _lose_patience(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.out_of_patience = True
        if self._calling:
            raise self._cut()

    def _cut(self) -> SourceError:
        return SourceError(f"the session was told to end, and waited {self._patience:g} s for the broker", CAUSE)
