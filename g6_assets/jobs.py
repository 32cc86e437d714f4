"""The jobs: the session, the seal, the morning, years again. Each is one process; what they do is in the assets."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster import AssetSelection

from g6_assets.housekeeping import prune_run_history
from g6_assets.recompute import RECOMPUTED

SESSION_JOB = "session_job"
SEAL_JOB = "seal_job"
MORNING_JOB = "morning_job"
RECOMPUTE_JOB = "recompute_job"
# The sensors number the attempts, also in an instance that runs lost runs again.
OWN_ATTEMPTS = {"dagster/max_retries": "0"}


def build(checks: Sequence[dg.AssetChecksDefinition]) -> list[Any]:
    """Return the jobs."""
    seal = AssetSelection.assets("candles", "seal")
    for check in checks:
        seal = seal | AssetSelection.checks(check)
    return [
        prune_run_history,
        dg.define_asset_job(
            SESSION_JOB,
            selection=AssetSelection.assets("quotes"),
            description="One trading day: from before the open to the close.",
            executor_def=dg.in_process_executor,
            # A ceiling for a run that nobody watches any more; the heartbeat is judged long before.
            tags={"dagster/max_runtime": "36000", **OWN_ATTEMPTS},
        ),
        dg.define_asset_job(
            SEAL_JOB,
            selection=seal,
            description="Heal what candles can, seal a closed day, swap the views, judge the day.",
            executor_def=dg.in_process_executor,
            tags={"dagster/max_runtime": "3600", **OWN_ATTEMPTS},
        ),
        dg.define_asset_job(
            MORNING_JOB,
            selection=AssetSelection.assets("instruments", "expiries"),
            description="The dump of the day before the session needs it.",
            executor_def=dg.in_process_executor,
            tags={"dagster/max_runtime": "900"},
        ),
        dg.define_asset_job(
            RECOMPUTE_JOB,
            selection=AssetSelection.assets(RECOMPUTED),
            description="Derive an index's month again; a backfill over months and indices derives years.",
            executor_def=dg.in_process_executor,
            tags={"dagster/max_runtime": "14400"},
        ),
    ]
