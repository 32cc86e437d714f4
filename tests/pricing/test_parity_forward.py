"""The put-call-parity forward and the sane-spread test, on chains made by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g6_market.pricing import black76
from g6_market.pricing.forward import ForwardEstimate, parity_forward, sane_mid

T, RATE = 5 / 365, 0.065
COLUMNS = ("strike", "call_mid", "put_mid", "call_spread", "put_spread", "call_last", "put_last")


def chain(forward: float = 24_613.7, strikes: int = 41, step: float = 50.0) -> dict[str, np.ndarray]:
    strike = 24_600 + step * (np.arange(strikes) - strikes // 2)
    discount = math.exp(-RATE * T)
    call, put = (black76.price(forward, strike, T, discount, 0.12, kind) for kind in (True, False))
    return {
        "strike": strike,
        "call_mid": call,
        "put_mid": put,
        "call_spread": np.full(strikes, 0.5),
        "put_spread": np.full(strikes, 0.5),
        "call_last": call + 1.0,
        "put_last": put.copy(),
    }


def estimate(*chains: dict[str, np.ndarray], t_years: float = T) -> ForwardEstimate:
    sizes = [one["strike"].size for one in chains]
    columns = [np.concatenate([one[name] for one in chains]) for name in COLUMNS]
    return parity_forward(np.cumsum([0, *sizes]), *columns, t_years, RATE)


@settings(deadline=None)  # the first example may compile
@given(forward=st.floats(24_000, 25_200), size=st.integers(3, 60))
def test_arbitrage_free_mids_give_their_forward_exactly(forward, size):
    found = estimate(chain(forward, strikes=size))
    assert found.source[0] == 1
    assert found.forward[0] == pytest.approx(forward, abs=1e-8)
    assert found.mad[0] <= 1e-8
    assert 3 <= found.pairs[0] <= 13


def test_each_chain_is_estimated_on_its_own():
    found = estimate(chain(24_313.7), chain(24_700.0, strikes=2), chain(24_613.7, strikes=7))
    assert found.forward == pytest.approx([24_313.7, math.nan, 24_613.7], abs=1e-8, nan_ok=True)
    assert found.source.tolist() == [1, 0, 1]
    assert found.pairs.tolist() == [13, 0, 7]
    assert np.isnan(found.mad[1])


def test_six_strikes_each_side_take_part_by_rank_after_centring_again():
    made = chain(24_613.7)
    centre = int(np.argmin(np.abs(made["strike"] - 24_613.7)))
    made["call_mid"][[centre - 7, centre + 7]] += 500.0
    unharmed = estimate(made)
    assert unharmed.pairs[0] == 13
    assert unharmed.mad[0] <= 1e-8
    made["call_mid"][centre] += 80.0  # the least |C - P| is now two strikes up, the centre comes back
    assert estimate(made).forward[0] == pytest.approx(24_613.7, abs=1e-8)


def test_a_wide_pair_counts_by_the_square_of_its_spread():
    made = {name: column[:3] for name, column in chain(strikes=3).items()}
    made["strike"] = np.array([24_550.0, 24_600.0, 24_650.0])
    made["put_mid"] = np.array([100.0, 100.0, 100.0])
    made["call_mid"] = made["put_mid"] + (np.array([24_610.0, 24_614.0, 24_630.0]) - made["strike"]) / math.exp(
        RATE * T
    )
    made["call_spread"] = made["put_spread"] = np.array([0.5, 1.0, 0.7])
    # weights 1, 1/4 and 1/1.96: the first holds more than half
    found = estimate(made)
    assert found.forward[0] == pytest.approx(24_610.0)
    assert found.mad[0] == pytest.approx(0.0, abs=1e-8)
    made["call_spread"] = made["put_spread"] = np.array([1.0, 0.5, 1.0])
    assert estimate(made).forward[0] == pytest.approx(24_614.0)


def test_a_median_exactly_between_two_values_is_their_mean():
    made = {name: column[:4] for name, column in chain(strikes=4).items()}
    made["put_mid"] = np.full(4, 100.0)
    values = np.array([24_601.0, 24_603.0, 24_607.0, 24_611.0])
    made["call_mid"] = made["put_mid"] + (values - made["strike"]) / math.exp(RATE * T)
    found = estimate(made)
    assert found.forward[0] == pytest.approx(24_605.0)
    assert found.mad[0] == pytest.approx(3.0)  # of 4, 2, 2 and 6


def test_pairs_with_an_insane_spread_are_left_out():
    made = chain()
    vega = 0.004 * 24_600 * math.sqrt(T)
    near = np.abs(made["strike"] - 24_600) <= 100
    made["call_spread"][near] = 2 * vega * 1.01
    made["call_mid"][near] += 40.0
    found = estimate(made)
    assert found.forward[0] == pytest.approx(24_613.7, abs=1e-8)
    assert found.pairs[0] < 13


def test_a_wide_book_far_away_with_equal_mids_does_not_become_the_centre():
    made = chain()
    made["call_mid"][0] = made["put_mid"][0] = 600.0
    made["call_spread"][0] = made["put_spread"][0] = 1_000.0
    assert estimate(made).forward[0] == pytest.approx(24_613.7, abs=1e-8)


def test_last_prices_serve_where_fewer_than_three_mid_pairs_exist():
    made = chain()
    made["call_mid"][:] = np.nan
    found = estimate(made)
    assert found.source[0] == 2
    assert found.forward[0] == pytest.approx(24_613.7 + math.exp(RATE * T), abs=1e-8)
    made["put_last"][:] = np.nan
    assert estimate(made).source[0] == 0


def test_mids_are_not_mixed_with_last_prices():
    made = chain()
    made["put_mid"][3:] = np.nan
    made["put_mid"][20:22] = made["put_last"][20:22]
    found = estimate(made)
    assert found.source[0] == 2
    assert found.forward[0] == pytest.approx(24_613.7 + math.exp(RATE * T), abs=1e-8)


def test_crossed_and_locked_books_are_not_used():
    made = chain()
    made["call_spread"][:] = 0.0
    made["put_spread"][:] = -0.05
    made["call_last"][:] = np.nan
    assert estimate(made).source[0] == 0


@pytest.mark.parametrize("t_years", [math.nan, -1e-6])
def test_an_unknown_or_past_settlement_gives_no_forward(t_years):
    found = estimate(chain(), t_years=t_years)
    assert np.isnan(found.forward[0])
    assert found.source[0] == 0


def test_no_chain_at_all_is_an_empty_answer():
    nothing = [np.empty(0)] * 7
    assert parity_forward([0], *nothing, np.empty(0), np.empty(0)).forward.size == 0


def test_rows_that_belong_to_no_chain_are_refused():
    with pytest.raises(ValueError, match="chain_start must rise from 0 to 41"):
        parity_forward([0, 40], *chain().values(), T, RATE)


@pytest.mark.parametrize(
    ("bid", "ask", "vega", "sane"),
    [
        (100.0, 102.0, 1.0, True),  # two volatility points
        (100.0, 102.5, 1.0, False),
        (100.0, 102.0, math.nan, True),  # 2 % of the mid
        (100.0, 102.1, math.nan, False),
        (0.10, 0.20, 0.001, True),  # two ticks
        (100.05, 100.15, 0.0, True),
        (0.10, 0.25, 0.001, False),
        (100.0, 100.0, 9.0, False),  # locked
        (100.1, 100.0, 9.0, False),  # crossed
        (math.nan, 100.0, 9.0, False),
        (0.0, 0.1, 9.0, False),
    ],
)
def test_a_sane_spread_is_two_points_or_two_percent_or_two_ticks(bid, ask, vega, sane):
    mid = sane_mid(bid, ask, 0.05, vega)[0]
    assert mid == pytest.approx((bid + ask) / 2) if sane else math.isnan(mid)
