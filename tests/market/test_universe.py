"""What is quoted: few calls, whole strikes, spot beside every leg; a window that grows and never shrinks."""

from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_data import BANKNIFTY_EXPIRIES, LEVELS, NIFTY_EXPIRIES, small_day

from g6_market.universe import (
    Batch,
    ChainKey,
    StickyWindow,
    expected_legs,
    full_chain_batches,
    nearest_rank,
    reference_batches,
    window_batches,
)

DAY = small_day()
WEEKLY = ChainKey("NIFTY", NIFTY_EXPIRIES[0])
FORWARDS = {chain: LEVELS[chain.underlying] for chain in DAY.chains}
SPOTS = {"NIFTY": "NSE:NIFTY 50", "BANKNIFTY": "NSE:NIFTY BANK"}


def underlying(key: str) -> str:
    return "BANKNIFTY" if key.startswith("NFO:BANKNIFTY") else "NIFTY"


def check(batches: list[Batch], limit: int) -> Counter[str]:
    """The rules of every packing; returns how often each key is asked."""
    strikes: dict[str, int] = {}
    for number, batch in enumerate(batches):
        assert 0 < len(batch.keys) <= limit
        assert len(set(batch.keys)) == len(batch.keys)
        for key in batch.keys:
            if key.endswith(("CE", "PE")):
                assert SPOTS[underlying(key)] in batch.keys
                assert strikes.setdefault(key[:-2], number) == number
    return Counter(key for batch in batches for key in batch.keys)


def test_a_small_window_is_one_call() -> None:
    window = StickyWindow.around(DAY, FORWARDS, 5, 36)
    (batch,) = window_batches(DAY, window)
    counts = check([batch], 500)
    assert set(counts.values()) == {1}
    assert sum(expected_legs(DAY, window).values()) == 6 * 11 * 2
    # Two spots, India VIX, near and next future of each index.
    assert len(batch.keys) == 6 * 11 * 2 + 2 + 1 + 4


def test_the_full_chain_asks_every_listed_leg_once() -> None:
    counts = check(full_chain_batches(DAY), 500)
    legs = [key for key in counts if key.endswith(("CE", "PE"))]
    assert len(legs) == sum(expected_legs(DAY).values()) == 2 * (4 * 21 + 2 * 26)
    assert all(counts[key] == 1 for key in legs)
    assert counts["NSE:INDIA VIX"] == 1
    assert counts["NFO:NIFTY25SEPFUT"] == counts["NFO:NIFTY25OCTFUT"] == 1


@pytest.mark.parametrize("limit", [3, 7, 40, 100, 272, 280, 500])
def test_any_limit_keeps_call_put_and_spot_together(limit: int) -> None:
    batches = full_chain_batches(DAY, limit)
    counts = check(batches, limit)
    assert sum(count for key, count in counts.items() if key.endswith(("CE", "PE"))) == 272
    assert len(batches) >= -(-279 // limit)
    if limit >= 100:
        assert len(batches) == -(-279 // limit)


def test_a_limit_that_holds_no_strike_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is 2 keys a call; a spot with a call and a put needs at least 3"):
        full_chain_batches(DAY, 2)


def test_the_reference_sweep_asks_expiries_without_a_label_too() -> None:
    monthly = small_day()
    keep = monthly.expiries["expiry_tag"] == "this_month"
    monthly = type(monthly)(
        monthly.session, monthly.conventions, monthly.instruments, monthly.expiries[keep], monthly.calendar
    )
    counts = check(reference_batches(monthly, 100), 100)
    assert sum(key.endswith(("CE", "PE")) for key in counts) == 2 * (4 * 21 + 2 * 26)
    assert len(monthly.chains) == 2


def test_a_window_is_atm_and_its_neighbours_within_the_ladder() -> None:
    window = StickyWindow.around(DAY, FORWARDS | {WEEKLY: 24110.0}, 5, 20)
    assert window.ranks[WEEKLY] == (0, 8)
    assert window.ranks[ChainKey("NIFTY", NIFTY_EXPIRIES[1])] == (5, 16)


def test_a_window_grows_with_the_forward_and_never_shrinks() -> None:
    first = StickyWindow.around(DAY, FORWARDS, 2, 9)
    up = first.widened(DAY, {WEEKLY: 24600.0}, 2, 9)
    back = up.widened(DAY, {WEEKLY: 24500.0}, 2, 9)
    assert (first.ranks[WEEKLY], up.ranks[WEEKLY], back.ranks[WEEKLY]) == ((8, 13), (8, 15), (8, 15))
    assert {k: v for k, v in back.ranks.items() if k != WEEKLY} == {k: v for k, v in first.ranks.items() if k != WEEKLY}


def test_a_window_without_room_slides_and_keeps_the_money() -> None:
    first = StickyWindow.around(DAY, FORWARDS, 2, 6)
    assert first.widened(DAY, {WEEKLY: 24650.0}, 2, 6).ranks[WEEKLY] == (10, 16)
    assert first.widened(DAY, {WEEKLY: 24350.0}, 2, 6).ranks[WEEKLY] == (5, 11)


def test_a_chain_without_a_forward_borrows_its_neighbours_and_one_without_any_is_captured_whole() -> None:
    levels = {ChainKey("NIFTY", NIFTY_EXPIRIES[2]): 24500.0, WEEKLY: float("nan")}
    window = StickyWindow.around(DAY, levels, 5, 36)
    assert window.ranks[WEEKLY] == (5, 16)
    bank = ChainKey("BANKNIFTY", BANKNIFTY_EXPIRIES[0])
    assert bank not in window.ranks
    assert expected_legs(DAY, window)[bank] == expected_legs(DAY)[bank] == 52


def test_a_room_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"room is 20 strikes; ATM \+- 10 alone needs 21"):
        StickyWindow.around(DAY, FORWARDS, 10, 20)


def test_a_window_survives_a_relaunch() -> None:
    window = StickyWindow.around(DAY, FORWARDS, 3, 36)
    assert StickyWindow.from_json(window.to_json()) == window


@given(st.lists(st.floats(23900, 25200), min_size=1, max_size=12), st.integers(1, 8), st.integers(0, 6))
def test_a_window_always_holds_the_money_within_its_room(levels: list[float], width: int, spare: int) -> None:
    room = 2 * width + 1 + spare
    ladder = DAY.ladder(*WEEKLY)
    window = StickyWindow()
    for level in levels:
        before = window.ranks.get(WEEKLY)
        window = window.widened(DAY, {WEEKLY: level}, width, room)
        first, end = window.ranks[WEEKLY]
        atm = nearest_rank(ladder, level)
        assert first <= max(atm - width, 0)
        assert end >= min(atm + width + 1, len(ladder))
        assert end - first <= room
        if before and max(before[1], end) - min(before[0], first) <= room:
            assert first <= before[0]
            assert end >= before[1]


@pytest.mark.parametrize(("level", "strike"), [(24524.9, 24500), (24525.0, 24500), (24525.1, 24550), (1.0, 24000)])
def test_the_money_is_the_nearest_strike_the_lower_on_a_tie(level: float, strike: float) -> None:
    ladder = DAY.ladder("NIFTY", date(2025, 9, 2))
    assert ladder[nearest_rank(ladder, level)] == strike


def test_ladder_of_uneven_steps_goes_by_rank() -> None:
    assert nearest_rank(np.array([100.0, 200.0, 500.0]), 350.0) == 1
