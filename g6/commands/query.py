"""`g6 sql` and `g6 status`: reading only."""

import sys
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from g6.errors import CommandError

if TYPE_CHECKING:
    import pandas as pd

    from g6_resources.clock import SystemTime
    from g6_resources.heartbeat import Heartbeat

FORMATS = ("table", "csv", "json")
MOST_TABLE_ROWS = 200


def run_sql(query: str, world: str | None, fmt: str) -> None:
    """Print a query's answer as a table (at most 200 rows), CSV or JSON (all rows)."""
    from g6.connection import connect

    if fmt not in FORMATS:
        raise CommandError(f"--format {fmt!r} is not known; allowed are {', '.join(FORMATS)}")
    with connect(world=world) as db:
        frame = db.sql(query)
    if fmt == "csv":
        sys.stdout.write(frame.to_csv(index=False))
    elif fmt == "json":
        sys.stdout.write(frame.to_json(orient="records", date_format="iso", indent=1) + "\n")
    else:
        _print_table(frame)


def _print_table(frame: "pd.DataFrame") -> None:
    """Print the rows and columns that fit, and say what did not."""
    from rich.console import Console

    console = Console()
    head = frame.head(MOST_TABLE_ROWS)
    shown: list[str] = []
    cells: list[list[Text]] = []
    room = console.width - 1
    for place, name in enumerate(map(str, head.columns)):
        column = [_cell(value) for value in head.iloc[:, place]]
        room -= max([len(name), *map(len, column)]) + 3
        if room < 0 and shown:
            break
        shown.append(name)
        cells.append(column)
    table = Table(*shown)
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    console.print(table)
    rest = [str(name) for name in frame.columns[len(shown) :]]
    if rest:
        console.print(
            f"{len(rest)} more columns: {', '.join(rest)}; name those you want, or --format csv", highlight=False
        )
    if len(frame) > MOST_TABLE_ROWS:
        console.print(f"{len(frame) - MOST_TABLE_ROWS} more rows; --format csv prints all")


def run_status(world: str | None) -> None:
    """Print what the world holds: days, snapshots, gaps, and the running session."""
    from g6.connection import connect
    from g6.runtime import console, open_world
    from g6_assets.definitions import first_partition
    from g6_assets.partitions import budget_warnings
    from g6_resources.alerts import AlertLog
    from g6_resources.clock import SystemTime, clock_from
    from g6_resources.heartbeat import HeartbeatFile, HeartbeatUnreadable
    from g6_resources.resources import load_calendar

    root, settings = open_world(world)
    now = clock_from(root).now()
    console.print(f"world [bold]{root.world.name}[/bold] in {root.path}", soft_wrap=True)
    console.print(
        f"market time {now:%a %Y-%m-%d %H:%M:%S} IST; indices {', '.join(settings.enabled_indices)}", soft_wrap=True
    )
    indices = {name: (index.expiries, index.strikes_each_side) for name, index in settings.enabled_indices.items()}
    for warning in budget_warnings(load_calendar(settings), first_partition(settings, root), now.date(), indices):
        console.print(f"[yellow]partitions[/yellow]: {warning}", highlight=False, soft_wrap=True)
    try:
        beat = HeartbeatFile(root.heartbeat_file, SystemTime()).read()
    except HeartbeatUnreadable as error:
        console.print(f"[red]session[/red]: {error}", soft_wrap=True)
        beat = None
    if beat is None:
        console.print("session: none has run")
    else:
        console.print(_session(beat, SystemTime()), soft_wrap=True)
    for alert in AlertLog(root.alerts_file).recent(3):
        console.print(f"[yellow]{alert.kind}[/yellow] {alert.at:%Y-%m-%d %H:%M}: {escape(alert.text)}", soft_wrap=True)
    with connect(root.path) as db:
        days = db.sql(
            """
            with stored as (
                select trade_date, underlying, count(distinct snapshot_at) as snapshots from overview group by all
            ), lost as (
                select trade_date, underlying, count(distinct snapshot_at) as gaps from gaps group by all
            )
            select trade_date, underlying, snapshots, coalesce(gaps, 0) as gaps
            from stored left join lost using (trade_date, underlying)
            where trade_date >= (select max(trade_date) from stored) - 7
            order by trade_date desc, underlying limit 60
            """
        )
    if days.empty:
        console.print("snapshots: none are stored")
        return
    table = Table("day", "index", "snapshots", "gaps")
    for row in days.itertuples(index=False):
        table.add_row(f"{row.trade_date:%Y-%m-%d}", str(row.underlying), str(row.snapshots), str(row.gaps))
    console.print(table)


def _cell(value: Any) -> Text:
    """Return a cell to read: four decimals, dates without a midnight. CSV and JSON keep every digit."""
    from pandas import Timestamp, isna
    from pandas.api.types import is_float, is_scalar

    if is_scalar(value) and isna(value):
        return Text("")
    if is_float(value):
        return Text(f"{value:.4f}".rstrip("0").rstrip("."))
    if isinstance(value, Timestamp) and value == value.normalize():
        return Text(f"{value:%Y-%m-%d}")
    # Text, since a list such as [red] would be taken for a style.
    return Text(str(value))


def _session(beat: "Heartbeat", system: "SystemTime") -> str:
    from g6_assets.decide import HEARTBEAT_STALE_SECONDS

    day, attempt = beat.trade_date, f"attempt {beat.attempt}"
    if beat.state in ("ended", "stopped"):
        ago = _age((system.now() - beat.system_time).total_seconds())
        return f"session of {day}: {beat.state} {ago} ago ({beat.detail}; {attempt})"
    age = beat.age_seconds(system)
    if age <= HEARTBEAT_STALE_SECONDS:
        return f"session of {day}: runs, {beat.state} ({beat.detail}; {attempt}, heartbeat {_age(age)} ago)"
    return (
        f"session of {day}: [red]does not run[/red], no heartbeat for {_age(age)}; it was {beat.state} ({beat.detail}; "
        f"{attempt}). `g6 dev`, or the service, relaunches it while the market is open"
    )


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
