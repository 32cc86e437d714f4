"""Sums over chains: all listed strikes from full chains only, near the money exactly, each expiry once."""

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from market_data import Answer, at, calendar, dump, entry, index_entry, put_call, small_day, snapshots_of

from g6_market.conventions import Conventions
from g6_market.day import TradingDay, make_day, wall_clock
from g6_market.derive import Derived, derive
from g6_market.indices import TAGS
from g6_market.instruments import normalise_dump
from g6_market.quotes import quotes_frame
from g6_market.totals import max_pain, ratio

SEPTEMBER = pd.Timestamp("2025-09-30")
DAY = small_day(risk_free_rate=0.0)
TEN = at("10:00:00")


def chain_quotes(
    strikes: Any, *, month: str = "25SEP", oi: tuple[int, int] = (100, 200), volume: tuple[int, int] = (10, 5)
) -> dict[str, Any]:
    """Every leg of some strikes with the same open interest and volume on each side, around a forward of 24500."""
    return {
        f"NFO:NIFTY{month}{strike:g}{kind}": entry(price, price - 0.05, price + 0.05, oi=oi[side], volume=volume[side])
        for strike in strikes
        for side, (kind, price) in enumerate(zip(("CE", "PE"), put_call(24500, strike), strict=True))
    }


ALL = np.arange(24000, 25050, 50)


def derived(
    quotes: dict[str, Any],
    *,
    day: TradingDay = DAY,
    due: datetime = TEN,
    full: bool = True,
    before: Derived | None = None,
) -> Derived:
    frame = quotes_frame([Answer(quotes, due)], day, due, 1)
    snapshots = snapshots_of(frame, day, full=[due] if full else [])
    return derive(frame, snapshots, day, before.totals if before else None)


def moment(result: Derived, expiry: pd.Timestamp = SEPTEMBER) -> pd.Series:
    return result.expiry_overview.set_index("expiry").loc[expiry]


def test_totals_are_over_all_listed_strikes_of_a_full_chain() -> None:
    quotes = chain_quotes(ALL)
    quotes["NFO:NIFTY25SEP24000PE"]["oi"] = 1_000_000
    row = moment(derived(quotes))
    assert row[["call_oi", "put_oi", "call_volume", "put_volume"]].tolist() == [2100, 1_004_000, 210, 105]
    assert row["pcr_oi"] == 1_004_000 / 2100
    assert row["pcr_volume"] == 0.5
    assert row["oi_as_of"] == pd.Timestamp("2025-08-29 10:00")
    # 21 strikes are exactly ATM +- 10 of 24500, so near is all here.
    assert row[["call_oi_near", "put_oi_near", "call_volume_near"]].tolist() == [2100, 1_004_000, 210]
    assert row["pcr_oi_near"] == row["pcr_oi"]


def test_a_window_gives_no_totals_of_its_own_and_carries_the_last_full_chains() -> None:
    window = chain_quotes(ALL[5:16])
    alone = moment(derived(window, full=False))
    absent = ["call_oi", "put_oi", "call_volume", "put_volume", "pcr_oi", "pcr_volume", "max_pain", "oi_as_of"]
    assert alone[absent].isna().all()
    first = derived(chain_quotes(ALL))
    later = derived(chain_quotes(ALL[5:16], oi=(7, 7)), due=at("10:01:00"), full=False, before=first)
    assert moment(later)[["call_oi", "put_oi", "pcr_oi"]].tolist() == [2100, 4200, 2.0]
    assert moment(later)["oi_as_of"] == pd.Timestamp("2025-08-29 10:00")
    assert moment(later)["legs"] == 22
    assert moment(later)[["call_oi_near", "max_pain_near"]].isna().all()
    renewed = derived(chain_quotes(ALL, oi=(7, 7)), due=at("10:03:00"), before=later)
    assert moment(renewed)[["call_oi", "pcr_oi"]].tolist() == [147, 1.0]
    assert moment(renewed)["oi_as_of"] == pd.Timestamp("2025-08-29 10:03")


def test_a_ratio_without_calls_is_null() -> None:
    row = moment(derived(chain_quotes(ALL, oi=(0, 200), volume=(0, 0))))
    assert row["call_oi"] == 0
    assert row[["pcr_oi", "pcr_oi_near", "pcr_volume"]].isna().all()
    assert np.isnan(ratio(np.array([1.0, 0.0, np.nan]), np.array([0.0, 0.0, 2.0]))).all()


