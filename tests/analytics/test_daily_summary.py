"""One row a day: its bars, its volatilities by hand, and its place among earlier days."""

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g6_market.daily import HISTORY, LEAST_DAYS, daily_summary, parkinson, standing, volatility
from g6_market.day import TradingDay
from g6_market.derive import Derived, derive
from g6_market.schema import DAILY_SUMMARY
from tests.market import market_data as market

CLOCKS = ("09:16", "09:20", "09:21", "12:00", "14:59", "15:00")

values = st.floats(0.01, 2.0)


@cache
def captured() -> tuple[pd.DataFrame, Derived, TradingDay]:
    day = market.small_day()
    parts = [market.snapshot(day, clock, market.market(day, market.at(clock), n)) for n, clock in enumerate(CLOCKS)]
    quotes = pd.concat(parts, ignore_index=True)
    snapshots = market.snapshots_of(quotes, day, full=[market.at("09:16"), market.at("15:00")])
    return quotes, derive(quotes, snapshots, day), day


def summary_of(history: pd.DataFrame) -> pd.DataFrame:
    return daily_summary(*captured(), history)


def earlier(days: int, **columns: object) -> pd.DataFrame:
    calendar = market.calendar()
    dates = [s.trade_date for s in calendar.sessions(pd.Timestamp("2024-06-01").date(), market.FRIDAY)][:-1][-days:]
    frame = pd.DataFrame({"trade_date": pd.to_datetime(pd.Series(dates)), "underlying": "NIFTY"})
    return frame.assign(**dict.fromkeys(HISTORY[1:], np.nan) | columns)


def test_rank_and_percentile_by_hand():
    past = [0.10 + 0.001 * n for n in range(100)]
    place = standing(0.15, past)
    assert place.rank == pytest.approx(0.05 / 0.099)
    assert place.percentile == pytest.approx(0.50)
    assert place.days_used == 100


def test_only_the_latest_252_known_days_count():
    past = [5.0, *[0.2] * 126, math.nan, *[0.1] * 126]
    assert standing(0.3, past) == (1.0, 1.0, 252)


@given(st.lists(values, max_size=LEAST_DAYS - 1), values)
def test_too_few_days_have_no_rank_and_say_how_many_they_are(past: list[float], value: float):
    place = standing(value, past)
    assert math.isnan(place.rank)
    assert math.isnan(place.percentile)
    assert place.days_used == len(past)


@given(st.lists(values, min_size=LEAST_DAYS, max_size=300), values, st.randoms(use_true_random=False))
def test_rank_and_percentile_lie_in_0_to_1_and_do_not_depend_on_the_order_of_a_window(past, value, random):
    place = standing(value, past)
    assert 0 <= place.percentile <= 1
    assert math.isnan(place.rank) or 0 <= place.rank <= 1
    window = past[-252:]
    random.shuffle(window)
    assert standing(value, window) == pytest.approx(place, nan_ok=True)


@given(st.lists(values, min_size=LEAST_DAYS, max_size=252), values, values)
def test_a_higher_value_never_stands_lower(past, one, other):
    low, high = (standing(value, past) for value in sorted((one, other)))
    assert low.percentile <= high.percentile


def test_volatility_by_hand():
    # Two returns of +1 % and -1 % in log terms over two sessions of 252.
    closes = [100.0, 100 * math.exp(0.01), 100.0]
    assert volatility(closes, 2 / 252) == pytest.approx(0.01 * math.sqrt(252))
    assert volatility([closes[0], math.nan, *closes[1:]], 2 / 252) == pytest.approx(0.01 * math.sqrt(252))
    assert math.isnan(volatility([100.0, math.nan, 101.0], 1 / 252))


def test_parkinson_by_hand():
    assert parkinson([math.e**0.01] * 2, [1.0] * 2) == pytest.approx(math.sqrt(252 * 0.0001 / (4 * math.log(2))))
    assert math.isnan(parkinson([101.0, math.nan], [100.0, 100.0]))


def test_a_first_day_has_its_own_numbers_and_no_rank():
    row = summary_of(earlier(0)).set_index("underlying").loc["NIFTY"]
    assert row["snapshots"] == len(CLOCKS)
    assert pd.Timestamp(row["fixed_strike_from"]).time().isoformat() == "09:20:00"
    assert row["straddle_low"] <= row["straddle_open"] <= row["straddle_high"]
    assert row["iv30_days_used"] == 0
    assert pd.isna(row["iv30_rank"])
    assert pd.isna(row["realised_vol_20"])


def test_history_gives_the_day_its_realised_volatility_and_rank():
    closes = 25_000 * np.exp(0.01 * (np.arange(70) % 2))
    history = earlier(70, spot_close=closes, spot_high=25_100.0, spot_low=25_000.0, iv30_1500=0.01, vix_close=1.0)
    row = summary_of(history).set_index("underlying").loc["NIFTY"]
    last = math.log(row["spot_close"] / closes[-1])
    assert row["realised_vol_20"] == pytest.approx(math.sqrt((19 * 0.01**2 + last**2) / 20 * 252))
    assert (row["realised_days_used"], row["vix_days_used"]) == (20, 70)
    if not pd.isna(row["vix_close"]):
        assert (row["vix_rank"], row["vix_percentile"]) == (1.0, 1.0)
        assert row["vix_less_realised"] == pytest.approx(row["vix_close"] / 100 - row["realised_vol_20"])


def test_stored_days_that_lie_far_apart_are_no_month():
    history = earlier(60, spot_close=25_000.0, spot_high=25_100.0, spot_low=25_000.0).iloc[::3]
    row = summary_of(history).set_index("underlying").loc["NIFTY"]
    assert row["realised_days_used"] == 20
    assert pd.isna(row["realised_vol_20"])


def test_the_future_is_no_history():
    later = earlier(70, vix_close=50.0).assign(trade_date=pd.Timestamp("2027-01-01"))
    assert summary_of(later).set_index("underlying").loc["NIFTY", "vix_days_used"] == 0


def test_the_table_is_of_its_schema():
    assert list(summary_of(earlier(0)).columns) == list(DAILY_SUMMARY.names)
