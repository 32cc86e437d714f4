"""What a check of one index's day is made of: its tables, and the finding it returns.

The checks themselves and their thresholds are in `quality`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.day import TradingDay
from g6_market.frames import floats, instants
from g6_market.totals import NEAR

STORED = ("stored", "partial")
"""Outcomes of a snapshot of which rows were stored."""

_LEG = ["tradingsymbol", "snapshot_at"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    status
        "pass", "warn" or "fail".
    value
        The measured number; NaN where the tables hold nothing to measure, which passes and says so.
    warn_above, fail_above
        Limits; None where there is none.
    description
        One sentence with the worst place and time.
    metadata
        Numbers and words behind it.
    """

    check: str
    status: str
    value: float
    warn_above: float | None
    fail_above: float | None
    description: str
    metadata: dict[str, float | int | str] = field(default_factory=dict[str, float | int | str])


class IndexDay:
    """One index's tables with what several checks need of them; healed rows are left aside: they judge the capture."""

    def __init__(self, underlying: str, tables: Mapping[str, pd.DataFrame], day: TradingDay) -> None:
        self.underlying = underlying
        self.day = day
        self.snapshots = tables["snapshots"]
        self.quotes, self.overview = (_captured(tables[name]) for name in ("quotes", "overview"))
        self.chain = _captured(tables["option_chain"]).sort_values(_LEG, ignore_index=True)
        self.moments = tables["expiry_overview"].sort_values(["expiry", "snapshot_at"], ignore_index=True)
        tags = day.tags(underlying).values()
        self.front_expiry = pd.Timestamp(min(tags)) if tags else pd.NaT
        self.front = _captured(self.moments[self.moments["expiry"] == self.front_expiry])
        self.near = self.chain[np.abs(floats(self.chain, "strike_offset")) <= NEAR]
        self.near_front = self.near[self.near["expiry"] == self.front_expiry]

    def neighbours(self, at: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Whether each instant follows the one before it by one interval."""
        interval = np.timedelta64(self.day.conventions.interval_seconds, "s")
        return np.diff(at, prepend=np.datetime64("NaT", "us")) <= interval

    def stored_positions(self) -> NDArray[np.int64]:
        """Positions among the due instants of the snapshots that hold anything of the index."""
        stored = self.snapshots[self.snapshots["outcome"].isin(STORED)]
        return np.flatnonzero(np.isin(self.day.due, instants(stored, "snapshot_at")))


def _captured(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["source"] != "candle").to_numpy(dtype=bool)]


def finding(
    check: str,
    value: float,
    warn_above: float | None,
    fail_above: float | None,
    description: str,
    **metadata: float | str,
) -> Finding:
    """Judge a value by its limits."""
    status = "pass"
    if warn_above is not None and value > warn_above:
        status = "warn"
    if fail_above is not None and value > fail_above:
        status = "fail"
    return Finding(check, status, float(value), warn_above, fail_above, description, dict(metadata))


def nothing(check: str, why: str) -> Finding:
    """Return a pass that says that there was nothing to measure."""
    return Finding(check, "pass", float("nan"), None, None, f"Nothing to measure: {why}.")


def worst_of(check: str, by_snapshot: pd.Series, warn: float, fail: float, what: str) -> Finding:
    """Judge the worst of a value by snapshot."""
    value, at = float(by_snapshot.max()), by_snapshot.idxmax()
    return finding(check, value, warn, fail, f"At worst {value:.1f} {what} {clock(at)}.")


def largest(
    check: str,
    move: NDArray[np.float64],
    at: NDArray[np.datetime64],
    neighbours: NDArray[np.bool_],
    warn: float,
    fail: float,
    what: str,
) -> Finding:
    """Judge the largest move between neighbouring snapshots."""
    known = neighbours & ~np.isnan(move)
    if not known.any():
        return nothing(check, "no two neighbouring snapshots")
    worst = int(np.argmax(move[known]))
    value = float(move[known][worst])
    return finding(check, value, warn, fail, f"At most {value:.1f} {what} at {clock(at[known][worst])}.")


def count_of(check: str, rows: pd.DataFrame, what: str, limit: float | None = 0) -> Finding:
    """Judge a count of rows, of which there should be none."""
    where = ""
    if len(rows):
        first = rows.sort_values("snapshot_at").iloc[0]
        leg = f" ({first['tradingsymbol']})" if "tradingsymbol" in rows.columns else ""
        where = f", the first at {clock(first['snapshot_at'])}{leg}"
    return finding(check, len(rows), limit, limit, f"{len(rows)} {what}{where}.")


def clock(at: Any) -> str:
    """Return the time of day for a sentence."""
    return f"{pd.Timestamp(at):%H:%M:%S}"
