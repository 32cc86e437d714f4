"""Offset series: call and put side by side by label, and when their contract changes."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_data import Answer, at, entry, index_entry, put_call, recorded_day, small_day, snapshots_of

from g6_market.day import TradingDay
from g6_market.derive import Derived, derive
from g6_market.indices import TAGS
from g6_market.quotes import quotes_frame
from g6_market.schema import OFFSET_SERIES, conform
from g6_market.series import last_strikes, offset_label, offset_series, parse_series_key, series_key

DAY = small_day(risk_free_rate=0.0, strikes_each_side=2)
STRIKES = np.arange(24200, 24850, 50)


def derived(
    *forwards: float, day: TradingDay = DAY, without: tuple[str, ...] = (), months: Any = ("25SEP",)
) -> Derived:
    frames = []
    for minute, forward in enumerate(forwards):
        due = at(f"10:{minute:02}:00", day.trade_date)
        quotes: dict[str, Any] = {"NSE:NIFTY 50": index_entry(24460)}
        for month in months:
            for strike in STRIKES:
                for kind, price in zip(("CE", "PE"), put_call(forward, strike), strict=True):
                    quotes[f"NFO:NIFTY{month}{strike:g}{kind}"] = entry(price, price - 0.05, price + 0.05, oi=75)
        frames.append(quotes_frame([Answer({k: v for k, v in quotes.items() if k not in without}, due)], day, due, 1))
    quotes = pd.concat(frames, ignore_index=True)
    return derive(quotes, snapshots_of(quotes, day), day)


def series(result: Derived, day: TradingDay = DAY, **more: Any) -> pd.DataFrame:
    frame = offset_series(result.option_chain, result.expiry_overview, day, **more)
    pd.testing.assert_frame_equal(conform(frame, OFFSET_SERIES), frame)
    return frame


def test_call_and_put_of_a_strike_stand_side_by_side() -> None:
    frame = series(derived(24520))
    assert frame["strike_offset"].tolist() == [-2, -1, 0, 1, 2]
    assert frame["strike"].tolist() == [24400, 24450, 24500, 24550, 24600]
    assert frame["expiry_tag"].unique().tolist() == ["this_month"]
    row = frame[frame["strike_offset"] == 1].iloc[0]
    call, put = put_call(24520, 24550)
    assert (row["call_tradingsymbol"], row["put_tradingsymbol"]) == ("NIFTY25SEP24550CE", "NIFTY25SEP24550PE")
    assert row["call_price"] == pytest.approx(call)
    assert row["put_price"] == pytest.approx(put)
    assert row["straddle"] == row["call_price"] + row["put_price"]
    assert row[["call_oi", "put_bid_price", "spot"]].tolist() == [75, pytest.approx(put - 0.05), 24460]
    assert row["forward"] == pytest.approx(24520)
    assert row["call_iv"] == row["iv"]
    assert row["call_delta"] > 0 > row["put_delta"]


def test_labels_mean_the_days_reference() -> None:
    spot = small_day(risk_free_rate=0.0, strikes_each_side=2, atm_reference="spot")
    result = derived(24620, day=spot)
    assert series(result, spot)["strike"].tolist() == [24350, 24400, 24450, 24500, 24550]
    assert series(result, DAY)["strike"].tolist() == [24500, 24550, 24600, 24650, 24700]


def test_a_side_that_was_not_captured_is_null_and_a_strike_without_either_is_no_row() -> None:
    without = ("NFO:NIFTY25SEP24550PE", "NFO:NIFTY25SEP24400PE", "NFO:NIFTY25SEP24400CE")
    frame = series(derived(24520, without=without)).set_index("strike")
    assert frame.index.tolist() == [24450, 24500, 24550, 24600]
    row = frame.loc[24550]
    assert row[["put_tradingsymbol", "put_price", "put_oi", "put_iv", "straddle"]].isna().all()
    assert row["call_tradingsymbol"] == "NIFTY25SEP24550CE"


def test_an_expiry_with_two_labels_is_under_both() -> None:
    day = small_day(date(2025, 9, 9), risk_free_rate=0.0, strikes_each_side=1)
    frame = series(derived(24520, day=day, months=("25SEP", "25909")), day)
    by_label = frame.groupby("expiry_tag")["call_tradingsymbol"].agg(list).to_dict()
    monthly = [f"NIFTY25SEP{strike}CE" for strike in (24450, 24500, 24550)]
    assert by_label["next_week"] == by_label["this_month"] == monthly
    assert by_label["this_week"] == [f"NIFTY25909{strike}CE" for strike in (24450, 24500, 24550)]
    assert set(by_label) == {"this_week", "next_week", "this_month"}


def test_a_series_rolls_when_its_strike_changes_and_not_at_its_start() -> None:
    frame = series(derived(24500, 24510, 24560, 24550))
    atm = frame[frame["strike_offset"] == 0]
    assert atm["strike"].tolist() == [24500, 24500, 24550, 24550]
    assert atm["rolled"].tolist() == [False, False, True, False]
    assert frame.groupby("strike_offset")["rolled"].sum().tolist() == [1] * 5


def test_a_live_snapshot_rolls_against_the_one_before() -> None:
    forwards = 24500, 24510, 24560, 24550
    whole = series(derived(*forwards))
    result = derived(*forwards)
    parts, previous = [], {}
    for due in result.overview["snapshot_at"]:
        one = (table[table["snapshot_at"] == due] for table in (result.option_chain, result.expiry_overview))
        parts.append(offset_series(*one, DAY, previous))
        previous = last_strikes(parts[-1], previous)
    live = pd.concat(parts).sort_values(list(OFFSET_SERIES.sort), ignore_index=True)
    pd.testing.assert_frame_equal(live, whole, check_exact=True)


def test_each_index_has_the_width_it_was_captured_with() -> None:
    wide = replace(DAY, expiries=DAY.expiries.assign(strikes_each_side=pd.array([4] * len(DAY.expiries), "Int16")))
    assert series(derived(24520), wide)["strike_offset"].tolist() == list(range(-4, 5))
    unknown = replace(
        DAY, expiries=DAY.expiries.assign(strikes_each_side=pd.array([None] * len(DAY.expiries), "Int16"))
    )
    assert series(derived(24520), unknown)["strike_offset"].tolist() == list(range(-2, 3))


def test_without_a_level_there_is_no_series() -> None:
    due = at("10:00:00")
    quotes = quotes_frame([Answer({"NFO:NIFTY25SEP24500CE": entry(5)}, due)], DAY, due, 1)
    assert series(derive(quotes, snapshots_of(quotes, DAY), DAY)).empty


@pytest.mark.parametrize(("offset", "label"), [(0, "ATM"), (1, "ATM+1"), (-3, "ATM-3"), (10, "ATM+10")])
def test_labels_are_as_traders_write_them(offset: int, label: str) -> None:
    assert offset_label(offset) == label
    assert series_key("this_week", offset) == f"this_week.{label}"


@given(st.sampled_from(TAGS), st.integers(-100, 100))
def test_a_series_key_reads_back(tag: str, offset: int) -> None:
    assert parse_series_key(series_key(tag, offset)) == (tag, offset)


@pytest.mark.parametrize("key", ["this_week", "this_week.ATM+0", "this_week.ATM1", "someday.ATM", "this_week.ATM+1 "])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is not known; expected an expiry label"):
        parse_series_key(key)


@pytest.mark.reference
def test_the_front_money_of_the_recorded_day_rolls_as_often_as_it_was_counted(reference_data: Path) -> None:
    recorded = recorded_day(reference_data)
    result = derive(recorded.quotes, recorded.snapshots, recorded.day)
    frame = offset_series(result.option_chain, result.expiry_overview, recorded.day)
    front = frame[(frame["expiry_tag"] == "this_week") & (frame["strike_offset"] == 0)]
    assert front["underlying"].unique().tolist() == ["NIFTY"]
    # Conventions: "the front ATM flips 28-39 times a day".
    assert 28 <= front["rolled"].sum() <= 39
    assert front["straddle"].notna().all()
