"""The three seams: where a broker, a sink or an object store plugs in, and what may go wrong there.

Adding one is a new file that fits a protocol below and a line of configuration; the capture loop knows these protocols
and nothing of their kinds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol, runtime_checkable

import pandas as pd


class SourceError(Exception):
    """The broker did not answer a call, after the retries its budget allowed.

    Parameters
    ----------
    message
        What failed, where, and what to do.
    cause
        Short word for `snapshots.cause` and `gaps`: "rate limited", "network", "server error", "bad answer",
        "token dead", "bad request", "late".
    """

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


class TokenDead(SourceError):
    """The session token is missing or no longer accepted; only `g6 login` helps, so it is never retried."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "token dead")


@dataclass(frozen=True, slots=True)
class QuoteAnswer:
    """One answered quote call.

    Parameters
    ----------
    quotes
        Raw broker entries by the key asked for ("NFO:NIFTY26NOV26000CE"); absent keys were not answered.
    missing
        Keys asked for and absent from the answer, in the order asked.
    received_at
        Market time of arrival, aware IST.
    """

    quotes: Mapping[str, Mapping[str, Any]]
    missing: tuple[str, ...]
    received_at: datetime


class QuoteSource(Protocol):
    """A broker. Kite is the one we build."""

    @property
    def beat(self) -> Callable[[], None] | None:
        """Called while it waits for its limits and retries, so that the session's heartbeat goes on."""
        ...

    @beat.setter
    def beat(self, beat: Callable[[], None] | None) -> None: ...

    def instruments(self, exchanges: Sequence[str], *, max_age_hours: float | None = None) -> dict[str, bytes]:
        """Return the raw instruments CSV of each exchange, from the cache while it is fresh.

        Raises `SourceError` when a dump cannot be had, is empty or is truncated.
        """
        ...

    def quotes(self, keys: Sequence[str], *, deadline: datetime | None = None) -> QuoteAnswer:
        """Ask for the quotes of at most `batch_size` keys in one call, retrying until the deadline (market time)."""
        ...

    def candles(self, token: int, start: datetime, end: datetime) -> pd.DataFrame:
        """Return minute candles with columns start (aware IST), open, high, low, close, volume, oi."""
        ...

    def check(self) -> None:
        """Raise `TokenDead` unless the session is accepted, `SourceError` when that cannot be told."""
        ...

    @property
    def batch_size(self) -> int:
        """Most keys in one quote call."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one captured snapshot holds, as frames of `g6_market.schema`."""

    trade_date: date
    due: datetime
    quotes: pd.DataFrame
    snapshots: pd.DataFrame
    option_chain: pd.DataFrame
    expiry_overview: pd.DataFrame
    overview: pd.DataFrame
    offset_series: pd.DataFrame


class SinkError(Exception):
    """A sink could not take a snapshot; capture goes on without it."""


@runtime_checkable
class SnapshotSink(Protocol):
    """Somebody who is told about each snapshot after it is safely on disk. Each may fail alone, with `SinkError`."""

    @property
    def name(self) -> str:
        """Short name for logs and metadata."""
        ...

    def publish(self, snapshot: Snapshot) -> None:
        """Take one snapshot; raise `SinkError` when it cannot."""
        ...

    def close(self) -> None:
        """Flush what is pending and let go of connections."""
        ...


class LakeStore(Protocol):
    """Where the lake's files are: a local disk, or an object store. Paths are relative, with forward slashes."""

    def put(self, path: str, data: bytes) -> None:
        """Store a file atomically and durably: a reader sees all of it or none, also after a power cut."""
        ...

    def put_if(self, path: str, data: bytes, expected: bytes | None) -> bool:
        """Store a file if it is still what was read before (None: not there yet); False if somebody was faster."""
        ...

    def get(self, path: str) -> bytes:
        """Return a file's bytes; `FileNotFoundError` if there is none."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Return the paths below a folder, sorted; hidden files are not listed."""
        ...

    def move(self, path: str, target: str) -> None:
        """Give a file another name, atomically and durably; one that had it is replaced."""
        ...

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens if there is none."""
        ...

    def settle(self) -> None:
        """Return once all that was put is where every machine sees it; at once where `put` does that already."""
        ...

    def uri(self, path: str) -> str:
        """Return the absolute address by which DuckDB reads the path."""
        ...
