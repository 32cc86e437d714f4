"""Today against the same weekday: averages by hand, who is compared with whom; order and repetition change nothing."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g6_market.overlay import MEASURES, moving_average, weekday_overlay

TUESDAY = pd.Timestamp("2026-11-17")


def rows(day: pd.Timestamp, straddles: list[float], left: int = 0) -> pd.DataFrame:
    """A day of one label, a snapshot a minute from 09:16; the other measures follow from the straddle."""
    at = [day + pd.Timedelta(hours=9, minutes=16 + n) for n in range(len(straddles))]
    frame = pd.DataFrame({"trade_date": day, "snapshot_at": at, "trading_days_to_expiry": left})
    return frame.assign(**{name: np.array(straddles) * (n + 1) for n, name in enumerate(MEASURES)})


def weeks_before(count: int) -> pd.Timestamp:
    return TUESDAY - pd.Timedelta(weeks=count)


def test_mean_moving_average_and_days_by_hand():
    past = pd.concat([rows(weeks_before(1), [120, math.nan]), rows(weeks_before(2), [100, 80])])
    overlay = weekday_overlay(rows(TUESDAY, [110, 90, 70]), past, 0.25)
    assert list(overlay["straddle"]) == [110, 90, 70]
    assert overlay["straddle_mean"].tolist()[:2] == [110, 80]
    assert overlay["straddle_ema"].tolist()[:2] == [0.25 * 120 + 0.75 * 100, 80]
    assert overlay["straddle_days"].tolist() == [2, 1, 0]
    assert overlay[["straddle_mean", "straddle_ema"]].iloc[2].isna().all()
    assert overlay["fixed_oi_mean"].iloc[0] == 110 * len(MEASURES)


def test_another_weekday_another_distance_to_expiry_and_later_days_stay_out():
    alike = rows(weeks_before(1), [100])
    shifted = rows(weeks_before(2), [1], left=4)
    monday = rows(TUESDAY - pd.Timedelta(days=1), [2])
    later = rows(TUESDAY + pd.Timedelta(weeks=1), [3])
    today = rows(TUESDAY, [110])
    overlay = weekday_overlay(today, pd.concat([shifted, monday, later, alike, today]), 0.5)
    assert overlay.loc[0, ["straddle_mean", "straddle_ema", "straddle_days"]].tolist() == [100, 100, 1]


def test_without_a_past_there_is_nothing_to_compare_with():
    overlay = weekday_overlay(rows(TUESDAY, [110]), rows(TUESDAY, []), 0.5)
    assert overlay["straddle_days"].tolist() == [0]
    assert math.isnan(overlay["straddle_ema"].iloc[0])


def test_a_day_of_two_labels_and_a_weight_of_none_are_refused():
    both = pd.concat([rows(TUESDAY, [1]), rows(TUESDAY, [1], left=4)])
    with pytest.raises(ValueError, match="one day and label"):
        weekday_overlay(both, both, 0.5)
    with pytest.raises(ValueError, match=r"overlays\.weekday\.alpha"):
        weekday_overlay(rows(TUESDAY, [1]), rows(TUESDAY, [1]), 0)


days = st.lists(st.lists(st.floats(1, 1000), min_size=3, max_size=3), min_size=1, max_size=6)


@settings(max_examples=30)
@given(days, st.floats(0.05, 1), st.integers(0, 2**32 - 1))
def test_computing_it_again_from_rows_in_another_order_and_twice_gives_the_same(past, alpha, seed):
    frame = pd.concat([rows(weeks_before(n + 1), day) for n, day in enumerate(past)])
    today = rows(TUESDAY, [100, 101, 102])
    once = weekday_overlay(today, frame, alpha)
    again = weekday_overlay(today, pd.concat([frame, frame]).sample(frac=1, random_state=seed), alpha)
    pd.testing.assert_frame_equal(once, again)


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=20))
def test_full_weight_on_the_newest_day_is_that_day_and_every_average_lies_within_its_days(past: list[float]):
    table = np.array(past)[:, None]
    assert moving_average(table, 1.0)[0] == past[-1]
    assert min(past) * (1 - 1e-12) <= moving_average(table, 0.3)[0] <= max(past) * (1 + 1e-12)
