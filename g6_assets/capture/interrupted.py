"""Snapshots that a session died within: their quotes are stored, what follows from them is not, or not all of it.

Their instant is over, so it is never asked again: what is missing is made from the stored quotes.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from g6_assets.capture.outcomes import rows_of_quotes
from g6_assets.capture.snapshot import SnapshotTaker, Taken
from g6_assets.capture.state import load_state, stored_window
from g6_market.day import TradingDay
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, QUOTES, SNAPSHOTS
from g6_resources.lake import Lake, snapshot_name

_FOLLOWING = (SNAPSHOTS, OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW)


def interrupted(lake: Lake, dues: Sequence[datetime]) -> list[datetime]:
    """Return the due instants of one day that have quotes and lack anything that follows from them, in order."""
    day = dues[0].date()
    quotes = set(lake.live_names(QUOTES, day))
    whole = quotes.intersection(*(lake.live_names(table, day) for table in _FOLLOWING))
    return [due for due in dues if snapshot_name(due) in quotes - whole]


def record_interrupted(lake: Lake, day: TradingDay, state_file: Path) -> list[datetime]:
    """Store the `snapshots` rows that a session left out and no later one made up for, before the day is sealed.

    Returns
    -------
    list
        The due instants of these rows. What else follows from their quotes, the seal derives.
    """
    due_times = day.session.due_times(day.conventions.interval_seconds)
    missing = set(lake.live_names(QUOTES, day.trade_date)) - set(lake.live_names(SNAPSHOTS, day.trade_date))
    dues = [due for due in due_times if snapshot_name(due) in missing]
    window = stored_window(state_file, day)
    for due in dues:
        name = snapshot_name(due)
        quotes = lake.read_live(QUOTES, day.trade_date, names=[name])
        lake.write_live(SNAPSHOTS, day.trade_date, name, rows_of_quotes(due, quotes, day, window))
    return dues


def complete(taker: SnapshotTaker, lake: Lake, state_file: Path, dues: Sequence[datetime]) -> list[Taken]:
    """Complete the instants that `interrupted` found.

    A chain is `stored` when every leg that was asked for is there, else `partial`; one without quotes is `failed` with
    the cause "interrupted".

    Raises
    ------
    FencedOut
        A newer attempt owns the day.
    """
    if not dues:
        return []
    state = load_state(state_file, lake, taker.day, before=dues[0])
    return [taker.complete(due, state) for due in dues]
