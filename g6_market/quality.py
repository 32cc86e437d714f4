"""Checks of one index's day, with the thresholds that the recorded real days gave: pure functions, a finding each.

Dagster makes check specs of `CHECKS` and reports the findings; nothing here changes or drops a row. What a day should
hold is in `day`; holes and their causes, row by row, are the view `gaps`.
"""

import operator
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.day import TradingDay
from g6_market.findings import STORED, Finding, IndexDay, clock, count_of, finding, largest, nothing, worst_of
from g6_market.frames import floats, instants

__all__ = ["CHECKS", "CHECK_NAMES", "Finding", "day_findings", "is_stale"]

CHECKS: dict[str, str] = {
    "complete": "Every snapshot that was due is stored for every configured expiry.",
    "snapshot_gap": "Longest step between stored snapshots, in intervals; 1 means no hole.",
    "unchanged_legs": "Worst share of legs within ATM +- 10 of the front expiry that repeat the snapshot before.",
    "exchange_stamp": "Longest run of snapshots in a row in which no exchange stamp of the index moved.",
    "forward_dispersion": "Dispersion of the pairs behind the front forward, 99th percentile.",
    "forward_move": "Largest move of the front forward between neighbouring snapshots, in basis points.",
    "atm_iv_jump": "99th percentile of the front ATM IV's move between neighbouring snapshots, not on expiry day.",
    "crossed_book": "Legs within ATM +- 10 whose best bid is above the best ask.",
    "calls_not_falling": "Calls within ATM +- 10 bid above the ask of a lower strike of the same expiry.",
    "one_sided_books": "Share of legs within ATM +- 10 of the front expiry that lack a bid or an ask.",
    "volume_falls": "Legs whose volume is below that of a snapshot before; rows are kept. For information.",
    "oi_unmoved": "Longest time in which no open interest of the front expiry moved, holes left out, in minutes.",
    "strikes_captured": "Share of the listed legs that the worst full chain lacks.",
    "below_intrinsic": "Share of legs within ATM +- 10 with a mid below intrinsic value.",
    "spot_missing": "Snapshots without an index value, or with one of 0 or less.",
}
"""Name of each check and what its value is."""

CHECK_NAMES: tuple[str, ...] = tuple(CHECKS)

# Points of the front forward's dispersion, warn and fail; measured on the recorded days.
_DISPERSION = {"NIFTY": (1.5, 5.0), "BANKNIFTY": (3.0, 10.0)}
# The same in parts of the level, for the indices without a recorded day: 0.6 and 2 basis points.
_DISPERSION_OF_LEVEL = (0.6e-4, 2e-4)
_QUOTED = ("last_price", "bid_price", "ask_price", "bid_quantity", "ask_quantity", "volume", "oi")


def day_findings(underlying: str, tables: Mapping[str, pd.DataFrame], day: TradingDay) -> list[Finding]:
    """Check one index's day; one finding per name of `CHECKS`, in that order.

    Parameters
    ----------
    tables
        The day's `quotes`, `snapshots`, `option_chain`, `expiry_overview` and `overview` by name; rows of other indices
        are left aside.
    """
    mine = {name: frame[(frame["underlying"] == underlying).to_numpy(dtype=bool)] for name, frame in tables.items()}
    data = IndexDay(underlying, mine, day)
    return [check(data) for check in _RUN.values()]


def is_stale(
    newest: np.datetime64 | None, last_stored: np.datetime64 | None, session_open: np.datetime64 | None = None
) -> bool:
    """Whether an answer repeats the market of before: no exchange stamp of the index moved.

    Parameters
    ----------
    newest
        Newest exchange stamp of the index in the answer (`quotes.newest_exchange_stamp`); None where none was sent,
        which is no proof of anything.
    last_stored
        The same of the index's last stored snapshot of the day; None before the first.
    session_open
        Opening of the session: a stamp before it is of an earlier day, as on a holiday that nobody announced.
    """
    if newest is None:
        return False
    limits = ((last_stored, operator.le), (session_open, operator.lt))
    return any(limit is not None and bool(reached(newest, limit)) for limit, reached in limits)


