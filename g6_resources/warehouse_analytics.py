"""The SQL of the table macros about a day's course: build-up, open interest by strike, smile, term structure, series.

What a single snapshot says is stored (`g6_market`); what compares snapshots is asked for here, each question read from
the one file of that index and day (build-up also from the day's reference and instruments). Arguments are constants,
as in `warehouse_macros`.
"""

# ruff: noqa: S608 - every part is our own schema, a number, or text quoted by `literal`

from collections.abc import Iterator

from g6_market.schema import EXPIRY_OVERVIEW, INSTRUMENTS, OPTION_CHAIN, REFERENCE
from g6_resources.warehouse_macros import day_rows, labels_on, macro, wanted
from g6_resources.warehouse_views import Layout, generation

_INSTANT = "CAST(instant AS TIMESTAMP)"
_INSTANT_DAY = f"CAST({_INSTANT} AS DATE)"
_DAY = "CAST(day AS DATE)"
# A contract outside the window is seen on full chains only; a base older than this beyond its age would be another one.
_SLACK_MINUTES = 5
_BUILD_UP_MINUTES = 15
_OI_MINUTES = (5, 15, 60)
_TERM = (
    "t_years, t_years * 365 AS days, forward, atm_iv, iv_trading, straddle, expected_move, call_iv_25, put_iv_25, "
    "risk_reversal_25, butterfly_25, forward_vol, implied_rate, settlement_window"
)


def analytics_statements(layout: Layout) -> Iterator[str]:
    """Yield the statements that make the macros, each with a comment."""
    yield from _build_up(layout)
    yield from _oi_by_strike(layout)
    yield from _at_an_instant(layout)
    yield from _through_a_day(layout)


def build_up_class(price_change: str, oi_change: str) -> str:
    """Return the expression that names a build-up; null where a change, the tick or the lot is unknown."""
    # The millionth absorbs the binary rounding of decimal prices.
    return f"""CASE
    WHEN {price_change} IS NULL OR {oi_change} IS NULL OR tick_size IS NULL OR lot_size IS NULL THEN NULL
    WHEN abs({price_change}) < tick_size - 1e-6 OR abs({oi_change}) < lot_size THEN 'unchanged'
    WHEN {price_change} > 0 AND {oi_change} > 0 THEN 'long_build_up'
    WHEN {price_change} > 0 THEN 'short_covering'
    WHEN {oi_change} > 0 THEN 'short_build_up'
    ELSE 'long_unwinding' END"""


def _legs(layout: Layout) -> str:
    # The day's rows of one expiry up to the instant, and the latest snapshot among them.
    return f"""{wanted(labels_on(layout, _INSTANT_DAY))},
legs AS MATERIALIZED (
  SELECT trade_date, snapshot_at, expiry, strike, option_type, tradingsymbol, strike_offset, oi,
    coalesce(price, last_price) AS price
  FROM {day_rows(OPTION_CHAIN, layout, _INSTANT_DAY, "index_name")}
  WHERE underlying = index_name AND expiry = (SELECT expiry FROM wanted) AND snapshot_at <= {_INSTANT}
), latest AS MATERIALIZED (SELECT max(snapshot_at) AS now FROM legs)"""


def _before(minutes: int) -> str:
    return (
        f"(WHERE snapshot_at <= now - INTERVAL {minutes} MINUTE "
        f"AND snapshot_at > now - INTERVAL {minutes + _SLACK_MINUTES} MINUTE)"
    )


