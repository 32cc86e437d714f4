"""Every number of the overviews of a recorded day, computed again in plain SQL from what was received.

The queries below share no code with g6_market: they start from `quotes`, `snapshots`, `instruments`, `expiries` and
`reference`, and only what rests on a volatility starts from the stored iv, delta, gamma and forward. These themselves
are computed again in `test_prices_sql`.
"""

import duckdb
import numpy as np
import pandas as pd
import pytest
from recorded_store import KEYS, assert_agrees

pytestmark = pytest.mark.reference

# Legs as received, at full chains only.
FULL = """
full_legs AS (
  SELECT q.underlying, q.expiry, q.snapshot_at, q.strike, q.option_type, q.tradingsymbol, q.oi, q.volume,
    q.bid_price, q.ask_price
  FROM quotes q JOIN snapshots s USING (underlying, expiry, snapshot_at) WHERE s.full_chain AND q.strike IS NOT NULL
)"""


def test_totals_ratios_and_open_interest_changes(db: duckdb.DuckDBPyConnection) -> None:
    names = ["call_oi", "put_oi", "call_volume", "put_volume", "pcr_oi", "pcr_volume", "call_oi_change",
             "put_oi_change", "call_oi_change_close", "put_oi_change_close"]  # fmt: skip

    def change(side: str, column: str) -> str:
        here = f"FILTER (WHERE option_type = '{side}')"
        known = f"count({column}) {here} >= 0.95 * count(oi) {here}"
        return f"CASE WHEN {known} THEN sum(oi - {column}) {here} END"

    query = f"""WITH {FULL}
    SELECT underlying, expiry, snapshot_at,
      sum(oi) FILTER (WHERE option_type = 'CE') AS call_oi, sum(oi) FILTER (WHERE option_type = 'PE') AS put_oi,
      sum(volume) FILTER (WHERE option_type = 'CE') AS call_volume,
      sum(volume) FILTER (WHERE option_type = 'PE') AS put_volume,
      put_oi / call_oi AS pcr_oi, put_volume / call_volume AS pcr_volume,
      {change("CE", "opening_oi")} AS call_oi_change, {change("PE", "opening_oi")} AS put_oi_change,
      {change("CE", "previous_oi")} AS call_oi_change_close, {change("PE", "previous_oi")} AS put_oi_change_close
    FROM full_legs f LEFT JOIN (SELECT tradingsymbol, opening_oi, previous_oi FROM reference) USING (tradingsymbol)
    GROUP BY ALL"""
    assert_agrees(db, names, query, least=1000, carried=True)
    absent = db.sql(
        "SELECT count(call_oi_change_close), count(call_oi_change) FROM expiry_overview WHERE expiry = '2025-10-28'"
    )
    without, with_opening = absent.fetchall()[0]
    assert without == 0 < with_opening


def test_max_pain(db: duckdb.DuckDBPyConnection) -> None:
    query = f"""WITH {FULL}, pains AS (
      SELECT underlying, expiry, snapshot_at, k.strike,
        sum(CASE option_type WHEN 'CE' THEN oi * greatest(k.strike - f.strike, 0)
          ELSE oi * greatest(f.strike - k.strike, 0) END) AS pain
      FROM full_legs f JOIN (SELECT DISTINCT underlying, expiry, strike FROM instruments) k USING (underlying, expiry)
      GROUP BY ALL)
    SELECT underlying, expiry, snapshot_at, arg_min(strike, (pain, strike)) AS max_pain FROM pains GROUP BY ALL"""
    assert_agrees(db, ["max_pain"], query, least=1500, carried=True)