def _complete(data: IndexDay) -> Finding:
    chains = [chain for chain in data.day.chains if chain.underlying == data.underlying]
    due = len(data.day.due) * len(chains)
    # One row per instant and expiry: of several attempts the best counts.
    ranked = data.snapshots.assign(rank=data.snapshots["outcome"].map({"stored": 0, "partial": 1}).fillna(2))
    best = ranked.sort_values("rank").drop_duplicates(["snapshot_at", "expiry"])
    best = best[np.isin(instants(best, "snapshot_at"), data.day.due)]
    counts = {name: int((best["outcome"] == name).sum()) for name in ("stored", "partial", "stale", "failed")}
    lost = due - counts["stored"] - counts["partial"]
    absent = due - sum(counts.values())
    kept = instants(best[best["outcome"].isin(STORED)], "snapshot_at")
    whole = np.array([int((kept == at).sum()) == len(chains) for at in data.day.due], dtype=bool)
    status = "fail" if lost or not due else "warn" if counts["partial"] else "pass"
    return Finding(
        "complete",
        status,
        float(lost),
        0.0,
        0.0,
        f"{counts['stored']} of {due} due snapshots of {len(chains)} expiries are stored, {counts['partial']} partial, "
        f"{counts['stale']} stale, {counts['failed']} failed, {absent} absent because nothing ran."
        + _worst_run(data.day.due, ~whole),
        {"due": due, "expiries": len(chains), **counts, "absent": absent},
    )


def _worst_run(due: NDArray[np.datetime64], lost: NDArray[np.bool_]) -> str:
    if not lost.any():
        return ""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
    first, after = edges[0::2], edges[1::2]
    worst = int(np.argmax(after - first))
    return f" At worst from {clock(due[first[worst]])} to {clock(due[after[worst] - 1])}."


def _snapshot_gap(data: IndexDay) -> Finding:
    # Places among the due instants, so that a break in the session is no gap.
    due = data.day.due
    marks = np.concatenate([[-1], data.stored_positions(), [len(due)]])
    steps = np.diff(marks)
    worst = int(np.argmax(steps))
    first, last = due[min(marks[worst] + 1, len(due) - 1)], due[max(marks[worst + 1] - 1, 0)]
    where = f"from {clock(first)} to {clock(last)} nothing is stored" if steps[worst] > 1 else "no hole"
    holes = int((steps > 1).sum())
    return finding(
        "snapshot_gap", int(steps[worst]), 1.5, 3, f"Longest step is {steps[worst]} intervals: {where}.", holes=holes
    )


def _unchanged_legs(data: IndexDay) -> Finding:
    legs, check = data.near_front, "unchanged_legs"
    values = np.column_stack([floats(legs, name) for name in _QUOTED])
    at = instants(legs, "snapshot_at")
    followed = (legs["tradingsymbol"] == legs["tradingsymbol"].shift()).to_numpy(dtype=bool) & data.neighbours(at)
    if not followed.any():
        return nothing(check, "no leg of the front expiry was stored in two neighbouring snapshots")
    same = np.all((np.diff(values, axis=0, prepend=np.nan) == 0) | (np.isnan(values) & _shifted_null(values)), axis=1)
    share = pd.Series(same[followed]).groupby(at[followed]).mean() * 100
    return worst_of(check, share, 5, 50, "% of the front legs near the money repeated the snapshot before")


def _exchange_stamp(data: IndexDay) -> Finding:
    newest = data.quotes.groupby("snapshot_at", observed=True)["exchange_at"].max().dropna()
    stored_unmoved = newest.index[(newest.diff() <= pd.Timedelta(0)).to_numpy(dtype=bool)]
    stale = data.snapshots.loc[data.snapshots["outcome"] == "stale", "snapshot_at"]
    unmoved = np.isin(data.day.due, np.concatenate([stored_unmoved.to_numpy(), stale.to_numpy()]).astype("M8[us]"))
    runs, worst = 0, 0
    at = data.day.due[0]
    for position in np.flatnonzero(unmoved):
        runs = runs + 1 if position and unmoved[position - 1] else 1
        if runs > worst:
            worst, at = runs, data.day.due[position]
    text = f"No exchange stamp moved in {worst} snapshots in a row, until {clock(at)}."
    return finding(
        "exchange_stamp",
        worst,
        0,
        2,
        text if worst else "Exchange stamps moved in every snapshot.",
        unmoved=int(unmoved.sum()),
    )


