"""The sensors: they gather facts, ask `decide`, and say in one sentence what they did and why.

They read local state only (heartbeat, lake, run records) and never call the broker, so a tick costs milliseconds.
"""

from collections.abc import Sequence
from datetime import date, datetime

import dagster as dg

from g6_assets.alerts import run_failed
from g6_assets.common import next_opening
from g6_assets.decide import Action, HeartbeatFact, RunFact, RunState, decide_seal, decide_session, max_runtime
from g6_assets.jobs import SEAL_JOB, SESSION_JOB
from g6_assets.session import ATTEMPT_TAG, SESSION_TAG
from g6_market.calendar import IST, Closed
from g6_market.schema import QUOTES, SNAPSHOTS
from g6_resources.clock import DrivenClock, SystemTime
from g6_resources.disk import obstacle
from g6_resources.heartbeat import Heartbeat, HeartbeatFile, HeartbeatUnreadable, kill_process
from g6_resources.resources import ClockResource, LakeResource, MarketResource, SessionFilesResource
from g6_resources.world_state import resumed_at

SEAL_TAG = "g6/seal"
MAX_RUNTIME_TAG = "dagster/max_runtime"
_PARTITION_TAG = "dagster/partition"
_STATES = {
    dg.DagsterRunStatus.CANCELING: RunState.CANCELING,
    dg.DagsterRunStatus.CANCELED: RunState.CANCELED,
    dg.DagsterRunStatus.FAILURE: RunState.FAILED,
    dg.DagsterRunStatus.SUCCESS: RunState.SUCCEEDED,
}


@dg.sensor(
    name="market_hours",
    job_name=SESSION_JOB,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts the session of a trading day, relaunches it when its heartbeat is silent, respects a cancel.",
)
def market_hours(
    context: dg.SensorEvaluationContext,
    market: MarketResource,
    clock: ClockResource,
    lake: LakeResource,
    files: SessionFilesResource,
) -> dg.RunRequest | dg.SkipReason:
    """Start, relaunch or leave alone today's session."""
    market.root().tick_file.touch(mode=0o600)
    market_clock = clock.clock()
    if isinstance(market_clock, DrivenClock):
        return dg.SkipReason("the clock of this world is driven by `g6 demo`: no session starts by itself")
    system = SystemTime()
    now = market_clock.now()
    calendar = market.calendar()
    today = now.date()
    session = calendar.on(today)
    runs = runs_of(context.instance, SESSION_JOB, today)
    beat, garbled_seconds = _heartbeat(files.heartbeat(), system)
    decision = decide_session(
        now=now,
        system_now=system.now(),
        today=session,
        next_session=next_opening(calendar, now),
        runs=runs,
        heartbeat=_fact(beat, system),
        finished=lake.lake(hot=True).seal_record(today) is not None
        or (beat is not None and beat.trade_date == today and beat.state == "ended"),
        resumed_at=resumed_at(market.root(), today),
        garbled_seconds=garbled_seconds,
        obstacle=obstacle(market.root().state),
    )
    if decision.action is Action.SKIP or isinstance(session, Closed):
        return dg.SkipReason(decision.reason)
    for run_id in decision.give_up:
        _give_up(context, run_id, beat, decision.reason)
    context.log.info(decision.reason)
    return dg.RunRequest(
        run_key=f"session:{today}:{decision.attempt}",
        partition_key=today.isoformat(),
        tags={
            SESSION_TAG: today.isoformat(),
            ATTEMPT_TAG: str(decision.attempt),
            # The last resort, if nobody evaluates this sensor any more.
            MAX_RUNTIME_TAG: str(round(max_runtime(now, session).total_seconds())),
        },
    )


@dg.sensor(
    name="after_close",
    job_name=SEAL_JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Seals each captured day five minutes after its close, oldest first, at most three times.",
)
def after_close(
    context: dg.SensorEvaluationContext,
    market: MarketResource,
    clock: ClockResource,
    lake: LakeResource,
    files: SessionFilesResource,
) -> dg.RunRequest | dg.SkipReason:
    """Seal the oldest day that is over and not sealed."""
    market_clock = clock.clock()
    if isinstance(market_clock, DrivenClock):
        return dg.SkipReason("the clock of this world is driven by `g6 demo`, which seals its day itself")
    system = SystemTime()
    now = market_clock.now()
    calendar = market.calendar()
    store = lake.lake()
    # A day that only has its morning's dump was not captured: there is nothing to seal.
    days = [
        day
        for day in store.unsealed_days()
        if calendar.is_open_day(day) and (store.live_names(SNAPSHOTS, day) or store.live_names(QUOTES, day))
    ]
    beat = _fact(_heartbeat(files.heartbeat(), system)[0], system)
    day, decision = decide_seal(
        now=now,
        system_now=system.now(),
        unsealed={day: calendar.session(day) for day in days},
        runs={day: runs_of(context.instance, SEAL_JOB, day) for day in days},
        session_alive=beat is not None and not beat.ended and beat.age_seconds < 60,
    )
    if day is None:
        return dg.SkipReason(decision.reason)
    return dg.RunRequest(
        run_key=f"seal:{day}:{decision.attempt}", partition_key=day.isoformat(), tags={SEAL_TAG: day.isoformat()}
    )


SENSORS: Sequence[dg.SensorDefinition] = (market_hours, after_close, run_failed)


def runs_of(instance: dg.DagsterInstance, job: str, day: date) -> list[RunFact]:
    """Return the last runs of a job for a day."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job, tags={_PARTITION_TAG: day.isoformat()}), limit=50)
    return [
        RunFact(
            run_id=record.dagster_run.run_id,
            state=_STATES.get(record.dagster_run.status, RunState.ACTIVE),
            attempt=int(record.dagster_run.tags.get(ATTEMPT_TAG, 0)),
            asked_at=_aware(record.create_timestamp),
        )
        for record in records
    ]


def _aware(moment: datetime) -> datetime:
    return moment.astimezone(IST)


def _heartbeat(file: HeartbeatFile, system: SystemTime) -> tuple[Heartbeat | None, float | None]:
    """Return the last heartbeat, or the age of the one that cannot be read."""
    try:
        return file.read(), None
    except HeartbeatUnreadable:
        try:
            return None, system.now().timestamp() - file.path.stat().st_mtime
        except OSError:
            return None, None


def _fact(beat: Heartbeat | None, system: SystemTime) -> HeartbeatFact | None:
    if beat is None:
        return None
    return HeartbeatFact(
        trade_date=beat.trade_date,
        attempt=beat.attempt,
        run_id=beat.run_id,
        age_seconds=beat.age_seconds(system),
        ended=beat.state in ("ended", "stopped"),
    )


def _give_up(context: dg.SensorEvaluationContext, run_id: str, beat: Heartbeat | None, reason: str) -> None:
    # Kill first: a stopped worker that wakes up later must find itself dead, not fenced. Never `terminate`: on a
    # stopped worker it blocks the tick for half a minute.
    killed = beat is not None and beat.run_id == run_id and kill_process(beat)
    run = context.instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        context.instance.report_run_failed(
            run, f"{reason}; {'its process was killed' if killed else 'no process found'}"
        )