def test_gamma_exposures(db: duckdb.DuckDBPyConnection) -> None:
    query = f"""WITH {FULL}, legs AS (
      SELECT f.*, c.gamma::DOUBLE * f.oi * o.forward * o.forward / 1e9 AS gex
      FROM full_legs f
      JOIN option_chain c USING (underlying, expiry, snapshot_at, strike, option_type)
      JOIN expiry_overview o USING (underlying, expiry, snapshot_at))
    SELECT underlying, expiry, snapshot_at,
      sum(gex) FILTER (WHERE option_type = 'CE') AS call_gex, sum(gex) FILTER (WHERE option_type = 'PE') AS put_gex,
      call_gex - put_gex AS net_gex, -call_gex - put_gex AS gex_dealers_short
    FROM legs GROUP BY ALL"""
    assert_agrees(db, ["call_gex", "put_gex", "gex_dealers_short"], query, least=1500, carried=True)
    # A difference of large numbers: relative to what it is the difference of.
    rows = db.sql("SELECT net_gex, call_gex, put_gex FROM expiry_overview WHERE net_gex IS NOT NULL").df()
    assert (abs(rows["net_gex"] - (rows["call_gex"] - rows["put_gex"])) <= 1e-12 * rows["call_gex"]).all()


def test_gamma_is_balanced_at_the_flip_and_nowhere_nearer(db: duckdb.DuckDBPyConnection) -> None:
    query = f"""WITH {FULL}, strikes AS (
      SELECT underlying, expiry, snapshot_at, f.strike, max(c.iv)::DOUBLE AS iv,
        sum(CASE f.option_type WHEN 'CE' THEN f.oi ELSE -f.oi END) AS net_oi
      FROM full_legs f JOIN option_chain c USING (underlying, expiry, snapshot_at, strike, option_type)
      WHERE c.iv IS NOT NULL GROUP BY ALL
    ), levels AS (
      SELECT underlying, expiry, snapshot_at, forward, t_years, gamma_flip,
        unnest([{{'n': 1000, 'level': gamma_flip}}]
          || [{{'n': n, 'level': forward * (1 + n * 0.001)}} FOR n IN range(-50, 51)]) AS place
      FROM expiry_overview JOIN snapshots s USING (underlying, expiry, snapshot_at)
      WHERE s.full_chain AND minute(snapshot_at) % 7 = 0
    ), sums AS (
      SELECT underlying, expiry, snapshot_at, forward, gamma_flip, place.n AS n, place.level AS level,
        sum(term) AS net, sum(abs(term)) AS gross
      FROM (SELECT *, net_oi / iv * exp(-0.5 * ((ln(place.level / strike) + 0.5 * iv * iv * t_years)
              / (iv * sqrt(t_years))) ** 2) AS term
            FROM levels JOIN strikes USING (underlying, expiry, snapshot_at)) GROUP BY ALL)
    SELECT * FROM sums"""
    rows = db.sql(query).df()
    moments = 0
    for _, levels in rows.groupby(KEYS):
        flip, forward = levels[["gamma_flip", "forward"]].iloc[0]
        grid = levels[levels["n"] < 1000].sort_values("n")
        if np.isnan(flip):
            assert (np.diff(np.sign(grid["net"])) == 0).all()
            continue
        at_flip = levels[levels["n"] == 1000].iloc[0]
        assert abs(at_flip["net"]) <= 1e-9 * at_flip["gross"]
        nearer = grid[(grid["level"] - forward).abs() < abs(flip - forward)]
        assert nearer["net"].apply(np.sign).nunique() <= 1
        beyond = grid["level"] > flip
        assert np.sign(grid.loc[beyond, "net"].iloc[0]) == -np.sign(grid.loc[~beyond, "net"].iloc[-1])
        moments += 1
    assert moments > 50


