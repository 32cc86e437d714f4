"""What a session remembers from snapshot to snapshot, and how a relaunched one gets it back from what is stored."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
import pandas as pd

from g6_market.day import TradingDay
from g6_market.derive import derive
from g6_market.quotes import newest_exchange_stamp
from g6_market.schema import QUOTES, SNAPSHOTS
from g6_market.series import last_strikes, offset_series
from g6_market.universe import StickyWindow
from g6_resources.files import write_atomically
from g6_resources.lake import Lake

SeriesKey = tuple[str, str, int]
_CHAIN = ["underlying", "expiry"]


@dataclass
class SessionState:
    """Memory of a running session.

    Parameters
    ----------
    window
        The sticky window; None until a first full chain has given each chain a forward.
    totals
        Totals of each expiry's last full chain, as `derive` carries them.
    stamps
        Newest exchange stamp stored, by underlying.
    strikes
        Last strike of each offset series, for `rolled`.
    """

    window: StickyWindow | None = None
    totals: pd.DataFrame | None = None
    stamps: dict[str, np.datetime64] = field(default_factory=dict)
    strikes: dict[SeriesKey, float] = field(default_factory=dict)
    _saved: StickyWindow | None = field(default=None, repr=False)

    def save(self, path: Path, day: TradingDay) -> None:
        """Write what cannot be had back from the lake (the window) when it has changed, whole and durable."""
        if self.window is None or self.window == self._saved:
            return
        document = {"trade_date": day.session.trade_date.isoformat(), "window": self.window.to_json()}
        write_atomically(path, orjson.dumps(document), durable=True)
        self._saved = self.window


def load_state(path: Path, lake: Lake, day: TradingDay, *, before: datetime | None = None) -> SessionState:
    """Return the state of the day: the stored window, and the rest derived again from what is stored.

    Parameters
    ----------
    before
        Leave out what is stored of this due instant and later ones; they are to be completed first.
    """
    window = stored_window(path, day)
    state = SessionState(window=window, _saved=window)
    date_ = day.session.trade_date
    snapshots = lake.read(SNAPSHOTS, date_)
    held = snapshots[snapshots["returned"] > 0]
    if before is not None:
        held = held[held["snapshot_at"] < pd.Timestamp(before.replace(tzinfo=None))]
    if held.empty:
        return state
    # Of each chain the last full one has its totals, the last one its strikes.
    full = held[held["full_chain"].fillna(False)]
    needed = {*full.groupby(_CHAIN)["snapshot_at"].max(), *held.groupby(_CHAIN)["snapshot_at"].max()}
    quotes = lake.read(QUOTES, date_)
    state.stamps = dict(newest_exchange_stamp(quotes[quotes["snapshot_at"] <= max(needed)]))
    some = quotes[quotes["snapshot_at"].isin(needed)]
    derived = derive(some, snapshots[snapshots["snapshot_at"].isin(needed)], day)
    state.totals = derived.totals
    state.strikes = last_strikes(offset_series(derived.option_chain, derived.expiry_overview, day))
    return state


def stored_window(path: Path, day: TradingDay) -> StickyWindow | None:
    """Return the window that the day's session had last; None where it had none, or the file is of another day."""
    if not path.is_file():
        return None
    try:
        document = orjson.loads(path.read_bytes())
        if document["trade_date"] != day.session.trade_date.isoformat():
            return None
        return StickyWindow.from_json(document["window"])
    except (ValueError, KeyError, TypeError):
        return None  # spoilt, by a disk or by hand: the first full chain of this attempt makes a new one
