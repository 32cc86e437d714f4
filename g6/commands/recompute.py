"""`g6 recompute`: derive a range of days again, as a backfill that the workers share, or here."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from g6.commands.dev import program
from g6.errors import CommandError
from g6.runtime import PROJECT, console, environment, open_world, run_job
from g6_resources.clock import SystemTime
from g6_resources.lake_open import open_lake
from g6_resources.settings import Settings
from g6_resources.world import DataRoot

if TYPE_CHECKING:
    import dagster as dg

_ASK_EVERY_SECONDS = 2.0


def run_recompute(
    first: date,
    last: date,
    world: str | None,
    *,
    indices: list[str],
    only_outdated: bool,
    series: bool,
    here: bool,
    wait: bool,
) -> None:
    """Derive the sealed days of a range again."""
    from g6_assets.partitions import share_key
    from g6_assets.recompute import FROM_TAG, ONLY_TAG, SERIES_TAG, TO_TAG

    root, settings = open_world(world)
    chosen = _indices(settings, indices)
    days = [day for day in open_lake(root).sealed_days() if first <= day <= last]
    if not days:
        raise CommandError(
            f"no day from {first} to {last} is sealed in {root.world.name}; only sealed days are derived"
        )
    months = sorted({day.replace(day=1) for day in days})
    shares = [share_key(month, name) for month in months for name in chosen]
    tags = {FROM_TAG: first.isoformat(), TO_TAG: last.isoformat()}
    tags |= {ONLY_TAG: "outdated"} if only_outdated else {}
    tags |= {} if series else {SERIES_TAG: "no"}
    console.print(
        f"{len(days)} sealed days of {', '.join(chosen)} in {len(shares)} runs, a month of an index each",
        highlight=False,
    )
    if here:
        _here(root, settings, shares, tags)
    else:
        _by_workers(root, shares, tags, wait=wait)


def _indices(settings: Settings, wanted: list[str]) -> list[str]:
    known = list(settings.enabled_indices)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise CommandError(f"--index {', '.join(unknown)}: the settings collect {', '.join(known)}")
    return wanted or known


def _here(root: DataRoot, settings: Settings, shares: list[str], tags: Mapping[str, str]) -> None:
    from g6_assets.jobs import RECOMPUTE_JOB

    with _bar(len(shares)) as show:
        for number, share in enumerate(shares):
            show(number, share)
            run_job(root, settings, RECOMPUTE_JOB, share, tags)
    console.print(f"{len(shares)} shares derived again", highlight=False)


def _by_workers(root: DataRoot, shares: list[str], tags: Mapping[str, str], *, wait: bool) -> None:
    import dagster as dg

    os.environ.update(environment(root))
    with dg.DagsterInstance.get() as instance:
        backfill = _launched(root, shares, tags)
        console.print(
            f"backfill {backfill}: the daemon hands it out; progress is here, on its page in the UI and in the grid of "
            "the asset `recomputed`",
            soft_wrap=True,
            highlight=False,
        )
        if wait:
            _watch(instance, backfill, len(shares))


def _launched(root: DataRoot, shares: list[str], tags: Mapping[str, str]) -> str:
    """Hand a backfill to the daemon, as Dagster's own command does, and return its name."""
    from g6_assets.jobs import RECOMPUTE_JOB

    command = [program("dagster"), "job", "backfill", "-w", str(PROJECT / "workspace.yaml"), "-j", RECOMPUTE_JOB]
    command += ["--partitions", ",".join(shares), "--tags", json.dumps(dict(tags)), "--noprompt"]
    done = subprocess.run(command, cwd=PROJECT, env=environment(root), capture_output=True, text=True)  # noqa: S603
    said = [line for line in done.stdout.splitlines() if line.startswith("Launched backfill job")]
    if done.returncode or not said:
        raise CommandError(f"Dagster did not take the backfill: {(done.stderr or done.stdout).strip()[-600:]}")
    return said[0].rpartition(" ")[2].strip("`\n ")


def _watch(instance: "dg.DagsterInstance", backfill: str, shares: int) -> None:
    import dagster as dg

    ended_states = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
    clock, filters = SystemTime(), dg.RunsFilter(tags={"dagster/backfill": backfill})
    with _bar(shares) as show:
        while True:
            # A share that was launched again counts by its latest run.
            latest: dict[str, dg.DagsterRun] = {}
            for run in reversed(instance.get_runs(filters)):
                latest[run.tags["dagster/partition"]] = run
            ended = sum(run.status in ended_states for run in latest.values())
            states = Counter(run.status.value.lower() for run in latest.values())
            show(ended, ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "waiting")
            if ended == shares:
                break
            clock.sleep(_ASK_EVERY_SECONDS)
    failed = sorted(key for key, run in latest.items() if run.status is not dg.DagsterRunStatus.SUCCESS)
    if failed:
        raise CommandError(
            f"{len(failed)} of {shares} shares failed: {', '.join(failed[:5])}; their runs say why. The same command "
            "with --only-outdated does what is left"
        )
    console.print(f"{shares} shares derived again", highlight=False)


@contextmanager
def _bar(shares: int) -> Generator[Any]:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=shares)
        yield lambda done, text: bar.update(task, completed=done, description=text)
