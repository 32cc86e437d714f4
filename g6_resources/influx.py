"""InfluxDB: the server as its v2 API sees it, and the sink that hands each snapshot over to it.

The sink writes a snapshot's points into its spool and returns; a thread takes them to the server. So a server that is
slow, away or refusing costs the session nothing. What the points are is in `influx_points`, the proof that they arrived
in `influx_proof`.
"""

import gzip
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from g6_resources.courier import Courier, Refused
from g6_resources.influx_points import CHAIN, INDEX, SERIES, lines
from g6_resources.seams import SinkError, Snapshot
from g6_resources.spool import Spool

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient

POINTS_PER_REQUEST = 5_000
FLUSH_SECONDS = 10.0
_LEVEL = 1  # of gzip: lines of protocol shrink to an eighth already
# Malformed or too large: no try at another time changes that. A wrong token or bucket (401, 403, 404) is mended by an
# operator, and an overloaded server (429, 5xx) by itself.
_NEVER = frozenset({400, 413, 422})

logger = logging.getLogger(__name__)


class InfluxServer:
    """One bucket of an InfluxDB 2 server (or of one that takes its writes) over one pooled connection.

    Parameters
    ----------
    url, org, bucket
        Where to write.
    token
        Secret; never in a message or a `repr`.
    timeout_seconds
        Of one request.
    """

    def __init__(self, url: str, token: str, org: str, bucket: str, timeout_seconds: float = 10.0) -> None:
        self.url = url
        self.bucket = bucket
        self._token = token
        self._org = org
        self._timeout_seconds = timeout_seconds
        self._connected: InfluxDBClient | None = None

    @classmethod
    def from_environment(cls, url: str, org: str, bucket: str) -> Self:
        """Return the server with the token of the environment variable INFLUX_TOKEN."""
        return cls(url, os.environ.get("INFLUX_TOKEN", ""), org, bucket)

    def write(self, points: Sequence[str]) -> None:
        """Write lines of protocol with timestamps in seconds, in requests of at most 5,000 points.

        Raises
        ------
        SinkError
            The server does not answer in time, or refuses.
        """
        for start in range(0, len(points), POINTS_PER_REQUEST):
            self.send(request_of(points[start : start + POINTS_PER_REQUEST]))

    def send(self, body: bytes) -> None:
        """Send one request made by `request_of`.

        Raises
        ------
        Refused
            The server will never take it.
        SinkError
            The server does not answer in time, or refuses for now.
        """
        from influxdb_client.rest import ApiException  # the client takes 0.5 s to import, and is off by default
        from influxdb_client.service.write_service import WriteService
        from urllib3.exceptions import HTTPError

        try:
            WriteService(self.client.api_client).post_write(
                org=self._org,
                bucket=self.bucket,
                body=body,
                precision="s",
                content_encoding="gzip",
                content_type="text/plain; charset=utf-8",
            )
        except ApiException as error:
            kind = Refused if error.status in _NEVER else SinkError
            raise kind(f"influx: {self.url} refused points: {_reason(error)}") from None
        except (HTTPError, OSError) as error:
            raise SinkError(f"influx: {self.url} did not answer ({type(error).__name__}); is it running?") from None

    def admits(self) -> None:
        """Ask whether it takes points for the bucket with this token, and write none.

        Raises
        ------
        SinkError
            The server does not answer in time, knows no such bucket, or does not take the token.
        """
        # That there is no point in the request is looked at last.
        with suppress(Refused):
            self.send(request_of([]))

    def ping(self) -> bool:
        """Whether the server answers."""
        return bool(self.client.ping())

    def version(self) -> str:
        """Return the version of an InfluxDB, "unknown" of another server that takes its writes.

        Raises
        ------
        SinkError
            The server does not answer.
        """
        if not self.ping():
            raise SinkError(f"influx: {self.url} did not answer; is it running?")
        return str(self.client.version())

    def close(self) -> None:
        """Let go of the connection."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    @property
    def client(self) -> "InfluxDBClient":
        """The client, connected at first use."""
        if self._connected is None:
            from influxdb_client.client.influxdb_client import InfluxDBClient

            self._connected = InfluxDBClient(
                url=self.url, token=self._token, org=self._org, timeout=int(self._timeout_seconds * 1000)
            )
        return self._connected

    def __repr__(self) -> str:
        return f"InfluxServer({self.url!r}, org={self._org!r}, bucket={self.bucket!r})"


class InfluxSink:
    """Hands every snapshot over to a server through a spool on disk; implements `SnapshotSink`.

    Parameters
    ----------
    world
        Folder name of the world, empty for the live one.
    """

    def __init__(self, server: InfluxServer, spool: Spool, world: str = "") -> None:
        self._server = server
        self._world = world
        self._spool = spool
        self._courier = Courier(self.name, spool, server.send)

    @property
    def name(self) -> str:
        """Short name for logs and metadata."""
        return "influx"

    def publish(self, snapshot: Snapshot) -> None:
        """Put a snapshot's points on the disk, for the server to get them as soon as it takes them.

        Raises
        ------
        SinkError
            The spool cannot be written.
        """
        name = Spool.name_of(snapshot.due)
        points = [
            *lines(snapshot.option_chain, CHAIN, self._world),
            *lines(snapshot.offset_series, SERIES, self._world),
            *lines(snapshot.overview, INDEX, self._world),
        ]
        try:
            dropped = self._spool.put(name, request_of(points))
        except OSError as error:
            raise SinkError(f"influx: {name} cannot be spooled ({error}); `influx_delivery` makes up for it") from error
        if dropped:
            logger.warning("sink influx: the spool is full, %d oldest snapshots dropped for %s", dropped, name)
        self._courier.wake()

    def close(self) -> None:
        """Deliver what can be delivered in ten seconds; the rest stays in the spool for the next session."""
        left = self._courier.close(FLUSH_SECONDS)
        if left:
            logger.warning("sink influx: %d snapshots wait in the spool; the next session goes on with them", left)
        self._server.close()

    def __repr__(self) -> str:
        return f"InfluxSink({self._server!r})"


def request_of(points: Sequence[str]) -> bytes:
    """Return the body of one request: lines of protocol, gzipped. A snapshot of all six indices is one."""
    return gzip.compress("\n".join(points).encode(), _LEVEL)


def _reason(error: Any) -> str:
    return f"{error.status} {error.reason or ''}".strip()
