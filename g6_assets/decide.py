"""What the sensors decide: pure functions of gathered facts, no I/O and no Dagster.

`sensors` gathers the facts and turns a decision into Dagster's words. The rules are those of the trading day: one
session run a day, fenced and relaunched when its heartbeat is silent, never against an operator's cancel; one seal run
after the close.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from g6_market.calendar import Closed, Session

START_BEFORE_OPEN = timedelta(minutes=10)
SEAL_AFTER_CLOSE = timedelta(minutes=5)
# Older than this in system time means that nobody writes: the session beats every 5 s, also while it waits.
HEARTBEAT_STALE_SECONDS = 20.0
# A run that was asked for but has not beaten yet: queue and start of a worker take up to about 15 s.
STARTING_GRACE_SECONDS = 90.0
# A run that outlives its session by this much has nobody left who would end it.
OUTLIVES_CLOSE = timedelta(minutes=15)
SEAL_ATTEMPTS = 3
SEAL_RETRY_AFTER = timedelta(minutes=5)


class RunState(StrEnum):
    """What Dagster says of a run, reduced to what the decisions need."""

    ACTIVE = "active"
    CANCELING = "being cancelled"
    CANCELED = "canceled"
    FAILED = "failed"
    SUCCEEDED = "succeeded"


class Action(StrEnum):
    """What to do now."""

    SKIP = "skip"
    START = "start"
    RELAUNCH = "relaunch"


@dataclass(frozen=True, slots=True)
class RunFact:
    """One run of the day: its state, attempt and when it was asked for (system time)."""

    run_id: str
    state: RunState
    attempt: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class HeartbeatFact:
    """The last heartbeat: of which day and attempt, how old in system time, whether the session had ended itself."""

    trade_date: date
    attempt: int
    run_id: str
    age_seconds: float
    ended: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """An action with its reason in one sentence; for a start, the attempt; for a relaunch, the runs to give up."""

    action: Action
    reason: str
    attempt: int = 0
    give_up: tuple[str, ...] = ()


def decide_session(
    *,
    now: datetime,
    system_now: datetime,
    today: Session | Closed,
    next_session: Session,
    runs: Sequence[RunFact],
    heartbeat: HeartbeatFact | None,
    finished: bool,
    resumed_at: datetime | None = None,
    garbled_seconds: float | None = None,
    obstacle: str | None = None,
) -> Decision:
    """Decide whether the session of today must be started, relaunched or left alone.

    Parameters
    ----------
    now, system_now
        Market time and system time, aware IST. Only staleness is judged in system time.
    today
        The session of the market day of `now`, or why there is none.
    next_session
        The next session to open after now, for the reason of a skip.
    runs
        The session runs of today, any order.
    heartbeat
        The last heartbeat, None if there was none or it cannot be read.
    finished
        Whether today's session ended by itself, or the day is sealed.
    resumed_at
        When `g6 session resume` was last given (system time); it ends a cancel older than itself.
    garbled_seconds
        Age of a heartbeat that is there but cannot be read; None if it can, or there is none.
    obstacle
        Why no session could store anything now (no room, a read-only disk); None if nothing is in its way.
    """
    opens = f"next session {next_session.open:%a %Y-%m-%d %H:%M} IST"
    if isinstance(today, Closed):
        return _skip(f"market closed: {today.reason}; {opens}")
    day = today.trade_date
    starts = today.open - START_BEFORE_OPEN
    if now < starts:
        return _skip(f"the session of {day} starts at {starts:%H:%M} IST; it opens at {today.open:%H:%M}")
    if finished:
        return _skip(f"the session of {day} is complete; {opens}")
    if now >= today.close:
        return _skip(f"market closed at {today.close:%H:%M} IST: what of {day} was not captured is in gaps; {opens}")
    active = [run for run in runs if run.state is RunState.ACTIVE]
    last = max(runs, key=lambda run: run.asked_at, default=None)
    if any(run.state is RunState.CANCELING for run in runs):
        return _skip(f"the session of {day} is being cancelled by an operator")
    if last is not None and last.state is RunState.CANCELED and not (resumed_at and resumed_at > last.asked_at):
        return _skip(
            f"the session of {day} was cancelled by an operator; `g6 session resume` or a launch by hand ends this"
        )
    attempt = (
        max([run.attempt for run in runs] + [heartbeat.attempt if heartbeat and heartbeat.trade_date == day else 0]) + 1
    )
    if not active:
        if obstacle is not None:
            return _skip(f"the session of {day} is due, but {obstacle}")
        if last is None:
            return Decision(Action.START, f"the session of {day} is due", attempt)
        return Decision(Action.RELAUNCH, f"attempt {last.attempt} of {day} {last.state}, no run is active", attempt)
    if heartbeat is not None and heartbeat.trade_date == day and _beats(heartbeat, active):
        return _skip(
            f"the session of {day} runs (attempt {heartbeat.attempt}, heartbeat {heartbeat.age_seconds:.0f} s ago)"
        )
    if garbled_seconds is not None and 0 <= garbled_seconds <= HEARTBEAT_STALE_SECONDS:
        return _skip(f"the heartbeat of {day} cannot be read; a session that lives writes the next within 5 s")
    waited = min((system_now - run.asked_at).total_seconds() for run in active)
    if waited < STARTING_GRACE_SECONDS and not _had_beaten(heartbeat, active, day):
        return _skip(f"the session of {day} was asked for {waited:.0f} s ago and is starting")
    age = f"{heartbeat.age_seconds:.0f} s old" if heartbeat is not None else "missing"
    if obstacle is not None:
        return _skip(f"the heartbeat of {day} is {age}, but {obstacle}")
    return Decision(
        Action.RELAUNCH,
        f"the heartbeat of {day} is {age}, over {HEARTBEAT_STALE_SECONDS:.0f} s: the session does not live",
        attempt,
        tuple(run.run_id for run in active),
    )


def max_runtime(now: datetime, session: Session) -> timedelta:
    """Return after how long a session run that starts now is ended by Dagster itself, whatever its heartbeat says."""
    return session.close - now + OUTLIVES_CLOSE


def decide_seal(
    *,
    now: datetime,
    system_now: datetime,
    unsealed: Mapping[date, Session],
    runs: Mapping[date, Sequence[RunFact]],
    session_alive: bool,
) -> tuple[date | None, Decision]:
    """Decide which day to seal now, oldest first.

    Parameters
    ----------
    unsealed
        Days with captured data and no seal record, with their sessions.
    runs
        Seal runs by day.
    session_alive
        Whether a session beats at this moment; its own day is then left alone.

    Returns
    -------
    The day and the decision; None with a skip when there is nothing to do.
    """
    reasons: list[str] = []
    for day in sorted(unsealed):
        due = unsealed[day].close + SEAL_AFTER_CLOSE
        past = runs.get(day, ())
        if now < due:
            reasons.append(f"{day} is sealed from {due:%H:%M} IST")
        elif session_alive and now < due + timedelta(hours=1) and now.date() == day:
            reasons.append(f"the session of {day} still runs")
        elif any(run.state is RunState.ACTIVE for run in past):
            reasons.append(f"the seal of {day} runs")
        elif len(past) >= SEAL_ATTEMPTS:
            reasons.append(f"the seal of {day} failed {len(past)} times: see its runs, then `g6 seal {day}`")
        elif past and system_now - max(run.asked_at for run in past) < SEAL_RETRY_AFTER:
            reasons.append(
                f"the seal of {day} is tried again {SEAL_RETRY_AFTER.seconds // 60} minutes after its last attempt"
            )
        else:
            return day, Decision(Action.START, f"{day} is over and not sealed", len(past) + 1)
    return None, _skip("; ".join(reasons) or "every captured day is sealed")


def _skip(reason: str) -> Decision:
    return Decision(Action.SKIP, reason)


def _beats(heartbeat: HeartbeatFact, active: Sequence[RunFact]) -> bool:
    return heartbeat.age_seconds <= HEARTBEAT_STALE_SECONDS and not heartbeat.ended and _of(heartbeat, active)


def _had_beaten(heartbeat: HeartbeatFact | None, active: Sequence[RunFact], day: date) -> bool:
    return heartbeat is not None and heartbeat.trade_date == day and _of(heartbeat, active)


def _of(heartbeat: HeartbeatFact, active: Sequence[RunFact]) -> bool:
    return any(run.run_id == heartbeat.run_id for run in active)
