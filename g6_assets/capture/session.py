"""The loop of a trading day: wait for each due instant, capture it, tell the sinks.

Due instants are absolute, so nothing drifts; a slow snapshot gives up in time for the next one. Whoever calls decides
what an event means (`SessionEvents`): the session asset turns them into Dagster events, tests into lists.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from g6_assets.capture.interrupted import complete, interrupted
from g6_assets.capture.interrupts import Interrupts
from g6_assets.capture.opening import DayPlan, is_opened, open_day, reference_sweep
from g6_assets.capture.report import SessionEvents, SessionReport
from g6_assets.capture.snapshot import SnapshotTaker, Taken
from g6_assets.capture.state import SessionState, load_state
from g6_market.calendar import Session, TradingCalendar
from g6_market.day import TradingDay
from g6_market.schema import QUOTES, REFERENCE, SNAPSHOTS
from g6_resources.clock import MarketClock, SystemTime
from g6_resources.disk import require_room
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.lake import Lake, snapshot_name
from g6_resources.lock import Fence, FencedOut
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
# A beat comes before each call and slice of a wait; one a second is proof enough.
BEAT_SECONDS = 1.0
# Of a clock that is being disciplined a step back this small is no news.
SET_BACK = timedelta(seconds=2)
# Refused so many times in a row although the limiter kept the limits, it is not chance but another client.
REFUSALS_IN_A_ROW = 3


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
    system: SystemTime = field(default_factory=SystemTime)
    interrupts: Interrupts = field(default_factory=Interrupts)
    _state_name: str = field(default="starting", init=False)
    _state_detail: str = field(default="", init=False)
    _beaten: float | None = field(default=None, init=False)
    _swept: bool = field(default=False, init=False)
    _seen: datetime | None = field(default=None, init=False)
    _refusals: int = field(default=0, init=False)
    _failing_sinks: set[str] = field(default_factory=set, init=False)

    def run(self) -> SessionReport:
        """Capture what is still due of the day and return the counts.

        The heartbeat then says "ended"; after an error or an interrupt it says "stopped", and sinks are flushed all the
        same. An interrupt waits for the snapshot in hand. A session that was fenced out leaves the heartbeat to its
        successor.

        Raises
        ------
        FencedOut
            A newer attempt owns the day.
        SourceError
            The day cannot be opened (no usable dump and no stored one).
        DiskFull, DiskReadOnly
            Nothing more can be stored; what is stored is whole.
        """
        dues = self.session.due_times(self.plan.conventions.interval_seconds)
        stored = self._stored(dues)
        report = SessionReport(due=len(dues), already=len(stored))
        over = self.clock.now() > dues[-1]
        if (over or report.already == report.due) and not self._interrupted(dues):
            report.passed_over = report.due - report.already
            self._enter("ended", "nothing due")
            return report
        self.source.beat = self.beat
        try:
            day = self._stored_day() if over else self._open()
            self._capture(day, dues, stored, report)
            self._enter("ended", f"{report.stored} of {report.due} snapshots stored")
        except FencedOut:
            raise
        except BaseException as error:
            self._state_name, self._state_detail = "stopped", f"{type(error).__name__}: {error}"
            try:
                self._write_heartbeat()
            except OSError as silent:  # on a full disk it is not the heartbeat that matters
                logger.warning("the heartbeat could not say why the session stopped: %s", silent)
            raise
        finally:
            # Also on a cancel: what was published is flushed before the process goes.
            for sink in self.sinks:
                try:
                    sink.close()
                except SinkError as error:
                    logger.warning("sink %s: %s", sink.name, error)
        return report

    def beat(self) -> None:
        """Write the heartbeat, the one proof of life, at most once a second of system time.

        Raises
        ------
        FencedOut
            A newer attempt owns the day; the heartbeat is its own.
        """
        self._notice_a_clock_set_back()
        now = self.system.monotonic()
        if self._beaten is None or now - self._beaten >= BEAT_SECONDS:
            self._write_heartbeat()

    def _notice_a_clock_set_back(self) -> None:
        before, self._seen = self._seen, self.clock.now()
        if before is not None and before - self._seen > SET_BACK:
            self._enter(
                "clock set back",
                f"from {before:%H:%M:%S} to {self._seen:%H:%M:%S}: what is stored is not asked again, the next "
                "snapshot waits until it is due; what was stored since the clock went wrong carries wrong instants",
            )

    def _write_heartbeat(self) -> None:
        self.fence.check()
        self._beaten = self.system.monotonic()
        self.heartbeat.write(
            market_time=self.clock.now(),
            run_id=self.run_id,
            trade_date=self.session.trade_date,
            attempt=self.fence.owner.attempt,
            state=self._state_name,
            detail=self._state_detail,
        )

    def _stored(self, dues: Sequence[datetime]) -> set[datetime]:
        """Return the due instants that need not be asked for; of an interrupted one the quotes are there."""
        day = self.session.trade_date
        if self.lake.seal_record(day) is not None:
            return set(dues)
        names = {*self.lake.live_names(SNAPSHOTS, day), *self.lake.live_names(QUOTES, day)}
        return {due for due in dues if snapshot_name(due) in names}

    def _interrupted(self, dues: Sequence[datetime]) -> list[datetime]:
        return [] if self.lake.seal_record(self.session.trade_date) else interrupted(self.lake, dues)

    def _stored_day(self) -> TradingDay:
        return open_day(self.lake, self.source, self.plan, self.session, self.calendar)[0]

    def _open(self) -> TradingDay:
        self._enter("opening", "checking the token")
        # A day that is stored needs no token to begin: each due instant is then recorded with what stands in its way.
        self._until_token_lives(self.session.open if is_opened(self.lake, self.session) else self.session.close)
        day, written = open_day(
            self.lake, self.source, self.plan, self.session, self.calendar, may_write=self.fence.check
        )
        self.events.day_opened(day, written=written)
        self._enter("waiting", f"reference sweep, then the open at {self.session.open:%H:%M}")
        self.clock.wait_until(self.session.open - REFERENCE_BEFORE_OPEN, self.beat)
        return self._swept_day(day) if self.clock.now() < self.session.open else day

    def _capture(self, day: TradingDay, dues: Sequence[datetime], stored: set[datetime], report: SessionReport) -> None:
        taker = SnapshotTaker(
            day=day,
            plan=self.plan,
            source=self.source,
            lake=self.lake,
            fence=self.fence,
            interrupts=self.interrupts,
        )
        for taken in complete(taker, self.lake, self.state_file, self._interrupted(dues)):
            if taken.snapshot is not None:
                self._publish(taken.snapshot, report)
        state = load_state(self.state_file, self.lake, day)
        interval = timedelta(seconds=self.plan.conventions.interval_seconds)
        calls = timedelta(seconds=taker.full_chain_calls)
        began = self.clock.now()
        first = True
        for due in dues:
            if due in stored:
                continue
            last = due == dues[-1]
            ask_at = due - LAST_SNAPSHOT_LEAD - calls if last else due
            deadline = due if last else min(ask_at + interval * RETRY_SHARE + calls, due + interval - MARGIN)
            self.clock.wait_until(ask_at, self.beat)
            # Asked again after the wait: a clock that was set, or a machine that slept, makes it longer than it seems.
            if self.clock.now() > deadline:
                # Before this attempt the process was down, which the lack of a row says; since, it was late itself.
                report.passed_over += 1
                if due >= began:
                    self._miss(taker, due, state)
                continue
            require_room(self.state_file.parent)
            full = first or last or self._on_full_chain_beat(due)
            with self.interrupts.held_back():
                taken = taker.take(due, state, full=full, deadline=deadline)
                self.beat()
                self._keep(taken, state, taker.day, report)
            first = first and taken.snapshot is None
            if taken.dead_token is not None:
                self._enter("token dead", str(taken.dead_token))
                if not last:
                    self._wait_for_login(due + interval)
            elif not self._is_refused(taken):
                self._enter("capturing", f"last snapshot {due:%H:%M:%S}")
                taker.day = self._late_sweep(taker.day, due + interval)

    def _keep(self, taken: Taken, state: SessionState, day: TradingDay, report: SessionReport) -> None:
        self._count(taken, report)
        state.save(self.state_file, day)
        if taken.snapshot is not None:
            self._publish(taken.snapshot, report)
        self.events.taken(taken)

    def _miss(self, taker: SnapshotTaker, due: datetime, state: SessionState) -> None:
        with self.interrupts.held_back():
            taken = taker.miss(due, state, "late")
        if self._state_name != "late":
            behind = (self.clock.now() - due).total_seconds()
            self._enter(
                "late",
                f"{due:%H:%M:%S} was due {behind:,.0f} s ago: the machine slept, its clock was set forward, or it is "
                "too slow for its interval",
            )
        self.events.taken(taken)

    def _is_refused(self, taken: Taken) -> bool:
        """Tell, and say, that Kite keeps refusing calls although this machine keeps the limits."""
        causes = set(taken.rows["cause"].dropna())
        self._refusals = self._refusals + 1 if "rate limited" in causes else 0
        if self._refusals < REFUSALS_IN_A_ROW:
            return False
        self._enter(
            "rate limited",
            f"{self._refusals} snapshots in a row were refused although the limits of kite.limits were kept: another "
            "program or machine uses this API key. Stop it, or give it a key of its own; limits are per key",
        )
        return True

    def _on_full_chain_beat(self, due: datetime) -> bool:
        since_open = round((due - self.session.open).total_seconds())
        return since_open % self.plan.conventions.full_chain_every_seconds == 0

    def _publish(self, snapshot: Snapshot, report: SessionReport) -> None:
        for sink in self.sinks:
            try:
                sink.publish(snapshot)
            except SinkError as error:
                report.sink_errors[sink.name] = report.sink_errors.get(sink.name, 0) + 1
                # Once a change: a server may be away for hours, and each snapshot that it misses is counted.
                if sink.name not in self._failing_sinks:
                    logger.warning("sink %s: %s", sink.name, error)
                self._failing_sinks.add(sink.name)
            else:
                if sink.name in self._failing_sinks:
                    logger.info("sink %s takes snapshots again", sink.name)
                self._failing_sinks.discard(sink.name)

    def _count(self, taken: Taken, report: SessionReport) -> None:
        if taken.snapshot is not None:
            report.stored += 1
        elif set(taken.outcomes) == {"stale"}:
            report.stale += 1
        else:
            report.failed += 1

    def _swept_day(self, day: TradingDay, deadline: datetime | None = None) -> TradingDay:
        try:
            frame = reference_sweep(
                self.lake, self.source, day, self.clock.now, deadline=deadline, may_write=self.fence.check
            )
        except SourceError as error:
            self._enter("waiting", f"reference sweep failed: {error}")
            return day
        self._swept = True
        if frame is not None:
            self.events.reference_stored(len(frame), self.clock.now())
            return day.with_reference(frame)
        # Stored by somebody else, perhaps since this day was opened.
        return day if day.reference is not None else day.with_reference(self.lake.read(REFERENCE, day.trade_date))

    def _late_sweep(self, day: TradingDay, next_due: datetime) -> TradingDay:
        # A late start makes up for the sweep in a pause that is long enough for all of its calls.
        calls = timedelta(seconds=2 * len(day.instruments) / self.source.batch_size + 5)
        if self._swept or self.clock.now() + calls >= next_due:
            return day
        return self._swept_day(day, next_due - MARGIN)

    def _until_token_lives(self, until: datetime) -> None:
        while True:
            try:
                self.source.check()
            except SourceError as error:
                if error.cause == "bad request":
                    raise
                self._enter("token dead" if isinstance(error, TokenDead) else "opening", str(error))
                if self.clock.now() >= self.session.close:
                    raise
                if self.clock.now() >= until:
                    return
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
            except SourceError as error:
                # Whether the new token lives cannot be told now; the next snapshot will.
                logger.warning("%s", error)
            self._enter("waiting", "a new session token is there")
            return

    def _enter(self, state: str, detail: str) -> None:
        changed = state != self._state_name
        self._state_name, self._state_detail = state, detail
        if not changed:
            self.beat()
            return
        self._write_heartbeat()
        self.events.state_changed(state, detail)
