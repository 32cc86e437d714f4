"""A piece of work in a forked process that may be killed at any instant, and what it told before."""

import gc
import json
import logging
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Note = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a process ended.

    Parameters
    ----------
    ended
        How: "well", "killed", or the exception it died of.
    told
        All it noted, later keys over earlier ones.
    """

    ended: str
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """Whether it did all its work."""
        return self.ended == "well"

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return self.ended == "killed"


def in_process(work: Callable[[Note], None]) -> Outcome:
    """Run work in a fork of this process, which must have no threads, and wait for its end."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_the_child(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().splitlines()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    told: dict[str, Any] = {}
    for line in lines:
        told |= json.loads(line)
    if status == -signal.SIGKILL:
        return Outcome("killed", told)
    return Outcome("well" if status == 0 else str(told.get("error", f"exit code {status}")), told)


def _be_the_child(work: Callable[[Note], None], writer: int) -> None:
    # It lives for seconds and ends at once: neither cycles nor the parent's objects are worth a search.
    gc.disable()
    logging.disable(logging.CRITICAL)
    write = os.write

    def note(facts: dict[str, Any]) -> None:
        write(writer, json.dumps(facts).encode() + b"\n")

    status = 1
    try:
        work(note)
        status = 0
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent judges it
        note({"error": f"{type(error).__name__}: {error}", "where": _where(error)})
    finally:
        os._exit(status)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
