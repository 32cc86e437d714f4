"""What the commands share: the settings and root of a world, and Dagster run in this process on it.

Dagster is imported where a job runs: it costs two seconds, and `g6 status` needs none of it.
"""

import logging
import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from g6.errors import CommandError
from g6_resources.settings import Settings, load_settings
from g6_resources.world import DataRoot, find_root
from g6_resources.world_state import own_settings

if TYPE_CHECKING:
    import dagster as dg

PROJECT = Path(__file__).resolve().parent.parent
console = Console()


def settings_of(root: DataRoot | None = None) -> Settings:
    """Return the settings: the world's own file if it has one (demos do), else the configuration file."""
    settings = load_settings(own_settings(root) if root else None)
    for note in settings.notes:
        console.print(f"[yellow]settings:[/yellow] {note}", highlight=False, soft_wrap=True)
    return settings


def open_world(world: str | None) -> tuple[DataRoot, Settings]:
    """Return an existing world by name (None: live, else the newest made) and its settings."""
    root = find_root(load_settings().data_path, world)
    return root, settings_of(root)


def environment(root: DataRoot) -> dict[str, str]:
    """Return the variables that tell a Dagster process which world it works on.

    Where both are set for this world already, as on a machine of a cluster, its Dagster stays the one that is named.
    """
    from g6_assets.definitions import DATA_ROOT_VARIABLE

    named = os.environ.get("DAGSTER_HOME") if os.environ.get(DATA_ROOT_VARIABLE) == str(root.path) else None
    return {**os.environ, "DAGSTER_HOME": named or str(root.dagster_home), DATA_ROOT_VARIABLE: str(root.path)}


@contextmanager
def instance_of(root: DataRoot) -> "Generator[dg.DagsterInstance]":
    """Open the Dagster instance of a world for a run in this process, whose output stays on the terminal."""
    import dagster as dg

    os.environ.update(environment(root))
    with dg.DagsterInstance.get() as configured:
        ref = configured.get_ref()
    # Capturing a step's output takes two helper processes, which would answer Ctrl+C with tracebacks.
    no_capture = type(ref.compute_logs_data)("dagster.core.storage.noop_compute_log_manager", _NO_CAPTURE, "{}")
    with dg.DagsterInstance.from_ref(ref._replace(compute_logs_data=no_capture)) as instance:
        yield instance


def run_job(
    root: DataRoot,
    settings: Settings,
    job: str,
    day: date | str,
    tags: Mapping[str, str] | None = None,
    ops: Mapping[str, Any] | None = None,
) -> "dg.ExecuteInProcessResult":
    """Run a job of the platform in this process, recorded in the world's Dagster instance.

    Parameters
    ----------
    day
        Its partition: a date, or the key of another kind.
    tags, ops
        Of the run: its tags, and its configuration by asset.

    Raises
    ------
    CommandError
        When the run fails, with the failure's own message, or the world has no such partition.
    KeyboardInterrupt
        When the run was interrupted; what it captured is stored.
    """
    import dagster as dg

    from g6_assets.definitions import build_defs
    from g6_resources.logs import logging_to_terminal

    # The pool would answer an interrupt with a traceback, and then pass it on.
    for name in ("dagster", "sqlalchemy.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # The terminal is the command's own; what the run logs is in the world's log file.
    with logging_to_terminal(settings.logging, level="warning"), instance_of(root) as instance:
        definition = build_defs(settings=settings, root=root).resolve_job_def(job)
        try:
            result = definition.execute_in_process(
                partition_key=str(day),
                instance=instance,
                tags=dict(tags or {}),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}, "ops": dict(ops or {})},
                raise_on_error=False,
            )
        except dg.DagsterUnknownPartitionError as error:
            raise CommandError(
                f"{day} is no partition of the world {root.world.name}: they begin at the first_date of "
                f"{root.world_file} or of the settings, and end today"
            ) from error
    if not result.success:
        kind, message = _failure(result)
        if kind == "DagsterExecutionInterruptedError":
            raise KeyboardInterrupt
        raise CommandError(message)
    return result


_NO_CAPTURE = "NoOpComputeLogManager"


def _failure(result: "dg.ExecuteInProcessResult") -> tuple[str, str]:
    """Return class and message of what made a run fail."""
    for event in result.all_events:
        data = (
            event.step_failure_data if event.is_step_failure else event.job_failure_data if event.is_failure else None
        )
        error = data.error if data is not None else None
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            # Dagster puts the class before the message.
            return error.cls_name or "", re.sub(r"^[\w.]+: ", "", error.message.strip())
    return "", f"run {result.run_id} failed; its log in the Dagster UI says why"
