"""Legs of a snapshot: forward, money, offsets, spot, price; each null for its own reason."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from market_data import Answer, at, entry, index_entry, put_call, small_day, snapshots_of

from g6_market.day import TradingDay
from g6_market.derive import Derived, derive
from g6_market.quotes import quotes_frame

DAY = small_day(risk_free_rate=0.0)
DUE = at("10:00:00")
SEPTEMBER = pd.Timestamp("2025-09-30")
SPOT = "NSE:NIFTY 50"


def key(strike: float, kind: str, month: str = "25SEP") -> str:
    return f"NFO:NIFTY{month}{strike:g}{kind}"


def parity(forward: float, strikes: Any, *, month: str = "25SEP", **more: Any) -> dict[str, Any]:
    """Entries whose mids are in exact parity around a forward, at a rate of 0."""
    quotes = {}
    for strike in strikes:
        for kind, price in zip(("CE", "PE"), put_call(forward, strike), strict=True):
            quotes[key(strike, kind, month)] = entry(price, price - 0.05, price + 0.05, **more)
    return quotes


def derived(*answers: Mapping[str, Any], day: TradingDay = DAY, due: datetime = DUE) -> Derived:
    arrived = [Answer(quotes, due + timedelta(seconds=second)) for second, quotes in enumerate(answers)]
    quotes = quotes_frame(arrived, day, due, 1)
    return derive(quotes, snapshots_of(quotes, day), day)


def leg(result: Derived, strike: float, kind: str, expiry: pd.Timestamp = SEPTEMBER) -> pd.Series:
    chain = result.option_chain
    found = chain[(chain["strike"] == strike) & (chain["option_type"] == kind) & (chain["expiry"] == expiry)]
    assert len(found) == 1
    return found.iloc[0]


def moment(result: Derived, expiry: pd.Timestamp = SEPTEMBER) -> pd.Series:
    found = result.expiry_overview[result.expiry_overview["expiry"] == expiry]
    assert len(found) == 1
    return found.iloc[0]


STRIKES = np.arange(24200, 24850, 50)


def test_the_forward_is_by_parity_and_the_money_is_nearest_it() -> None:
    result = derived(parity(24520, STRIKES) | {SPOT: index_entry(24460)})
    row = moment(result)
    assert row["forward"] == pytest.approx(24520, abs=1e-9)
    assert (row["forward_source"], row["forward_pairs"]) == ("parity_mid", 13)
    assert row["forward_mad"] == pytest.approx(0, abs=1e-9)
    assert (row["atm_strike"], row["spot"], row["spot_atm_strike"]) == (24500, 24460, 24450)
    call, put = put_call(24520, 24500)
    assert row["straddle"] == pytest.approx(call + put)
    assert row["spot_straddle"] == pytest.approx(sum(put_call(24520, 24450)))
    assert (row["legs"], row["listed_legs"]) == (26, 42)
    assert row["t_years"] == pytest.approx((32 * 24 + 5.5) / 24 / 365)


def test_offsets_are_ranks_in_the_listed_ladder_whatever_was_captured() -> None:
    without = [strike for strike in STRIKES if strike not in (24550, 24600)]
    result = derived(parity(24520, without) | {SPOT: index_entry(24460)})
    assert leg(result, 24650, "CE")["strike_offset"] == 3
    assert leg(result, 24650, "PE")["spot_strike_offset"] == 4
    assert leg(result, 24500, "CE")["strike_offset"] == 0
    assert leg(result, 24250, "PE")["strike_offset"] == -5


def test_the_money_is_the_lower_strike_on_a_tie() -> None:
    result = derived(parity(24520, STRIKES) | {SPOT: index_entry(24475)})
    assert moment(result)["spot_atm_strike"] == 24450


def test_without_spot_only_what_needs_it_is_null() -> None:
    result = derived(parity(24520, STRIKES) | {SPOT: index_entry(0)})
    row = moment(result)
    assert row[["spot", "spot_atm_strike", "spot_straddle"]].isna().all()
    assert row["atm_strike"] == 24500
    assert leg(result, 24500, "CE")[["spot", "spot_strike_offset"]].isna().all()
    assert pd.isna(result.overview.iloc[0]["spot"])


def test_the_spot_of_a_chain_is_the_one_it_travelled_with() -> None:
    october = pd.Timestamp("2025-10-28")
    result = derived(
        parity(24520, STRIKES) | {SPOT: index_entry(24460)},
        parity(24600, STRIKES, month="25OCT") | {SPOT: index_entry(24470)},
    )
    assert moment(result)["spot"] == 24460
    assert moment(result, october)["spot"] == 24470
    assert result.overview.iloc[0]["spot"] == 24460


def test_a_chain_whose_call_lost_its_spot_takes_the_snapshots_first() -> None:
    october = pd.Timestamp("2025-10-28")
    result = derived(
        parity(24520, STRIKES) | {SPOT: index_entry(24460)}, parity(24600, STRIKES, month="25OCT") | {SPOT: {}}
    )
    assert moment(result, october)["spot"] == 24460


@pytest.mark.parametrize(
    ("stamp", "traded"),
    [
        ("2025-08-29 09:59:00", False),
        ("2025-08-29 09:59:01", True),
        ("2025-08-29 10:00:00", True),
        ("2025-08-29 10:00:01", False),
        (None, None),
    ],
)
def test_traded_means_within_the_interval(stamp: str | None, traded: bool | None) -> None:
    row = leg(derived({key(24500, "CE"): entry(101, traded=stamp)}), 24500, "CE")
    assert pd.isna(row["traded"]) if traded is None else row["traded"] is traded or row["traded"] == traded


def test_the_price_is_the_mid_else_a_last_price_that_traded_else_null() -> None:
    now, before = "2025-08-29 09:59:30", "2025-08-29 09:50:00"
    extra = {
        key(24200, "CE"): entry(333, traded=now),
        key(24200, "PE"): entry(9.5, traded=before),
        key(24250, "PE"): entry(12, 0, 12.5),
    }
    result = derived(parity(24520, STRIKES) | extra)
    assert leg(result, 24500, "CE")["price_source"] == "mid"
    assert leg(result, 24500, "CE")["price"] == pytest.approx(put_call(24520, 24500)[0])
    assert leg(result, 24200, "CE")[["price", "price_source"]].tolist() == [333, "last"]
    for strike in (24200, 24250):
        row = leg(result, strike, "PE")
        assert row[["price", "price_source", "iv"]].isna().all()
        assert row["iv_reason"] == "stale"
    assert pd.isna(leg(result, 24500, "CE")["iv_reason"])


def test_call_and_put_of_a_strike_share_the_iv_of_the_leg_out_of_the_money() -> None:
    result = derived(parity(24520, STRIKES))
    call, put = leg(result, 24600, "CE"), leg(result, 24600, "PE")
    assert call["iv"] == put["iv"] == call["iv_own"]
    assert 0 < call["delta"] < 0.5
    assert call["delta"] - put["delta"] == pytest.approx(1, abs=1e-6)


def test_without_pairs_the_forward_is_the_future_of_the_same_expiry_or_nothing() -> None:
    weekly = pd.Timestamp("2025-09-02")
    result = derived(
        {
            key(24500, "CE"): entry(101),
            key(24500, "CE", "25902"): entry(50),
            "NFO:NIFTY25SEPFUT": entry(24610),
            "NFO:NIFTY25OCTFUT": entry(24700),
        }
    )
    row = moment(result)
    assert row[["forward", "forward_source", "forward_pairs"]].tolist() == [24610, "future", 0]
    assert pd.isna(row["forward_mad"])
    assert row["atm_strike"] == 24600
    assert leg(result, 24500, "CE")["strike_offset"] == -2
    row = moment(result, weekly)
    assert row[["forward", "forward_source", "forward_pairs", "atm_strike", "straddle", "atm_iv"]].isna().all()
    assert pd.isna(leg(result, 24500, "CE", weekly)["strike_offset"])


def test_a_healed_minute_counts_as_traded_where_its_candle_has_volume() -> None:
    captured = quotes_frame([Answer({key(24500, "CE"): entry(101)}, DUE)], DAY, DUE, 1)
    traded_from = pd.Timestamp(DUE.replace(tzinfo=None)) - pd.Timedelta(minutes=1)
    for last_trade_at, traded, price in ((traded_from, True, 101), (pd.NaT, False, None)):
        healed = captured.assign(source="candle", last_trade_at=pd.Series([last_trade_at], dtype="datetime64[us]"))
        result = derive(healed, snapshots_of(healed, DAY), DAY)
        row = result.option_chain.iloc[0]
        assert row[["source", "traded", "last_price"]].tolist() == ["candle", traded, 101]
        assert (None if pd.isna(row["price"]) else row["price"]) == price
        assert [table["source"].iloc[0] for table in (result.expiry_overview, result.overview)] == ["candle", "candle"]


def test_one_healed_leg_marks_what_is_made_of_its_chain_and_of_no_other() -> None:
    keys = [key(24500, kind, month) for month in ("25SEP", "25OCT") for kind in ("CE", "PE")]
    quotes = quotes_frame([Answer({name: entry(101) for name in keys}, DUE)], DAY, DUE, 1)
    quotes.loc[quotes["tradingsymbol"] == keys[0].removeprefix("NFO:"), "source"] = "candle"
    result = derive(quotes, snapshots_of(quotes, DAY), DAY)
    assert result.option_chain["source"].tolist() == ["candle", "quote", "quote", "quote"]
    assert result.expiry_overview["source"].tolist() == ["candle", "quote"]
    assert result.overview["source"].tolist() == ["candle"]


@pytest.mark.parametrize("healed", ["NSE:NIFTY 50", "NSE:INDIA VIX"])
def test_a_healed_index_value_marks_the_rows_that_show_it(healed: str) -> None:
    entries = {name: index_entry(24460) for name in ("NSE:NIFTY 50", "NSE:INDIA VIX")} | {key(24500, "CE"): entry(101)}
    quotes = quotes_frame([Answer(entries, DUE)], DAY, DUE, 1)
    quotes.loc[quotes["tradingsymbol"] == healed.removeprefix("NSE:"), "source"] = "candle"
    result = derive(quotes, snapshots_of(quotes, DAY), DAY)
    assert result.option_chain["source"].tolist() == ["quote"]
    assert result.expiry_overview["source"].tolist() == ["candle" if "NIFTY" in healed else "quote"]
    assert result.overview["source"].tolist() == ["candle"]


def test_imported_history_without_books_and_trade_times_is_priced_from_what_it_has() -> None:
    quotes = quotes_frame([Answer({key(24500, "CE"): entry(101)}, DUE)], DAY, DUE, 1)
    imported, live = (
        derive(q, snapshots_of(q, DAY), DAY).option_chain.iloc[0] for q in (quotes.assign(source="import"), quotes)
    )
    assert imported[["price", "price_source"]].tolist() == [101, "last"]
    assert pd.isna(imported["traded"])
    assert pd.isna(live["price"])


@pytest.mark.parametrize(
    ("clock", "window", "settled"), [("14:59:00", False, False), ("15:00:00", True, False), ("15:30:00", True, True)]
)
def test_expiry_day_ends_in_the_settlement_average(clock: str, window: bool, settled: bool) -> None:
    day = small_day(date(2025, 9, 2), risk_free_rate=0.0)
    weekly = pd.Timestamp("2025-09-02")
    quotes = parity(24520, STRIKES, month="25902") | parity(24520, STRIKES)
    result = derived(quotes, day=day, due=at(clock, date(2025, 9, 2)))
    assert moment(result, weekly)["settlement_window"] == window
    assert not moment(result)["settlement_window"]
    assert (moment(result, weekly)["t_years"] == 0) == settled
    assert (leg(result, 24500, "CE", weekly)["iv_reason"] == "settled") == settled
    assert (leg(result, 24500, "CE", weekly)["settlement_window"]) == window


def test_a_leg_stored_twice_for_a_snapshot_counts_once_as_it_first_arrived() -> None:
    first = quotes_frame([Answer(parity(24520, STRIKES), DUE)], DAY, DUE, 1)
    again = quotes_frame([Answer(parity(24620, STRIKES), DUE + timedelta(seconds=9))], DAY, DUE, 2)
    quotes = pd.concat([again, first], ignore_index=True)
    result = derive(quotes, snapshots_of(quotes, DAY), DAY)
    assert len(result.option_chain) == 26
    assert moment(result)["forward"] == pytest.approx(24520, abs=1e-9)


def test_contracts_outside_the_days_labels_are_not_derived() -> None:
    keep = DAY.expiries[DAY.expiries["expiry_tag"] == "next_month"]
    october = type(DAY)(DAY.session, DAY.conventions, DAY.instruments, keep, DAY.calendar)
    result = derived(parity(24520, STRIKES), parity(24520, STRIKES, month="25OCT"), day=october)
    assert result.option_chain["expiry"].unique().tolist() == [pd.Timestamp("2025-10-28")]
