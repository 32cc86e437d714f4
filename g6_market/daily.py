"""A day of an index in one row: table `daily_summary`, from the day's tables and the rows of earlier days.

Where earlier rows come from is `g6_resources.history`; what is compared with earlier days by minute is `overlay`. Every
sum over earlier days says how many it used, and is null rather than made of too few.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.calendar import TradingCalendar
from g6_market.day import TradingDay, wall_clock
from g6_market.derive import Derived
from g6_market.frames import floats, instants
from g6_market.schema import DAILY_SUMMARY, conform, empty_frame

WINDOW_DAYS = 252
"""Earlier days that a rank looks back on."""
LEAST_DAYS = 60
"""Earlier days below which there is no rank."""
REALISED_DAYS = 20
"""Returns, and ranges, behind the realised volatilities of many days."""
REALISED_SPAN = 30
"""Sessions over which these may be spread: beyond it the stored days are another month's."""
FIXED_FROM = time(9, 20)
"""From when the strike of the fixed straddle is chosen."""
HISTORY = ("underlying", "spot_high", "spot_low", "spot_close", "iv30_1500", "vix_close")
"""What a day needs to know of earlier days' `daily_summary`."""

_SESSIONS_A_YEAR = 252
_SLACK = timedelta(minutes=5)
_YEAR = timedelta(days=365)
_TIMES = {"1000": time(10), "1200": time(12), "1500": time(15)}

_Floats = NDArray[np.float64]


class Standing(NamedTuple):
    """Where a value stands among those of earlier days; NaN for null."""

    rank: float
    percentile: float
    days_used: int


def daily_summary(quotes: pd.DataFrame, derived: Derived, day: TradingDay, history: pd.DataFrame) -> pd.DataFrame:
    """Summarise a day.

    Parameters
    ----------
    quotes
        Table `quotes` of the day; its futures are used.
    derived
        What was derived of it.
    history
        Columns `HISTORY` and `trade_date` of earlier days' `daily_summary`, any order; later days are left out.

    Returns
    -------
    DataFrame
        Table `daily_summary`: a row for each index that has an overview.
    """
    earlier = history[history["trade_date"] < pd.Timestamp(day.trade_date)].sort_values("trade_date")
    rows = [
        _row(
            name,
            quotes[(quotes["underlying"] == name) & (quotes["contract_type"] == "future")],
            _of(derived.overview, name),
            _of(derived.expiry_overview, name),
            _of(derived.option_chain, name),
            day,
            earlier[earlier["underlying"] == name],
        )
        for name in sorted(set(derived.overview["underlying"].astype(str)))
    ]
    return conform(pd.DataFrame(rows), DAILY_SUMMARY) if rows else empty_frame(DAILY_SUMMARY)


def compared_again(
    summary: pd.DataFrame, trade_date: date, calendar: TradingCalendar, history: pd.DataFrame
) -> pd.DataFrame:
    """Return stored summaries of a day with what they say of earlier days made anew, because those have changed.

    Parameters
    ----------
    summary
        Table `daily_summary` of the day.
    history
        As `daily_summary` takes it.
    """
    earlier = history[history["trade_date"] < pd.Timestamp(trade_date)].sort_values("trade_date")
    known = summary.assign(**{name: floats(summary, name) for name in HISTORY[1:]}).to_dict("records")
    stored: list[dict[str, Any]] = [{str(name): value for name, value in row.items()} for row in known]
    rows = [
        row | _compared(row, trade_date, calendar, earlier[earlier["underlying"] == row["underlying"]])
        for row in stored
    ]
    return conform(pd.DataFrame(rows), DAILY_SUMMARY) if rows else summary


def standing(value: float, earlier: Sequence[float] | _Floats) -> Standing:
    """Return the rank and percentile of a value among the latest 252 known values of earlier days.

    Parameters
    ----------
    earlier
        Oldest first, NaN for unknown, which counts for nothing.

    Returns
    -------
    Standing
        rank = (x - min) / (max - min) with x itself among them, so between 0 and 1; percentile = share of earlier days
        strictly below x. NaN with fewer than 60 days, or x unknown; the rank also where all are equal.
    """
    past = np.asarray(earlier, dtype=np.float64)
    past = past[~np.isnan(past)][-WINDOW_DAYS:]
    if math.isnan(value) or len(past) < LEAST_DAYS:
        return Standing(math.nan, math.nan, len(past))
    least, most = min(float(past.min()), value), max(float(past.max()), value)
    rank = (value - least) / (most - least) if most > least else math.nan
    return Standing(rank, float(np.mean(past < value)), len(past))


