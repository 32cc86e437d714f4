"""Black-76 prices and greeks against independent implementations and against each other."""

import math

import numpy as np
import pytest
import QuantLib
from hypothesis import given, settings
from hypothesis import strategies as st
from py_lets_be_rational.lets_be_rational import black

from g6_market.pricing import black76

ROWS = 100_000


def random_options(rows: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    forward = np.exp(rng.uniform(math.log(5_000), math.log(90_000), rows))
    return {
        "forward": forward,
        "strike": forward * np.exp(rng.uniform(math.log(0.5), math.log(2), rows)),
        "t_years": np.exp(rng.uniform(math.log(1 / 525_600), math.log(5), rows)),
        "rate": rng.uniform(0.0, 0.12, rows),
        "volatility": np.exp(rng.uniform(math.log(0.01), math.log(3), rows)),
        "is_call": rng.random(rows) < 0.5,
    }


def price(option: dict[str, np.ndarray]) -> np.ndarray:
    o = option
    discount = np.exp(-o["rate"] * o["t_years"])
    return black76.price(o["forward"], o["strike"], o["t_years"], discount, o["volatility"], o["is_call"])


def test_prices_equal_jaeckels_reference_to_the_last_digits_even_far_out_of_the_money():
    o = random_options(ROWS, seed=1)
    o["rate"][:] = 0.0
    o["is_call"] = o["strike"] >= o["forward"]
    expected = np.array(
        [
            black(forward, strike, sigma, t, 1.0 if call else -1.0)
            for forward, strike, sigma, t, call in zip(
                o["forward"], o["strike"], o["volatility"], o["t_years"], o["is_call"], strict=True
            )
        ]
    )
    priced = expected > 1e-300
    # The exponent -h^2 / 2 is rounded once, so the relative error of any implementation grows with h^2.
    h = np.log(o["strike"] / o["forward"]) / (o["volatility"] * np.sqrt(o["t_years"]))
    error = np.abs(price(o)[priced] / expected[priced] - 1) / (1 + h[priced] ** 2)
    assert priced.sum() > 0.4 * ROWS
    assert error.max() <= 1e-14


def test_prices_and_greeks_equal_quantlib():
    o = random_options(ROWS, seed=2)
    ours, prices = black76.greeks(**o), price(o)
    worst = dict.fromkeys(("price", "delta", "gamma", "theta", "vega", "rho"), 0.0)
    for i in range(ROWS):
        forward, strike, t, rate, sigma = (
            float(o[name][i]) for name in ("forward", "strike", "t_years", "rate", "volatility")
        )
        kind = QuantLib.Option.Call if o["is_call"][i] else QuantLib.Option.Put
        discount = math.exp(-rate * t)
        calculator = QuantLib.BlackCalculator(
            QuantLib.PlainVanillaPayoff(kind, strike), forward, sigma * math.sqrt(t), discount
        )
        value = calculator.value()
        # QuantLib's theta lets the spot stand still while its forward decays; ours holds the forward, so only the
        # decay of the variance and the interest on the price remain.
        decay = -0.5 * sigma * calculator.vega(t) / t
        theirs = {
            "price": (value, forward),
            "delta": (calculator.deltaForward(), 1.0),
            "gamma": (calculator.gammaForward(), 1.0 / (forward * sigma * math.sqrt(t))),
            "theta": ((decay + rate * value) / 365, forward * sigma / math.sqrt(t) / 365),
            "vega": (calculator.vega(t) / 100, forward * math.sqrt(t) / 100),
            "rho": (-t * value / 100, forward * t / 100),
        }
        for name, (expected, scale) in theirs.items():
            mine = prices[i] if name == "price" else getattr(ours, name)[i]
            worst[name] = max(worst[name], abs(mine - expected) / scale)
    assert max(worst.values()) <= 1e-12, worst


def test_greeks_equal_central_differences_of_the_price():
    o = random_options(ROWS, seed=3)
    o["strike"] = o["forward"] * np.exp(np.clip(np.log(o["strike"] / o["forward"]), -0.1, 0.1))
    o["volatility"], o["t_years"] = np.clip(o["volatility"], 0.05, 1.0), np.clip(o["t_years"], 0.02, 2.0)

    def bumped(name: str, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return price(o | {name: o[name] + size}), price(o | {name: o[name] - size})

    ours, middle, forward = black76.greeks(**o), price(o), o["forward"]
    scale = forward * o["volatility"] * np.sqrt(o["t_years"])
    step = 1e-3 * scale
    up, down = bumped("forward", step)
    assert np.abs(ours.delta - (up - down) / (2 * step)).max() <= 2e-7
    assert (np.abs(ours.gamma - (up - 2 * middle + down) / step**2) * scale).max() <= 1e-5
    step = np.full(ROWS, 1e-5)
    up, down = bumped("volatility", step)
    assert (np.abs(ours.vega - (up - down) / (2 * step) / 100) / forward).max() <= 1e-8
    up, down = bumped("rate", step)
    assert (np.abs(ours.rho - (up - down) / (2 * step) / 100) / forward).max() <= 1e-9
    step = 1e-4 * o["t_years"]
    up, down = bumped("t_years", step)
    assert (np.abs(ours.theta + (up - down) / (2 * step) / 365) / forward).max() <= 1e-7


OPTIONS = {
    "forward": st.floats(1_000, 100_000),
    "moneyness": st.floats(0.5, 2.0),
    "t_years": st.floats(1 / 525_600, 5),
    "rate": st.floats(0.0, 0.15),
    "volatility": st.floats(0.01, 3.0),
}


@settings(deadline=None)  # the first example may compile
@given(**OPTIONS)
def test_calls_and_puts_of_a_strike_obey_parity(forward, moneyness, t_years, rate, volatility):
    strike, discount = forward * moneyness, math.exp(-rate * t_years)
    call, put = black76.price(forward, strike, t_years, discount, volatility, [True, False])
    assert call - put == pytest.approx(discount * (forward - strike), abs=1e-14 * forward)
    both = black76.greeks(forward, strike, t_years, rate, volatility, [True, False])
    assert both.delta[0] - both.delta[1] == pytest.approx(discount, abs=1e-14)
    assert both.gamma[0] == both.gamma[1]
    assert both.vega[0] == both.vega[1]


@settings(deadline=None)  # the first example may compile
@given(**OPTIONS)
def test_greeks_have_their_signs_and_bounds(forward, moneyness, t_years, rate, volatility):
    g = black76.greeks(forward, forward * moneyness, t_years, rate, volatility, [True, False])
    discount = math.exp(-rate * t_years)
    assert 0 <= g.delta[0] <= discount * (1 + 1e-15)
    assert -discount * (1 + 1e-15) <= g.delta[1] <= 0
    assert np.all(g.gamma >= 0)
    assert np.all(g.vega >= 0)
    assert np.all(g.rho <= 0)


@settings(deadline=None)  # the first example may compile
@given(**OPTIONS)
def test_swapping_forward_and_strike_turns_a_call_into_a_put(forward, moneyness, t_years, rate, volatility):
    strike, discount = forward * moneyness, math.exp(-rate * t_years)
    call = black76.price(forward, strike, t_years, discount, volatility, True)
    put = black76.price(strike, forward, t_years, discount, volatility, False)
    assert call[0] == pytest.approx(put[0], rel=1e-11)


def test_without_time_or_volatility_the_price_is_the_discounted_intrinsic_value_and_greeks_are_unknown():
    prices = black76.price(100.0, [90.0, 100.0, 110.0], [0.0, 0.0, 1.0], 0.95, [0.2, 0.2, 0.0], True)
    assert prices.tolist() == [9.5, 0.0, 0.0]
    assert np.isnan(black76.greeks(100.0, 90.0, [0.0, 1.0], 0.05, [0.2, 0.0], True).delta).all()


def test_unknown_inputs_give_unknown_outputs_and_an_underflowing_price_is_zero():
    assert np.isnan(black76.price([np.nan, 100.0], [100.0, np.nan], 1.0, 1.0, 0.2, True)).all()
    assert black76.price(25_000.0, 50_000.0, 1 / 525_600, 1.0, 0.01, True).tolist() == [0.0]


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="columns of one length"):
        black76.price([100.0, 101.0], [100.0, 101.0, 102.0], 1.0, 1.0, 0.2, True)
