"""`g6 status --watch`: the running session in the terminal, anew every second."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from g6.connection import ConnectError, G6Connection, connect
from g6.runtime import console, open_world
from g6_assets.decide import HEARTBEAT_STALE_SECONDS
from g6_resources.alerts import AlertLog
from g6_resources.clock import SystemTime, clock_from
from g6_resources.heartbeat import Heartbeat, HeartbeatFile, HeartbeatUnreadable
from g6_resources.metrics_state import SessionFigures, read_session
from g6_resources.world import DataRoot

EVERY_SECONDS = 1.0

_NUMBERS = """
    select underlying, spot, net_change_percent, pcr_oi, india_vix, net_gex from overview
    where trade_date = $day and snapshot_at = (select max(snapshot_at) from overview where trade_date = $day)
    order by underlying
"""


def run_watch(world: str | None) -> None:
    """Show until interrupted; on what is no terminal, once."""
    root, _ = open_world(world)
    with connect(root.path) as db:
        watch = _Watch(root, db)
        if not console.is_terminal:
            console.print(watch.picture())
            return
        try:
            with Live(watch.picture(), console=console, auto_refresh=False, screen=False) as live:
                while True:
                    SystemTime().sleep(EVERY_SECONDS)
                    live.update(watch.picture(), refresh=True)
        except KeyboardInterrupt:
            return


@dataclass
class _Watch:
    """Reads the world's small files; the numbers from the views, and only when there is a new snapshot."""

    root: DataRoot
    db: G6Connection
    _shown_due: datetime | None = None
    _numbers: pd.DataFrame | None = None

    def picture(self) -> RenderableType:
        """Return what is to be seen now."""
        figures = read_session(self.root.figures_file)
        parts: list[RenderableType] = [self._head(figures)]
        if figures is not None and figures.stored_due is not None:
            self._read(figures.stored_due)
            parts.append(_table(figures, self._numbers))
            parts.append(_calls(figures))
        recent = AlertLog(self.root.alerts_file).recent(3)
        parts.extend(Text(f"{alert.at:%H:%M} {alert.kind}: {alert.text}", style="yellow") for alert in recent)
        return Group(*parts)

    def _head(self, figures: SessionFigures | None) -> Text:
        text = Text(f"{self.root.world.name}  market {clock_from(self.root).now():%a %Y-%m-%d %H:%M:%S} IST\n")
        try:
            beat = HeartbeatFile(self.root.heartbeat_file, SystemTime()).read()
        except HeartbeatUnreadable as error:
            return text.append(str(error), style="red")
        if beat is None:
            return text.append("no session has run")
        text.append_text(_state(beat))
        if figures is not None and figures.stored_due is not None:
            text.append(f"\nlast stored {figures.stored_due:%H:%M:%S}, ")
            text.append(f"arrived {_ago(figures.stored_at)}" if figures.stored_at else "")
        return text

    def _read(self, due: datetime) -> None:
        if due == self._shown_due:
            return
        try:
            self._numbers = self.db.sql(_NUMBERS, {"day": due.date()})
        except (ConnectError, duckdb.Error):
            return  # between two generations of the views; the next second has them
        self._shown_due = due


def _state(beat: Heartbeat) -> Text:
    age = beat.age_seconds(SystemTime())
    ended = beat.state in ("ended", "stopped")
    style = "red" if not ended and age > HEARTBEAT_STALE_SECONDS else "dim" if ended else "green"
    return Text(f"{beat.trade_date} attempt {beat.attempt}: ").append(
        f"{beat.state}: {beat.detail} (heartbeat {age:.0f} s ago)", style=style
    )


def _table(figures: SessionFigures, numbers: pd.DataFrame | None) -> Table:
    table = Table("index", "spot", "change %", "PCR", "VIX", "legs", "instants")
    rows = {} if numbers is None else {str(row["underlying"]): row for row in numbers.to_dict("records")}
    counts = figures.totals.get("snapshots", {})
    for name in sorted({*rows, *figures.legs}):
        asked, came = figures.legs.get(name, (0, 0))
        row: Mapping[Any, Any] = rows.get(name, {})
        table.add_row(
            name,
            _number(row.get("spot"), ",.2f"),
            _number(row.get("net_change_percent"), "+.2f"),
            _number(row.get("pcr_oi"), ".3f"),
            _number(row.get("india_vix"), ".2f"),
            Text(f"{came}/{asked}", style="" if came == asked else "yellow"),
            ", ".join(_counted(counts, name)),
        )
    return table


def _counted(counts: Mapping[str, float], name: str) -> list[str]:
    told = ((outcome, counts.get(f"{name}/{outcome}", 0)) for outcome in ("stored", "partial", "stale", "failed"))
    return [f"{count:.0f} {outcome}" for outcome, count in told if count]


def _calls(figures: SessionFigures) -> Text:
    calls = figures.totals.get("calls", {})
    told = ", ".join(f"{labels.replace('/', ' ')} {count:.0f}" for labels, count in sorted(calls.items()))
    return Text(f"calls since this world was made: {told or 'none'}", style="dim")


def _number(value: Any, form: str) -> str:
    return "" if value is None or pd.isna(value) else format(value, form)


def _ago(moment: datetime) -> str:
    return f"{max((SystemTime().now() - moment).total_seconds(), 0):.0f} s ago"
