"""What cannot be priced is null or refused, whatever shape it comes in: no number is made of nonsense."""

import math
from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest

from g6_market.pricing import black76
from g6_market.pricing.forward import parity_forward, sane_mid
from g6_market.pricing.implied import REASONS, implied_volatility
from g6_market.pricing.legs import LegPricing, price_legs

NAN, INF = math.nan, math.inf
OPTION = {"forward": 100.0, "strike": 95.0, "t_years": 0.1, "volatility": 0.2, "is_call": True}
LEVELS = [0.0, -100.0, -1e-300, INF, -INF, NAN]


@pytest.mark.parametrize(
    "changed",
    [
        *({name: value} for name in ("forward", "strike", "discount") for value in LEVELS),
        *({"forward": -100.0, "strike": strike} for strike in (-100.0, -95.0, -105.0)),
        *({"volatility": value} for value in (-0.2, INF, NAN)),
        *({"t_years": value} for value in (-0.1, INF, NAN)),
        {"volatility": -0.2, "t_years": 0.0},
    ],
)
@pytest.mark.parametrize("is_call", [True, False])
def test_a_price_of_nonsense_is_unknown(changed, is_call):
    option = OPTION | {"discount": 0.99, "is_call": is_call} | changed
    assert math.isnan(black76.price(**option)[0])


@pytest.mark.parametrize(
    "changed",
    [
        *({name: value} for name in ("forward", "strike", "volatility") for value in LEVELS),
        {"forward": -100.0, "strike": -95.0},
        *({"t_years": value} for value in (0.0, -0.1, INF, NAN)),
        *({"rate": value} for value in (INF, -INF, NAN)),
    ],
)
@pytest.mark.parametrize("is_call", [True, False])
def test_greeks_of_nonsense_are_unknown(changed, is_call):
    greeks = black76.greeks(**(OPTION | {"rate": 0.06, "is_call": is_call} | changed))
    assert np.isnan(astuple(greeks)).all()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        *(({"forward": value}, "no_forward") for value in LEVELS),
        ({"forward": -100.0, "strike": -95.0}, "no_forward"),
        *(({"t_years": value}, "no_forward") for value in (INF, NAN)),
        *(({"strike": value}, "not_converged") for value in LEVELS),
        *(({"discount": value}, "not_converged") for value in LEVELS),
        ({"price": INF}, "not_converged"),
        ({"price": -INF}, "under_tick"),
        ({"tick": NAN}, "not_converged"),
    ],
)
@pytest.mark.parametrize("is_call", [True, False])
def test_nonsense_has_no_volatility_and_says_why(changed, reason, is_call):
    option = {"price": 8.0, "forward": 100.0, "strike": 95.0, "t_years": 0.1, "discount": 0.99, "tick": 0.05}
    found, code = implied_volatility(**(option | {"is_call": is_call} | changed))
    assert math.isnan(found[0])
    assert REASONS[code[0]] == reason


def pair_of_legs(**changed) -> LegPricing:
    quoted = {"bid": [2.4, 2.4], "ask": [2.6, 2.6], "last": [2.5, 2.5], "traded": [True, True]}
    contract = {"strike": [100.0, 100.0], "is_call": [True, False], "forward": 100.0, "t_years": 0.1, "pair": [1, 0]}
    return price_legs(**({"rate": 0.06, "tick": 0.05} | quoted | contract | changed))


@pytest.mark.parametrize("side", ["bid", "ask"])
@pytest.mark.parametrize("value", [0.0, -2.4, INF, -INF])
def test_a_side_of_a_book_that_is_no_price_is_missing(side, value):
    legs = pair_of_legs(**{side: [value, value]})
    assert legs.price_source.tolist() == [2, 2]
    assert legs.price.tolist() == [2.5, 2.5]
    assert np.isnan(sane_mid(**({"bid": 2.4, "ask": 2.6} | {side: value}), tick=0.05, vega_per_vol_point=0.1)).all()


@pytest.mark.parametrize("value", [0.0, -2.5, INF, -INF])
def test_a_last_price_that_is_no_price_is_unknown(value):
    legs = pair_of_legs(bid=NAN, last=[value, 2.5])
    assert math.isnan(legs.price[0])
    assert (legs.price_source[0], REASONS[legs.reason[0]]) == (0, "stale")


@pytest.mark.parametrize("level", [0.0, -100.0, INF])
def test_legs_of_an_impossible_level_have_neither_volatility_nor_greeks(level):
    legs = pair_of_legs(forward=level, strike=[level, level])
    assert {REASONS[code] for code in legs.reason} == {"no_forward"}
    assert np.isnan([legs.iv, legs.iv_own, legs.delta, legs.gamma, legs.theta, legs.vega]).all()
    assert legs.price.tolist() == [2.5, 2.5]


