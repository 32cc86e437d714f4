"""The recorded day as a sealed store, and how a column of it is compared with what a query computes again."""

import duckdb
import numpy as np
import pandas as pd
from market_data import FRIDAY, Recorded, calendar

from g6_market.schema import REFERENCE, conform
from g6_resources.lake import Lake, LocalStore
from g6_resources.sealing import derive_day, seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot

KEYS = ["underlying", "expiry", "snapshot_at"]


def made_up_reference(quotes: pd.DataFrame) -> pd.DataFrame:
    """Open interest before the first snapshot; every fortieth contract is new, and all of one expiry unknown."""
    first = quotes.sort_values("snapshot_at").drop_duplicates("tradingsymbol")
    oi = first["oi"].astype("float64").to_numpy()
    number = np.arange(len(first))
    unknown = (number % 40 == 7) | (first["expiry"] == pd.Timestamp("2025-10-28")).to_numpy()
    frame = first[[c for c in REFERENCE.names if c in first.columns]].assign(
        previous_close=first["last_price"],
        opening_oi=np.round(oi * 0.9 + 75 * (number % 11)),
        previous_oi=np.where(unknown, np.nan, np.round(oi * 0.8)),
    )
    return conform(frame, REFERENCE)


def with_trade_times(quotes: pd.DataFrame) -> pd.DataFrame:
    """Trade times were not recorded: a contract whose volume has grown since its row before traded in between."""
    rows = quotes.sort_values(["tradingsymbol", "snapshot_at"])
    traded = rows.groupby("tradingsymbol")["volume"].diff() > 0
    at = (rows["snapshot_at"] - pd.Timedelta(seconds=5)).where(traded.fillna(False))
    return quotes.assign(last_trade_at=at.groupby(rows["tradingsymbol"]).ffill())


def seal_recorded(recorded: Recorded, root: DataRoot) -> None:
    """Seal the recorded day; every third snapshot counts as a full chain."""
    day, snapshots = recorded.day, recorded.snapshots
    beats = np.sort(snapshots["snapshot_at"].unique())[2::3]
    lake = Lake(LocalStore(root.lake), current=root.current)
    for name, frame in {
        "conventions": day.conventions.to_frame(),
        "instruments": day.instruments,
        "expiries": day.expiries,
        "reference": made_up_reference(recorded.quotes),
        "quotes": with_trade_times(recorded.quotes),
        "snapshots": snapshots.assign(full_chain=snapshots["snapshot_at"].isin(beats)),
    }.items():
        lake.write_live(name, FRIDAY, "day", frame)
    seal_day(lake, FRIDAY, lambda lake_, date_: derive_day(lake_, date_, calendar()), Warehouse(root).swap)


def assert_agrees(
    db: duckdb.DuckDBPyConnection, names: list[str], query: str, *, least: int, carried: bool = False, rel: float = 1e-9
) -> None:
    """Compare columns of expiry_overview with a query's; `carried` joins the last row of the query at or before."""
    computed = db.sql(query).df()
    stored = db.sql(f"SELECT {', '.join([*KEYS, *names])} FROM expiry_overview ORDER BY snapshot_at").df()
    if carried:
        computed = computed.sort_values("snapshot_at")
        both = pd.merge_asof(stored, computed, on="snapshot_at", by=KEYS[:2], suffixes=("", "_sql"))
    else:
        both = stored.merge(computed, on=KEYS, how="left", suffixes=("", "_sql"), validate="one_to_one")
    assert len(both) == len(stored) > 1500
    for name in names:
        ours, theirs = both[name].astype(float), both[f"{name}_sql"].astype(float)
        assert ours.notna().sum() >= least, name
        np.testing.assert_allclose(ours, theirs, rtol=rel, atol=0, err_msg=name)