def volatility(values: Sequence[float] | _Floats, years: float) -> float:
    """Return the square root of the summed squared log returns over a time; NaN with fewer than two returns.

    The mean is not taken off: over a day or a month it is noise. Unknown values are bridged by the return across them.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if len(known) < 3 or years <= 0:
        return math.nan
    return math.sqrt(float(np.sum(np.diff(np.log(known)) ** 2)) / years)


def parkinson(high: Sequence[float] | _Floats, low: Sequence[float] | _Floats) -> float:
    """Return sqrt(252 x mean(ln(high / low)^2) / (4 ln 2)); NaN where one of them is unknown (Parkinson 1980)."""
    ranges = np.log(np.asarray(high, dtype=np.float64) / np.asarray(low, dtype=np.float64))
    return math.sqrt(_SESSIONS_A_YEAR * float(np.mean(ranges**2)) / (4 * math.log(2)))


def fixed_straddle(chain: pd.DataFrame, strike_offset: int = 0) -> pd.DataFrame:
    """Return the straddle of the strike that had a rank from the money at the first snapshot from 09:20.

    Parameters
    ----------
    chain
        Table `option_chain` of one index and expiry; rows of the settlement window are left out.

    Returns
    -------
    DataFrame
        snapshot_at, strike, straddle (NaN where a leg has no price), from that snapshot on; no rows where none is.
    """
    rows = chain[~chain["settlement_window"].to_numpy(dtype=bool, na_value=False)]
    at = instants(rows, "snapshot_at")
    late = at - at.astype("datetime64[D]") >= _since_midnight(FIXED_FROM)
    chosen = np.flatnonzero(late & (floats(rows, "strike_offset") == strike_offset))
    if len(chosen) == 0:
        return pd.DataFrame({"snapshot_at": at[:0], "strike": [], "straddle": []})
    first = chosen[np.argmin(at[chosen])]
    strike = floats(rows, "strike")
    mine = rows[late & (strike == strike[first]) & (at >= at[first])]
    sides = mine.pivot_table(index="snapshot_at", columns="option_type", values="price", dropna=False)
    sides = sides.reindex(columns=["CE", "PE"])
    return pd.DataFrame(
        {
            "snapshot_at": sides.index.to_numpy(dtype="datetime64[us]"),
            "strike": float(strike[first]),
            "straddle": (sides["CE"] + sides["PE"]).to_numpy(dtype="float64"),
        }
    )


def _row(
    name: str,
    futures: pd.DataFrame,
    overview: pd.DataFrame,
    expiries: pd.DataFrame,
    chain: pd.DataFrame,
    day: TradingDay,
    earlier: pd.DataFrame,
) -> dict[str, Any]:
    front = min(day.tags(name).values())
    mine = expiries[expiries["expiry"] == pd.Timestamp(front)].sort_values("snapshot_at")
    outside = mine[~mine["settlement_window"].to_numpy(dtype=bool)]
    legs = chain[chain["expiry"] == pd.Timestamp(front)]
    fixed = fixed_straddle(legs)
    row: dict[str, Any] = {
        "underlying": name,
        "front_expiry": pd.Timestamp(front),
        "trading_days_to_expiry": len(day.calendar.sessions(day.trade_date + timedelta(days=1), front)),
        "snapshots": overview["snapshot_at"].nunique(),
        "spot_open": _first(floats(overview, "open")),
        "spot_high": _most(floats(overview, "high")),
        "spot_low": -_most(-floats(overview, "low")),
        "spot_close": _last(floats(overview, "spot")),
        **_bar("straddle", floats(outside, "straddle")),
        "fixed_strike": _first(floats(fixed, "strike")),
        "fixed_strike_from": fixed["snapshot_at"].min() if len(fixed) else pd.NaT,
        **_bar("fixed_straddle", floats(fixed, "straddle")),
        "vix_close": _last(floats(overview, "india_vix")),
    }
    for short, clock in _TIMES.items():
        row[f"iv30_{short}"] = _at(overview, "iv30", clock, day)
        row[f"atm_iv_{short}"] = _at(outside, "atm_iv", clock, day)
    traded = floats(overview, "spot")[~overview["spot_unreliable"].to_numpy(dtype=bool)]
    row["realised_vol_day"] = volatility(traded, 1 / _SESSIONS_A_YEAR)
    row |= _compared(row, day.trade_date, day.calendar, earlier)
    return row | _futures(futures, overview, day) | _open_interest(overview, mine, legs)


def _compared(
    row: Mapping[str, Any], trade_date: date, calendar: TradingCalendar, earlier: pd.DataFrame
) -> dict[str, Any]:
    numbers = _realised(row, trade_date, calendar, earlier)
    for short, column in (("iv30", "iv30_1500"), ("vix", "vix_close")):
        place = standing(row[column], floats(earlier, column))
        numbers |= {f"{short}_{key}": value for key, value in place._asdict().items()}
    numbers["iv30_less_realised"] = row["iv30_1500"] - numbers["realised_vol_20"]
    numbers["vix_less_realised"] = row["vix_close"] / 100 - numbers["realised_vol_20"]
    return numbers


def _realised(
    row: Mapping[str, Any], trade_date: date, calendar: TradingCalendar, earlier: pd.DataFrame
) -> dict[str, Any]:
    known = earlier[earlier["spot_close"].notna()].tail(REALISED_DAYS)
    numbers = {"realised_vol_20": math.nan, "parkinson_vol_20": math.nan, "realised_days_used": len(known)}
    if len(known) < REALISED_DAYS:
        return numbers
    sessions = len(calendar.sessions(known["trade_date"].iloc[0].date() + timedelta(days=1), trade_date))
    if sessions > REALISED_SPAN or math.isnan(row["spot_close"]):
        return numbers
    closes = np.append(floats(known, "spot_close"), row["spot_close"])
    high, low = (np.append(floats(known, name)[1:], row[name]) for name in ("spot_high", "spot_low"))
    # A return across days that are not stored is of more than one session.
    numbers["realised_vol_20"] = volatility(closes, sessions / _SESSIONS_A_YEAR)
    numbers["parkinson_vol_20"] = parkinson(high, low)
    return numbers


def _futures(futures: pd.DataFrame, overview: pd.DataFrame, day: TradingDay) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    spot = _at(overview, "spot", _TIMES["1500"], day)
    for which in ("near", "next"):
        expiry = overview[f"future_{which}_expiry"].dropna()
        mine = futures[futures["expiry"] == expiry.iloc[-1]] if len(expiry) else futures[:0]
        oi = _last(floats(mine.sort_values(["snapshot_at", "received_at"]), "oi"))
        price = _at(overview, f"future_{which}", _TIMES["1500"], day)
        years = _years(day, expiry.iloc[-1].date()) if len(expiry) else math.nan
        numbers[f"future_{which}_oi"] = oi
        numbers[f"basis_{which}_annualised"] = math.log(price / spot) / years if price > 0 and spot > 0 else math.nan
    both = numbers["future_near_oi"] + numbers["future_next_oi"]
    numbers["rollover"] = numbers["future_next_oi"] / both if both > 0 else math.nan
    return numbers


def _years(day: TradingDay, expiry: date) -> float:
    left = day.calendar.settlement_fixed_at(expiry) - day.session.open.replace(hour=15, minute=0, second=0)
    return left / _YEAR if left >= timedelta(days=1) else math.nan


def _open_interest(overview: pd.DataFrame, front: pd.DataFrame, legs: pd.DataFrame) -> dict[str, Any]:
    as_of = front["oi_as_of"].max()
    numbers: dict[str, Any] = {
        "call_oi": _last(floats(overview, "call_oi")),
        "put_oi": _last(floats(overview, "put_oi")),
        "front_call_oi": _last(floats(front, "call_oi")),
        "front_put_oi": _last(floats(front, "put_oi")),
        "oi_as_of": as_of,
    }
    full = legs[legs["snapshot_at"] == as_of]
    for side, kind in (("call", "CE"), ("put", "PE")):
        rows = full[(full["option_type"] == kind) & (full["oi"].fillna(0) > 0)].sort_values("strike")
        strike = float(rows["strike"].iloc[int(np.argmax(floats(rows, "oi")))]) if len(rows) else math.nan
        numbers[f"largest_{side}_oi_strike"] = strike
    return numbers


def _of(frame: pd.DataFrame, underlying: str) -> pd.DataFrame:
    return frame[frame["underlying"] == underlying].sort_values("snapshot_at", kind="stable")


def _at(frame: pd.DataFrame, column: str, clock: time, day: TradingDay) -> float:
    # The last snapshot at or before the time; an old one is not the value of that time.
    at = instants(frame, "snapshot_at")
    wanted = wall_clock(day.session.open).astype("datetime64[D]") + _since_midnight(clock)
    slack = max(_SLACK, timedelta(seconds=day.conventions.interval_seconds))
    chosen = np.flatnonzero((at <= wanted) & (at > wanted - np.timedelta64(slack)))
    return float(floats(frame, column)[chosen[-1]]) if len(chosen) else math.nan


def _since_midnight(clock: time) -> np.timedelta64:
    return np.timedelta64(clock.hour * 3600 + clock.minute * 60 + clock.second, "s").astype("timedelta64[us]")


def _bar(name: str, values: _Floats) -> dict[str, float]:
    return {
        f"{name}_open": _first(values),
        f"{name}_high": _most(values),
        f"{name}_low": -_most(-values),
        f"{name}_close": _last(values),
    }


def _first(values: _Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known[0]) if len(known) else math.nan


def _last(values: _Floats) -> float:
    return _first(values[::-1])


def _most(values: _Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else math.nan
