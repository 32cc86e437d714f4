"""Gamma exposure and its flip against hand-worked chains and against pricing each level again."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_data import recorded_day

from g6_market.derive import derive
from g6_market.exposure import FLIP_REACH, gamma_exposure, gamma_flip
from g6_market.pricing.black76 import greeks

STRIKES = np.arange(24000.0, 25050.0, 50.0)


def flip_of(
    strikes: np.ndarray, net_oi: np.ndarray, iv: np.ndarray | float, forward: float = 24512.0, years: float = 0.02
) -> float:
    ivs = np.broadcast_to(np.asarray(iv, dtype=float), strikes.shape).copy()
    return float(gamma_flip(strikes[None], net_oi[None], ivs[None], np.array([forward]), np.array([years]))[0])


def net_gamma(
    level: float, strikes: np.ndarray, net_oi: np.ndarray, iv: np.ndarray | float, years: float = 0.02
) -> float:
    """Net exposure with every option priced anew at the level, by the pricing package."""
    gamma = greeks(np.full(len(strikes), level), strikes, years, 0.065, iv, True).gamma
    return float(np.nansum(gamma * net_oi * level**2))


def nearest_by_brute_force(
    strikes: np.ndarray, net_oi: np.ndarray, iv: np.ndarray, forward: float, years: float, steps: int
) -> float:
    moves = np.linspace(0, FLIP_REACH, steps + 1)
    best = np.nan
    for side in (1, -1):
        levels = forward * (1 + side * moves)
        values = np.array([net_gamma(level, strikes, net_oi, iv, years) for level in levels])
        changes = np.flatnonzero(np.sign(values[1:]) * np.sign(values[:-1]) < 0)
        if len(changes):
            found = levels[changes[0] : changes[0] + 2].mean()
            best = found if np.isnan(best) or abs(found - forward) < abs(best - forward) else best
    return float(best)


def test_exposure_by_hand() -> None:
    # 0.001 a point x 7,500 units x 24,000^2 x 1 % = 43.2 million rupees.
    assert gamma_exposure(np.array([0.001]), np.array([7500.0]), np.array([24000.0])).tolist() == pytest.approx([4.32])


def test_between_as_many_calls_above_as_puts_below_lies_the_flip() -> None:
    net = np.zeros(len(STRIKES))
    net[[8, 12]] = [-75_000, 75_000]  # puts at 24,400, calls at 24,600
    # Equal gammas where the level is the geometric mean of the strikes, up to the drift of half a variance.
    expected = np.sqrt(24400 * 24600) * np.exp(-0.5 * 0.12**2 * 0.02)
    assert flip_of(STRIKES, net, 0.12) == pytest.approx(expected, rel=1e-12)
    gross = net_gamma(expected, STRIKES, np.abs(net), 0.12)
    assert abs(net_gamma(flip_of(STRIKES, net, 0.12), STRIKES, net, 0.12)) < 1e-12 * gross


@pytest.mark.parametrize(
    "net_oi", [np.zeros(21), np.full(21, 75.0), np.full(21, -75.0)], ids=["no open interest", "calls only", "puts only"]
)
def test_without_a_change_of_sign_there_is_no_flip(net_oi: np.ndarray) -> None:
    assert np.isnan(flip_of(STRIKES, net_oi, 0.12))


def test_a_change_farther_than_5_percent_is_none() -> None:
    net = np.zeros(len(STRIKES))
    net[[0, 20]] = [-75, 75]
    assert np.isnan(flip_of(STRIKES, net, 0.12, forward=26000.0))
    assert flip_of(STRIKES, net, 0.12, forward=25700.0) == pytest.approx(24494.9, rel=1e-3)


def test_the_nearer_of_two_changes_is_the_flip() -> None:
    net = np.zeros(len(STRIKES))
    net[[6, 10, 16]] = [-75, 75, -75]  # changes near 24,400 and 24,630
    below, above = (flip_of(STRIKES, net, 0.05, forward=level) for level in (24450.0, 24600.0))
    assert 24380 < below < 24420
    assert 24610 < above < 24660


def test_unknown_volatility_time_or_forward_gives_no_flip() -> None:
    net = np.where(STRIKES < 24500, -75.0, 75.0)
    assert np.isfinite(flip_of(STRIKES, net, 0.12))
    assert np.isnan(flip_of(STRIKES, net, np.nan))
    assert np.isnan(flip_of(STRIKES, net, 0.12, years=0.0))
    assert np.isnan(flip_of(STRIKES, net, 0.12, forward=np.nan))


def test_strikes_without_a_volatility_are_left_out() -> None:
    net = np.where(STRIKES < 24500, -75.0, 75.0)
    iv = np.where(STRIKES > 24900, np.nan, 0.12)
    known = ~np.isnan(iv)
    assert flip_of(STRIKES, net, iv) == pytest.approx(flip_of(STRIKES[known], net[known], 0.12), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-40, 40), min_size=21, max_size=21),
    st.floats(0.08, 0.4),
    st.floats(0.004, 0.3),
    st.floats(24000, 25000),
)
def test_a_flip_balances_what_is_priced_again(lots: list[int], iv: float, years: float, forward: float) -> None:
    net = np.array(lots) * 75.0
    flip = flip_of(STRIKES, net, iv, forward, years)
    gross = net_gamma(forward if np.isnan(flip) else flip, STRIKES, np.abs(net), iv, years)
    if np.isnan(flip):
        ends = [net_gamma(forward * (1 + move), STRIKES, net, iv, years) for move in (-FLIP_REACH, 0, FLIP_REACH)]
        assert len({np.sign(end) for end in ends if abs(end) > 1e-9 * max(gross, 1)}) <= 1
    else:
        assert abs(flip / forward - 1) <= FLIP_REACH
        assert abs(net_gamma(flip, STRIKES, net, iv, years)) <= 1e-9 * gross


def test_a_chain_gets_the_same_flip_alone_and_among_others() -> None:
    random = np.random.default_rng(5)
    net = random.integers(-40, 40, (40, 21)) * 75.0
    iv = 0.1 + 0.1 * random.random((40, 21))
    forward, years = random.uniform(24000, 25000, 40), random.uniform(0.005, 0.1, 40)
    together = gamma_flip(np.tile(STRIKES, (40, 1)), net, iv, forward, years)
    alone = [flip_of(STRIKES, net[n], iv[n], forward[n], years[n]) for n in range(40)]
    np.testing.assert_array_equal(together, alone)
    assert 5 < np.isfinite(together).sum() <= 40


@pytest.mark.reference
def test_flips_of_a_recorded_snapshot_are_those_of_brute_force(reference_data: Path) -> None:
    recorded = recorded_day(reference_data)
    due = np.sort(recorded.quotes["snapshot_at"].unique())[100]
    part = [frame[frame["snapshot_at"] == due] for frame in (recorded.quotes, recorded.snapshots)]
    result = derive(*part, recorded.day)
    for _, row in result.expiry_overview.iterrows():
        chain = result.option_chain
        chain = chain[(chain["underlying"] == row["underlying"]) & (chain["expiry"] == row["expiry"])]
        net = (chain["oi"] * np.where(chain["option_type"] == "CE", 1, -1)).groupby(chain["strike"]).sum()
        iv = chain.groupby("strike")["iv"].max()
        known = iv.notna().to_numpy()
        brute = nearest_by_brute_force(
            iv.index.to_numpy()[known], net.to_numpy(dtype=float)[known], iv.to_numpy(dtype=float)[known],
            row["forward"], row["t_years"], 1000,
        )  # fmt: skip
        assert row["gamma_flip"] == pytest.approx(brute, abs=row["forward"] * FLIP_REACH / 1000, nan_ok=True)
