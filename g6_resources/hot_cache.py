"""The latest chains and overviews in Redis, for dashboards that ask often; in memory while Redis is away.

A key holds one JSON text: `g6:<world>:chain:NIFTY:this_week` and `g6:<world>:overview:NIFTY`. Each snapshot is told on
the channel `g6:<world>:snapshots` with the keys it renewed. A value outlives its time (TTL) nowhere, so what is there
is current. It is a copy: the truth is the lake.
"""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Self

import pandas as pd

from g6_market.calendar import IST
from g6_resources.clock import SystemTime
from g6_resources.seams import SinkError, Snapshot

if TYPE_CHECKING:
    from redis import Redis

TIMEOUT_SECONDS = 0.5
RETRY_SECONDS = 5.0
"""How long a Redis that did not answer is left alone, so that it costs a snapshot at most one time-out."""

Kind = Literal["chain", "overview"]


class HotCache:
    """The latest of one world; implements `SnapshotSink`, and reads it back.

    Parameters
    ----------
    url
        redis://host:port/db, without credentials.
    password
        Secret; never in a message or a `repr`.
    world
        Folder name of the world, such as "live": part of every key.
    ttl_seconds
        After which a value is no longer the latest.
    time
        The system's clock.
    """

    def __init__(
        self, url: str, password: str, world: str, ttl_seconds: int = 600, time: SystemTime | None = None
    ) -> None:
        self._url = url
        self._password = password
        self._prefix = f"g6:{world}"
        self._ttl_seconds = ttl_seconds
        self._time = time or SystemTime()
        self._memory: dict[str, tuple[float, str]] = {}
        self._expiries: dict[tuple[str, str], date] = {}
        self._connected: Redis | None = None
        self._leave_alone_until = float("-inf")
        self._away = False

    @classmethod
    def from_environment(cls, url: str, world: str, ttl_seconds: int) -> Self:
        """Return the cache with the password of the environment variable REDIS_PASSWORD."""
        return cls(url, os.environ.get("REDIS_PASSWORD", ""), world, ttl_seconds)

    @property
    def name(self) -> str:
        """Short name for logs and metadata."""
        return "redis"

    @property
    def channel(self) -> str:
        """Where each snapshot is told: a JSON object of `snapshot_at` and `keys`."""
        return f"{self._prefix}:snapshots"

    def key(self, kind: Kind, underlying: str, expiry_tag: str | None = None) -> str:
        """Return the key of a chain (by expiry label) or an overview."""
        return ":".join(part for part in (self._prefix, kind, underlying, expiry_tag) if part)

    def publish(self, snapshot: Snapshot) -> None:
        """Renew the latest of every index and label that the snapshot holds, in memory and in Redis.

        Raises
        ------
        SinkError
            Redis did not take it; in memory it is the latest all the same.
        """
        fresh = dict(self._values(snapshot))
        now = self._time.monotonic()
        self._memory |= {key: (now, value) for key, value in fresh.items()}
        told = json.dumps({"snapshot_at": snapshot.due.isoformat(), "keys": sorted(fresh)})
        # A Redis that comes back may be empty: it gets everything that is still current.
        self._send(self._current(now) if self._away else fresh, told)

    def latest(self, kind: Kind, underlying: str, expiry_tag: str | None = None) -> dict[str, Any] | None:
        """Return the latest chain or overview, None if there is none within its time.

        Returns
        -------
        dict
            `snapshot_at` (ISO 8601 with offset), `underlying`, `rows` (column to value, null for unknown); of a chain
            also `expiry_tag` and `expiry`.
        """
        key = self.key(kind, underlying, expiry_tag)
        value = self._read(key) or self._current(self._time.monotonic()).get(key)
        return json.loads(value) if value else None

    def ping(self) -> bool:
        """Whether Redis answers."""
        from redis.exceptions import RedisError

        try:
            return bool(self._client().ping())
        except (RedisError, OSError):
            return False

    def close(self) -> None:
        """Let go of the connection; what Redis has stays for its time."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def __repr__(self) -> str:
        return f"HotCache({self._url!r}, {self._prefix!r})"

    def _values(self, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
        at = snapshot.due.astimezone(IST).isoformat()
        for row in snapshot.offset_series[["underlying", "expiry_tag", "expiry"]].drop_duplicates().itertuples():
            self._expiries[str(row.underlying), str(row.expiry_tag)] = pd.Timestamp(str(row.expiry)).date()
        chains = {
            (str(name), pd.Timestamp(str(expiry)).date()): rows
            for (name, expiry), rows in snapshot.option_chain.groupby(["underlying", "expiry"], observed=True)
        }
        for (underlying, tag), expiry in self._expiries.items():
            rows = chains.get((underlying, expiry))
            if rows is not None:
                head = {"snapshot_at": at, "underlying": underlying, "expiry_tag": tag, "expiry": expiry.isoformat()}
                yield self.key("chain", underlying, tag), _json(head, rows)
        for name, rows in snapshot.overview.groupby("underlying", observed=True):
            yield self.key("overview", str(name)), _json({"snapshot_at": at, "underlying": str(name)}, rows)

    def _send(self, values: Mapping[str, str], told: str) -> None:
        from redis.exceptions import RedisError

        if self._time.monotonic() < self._leave_alone_until:
            raise SinkError(f"redis: {self._url} did not answer lately; the latest is kept in memory")
        try:
            pipeline = self._client().pipeline(transaction=False)
            for key, value in values.items():
                pipeline.set(key, value, ex=self._ttl_seconds)
            pipeline.publish(self.channel, told)
            pipeline.execute()
        except (RedisError, OSError) as error:
            raise self._failed(error) from None
        self._away = False

    def _read(self, key: str) -> str | None:
        from redis.exceptions import RedisError

        if self._time.monotonic() < self._leave_alone_until:
            return None
        try:
            value = self._client().get(key)
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        return str(value) if value is not None else None

    def _failed(self, error: Exception) -> SinkError:
        self._leave_alone_until = self._time.monotonic() + RETRY_SECONDS
        self._away = True
        return SinkError(
            f"redis: {self._url} did not take a snapshot ({type(error).__name__}); is it running, and REDIS_PASSWORD "
            "right? The latest is kept in memory"
        )

    def _current(self, now: float) -> dict[str, str]:
        return {key: value for key, (at, value) in self._memory.items() if now - at < self._ttl_seconds}

    def _client(self) -> "Redis":
        if self._connected is None:
            from redis import Redis
            from redis.backoff import NoBackoff
            from redis.exceptions import ConnectionError as Disconnected
            from redis.retry import Retry

            self._connected = Redis.from_url(
                self._url,
                password=self._password or None,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                # Once anew: the server may have been restarted since the last snapshot.
                retry=Retry(NoBackoff(), 1, supported_errors=(Disconnected,)),
                decode_responses=True,
            )
        return self._connected


def _json(head: Mapping[str, str], rows: pd.DataFrame) -> str:
    columns = rows.drop(columns=[name for name in ("snapshot_at", "underlying", "expiry") if name in rows])
    text = columns.to_json(orient="records", date_format="iso", double_precision=10)
    return f'{json.dumps(head)[:-1]}, "rows": {text}}}'
