"""The SQL of the macros that set things side by side: rows of your own and the market, calls and puts, expiries.

Macros that answer from one chain or one day's totals are in `warehouse_macros` and `warehouse_analytics`.
"""

# ruff: noqa: S608 - every part is our own schema, a number, or text quoted by `literal`

from collections.abc import Iterator

from g6_market.schema import CONVENTIONS, EXPIRY_OVERVIEW, OPTION_CHAIN
from g6_resources.warehouse_macros import day_rows, labels_on, macro, wanted
from g6_resources.warehouse_views import MIXED_SOURCE, Layout, generation, series_sides

_DAY = "CAST(day AS DATE)"
_INSTANT = "CAST(instant AS TIMESTAMP)"
_INSTANT_DAY = f"CAST({_INSTANT} AS DATE)"


def join_statements(layout: Layout) -> Iterator[str]:
    """Yield the statements that make the macros, each with a comment."""
    yield from _with("overview", "underlying", "overview of that index")
    yield from _with("chain", "tradingsymbol", "option_chain of that contract", view="option_chain")
    yield from _offset_series(layout)
    yield from _iv_surface(layout)


def _with(name: str, key: str, what: str, view: str | None = None) -> Iterator[str]:
    # Rows of yours on the left: DuckDB knows how many they are, and so plans the as-of join well by itself. Equal days,
    # since the last snapshot of yesterday says nothing of this morning; the conditions IN keep the files of other days
    # closed, which the join's own do not.
    yield from macro(
        f"with_{name}(your_table)",
        f"""SELECT yours.*, market.* EXCLUDE (trade_date, {key})
FROM query_table(your_table) AS yours
ASOF LEFT JOIN (
  SELECT * FROM {view or name}
  WHERE trade_date IN (SELECT CAST(instant AS DATE) FROM query_table(your_table))
    AND {key} IN (SELECT {key} FROM query_table(your_table))
) AS market
  ON yours.{key} = market.{key} AND CAST(yours.instant AS DATE) = market.trade_date
  AND yours.instant >= market.snapshot_at
ORDER BY yours.instant""",
        f"Rows of a table of yours that has {key} and instant (a TIMESTAMP, IST), beside the row of the {what} at the "
        f"last snapshot at or before; null: that day has none yet. with_{name}('trades')",
    )


def _offset_series(layout: Layout) -> Iterator[str]:
    yield from macro(
        "offset_series(index_name, tag, strike_offset, day)",
        f"""WITH {wanted(labels_on(layout, _DAY))},
reference AS MATERIALIZED (
  SELECT any_value(atm_reference) AS atm_reference FROM {day_rows(CONVENTIONS, layout, _DAY, None)}
), legs AS (
  SELECT * FROM {day_rows(OPTION_CHAIN, layout, _DAY, "index_name")} AS c
  WHERE underlying = index_name AND expiry = (SELECT expiry FROM wanted) AND CAST(strike_offset AS INTEGER)
    = CASE (SELECT atm_reference FROM reference) WHEN 'spot' THEN c.spot_strike_offset ELSE c.strike_offset END
)
SELECT trade_date, snapshot_at, underlying, expiry, CAST(strike_offset AS SMALLINT) AS strike_offset, strike,
  coalesce(strike <> lag(strike) OVER (ORDER BY snapshot_at), false) AS rolled,
  {series_sides()},
  call_price + put_price AS straddle, any_value(iv) AS iv, any_value(gamma) AS gamma,
  any_value(forward) AS forward, any_value(spot) AS spot, {MIXED_SOURCE} AS source
FROM legs GROUP BY trade_date, snapshot_at, underlying, expiry, strike
UNION ALL BY NAME {generation(layout)}
ORDER BY snapshot_at""",
        "Call and put side by side at a rank from the money through a day, 0 being at the money as the day's "
        "atm_reference says; the contract changes when rolled. offset_series('NIFTY', 'this_week', 1, '2026-11-20')",
    )


def _iv_surface(layout: Layout) -> Iterator[str]:
    rows = day_rows(OPTION_CHAIN, layout, _INSTANT_DAY, "index_name")
    chains = day_rows(EXPIRY_OVERVIEW, layout, _INSTANT_DAY, "index_name", "snapshot_at, underlying")
    yield from macro(
        "iv_surface(index_name, instant)",
        f"""WITH latest AS MATERIALIZED (
  SELECT max(snapshot_at) AS snapshot_at FROM {chains} WHERE underlying = index_name AND snapshot_at <= {_INSTANT}
)
SELECT trade_date, snapshot_at, expiry, any_value(t_years) * 365 AS days, strike, strike_offset,
  any_value(forward) AS forward, ln(strike / any_value(forward)) AS log_moneyness, any_value(iv) AS iv
FROM {rows} WHERE underlying = index_name AND snapshot_at = (SELECT snapshot_at FROM latest)
GROUP BY trade_date, snapshot_at, expiry, strike, strike_offset HAVING any_value(iv) IS NOT NULL
UNION ALL BY NAME {generation(layout)}
ORDER BY expiry, strike""",
        "Implied volatility by expiry and strike as of an instant, of the out-of-the-money leg, where there is one: "
        "iv_surface('NIFTY', '2026-11-20 10:00')",
    )