@pytest.mark.parametrize("absent", ["NFO:NIFTY25SEP24000CE", "NFO:NIFTY25SEP25000PE", "NFO:NIFTY25SEP24500CE"])
def test_near_totals_are_null_when_a_listed_leg_of_the_range_is_absent(absent: str) -> None:
    quotes = chain_quotes(ALL)
    del quotes[absent]
    row = moment(derived(quotes))
    near = ["call_oi_near", "put_oi_near", "call_volume_near", "put_volume_near", "max_pain_near", "pcr_oi_near"]
    assert row[near].isna().all()
    assert row["put_oi"] > 0


def test_near_totals_are_null_where_the_ladder_ends_within_ten_strikes() -> None:
    quotes = {f"NFO:NIFTY25SEP{k:g}{kind}": entry(p, p - 0.05, p + 0.05, oi=75) for k in ALL
              for kind, p in zip(("CE", "PE"), put_call(24560, k), strict=True)}  # fmt: skip
    row = moment(derived(quotes))
    assert row["atm_strike"] == 24550
    assert pd.isna(row["call_oi_near"])
    assert row["call_oi"] == 21 * 75


def test_near_totals_of_one_field_do_not_need_the_other() -> None:
    quotes = chain_quotes(ALL)
    del quotes["NFO:NIFTY25SEP24500CE"]["volume"]
    row = moment(derived(quotes))
    assert row["call_oi_near"] == 2100
    assert pd.isna(row["call_volume_near"])


def test_max_pain_by_hand() -> None:
    strikes = np.array([[100.0, 110.0, 120.0, np.nan]])
    calls = np.array([[10.0, 0.0, 5.0, np.nan]])
    puts = np.array([[0.0, 4.0, 30.0, np.nan]])
    # Paid at 100: puts 4*10 + 30*20 = 640; at 110: calls 100 + puts 300 = 400; at 120: calls 10*20 = 200.
    assert max_pain(strikes, calls, puts).tolist() == [120]
    # Equal at every strike between a lone call and a lone put: the lowest of them.
    assert max_pain(strikes, np.array([[1.0, 0, 0, 0]]), np.array([[0, 0, 1.0, 0]])).tolist() == [100]
    assert np.isnan(max_pain(strikes, np.zeros((1, 4)), np.full((1, 4), np.nan))).all()


@given(st.data(), st.integers(1, 25))
def test_max_pain_is_that_of_brute_force(data: st.DataObject, size: int) -> None:
    steps = data.draw(arrays(np.int64, size, elements=st.integers(1, 20)))
    strikes = np.cumsum(steps) * 25.0 + 1000
    oi = arrays(np.int64, size, elements=st.integers(0, 50_000_000))
    calls, puts = data.draw(oi).astype(float), data.draw(oi).astype(float)
    pain = [
        sum(c * max(k - i, 0) + p * max(i - k, 0) for i, c, p in zip(strikes, calls, puts, strict=True))
        for k in strikes
    ]
    expected = strikes[int(np.argmin(pain))] if calls.sum() + puts.sum() > 0 else np.nan
    np.testing.assert_equal(max_pain(strikes[None], calls[None], puts[None])[0], expected)


def test_the_overview_of_an_index_in_numbers() -> None:
    quotes = chain_quotes(ALL) | chain_quotes(ALL, month="25OCT", oi=(50, 25))
    quotes |= {"NSE:NIFTY 50": index_entry(24460), "NSE:INDIA VIX": index_entry(11.25)}
    quotes |= {"NFO:NIFTY25SEPFUT": entry(24555), "NFO:NIFTY25OCTFUT": entry(24650.5)}
    result = derived(quotes)
    assert len(result.overview) == 1
    row = result.overview.iloc[0]
    assert row["underlying"] == "NIFTY"
    assert row[["spot", "open", "high", "low", "previous_close"]].tolist() == [24460, 24450, 24480, 24430, 24420]
    assert row[["day_width", "net_change", "india_vix"]].tolist() == [50, 40, 11.25]
    assert row["net_change_percent"] == pytest.approx(40 / 24420 * 100)
    assert row[["future_near", "basis_near", "future_next", "basis_next"]].tolist() == [24555, 95, 24650.5, 190.5]
    assert row["future_near_expiry"] == SEPTEMBER
    assert row["future_next_expiry"] == pd.Timestamp("2025-10-28")
    assert not row["spot_unreliable"]
    # this_week and next_week are expected and absent.
    masks = row[["expected_mask", "collected_mask", "missing_mask", "expiries_expected", "expiries_collected"]]
    assert masks.tolist() == [15, 12, 3, 4, 2]
    assert row[["pcr_oi_this_month", "pcr_oi_next_month"]].tolist() == [2.0, 0.5]
    assert row[["pcr_volume_this_month", "pcr_volume_next_month"]].tolist() == [0.5, 0.5]
    assert row[["pcr_oi_this_week", "pcr_volume_next_week"]].isna().all()
    # Not every configured expiry has had its full chain.
    assert row[["call_oi", "put_oi", "pcr_oi", "oi_as_of"]].isna().all()


