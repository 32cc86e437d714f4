"""Leases: no two workers derive the same (date, index) at once, whichever machines they are on.

A lease is an entry in a small file of the lake, changed by the store's own conditional write, so that it holds on a
disk and on an object store alike. It is no lock on truth: what two workers derive of a day is the same to the byte;
they must only not meet while they write it. Who may write a session's snapshots is the fence in `lock`.
"""

import json
import os
import socket
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from g6_resources.clock import SystemTime
from g6_resources.heartbeat import process_started
from g6_resources.lake import Lake, LakeError

# A worker of another machine that says nothing for so long is dead: a day of an index takes seconds.
LEASE_SECONDS = 300.0
# As long as a killed worker's lease may stand before anybody else gets it, and some.
PATIENCE_SECONDS = 2 * LEASE_SECONDS
_ASK_EVERY_SECONDS = 0.25


class LeaseTaken(LakeError):
    """Another worker kept a (date, index) for longer than one is waited for."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who derives a (date, index) now.

    Parameters
    ----------
    work
        What it does, for a message: "run 1a2b3c4d".
    host, pid, pid_started
        Its process; `pid_started` as `heartbeat.process_started` gives it, None where the system does not say.
    until
        When it counts as dead on another machine; system time, aware IST.
    """

    work: str
    host: str
    pid: int
    pid_started: str | None
    until: datetime

    def gone(self, now: datetime) -> bool:
        """Whether it is dead: a process of this machine is asked for, one of another judged by its time."""
        if self.host == socket.gethostname() and self.pid_started is not None:
            return process_started(self.pid) != self.pid_started
        return now >= self.until

    def __str__(self) -> str:
        return f"{self.work} (pid {self.pid} on {self.host})"


class Leases:
    """The leases of one index.

    Parameters
    ----------
    lake
        Where they are kept, beside the tables.
    underlying
        Index.
    work
        What the holder does, for the message that others get.
    patience_seconds
        How long `hold` waits for another holder.
    """

    def __init__(
        self,
        lake: Lake,
        underlying: str,
        work: str,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        system_time: SystemTime | None = None,
    ) -> None:
        self._store = lake.store
        self._underlying = underlying
        self._work = work
        self._patience = patience_seconds
        self._system = system_time or SystemTime()

    @contextmanager
    def hold(self, day: date, what: str = "") -> Generator[None]:
        """Be the only worker at a day of the index while the context lasts; waits for another one to finish.

        Parameters
        ----------
        what
            Something else of the day than its files, by name.

        Raises
        ------
        LeaseTaken
            Another worker had it for longer than the patience.
        """
        path, key = f".leases/{self._underlying}/{day:%Y-%m}.json", f"{day}{what and ' '}{what}"
        mine = self._take(path, key)
        try:
            yield
        finally:
            self._change(path, lambda held: {k: v for k, v in held.items() if (k, v) != (key, mine)})

    def _take(self, path: str, key: str) -> dict[str, Any]:
        give_up = self._system.monotonic() + self._patience
        while True:
            now = self._system.now()
            mine = _rendered(
                Holder(
                    work=self._work,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    pid_started=process_started(os.getpid()),
                    until=now + timedelta(seconds=LEASE_SECONDS),
                )
            )
            stored, held = self._read(path)
            other = _parsed(held[key]) if key in held else None
            if other is None or other.gone(now):
                if self._store.put_if(path, _bytes({**held, key: mine}), stored):
                    return mine
                continue
            if self._system.monotonic() >= give_up:
                raise LeaseTaken(
                    f"{self._underlying} {key} is being derived by {other}, and was for {self._patience:.0f} s: "
                    "nothing was changed; look at that run, or launch this one again when it has ended"
                )
            self._system.sleep(_ASK_EVERY_SECONDS)

    def _change(self, path: str, change: Any) -> None:
        while True:
            stored, held = self._read(path)
            if self._store.put_if(path, _bytes(change(held)), stored):
                return

    def _read(self, path: str) -> tuple[bytes | None, dict[str, Any]]:
        try:
            stored = self._store.get(path)
        except FileNotFoundError:
            return None, {}
        return stored, json.loads(stored)


@contextmanager
def hold_all(lake: Lake, day: date, underlyings: Sequence[str], work: str) -> Generator[None]:
    """Be the only worker at several indices of a day; always taken in the same order, so that two cannot block."""
    with ExitStack() as held:
        for name in sorted(underlyings):
            held.enter_context(Leases(lake, name, work).hold(day))
        yield


def _rendered(holder: Holder) -> dict[str, Any]:
    return asdict(holder) | {"until": holder.until.isoformat()}


def _parsed(content: dict[str, Any]) -> Holder:
    fields: dict[str, Any] = {**content, "until": datetime.fromisoformat(content["until"])}
    return Holder(**fields)


def _bytes(held: dict[str, Any]) -> bytes:
    return json.dumps(held, indent=1, sort_keys=True).encode()
