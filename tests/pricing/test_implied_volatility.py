"""Implied volatility: round trips over the whole range, independent implementations, properties and null reasons."""

import math

import numpy as np
import pytest
import QuantLib
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from py_lets_be_rational.lets_be_rational import black, implied_volatility_from_a_transformed_rational_guess
from scipy.special import erfcx, log_ndtr

from g6_market.pricing import arithmetic, black76
from g6_market.pricing.implied import REASONS, Reason, implied_volatility, reason_names

MINUTE = 1 / 525_600
NEAR_THE_MONEY = 1 + np.array([0.0, 1e-12, -1e-9, 1e-6, -1e-4, 1e-3])
MONEYNESS = np.concatenate([np.geomspace(0.5, 2.0, 81), NEAR_THE_MONEY])
FORWARD = 24_871.3


def grid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = np.meshgrid(MONEYNESS, np.geomspace(MINUTE, 5.0, 41), np.geomspace(0.01, 3.0, 41), indexing="ij")
    moneyness, t_years, sigma = (column.ravel() for column in columns)
    return FORWARD * moneyness, t_years, sigma


def random_out_of_the_money(rows: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(11)
    strike = FORWARD * np.exp(rng.uniform(math.log(0.5), math.log(2), rows))
    t_years = np.exp(rng.uniform(math.log(MINUTE), math.log(5), rows))
    sigma = np.exp(rng.uniform(math.log(0.01), math.log(3), rows))
    is_call = strike >= FORWARD
    price = np.array(
        [
            black(FORWARD, k, s, t, 1.0 if call else -1.0)
            for k, s, t, call in zip(strike, sigma, t_years, is_call, strict=True)
        ]
    )
    return strike, t_years, sigma, is_call, price


@pytest.mark.parametrize("discount", [1.0, 0.93, 1.02])
def test_every_representable_out_of_the_money_price_gives_its_volatility_back_to_1e_12(discount):
    strike, t_years, sigma = grid()
    is_call = strike >= FORWARD
    price = black76.price(FORWARD, strike, t_years, discount, sigma, is_call)
    found, reason = implied_volatility(price, FORWARD, strike, t_years, discount, is_call)
    representable = price > 1e-300
    assert representable.sum() > 70_000
    assert np.all(reason[representable] == Reason.NONE)
    assert np.abs(found - sigma)[representable].max() <= 1e-12


@pytest.mark.parametrize("discount", [1.0, 0.93])
def test_an_in_the_money_price_gives_back_what_its_digits_hold_or_is_below_intrinsic(discount):
    strike, t_years, sigma = grid()
    is_call = strike < FORWARD
    price = black76.price(FORWARD, strike, t_years, discount, sigma, is_call)
    found, reason = implied_volatility(price, FORWARD, strike, t_years, discount, is_call)
    vega = 100 * black76.greeks(FORWARD, strike, t_years, -math.log(discount) / t_years, sigma, is_call).vega
    allowed = np.maximum(1e-12, 4 * np.spacing(price) / vega)
    assert set(np.unique(reason)) == {Reason.NONE, Reason.BELOW_INTRINSIC}
    solved = reason == Reason.NONE
    assert solved.sum() > 30_000
    assert np.all(np.abs(found - sigma)[solved] <= allowed[solved])


def test_prices_of_jaeckels_reference_give_their_volatility_back_on_1e5_random_rows():
    strike, t_years, sigma, is_call, price = random_out_of_the_money(100_000)
    found, _ = implied_volatility(price, FORWARD, strike, t_years, 1.0, is_call)
    representable = np.flatnonzero(price > 1e-300)
    theirs = np.array(
        [
            implied_volatility_from_a_transformed_rational_guess(
                price[i], FORWARD, strike[i], t_years[i], 1.0 if is_call[i] else -1.0
            )
            for i in representable
        ]
    )
    assert representable.size > 50_000
    assert np.abs(found - sigma)[representable].max() <= 1e-12
    assert np.abs(found[representable] - theirs).max() <= 1e-12


def test_quantlib_reprices_our_volatility_on_1e5_random_rows():
    strike, t_years, _, is_call, price = random_out_of_the_money(100_000)
    traded = np.flatnonzero(price > 1e-6)
    found, _ = implied_volatility(price, FORWARD, strike, t_years, 1.0, is_call)
    again = np.array(
        [
            QuantLib.blackFormula(
                QuantLib.Option.Call if is_call[i] else QuantLib.Option.Put,
                float(strike[i]),
                FORWARD,
                float(found[i] * math.sqrt(t_years[i])),
            )
            for i in traded
        ]
    )
    assert traded.size > 30_000
    # QuantLib subtracts two products of the forward's size, so its own error is of the forward's last digits.
    assert np.abs(again - price[traded]).max() <= 16 * np.spacing(FORWARD)


def test_mills_ratio_and_the_block_functions_equal_scipy():
    z = np.concatenate([np.linspace(-1, 10, 4001), np.geomspace(10, 1e6, 1001)])
    expected = math.sqrt(math.pi / 2) * erfcx(z / math.sqrt(2))
    assert np.abs(np.array([arithmetic.mills(x) for x in z]) / expected - 1).max() <= 4e-15
    x = -np.geomspace(1e-12, 700, 4001)
    assert np.abs(np.array([arithmetic.exp(v) for v in x]) / np.exp(x) - 1).max() <= 4e-16
    y = np.concatenate([np.geomspace(1e-290, 1e290, 4001), 1 + np.geomspace(1e-15, 0.5, 1001)])
    assert np.abs(np.array([arithmetic.log(v) for v in y]) - np.log(y)).max() <= 2e-13
    near = 1 + np.geomspace(1e-15, 0.5, 1001)
    assert np.abs(np.array([arithmetic.log(v) for v in near]) / np.log(near) - 1).max() <= 4e-16


def test_the_tiniest_prices_agree_with_the_logarithm_of_the_normal_tail():
    # ln(price / F) = ln N(d1) + ln(1 - K N(d2) / (F N(d1))), independent of Mills' ratio as we fit it.
    strike, t_years, sigma = 1.5 * FORWARD, 7 / 365, np.geomspace(0.1, 0.6, 200)
    price = black76.price(FORWARD, strike, t_years, 1.0, sigma, True)
    x, s = math.log(1.5), sigma * math.sqrt(t_years)
    first, second = log_ndtr(-x / s + s / 2), log_ndtr(-x / s - s / 2)
    expected = first + np.log(-np.expm1(x + second - first))
    representable = price > 1e-290
    assert np.abs(np.log(price / FORWARD) - expected)[representable].max() <= 1e-9


OPTIONS = {
    "moneyness": st.floats(0.6, 1.6),
    "t_years": st.floats(MINUTE, 5),
    "sigma": st.floats(0.01, 3.0),
    "discount": st.floats(0.7, 1.0),
}


@settings(deadline=None)  # the first example may compile
@given(**OPTIONS, rise=st.floats(1e-6, 1.0))
def test_a_higher_price_has_a_higher_volatility(moneyness, t_years, sigma, discount, rise):
    is_call = moneyness >= 1
    price = black76.price(FORWARD, FORWARD * moneyness, t_years, discount, [sigma, sigma * (1 + rise)], is_call)
    assume(price[0] > 1e-290 and price[1] > price[0])
    found, _ = implied_volatility(price, FORWARD, FORWARD * moneyness, t_years, discount, is_call)
    assert found[1] > found[0]


@settings(deadline=None)
@given(**OPTIONS)
def test_call_and_put_of_a_strike_have_the_same_volatility(moneyness, t_years, sigma, discount):
    strike = FORWARD * moneyness
    price = black76.price(FORWARD, strike, t_years, discount, sigma, [True, False])
    vega = black76.greeks(FORWARD, strike, t_years, -math.log(discount) / t_years, sigma, True).vega[0] * 100
    allowed = max(2e-12, 8 * np.spacing(price.max()) / vega) if vega > 0 else math.inf
    assume(allowed < 1e-3)
    found, reason = implied_volatility(price, FORWARD, strike, t_years, discount, [True, False])
    if np.all(reason == Reason.NONE):
        assert abs(found[0] - found[1]) <= allowed
    else:
        assert set(reason) <= {Reason.NONE, Reason.BELOW_INTRINSIC}


@settings(deadline=None)
@given(**OPTIONS, scale=st.sampled_from([0.25, 2.0, 1024.0]))
def test_volatility_does_not_depend_on_the_unit_of_money(moneyness, t_years, sigma, discount, scale):
    strike, is_call = FORWARD * moneyness, moneyness >= 1
    price = black76.price(FORWARD, strike, t_years, discount, sigma, is_call)
    assume(price[0] > 1e-290)
    one, _ = implied_volatility(price, FORWARD, strike, t_years, discount, is_call)
    other, _ = implied_volatility(price * scale, FORWARD * scale, strike * scale, t_years, discount, is_call)
    assert one[0] == other[0]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, "none"),
        ({"price": 100.0}, "below_intrinsic"),
        ({"price": 99.0}, "below_intrinsic"),
        ({"price": 0.04, "strike": 30_000.0}, "under_tick"),
        ({"price": 0.05, "strike": 30_000.0}, "none"),
        ({"price": 0.0, "tick": 0.0, "strike": 30_000.0}, "below_intrinsic"),
        ({"price": math.nan}, "stale"),
        ({"forward": math.nan}, "no_forward"),
        ({"t_years": math.nan}, "no_forward"),
        ({"t_years": 0.0}, "settled"),
        ({"t_years": -0.001, "forward": math.nan, "price": math.nan}, "settled"),
        ({"price": 25_100.1}, "not_converged"),
        ({"strike": math.nan}, "not_converged"),
    ],
)
def test_every_null_has_its_reason(changed, reason):
    option = {"price": 250.0, "forward": 25_100.0, "strike": 25_000.0, "t_years": 7 / 365, "tick": 0.05} | changed
    found, code = implied_volatility(discount=1.0, is_call=True, **option)
    assert REASONS[code[0]] == reason
    assert math.isnan(found[0]) == (reason != "none")


def test_reasons_are_named_and_none_stays_null():
    assert reason_names([0, 1, 7]).tolist() == [None, "below_intrinsic", "not_converged"]


@pytest.mark.parametrize("rows", [0, 1, 255, 256, 257, 1000])
def test_any_number_of_rows_gives_the_same_values_row_by_row(rows):
    strike, t_years, sigma = (column[:rows] for column in random_out_of_the_money(1000)[:3])
    is_call = strike >= FORWARD
    price = black76.price(FORWARD, strike, t_years, 1.0, sigma, is_call)
    together, _ = implied_volatility(price, np.full(rows, FORWARD), strike, t_years, 1.0, is_call)
    alone = [implied_volatility(price[i], FORWARD, strike[i], t_years[i], 1.0, is_call[i])[0][0] for i in range(rows)]
    np.testing.assert_array_equal(together, alone)
