"""`g6 seal`, `g6 session resume`, `g6 prepare`, `g6 prune`, `g6 warehouse rebuild`."""

from datetime import date

from g6.errors import CommandError
from g6.instance import prepare_instance
from g6.runtime import console, open_world, run_job, settings_of
from g6_market.calendar import Closed
from g6_resources.clock import SystemTime, clock_from
from g6_resources.resources import load_calendar
from g6_resources.warehouse import Warehouse
from g6_resources.world_state import resume


def run_seal(day: date, world: str | None) -> None:
    """Seal a day through its job."""
    from g6_assets.jobs import SEAL_JOB

    root, settings = open_world(world)
    today = load_calendar(settings).on(day)
    if isinstance(today, Closed):
        raise CommandError(f"{day} has no session ({today.reason}), so there is nothing to seal")
    now = clock_from(root).now()
    if now < today.close:
        raise CommandError(
            f"{day} is not over: it closes at {today.close:%Y-%m-%d %H:%M} IST, and this world's market time is "
            f"{now:%Y-%m-%d %H:%M}. Seal it afterwards, or leave it to the after_close sensor"
        )
    result = run_job(root, settings, SEAL_JOB, day)
    # The seal records what it wrote of each index first, and itself last.
    numbers = result.asset_materializations_for_node("seal")[-1].metadata
    rows = numbers["dagster/row_count"].value
    console.print(f"{day} sealed: {rows:,} rows in {numbers['files'].value} files, {numbers['seconds'].value} s")


def run_resume(world: str | None) -> None:
    """Note that the operator's cancel of today is over."""
    root, _ = open_world(world)
    day = clock_from(root).now().date()
    resume(root, day, SystemTime().now())
    console.print(
        f"a session of {day} that was cancelled may start again: the sensor market_hours starts it within 30 s while "
        "the market is open and the daemon runs",
        soft_wrap=True,
    )


def run_prepare(world: str | None) -> None:
    """Make Dagster's tables of a world."""
    root, _ = open_world(world)
    prepare_instance(root)
    console.print(f"{root.dagster_home} is ready for daemon, webserver and code server", soft_wrap=True)


def run_prune(world: str | None, keep_days: int | None, *, dry_run: bool) -> None:
    """Delete old runs of a world."""
    import dagster as dg

    from g6_assets.housekeeping import prune_world, told

    root, settings = open_world(world)
    with dg.DagsterInstance.from_config(str(root.dagster_home)) as instance:
        report, compacted = prune_world(instance, root, keep_days or settings.history.keep_days, dry_run=dry_run)
    console.print(told(report, dry_run=dry_run, compacted=compacted), highlight=False, soft_wrap=True)


def run_rebuild(world: str | None) -> None:
    """Make the views anew."""
    root, _ = open_world(world)
    Warehouse(root, load_calendar(settings_of(root))).rebuild()
    console.print(f"{root.warehouse} made anew from {root.lake}", soft_wrap=True)
