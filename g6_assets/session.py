"""The `quotes` asset: its materialisation is the trading day, one run from before the open to the close.

The loop is `capture`; here it is given its parts, and what it tells becomes Dagster events.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd

from g6_assets.capture import CaptureSession, SessionReport
from g6_assets.capture.snapshot import Taken
from g6_assets.common import OWNERS, column_schema, opened_session, plan_of, rows_by
from g6_assets.links import asset_links
from g6_assets.telemetry import ToAll, telemetry_of
from g6_market.day import TradingDay
from g6_market.schema import QUOTES
from g6_resources.alerts import Alert, AlertLog
from g6_resources.clock import SystemTime
from g6_resources.lake import Lake
from g6_resources.lake_s3 import StoreUnreachable
from g6_resources.logs import logging_of_run
from g6_resources.resources import (
    ClockResource,
    CsvResource,
    DuckDBResource,
    InfluxResource,
    KiteResource,
    LakeResource,
    MarketResource,
    RedisResource,
    SessionFilesResource,
)
from g6_resources.warehouse import Warehouse

SESSION_TAG = "g6/session"
ATTEMPT_TAG = "g6/attempt"
OBSERVE_EVERY = timedelta(minutes=5)
# States in which snapshots are lost until somebody does something.
ALARMING = ("token dead", "rate limited", "late", "clock set back")

logger = logging.getLogger(__name__)


class RunEvents:
    """Turns what the loop tells into Dagster events: materialisations once, observations every five minutes.

    A state's change is observed too, so that the page of an index says why its numbers stand still. All of a day stay
    below the hundred events that the UI plots.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        underlyings: Sequence[str],
        alerts: AlertLog,
        show: Callable[[date], object],
    ) -> None:
        self._context = context
        self._alerts = alerts
        self._show = show
        self._underlyings = underlyings
        self._day = context.partition_key
        self._observed: datetime | None = None
        self._last: Taken | None = None

    def day_opened(self, day: TradingDay, *, written: bool) -> None:
        """Let readers see the day, and record instruments and expiries if this session made them."""
        self._show(day.trade_date)
        if not written:
            return
        for name, frame in (("instruments", day.instruments), ("expiries", day.expiries)):
            self._materialised(name, rows_by(frame))

    def reference_stored(self, rows: int, at: datetime) -> None:
        """Record the reference sweep."""
        self._materialised("reference", {"dagster/row_count": rows, "swept at": f"{at:%H:%M:%S} IST"})

    def taken(self, taken: Taken) -> None:
        """Observe each index every five minutes; a snapshot in between costs no event."""
        if taken.snapshot is None:
            self._context.log.warning(f"{taken.due:%H:%M:%S}: nothing stored: {_causes(taken)}")
            return
        self._last = taken
        if self._observed is None or taken.due - self._observed >= OBSERVE_EVERY:
            self._observed = taken.due
            self._observe("capturing")

    def state_changed(self, state: str, detail: str) -> None:
        """Put a change of state into the run's log and onto the page of every index, with the last numbers known."""
        (self._context.log.error if state in ALARMING else self._context.log.info)(f"{state}: {detail}")
        if state in ALARMING:
            self._alerts.tell(Alert(SystemTime().now(), state, date.fromisoformat(self._day), detail))
        if state != "capturing":  # its numbers follow at once, or they were just told
            self._observe(state, detail)

    def _observe(self, state: str, detail: str | None = None) -> None:
        for name in self._underlyings:
            numbers = _live_numbers(self._last, name) if self._last is not None else {}
            self._context.log_event(
                dg.AssetObservation(
                    dg.AssetKey([name, "live"]),
                    description=f"{state}: {detail}" if detail else None,
                    metadata={"state": state, **numbers},
                )
            )

    def _materialised(self, name: str, metadata: Any) -> None:
        self._context.log_event(dg.AssetMaterialization(name, partition=self._day, metadata=dict(metadata)))


