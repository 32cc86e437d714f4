"""`g6 chaos`: simulated days in which everything goes wrong, and the verdict on what was stored."""

import json
import sys
import time
from contextlib import closing

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from g6.chaos.day import DayResult
from g6.chaos.run import Order, Report, run_days
from g6.chaos.world import FULL, SMALL
from g6.errors import CommandError
from g6.runtime import console


class Violated(CommandError):
    """Something that must hold did not."""

    exit_code = 1


def run_chaos(*, days: int, seed: int, first_day: int, full: bool, jobs: int, as_json: bool) -> None:
    """Run the days and print the figures; an interrupt ends the run with the days that are done."""
    order = Order(seed, range(first_day, first_day + days), (FULL if full else SMALL).name, jobs)
    began = time.monotonic()
    results: list[DayResult] = []
    with _progress(days, quiet=as_json) as progress:
        task = progress.add_task("days", total=days)
        try:
            with closing(run_days(order)) as verdicts:
                for result in verdicts:
                    results.append(result)
                    progress.advance(task)
        except KeyboardInterrupt:
            console.print(f"interrupted after {len(results)} days", style="yellow")
    report = Report(order, tuple(sorted(results, key=lambda result: result.number)), time.monotonic() - began)
    if as_json:
        sys.stdout.write(json.dumps(report.figures(), indent=1) + "\n")
    else:
        _show(report)
    if report.violations:
        raise Violated(
            f"{len(report.violations)} violations; play the first again with `{report.violations[0]['replay']}`"
        )


def _progress(days: int, *, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=quiet or days == 1)


def _show(report: Report) -> None:
    figures = report.figures()
    table = Table(show_header=False, box=None, pad_edge=False)
    world = figures["world"]
    table.add_row("world", f"{world['size']}: {', '.join(world['indices'])} every {world['interval_seconds']} s")
    table.add_row("days", f"{figures['days']} from number {figures['first_day']} of seed {figures['seed']}")
    table.add_row("session attempts", f"{figures['attempts']:,}")
    table.add_row("snapshots of a chain", f"{figures['expected']:,} due, {figures['stored']:,} stored whole")
    table.add_row("rows", f"{figures['captured_rows']:,} captured, {figures['healed_rows']:,} healed from candles")
    table.add_row("views asked", f"{figures['views_asked']:,} times")
    for name, count in figures["faults_drawn"].items():
        table.add_row(f"drawn: {name}", f"{count:,}")
    for name, count in figures["faults_struck"].items():
        table.add_row(f"struck: {name}", f"{count:,}")
    for cause, count in figures["gaps"].items():
        table.add_row(f"not whole: {cause}", f"{count:,}")
    table.add_row("processor time", f"{figures['cpu_seconds']:,} s in {figures['wall_seconds']:,} s")
    table.add_row("violations", str(len(figures["violations"])))
    console.print(table)
    for found in figures["violations"]:
        console.print(f"day {found['day']} ({found['date']}): {found['violation']}", soft_wrap=True, markup=False)