def test_what_was_not_received_is_null_in_the_overview() -> None:
    row = derived(chain_quotes(ALL)).overview.iloc[0]
    absent = ["spot", "open", "day_width", "net_change", "india_vix", "future_near", "future_near_expiry", "basis_next"]
    assert row[absent].isna().all()


def test_an_expiry_with_two_labels_counts_once() -> None:
    # On 9 September next_week and this_month are both 30 September.
    day = small_day(date(2025, 9, 9))
    assert day.tags("NIFTY")["next_week"] == day.tags("NIFTY")["this_month"] == SEPTEMBER.date()
    due = at("10:00:00", date(2025, 9, 9))
    quotes = chain_quotes(ALL, month="25909") | chain_quotes(ALL) | chain_quotes(ALL, month="25OCT", oi=(50, 25))
    result = derived(quotes, day=day, due=due)
    row = result.overview.iloc[0]
    assert row[["call_oi", "put_oi"]].tolist() == [21 * (100 + 100 + 50), 21 * (200 + 200 + 25)]
    assert row["pcr_oi"] == (200 + 200 + 25) / 250
    assert row[["pcr_oi_next_week", "pcr_oi_this_month"]].tolist() == [2.0, 2.0]
    assert row[["expected_mask", "collected_mask", "missing_mask", "expiries_expected"]].tolist() == [15, 15, 0, 4]
    assert row["oi_as_of"] == pd.Timestamp("2025-09-09 10:00")
    assert len(result.expiry_overview) == 3


def test_an_index_without_weeklies_expects_only_its_months() -> None:
    quotes = {"NFO:BANKNIFTY25SEP54000CE": entry(500, oi=35)}
    row = derived(quotes).overview.iloc[0]
    assert row["underlying"] == "BANKNIFTY"
    assert row[["expected_mask", "collected_mask", "missing_mask"]].tolist() == [12, 4, 8]


def test_trading_time_counts_session_minutes_up_to_the_settlement() -> None:
    day = small_day(date(2025, 9, 2))
    instants = np.array([wall_clock(at(clock, date(2025, 9, 2))) for clock in ("09:30:00", "15:30:00")])
    expiring, next_week = (day.chain_number(chain) for chain in day.chains if chain.underlying == "NIFTY" and
                           chain.expiry <= date(2025, 9, 9))  # fmt: skip
    assert day.t_trading_years(instants, expiring).tolist() == [360 / (252 * 375), 0]
    # 3, 4, 5, 8 and 9 September are whole sessions.
    assert day.t_trading_years(instants, next_week).tolist() == [(360 + 5 * 375) / (252 * 375), 5 / 252]
    row = moment(derived(chain_quotes(ALL), due=at("10:00:00")))
    assert row["iv_trading"] == pytest.approx(row["atm_iv"] * np.sqrt(row["t_years"] / row["t_trading_years"]))


def test_since_august_2026_the_closing_auction_sets_the_windows() -> None:
    expiries = [date(2026, 8, 18), date(2026, 8, 25), date(2026, 9, 29)]
    raw = dump({"NIFTY": dict.fromkeys(expiries, ALL)})
    session = calendar().session(date(2026, 8, 18))
    day = make_day(session, Conventions(), normalise_dump(raw, ["NIFTY"]), {"NIFTY": TAGS}, calendar())
    assert day.settlement_window_from == day.spot_unreliable_from == np.datetime64("2026-08-18T15:15")
    assert day.settlement[0] == np.datetime64("2026-08-18T15:35")
    assert len(day.due) == 385
    instants = np.array(["2026-08-18T15:30", "2026-08-18T15:35", "2026-08-18T15:40"], dtype="datetime64[us]")
    assert day.t_trading_years(instants, 0).tolist() == [5 / (252 * 385), 0, 0]
    # To 25 August: 5 minutes short of the whole of its last session, of today those to the close.
    assert day.t_trading_years(instants[:1], 1)[0] == pytest.approx((10 + 5 * 385 - 5) / (252 * 385))
    due = at("15:20:00", date(2026, 8, 18))
    quotes = {f"NFO:NIFTY26818{k:g}CE": entry(10, oi=75) for k in ALL} | {"NSE:NIFTY 50": index_entry(24460)}
    result = derived(quotes, day=day, due=due)
    assert result.overview["spot_unreliable"].tolist() == [True]
    assert result.expiry_overview["settlement_window"].tolist() == [True]
