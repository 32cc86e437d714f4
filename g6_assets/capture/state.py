"""What a session remembers from snapshot to snapshot, and how a relaunched one gets it back from what is stored."""

from dataclasses import dataclass, field
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
from g6_resources.lake import Lake

SeriesKey = tuple[str, str, int]


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

    def save(self, path: Path, day: TradingDay) -> None:
        """Write what cannot be had back from the lake (the window), by rename."""
        if self.window is None:
            return
        document = {"trade_date": day.session.trade_date.isoformat(), "window": self.window.to_json()}
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(orjson.dumps(document))
        temporary.replace(path)


def load_state(path: Path, lake: Lake, day: TradingDay) -> SessionState:
    """Return the state of the day: the stored window, and the rest derived again from what is stored."""
    state = SessionState(window=_stored_window(path, day))
    date_ = day.session.trade_date
    snapshots = lake.read(SNAPSHOTS, date_)
    held = snapshots[snapshots["returned"] > 0]
    if held.empty:
        return state
    full = held[held["full_chain"].fillna(False)]
    needed = {*full.groupby(["underlying", "expiry"])["snapshot_at"].max(), held["snapshot_at"].max()}
    quotes = lake.read(QUOTES, date_)
    state.stamps = dict(newest_exchange_stamp(quotes))
    some = quotes[quotes["snapshot_at"].isin(needed)]
    derived = derive(some, snapshots[snapshots["snapshot_at"].isin(needed)], day)
    state.totals = derived.totals
    last = derived.option_chain["snapshot_at"].max()
    series = offset_series(
        derived.option_chain[derived.option_chain["snapshot_at"] == last],
        derived.expiry_overview[derived.expiry_overview["snapshot_at"] == last],
        day,
    )
    state.strikes = last_strikes(series)
    return state


def _stored_window(path: Path, day: TradingDay) -> StickyWindow | None:
    if not path.is_file():
        return None
    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        return None  # torn by a kill: the first full chain of this attempt makes a new one
    if document.get("trade_date") != day.session.trade_date.isoformat():
        return None
    return StickyWindow.from_json(document["window"])
