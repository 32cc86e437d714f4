"""`g6 seal`, `g6 session resume`, `g6 warehouse rebuild`."""

from datetime import date

from g6_resources.warehouse import Warehouse

from g6.runtime import console, open_world, run_job, settings_of
from g6_assets.jobs import SEAL_JOB
from g6_resources.clock import SystemTime, clock_from
from g6_resources.resources import load_calendar
from g6_resources.world_state import resume


def run_seal(day: date | None, world: str | None) -> None:
    """Seal a day through its job."""
    assert day is not None  # noqa: S101
    root, settings = open_world(world)
    result = run_job(root, settings, SEAL_JOB, day)
    numbers = result.asset_materializations_for_node("seal")[0].metadata
    rows = numbers["dagster/row_count"].value
    console.print(f"{day} sealed: {rows:,} rows in {numbers['files'].value} files, {numbers['seconds'].value} s")


def run_resume(world: str | None) -> None:
    """Note that the operator's cancel of today is over."""
    root, _ = open_world(world)
    day = clock_from(root).now().date()
    resume(root, day, SystemTime().now())
    console.print(f"the session of {day} may start again; the market_hours sensor does it within 30 s if it is running")


def run_rebuild(world: str | None) -> None:
    """Make the views anew."""
    root, _ = open_world(world)
    Warehouse(root, load_calendar(settings_of(root))).rebuild()
    console.print(f"{root.warehouse} made anew from {root.lake}", soft_wrap=True)