def _build_up(layout: Layout) -> Iterator[str]:
    minutes = _BUILD_UP_MINUTES
    row = "{'seen_at': snapshot_at, 'price': price, 'oi': oi, 'strike_offset': strike_offset}"
    by_close = build_up_class("price_change_close", "oi_change_close")
    by_minutes = build_up_class(f"price_change_{minutes}m", f"oi_change_{minutes}m")
    yield from macro(
        "build_up(index_name, tag, instant)",
        f"""WITH {_legs(layout)},
moved AS (
  SELECT *, lag(oi IGNORE NULLS) OVER (PARTITION BY tradingsymbol ORDER BY snapshot_at) AS oi_before FROM legs
), contracts AS (
  SELECT trade_date, expiry, strike, option_type, tradingsymbol,
    arg_max({row}, snapshot_at) AS here,
    arg_max({row}, snapshot_at) FILTER {_before(minutes)} AS base,
    max(snapshot_at) FILTER (WHERE oi <> oi_before) AS oi_changed_at
  FROM moved, latest GROUP BY ALL
), changes AS (
  SELECT c.*, i.lot_size, i.tick_size, here.price - r.previous_close AS price_change_close,
    here.oi - r.previous_oi AS oi_change_close, here.price - base.price AS price_change_{minutes}m,
    here.oi - base.oi AS oi_change_{minutes}m
  FROM contracts c
  LEFT JOIN {day_rows(REFERENCE, layout, _INSTANT_DAY, "index_name")} r USING (tradingsymbol)
  LEFT JOIN {day_rows(INSTRUMENTS, layout, _INSTANT_DAY, "index_name")} i USING (tradingsymbol)
)
SELECT trade_date, here.seen_at AS snapshot_at, expiry, strike, option_type, here.strike_offset AS strike_offset,
  tradingsymbol, here.price AS price, here.oi AS oi,
  price_change_close, oi_change_close, {by_close} AS build_up_close,
  price_change_{minutes}m, oi_change_{minutes}m, {by_minutes} AS build_up_{minutes}m, oi_changed_at
FROM changes
UNION ALL BY NAME {generation(layout)}
ORDER BY strike, option_type""",
        "Who builds up what, per contract, from its own price (mid, else last) and open interest: against the previous "
        f"close and over {minutes} minutes. long_build_up, short_covering, short_build_up, long_unwinding; "
        "unchanged below one lot or one tick; null: one of the four numbers is unknown. oi_changed_at: when the open "
        "interest last moved on that day. snapshot_at: of the contract's last row, which outside the window is that of "
        "a full chain. build_up('NIFTY', 'this_week', '2026-11-20 10:00')",
    )


def _oi_by_strike(layout: Layout) -> Iterator[str]:
    changes = {f"{n}m": f"arg_max(oi, snapshot_at) FILTER {_before(n)}" for n in _OI_MINUTES}
    bases = ", ".join(f"{base} AS oi_{name}" for name, base in changes.items())
    columns = ",\n  ".join(
        [
            *(f"{_side(side, 'oi')} AS {side}_oi" for side in _SIDES),
            *(f"{_side(side, f'oi - oi_{n}')} AS {side}_oi_change_{n}" for side in _SIDES for n in (*changes, "open")),
        ]
    )
    yield from macro(
        "oi_by_strike(index_name, tag, instant)",
        f"""WITH {_legs(layout)},
contracts AS (
  SELECT trade_date, expiry, strike, option_type, tradingsymbol, max(snapshot_at) AS snapshot_at,
    arg_max(strike_offset, snapshot_at) AS strike_offset, arg_max(oi, snapshot_at) AS oi, {bases}
  FROM legs, latest GROUP BY ALL
), known AS (
  SELECT c.*, r.opening_oi AS oi_open
  FROM contracts c LEFT JOIN {day_rows(REFERENCE, layout, _INSTANT_DAY, "index_name")} r USING (tradingsymbol)
)
SELECT trade_date, max(snapshot_at) AS snapshot_at, expiry, strike, max_by(strike_offset, snapshot_at) AS strike_offset,
  {columns}
FROM known GROUP BY trade_date, expiry, strike
UNION ALL BY NAME {generation(layout)}
ORDER BY strike""",
        "Open interest by strike as of an instant, in units, and its change over 5, 15 and 60 minutes and since the "
        "open; null: not known then. snapshot_at: of the strike's last row. "
        "oi_by_strike('NIFTY', 'this_week', '2026-11-20 10:00')",
    )


