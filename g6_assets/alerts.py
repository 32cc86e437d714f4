"""The run-failure sensor: a failed run becomes an alert of the world, which `g6 status` shows.

It does not see a session that hangs or a daemon that is down: the heartbeat and `market_hours` are for the first,
whoever looks from outside for the second.
"""

from datetime import date

import dagster as dg

from g6_resources.alerts import Alert, AlertLog
from g6_resources.clock import SystemTime
from g6_resources.resources import MarketResource

_PARTITION_TAG = "dagster/partition"


@dg.run_failure_sensor(
    name="run_failed",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps every failed run as an alert, with its own message.",
)
def run_failed(context: dg.RunFailureSensorContext, market: MarketResource) -> None:
    """Keep the failure of a run."""
    run = context.dagster_run
    now = SystemTime().now()
    key = run.tags.get(_PARTITION_TAG, "").split("|")[0]
    text = f"{run.job_name} of {key or 'no date'} failed (run {run.run_id}): {context.failure_event.message}"
    try:
        day = date.fromisoformat(key)
    except ValueError:
        day = now.date()
    AlertLog(market.root().alerts_file).tell(Alert(now, "run failed", day, text), once=False)
