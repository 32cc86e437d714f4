"""Price, source, volatility, null reason and greeks of legs, against the functions they are made of."""

import math
from typing import Any

import numpy as np
import pytest

from g6_market.pricing import black76
from g6_market.pricing.forward import sane_mid
from g6_market.pricing.implied import REASONS, implied_volatility
from g6_market.pricing.legs import LegPricing, price_legs

FORWARD, T, RATE, TICK = 24_613.7, 5 / 365, 0.065, 0.05
DISCOUNT = math.exp(-RATE * T)


def strike_pair(strike: float = 24_700.0, **changes: Any) -> dict[str, Any]:
    """A call (row 0) and put (row 1) with tight books at 12 %; `changes` replace whole columns or scalars."""
    fair = black76.price(FORWARD, strike, T, DISCOUNT, 0.12, [True, False])
    return {
        "strike": np.full(2, strike),
        "is_call": np.array([True, False]),
        "bid": fair - 0.1,
        "ask": fair + 0.1,
        "last": fair + 2.0,
        "traded": np.array([True, True]),
        "forward": FORWARD,
        "t_years": T,
        "rate": RATE,
        "tick": TICK,
        "pair": np.array([1, 0]),
    } | changes


def reasons(priced: LegPricing) -> list[str]:
    return [REASONS[code] for code in priced.reason]


