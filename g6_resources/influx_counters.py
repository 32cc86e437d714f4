"""How many values a server has, counted in the language it speaks; another kind of server is another `PointCounter`."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from g6_resources.influx import InfluxServer
from g6_resources.seams import SinkError


class PointCounter(Protocol):
    """Counts the values of a measurement on a server."""

    def count(self, measurement: str, first: int, last: int) -> Mapping[str, int]:
        """Return the count of values by field; a field without any is absent.

        Parameters
        ----------
        first, last
            Both included, in whole seconds since 1970 UTC.

        Raises
        ------
        SinkError
            The server does not answer, or refuses.
        """
        ...


def counter_of(server: InfluxServer, world: str = "") -> PointCounter:
    """Return what counts a world's points (empty: the live one's); only an InfluxDB names its version."""
    return MetricsCounter(server, world) if server.version() == "unknown" else FluxCounter(server, world)


class FluxCounter:
    """Counts on an InfluxDB 2."""

    def __init__(self, server: InfluxServer, world: str) -> None:
        self._server = server
        self._world = world

    def count(self, measurement: str, first: int, last: int) -> Mapping[str, int]:
        """Return the count of values by field; see `PointCounter`."""
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        world = f'r.world == "{self._world}"' if self._world else "not exists r.world"
        query = (
            f"from(bucket: {json.dumps(self._server.bucket)}) |> range(start: {_rfc(first)}, stop: {_rfc(last + 1)})"
            f' |> filter(fn: (r) => r._measurement == "{measurement}" and {world})'
            ' |> group(columns: ["_field"]) |> count()'
        )
        try:
            tables: Any = self._server.client.query_api().query(query)
        except (ApiException, HTTPError, OSError) as error:
            raise SinkError(f"influx: {self._server.url} does not count its points ({type(error).__name__})") from None
        return {str(r["_field"]): int(r["_value"]) for table in tables for r in table.records}


class MetricsCounter:
    """Counts on a VictoriaMetrics, where a field is a metric named `<measurement>_<field>`."""

    def __init__(self, server: InfluxServer, world: str) -> None:
        self._server = server
        self._world = world

    def count(self, measurement: str, first: int, last: int) -> Mapping[str, int]:
        """Return the count of values by field; see `PointCounter`."""
        window = f'{{__name__=~"{measurement}_.+", world="{self._world}"}}[{last - first + 1}s]'
        query = f"sum(count_over_time({window}) keep_metric_names) by (__name__)"
        self._get("/internal/force_flush")  # what was taken a moment ago counts too
        answer = self._get("/api/v1/query", query=query, time=str(last), nocache="1")
        return {
            found["metric"]["__name__"].removeprefix(f"{measurement}_"): int(found["value"][1])
            for found in json.loads(answer)["data"]["result"]
        }

    def _get(self, path: str, **parameters: str) -> bytes:
        import urllib3

        try:
            answer = urllib3.request("GET", self._server.url + path, fields=parameters, timeout=60.0, retries=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SinkError(f"influx: {self._server.url} did not answer ({type(error).__name__})") from None
        if answer.status >= 300:
            raise SinkError(f"influx: {self._server.url} does not count its points: {answer.status} {answer.reason}")
        return answer.data


def _rfc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