def test_the_smile_at_25_delta_and_the_expected_move(db: duckdb.DuckDBPyConnection) -> None:
    query = """WITH legs AS (
      SELECT underlying, expiry, snapshot_at, option_type, iv::DOUBLE AS iv, abs(delta::DOUBLE) AS delta,
        -- From the money outwards.
        CASE option_type WHEN 'CE' THEN strike ELSE -strike END AS place
      FROM option_chain WHERE iv IS NOT NULL
    ), pairs AS (
      SELECT *, lead(iv) OVER further AS iv_2, lead(delta) OVER further AS delta_2 FROM legs
      WINDOW further AS (PARTITION BY underlying, expiry, snapshot_at, option_type ORDER BY place)
    ), wings AS (
      SELECT underlying, expiry, snapshot_at, option_type,
        arg_min(iv + (iv_2 - iv) * (delta - 0.25) / (delta - delta_2), place) AS iv
      FROM pairs WHERE delta >= 0.25 AND delta_2 < 0.25 GROUP BY ALL
    ), sides AS (
      SELECT underlying, expiry, snapshot_at, max(iv) FILTER (WHERE option_type = 'CE') AS c,
        max(iv) FILTER (WHERE option_type = 'PE') AS p FROM wings GROUP BY ALL)
    SELECT underlying, expiry, snapshot_at, c AS call_iv_25, p AS put_iv_25, c - p AS risk_reversal_25,
      (c + p) / 2 - atm_iv::DOUBLE AS butterfly_25, forward * atm_iv::DOUBLE * sqrt(t_years) AS expected_move
    FROM expiry_overview LEFT JOIN sides USING (underlying, expiry, snapshot_at)"""
    assert_agrees(db, ["call_iv_25", "put_iv_25", "expected_move"], query, least=1500)
    # Small differences of volatilities: 1e-9 of the volatilities, which are about 0.1.
    small = (
        db.sql(query)
        .df()
        .merge(db.sql(f"SELECT {', '.join(KEYS)}, risk_reversal_25, butterfly_25 FROM expiry_overview").df(), on=KEYS)
    )
    for name in ("risk_reversal_25", "butterfly_25"):
        np.testing.assert_allclose(small[f"{name}_x"], small[f"{name}_y"], rtol=0, atol=1e-10)


def test_forward_volatility(db: duckdb.DuckDBPyConnection) -> None:
    query = """WITH v AS (
      SELECT o.underlying, o.expiry, o.snapshot_at, o.atm_iv::DOUBLE ** 2 * t AS w, t
      FROM expiry_overview o JOIN (SELECT DISTINCT underlying, expiry, settlement_fixed_at FROM expiries) e
        USING (underlying, expiry), LATERAL (SELECT epoch_us(e.settlement_fixed_at - o.snapshot_at) / 31536e9 AS t)
    ), steps AS (
      SELECT *, w - lag(w) OVER s AS dw, t - lag(t) OVER s AS dt FROM v
      WINDOW s AS (PARTITION BY underlying, snapshot_at ORDER BY expiry))
    SELECT underlying, expiry, snapshot_at, CASE WHEN dw >= 0 THEN sqrt(dw / dt) END AS forward_vol FROM steps"""
    assert_agrees(db, ["forward_vol"], query, least=1000)


