"""Raw answers as rows: what is null, what stays 0, what is no row."""

import json
import time
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from market_data import Answer, at, entry, index_entry, market, small_day

from g6_market.quotes import newest_exchange_stamp, quotes_frame
from g6_market.schema import QUOTES, conform

CALL, PUT, FUTURE, SPOT = "NFO:NIFTY25SEP24500CE", "NFO:NIFTY25SEP24500PE", "NFO:NIFTY25SEPFUT", "NSE:NIFTY 50"
DAY = small_day()
DUE = at("10:00:00")


def rows(*answers: dict, depth: bool = False) -> pd.DataFrame:
    arrived = [Answer(quotes, DUE + timedelta(seconds=second)) for second, quotes in enumerate(answers)]
    frame = quotes_frame(arrived, DAY, DUE, 2, depth=depth)
    pd.testing.assert_frame_equal(conform(frame, QUOTES), frame)
    return frame


def test_a_contract_is_stored_as_received() -> None:
    sent = entry(101.5, 101, 102, oi=750, volume=1500, traded="2025-08-29 09:59:58", close=99)
    row = rows({CALL: sent}).iloc[0]
    assert (row["underlying"], row["contract_type"], row["exchange"]) == ("NIFTY", "option", "NFO")
    assert (row["tradingsymbol"], row["strike"], row["option_type"]) == ("NIFTY25SEP24500CE", 24500, "CE")
    assert row["expiry"] == pd.Timestamp("2025-09-30")
    assert (row["last_price"], row["bid_price"], row["ask_price"], row["previous_close"]) == (101.5, 101, 102, 99)
    assert (row["oi"], row["volume"], row["bid_quantity"], row["last_quantity"]) == (750, 1500, 75, 75)
    assert row["last_trade_at"] == pd.Timestamp("2025-08-29 09:59:58")
    assert row["snapshot_at"] == row["received_at"] == row["known_at"] == pd.Timestamp("2025-08-29 10:00")
    assert (row["attempt"], row["source"]) == (2, "quote")
    assert pd.isna(row["depth"])


def test_a_price_of_zero_is_null_and_a_count_of_zero_stays() -> None:
    row = rows({CALL: entry(0, 0, 0.05)}).iloc[0]
    assert row[["last_price", "bid_price", "average_price", "open", "previous_close"]].isna().all()
    assert row["ask_price"] == 0.05
    assert row[["volume", "oi", "bid_quantity", "buy_quantity", "oi_day_low"]].tolist() == [0, 0, 0, 0, 0]


def test_the_old_sign_of_an_empty_side_is_null_too() -> None:
    assert pd.isna(rows({CALL: entry(5, -0.01, 6)}).iloc[0]["bid_price"])


def test_what_was_not_sent_is_null() -> None:
    row = rows({CALL: {"last_price": 5.0}}).iloc[0]
    absent = ["exchange_at", "last_trade_at", "volume", "oi", "bid_price", "ask_quantity", "open", "previous_close"]
    assert row[absent].isna().all()


@pytest.mark.parametrize("stamp", ["1970-01-01 05:30:00", None, "", "not a time"])
def test_a_stamp_that_is_none_is_null_and_spares_the_others(stamp: str) -> None:
    frame = rows({CALL: entry(5, stamp=stamp), PUT: entry(6)})
    assert frame["exchange_at"].isna().tolist() == [True, False]
    assert frame["exchange_at"].iloc[1] == pd.Timestamp("2025-08-29 10:00")


@pytest.mark.parametrize("level", [0, -1, None])
def test_an_index_value_that_is_not_positive_is_no_row(level: float) -> None:
    frame = rows({SPOT: index_entry(24500) | {"last_price": level}, CALL: entry(5)})
    assert frame["contract_type"].tolist() == ["option"]


def test_an_index_has_no_open_interest_whatever_is_sent() -> None:
    frame = rows({SPOT: index_entry(24500) | {"oi": 0, "volume": 0}})
    assert frame["oi"].isna().all()
    assert frame["last_price"].tolist() == [24500]


def test_a_contract_in_two_answers_is_stored_once_and_an_index_with_each() -> None:
    frame = rows({SPOT: index_entry(24500), CALL: entry(5)}, {SPOT: index_entry(24501), CALL: entry(6), PUT: entry(7)})
    assert frame[["tradingsymbol", "last_price"]].to_numpy().tolist() == [
        ["NIFTY 50", 24500],
        ["NIFTY25SEP24500CE", 5],
        ["NIFTY 50", 24501],
        ["NIFTY25SEP24500PE", 7],
    ]
    assert frame["received_at"].diff().dt.total_seconds().fillna(0).tolist() == [0, 0, 1, 0]


def test_the_book_is_kept_only_when_asked_for() -> None:
    sent = entry(5, 4, 6)
    frame = rows({CALL: sent, SPOT: index_entry(24500)}, depth=True)
    assert json.loads(frame["depth"].iloc[0]) == sent["depth"]
    assert pd.isna(frame["depth"].iloc[1])


def test_no_answer_gives_no_rows() -> None:
    assert rows().empty


def test_a_contract_of_another_dump_is_refused() -> None:
    with pytest.raises(ValueError, match=r"quote of NFO:NIFTY26AUG1CE .* is no contract of 2025-08-29"):
        rows({"NFO:NIFTY26AUG1CE": entry(1)})


def test_the_newest_stamp_is_that_of_each_index() -> None:
    frame = rows(
        {CALL: entry(5, stamp="2025-08-29 09:59:57"), PUT: entry(5, stamp="2025-08-29 09:59:59")},
        {"NFO:BANKNIFTY25SEP54000CE": entry(5, stamp="1970-01-01 05:30:00")},
    )
    assert newest_exchange_stamp(frame) == {"NIFTY": np.datetime64("2025-08-29T09:59:59")}


def test_a_snapshot_costs_little() -> None:
    answers = market(DAY, DUE, seed=1)
    legs = len(answers[0].quotes)
    quotes_frame(answers, DAY, DUE, 1)
    start = time.process_time()
    for _ in range(5):
        quotes_frame(answers, DAY, DUE, 1)
    per_leg = (time.process_time() - start) / 5 / legs
    # Measured 5 microseconds; the bound only catches work that grew by the row.
    assert per_leg < 60e-6
