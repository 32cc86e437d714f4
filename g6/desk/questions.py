"""What the page asks, as SQL over the shipped macros; each answer is columns ready for JSON.

Instants travel as seconds of the day (Indian wall clock), dates as text. Numbers are rounded to what a person can see,
here and nowhere else. Which parameters are allowed is checked in `asked`.
"""

# ruff: noqa: S608 - every part is text of this module; what a browser sends travels as parameters

from datetime import date
from itertools import groupby
from typing import Any

from g6.desk.store import Columns, Store

_SIDES = {"call": "CE", "put": "PE"}


def _second(column: str) -> str:
    return f"(epoch({column})::BIGINT % 86400)::INTEGER"


_LABELS = """
SELECT underlying, CAST(expiry AS VARCHAR) AS expiry, string_agg(expiry_tag, ',') AS tags,
  any_value(trading_days_to_expiry) AS sessions_left
FROM expiries_on($day) GROUP BY ALL ORDER BY underlying, expiry"""

_SPOTS = f"""
SELECT underlying, {_second("snapshot_at")} AS second, round(spot, 2) AS spot, round(net_change, 2) AS change,
  round(net_change_percent, 2) AS percent, round(india_vix, 2) AS vix, spot_unreliable
FROM overview_on($day)"""

_DUE = f"""
SELECT {_second("first_due")} AS first, {_second("last_due")} AS last, interval_seconds AS step
FROM expected_sessions WHERE trade_date = $day ORDER BY 1"""

_LEG = {
    "price": "round(max(price) FILTER (WHERE option_type = '{kind}'), 2)",
    "last": "max(last_price) FILTER (WHERE option_type = '{kind}')",
    "bid": "max(bid_price) FILTER (WHERE option_type = '{kind}')",
    "ask": "max(ask_price) FILTER (WHERE option_type = '{kind}')",
    "bid_quantity": "max(bid_quantity) FILTER (WHERE option_type = '{kind}')",
    "ask_quantity": "max(ask_quantity) FILTER (WHERE option_type = '{kind}')",
    "volume": "max(volume) FILTER (WHERE option_type = '{kind}')",
    "iv": "round(max(iv_own) FILTER (WHERE option_type = '{kind}'), 5)",
    "delta": "round(max(delta) FILTER (WHERE option_type = '{kind}'), 3)",
    "gamma": "round(max(gamma) FILTER (WHERE option_type = '{kind}'), 6)",
    "theta": "round(max(theta) FILTER (WHERE option_type = '{kind}'), 2)",
    "vega": "round(max(vega) FILTER (WHERE option_type = '{kind}'), 2)",
}
_LEGS = ",\n    ".join(
    f"{expression.format(kind=kind)} AS {side}_{name}"
    for side, kind in _SIDES.items()
    for name, expression in _LEG.items()
)
_MOVES = ", ".join(
    f"any_value({column}) FILTER (WHERE option_type = '{kind}') AS {side}_{name}"
    for side, kind in _SIDES.items()
    for name, column in (
        ("change", "round(price_change_close, 2)"),
        ("oi_change_close", "oi_change_close"),
        ("build_up", "build_up_15m"),
    )
)
_OI = ", ".join(f"{side}_oi, {side}_oi_change_15m, {side}_oi_change_open" for side in _SIDES)

_CHAIN = f"""
WITH here AS (
  SELECT strike, max({_second("snapshot_at")}) AS second, max(source) AS source, round(max(iv), 5) AS iv,
    max(iv_reason) AS iv_reason,
    {_LEGS}
  FROM chain($index, $expiry, $instant) GROUP BY strike
), moves AS (
  SELECT strike, {_MOVES} FROM build_up($index, $expiry, $instant) GROUP BY strike
)
SELECT strike, strike_offset AS rank, {_OI}, here.* EXCLUDE (strike), moves.* EXCLUDE (strike)
FROM oi_by_strike($index, $expiry, $instant) LEFT JOIN here USING (strike) LEFT JOIN moves USING (strike)
ORDER BY strike"""

