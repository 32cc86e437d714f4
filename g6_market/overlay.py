"""Today against earlier days of the same weekday, minute by minute: mean and moving average of straddle, IV and OI.

Only days as many sessions before their expiry are compared, so that a Tuesday whose expiry was moved to Monday stays
out of the Tuesdays that expire. Which rows there are of a day is asked of the store (`g6_resources.overlays`, macro
`weekday_overlay`); nothing is accumulated, so computing it again gives the same.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.frames import floats, instants

MEASURES = ("straddle", "iv", "oi", "fixed_straddle", "fixed_iv", "fixed_oi")
"""What is compared: of the strike at a rank from the money, which floats, and of the strike that had it at 09:20."""

_Floats = NDArray[np.float64]


def weekday_overlay(today: pd.DataFrame, past: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Compare a day with earlier ones.

    Parameters
    ----------
    today
        A row per snapshot of one index, expiry label and rank: trade_date, snapshot_at, trading_days_to_expiry and
        `MEASURES` (NaN for unknown).
    past
        The same columns of other days, any order. Taken are those before today, of its weekday and its number of
        trading days to expiry; others, and repetitions of a row, change nothing.
    alpha
        Weight of the newest day in the moving average, above 0, to 1.

    Returns
    -------
    DataFrame
        One row per snapshot of today: snapshot_at, and for each measure `<m>`, `<m>_mean`, `<m>_ema` and `<m>_days`,
        over the days that know it at this time of day. Mean and moving average are NaN where no day does. The average
        begins with the oldest day: e = x, then e = alpha x + (1 - alpha) e for each later day that knows the value.

    Raises
    ------
    ValueError
        If alpha is out of its range, or `today` is of more than one day.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha is {alpha}; allowed is above 0, to 1: correct overlays.weekday.alpha")
    at = instants(today, "snapshot_at")
    order = np.argsort(at, kind="stable")
    result: dict[str, NDArray[np.generic]] = {"snapshot_at": at[order]}
    alike = _alike(today, past)
    days, day = np.unique(instants(alike, "trade_date"), return_inverse=True)
    times = np.unique(_time_of_day(at))
    then = _time_of_day(instants(alike, "snapshot_at"))
    slot = np.minimum(np.searchsorted(times, then), max(len(times) - 1, 0))
    known = times[slot] == then if len(times) else np.zeros(len(then), dtype=bool)
    row = np.searchsorted(times, _time_of_day(at[order]))
    for measure in MEASURES:
        table = np.full((len(days), len(times)), np.nan)
        table[day[known], slot[known]] = floats(alike, measure)[known]
        count = (~np.isnan(table)).sum(axis=0)
        total = np.where(np.isnan(table), 0.0, table).sum(axis=0)
        mean = np.divide(total, count, out=np.full(len(times), np.nan), where=count > 0)
        result[measure] = floats(today, measure)[order]
        result[f"{measure}_mean"] = mean[row]
        result[f"{measure}_ema"] = moving_average(table, alpha)[row]
        result[f"{measure}_days"] = count[row]
    return pd.DataFrame(result)


def moving_average(table: _Floats, alpha: float) -> _Floats:
    """Return the exponential moving average down the rows of (days, times), oldest first; unknown values are passed."""
    average = np.full(table.shape[1], np.nan)
    for values in table:
        moved = np.where(np.isnan(average), values, alpha * values + (1 - alpha) * average)
        average = np.where(np.isnan(values), average, moved)
    return average


def _alike(today: pd.DataFrame, past: pd.DataFrame) -> pd.DataFrame:
    days = today[["trade_date", "trading_days_to_expiry"]].drop_duplicates()
    if len(days) > 1:
        raise ValueError(f"`today` holds {len(days)} days or expiries; hand in the rows of one day and label")
    if days.empty:
        return past.iloc[:0]
    date, left = days["trade_date"].iloc[0], days["trading_days_to_expiry"].iloc[0]
    dates = past["trade_date"]
    return past[
        (dates < date)
        & (dates.dt.day_of_week == date.day_of_week)
        & (past["trading_days_to_expiry"] == left).fillna(False)
    ]


def _time_of_day(at: NDArray[np.datetime64]) -> NDArray[np.timedelta64]:
    return np.subtract(at, at.astype("datetime64[D]"))
