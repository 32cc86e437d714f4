"""The `g6` command: what people type. Each command is a few lines; the work is in `g6.commands`."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from g6.errors import CommandError, message_of

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Indian index option chains from Kite Connect, minute by minute, in Dagster and DuckDB.",
)
session_app = typer.Typer(no_args_is_help=True, help="The session of a trading day.")
warehouse_app = typer.Typer(no_args_is_help=True, help="The views of g6.duckdb.")
app.add_typer(session_app, name="session")
app.add_typer(warehouse_app, name="warehouse")

LARGEST_SEED = 2**31 - 1
World = Annotated[
    str | None, typer.Option(help="World to work on: live, sim:42, replay:NAME. Default: live, else the newest made.")
]


def main() -> None:
    """Run the command line; a known error is one message on standard error and exit code 2."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the outermost place: a defect is shown too, without secrets
        message = message_of(error)
        if message is None:
            _show_defect(error)
        Console(stderr=True).print("[red]g6:[/red]", escape(message), highlight=False, soft_wrap=True)
        sys.exit(getattr(error, "exit_code", 2))


@app.command()
def demo(
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the simulated market.")] = 42,
    replay: Annotated[Path | None, typer.Option(help="Folder of a recorded day to serve instead of the model.")] = None,
    day: Annotated[
        str | None, typer.Option("--date", help="Trading date, YYYY-MM-DD. Default: the latest that is over.")
    ] = None,
) -> None:
    """Run a whole trading day against the simulator through Dagster into DuckDB, in a world of its own."""
    from g6.commands.demo import run_demo

    run_demo(seed=seed, replay=replay, day=_date(day, "--date") if day else None)


@app.command()
def dev(
    world: World = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST_SEED, help="Seed of the simulated market; a fresh one unless given."),
    ] = None,
    at: Annotated[str, typer.Option(help="Market time at the start, HH:MM:SS.")] = "09:13:30",
) -> None:
    """Start the Dagster UI with sensors, and a simulated market that is open now (or Kite, if KITE_API_KEY is set)."""
    from g6.commands.dev import run_dev

    run_dev(world=world, port=port, seed=seed, at=at)


@app.command()
def ui(
    world: World = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Open the Dagster UI of a world to look at: no sensors, no simulator."""
    from g6.commands.dev import run_ui

    run_ui(world=world, port=port)


@app.command()
def desk(
    world: World = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes a free one.")] = 8050,
) -> None:
    """Show chains, straddles, open interest, volatility and quality in the browser, live and at any past minute."""
    from g6.commands.desk import run_desk

    run_desk(world=world, port=port)


@app.command()
def login(
    request_token: Annotated[
        str | None, typer.Option(help="Token from the redirect address, on a machine without a browser.")
    ] = None,
) -> None:
    """Log in to Kite for the day (live world): opens a callback page on this machine and stores the token."""
    from g6.commands.login import run_login

    run_login(request_token=request_token)


@app.command()
def sim(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes a free one.")] = 8900,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the market.")] = 42,
    day: Annotated[str | None, typer.Option("--date", help="Trading date, YYYY-MM-DD.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Folder of a recorded day to serve.")] = None,
    at: Annotated[
        str | None, typer.Option(help="Run on a clock of its own from this market time, HH:MM; else it is driven.")
    ] = None,
) -> None:
    """Start the Kite Connect simulator on loopback."""
    from g6.commands.sim import run_sim

    run_sim(port=port, seed=seed, day=_date(day, "--date") if day else None, replay=replay, at=at)


@app.command()
def chaos(
    days: Annotated[int, typer.Option(min=1, help="Simulated trading days to run.")] = 40,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="What everything is drawn from.")] = 1,
    first_day: Annotated[int, typer.Option(min=0, help="Number of the first day; a day depends on no other.")] = 0,
    full: Annotated[bool, typer.Option("--full", help="Every index each minute, instead of two each 5 min.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Days run at the same time.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Run simulated days in which everything goes wrong, and prove that nothing was lost or invented."""
    from g6.commands.chaos import run_chaos

    run_chaos(days=days, seed=seed, first_day=first_day, full=full, jobs=jobs, as_json=as_json)


@app.command()
def status(
    world: World = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show the running session, anew every second.")] = False,
) -> None:
    """Say what a world holds and whether its session lives."""
    if watch:
        from g6.commands.watch import run_watch

        run_watch(world)
        return
    from g6.commands.query import run_status

    run_status(world)


@app.command()
def doctor(
    world: World = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Examine configuration, files, broker, store and services, and say what to do. Exit code 1 if something fails."""
    from g6.commands.doctor import run_doctor

    run_doctor(world=world, as_json=as_json)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Folder of the copies, on another disk.")],
    world: World = None,
) -> None:
    """Copy a world's lake and history to a folder, also while it runs; what did not change is not copied again."""
    from g6.commands.backup import run_backup

    run_backup(folder, world)


@app.command()
def restore(
    copy: Annotated[Path, typer.Argument(help="A world's folder within a backup, such as /backup/live.")],
) -> None:
    """Bring a world back from a backup; one that is there already is not touched."""
    from g6.commands.backup import run_restore

    run_restore(copy)


@app.command()
def metrics(
    world: World = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes a free one.")] = 9108,
) -> None:
    """Serve Prometheus metrics on loopback; answers whether or not a session runs."""
    from g6.commands.metrics import run_metrics

    run_metrics(world=world, port=port)


@app.command()
def alerts(
    world: World = None,
    once: Annotated[bool, typer.Option("--once", help="One round, then end: for a timer of your own.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Send one message to see that it arrives.")] = False,
) -> None:
    """Send alerts to the addresses of G6_ALERT_URLS, and notice a silent session, a silent daemon, a full disk."""
    from g6.commands.alerts import run_alerts

    run_alerts(world=world, once=once, test=test)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="SQL over the views and macros of g6.duckdb.")],
    world: World = None,
    fmt: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
) -> None:
    """Run a query and print the answer."""
    from g6.commands.query import run_sql

    run_sql(query, world, fmt)