def _forward_dispersion(data: IndexDay) -> Finding:
    check = "forward_dispersion"
    rows = data.front[~data.front["settlement_window"].astype(bool) & data.front["forward_mad"].notna()]
    if rows.empty:
        return nothing(check, "no forward by put-call parity")
    level = float(rows["forward"].median())
    of_level = _DISPERSION_OF_LEVEL[0] * level, _DISPERSION_OF_LEVEL[1] * level
    warn, fail = _DISPERSION.get(data.underlying, of_level)
    mad = floats(rows, "forward_mad")
    worst = rows.iloc[int(np.argmax(mad))]
    value = float(np.quantile(mad, 0.99))
    text = (
        f"Dispersion of the front forward is {value:.2f} points at its 99th percentile, at most {mad.max():.2f} at "
        f"{clock(worst['snapshot_at'])}."
    )
    return finding(check, value, warn, fail, text, largest=float(mad.max()), median=float(np.median(mad)))


def _forward_move(data: IndexDay) -> Finding:
    forward, at = floats(data.front, "forward"), instants(data.front, "snapshot_at")
    move = np.abs(np.diff(np.log(forward), prepend=np.nan)) * 1e4
    return largest("forward_move", move, at, data.neighbours(at), 25, 100, "basis points, the front forward moved")


def _atm_iv_jump(data: IndexDay) -> Finding:
    check = "atm_iv_jump"
    if data.front_expiry == pd.Timestamp(data.day.trade_date):
        return nothing(check, "the front expiry settles today")
    at = instants(data.front, "snapshot_at")
    move = np.abs(np.diff(floats(data.front, "atm_iv"), prepend=np.nan)) * 100
    known = data.neighbours(at) & ~np.isnan(move)
    if not known.any():
        return nothing(check, "no ATM IV in two neighbouring snapshots")
    worst = at[known][int(np.argmax(move[known]))]
    value = float(np.quantile(move[known], 0.99))
    largest_move = float(move[known].max())
    text = f"The front ATM IV moved {value:.2f} points at its 99th percentile, {largest_move:.2f} at {clock(worst)}."
    return finding(check, value, 0.5, 2, text, largest=largest_move)


def _crossed_book(data: IndexDay) -> Finding:
    crossed = data.near[data.near["bid_price"] > data.near["ask_price"]]
    return count_of("crossed_book", crossed, "books near the money have a bid above the ask")


def _calls_not_falling(data: IndexDay) -> Finding:
    calls = data.near[data.near["option_type"] == "CE"].sort_values(["expiry", "snapshot_at", "strike"])
    lowest_ask = calls.groupby(["expiry", "snapshot_at"], observed=True)["ask_price"].cummin()
    lower = lowest_ask.groupby([calls["expiry"], calls["snapshot_at"]], observed=True).shift()
    return count_of(
        "calls_not_falling", calls[calls["bid_price"] > lower], "calls are bid above the ask of a lower strike"
    )


def _one_sided_books(data: IndexDay) -> Finding:
    legs, check = data.near_front[~data.near_front["settlement_window"].astype(bool)], "one_sided_books"
    if not bool((legs["bid_price"].notna() | legs["ask_price"].notna()).any()):
        return nothing(check, "no books were stored")
    lacking = legs["bid_price"].isna() | legs["ask_price"].isna()
    by_leg = lacking.groupby(legs["tradingsymbol"], observed=True).sum()
    value = float(lacking.mean() * 100)
    text = f"{value:.2f} % of the front books near the money lack a side, most often {by_leg.idxmax()}."
    return finding(check, value, 2, 10, text, books=int(lacking.sum()))


def _volume_falls(data: IndexDay) -> Finding:
    volume = floats(data.chain, "volume")
    falls = (data.chain["tradingsymbol"] == data.chain["tradingsymbol"].shift()).to_numpy(dtype=bool)
    falls = falls & (np.diff(volume, prepend=np.nan) < 0)
    return count_of("volume_falls", data.chain[falls], "times a volume fell within the day", limit=None)


