"""The loop of a trading day: wait for each due instant, capture it, tell the sinks.

Due instants are absolute, so nothing drifts; a slow snapshot gives up in time for the next one. Whoever calls decides
what an event means (`SessionEvents`): the session asset turns them into Dagster events, tests into lists.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from g6_assets.capture.opening import DayPlan, open_day, reference_sweep
from g6_assets.capture.snapshot import SnapshotTaker, Taken
from g6_assets.capture.state import load_state
from g6_market.calendar import Session, TradingCalendar
from g6_market.day import TradingDay
from g6_market.schema import SNAPSHOTS
from g6_resources.clock import MarketClock
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.lake import Lake, snapshot_name
from g6_resources.lock import Fence
from g6_resources.seams import QuoteSource, SinkError, Snapshot, SnapshotSink, SourceError, TokenDead

logger = logging.getLogger(__name__)

REFERENCE_BEFORE_OPEN = timedelta(minutes=7)
# Retries end after this share of the interval (and a second a call): what arrives later is the state of another
# instant, and a gap that a candle heals is truer than a row that claims it.
RETRY_SHARE = 0.25
# Time kept free at the end of an interval, so that a slow snapshot never makes the next one late.
MARGIN = timedelta(seconds=3)
TOKEN_POLL_SECONDS = 10.0
# The books empty at the close: the last snapshot is asked early enough that its full chain is answered before.
LAST_SNAPSHOT_LEAD = timedelta(seconds=3)


class SessionEvents(Protocol):
    """What the loop tells its caller."""

    def day_opened(self, day: TradingDay, *, written: bool) -> None:
        """Instruments, expiries and conventions are at hand; `written` if they were made now."""
        ...

    def reference_stored(self, rows: int, at: datetime) -> None:
        """The reference sweep is stored."""
        ...

    def taken(self, taken: Taken) -> None:
        """One due instant was dealt with."""
        ...

    def state_changed(self, state: str, detail: str) -> None:
        """The session entered another state: waiting, capturing, token dead, ended."""
        ...


@dataclass
class SessionReport:
    """Counts of one session attempt."""

    due: int = 0
    stored: int = 0
    failed: int = 0
    stale: int = 0
    passed_over: int = 0
    already: int = 0
    sink_errors: dict[str, int] = field(default_factory=dict)

    @property
    def nothing_due(self) -> bool:
        """Whether no instant was left to capture."""
        return self.stored + self.failed + self.stale == 0 and self.already + self.passed_over == self.due


@dataclass
class CaptureSession:
    """One attempt at a trading day."""

    session: Session
    plan: DayPlan
    calendar: TradingCalendar
    clock: MarketClock
    source: QuoteSource
    lake: Lake
    sinks: Sequence[SnapshotSink]
    fence: Fence
    heartbeat: HeartbeatFile
    state_file: Path
    events: SessionEvents
    run_id: str
    _state_name: str = field(default="starting", init=False)
    _state_detail: str = field(default="", init=False)

    def run(self) -> SessionReport:
        """Capture what is still due of the day and return the counts.

        Raises
        ------
        FencedOut
            A newer attempt owns the day.
        SourceError
            The day cannot be opened (no usable dump and no stored one).
        """
        report = SessionReport()
        dues = self.session.due_times(self.plan.conventions.interval_seconds)
        stored = self.lake.live_names(SNAPSHOTS, self.session.trade_date)
        report.due = len(dues)
        report.already = sum(snapshot_name(due) in stored for due in dues)
        if self.clock.now() > dues[-1] or report.already == report.due:
            report.passed_over = report.due - report.already
            self._enter("ended", "nothing due")
            return report
        self.source.beat = self.beat
        try:
            day = self._open()
            self._capture(day, dues, stored, report)
            self._enter("ended", f"{report.stored} of {report.due} snapshots stored")
        finally:
            # Also on a cancel: what was published is flushed before the process goes.
            for sink in self.sinks:
                try:
                    sink.close()
                except SinkError as error:
                    logger.warning("sink %s: %s", sink.name, error)
        return report

    def beat(self) -> None:
        """Write the heartbeat: the one proof of life."""
        self.heartbeat.write(
            market_time=self.clock.now(),
            run_id=self.run_id,
            trade_date=self.session.trade_date,
            attempt=self.fence.owner.attempt,
            state=self._state_name,
            detail=self._state_detail,
        )

    def _open(self) -> TradingDay:
        self._enter("opening", "checking the token")
        self._until_token_lives()
        day, written = open_day(self.lake, self.source, self.plan, self.session, self.calendar)
        self.events.day_opened(day, written=written)
        self._enter("waiting", f"reference sweep, then the open at {self.session.open:%H:%M}")
        self.clock.wait_until(self.session.open - REFERENCE_BEFORE_OPEN, self.beat)
        if self.clock.now() < self.session.open:
            self._sweep(day)
        return day

    def _capture(self, day: TradingDay, dues: Sequence[datetime], stored: Sequence[str], report: SessionReport) -> None:
        state = load_state(self.state_file, self.lake, day)
        taker = SnapshotTaker(day=day, plan=self.plan, source=self.source, lake=self.lake, fence=self.fence)
        interval = timedelta(seconds=self.plan.conventions.interval_seconds)
        calls = timedelta(seconds=taker.full_chain_calls)
        first = True
        for due in dues:
            if snapshot_name(due) in stored:
                continue
            last = due == dues[-1]
            ask_at = due - LAST_SNAPSHOT_LEAD - calls if last else due
            if self.clock.now() >= due + interval - MARGIN:
                report.passed_over += 1
                continue
            self.clock.wait_until(ask_at, self.beat)
            full = first or last or self._on_full_chain_beat(due)
            deadline = due if last else min(ask_at + interval * RETRY_SHARE + calls, due + interval - MARGIN)
            taken = taker.take(due, state, full=full, deadline=deadline)
            self.beat()
            first = first and taken.snapshot is None
            self._count(taken, report)
            state.save(self.state_file, day)
            if taken.snapshot is not None:
                self._publish(taken.snapshot, report)
            self.events.taken(taken)
            if taken.dead_token is not None:
                self._enter("token dead", str(taken.dead_token))
                self._wait_for_login(due + interval)
            else:
                self._enter("capturing", f"last snapshot {due:%H:%M:%S}")
                self._late_sweep(day, due + interval)

    def _on_full_chain_beat(self, due: datetime) -> bool:
        since_open = round((due - self.session.open).total_seconds())
        return since_open % self.plan.conventions.full_chain_every_seconds == 0

    def _publish(self, snapshot: Snapshot, report: SessionReport) -> None:
        for sink in self.sinks:
            try:
                sink.publish(snapshot)
            except SinkError as error:
                report.sink_errors[sink.name] = report.sink_errors.get(sink.name, 0) + 1
                logger.warning("sink %s: %s", sink.name, error)

    def _count(self, taken: Taken, report: SessionReport) -> None:
        if taken.snapshot is not None:
            report.stored += 1
        elif set(taken.outcomes) == {"stale"}:
            report.stale += 1
        else:
            report.failed += 1

    def _sweep(self, day: TradingDay) -> None:
        try:
            frame = reference_sweep(self.lake, self.source, day, self.clock.now)
        except SourceError as error:
            self._enter("waiting", f"reference sweep failed: {error}")
            return
        if frame is not None:
            self.events.reference_stored(len(frame), self.clock.now())

    def _late_sweep(self, day: TradingDay, next_due: datetime) -> None:
        # A late start makes up for the sweep in a pause that is long enough for all of its calls.
        calls = timedelta(seconds=2 * len(day.instruments) / self.source.batch_size + 5)
        if not self._swept and self.clock.now() + calls < next_due:
            self._swept = True
            self._sweep(day)

    _swept: bool = field(default=False, init=False)

    def _until_token_lives(self) -> None:
        while True:
            try:
                self.source.check()
            except TokenDead as error:
                self._enter("token dead", str(error))
                if self.clock.now() >= self.session.close:
                    raise
                self.clock.pause(TOKEN_POLL_SECONDS, self.beat)
            else:
                return

    def _wait_for_login(self, until: datetime) -> None:
        # A source whose token was refused does not call again until the token file changes, so this costs nothing.
        while self.clock.now() + timedelta(seconds=TOKEN_POLL_SECONDS) < until:
            self.clock.pause(TOKEN_POLL_SECONDS, self.beat)
            try:
                self.source.check()
            except TokenDead:
                continue
            return

    def _enter(self, state: str, detail: str) -> None:
        changed = state != self._state_name
        self._state_name, self._state_detail = state, detail
        self.beat()
        if changed:
            logger.info("session %s: %s: %s", self.session.trade_date, state, detail)
            self.events.state_changed(state, detail)
