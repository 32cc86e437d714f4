"""The metrics: a short list with their meaning, and the text a Prometheus server scrapes.

Everything is read at the moment of the scrape from small files of the world (`metrics_world`), so the numbers are there
when no session runs. No label ever is a strike or an expiry: the list stays as short as it is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from g6_resources.metrics_state import BOUND_NAMES


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric: its name, kind, labels, and what it is."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    help: str


@dataclass(frozen=True, slots=True)
class Times:
    """A histogram's value: how many fell under each of `BOUND_NAMES` and over the one before, and their sum."""

    counts: tuple[float, ...]
    seconds: float


Samples = Mapping[str, Mapping[tuple[str, ...], float | Times]]
"""Values by metric and labels; a metric without a value is not exposed."""

METRICS = (
    MetricSpec("g6_world", "gauge", ("world",), "1 for the world that is served; absent while none was made"),
    MetricSpec("g6_market_open", "gauge", (), "Whether snapshots are due now: 1 or 0"),
    MetricSpec("g6_session_state", "gauge", ("state",), "1 for what the last session said it was doing"),
    MetricSpec("g6_heartbeat_age_seconds", "gauge", (), "Since the session's last sign of life"),
    MetricSpec("g6_daemon_tick_age_seconds", "gauge", (), "Since Dagster's daemon last ran the session sensor"),
    MetricSpec("g6_snapshot_age_seconds", "gauge", (), "Since the last snapshot was stored"),
    MetricSpec(
        "g6_snapshots_total", "counter", ("underlying", "outcome"), "Due instants: stored, partial, stale or failed"
    ),
    MetricSpec("g6_snapshot_latency_seconds", "histogram", (), "From the due instant to the last answer's arrival"),
    MetricSpec("g6_legs_expected", "gauge", ("underlying",), "Legs asked for at the last due instant"),
    MetricSpec("g6_legs_collected", "gauge", ("underlying",), "Legs that came at the last due instant"),
    MetricSpec("g6_gaps_today", "gauge", (), "Due instants of today's session so far of which nothing is stored"),
    MetricSpec("g6_kite_calls_total", "counter", ("endpoint", "result"), "Attempts at calls: ok, or why not"),
    MetricSpec("g6_kite_call_seconds", "histogram", ("endpoint",), "Time on the wire of each attempt"),
    MetricSpec("g6_kite_retries_total", "counter", ("endpoint",), "Attempts after a first that failed"),
    MetricSpec("g6_limiter_waits_total", "counter", ("family",), "Calls that waited for the broker's limits"),
    MetricSpec("g6_limiter_wait_seconds_total", "counter", ("family",), "How long they waited, market time"),
    MetricSpec("g6_sink_errors_total", "counter", ("sink",), "Snapshots that a sink could not take"),
    MetricSpec("g6_sink_backlog_files", "gauge", ("sink",), "Batches that wait to be delivered"),
    MetricSpec("g6_sink_backlog_bytes", "gauge", ("sink",), "Their size"),
    MetricSpec("g6_sink_backlog_age_seconds", "gauge", ("sink",), "Age of the oldest of them"),
    MetricSpec("g6_sink_dropped_files", "gauge", ("sink",), "Batches lost to a full spool and not made up for yet"),
    MetricSpec("g6_token_age_seconds", "gauge", (), "Since the last login"),
    MetricSpec("g6_token_valid", "gauge", (), "Whether the stored token has not expired: 1 or 0"),
    MetricSpec("g6_seal_seconds", "gauge", (), "What the last seal took"),
    MetricSpec("g6_seal_age_seconds", "gauge", (), "Since the last seal"),
    MetricSpec("g6_unsealed_days", "gauge", (), "Days over and captured that are not sealed"),
    MetricSpec("g6_alerts_total", "counter", ("kind",), "Alerts that were told since the world was made"),
    MetricSpec("g6_disk_free_bytes", "gauge", (), "Room on the disk of the data folder"),
)


class WorldCollector(Collector):
    """Exposes what a function gathers at each scrape.

    Parameters
    ----------
    gather
        Returns the samples of this moment.
    """

    def __init__(self, gather: Callable[[], Samples]) -> None:
        self._gather = gather

    def collect(self) -> Iterator[Metric]:
        """Yield each metric that has a value, in the order of `METRICS`."""
        samples = self._gather()
        for spec in METRICS:
            values = samples.get(spec.name)
            if values:
                yield _family(spec, values)


def registry_of(gather: Callable[[], Samples]) -> CollectorRegistry:
    """Return a registry of these metrics alone."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WorldCollector(gather))
    return registry


def _family(spec: MetricSpec, values: Mapping[tuple[str, ...], float | Times]) -> Metric:
    if spec.kind == "histogram":
        histogram = HistogramMetricFamily(spec.name, spec.help, labels=spec.labels)
        for labels, times in values.items():
            assert isinstance(times, Times)  # noqa: S101 - the gatherer gives a histogram nothing else
            histogram.add_metric(labels, list(_cumulative(times)), sum_value=times.seconds)
        return histogram
    plain = GaugeMetricFamily if spec.kind == "gauge" else CounterMetricFamily
    family = plain(spec.name, spec.help, labels=spec.labels)
    for labels, value in values.items():
        assert not isinstance(value, Times)  # noqa: S101
        family.add_metric(labels, value)
    return family


def _cumulative(times: Times) -> Iterator[tuple[str, float]]:
    so_far = 0.0
    for bound, count in zip(BOUND_NAMES, times.counts, strict=True):
        so_far += count
        yield bound, so_far
