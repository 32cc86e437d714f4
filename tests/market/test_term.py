"""Volatility and rates across expiries, by hand and by property."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_data import at, market, small_day, snapshots_of

from g6_market.day import TradingDay
from g6_market.derive import Derived, derive
from g6_market.pricing.black76 import price
from g6_market.quotes import quotes_frame
from g6_market.schema import REFERENCE, conform
from g6_market.term import box_rate, forward_volatility, iv30

DAYS = np.array([10.0, 32.0, 60.0, 88.0]) / 365
DAY = small_day()  # BANKNIFTY: two chains, then NIFTY: four


def forward(iv: list[float], years: list[float] | np.ndarray = DAYS[:2]) -> list[float]:
    first = np.arange(len(iv)) == 0
    return forward_volatility(np.array([iv]), np.array([list(years)]), first)[0].tolist()


def thirty(iv: list[float], days: list[float]) -> float:
    """iv30 of NIFTY with these volatilities and days to its four expiries."""
    ivs, years = np.full((1, 6), 0.2), np.full((1, 6), 1.0)
    ivs[0, 2:], years[0, 2:] = iv, np.array(days) / 365
    return float(iv30(ivs, years, DAY)[0, 1])


def test_forward_volatility_is_what_the_second_expiry_adds() -> None:
    # (0.12^2 x 32 - 0.10^2 x 10) / 22 = 0.016400; its root 0.128062.
    assert forward([0.10, 0.12]) == pytest.approx([np.nan, 0.128062], abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("iv", [[0.30, 0.10], [np.nan, 0.1], [0.1, np.nan]], ids=["falls", "no first", "no second"])
def test_forward_volatility_is_null_where_it_is_none(iv: list[float]) -> None:
    assert np.isnan(forward(iv)).all()


@given(st.floats(0.05, 0.5), st.floats(0.05, 0.5))
def test_forward_volatility_and_the_first_expiry_give_the_second(near: float, step: float) -> None:
    total = near**2 * DAYS[0] + step**2 * (DAYS[1] - DAYS[0])
    assert forward([near, np.sqrt(total / DAYS[1])])[1] == pytest.approx(step, rel=1e-9)


def test_thirty_days_are_linear_in_total_variance() -> None:
    # (0.10^2 x 10 + (0.12^2 x 32 - 0.10^2 x 10) x 20/22) / 30 = 0.0142667; its root 0.119443.
    assert thirty([0.10, 0.12, 0.2, 0.2], [10, 32, 60, 88]) == pytest.approx(0.119443, abs=1e-6)
    assert thirty([0.3, 0.10, 0.12, 0.2], [4, 20, 30, 60]) == pytest.approx(0.12, rel=1e-12)


@pytest.mark.parametrize(
    ("iv", "days"),
    [
        ([0.1, 0.1, 0.1, 0.1], [31, 40, 60, 88]),
        ([0.1, 0.1, 0.1, 0.1], [3, 10, 20, 29.9]),
        ([0.1, 0.1, 0.1, 0.1], [1.9, 32, 60, 88]),
        ([0.1, np.nan, 0.1, 0.1], [3, 10, 32, 60]),
        ([0.1, 0.1, np.nan, 0.1], [3, 10, 32, 60]),
    ],
    ids=["none before", "none after", "nearer one within 2 days", "no iv of the nearer", "no iv of the farther"],
)
def test_thirty_days_are_null_where_they_are_not_between_two_known_expiries(iv: list[float], days: list[float]) -> None:
    assert np.isnan(thirty(iv, days))


@given(st.floats(0.05, 0.6), st.floats(2, 29.9), st.floats(30, 60))
def test_a_flat_term_structure_has_its_level_at_thirty_days(level: float, near: float, far: float) -> None:
    assert thirty([level] * 4, [1, near, far, 88]) == pytest.approx(level, rel=1e-9)


def boxes(rate: float, years: float, strikes: np.ndarray, spread: np.ndarray) -> float:
    difference = np.exp(-rate * years) * (24500 - strikes)
    return float(box_rate(strikes[None], difference[None], spread[None], np.array([years]))[0])


@given(st.floats(-0.02, 0.2), st.floats(0.06, 1.0), st.integers(10, 41))
def test_boxes_of_a_discounted_market_imply_its_rate(rate: float, years: float, count: int) -> None:
    strikes = 24000 + 50.0 * np.arange(count)
    assert boxes(rate, years, strikes, np.ones(count)) == pytest.approx(rate, abs=1e-8)


def test_one_wild_strike_does_not_move_the_rate() -> None:
    strikes = 24000 + 50.0 * np.arange(21)
    difference = np.exp(-0.09 * 0.1) * (24500 - strikes)
    difference[3] += 500
    assert box_rate(strikes[None], difference[None], np.ones((1, 21)), np.array([0.1]))[0] == pytest.approx(0.09)


def test_fewer_than_five_boxes_imply_nothing() -> None:
    for count, known in ((9, False), (10, True)):
        strikes = 24000 + 50.0 * np.arange(count)
        assert np.isnan(boxes(0.09, 0.1, strikes, np.ones(count))) != known


def test_the_weighted_median_by_hand() -> None:
    # Ten strikes 100 apart make five boxes 500 wide; their slopes are 0.991 .. 0.995, the first one's spread is narrow.
    strikes = 24000 + 100.0 * np.arange(10)
    difference = np.concatenate([500 * np.array([0.991, 0.992, 0.993, 0.994, 0.995]), np.zeros(5)])
    even = box_rate(strikes[None], difference[None], np.ones((1, 10)), np.array([0.1]))[0]
    assert even == pytest.approx(-np.log(0.993) / 0.1)
    spread = np.array([[0.1, 1, 1, 1, 1, 0.1, 1, 1, 1, 1]])
    assert box_rate(strikes[None], difference[None], spread, np.array([0.1]))[0] == pytest.approx(-np.log(0.991) / 0.1)


def derived(day: TradingDay, *, seed: int = 4, full: bool = True, before: Derived | None = None, clock: str = "10:00"):
    due = at(clock)
    quotes = quotes_frame(market(day, due, seed), day, due, 1)
    return derive(quotes, snapshots_of(quotes, day, full=[due] if full else []), day, before.totals if before else None)


def test_near_expiries_have_no_rate_and_windows_carry_the_last_one() -> None:
    first = derived(DAY)
    rows = first.expiry_overview.set_index(["underlying", "expiry"])
    assert rows.loc[[("NIFTY", "2025-09-02"), ("NIFTY", "2025-09-09")], "implied_rate"].isna().all()
    # These prices are in parity at rate 0.
    assert rows.loc[("NIFTY", pd.Timestamp("2025-09-30")), "implied_rate"] == pytest.approx(0, abs=5e-3)
    later = derived(DAY, seed=9, full=False, before=first, clock="10:01").expiry_overview
    carried = ["implied_rate", "call_gex", "put_gex", "net_gex", "gex_dealers_short", "gamma_flip", "call_oi"]
    pd.testing.assert_frame_equal(later[carried], first.expiry_overview[carried], check_exact=True)
    assert derived(DAY, full=False).expiry_overview[carried].isna().all(axis=None)


def test_the_rate_is_the_one_that_the_prices_were_made_with() -> None:
    years, strikes = 0.1, np.arange(22000.0, 27050, 50)
    call, put = (price(24500.0, strikes, years, np.exp(-0.093 * years), 0.12, side) for side in (True, False))
    found = box_rate(strikes[None], (call - put)[None], np.ones((1, len(strikes))), np.array([years]))
    assert found[0] == pytest.approx(0.093, rel=1e-9)


def reference_of(day: TradingDay, opening: float | None, previous: float | None, lacking: int = 0) -> pd.DataFrame:
    options = day.instruments[day.instruments["contract_type"] == "option"].iloc[lacking:]
    names = [name for name in REFERENCE.names if name in options.columns]
    return conform(
        options[names].assign(opening_oi=opening, previous_oi=previous, received_at=pd.Timestamp("2025-08-29 09:08")),
        REFERENCE,
    )


CHANGES = ["call_oi_change", "put_oi_change", "call_oi_change_close", "put_oi_change_close"]


def test_open_interest_changes_are_against_the_reference() -> None:
    rows = derived(DAY.with_reference(reference_of(DAY, 1000, 400))).expiry_overview
    legs = rows["listed_legs"] / 2
    assert (rows["call_oi_change"] == rows["call_oi"] - 1000 * legs).all()
    assert (rows["put_oi_change_close"] == rows["put_oi"] - 400 * legs).all()


def test_a_late_sweep_has_no_change_since_the_open_and_no_sweep_none_at_all() -> None:
    rows = derived(DAY.with_reference(reference_of(DAY, None, 400))).expiry_overview
    assert rows[CHANGES[:2]].isna().all(axis=None)
    assert rows[CHANGES[2:]].notna().all(axis=None)
    assert derived(DAY).expiry_overview[CHANGES].isna().all(axis=None)


def test_a_contract_that_the_reference_lacks_is_left_out_and_many_make_it_null() -> None:
    # BANKNIFTY's first chain has 26 strikes: its first two legs are one call and one put.
    one = derived(DAY.with_reference(reference_of(DAY, 0, 0, lacking=2)))
    row = one.expiry_overview.iloc[0]
    chain = one.option_chain.query("underlying == 'BANKNIFTY' and expiry == @row.expiry")
    lowest = chain[chain["strike"] == chain["strike"].min()].set_index("option_type")["oi"]
    assert row["call_oi_change"] == row["call_oi"] - lowest["CE"]
    assert row["put_oi_change"] == row["put_oi"] - lowest["PE"]
    many = derived(DAY.with_reference(reference_of(DAY, 0, 0, lacking=4))).expiry_overview.iloc[0]
    assert many[CHANGES].isna().all()


def test_the_index_adds_its_expiries_exposures_each_once() -> None:
    result = derived(DAY)
    sums = result.expiry_overview.groupby("underlying", observed=True)["net_gex"].sum()
    for _, row in result.overview.iterrows():
        assert row["net_gex"] == pytest.approx(sums[row["underlying"]], rel=1e-12)
