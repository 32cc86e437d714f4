"""The sensor that heals sealed days while their contracts still live, and what it decides: at most once an hour a day.

A seal heals as much as its few minutes allow. What is left, and what stood in the way (no login that evening), is made
up for here; a day that is healed, or that was sealed only in part, is sealed again.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import dagster as dg

from g6_assets.candles import CANDLES
from g6_assets.decide import Action, Decision, RunFact, RunState
from g6_assets.heal import healable
from g6_assets.jobs import SEAL_JOB
from g6_assets.sensors import runs_of
from g6_market.calendar import TradingCalendar
from g6_market.schema import HEALING, QUOTES
from g6_resources.clock import DrivenClock, SystemTime
from g6_resources.kite.token import read_token
from g6_resources.lake import Lake
from g6_resources.resources import ClockResource, LakeResource, MarketResource
from g6_resources.sealing import trading_day
from g6_resources.seams import SourceError

HEAL_TAG = "g6/heal"
HEAL_MINUTES = 20.0
SESSIONS_BACK = 5
RETRY_AFTER = timedelta(hours=1)


def decide_heal(
    *,
    system_now: datetime,
    wanting: Mapping[date, str],
    runs: Mapping[date, Sequence[RunFact]],
    no_token: str | None,
) -> tuple[date | None, Decision]:
    """Decide which sealed day to heal and seal again now, the oldest first: its contracts expire first.

    Parameters
    ----------
    system_now
        The system's time, which the runs are told in.
    wanting
        Sealed days that want it, and why.
    runs
        Seal runs by day.
    no_token
        Why the broker cannot be asked; None if it can.

    Returns
    -------
    The day and the decision; None with a skip when there is nothing to do.
    """
    if not wanting:
        return None, Decision(Action.SKIP, f"nothing of the last {SESSIONS_BACK} sessions is left to heal")
    if no_token is not None:
        days = ", ".join(map(str, sorted(wanting)))
        return None, Decision(Action.SKIP, f"{days} could be healed, but {no_token}")
    reasons: list[str] = []
    for day in sorted(wanting):
        past = runs.get(day, ())
        last = max((run.asked_at for run in past), default=None)
        if any(run.state in (RunState.ACTIVE, RunState.CANCELING) for run in past):
            reasons.append(f"a seal of {day} runs")
        elif last is not None and system_now - last < RETRY_AFTER:
            reasons.append(f"{day}: {wanting[day]}; next try from {last + RETRY_AFTER:%H:%M} IST")
        else:
            return day, Decision(Action.START, f"{day}: {wanting[day]}", len(past) + 1)
    return None, Decision(Action.SKIP, "; ".join(reasons))


@dg.sensor(
    name="heal_gaps",
    job_name=SEAL_JOB,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Heals and seals again each recent day with gaps that candles may fill, at most once an hour.",
)
def heal_gaps(
    context: dg.SensorEvaluationContext, market: MarketResource, clock: ClockResource, lake: LakeResource
) -> dg.RunRequest | dg.SkipReason:
    """Heal the oldest sealed day that wants it."""
    market_clock, root = clock.clock(), market.root()
    if isinstance(market_clock, DrivenClock):
        return dg.SkipReason("the clock of this world is driven by `g6 demo`; `g6 heal` heals a day of it")
    if root.world.kind == "replay":
        return dg.SkipReason("a recording has no candles")
    now = market_clock.now()
    wanting = wanting_days(lake.lake(), market.calendar(), now)
    day, decision = decide_heal(
        system_now=SystemTime().now(),
        wanting=wanting,
        runs={day: runs_of(context.instance, SEAL_JOB, day) for day in wanting},
        no_token=_no_token(market, now),
    )
    if day is None:
        return dg.SkipReason(decision.reason)
    context.log.info(decision.reason)
    return dg.RunRequest(
        run_key=f"heal:{day}:{decision.attempt}",
        partition_key=day.isoformat(),
        tags={HEAL_TAG: day.isoformat()},
        run_config={"ops": {CANDLES: {"config": {"minutes": HEAL_MINUTES}}}},
    )


def wanting_days(store: Lake, calendar: TradingCalendar, now: datetime) -> dict[date, str]:
    """Return the sealed days among the last sessions that want healing or sealing again, and why."""
    wanting: dict[date, str] = {}
    recent = calendar.sessions(now.date() - timedelta(days=2 * SESSIONS_BACK), now.date())[-SESSIONS_BACK:]
    for day in sorted({session.trade_date for session in recent} & set(store.sealed_days())):
        if any(store.live_names(table, day) for table in (QUOTES, HEALING)):
            wanting[day] = "rows that came after its seal wait to be taken in"
        elif (legs := healable(store, trading_day(store, day, calendar), now)) > 0:
            wanting[day] = f"{legs:,} missing legs that candles were not asked for"
    return wanting


def _no_token(market: MarketResource, now: datetime) -> str | None:
    try:
        token = read_token(market.root().token_file)
    except SourceError as error:
        return str(error)
    return None if now < token.expires_at else f"the session token expired at {token.expires_at:%Y-%m-%d %H:%M} IST"
