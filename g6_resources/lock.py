"""The fence: which attempt of which session may write.

A run that was reported failed can come back to life, so every write asks its fence first. Ownership is a file and
outlives its process; whether the owner is alive is a question for `heartbeat`.
"""

import fcntl
import logging
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self

from g6_resources.clock import SystemTime
from g6_resources.files import private, read_json, require_private, write_json

logger = logging.getLogger(__name__)


class FencedOut(Exception):
    """Another attempt owns the session: stop at once and write nothing more."""


class LockUnreadable(Exception):
    """The lock file is there but does not say who owns the session."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns the session.

    Parameters
    ----------
    trade_date, attempt, run_id
        Which run of which day; attempts of a day count up from 1.
    pid, host, since
        The process that took it, and when (system time, aware IST).
    """

    trade_date: date
    attempt: int
    run_id: str
    pid: int
    host: str
    since: datetime

    def __str__(self) -> str:
        return (
            f"attempt {self.attempt} of {self.trade_date} (run {self.run_id}, pid {self.pid} on {self.host}, since "
            f"{self.since:%Y-%m-%d %H:%M:%S})"
        )


@dataclass(frozen=True, slots=True)
class _State:
    """What the lock file holds: the owner (None after a release) and the last attempt of each day."""

    owner: Owner | None
    attempts: dict[date, int]

    @classmethod
    def parse(cls, content: dict[str, Any]) -> Self:
        owner = content["owner"]
        return cls(
            owner=None
            if owner is None
            else Owner(
                **owner
                | {
                    "trade_date": date.fromisoformat(owner["trade_date"]),
                    "since": datetime.fromisoformat(owner["since"]),
                }
            ),
            attempts={date.fromisoformat(day): int(attempt) for day, attempt in content["attempts"].items()},
        )

    def render(self) -> dict[str, Any]:
        owner = self.owner
        return {
            "owner": None
            if owner is None
            else {
                "trade_date": owner.trade_date.isoformat(),
                "attempt": owner.attempt,
                "run_id": owner.run_id,
                "pid": owner.pid,
                "host": owner.host,
                "since": owner.since.isoformat(),
            },
            "attempts": {day.isoformat(): attempt for day, attempt in self.attempts.items()},
        }


class SessionLock:
    """Ownership of a world's session.

    Parameters
    ----------
    path
        `DataRoot.lock_file`.
    system_time
        The system's clock, for `Owner.since`.
    """

    def __init__(self, path: Path, system_time: SystemTime) -> None:
        self.path = path
        self._system_time = system_time

    def acquire(self, trade_date: date, attempt: int, run_id: str) -> "Fence":
        """Take the session, also from a living owner if this attempt or this day is newer.

        Raises
        ------
        FencedOut
            If an equal or newer attempt was made for the day, or a newer day is owned.
        LockUnreadable
            If the lock file is torn.
        NotPrivate
            If others may change the lock, or its folder and with it all that the session's processes tell each other.
        """
        require_private(self.path.parent)
        require_private(self.path)
        with self._exclusive():
            state = self._read()
            if state.owner is not None and trade_date < state.owner.trade_date:
                raise FencedOut(
                    f"attempt {attempt} of {trade_date} (run {run_id}) may not take the session: a newer day is "
                    f"owned by {state.owner}. Nothing to do unless that run is dead; then let it be relaunched or "
                    "cancelled first"
                )
            last = state.attempts.get(trade_date, 0)
            if attempt <= last:
                holder = state.owner or "nobody now: it was released"
                raise FencedOut(
                    f"attempt {attempt} of {trade_date} (run {run_id}) may not take the session: attempt {last} was "
                    f"made already; owner is {holder}. Launch again with attempt {last + 1}"
                )
            owner = Owner(
                trade_date=trade_date,
                attempt=attempt,
                run_id=run_id,
                pid=os.getpid(),
                host=socket.gethostname(),
                since=self._system_time.now(),
            )
            self._write(_State(owner, state.attempts | {trade_date: attempt}))
        return Fence(self, owner)

    def current(self) -> Owner | None:
        """Return the owner, dead or alive; None if nobody took the session or it was released."""
        return self._read().owner

    def next_attempt(self, trade_date: date) -> int:
        """Return the number of the day's next attempt, from 1."""
        return self._read().attempts.get(trade_date, 0) + 1

    def give_back(self, owner: Owner) -> None:
        """Release the session if that owner still has it; otherwise nothing happens."""
        with self._exclusive():
            state = self._read()
            if state.owner == owner:
                self._write(_State(None, state.attempts))

    def _read(self) -> _State:
        try:
            return _State.parse(read_json(self.path))
        except FileNotFoundError:
            return _State(None, {})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LockUnreadable(
                f"session lock {self.path} cannot be read ({error!r}); stop the session, remove the file and launch "
                "again"
            ) from error

    def _write(self, state: _State) -> None:
        # Durable, so that attempt numbers, which are stored in the lake, do not start again after a power cut.
        write_json(self.path, state.render(), durable=True)

    @contextmanager
    def _exclusive(self) -> Generator[None]:
        # The lock file itself is replaced at each change, so the guard is a file of its own.
        with open(self.path.with_suffix(".guard"), "a", opener=private) as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write of one attempt, until a newer one takes it."""

    lock: SessionLock
    owner: Owner

    @property
    def attempt(self) -> int:
        """Number of the attempt, stored with what it writes."""
        return self.owner.attempt

    def check(self) -> None:
        """Return if this attempt still owns the session.

        Raises
        ------
        FencedOut
            If another owns it, or the lock was released or removed.
        """
        current = self.lock.current()
        if current != self.owner:
            raise FencedOut(
                f"{self.owner} no longer owns the session: the owner is {current or 'nobody'}. This run stops and "
                "writes nothing more"
            )

    def release(self) -> None:
        """Give the session back; nothing happens if somebody else has it by now, or the disk takes no writing.

        Then the next attempt takes the session over as it does after a kill; why the disk takes nothing was said by
        whoever stopped because of it.
        """
        try:
            self.lock.give_back(self.owner)
        except OSError as error:
            logger.warning("the session lock could not be released: %s", error)
