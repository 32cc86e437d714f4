"""The morning schedule, only an early start (the session ensures the instruments too), and the list of schedules."""

from collections.abc import Sequence

import dagster as dg

from g6_assets.common import next_opening
from g6_assets.housekeeping import weekly_prune
from g6_assets.jobs import MORNING_JOB
from g6_market.calendar import Closed
from g6_resources.clock import DrivenClock
from g6_resources.resources import ClockResource, MarketResource


@dg.schedule(
    name="morning",
    job_name=MORNING_JOB,
    cron_schedule="45 8 * * *",
    execution_timezone="Asia/Kolkata",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Fetches the instruments dump at 08:45 on days with a session.",
)
def morning(
    market: MarketResource,
    clock: ClockResource,
) -> dg.RunRequest | dg.SkipReason:
    """Ask for the dump of the market's today."""
    market_clock = clock.clock()
    if isinstance(market_clock, DrivenClock):
        return dg.SkipReason("the clock of this world is driven by `g6 demo`, which opens its day itself")
    now = market_clock.now()
    calendar = market.calendar()
    today = calendar.on(now.date())
    if isinstance(today, Closed):
        opens = next_opening(calendar, now).open
        return dg.SkipReason(f"market closed: {today.reason}; next session {opens:%a %Y-%m-%d %H:%M} IST")
    if now >= today.open:
        return dg.SkipReason("the session is open and makes its own day")
    return dg.RunRequest(run_key=f"morning:{now.date()}", partition_key=now.date().isoformat())


SCHEDULES: Sequence[dg.ScheduleDefinition] = (morning, weekly_prune)
