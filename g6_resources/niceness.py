"""Work that can wait: it gets the processor when nobody else wants it, so that a session beside it keeps its time."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress

_NICE = 15  # a thirtieth of the share of a process that is not nice


@contextmanager
def behind_others() -> Generator[None]:
    """Run at low priority while the context lasts.

    A process without privileges may not raise its priority again: it stays behind, which is right for a worker.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(before, _NICE))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)
