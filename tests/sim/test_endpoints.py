"""Every endpoint as the unmodified client sees it."""

from datetime import date, datetime, timedelta

import pytest
import requests
from kiteconnect import exceptions

from tests.sim.conftest import Sim

SPOT = "NSE:NIFTY 50"
FUTURE = "NFO:NIFTY26NOVFUT"
CALL = "NFO:NIFTY26D0124400CE"


def test_a_contract_quote_has_every_key_kite_sends(sim: Sim) -> None:
    quote = sim.quote("10:20:00", CALL)[CALL]
    assert set(quote) == {
        "instrument_token",
        "timestamp",
        "last_trade_time",
        "last_price",
        "last_quantity",
        "buy_quantity",
        "sell_quantity",
        "volume",
        "average_price",
        "oi",
        "oi_day_high",
        "oi_day_low",
        "net_change",
        "lower_circuit_limit",
        "upper_circuit_limit",
        "ohlc",
        "depth",
    }
    assert set(quote["ohlc"]) == {"open", "high", "low", "close"}
    assert [len(side) for side in quote["depth"].values()] == [5, 5]
    assert set(quote["depth"]["buy"][0]) == {"price", "quantity", "orders"}


def test_quote_times_are_naive_ist_as_the_client_makes_them(sim: Sim) -> None:
    quote = sim.quote("10:20:00", CALL)[CALL]
    assert quote["timestamp"] == datetime.fromisoformat("2026-11-20 10:20")
    assert datetime.fromisoformat("2026-11-20 09:15") <= quote["last_trade_time"] < quote["timestamp"]


def test_an_index_has_the_short_form(sim: Sim) -> None:
    quote = sim.quote("10:20:00", SPOT, "NSE:INDIA VIX", "BSE:SENSEX")
    assert set(quote[SPOT]) == {"instrument_token", "timestamp", "last_price", "net_change", "ohlc"}
    assert quote[SPOT]["instrument_token"] == 256265
    assert quote["BSE:SENSEX"]["instrument_token"] == 265
    assert 8 < quote["NSE:INDIA VIX"]["last_price"] < 30
    assert quote[SPOT]["net_change"] == pytest.approx(quote[SPOT]["last_price"] - quote[SPOT]["ohlc"]["close"])


def test_the_long_index_form_is_an_option(start) -> None:
    quote = start(long_index_form=True).quote("10:20:00", SPOT)[SPOT]
    assert quote["oi"] == 0
    assert quote["depth"]["buy"] == [{"price": 0, "quantity": 0, "orders": 0}] * 5


def test_unknown_instruments_are_silently_absent(sim: Sim) -> None:
    assert set(sim.quote("10:20:00", CALL, "NFO:NIFTY26NOV99999CE", "NSE:INFY")) == {CALL}


def test_the_short_quote_endpoints_agree_with_the_long_one(sim: Sim) -> None:
    full = sim.quote("10:20:00", CALL, SPOT)
    ohlc, ltp = sim.kite.ohlc(CALL, SPOT), sim.kite.ltp(CALL, SPOT)
    for key in (CALL, SPOT):
        assert set(ltp[key]) == {"instrument_token", "last_price"}
        assert set(ohlc[key]) == {"instrument_token", "last_price", "ohlc"}
        assert ohlc[key]["ohlc"] == full[key]["ohlc"]
        assert ltp[key]["last_price"] == ohlc[key]["last_price"] == full[key]["last_price"]


def test_five_hundred_instruments_fit_a_call_and_one_more_does_not(sim: Sim) -> None:
    keys = [f"NFO:{row['tradingsymbol']}" for row in sim.listed("NFO", "NIFTY")]
    assert len(sim.raw("10:20:00", keys[:500])) == 500
    with pytest.raises(exceptions.InputException, match="1 to 500 instruments"):
        sim.raw("10:20:00", keys[:501])


def test_the_dump_is_parsed_by_the_client(sim: Sim) -> None:
    sim.at("08:45")
    rows = sim.kite.instruments("NFO")
    call = next(row for row in rows if row["tradingsymbol"] == "NIFTY26D0124400CE")
    assert call["expiry"] == date(2026, 12, 1)
    assert (call["strike"], call["lot_size"], call["tick_size"], call["segment"]) == (24400.0, 65, 0.05, "NFO-OPT")
    assert call["instrument_token"] == int(call["exchange_token"]) * 256 + 2
    assert {row["instrument_type"] for row in rows} == {"CE", "PE", "FUT"}


def test_the_whole_dump_has_spot_rows_and_as_much_else_as_asked(start) -> None:
    sim = start(padding_rows=2_000)
    rows = sim.kite.instruments()
    indices = {row["tradingsymbol"]: row for row in rows if row["segment"] == "INDICES"}
    assert {"NIFTY 50", "NIFTY BANK", "SENSEX", "INDIA VIX"} <= set(indices)
    assert (indices["NIFTY 50"]["instrument_token"], indices["NIFTY 50"]["expiry"]) == (256265, "")
    assert sum(row["name"].startswith(("SHARE", "METAL")) for row in rows) == 2_000
    assert len({row["instrument_token"] for row in rows}) == len(rows)


def test_the_dump_travels_as_gzipped_csv(sim: Sim) -> None:
    response = requests.get(f"{sim.url}/instruments/BFO", headers={"Authorization": "token simkey:simtoken"}, timeout=7)
    assert response.headers["content-encoding"] == "gzip"
    assert "csv" in response.headers["content-type"]