def test_box_rates(db: duckdb.DuckDBPyConnection) -> None:
    query = f"""WITH {FULL}, ladder AS (
      SELECT underlying, expiry, strike, row_number() OVER (PARTITION BY underlying, expiry ORDER BY strike) AS rank
      FROM (SELECT DISTINCT underlying, expiry, strike FROM instruments WHERE strike IS NOT NULL)
    ), money AS (
      SELECT o.underlying, o.expiry, o.snapshot_at, o.t_years, l.rank AS atm
      FROM expiry_overview o
      JOIN ladder l ON (o.underlying, o.expiry, o.atm_strike) = (l.underlying, l.expiry, l.strike)
      WHERE t_years >= 20 / 365
    ), strikes AS (
      SELECT m.underlying, m.expiry, m.snapshot_at, m.t_years, strike,
        sum((f.bid_price + f.ask_price) / 2 * if(option_type = 'CE', 1, -1)) AS y,
        sum(f.ask_price - f.bid_price) AS s
      FROM money m JOIN full_legs f USING (underlying, expiry, snapshot_at)
      JOIN ladder l USING (underlying, expiry, strike)
      JOIN option_chain c USING (underlying, expiry, snapshot_at, strike, option_type)
      WHERE abs(l.rank - m.atm) <= 20 AND c.price_source = 'mid' GROUP BY ALL HAVING count(*) = 2
    ), placed AS (
      SELECT *, row_number() OVER (PARTITION BY underlying, expiry, snapshot_at ORDER BY strike) AS k,
        count(*) OVER (PARTITION BY underlying, expiry, snapshot_at) AS n FROM strikes
    ), boxes AS (
      SELECT a.underlying, a.expiry, a.snapshot_at, a.t_years, a.n,
        (a.y - b.y) / (b.strike - a.strike) AS slope, ((b.strike - a.strike) / (a.s + b.s)) ** 2 AS weight
      FROM placed a JOIN placed b ON (a.underlying, a.expiry, a.snapshot_at) = (b.underlying, b.expiry, b.snapshot_at)
        AND b.k = a.k + a.n - a.n // 2 AND a.k <= a.n // 2
    ), sorted AS (
      SELECT *, sum(weight) OVER (w ORDER BY slope) AS reached, sum(weight) OVER w AS total FROM boxes
      WINDOW w AS (PARTITION BY underlying, expiry, snapshot_at)
    ), medians AS (
      SELECT underlying, expiry, snapshot_at, any_value(t_years) AS t_years,
        min(slope) FILTER (WHERE reached >= total / 2) AS slope
      FROM sorted WHERE n // 2 >= 5 GROUP BY ALL)
    SELECT f.underlying, f.expiry, f.snapshot_at, -ln(m.slope) / m.t_years AS implied_rate
    FROM (SELECT DISTINCT underlying, expiry, snapshot_at FROM full_legs) f
    LEFT JOIN medians m USING (underlying, expiry, snapshot_at)"""
    assert_agrees(db, ["implied_rate"], query, least=1000, carried=True)
    # What the conventions measured: 9.3-9.8 %; BANKNIFTY's second month has hardly any books.
    rates = db.sql("SELECT underlying, expiry, median(implied_rate) AS rate FROM expiry_overview GROUP BY ALL").df()
    rates = rates.set_index(["underlying", "expiry"])["rate"].dropna()
    assert len(rates) == 4
    assert rates.drop(("BANKNIFTY", pd.Timestamp("2025-10-28"))).between(0.085, 0.103).all()


def test_the_overview_of_an_index(db: duckdb.DuckDBPyConnection) -> None:
    query = """WITH v AS (
      SELECT o.*, o.atm_iv::DOUBLE ** 2 * o.t_years AS w FROM expiry_overview o
    ), sides AS (
      SELECT underlying, snapshot_at, sum(net_gex) AS net_gex, count(*) - count(net_gex) AS lacking,
        max_by({'t': t_years, 'w': w}, t_years) FILTER (WHERE t_years < 30 / 365) AS a,
        min_by({'t': t_years, 'w': w}, t_years) FILTER (WHERE t_years >= 30 / 365) AS b
      FROM v GROUP BY ALL)
    SELECT s.underlying, s.snapshot_at, o.net_gex, o.iv30,
      CASE WHEN lacking = 0 THEN s.net_gex END AS net_gex_sql,
      CASE WHEN a.t >= 2 / 365
        THEN sqrt((a.w + (b.w - a.w) * (30 / 365 - a.t) / (b.t - a.t)) * 365 / 30) END AS iv30_sql
    FROM sides s JOIN overview o USING (underlying, snapshot_at)"""
    rows = db.sql(query).df()
    assert rows["iv30"].notna().sum() > 250
    # BANKNIFTY has monthly expiries only, and the first of them is 32 days away.
    assert rows.loc[rows["underlying"] == "BANKNIFTY", "iv30"].isna().all()
    np.testing.assert_allclose(rows["iv30"], rows["iv30_sql"], rtol=1e-9)
    np.testing.assert_allclose(rows["net_gex"], rows["net_gex_sql"], rtol=1e-9)
