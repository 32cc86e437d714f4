"""Volatility across the strikes, by hand and by property."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_data import at, market, small_day, snapshots_of

from g6_market.derive import Derived, derive
from g6_market.pricing.black76 import greeks
from g6_market.quotes import quotes_frame
from g6_market.smile import expected_move, iv_at_delta


def at_25(delta: list[float], iv: list[float], moment: list[int] | None = None) -> list[float]:
    moments = np.array(moment or [0] * len(delta))
    return iv_at_delta(moments, np.array(delta), np.array(iv), int(moments.max(initial=0)) + 1).tolist()


def test_a_wing_is_linear_in_delta_between_its_neighbours() -> None:
    assert at_25([0.50, 0.30, 0.20, 0.10], [0.10, 0.11, 0.13, 0.17]) == pytest.approx([0.12])
    assert at_25([0.50, 0.25, 0.20], [0.10, 0.11, 0.13]) == [0.11]


def test_a_wing_that_is_not_bracketed_is_null() -> None:
    assert np.isnan(at_25([0.50, 0.40, 0.30], [0.10, 0.11, 0.12])).all()
    assert np.isnan(at_25([0.20, 0.10], [0.11, 0.12])).all()
    # 0.3 and 0.2 of different moments are no neighbours.
    assert np.isnan(at_25([0.5, 0.3, 0.2, 0.1], [0.1, 0.1, 0.2, 0.2], [0, 0, 1, 1])).all()


def test_of_several_brackets_the_one_nearest_the_money_counts() -> None:
    assert at_25([0.30, 0.20, 0.26, 0.20], [0.10, 0.12, 0.30, 0.32]) == pytest.approx([0.11])


def test_the_expected_move_is_one_standard_deviation() -> None:
    assert expected_move(np.array([24600.0]), np.array([0.10]), np.array([0.02]))[0] == pytest.approx(347.896536)


@given(st.floats(0.08, 0.4), st.floats(0.005, 0.3), st.floats(-0.2, 0.2))
def test_a_wing_lies_on_any_smile_that_is_linear_in_delta(level: float, years: float, slope: float) -> None:
    strikes = np.arange(20000.0, 30000.0, 50.0)
    delta = greeks(24500.0, strikes, years, 0.065, level, True).delta
    iv = level + slope * (delta - 0.5)
    inside = delta > 1e-6
    found = at_25(delta[inside].tolist(), iv[inside].tolist())
    assert found == pytest.approx([level - slope * 0.25], rel=1e-9)


def derived() -> Derived:
    day = small_day()
    due = at("10:00:00")
    quotes = quotes_frame(market(day, due, 4), day, due, 1)
    return derive(quotes, snapshots_of(quotes, day, full=[due]), day)


def test_a_snapshot_has_what_its_chain_says() -> None:
    result = derived()
    rows, chain = result.expiry_overview, result.option_chain
    assert rows["call_iv_25"].notna().any()
    for _, row in rows.iterrows():
        here = chain[(chain["underlying"] == row["underlying"]) & (chain["expiry"] == row["expiry"])]
        wings = []
        for kind, ascending in (("CE", True), ("PE", False)):
            legs = here[(here["option_type"] == kind) & here["iv"].notna()].sort_values("strike", ascending=ascending)
            delta, iv = legs["delta"].abs().astype(float).tolist(), legs["iv"].astype(float).tolist()
            pairs = zip(delta, delta[1:], iv, iv[1:], strict=False)
            crossed = [a + (b - a) * (x - 0.25) / (x - y) for x, y, a, b in pairs if x >= 0.25 > y]
            wings.append(crossed[0] if crossed else np.nan)
        assert row[["call_iv_25", "put_iv_25"]].astype(float).tolist() == pytest.approx(wings, rel=1e-12, nan_ok=True)
        bent = (wings[0] + wings[1]) / 2 - float(row["atm_iv"])
        assert row["risk_reversal_25"] == pytest.approx(wings[0] - wings[1], abs=1e-12, nan_ok=True)
        assert row["butterfly_25"] == pytest.approx(bent, abs=1e-12, nan_ok=True)
        move = row["forward"] * float(row["atm_iv"]) * np.sqrt(row["t_years"])
        assert row["expected_move"] == pytest.approx(move, rel=1e-12, nan_ok=True)


def test_the_overview_keeps_full_precision_of_what_it_interpolates() -> None:
    rows = derived().expiry_overview
    for name in ("expected_move", "call_iv_25", "put_iv_25", "risk_reversal_25", "butterfly_25", "forward_vol"):
        assert rows[name].dtype == np.dtype("float64"), name
    assert isinstance(rows, pd.DataFrame)
