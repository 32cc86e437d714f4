"""Every number of the overviews of a recorded day, computed again in plain SQL from what was received.

The queries below share no code with g6_market: they start from `quotes`, `snapshots`, `instruments`, `expiries` and
`reference`, and only what rests on a volatility starts from the stored iv, delta, gamma and forward.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from market_data import FRIDAY, calendar, recorded_day

from g6_market.schema import REFERENCE, conform
from g6_resources.lake import Lake, LocalStore
from g6_resources.sealing import derive_day, seal_day
from g6_resources.warehouse import Warehouse
from tests.resources.lake_frames import root_at

pytestmark = pytest.mark.reference

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


@pytest.fixture(scope="module")
def db(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The recorded day sealed; every third snapshot counts as a full chain."""
    root = root_at(tmp_path_factory.mktemp("recorded"))
    recorded = recorded_day(reference_data)
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
    with duckdb.connect(str(root.warehouse), read_only=True) as connection:
        yield connection


# Legs as received, at full chains only.
FULL = """
full_legs AS (
  SELECT q.underlying, q.expiry, q.snapshot_at, q.strike, q.option_type, q.tradingsymbol, q.oi, q.volume,
    q.bid_price, q.ask_price
  FROM quotes q JOIN snapshots s USING (underlying, expiry, snapshot_at) WHERE s.full_chain AND q.strike IS NOT NULL
)"""


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