def test_a_candle_ends_where_the_quote_of_its_end_stands(sim: Sim) -> None:
    """The candle stamped 10:19 covers 10:19:00-10:19:59 and so heals the snapshot due at 10:20:00."""
    before, quote = sim.quote("10:19:00", CALL)[CALL], sim.quote("10:20:00", CALL)[CALL]
    candles = sim.kite.historical_data(
        quote["instrument_token"], "2026-11-20 09:15:00", "2026-11-20 15:40:00", "minute", oi=True
    )
    last = candles[-1]
    assert last["date"].isoformat() == "2026-11-20T10:19:00+05:30"
    assert last["close"] == quote["last_price"]
    assert last["volume"] == quote["volume"] - before["volume"]
    assert last["oi"] == quote["oi"]
    assert candles[0]["open"] == quote["ohlc"]["open"]
    assert max(candle["high"] for candle in candles) == quote["ohlc"]["high"]
    assert min(candle["low"] for candle in candles) == quote["ohlc"]["low"]
    assert sum(candle["volume"] for candle in candles) == quote["volume"]


def test_an_index_has_candles_too(sim: Sim) -> None:
    spot = sim.quote("11:00:00", SPOT)[SPOT]
    candles = sim.kite.historical_data(256265, "2026-11-20 09:15:00", "2026-11-20 15:40:00", "minute")
    assert len(candles) == 105
    assert candles[-1]["close"] == spot["last_price"]
    assert "oi" not in candles[-1]


def test_longer_intervals_add_up_minutes(sim: Sim) -> None:
    sim.at("10:30:00")
    token = sim.kite.ltp(FUTURE)[FUTURE]["instrument_token"]
    span = ("2026-11-20 09:15:00", "2026-11-20 15:40:00")
    minutes = sim.kite.historical_data(token, *span, "minute")
    quarters = sim.kite.historical_data(token, *span, "15minute")
    assert [candle["date"].minute for candle in quarters] == [15, 30, 45, 0, 15]
    assert quarters[0]["volume"] == sum(candle["volume"] for candle in minutes[:15])
    assert quarters[0]["high"] == max(candle["high"] for candle in minutes[:15])
    assert quarters[0]["close"] == minutes[14]["close"]


def test_candles_reach_back_over_earlier_sessions(sim: Sim) -> None:
    sim.at("10:00:00")
    token = sim.kite.ltp(FUTURE)[FUTURE]["instrument_token"]
    days = sim.kite.historical_data(token, date(2026, 11, 9), date(2026, 11, 20), "day", oi=True)
    # 10 November is a holiday, 14 and 15 a weekend.
    assert [candle["date"].day for candle in days] == [9, 11, 12, 13, 16, 17, 18, 19, 20]


def test_illiquid_strikes_have_gaps_in_their_candles(sim: Sim) -> None:
    sim.at("15:40:00")
    span = ("2026-11-20 09:15:00", "2026-11-20 15:40:00", "minute")
    rows = {row["tradingsymbol"]: row["instrument_token"] for row in sim.listed("NFO", "NIFTY")}
    assert len(sim.kite.historical_data(rows["NIFTY26D0124400CE"], *span)) == 385
    assert 0 < len(sim.kite.historical_data(rows["NIFTY26NOV26150CE"], *span)) < 200


@pytest.mark.parametrize(
    ("interval", "first", "last", "message"),
    [
        ("2minute", "2026-11-20 09:15:00", "2026-11-20 10:00:00", "allowed are minute, 3minute"),
        ("minute", "2026-11-20 10:15:00", "2026-11-20 10:00:00", "from date cannot be after to date"),
        ("minute", "2026-08-01 10:15:00", "2026-11-20 10:00:00", "60 days"),
        ("minute", "yesterday", "2026-11-20 10:00:00", "expected YYYY-MM-DD"),
    ],
)
def test_bad_candle_requests_say_what_is_allowed(sim: Sim, interval: str, first: str, last: str, message: str) -> None:
    with pytest.raises(exceptions.InputException, match=message):
        sim.kite.historical_data(256265, first, last, interval)


def test_the_profile_is_the_cheap_token_check(sim: Sim) -> None:
    profile = sim.kite.profile()
    assert profile["broker"] == "ZERODHA"
    assert "NFO" in profile["exchanges"]


def test_an_unknown_route_is_a_general_exception(sim: Sim) -> None:
    with pytest.raises(exceptions.GeneralException, match="Route not found") as error:
        sim.kite._get("portfolio.holdings")
    assert error.value.code == 404


def test_without_a_valid_token_nothing_is_served(sim: Sim) -> None:
    hooked: list[bool] = []
    sim.kite.set_session_expiry_hook(lambda: hooked.append(True))
    sim.kite.set_access_token("wrong")
    try:
        with pytest.raises(exceptions.TokenException):
            sim.kite.profile()
    finally:
        sim.kite.set_access_token("simtoken")
        sim.kite.session_expiry_hook = None
    assert hooked == [True]


def test_stamps_stand_still_outside_hours(sim: Sim) -> None:
    assert sim.quote("08:00:00", CALL)[CALL]["timestamp"] == datetime.fromisoformat("2026-11-19 15:40")
    assert sim.quote("09:08:00", CALL)[CALL]["timestamp"] == datetime.fromisoformat("2026-11-20 09:08")
    assert sim.quote("18:00:00", CALL)[CALL]["timestamp"] == datetime.fromisoformat("2026-11-20 15:40")
    sim.control.set_clock(sim.at("12:00:00") + timedelta(days=1))
    assert sim.kite.quote(CALL)[CALL]["timestamp"] == datetime.fromisoformat("2026-11-20 15:40")
