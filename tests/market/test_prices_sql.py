"""Price, forward, strike at the money and volatility of a recorded day, computed again in plain SQL from its quotes."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from recorded_store import KEYS, assert_agrees

pytestmark = pytest.mark.reference

# The normal distribution to 1e-14 (West, 2005), so that plain SQL can solve for a volatility.
NORMAL = """
CREATE OR REPLACE TEMP MACRO upper_tail(x) AS CASE WHEN x > 37 THEN 0
  WHEN x < 7.07106781186547 THEN exp(-0.5 * x * x) * ((((((3.52624965998911e-2 * x + 0.700383064443688) * x
      + 6.37396220353165) * x + 33.912866078383) * x + 112.079291497871) * x + 221.213596169931) * x + 220.206867912376)
    / (((((((8.83883476483184e-2 * x + 1.75566716318264) * x + 16.064177579207) * x + 86.7807322029461) * x
      + 296.564248779674) * x + 637.333633378831) * x + 793.826512519948) * x + 440.413735824752)
  ELSE exp(-0.5 * x * x) / (x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + 0.65))))) / 2.506628274631 END;
CREATE OR REPLACE TEMP MACRO normal(x) AS CASE WHEN x > 0 THEN 1 - upper_tail(x) ELSE upper_tail(-x) END"""

# Every leg as received, and its price by the spread rule. Where the spread is over 2 % of the mid and over two ticks,
# the volatility that the mid implies is bisected for, since its vega decides.
PRICES = """WITH RECURSIVE received AS (
  SELECT underlying, expiry, snapshot_at, strike, option_type, last_price, o.forward AS f, tick_size,
    (bid_price + ask_price) / 2 AS mid, ask_price - bid_price AS spread, coalesce(bid_price < ask_price, false) AS book,
    epoch_us(settlement_fixed_at - snapshot_at) / 31536e9 AS t, exp(-risk_free_rate * t) AS discount,
    coalesce(last_trade_at > snapshot_at - INTERVAL 1 MINUTE AND last_trade_at <= received_at, false) AS traded
  FROM quotes JOIN expiry_overview o USING (underlying, expiry, snapshot_at)
  JOIN (SELECT DISTINCT underlying, expiry, settlement_fixed_at FROM expiries) USING (underlying, expiry)
  JOIN (SELECT tradingsymbol, tick_size FROM instruments) USING (tradingsymbol),
    (SELECT risk_free_rate FROM conventions)
  WHERE strike IS NOT NULL
), legs AS (
  SELECT *, spread <= 0.02 * mid OR spread <= 2 * tick_size + 1e-6 AS narrow FROM received
), bisected AS (
  SELECT underlying, expiry, snapshot_at, strike, option_type, f, t,
    mid / discount - greatest(if(option_type = 'CE', f - strike, strike - f), 0) AS time_value,
    0 AS n, 0.0005::DOUBLE AS low, 3.0::DOUBLE AS high
  FROM legs WHERE book AND NOT narrow AND f IS NOT NULL
  UNION ALL
  SELECT underlying, expiry, snapshot_at, strike, option_type, f, t, time_value, n + 1,
    CASE WHEN value < time_value THEN sigma ELSE low END, CASE WHEN value < time_value THEN high ELSE sigma END
  FROM (SELECT *, (low + high) / 2 AS sigma, (ln(f / strike) + sigma * sigma * t / 2) / (sigma * sqrt(t)) AS d,
      if(strike >= f, f * normal(d) - strike * normal(d - sigma * sqrt(t)),
        strike * normal(sigma * sqrt(t) - d) - f * normal(-d)) AS value
    FROM bisected WHERE n < 24)
), vegas AS (
  SELECT underlying, expiry, snapshot_at, strike, option_type, f * sqrt(t) / 100 / sqrt(2 * pi())
    * exp(-0.5 * pow((ln(f / strike) + low * low * t / 2) / (low * sqrt(t)), 2)) AS vega_forward
  FROM bisected WHERE n = 24 AND time_value > 0
), prices AS (
  SELECT l.underlying, l.expiry, l.snapshot_at, l.strike, l.option_type, f,
    book AND coalesce(narrow OR spread <= 2 * discount * vega_forward, false) AS sane,
    CASE WHEN sane THEN mid WHEN traded THEN last_price END AS price,
    CASE WHEN sane THEN 'mid' WHEN traded AND last_price IS NOT NULL THEN 'last' END AS source
  FROM legs l LEFT JOIN vegas USING (underlying, expiry, snapshot_at, strike, option_type)
)"""


@pytest.fixture(scope="module")
def prices(db: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    db.execute(NORMAL)
    return db.sql(f"{PRICES} SELECT * FROM prices").df()


def test_every_legs_price_by_the_spread_rule(db: duckdb.DuckDBPyConnection, prices: pd.DataFrame) -> None:
    stored = db.sql(f"SELECT {', '.join([*KEYS, 'strike', 'option_type'])}, price, price_source FROM option_chain").df()
    both = stored.merge(prices, on=[*KEYS, "strike", "option_type"], suffixes=("", "_sql"), validate="one_to_one")
    assert len(both) == len(stored) == len(prices) > 350_000
    assert both["price_source"].value_counts().min() > 50  # where a book is wide, few trade
    pd.testing.assert_series_equal(both["price_source"], both["source"], check_names=False)
    np.testing.assert_allclose(both["price"], both["price_sql"], rtol=1e-9, atol=0)


def test_every_straddle_at_the_listed_strike_nearest_the_forward(
    db: duckdb.DuckDBPyConnection, prices: pd.DataFrame
) -> None:
    db.register("leg_prices", prices)
    query = """WITH atm AS (
      SELECT o.underlying, o.expiry, o.snapshot_at, arg_min(k.strike, (abs(k.strike - o.forward), k.strike)) AS strike
      FROM expiry_overview o JOIN (SELECT DISTINCT underlying, expiry, strike FROM instruments) k
        USING (underlying, expiry) GROUP BY ALL)
    SELECT underlying, expiry, snapshot_at, strike AS atm_strike,
      CASE WHEN count(price) = 2 THEN sum(price) END AS straddle
    FROM atm JOIN leg_prices USING (underlying, expiry, snapshot_at, strike) GROUP BY ALL"""
    assert_agrees(db, ["atm_strike", "straddle"], query, least=1600)


CHAIN = "underlying, expiry, snapshot_at"
# Call and put side by side, by rank in the listed ladder; a mid is that of any book with two sides in order.
PAIRS = f"""WITH ladder AS (
  SELECT underlying, expiry, strike, row_number() OVER (PARTITION BY underlying, expiry ORDER BY strike) AS rank
  FROM (SELECT DISTINCT underlying, expiry, strike FROM instruments WHERE strike IS NOT NULL)
), legs AS (
  SELECT {CHAIN}, strike, option_type, tick_size,
    if(bid_price < ask_price, (bid_price + ask_price) / 2, NULL) AS mid,
    if(bid_price < ask_price, ask_price - bid_price, NULL) AS spread,
    CASE WHEN last_trade_at > snapshot_at - INTERVAL 1 MINUTE AND last_trade_at <= received_at
      THEN last_price END AS last
  FROM quotes JOIN (SELECT tradingsymbol, tick_size FROM instruments) USING (tradingsymbol) WHERE strike IS NOT NULL
), pairs AS (
  SELECT {CHAIN}, strike, l.rank, any_value(tick_size) AS tick, any_value(risk_free_rate) AS r,
    any_value(epoch_us(settlement_fixed_at - snapshot_at)) / 31536e9 AS t,
    max(mid) FILTER (WHERE option_type = 'CE') AS call, max(mid) FILTER (WHERE option_type = 'PE') AS put,
    max(spread) FILTER (WHERE option_type = 'CE') AS call_spread,
    max(spread) FILTER (WHERE option_type = 'PE') AS put_spread,
    max(last) FILTER (WHERE option_type = 'CE') AS call_last, max(last) FILTER (WHERE option_type = 'PE') AS put_last
  FROM legs JOIN ladder l USING (underlying, expiry, strike)
  JOIN (SELECT DISTINCT underlying, expiry, settlement_fixed_at FROM expiries) USING (underlying, expiry),
    (SELECT risk_free_rate FROM conventions)
  GROUP BY ALL
), centre_0 AS (
  SELECT {CHAIN}, arg_min(strike, order_by) AS strike, arg_min(rank, order_by) AS rank
  FROM (SELECT *, CASE
      WHEN sane(call, call_spread, strike, t, tick) AND sane(put, put_spread, strike, t, tick)
        THEN (0, abs(call - put), strike)
      WHEN call - put IS NOT NULL THEN (1, abs(call - put), strike)
      WHEN call_last - put_last IS NOT NULL THEN (2, abs(call_last - put_last), strike) END AS order_by FROM pairs)
  WHERE order_by IS NOT NULL GROUP BY ALL
)"""
SANE = """CREATE OR REPLACE TEMP MACRO sane(mid, spread, level, t, tick) AS
  coalesce(spread > 0 AND (spread <= 2 * 0.004 * level * sqrt(t) OR spread <= 0.02 * mid OR spread <= 2 * tick + 1e-6),
    false)"""


def weighted_median(rows: str, value: str, name: str) -> str:
    """One value by chain and source: half the weight on each side of it, or the mean of the two at exactly half."""
    return f"""(SELECT {CHAIN}, source, any_value(n) AS n,
      arg_min(CASE WHEN reached <= total / 2 * (1 + 1e-12) THEN (value + coalesce(next, value)) / 2 ELSE value END,
        reached) FILTER (WHERE reached >= total / 2 * (1 - 1e-12)) AS {name}
    FROM (SELECT *, sum(weight) OVER (chain ORDER BY value ROWS UNBOUNDED PRECEDING) AS reached,
        sum(weight) OVER chain AS total, lead(value) OVER (chain ORDER BY value) AS next, count(*) OVER chain AS n
      FROM (SELECT {CHAIN}, source, {value} AS value, weight FROM {rows})
      WINDOW chain AS (PARTITION BY {CHAIN}, source))
    GROUP BY ALL HAVING any_value(n) >= 3)"""


def around_centre(number: int) -> str:
    """The forward around a centre, its dispersion, and the centre nearest to it."""
    return f"""values_{number} AS (
      SELECT {CHAIN}, 1 AS source, p.strike + exp(r * t) * (call - put) AS level,
        pow(call_spread + put_spread, -2) AS weight
      FROM pairs p JOIN centre_{number} c USING ({CHAIN}) WHERE abs(p.rank - c.rank) <= 6
        AND sane(call, call_spread, c.strike, t, tick) AND sane(put, put_spread, c.strike, t, tick)
      UNION ALL
      SELECT {CHAIN}, 2 AS source, p.strike + exp(r * t) * (call_last - put_last), 1.0
      FROM pairs p JOIN centre_{number} c USING ({CHAIN})
      WHERE abs(p.rank - c.rank) <= 6 AND call_last - put_last IS NOT NULL
    ), best_{number} AS (
      FROM {weighted_median(f"values_{number}", "level", "forward")}
      QUALIFY source = min(source) OVER (PARTITION BY {CHAIN})
    ), forward_{number} AS (
      SELECT b.*, d.mad FROM best_{number} b JOIN {
        weighted_median(
            f"(SELECT v.*, forward FROM values_{number} v JOIN best_{number} b USING ({CHAIN}, source))",
            "abs(level - forward)",
            "mad",
        )
    } d USING ({CHAIN}, source)
    ), centre_{number + 1} AS (
      SELECT {CHAIN}, arg_min(strike, (abs(strike - forward), strike)) AS strike,
        arg_min(rank, (abs(strike - forward), strike)) AS rank
      FROM pairs JOIN forward_{number} USING ({CHAIN}) GROUP BY ALL
    )"""


def test_every_forward_with_its_pairs_and_dispersion(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(SANE)
    # The second time around counts unless it has to fall back on last prices where the first did not.
    query = f"""{PAIRS}, {around_centre(0)}, {around_centre(1)}, found AS (
      SELECT {CHAIN}, coalesce(b.source <= a.source, false) AS again, if(again, b.forward, a.forward) AS forward,
        if(again, b.n, a.n) AS forward_pairs, if(again, b.mad, a.mad) AS forward_mad,
        if(again, b.source, a.source) AS source
      FROM forward_0 a LEFT JOIN forward_1 b USING ({CHAIN}))
    SELECT * FROM found"""
    assert_agrees(db, ["forward"], query, least=1600)
    assert_agrees(db, ["forward_pairs"], query, least=1600)
    # A dispersion is stored in single precision.
    names = f"{CHAIN}, forward_mad, forward_source"
    both = db.sql(f"SELECT {names} FROM expiry_overview").df().merge(db.sql(query).df(), on=KEYS, suffixes=("", "_sql"))
    np.testing.assert_allclose(both["forward_mad"], both["forward_mad_sql"], rtol=2e-7, atol=1e-9)
    sources = both["source"].map({1: "parity_mid", 2: "parity_last"})
    pd.testing.assert_series_equal(both["forward_source"], sources, check_names=False, check_dtype=False)


def test_every_volatility_at_the_money_and_on_the_clock_of_sessions(
    db: duckdb.DuckDBPyConnection, prices: pd.DataFrame
) -> None:
    db.register("leg_prices", prices)
    # Weekdays are sessions of 375 minutes, but for Gandhi Jayanti and Diwali with its hour of trading.
    query = """WITH RECURSIVE sessions AS (
      SELECT CAST(day AS DATE) AS day, CASE CAST(day AS DATE) WHEN DATE '2025-10-02' THEN 0
        WHEN DATE '2025-10-21' THEN 60 WHEN DATE '2025-10-22' THEN 0 ELSE 375 END AS minutes
      FROM range(TIMESTAMP '2025-08-30', TIMESTAMP '2025-12-31', INTERVAL 1 DAY) d(day) WHERE isodow(day) <= 5
    ), atm AS (
      SELECT underlying, expiry, snapshot_at, o.forward AS f, o.atm_strike AS k, p.price,
        epoch_us(settlement_fixed_at - snapshot_at) / 31536e9 AS t, exp(risk_free_rate * t) AS growth,
        (epoch(TIMESTAMP '2025-08-29 15:30' - snapshot_at) / 60
          + (SELECT sum(minutes) FROM sessions WHERE day <= o.expiry)) / (252 * 375) AS t_trading_years
      FROM expiry_overview o
      JOIN (SELECT DISTINCT underlying, expiry, settlement_fixed_at FROM expiries) USING (underlying, expiry)
      LEFT JOIN leg_prices p USING (underlying, expiry, snapshot_at), (SELECT risk_free_rate FROM conventions)
      WHERE p.strike = o.atm_strike AND p.option_type = if(o.atm_strike >= o.forward, 'CE', 'PE')
    ), bisected AS (
      SELECT *, price * growth AS wanted, 0 AS n, 0.0005::DOUBLE AS low, 3.0::DOUBLE AS high FROM atm
      UNION ALL
      SELECT * EXCLUDE (n, low, high, sigma, d, value), n + 1,
        if(value < wanted, sigma, low), if(value < wanted, high, sigma)
      FROM (SELECT *, (low + high) / 2 AS sigma, (ln(f / k) + sigma * sigma * t / 2) / (sigma * sqrt(t)) AS d,
          if(k >= f, f * normal(d) - k * normal(d - sigma * sqrt(t)),
            k * normal(sigma * sqrt(t) - d) - f * normal(-d)) AS value
        FROM bisected WHERE n < 45)
    )
    SELECT underlying, expiry, snapshot_at, t_trading_years, if(price IS NULL, NULL, low) AS atm_iv,
      atm_iv * sqrt(t / t_trading_years) AS iv_trading
    FROM bisected WHERE n = 45"""
    assert_agrees(db, ["t_trading_years"], query, least=1600)
    # Volatilities are stored in single precision.
    assert_agrees(db, ["atm_iv", "iv_trading"], query, least=1600, rel=2e-7)