STRIKES = [24500.0, 24550.0, 24600.0, 24650.0]
CHAIN = {
    "chain_start": [0, 4],
    "strike": STRIKES,
    "call_mid": [208.0, 172.0, 143.0, 118.0],
    "put_mid": [92.0, 110.0, 130.0, 153.0],
    "call_spread": [1.0, 0.5, 0.5, 1.0],
    "put_spread": [1.0, 0.5, 0.5, 1.0],
    "call_last": NAN,
    "put_last": NAN,
    "t_years": 7 / 365,
    "rate": 0.0,
}


@pytest.mark.parametrize(
    "strikes", [[24650.0, *STRIKES[:3]], [NAN, *STRIKES[1:]], [-1.0, *STRIKES[1:]], [*STRIKES[:3], INF], [24500.0] * 4]
)
def test_a_ladder_out_of_order_is_refused(strikes):
    with pytest.raises(ValueError, match="positive, rising and all known"):
        parity_forward(**(CHAIN | {"strike": strikes}))


def test_each_chain_has_a_ladder_of_its_own():
    two = {name: value * 2 for name, value in CHAIN.items() if isinstance(value, list)}
    both = parity_forward(**(CHAIN | two | {"chain_start": [0, 4, 4, 8]}))
    np.testing.assert_array_equal(both.forward, [24613.0, NAN, 24613.0])


@pytest.mark.parametrize("changed", [{"t_years": [0.1, 0.2]}, {"rate": [0.06, 0.06]}])
def test_more_rates_or_times_than_chains_are_refused(changed):
    with pytest.raises(ValueError, match="chain_start has 1 chains"):
        parity_forward(**(CHAIN | changed))


@pytest.mark.parametrize("changed", [{"t_years": INF}, {"rate": INF}, {"t_years": 1e4, "rate": 1.0}])
def test_a_carry_beyond_all_numbers_leaves_no_forward(changed):
    estimate = parity_forward(**(CHAIN | changed))
    assert (math.isnan(estimate.forward[0]), estimate.source[0], estimate.pairs[0]) == (True, 0, 0)


def volatilities(prices) -> list[float]:
    return implied_volatility(prices, 100.0, 100.0, 0.1, 1.0, True)[0].tolist()


def test_a_column_may_lie_in_memory_as_it_likes():
    prices = np.array([2.5, 3.0, 3.5, 4.0])
    expected = volatilities(prices)
    spread_out = np.empty((4, 3), order="C")
    spread_out[:, 1] = prices
    assert volatilities(spread_out[:, 1]) == expected
    assert volatilities(prices[::-1])[::-1] == expected
    assert volatilities(prices.astype(">f8")) == expected
    assert volatilities(prices.astype(object)) == expected
    assert volatilities(pd.Series(prices, index=[9, 8, 7, 6])) == expected
    assert volatilities(prices.astype(np.float32)) == expected  # these four need no more digits
    assert volatilities([]) == []


@pytest.mark.parametrize(
    "prices",
    [
        np.ma.MaskedArray([2.5, 3.0], mask=[False, True]),  # what DuckDB's fetchnumpy makes of a null
        np.array([2.5, None], dtype=object),
        [2.5, None],
    ],
)
def test_an_unknown_value_stays_unknown_however_it_is_written(prices):
    known, unknown = volatilities(prices)
    assert known == volatilities([2.5])[0]
    assert math.isnan(unknown)


@pytest.mark.parametrize(
    "prices", [["2.5"], [2.5 + 0j], np.array(["2026-11-20"], "M8[us]"), np.array([5], "m8[D]"), ["two"]]
)
def test_what_holds_no_numbers_is_refused(prices):
    with pytest.raises(TypeError, match="give numbers"):
        volatilities(prices)


@pytest.mark.parametrize("name", ["is_call", "traded"])
@pytest.mark.parametrize(
    "values",
    [[1, 0], [1.0, NAN], ["CE", "PE"], np.array([True, None], dtype=object), np.ma.MaskedArray([True, True], [1, 0])],
)
def test_what_is_neither_true_nor_false_is_refused(name, values):
    with pytest.raises(TypeError, match=f"{name}: .* give True or False"):
        pair_of_legs(**{name: values})


def test_objects_that_are_true_or_false_are_taken():
    assert pair_of_legs(is_call=np.array([True, False], dtype=object)).iv.tolist() == pair_of_legs().iv.tolist()
    assert pair_of_legs(is_call=pd.Series([True, False], dtype="boolean")).iv.tolist() == pair_of_legs().iv.tolist()


@pytest.mark.parametrize("pair", [[1.5, 0.0], [NAN, 0.0], [1, 2], [-2, 0], [1]])
def test_a_row_number_that_is_none_is_refused(pair):
    with pytest.raises(ValueError, match="row numbers"):
        pair_of_legs(pair=pair)