@app.command()
def export(
    what: Annotated[str, typer.Argument(help="A table such as overview, or SQL; SQL with $day is asked once a day.")],
    to: Annotated[Path, typer.Option(help="File to write: its name ends in .parquet, .csv or .xlsx.")],
    world: World = None,
    underlying: Annotated[str | None, typer.Option(help="Only this index; SQL names it $underlying.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First trading day, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to-date", help="Last trading day, YYYY-MM-DD.")] = None,
) -> None:
    """Write a table or a query to a file, day by day; run again after a kill and it goes on."""
    from g6.commands.export import run_export

    run_export(
        what,
        to,
        world,
        underlying,
        _date(first, "--from") if first else None,
        _date(last, "--to-date") if last else None,
    )


@app.command()
def seal(
    day: Annotated[str, typer.Argument(help="Trading date, YYYY-MM-DD.")],
    world: World = None,
) -> None:
    """Seal a closed day through its Dagster job (the sensor does this after the close)."""
    from g6.commands.operate import run_seal

    run_seal(_date(day, "day"), world)


@app.command()
def heal(
    day: Annotated[str, typer.Option("--date", help="Trading date, YYYY-MM-DD.")],
    world: World = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Ask for candles this long; else until done.")] = None,
    all_strikes: Annotated[
        bool, typer.Option("--all-strikes", help="Every listed strike where a full chain was lost, not the window.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Ask again for what had no candle when it was asked for.")
    ] = False,
) -> None:
    """Fill what was not captured of a day from Kite's minute candles; a sealed day is then sealed again."""
    from g6.commands.heal import run_heal

    run_heal(_date(day, "--date"), world, minutes=minutes, all_strikes=all_strikes, again=again)


@app.command()
def recompute(
    first: Annotated[str, typer.Option("--from", help="First trading date, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="Last trading date, YYYY-MM-DD.")],
    world: World = None,
    index: Annotated[list[str] | None, typer.Option(help="Only this index; may be repeated.")] = None,
    only_outdated: Annotated[
        bool, typer.Option("--only-outdated", help="Leave days that this version of the code has derived.")
    ] = False,
    series: Annotated[bool, typer.Option(help="Also rewrite the CSV files of the offset series.")] = True,
    here: Annotated[bool, typer.Option("--here", help="In this process; else by the workers of the daemon.")] = False,
    wait: Annotated[bool, typer.Option(help="Show the progress until it is done.")] = True,
) -> None:
    """Derive sealed days again with today's code: years of them, a month of an index at a time, on all workers."""
    from g6.commands.recompute import run_recompute

    run_recompute(
        _date(first, "--from"),
        _date(last, "--to"),
        world,
        indices=index or [],
        only_outdated=only_outdated,
        series=series,
        here=here,
        wait=wait,
    )


@app.command()
def prepare(world: World = None) -> None:
    """Make Dagster's tables of a world before its services start, so that they do not race for it."""
    from g6.commands.operate import run_prepare

    run_prepare(world)


@app.command()
def prune(
    world: World = None,
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Keep runs of so many days. Default: history.keep_days of the settings.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
) -> None:
    """Delete old Dagster runs with their events; what they made stays materialised, the lake is not touched."""
    from g6.commands.operate import run_prune

    run_prune(world, keep_days, dry_run=dry_run)


@app.command("import-csv")
def import_csv(
    folder: Annotated[Path, typer.Argument(help="The predecessor's CSV folder, the one that holds NIFTY/.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be stored, and store nothing.")] = False,
    world: World = None,
) -> None:
    """Bring the predecessor's CSV files into the store, and say what was repaired and rejected."""
    from g6.commands.import_csv import run_import

    run_import(folder, world, dry_run=dry_run)


@session_app.command()
def resume(world: World = None) -> None:
    """End an operator's cancel of today's session: the sensor starts it again."""
    from g6.commands.operate import run_resume

    run_resume(world)


@warehouse_app.command()
def rebuild(world: World = None) -> None:
    """Make g6.duckdb anew from the lake, e.g. after its folder was moved."""
    from g6.commands.operate import run_rebuild

    run_rebuild(world)


def _show_defect(error: Exception) -> NoReturn:
    """End with the trace of a defect of ours, from which the secrets of this process were taken out."""
    import traceback

    from g6_resources.redaction import Redactor

    sys.stderr.write(Redactor().text("".join(traceback.format_exception(error))))
    sys.exit(1)


def _date(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{name} {text!r} is no date; write it as YYYY-MM-DD, e.g. 2026-11-20") from None
