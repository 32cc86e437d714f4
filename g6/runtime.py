"""What the commands share: the settings and root of a world, and Dagster run in this process on it."""

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
from rich.console import Console

from g6.errors import CommandError
from g6_assets.definitions import DATA_ROOT_VARIABLE, build_defs
from g6_resources.settings import Settings, load_settings
from g6_resources.world import DataRoot, find_root
from g6_resources.world_state import own_settings

PROJECT = Path(__file__).resolve().parent.parent
console = Console()


def settings_of(root: DataRoot | None = None) -> Settings:
    """Return the settings: the world's own file if it has one (demos do), else the configuration file."""
    settings = load_settings(own_settings(root) if root else None)
    for note in settings.notes:
        console.print(f"[yellow]settings:[/yellow] {note}", highlight=False)
    return settings


def open_world(world: str | None) -> tuple[DataRoot, Settings]:
    """Return an existing world by name (None: live, else the newest made) and its settings."""
    root = find_root(load_settings().data_path, world)
    return root, settings_of(root)


def environment(root: DataRoot) -> dict[str, str]:
    """Return the variables that tell a Dagster process which world it works on."""
    return {**os.environ, "DAGSTER_HOME": str(root.dagster_home), DATA_ROOT_VARIABLE: str(root.path)}


@contextmanager
def instance_of(root: DataRoot) -> Generator[dg.DagsterInstance]:
    """Open the Dagster instance of a world."""
    os.environ.update(environment(root))
    with dg.DagsterInstance.get() as instance:
        yield instance


def run_job(
    root: DataRoot, settings: Settings, job: str, day: date, tags: Mapping[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    """Run a job of the platform in this process, recorded in the world's Dagster instance.

    Raises
    ------
    CommandError
        When the run fails, with the failure's own message.
    """
    logging.getLogger("dagster").setLevel(logging.ERROR)
    with instance_of(root) as instance:
        definition = build_defs(settings=settings, root=root).resolve_job_def(job)
        result = definition.execute_in_process(
            partition_key=day.isoformat(),
            instance=instance,
            tags=dict(tags or {}),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    if not result.success:
        raise CommandError(f"{job} of {day} failed: {_failure(result)}")
    return result


def _failure(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            return error.message.strip() if error is not None else "no message"
    return "see its run in the Dagster UI"