def _at_an_instant(layout: Layout) -> Iterator[str]:
    labels = labels_on(layout, _INSTANT_DAY)
    yield from macro(
        "term_structure(index_name, instant)",
        f"""WITH chains AS MATERIALIZED (
  SELECT * FROM {day_rows(EXPIRY_OVERVIEW, layout, _INSTANT_DAY, "index_name")}
  WHERE underlying = index_name AND snapshot_at <= {_INSTANT}
), labels AS (
  SELECT expiry, string_agg(expiry_tag, ', ' ORDER BY expiry_tag DESC) AS tags
  FROM {labels} WHERE underlying = index_name GROUP BY expiry
)
SELECT trade_date, snapshot_at, expiry, tags, {_TERM}
FROM chains LEFT JOIN labels USING (expiry) WHERE snapshot_at = (SELECT max(snapshot_at) FROM chains)
UNION ALL BY NAME {generation(layout)}
ORDER BY expiry""",
        "Volatility by expiry as of an instant: term_structure('NIFTY', '2026-11-20 10:00')",
    )
    yield from macro(
        "iv_smile(index_name, tag, instant)",
        f"""WITH {wanted(labels)},
legs AS MATERIALIZED (
  SELECT * FROM {day_rows(OPTION_CHAIN, layout, _INSTANT_DAY, "index_name")}
  WHERE underlying = index_name AND expiry = (SELECT expiry FROM wanted) AND snapshot_at <= {_INSTANT}
)
SELECT trade_date, snapshot_at, expiry, strike, strike_offset, forward, ln(strike / forward) AS log_moneyness,
  max(iv) AS iv, {_side("call", "iv_own")} AS call_iv, {_side("put", "iv_own")} AS put_iv,
  {_side("call", "delta")} AS call_delta, {_side("put", "delta")} AS put_delta, max(iv_reason) AS iv_reason
FROM legs WHERE snapshot_at = (SELECT max(snapshot_at) FROM legs)
GROUP BY trade_date, snapshot_at, expiry, strike, strike_offset, forward
UNION ALL BY NAME {generation(layout)}
ORDER BY strike""",
        "Volatility by strike as of an instant: iv of the out-of-the-money leg, and each leg's own. "
        "iv_smile('NIFTY', 'this_week', '2026-11-20 10:00')",
    )


def _through_a_day(layout: Layout) -> Iterator[str]:
    wanted_expiry = wanted(labels_on(layout, _DAY))
    yield from macro(
        "fixed_straddle(index_name, tag, day, from_time := '09:20')",
        f"""WITH {wanted_expiry},
legs AS MATERIALIZED (
  SELECT * FROM {day_rows(OPTION_CHAIN, layout, _DAY, "index_name")}
  WHERE underlying = index_name AND expiry = (SELECT expiry FROM wanted)
), chosen AS MATERIALIZED (
  SELECT arg_min(strike, snapshot_at) AS strike
  FROM legs WHERE strike_offset = 0 AND CAST(snapshot_at AS TIME) >= CAST(from_time AS TIME)
)
SELECT trade_date, snapshot_at, expiry, strike, forward, {_side("call", "price")} AS call_price,
  {_side("put", "price")} AS put_price, call_price + put_price AS straddle,
  {_side("call", "average_price")} + {_side("put", "average_price")} AS vwap, max(iv) AS iv
FROM legs WHERE strike = (SELECT strike FROM chosen)
GROUP BY trade_date, snapshot_at, expiry, strike, forward
UNION ALL BY NAME {generation(layout)}
ORDER BY snapshot_at""",
        "Straddle of the strike that was at the money (nearest the forward) at from_time, through the day, beside "
        "its session VWAP (average price of the call plus that of the put); null: a leg has no price. "
        "fixed_straddle('NIFTY', 'this_week', '2026-11-20', from_time := '10:00')",
    )
    for name, columns, comment in (
        ("max_pain", "max_pain, max_pain_near, forward, spot", "Max pain of one expiry through a day"),
        ("pcr", "pcr_oi, pcr_volume, pcr_oi_near, pcr_volume_near", "Put-call ratios of one expiry through a day"),
    ):
        read = f"trade_date, snapshot_at, underlying, expiry, {columns}, oi_as_of"
        yield from macro(
            f"{name}(index_name, tag, day)",
            f"""WITH {wanted_expiry}
SELECT trade_date, snapshot_at, expiry, {columns}, oi_as_of
FROM {day_rows(EXPIRY_OVERVIEW, layout, _DAY, "index_name", read)}
WHERE underlying = index_name AND expiry = (SELECT expiry FROM wanted)
UNION ALL BY NAME {generation(layout)}
ORDER BY snapshot_at""",
            f"{comment}: {name}('NIFTY', 'this_week', '2026-11-20')",
        )


_SIDES = {"call": "CE", "put": "PE"}


def _side(side: str, expression: str) -> str:
    return f"max({expression}) FILTER (WHERE option_type = '{_SIDES[side]}')"
