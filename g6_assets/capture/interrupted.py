"""Snapshots that a session died within: their quotes are stored, what follows from them is not, or not all of it.

Their instant is over, so it is never asked again: what is missing is made from the stored quotes.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from g6_assets.capture.snapshot import SnapshotTaker, Taken
from g6_assets.capture.state import load_state
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, QUOTES, SNAPSHOTS
from g6_resources.lake import Lake, snapshot_name

_FOLLOWING = (SNAPSHOTS, OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW)


def interrupted(lake: Lake, dues: Sequence[datetime]) -> list[datetime]:
    """Return the due instants of one day that have quotes and lack anything that follows from them, in order."""
    day = dues[0].date()
    quotes = set(lake.live_names(QUOTES, day))
    whole = quotes.intersection(*(lake.live_names(table, day) for table in _FOLLOWING))
    return [due for due in dues if snapshot_name(due) in quotes - whole]


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
