"""Candles become rows of quotes: the minute mapping, the running day, what stays null, what is recorded."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from market_data import at, small_day

from g6_market.candles import ContractCandles, healed_quotes, healing_rows, unrecorded_healing, without_repeats
from g6_market.schema import HEALING, QUOTES, conform

DAY = small_day()
KNOWN = at("15:46:10")


def number_of(key: str) -> int:
    return DAY.contracts.number_of_key[key]


CALL, SPOT = number_of("NFO:NIFTY25SEP24500CE"), number_of("NSE:NIFTY 50")


def candle(clock: str, close: float = 100, *, volume: float | None = 75, oi: float | None = 750, **more: float) -> Any:
    bar = dict.fromkeys(("open", "high", "low", "close"), close)
    return {"start": at(clock), **bar, "volume": volume, "oi": oi} | more


def asked(number: int, dues: list[str], *candles: Any) -> ContractCandles:
    frame = pd.DataFrame(candles, columns=["start", "open", "high", "low", "close", "volume", "oi"])
    frame["start"] = pd.to_datetime(frame["start"], utc=True).dt.tz_convert("Asia/Kolkata")
    return ContractCandles(number, instants(dues), frame.astype({"volume": "Int64", "oi": "Int64"}))


def instants(clocks: list[str]) -> np.ndarray:
    return np.array([at(clock).replace(tzinfo=None) for clock in clocks], dtype="datetime64[us]")


def healed(*parts: ContractCandles) -> pd.DataFrame:
    frame = healed_quotes(parts, DAY, KNOWN)
    pd.testing.assert_frame_equal(conform(frame, QUOTES), frame)
    return frame


def test_a_candle_heals_the_snapshot_due_at_its_end_and_no_other() -> None:
    frame = healed(asked(CALL, ["10:19:00", "10:20:00", "10:21:00"], candle("10:19:00", 101)))
    assert frame["snapshot_at"].tolist() == [pd.Timestamp("2025-08-29 10:20")]
    row = frame.iloc[0]
    told = [101, "candle", 0, "NIFTY25SEP24500CE"]
    assert row[["last_price", "source", "attempt", "tradingsymbol"]].tolist() == told
    assert row["last_trade_at"] == pd.Timestamp("2025-08-29 10:19")
    assert row["received_at"] == row["known_at"] == pd.Timestamp("2025-08-29 15:46:10")


def test_volume_and_the_days_bar_are_those_of_all_candles_up_to_then() -> None:
    day = [
        candle("09:15:00", 100, volume=75, open=99, high=103, low=98, oi=750),
        candle("09:16:00", 104, volume=150, open=100, high=105, low=100, oi=825),
        candle("10:19:00", 101, volume=75, open=101, high=102, low=97, oi=900),
        candle("10:20:00", 90, volume=75, open=90, high=200, low=1, oi=1),
    ]
    row = healed(asked(CALL, ["10:20:00"], *day)).iloc[0]
    assert row[["volume", "oi", "open", "high", "low"]].tolist() == [300, 900, 99, 105, 97]


def test_a_candle_without_volume_has_a_price_and_no_trade() -> None:
    row = healed(asked(CALL, ["10:20:00"], candle("10:18:00"), candle("10:19:00", 101, volume=0))).iloc[0]
    assert row["last_price"] == 101
    assert pd.isna(row["last_trade_at"])
    assert row["volume"] == 75


def test_an_index_value_has_no_volume_and_no_open_interest_whatever_is_sent() -> None:
    row = healed(asked(SPOT, ["10:20:00"], candle("10:19:00", 24_500, volume=0, oi=0))).iloc[0]
    assert (row["contract_type"], row["last_price"]) == ("index", 24_500)
    assert row[["volume", "oi", "last_trade_at"]].isna().all()


def test_what_is_not_sent_is_null_and_a_price_that_is_none_is_no_row() -> None:
    row = healed(asked(CALL, ["10:20:00"], candle("10:19:00", oi=None))).iloc[0]
    assert pd.isna(row["oi"])
    assert healed(asked(CALL, ["10:20:00"], candle("10:19:00", 0))).empty
    assert healed(asked(CALL, ["10:20:00"])).empty
    assert healed(ContractCandles(CALL, instants(["10:20:00"]), None)).empty
    assert healed().empty


def test_candles_out_of_order_and_sent_twice_count_once() -> None:
    row = healed(asked(CALL, ["10:20:00"], candle("10:19:00", 101), candle("10:18:00"), candle("10:18:00"))).iloc[0]
    assert row[["last_price", "volume"]].tolist() == [101, 150]


def test_every_leg_that_was_asked_for_is_recorded_with_what_came_of_it() -> None:
    parts = [
        asked(CALL, ["10:20:00", "10:21:00"], candle("10:19:00")),
        ContractCandles(SPOT, instants(["10:20:00"]), None),
    ]
    rows = healing_rows(parts, healed(*parts), DAY, KNOWN)
    pd.testing.assert_frame_equal(conform(rows, HEALING), rows)
    assert rows["outcome"].tolist() == ["healed", "no candle", "expired"]
    assert rows["tradingsymbol"].tolist() == ["NIFTY25SEP24500CE", "NIFTY25SEP24500CE", "NIFTY 50"]
    assert healing_rows([], healed(), DAY, KNOWN).empty


def test_healed_rows_without_a_record_get_theirs() -> None:
    parts = [asked(CALL, ["10:20:00", "10:21:00"], candle("10:19:00"), candle("10:20:00"))]
    quotes = healed(*parts)
    rows = healing_rows(parts, quotes, DAY, KNOWN)
    assert unrecorded_healing(quotes, rows).empty
    made = unrecorded_healing(quotes, rows.iloc[:1])
    pd.testing.assert_frame_equal(made, rows.iloc[1:].reset_index(drop=True))
    assert unrecorded_healing(quotes.assign(source="quote"), rows.iloc[:0]).empty


@pytest.mark.parametrize("captured_first", [True, False])
def test_of_a_leg_that_is_captured_and_healed_the_captured_row_stays(captured_first: bool) -> None:
    first = healed(asked(CALL, ["10:20:00", "10:21:00"], candle("10:19:00"), candle("10:20:00")))
    again = first.assign(known_at=first["known_at"] + timedelta(hours=1))
    captured = first.iloc[:1].assign(source="quote", last_price=99.0)
    frames = [captured, first, again] if captured_first else [first, again, captured]
    rows = without_repeats(pd.concat(frames, ignore_index=True)).sort_values("snapshot_at", ignore_index=True)
    assert rows["source"].tolist() == ["quote", "candle"]
    assert rows["last_price"].tolist() == [99.0, 100.0]
    assert rows["known_at"].nunique() == 1
    pd.testing.assert_frame_equal(without_repeats(captured), captured)
