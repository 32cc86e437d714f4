"""`g6 sql` and `g6 status`: reading only."""

import sys

from rich.table import Table

from g6.errors import CommandError

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
        from rich.console import Console

        table = Table(*[str(name) for name in frame.columns])
        for row in frame.head(MOST_TABLE_ROWS).itertuples(index=False):
            table.add_row(*["" if value is None or value != value else str(value) for value in row])
        Console().print(table)
        if len(frame) > MOST_TABLE_ROWS:
            Console().print(f"{len(frame) - MOST_TABLE_ROWS} more rows; --format csv prints all")


def run_status(world: str | None) -> None:
    """Print what the world holds: days, snapshots, gaps, and the running session."""
    from g6.connection import connect
    from g6.runtime import console, open_world
    from g6_resources.clock import SystemTime, clock_from
    from g6_resources.heartbeat import HeartbeatFile, HeartbeatUnreadable

    root, settings = open_world(world)
    now = clock_from(root).now()
    console.print(f"world [bold]{root.world.name}[/bold] in {root.path}", soft_wrap=True)
    console.print(f"market time {now:%a %Y-%m-%d %H:%M:%S} IST; indices {', '.join(settings.enabled_indices)}")
    try:
        beat = HeartbeatFile(root.heartbeat_file, SystemTime()).read()
    except HeartbeatUnreadable as error:
        console.print(f"[red]session[/red]: {error}")
        beat = None
    if beat is None:
        console.print("session: none has run")
    else:
        age = (SystemTime().now() - beat.system_time).total_seconds()
        lives = "lives" if age <= 20 and beat.state != "ended" else "does not run"
        console.print(
            f"session of {beat.trade_date} {lives}: attempt {beat.attempt}, {beat.state} ({beat.detail}), "
            f"heartbeat {_age(age)} ago"
        )
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
    table = Table("day", "index", "snapshots", "with gaps")
    for row in days.itertuples(index=False):
        table.add_row(f"{row.trade_date:%Y-%m-%d}", str(row.underlying), str(row.snapshots), str(row.gaps))
    console.print(table)


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