_TERM = f"""
SELECT {_second("snapshot_at")} AS second, CAST(expiry AS VARCHAR) AS expiry, tags, round(days, 2) AS days,
  round(forward, 2) AS forward, round(straddle, 2) AS straddle,
  round(coalesce(expected_move, forward * atm_iv * sqrt(t_years)), 1) AS expected_move,
  {", ".join(f"round({name}, 5) AS {name}" for name in ("atm_iv", "iv_trading", "call_iv_25", "put_iv_25"))},
  {", ".join(f"round({name}, 5) AS {name}" for name in ("risk_reversal_25", "butterfly_25", "forward_vol"))}
FROM term_structure($index, $instant)"""

_SMILE = f"""
SELECT {_second("snapshot_at")} AS second, strike, strike_offset AS rank, round(iv, 5) AS iv,
  round(call_iv, 5) AS call_iv, round(put_iv, 5) AS put_iv
FROM iv_smile($index, $expiry, $instant) WHERE coalesce(iv, call_iv, put_iv) IS NOT NULL"""

_COURSE = f"""
SELECT {_second("s.snapshot_at")} AS second, round(s.spot, 2) AS spot, round(s.forward, 2) AS forward,
  s.atm_strike, round(s.straddle, 2) AS straddle, round(s.atm_iv, 5) AS iv, round(s.iv_trading, 5) AS iv_trading,
  f.strike AS fixed_strike, round(f.straddle, 2) AS fixed_straddle, round(f.vwap, 2) AS vwap,
  round(p.pcr_oi, 3) AS pcr_oi, round(p.pcr_volume, 3) AS pcr_volume, round(p.pcr_oi_near, 3) AS pcr_oi_near,
  m.max_pain, {_second("p.oi_as_of")} AS oi_second
FROM straddle($index, $expiry, $day) s
LEFT JOIN fixed_straddle($index, $expiry, $day) f USING (snapshot_at)
LEFT JOIN pcr($index, $expiry, $day) p USING (snapshot_at)
LEFT JOIN max_pain($index, $expiry, $day) m USING (snapshot_at)
ORDER BY 1"""

_OVERLAY = f"""
SELECT {_second("snapshot_at")} AS second, round(straddle_mean, 2) AS straddle, straddle_days AS days,
  round(fixed_straddle_mean, 2) AS fixed_straddle, round(iv_mean, 5) AS iv
FROM weekday_overlay($index, $expiry, 0, $day)"""


def days(store: Store) -> dict[str, Any]:
    """Return the days of the world."""
    return {"day": [on.isoformat() for on in store.days()]}


def day(store: Store, on: date) -> dict[str, Any]:
    """Return what belongs to a whole day: due times, expiries by index, and each index's value through it."""
    rows = store.ask(_SPOTS, day=on)
    spots: dict[str, Columns] = {}
    for name, places in groupby(range(len(rows["underlying"])), key=rows["underlying"].__getitem__):
        chosen = list(places)
        spots[name] = {key: [values[place] for place in chosen] for key, values in rows.items() if key != "underlying"}
    labels = store.ask(_LABELS, day=on)
    return {"day": on.isoformat(), "due": store.ask(_DUE, day=on), "expiries": labels, "spots": spots}


def chain(store: Store, index: str, expiry: str, instant: str) -> dict[str, Any]:
    """Return the chain by strike as of an instant, with open interest and its changes, and the term structure."""
    return {
        "chain": store.ask(_CHAIN, index=index, expiry=expiry, instant=instant),
        "term": store.ask(_TERM, index=index, instant=instant),
    }


def smiles(store: Store, index: str, instant: str) -> dict[str, Columns]:
    """Return the smile of each expiry as of an instant."""
    expiries = store.ask(_TERM, index=index, instant=instant)["expiry"]
    return {expiry: store.ask(_SMILE, index=index, expiry=expiry, instant=instant) for expiry in expiries}


def course(store: Store, index: str, expiry: str, on: date) -> Columns:
    """Return straddle, volatility, put-call ratios and max pain of one expiry through a day."""
    return store.ask(_COURSE, index=index, expiry=expiry, day=on)


def overlay(store: Store, index: str, label: str, on: date) -> Columns:
    """Return the mean course of the earlier days that are like a day."""
    return store.ask(_OVERLAY, index=index, expiry=label, day=on)