def _oi_unmoved(data: IndexDay) -> Finding:
    check = "oi_unmoved"
    legs = data.chain[data.chain["expiry"] == data.front_expiry]
    if not bool(legs["oi"].notna().any()):
        return nothing(check, "no open interest was stored")
    changed = np.diff(floats(legs, "oi"), prepend=np.nan) != 0
    changed &= (legs["tradingsymbol"] == legs["tradingsymbol"].shift()).to_numpy(dtype=bool) & legs["oi"].notna()
    moved = pd.Series(changed.to_numpy(dtype=bool)).groupby(instants(legs, "snapshot_at")).any()
    # The first has nothing to have moved from.
    moved.iloc[0] = True
    # Counted in stored snapshots: a hole is the business of snapshot_gap.
    runs = (~moved).groupby(moved.cumsum()).cumsum()
    minutes = runs * data.day.conventions.interval_seconds / 60
    return worst_of(check, minutes, 10, 20, "minutes without a move of the front expiry's open interest, until")


def _strikes_captured(data: IndexDay) -> Finding:
    check = "strikes_captured"
    full = data.snapshots[data.snapshots["full_chain"].astype(bool) & data.snapshots["outcome"].isin(STORED)]
    full = full.merge(data.moments[["snapshot_at", "expiry", "listed_legs"]], on=["snapshot_at", "expiry"])
    if full.empty:
        return finding(check, 100, 0, 5, "No full chain was stored all day.", full_chains=0)
    lacking = 100 - 100 * floats(full, "returned") / floats(full, "listed_legs")
    worst = full.iloc[int(np.argmax(lacking))]
    text = (
        f"The worst full chain lacks {lacking.max():.2f} % of the listed legs: {worst['returned']} of "
        f"{worst['listed_legs']} at {clock(worst['snapshot_at'])}, expiry {worst['expiry']:%Y-%m-%d}."
    )
    return finding(check, float(lacking.max()), 0, 5, text, full_chains=len(full))


def _below_intrinsic(data: IndexDay) -> Finding:
    check = "below_intrinsic"
    # Further in the money the carry that the market trades, not ours, decides: 3-4 % of all mids on the recorded day.
    legs = data.near[(data.near["price_source"] == "mid").to_numpy(dtype=bool)]
    if legs.empty:
        return nothing(check, "no mids with a forward")
    sign = np.where(legs["option_type"] == "CE", 1.0, -1.0)
    discount = np.exp(-data.day.conventions.risk_free_rate * floats(legs, "t_years"))
    intrinsic = np.maximum(sign * (floats(legs, "forward") - floats(legs, "strike")), 0.0) * discount
    below = floats(legs, "price") < intrinsic
    value = float(below.mean() * 100)
    short = intrinsic - floats(legs, "price")
    worst = legs.iloc[int(np.argmax(short))]
    text = (
        f"{value:.2f} % of the mids near the money are below intrinsic value, {worst['tradingsymbol']} by "
        f"{max(short.max(), 0):.2f} at {clock(worst['snapshot_at'])}."
    )
    return finding(check, value, 1, None, text, legs=int(below.sum()))


def _spot_missing(data: IndexDay) -> Finding:
    missing = data.overview[~(floats(data.overview, "spot") > 0)]
    return count_of("spot_missing", missing, "snapshots have no index value")


def _shifted_null(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.vstack([np.zeros(values.shape[1], dtype=bool), np.isnan(values[:-1])])


_RUN: dict[str, Callable[[IndexDay], Finding]] = {
    "complete": _complete,
    "snapshot_gap": _snapshot_gap,
    "unchanged_legs": _unchanged_legs,
    "exchange_stamp": _exchange_stamp,
    "forward_dispersion": _forward_dispersion,
    "forward_move": _forward_move,
    "atm_iv_jump": _atm_iv_jump,
    "crossed_book": _crossed_book,
    "calls_not_falling": _calls_not_falling,
    "one_sided_books": _one_sided_books,
    "volume_falls": _volume_falls,
    "oi_unmoved": _oi_unmoved,
    "strikes_captured": _strikes_captured,
    "below_intrinsic": _below_intrinsic,
    "spot_missing": _spot_missing,
}