def build(dates: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the session asset."""

    @dg.asset(
        name="quotes",
        deps=["instruments", "expiries", dg.AssetKey(["kite", "quote"])],
        description=QUOTES.description + " One run is one trading day.",
        partitions_def=dates,
        group_name="session",
        kinds={"parquet", "kite"},
        owners=OWNERS,
        metadata=column_schema(QUOTES) | asset_links(QUOTES.name),
    )
    def quotes(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        clock: ClockResource,
        kite: KiteResource,
        lake: LakeResource,
        files: SessionFilesResource,
        csv: CsvResource,
        influx: InfluxResource,
        redis: RedisResource,
        duckdb: DuckDBResource,
    ) -> dg.MaterializeResult:
        now = clock.clock()
        calendar = market.calendar()
        session = opened_session(calendar, date.fromisoformat(context.partition_key), now.now())
        store = lake.lake(hot=True)
        if store.seal_record(session.trade_date) is not None:
            context.log.info(f"{session.trade_date} is sealed: nothing due")
            return dg.MaterializeResult(metadata={"result": "nothing due: the day is sealed"})
        opened_session(calendar, session.trade_date, now.now(), today_only=True)
        root = market.root()
        warehouse = duckdb.warehouse(calendar)
        lock = files.lock()
        attempt = int(context.run.tags.get(ATTEMPT_TAG) or lock.next_attempt(session.trade_date))
        fence = lock.acquire(session.trade_date, attempt, context.run.run_id)
        plan = plan_of(market)
        source = kite.source(now)
        alerts = AlertLog(root.alerts_file)
        telemetry = telemetry_of(market, source, alerts, session.trade_date, attempt, context.run.run_id)
        capture = CaptureSession(
            session=session,
            plan=plan,
            calendar=calendar,
            clock=now,
            source=source,
            lake=store,
            sinks=telemetry.watching([*csv.sinks(), *influx.sinks(), *redis.sinks()]),
            fence=fence,
            heartbeat=files.heartbeat(),
            state_file=root.session_state_file,
            events=ToAll(
                telemetry,
                RunEvents(
                    context,
                    list(plan.tags),
                    alerts,
                    # Visible from its first snapshot on, also where a later day is sealed already.
                    show=lambda opened: _show(warehouse, opened, context),
                ),
            ),
            run_id=context.run.run_id,
        )
        try:
            with logging_of_run(
                market.settings().logging,
                root.logs,
                root.token_file,
                run_id=context.run.run_id,
                attempt=attempt,
                trade_date=session.trade_date.isoformat(),
            ):
                report = capture.run()
            _settle(store, context)
        finally:
            # Also on a cancel or Ctrl+C; the lock of a killed process is taken over by the next attempt.
            fence.release()
        return dg.MaterializeResult(metadata=_summary(report, attempt))

    return quotes


def _show(warehouse: Warehouse, opened: date, context: dg.AssetExecutionContext) -> None:
    try:
        warehouse.rebuild(also=[opened])
    except StoreUnreachable as error:
        context.log.warning(f"the views stay as they are, and the session goes on: {error}")


def _settle(store: Lake, context: dg.AssetExecutionContext) -> None:
    """Bring up what an object store has not taken yet; if it does not answer, the seal does."""
    try:
        store.store.settle()
    except StoreUnreachable as error:
        context.log.warning(str(error))


def _summary(report: SessionReport, attempt: int) -> dict[str, Any]:
    counts = {
        "snapshots due": report.due,
        "stored before": report.already,
        "stored now": report.stored,
        "failed": report.failed,
        "stale": report.stale,
        "passed over": report.passed_over,
        "attempt": attempt,
        **{f"sink errors {name}": n for name, n in report.sink_errors.items()},
    }
    return {"result": "nothing due", **counts} if report.nothing_due else {"result": "captured", **counts}


def _live_numbers(taken: Taken, underlying: str) -> dict[str, Any]:
    """Return the numbers of an index in a stored snapshot; none where it has none of them."""
    assert taken.snapshot is not None  # noqa: S101 - only stored snapshots are remembered
    overview, expiries = taken.snapshot.overview, taken.snapshot.expiry_overview
    rows = overview[overview["underlying"] == underlying].to_dict("records")
    if not rows:
        return {}
    mine, told = expiries[expiries["underlying"] == underlying], taken.rows[taken.rows["underlying"] == underlying]
    row, front = rows[0], mine.sort_values("expiry").iloc[0].to_dict()
    return _numbers(
        {
            "snapshot": f"{taken.due:%Y-%m-%d %H:%M} IST",
            "spot": row["spot"],
            "day width": row["day_width"],
            "PCR (OI)": row["pcr_oi"],
            "India VIX": row["india_vix"],
            "front forward": front["forward"],
            "front ATM strike": front["atm_strike"],
            "front straddle": front["straddle"],
            "front ATM IV %": front["atm_iv"] * 100,
            "front max pain": front["max_pain"],
            "front forward dispersion": front["forward_mad"],
            "legs": int(mine["legs"].sum()),
            "missing legs": int(told["missing_legs"].sum()),
            # The last snapshot of the day is asked before it is due: no latency.
            "latency ms": told["latency_ms"].where(told["latency_ms"] >= 0).max(),
        }
    )


def _causes(taken: Taken) -> str:
    return ", ".join(sorted({str(cause) for cause in taken.rows["cause"].dropna()})) or "no answer"


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is unknown: a plot must show a hole, not a zero."""
    known = {name: value for name, value in values.items() if not pd.isna(value)}
    return {name: float(value) if not isinstance(value, (str, int)) else value for name, value in known.items()}
