"""The job that keeps Dagster's history small, and its weekly schedule; what is deleted and kept is in `prune`."""

from datetime import timedelta

import dagster as dg

from g6_assets.decide import HEARTBEAT_STALE_SECONDS
from g6_assets.prune import PruneReport, prune
from g6_resources.clock import DrivenClock, SystemTime
from g6_resources.heartbeat import HeartbeatFile, HeartbeatUnreadable
from g6_resources.resources import ClockResource, MarketResource
from g6_resources.world import DataRoot

PRUNE_JOB = "prune_run_history"


class PruneConfig(dg.Config):
    """What one run of the job does otherwise than the settings say."""

    dry_run: bool = False
    keep_days: int | None = None


def prune_world(
    instance: dg.DagsterInstance, root: DataRoot, keep_days: int, *, dry_run: bool = False
) -> tuple[PruneReport, bool]:
    """Prune the runs of a world older than some days.

    Returns
    -------
    report, compacted
        Space is given back only while no session beats: it would have to wait.
    """
    system = SystemTime()
    compact = not dry_run and not _beats(HeartbeatFile(root.heartbeat_file, system), system)
    before = system.now() - timedelta(days=keep_days)
    return prune(instance, root, before=before, dry_run=dry_run, compact=compact), compact


def told(report: PruneReport, *, dry_run: bool, compacted: bool) -> str:
    """Return what was pruned in one sentence."""
    runs = f"{report.runs:,} finished runs of before {report.before:%Y-%m-%d}"
    size = f"{report.bytes_before / 2**20:,.1f} MB"
    if dry_run:
        return f"would delete {runs} and keep {report.kept:,} of their materialisations; Dagster's storage is {size}"
    space = "" if compacted else "; the space is given back when no session runs"
    return (
        f"deleted {runs}, kept {report.kept:,} of their materialisations; Dagster's storage was {size} and is "
        f"{report.bytes_after / 2**20:,.1f} MB{space}"
    )


@dg.op(description="Delete old runs with their events, logs and files; their partitions stay materialised.")
def prune_old_runs(context: dg.OpExecutionContext, config: PruneConfig, market: MarketResource) -> None:
    """Prune as the settings say, or as this run's configuration does."""
    keep_days = config.keep_days or market.settings().history.keep_days
    report, compacted = prune_world(context.instance, market.root(), keep_days, dry_run=config.dry_run)
    context.log.info(told(report, dry_run=config.dry_run, compacted=compacted))
    context.add_output_metadata(
        {
            "runs": report.runs,
            "kept materialisations": report.kept,
            "MB before": report.bytes_before / 2**20,
            "MB after": report.bytes_after / 2**20,
        }
    )


@dg.job(
    name=PRUNE_JOB,
    description="Keep Dagster's own history small. Run config ops: prune_old_runs: config: dry_run: true only tells.",
    executor_def=dg.in_process_executor,
    tags={"dagster/max_runtime": "3600"},
)
def prune_run_history() -> None:
    """Hold the one op."""
    prune_old_runs()


@dg.schedule(
    name="weekly_prune",
    job=prune_run_history,
    cron_schedule="0 7 * * 0",
    execution_timezone="Asia/Kolkata",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes old runs on Sundays at 07:00, before any session could start.",
)
def weekly_prune(clock: ClockResource) -> dg.RunRequest | dg.SkipReason:
    """Ask for the week's pruning."""
    if isinstance(clock.clock(), DrivenClock):
        return dg.SkipReason("the clock of this world is driven by `g6 demo`: it does not grow by itself")
    return dg.RunRequest(run_key=f"prune:{SystemTime().now().date()}")


def _beats(file: HeartbeatFile, system: SystemTime) -> bool:
    try:
        beat = file.read()
    except HeartbeatUnreadable:
        return True  # whoever wrote it may live: waiting a week harms nobody
    if beat is None or beat.state in ("ended", "stopped"):
        return False
    return beat.age_seconds(system) <= HEARTBEAT_STALE_SECONDS