def random_market(strikes: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    t_years = np.repeat(np.exp(rng.uniform(math.log(1 / 8_760), math.log(0.3), strikes)), 2)
    forward = np.repeat(rng.uniform(10_000, 60_000, strikes), 2)
    moneyness = np.repeat(rng.normal(0, 2.0, strikes), 2) * 0.15 * np.sqrt(t_years)
    strike = forward * np.exp(moneyness)
    is_call = np.tile([True, False], strikes)
    fair = black76.price(forward, strike, t_years, np.exp(-RATE * t_years), 0.15, is_call)
    half = TICK * rng.integers(1, 60, 2 * strikes) / 2
    bid, ask = np.round(fair / TICK) * TICK - half, np.round(fair / TICK) * TICK + half
    last = np.round(fair * rng.uniform(0.9, 1.1, 2 * strikes), 2)  # some below a tick
    order = rng.permutation(2 * strikes)
    place = np.argsort(order)
    pair = place[order ^ 1]
    columns = {
        "strike": strike,
        "is_call": is_call,
        "bid": np.where((bid > 0) & (rng.random(2 * strikes) < 0.95), bid, np.nan),
        "ask": np.where(rng.random(2 * strikes) < 0.95, ask, np.nan),
        "last": np.where(last > 0, last, np.nan),
        "traded": rng.random(2 * strikes) < 0.6,
        "forward": np.where(rng.random(2 * strikes) < 0.99, forward, np.nan),
        "t_years": t_years,
        "rate": np.full(2 * strikes, RATE),
        "tick": np.full(2 * strikes, TICK),
    }
    return {name: column[order] for name, column in columns.items()} | {"pair": pair}


def test_a_market_of_random_books_follows_the_rules_row_by_row():
    market = random_market(strikes=20_000, seed=5)
    found = price_legs(**market)
    m = market
    discount = np.exp(-m["rate"] * m["t_years"])
    mid = np.where((m["bid"] > 0) & (m["bid"] < m["ask"]), (m["bid"] + m["ask"]) / 2, np.nan)
    at_mid, _ = implied_volatility(mid, m["forward"], m["strike"], m["t_years"], discount, m["is_call"])
    vega = black76.greeks(m["forward"], m["strike"], m["t_years"], m["rate"], at_mid, m["is_call"]).vega
    sane = sane_mid(m["bid"], m["ask"], m["tick"], vega)
    last = np.where(m["traded"], m["last"], np.nan)
    price = np.where(np.isnan(sane), last, sane)
    np.testing.assert_array_equal(found.price, price)
    np.testing.assert_array_equal(found.price_source, np.where(np.isnan(sane), np.where(np.isnan(last), 0, 2), 1))
    own, why = implied_volatility(price, m["forward"], m["strike"], m["t_years"], discount, m["is_call"], m["tick"])
    # Deep in the money the last digit of the discount already moves the volatility by 1e-12.
    np.testing.assert_allclose(found.iv_own, own, rtol=1e-10)
    two_sided = (m["bid"] > 0) & (m["ask"] > 0)
    why = np.where((why == REASONS.index("stale")) & two_sided, REASONS.index("wide_spread"), why)
    out = np.where(m["is_call"] == (m["strike"] >= m["forward"]), np.arange(price.size), m["pair"])
    np.testing.assert_array_equal(found.iv, found.iv_own[out])
    np.testing.assert_array_equal(found.reason, why[out])
    greeks = black76.greeks(m["forward"], m["strike"], m["t_years"], m["rate"], found.iv, m["is_call"])
    for name in ("delta", "gamma", "theta", "vega"):
        np.testing.assert_allclose(getattr(found, name), getattr(greeks, name), rtol=1e-12, atol=1e-300)
    assert set(reasons(found)) >= {"none", "below_intrinsic", "under_tick", "wide_spread", "no_forward", "stale"}
    assert np.bincount(found.price_source).min() > 1_000


def test_one_leg_prices_as_it_does_among_many():
    market = random_market(strikes=500, seed=6)
    many = price_legs(**market)
    for row in range(0, 1000, 50):
        own = {name: column[[row, market["pair"][row]]] for name, column in market.items()} | {"pair": [1, 0]}
        alone = price_legs(**own)
        assert alone.iv[0] == many.iv[row] or math.isnan(many.iv[row])
        assert alone.reason[0] == many.reason[row]


def test_call_and_put_share_the_volatility_of_the_out_of_the_money_leg():
    priced = price_legs(**strike_pair(bid=[20.0, 100.0], ask=[20.2, 100.2]))
    assert priced.iv[0] == priced.iv[1] == priced.iv_own[0]
    assert priced.iv_own[1] != priced.iv_own[0]
    assert priced.delta[0] - priced.delta[1] == pytest.approx(DISCOUNT, abs=1e-14)


def test_at_a_strike_equal_to_the_forward_the_call_decides():
    priced = price_legs(**strike_pair(strike=FORWARD, bid=[150.0, 160.0], ask=[150.2, 160.2]))
    assert priced.iv[0] == priced.iv[1] == priced.iv_own[0]


def test_an_in_the_money_leg_without_its_pair_keeps_its_own_volatility_only():
    put = {name: column[1:] if np.ndim(column) else column for name, column in strike_pair().items()} | {"pair": [-1]}
    priced = price_legs(**put)
    assert priced.iv_own[0] == pytest.approx(0.12, abs=1e-3)
    assert math.isnan(priced.iv[0])
    assert math.isnan(priced.delta[0])
    assert reasons(priced) == ["stale"]


def test_a_wide_book_falls_back_on_a_last_price_of_the_interval_only():
    wide = {"bid": np.array([20.0, 100.0]), "ask": np.array([70.0, 150.0])}
    with_trade = price_legs(**strike_pair(**wide))
    assert with_trade.price_source.tolist() == [2, 2]
    assert with_trade.price[0] == strike_pair()["last"][0]
    without = price_legs(**strike_pair(**wide, traded=np.array([False, True])))
    assert without.price_source.tolist() == [0, 2]
    assert reasons(without) == ["wide_spread", "wide_spread"]
    assert not math.isnan(without.iv_own[1])


def test_a_one_sided_book_without_a_trade_is_stale_and_crossed_books_are_wide():
    nobody = np.array([False, False])
    one_sided = price_legs(**strike_pair(bid=np.full(2, np.nan), traded=nobody))
    assert reasons(one_sided) == ["stale", "stale"]
    fair = strike_pair()
    crossed = price_legs(**strike_pair(bid=fair["ask"], ask=fair["bid"], traded=nobody))
    assert crossed.price_source.tolist() == [0, 0]
    assert reasons(crossed) == ["wide_spread", "wide_spread"]
    assert np.isnan(crossed.price).all()


def test_a_settled_leg_keeps_its_price_but_has_no_volatility():
    priced = price_legs(**strike_pair(t_years=0.0))
    assert reasons(priced) == ["settled", "settled"]
    assert np.isnan(priced.iv_own).all()
    assert np.isfinite(priced.price).all()


def test_the_last_minute_of_an_expiry_day_still_has_volatility():
    minute = 1 / 525_600
    fair = black76.price(FORWARD, 24_620.0, minute, 1.0, 0.15, [True, False])
    bid, ask = np.floor(fair / TICK) * TICK, np.ceil(fair / TICK) * TICK
    priced = price_legs(**strike_pair(strike=24_620.0, t_years=minute, bid=bid, ask=ask))
    assert reasons(priced) == ["none", "none"]
    assert priced.iv[0] == pytest.approx(0.15, abs=0.01)


def test_without_a_forward_the_price_stays_and_the_reason_says_so():
    priced = price_legs(**strike_pair(forward=math.nan))
    assert reasons(priced) == ["no_forward", "no_forward"]
    assert np.isfinite(priced.price).all()


def test_no_legs_give_empty_columns():
    nothing = {name: column[:0] if np.ndim(column) else column for name, column in strike_pair().items()}
    assert price_legs(**nothing).iv.size == 0


@pytest.mark.parametrize("pair", [[1, 2], [-2, 0], [1]])
def test_a_pair_outside_the_columns_is_refused(pair):
    with pytest.raises(ValueError, match="row numbers from -1 to 1"):
        price_legs(**strike_pair(pair=pair))
