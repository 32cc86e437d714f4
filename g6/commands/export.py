"""`g6 export`: a table or a query into a file, with progress."""

from datetime import date
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from g6.runtime import console


def run_export(
    what: str, to: Path, world: str | None, underlying: str | None, first: date | None, last: date | None
) -> None:
    """Write the file and say what is in it."""
    from g6.connection import connect
    from g6.export import export, make_plan

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with connect(world=world) as db, bar:
        plan = make_plan(db, what, underlying, first, last)
        task = bar.add_task(to.name, total=len(plan.pieces), rows=0)
        written = export(db, plan, to.absolute(), lambda done, _, rows: bar.update(task, completed=done, rows=rows))
    days = f", {written.parts} days" if written.parts > 1 else ""
    continued = f"; went on after {written.continued} days written before" if written.continued else ""
    console.print(f"{to}: {written.rows:,} rows{days}{continued}", highlight=False, soft_wrap=True)
