"""What a running session tells those outside Dagster: figures, a log event for each snapshot, alerts for thresholds.

None of it may cost a snapshot more than a millisecond or two. What becomes a Dagster event is in `session`.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from g6_assets.capture import SessionEvents
from g6_assets.capture.snapshot import Taken
from g6_market.day import TradingDay
from g6_market.thresholds import Crossing, Threshold, crossings
from g6_resources.alerts import Alert, AlertLog
from g6_resources.clock import SystemTime
from g6_resources.kite.client import KiteSource
from g6_resources.logs import get_logger
from g6_resources.metrics_state import Figures, SessionCounter
from g6_resources.resources import MarketResource
from g6_resources.seams import SinkError, Snapshot, SnapshotSink

log = get_logger(__name__)


class Telemetry:
    """Counts, logs and watches what the session's loop tells.

    Parameters
    ----------
    counter
        Keeps the figures.
    calls
        Returns what the broker's client has counted so far.
    thresholds
        Bounds to watch on each stored snapshot.
    alerts
        Told when a bound is crossed: once, until the number has come back.
    """

    def __init__(
        self,
        counter: SessionCounter,
        calls: Callable[[], Figures],
        thresholds: Sequence[Threshold],
        alerts: AlertLog,
    ) -> None:
        self._counter = counter
        self._calls = calls
        self._thresholds = thresholds
        self._alerts = alerts
        self._crossed: set[tuple[Threshold, str]] = set()
        self._calls_before = 0.0

    def day_opened(self, day: TradingDay, *, written: bool) -> None:
        """Log that the day's contracts are known."""
        log.info("day opened", contracts=len(day.instruments), chains=len(day.chains), fetched_now=written)

    def reference_stored(self, rows: int, at: datetime) -> None:
        """Log the sweep."""
        log.info("reference stored", rows=rows, swept_at=f"{at:%H:%M:%S}")

    def taken(self, taken: Taken) -> None:
        """Count and log one due instant; the one event of each snapshot."""
        self._counter.count(taken.due, taken.rows, stored=taken.snapshot is not None)
        write = log.info if taken.snapshot is not None else log.warning
        write("snapshot", **self._described(taken))
        if taken.snapshot is not None and self._thresholds:
            self._watch(crossings(self._thresholds, taken.snapshot.overview), taken.due)

    def state_changed(self, state: str, detail: str) -> None:
        """Log the state, and leave the figures also when no snapshot does."""
        (log.error if state == "token dead" else log.info)("session", state=state, detail=detail)
        self._counter.save()

    def watching(self, sinks: Sequence[SnapshotSink]) -> list[SnapshotSink]:
        """Return the sinks with their failures counted."""
        return [_CountedSink(sink, self._counter) for sink in sinks]

    def _described(self, taken: Taken) -> dict[str, Any]:
        calls = sum(self._calls().get("calls", {}).values())
        made, self._calls_before = calls - self._calls_before, calls
        rows = taken.rows
        latency = rows["latency_ms"].max()
        return {
            "due": f"{taken.due:%H:%M:%S}",
            "outcomes": dict(taken.outcomes),
            "causes": sorted(set(rows["cause"].dropna())),
            "legs_expected": int(rows["requested"].sum()),
            "legs_collected": int(rows["returned"].sum()),
            "latency_ms": round(float(latency)) if latency >= 0 else None,
            "calls": int(made),
        }

    def _watch(self, found: Sequence[Crossing], due: datetime) -> None:
        now_crossed = {(crossing.threshold, crossing.bound) for crossing in found}
        for crossing in found:
            if (crossing.threshold, crossing.bound) not in self._crossed:
                kind = f"threshold {crossing.threshold.underlying} {crossing.threshold.column} {crossing.bound}"
                text = f"{crossing} at {due:%H:%M}"
                self._alerts.tell(Alert(SystemTime().now(), kind, due.date(), text), once=False)
                log.warning("threshold crossed", text=text)
        self._crossed = now_crossed


def telemetry_of(
    market: MarketResource, source: KiteSource, alerts: AlertLog, trade_date: date, attempt: int, run_id: str
) -> Telemetry:
    """Return the telemetry of a session attempt, with the thresholds of the settings."""
    counter = SessionCounter(
        market.root().figures_file, trade_date=trade_date, attempt=attempt, run_id=run_id, calls=source.figures
    )
    rules = market.settings().alerts.rules
    thresholds = [Threshold(rule.underlying, rule.column, rule.above, rule.below) for rule in rules]
    return Telemetry(counter, source.figures, thresholds, alerts)


class ToAll:
    """Tells several what the loop tells one."""

    def __init__(self, *listeners: SessionEvents) -> None:
        self._listeners = listeners

    def day_opened(self, day: TradingDay, *, written: bool) -> None:
        """Pass on."""
        for one in self._listeners:
            one.day_opened(day, written=written)

    def reference_stored(self, rows: int, at: datetime) -> None:
        """Pass on."""
        for one in self._listeners:
            one.reference_stored(rows, at)

    def taken(self, taken: Taken) -> None:
        """Pass on."""
        for one in self._listeners:
            one.taken(taken)

    def state_changed(self, state: str, detail: str) -> None:
        """Pass on."""
        for one in self._listeners:
            one.state_changed(state, detail)


class _CountedSink:
    def __init__(self, sink: SnapshotSink, counter: SessionCounter) -> None:
        self._sink = sink
        self._counter = counter

    @property
    def name(self) -> str:
        return self._sink.name

    def publish(self, snapshot: Snapshot) -> None:
        try:
            self._sink.publish(snapshot)
        except SinkError:
            self._counter.sink_failed(self.name)
            raise

    def close(self) -> None:
        self._sink.close()
