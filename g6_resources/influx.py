"""InfluxDB as a sink: every snapshot in one gzipped request of line protocol over the v2 write API.

Measurements `option_chain`, `offset_series` and `overview`; a point is identified by its tags and the due time, so
writing a snapshot twice changes nothing. Spooling and proof of delivery live elsewhere: this sink may fail alone.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import pandas as pd

from g6_market.schema import OFFSET_SERIES, OPTION_CHAIN, OVERVIEW, Kind, Table
from g6_resources.arrow import ArrowArray, pa, pc
from g6_resources.seams import SinkError, Snapshot
from g6_resources.text_columns import text_columns

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient

_TAGS = {
    OPTION_CHAIN.name: ("underlying", "expiry", "strike", "option_type"),
    OFFSET_SERIES.name: ("underlying", "expiry_tag", "strike_offset"),
    OVERVIEW.name: ("underlying",),
}
_INTEGERS = (Kind.INT16, Kind.INT32, Kind.INT64)
_FIELDS = (*_INTEGERS, Kind.FLOAT32, Kind.FLOAT64, Kind.BOOL)
_IST_OFFSET = timedelta(hours=5, minutes=30)


class InfluxSink:
    """One bucket of an InfluxDB 2 server (or of one that takes its writes); implements `SnapshotSink`.

    Parameters
    ----------
    url, org, bucket
        Where to write.
    token
        Secret; never in a message or a `repr`.
    timeout_seconds
        Of one request.
    """

    def __init__(self, url: str, token: str, org: str, bucket: str, timeout_seconds: float = 2.0) -> None:
        self._url = url
        self._token = token
        self._org = org
        self._bucket = bucket
        self._timeout_seconds = timeout_seconds
        self._connected: InfluxDBClient | None = None

    @classmethod
    def from_environment(cls, url: str, org: str, bucket: str) -> Self:
        """Return the sink with the token of the environment variable INFLUX_TOKEN."""
        return cls(url, os.environ.get("INFLUX_TOKEN", ""), org, bucket)

    @property
    def name(self) -> str:
        """Short name for logs and metadata."""
        return "influx"

    def publish(self, snapshot: Snapshot) -> None:
        """Write a snapshot's points in one request.

        Raises
        ------
        SinkError
            The server does not answer in time or refuses; nothing is known to be written then.
        """
        frames = (
            (snapshot.option_chain, OPTION_CHAIN),
            (snapshot.offset_series, OFFSET_SERIES),
            (snapshot.overview, OVERVIEW),
        )
        self.write("\n".join(line for frame, table in frames for line in lines(frame, table)))

    def write(self, points: str) -> None:
        """Write line protocol with timestamps in seconds; nothing happens if there is none.

        Raises
        ------
        SinkError
            The server does not answer in time or refuses.
        """
        if not points:
            return
        from influxdb_client.client.write_api import SYNCHRONOUS  # 0.5 s to import, off by default
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            self._client().write_api(write_options=SYNCHRONOUS).write(
                bucket=self._bucket, record=points.encode(), write_precision=cast("Any", "s")
            )
        except ApiException as error:
            raise SinkError(f"influx: {self._url} refused the points of a snapshot: {_reason(error)}") from None
        except (HTTPError, OSError) as error:
            raise SinkError(f"influx: {self._url} did not answer ({type(error).__name__}); is it running?") from None

    def ping(self) -> bool:
        """Whether the server answers."""
        return bool(self._client().ping())

    def close(self) -> None:
        """Let go of the connection."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def __repr__(self) -> str:
        return f"InfluxSink({self._url!r}, org={self._org!r}, bucket={self._bucket!r})"

    def _client(self) -> "InfluxDBClient":
        if self._connected is None:
            from influxdb_client.client.influxdb_client import InfluxDBClient

            self._connected = InfluxDBClient(
                url=self._url,
                token=self._token,
                org=self._org,
                timeout=int(self._timeout_seconds * 1000),
                enable_gzip=True,
            )
        return self._connected


def lines(frame: pd.DataFrame, table: Table) -> Iterator[str]:
    """Yield one line of protocol per row of option_chain, offset_series or overview.

    Numbers and booleans are fields, nulls are left out; a row without any field has no line. Timestamps are the due
    time in whole seconds since 1970 UTC.
    """
    if frame.empty:
        return
    columns = text_columns(frame, table)
    tags = _TAGS[table.name]
    key = pc.binary_join_element_wise(table.name, *(_named(tag, columns[tag]) for tag in tags), ",")
    fields = [
        _named(column.name, _typed(columns[column.name], column.kind))
        for column in table.columns
        if column.kind in _FIELDS and column.name not in tags
    ]
    values = pc.binary_join_element_wise(*fields, ",", null_handling="skip")
    stamps = frame["snapshot_at"].to_numpy() - np.timedelta64(_IST_OFFSET)
    seconds = pa.array(stamps.astype("datetime64[s]").astype(np.int64)).cast(pa.string())
    for line, fields_text in zip(
        pc.binary_join_element_wise(key, values, seconds, " ").to_pylist(), values.to_pylist(), strict=True
    ):
        if fields_text:
            yield line


def _named(name: str, values: ArrowArray) -> ArrowArray:
    return pc.binary_join_element_wise(f"{name}=", values, "")


def _typed(values: ArrowArray, kind: Kind) -> ArrowArray:
    return pc.binary_join_element_wise(values, "i", "") if kind in _INTEGERS else values


def _reason(error: Any) -> str:
    return f"{error.status} {error.reason or ''}".strip()
