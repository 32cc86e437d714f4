"""A recorded day is served as it was, and nothing is added to it."""

from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from g6_market.calendar import IST
from g6_sim.recording import RecordingError
from g6_sim.replay import ReplayFeed
from g6_sim.server import SimServer
from tests.sim.conftest import SimConfig, Start

DAY = date(2025, 8, 29)
LOTS = {"NIFTY": 75, "BANKNIFTY": 35}


def at(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), IST)


@pytest.fixture(scope="module")
def folder(reference_data: Path) -> Path:
    return reference_data / "nse-option-chain-minute-2025-08"


@pytest.fixture(scope="module")
def feed(folder: Path) -> ReplayFeed:
    return ReplayFeed(folder, DAY, ("NIFTY", "BANKNIFTY"))


@pytest.fixture(scope="module")
def recorded(folder: Path) -> dict[str, pd.DataFrame]:
    """The files themselves, with parsed instants."""
    frames: dict[str, pd.DataFrame] = {}
    for name in LOTS:
        frame = pd.read_parquet(folder / f"{name}_20250829.parquet")
        frame["at"] = pd.to_datetime(frame["Fetch_Time"].astype(str), format="%d-%b-%Y %H:%M:%S")
        frame["expiry"] = pd.to_datetime(frame["Expiry_Date"].astype(str), format="%d-%b-%Y")
        frames[name] = frame.sort_values("collection_timestamp", kind="stable")
    return frames


def listed(feed: ReplayFeed) -> dict[str, list[str]]:
    return {line.split(",")[2]: line.split(",") for line in feed.dump(at("08:00:00"))["NFO"]}


def key_of(feed: ReplayFeed) -> dict[tuple[str, str, float, str], str]:
    return {(row[3], row[5], float(row[6]), row[9]): f"NFO:{symbol}" for symbol, row in listed(feed).items()}


@pytest.mark.reference
@pytest.mark.parametrize("clock", ["09:24:30", "10:25:00", "12:00:00", "13:07:11", "15:28:00"])
@pytest.mark.parametrize("name", ["NIFTY", "BANKNIFTY"])
def test_the_answer_is_the_recording_as_of_that_instant(
    feed: ReplayFeed, recorded: dict[str, pd.DataFrame], name: str, clock: str
) -> None:
    frame = recorded[name]
    now = at(clock)
    past = frame[frame["at"] <= now.replace(tzinfo=None)]
    # Stable order by collection: the last of equal stamps is the last collected.
    last = past.sort_values("at", kind="stable").groupby(["expiry", "Strike_Price"], as_index=False).last()
    keys = key_of(feed)
    answers = feed.quotes([key for (owner, *_), key in keys.items() if owner == name], now, "full")
    assert len(answers) == 2 * len(last)
    for row in last.to_dict("records"):
        for prefix, side in (("CALLS", "CE"), ("PUTS", "PE")):
            key = keys[name, f"{row['expiry']:%Y-%m-%d}", float(row["Strike_Price"]), side]
            assert told(answers[key]) == (
                f"{row['at']:%Y-%m-%d %H:%M:%S}",
                row[f"{prefix}_LTP"],
                row[f"{prefix}_Bid_Price"],
                row[f"{prefix}_Bid_Qty"],
                row[f"{prefix}_Ask_Price"],
                row[f"{prefix}_Ask_Qty"],
                round(row[f"{prefix}_Volume"] * LOTS[name]),
                int(np.rint(row[f"{prefix}_OI"] * LOTS[name])),
            ), key


def told(quote: dict[str, Any]) -> tuple[Any, ...]:
    bid, ask = quote["depth"]["buy"][0], quote["depth"]["sell"][0]
    sides = (bid["price"], bid["quantity"], ask["price"], ask["quantity"])
    return (quote["timestamp"], quote["last_price"], *sides, quote["volume"], quote["oi"])


@pytest.mark.reference
def test_what_was_not_recorded_is_not_in_the_answer(feed: ReplayFeed) -> None:
    keys = ["NSE:NIFTY 50", "NSE:INDIA VIX", "NFO:NIFTY25SEPFUT", "NFO:NIFTY25SEP24500CE"]
    answers = feed.quotes(keys, at("12:00:00"), "full")
    assert set(answers) == {"NFO:NIFTY25SEP24500CE"}
    quote = answers["NFO:NIFTY25SEP24500CE"]
    assert quote["last_trade_time"] is None
    assert not {"oi_day_high", "oi_day_low", "buy_quantity", "sell_quantity", "last_quantity"} & set(quote)
    assert all(level["price"] == 0 for level in quote["depth"]["buy"][1:])


@pytest.mark.reference
def test_before_the_first_recorded_instant_there_is_nothing(feed: ReplayFeed) -> None:
    assert feed.quotes(["NFO:NIFTY25SEP24500CE"], at("09:22:44"), "ltp") == {}
    assert feed.quotes(["NFO:NIFTY25SEP24500CE"], at("09:22:45"), "ltp") != {}


@pytest.mark.reference
def test_the_dump_is_made_of_the_recorded_contracts(feed: ReplayFeed, recorded: dict[str, pd.DataFrame]) -> None:
    rows = listed(feed)
    legs = sum(2 * len(frame[["expiry", "Strike_Price"]].drop_duplicates()) for frame in recorded.values())
    assert len(rows) == legs
    assert {rows["NIFTY2590224500CE"][5], rows["NIFTY25SEP24500CE"][5]} == {"2025-09-02", "2025-09-30"}
    assert {(row[3], int(row[8])) for row in rows.values()} == set(LOTS.items())
    tokens = {int(row[0]) for row in rows.values()}
    assert len(tokens) == len(rows)
    assert {int(row[0]) - 256 * int(row[1]) for row in rows.values()} == {2}


@pytest.mark.reference
def test_index_values_are_listed_though_not_recorded_and_have_no_candles(feed: ReplayFeed) -> None:
    dump = feed.dump(at("08:00:00"))
    assert [line.split(",")[2] for line in dump["NSE"]] == ["NIFTY 50", "NIFTY BANK", "INDIA VIX"]
    span = (at("09:15:00"), at("15:30:00"), at("16:00:00"))
    assert feed.candles(256265, 1, *span) == []
    assert feed.candles(4711, 1, *span) is None


@pytest.mark.reference
def test_the_run_on_a_holiday_keeps_the_stamp_of_the_day_before(folder: Path) -> None:
    holiday = date(2025, 8, 27)
    feed = ReplayFeed(folder, holiday, ("NIFTY", "BANKNIFTY"))
    key = "NFO:NIFTY25AUG24500CE"
    morning, evening = (feed.quotes([key], at(clock, holiday), "full")[key] for clock in ("09:16:00", "15:30:00"))
    assert morning == evening
    assert morning["timestamp"] == "2025-08-26 15:30:00"


@pytest.mark.reference
def test_the_unmodified_client_reads_a_replay(start: Start, folder: Path) -> None:
    sim = start(replay=folder, trade_date=DAY, enforce_limits=False)
    rows = sim.kite.instruments("NFO")
    call = next(row for row in rows if row["tradingsymbol"] == "NIFTY2590224500CE")
    quote = sim.quote("12:00:00", "NFO:NIFTY2590224500CE")["NFO:NIFTY2590224500CE"]
    assert quote["instrument_token"] == call["instrument_token"]
    assert quote["timestamp"].date() == DAY
    assert sim.kite.historical_data(call["instrument_token"], DAY, DAY, "minute") == []
    assert sim.kite.ltp("NFO:NIFTY2590224500CE")["NFO:NIFTY2590224500CE"]["last_price"] == quote["last_price"]


@pytest.mark.reference
def test_a_day_that_was_not_recorded_names_those_that_were(folder: Path) -> None:
    with pytest.raises(RecordingError, match="it has 20250827, 20250829"):
        ReplayFeed(folder, date(2025, 8, 28), ("NIFTY",))
    with pytest.raises(RecordingError, match="nothing recorded"), SimServer(SimConfig(DAY, replay=folder.parent)):
        pass


def quotes_row(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "snapshot_at": datetime.fromisoformat("2026-11-20 09:16"),
        "exchange_at": datetime.fromisoformat("2026-11-20 09:16:01"),
        "underlying": "NIFTY",
        "contract_type": "option",
        "exchange": "NFO",
        "tradingsymbol": "NIFTY26D0124400CE",
        "expiry": date(2026, 12, 1),
        "strike": 24400.0,
        "option_type": "CE",
        "last_price": 101.5,
        "last_trade_at": datetime.fromisoformat("2026-11-20 09:15:59"),
        "last_quantity": 65,
        "average_price": 100.25,
        "volume": 6500,
        "buy_quantity": 650,
        "sell_quantity": 1300,
        "oi": 13000,
        "oi_day_high": 13000,
        "oi_day_low": 12935,
        "open": 99.0,
        "high": 102.0,
        "low": 98.5,
        "previous_close": 97.0,
        "bid_price": 101.4,
        "bid_quantity": 130,
        "ask_price": None,
        "ask_quantity": 0,
        "source": "quote",
    }
    return row | changes


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake of G6's own with two snapshots of an option and one of the spot."""
    spot = dict.fromkeys(
        ("expiry", "strike", "option_type", "oi", "oi_day_high", "oi_day_low", "bid_price", "ask_price")
    )
    rows = [
        quotes_row(),
        quotes_row(
            snapshot_at=datetime.fromisoformat("2026-11-20 09:17"),
            exchange_at=datetime.fromisoformat("2026-11-20 09:17"),
            last_price=103.0,
        ),
        quotes_row(
            snapshot_at=datetime.fromisoformat("2026-11-20 09:18"), exchange_at=None, last_price=1.0, source="candle"
        ),
        quotes_row(
            contract_type="index",
            exchange="NSE",
            tradingsymbol="NIFTY 50",
            last_price=24321.5,
            last_trade_at=None,
            **spot,
        ),
    ]
    path = tmp_path / "quotes" / "closed" / "trade_date=2026-11-20" / "NIFTY.parquet"
    path.parent.mkdir(parents=True)
    frame = pd.DataFrame(rows)
    for column in ("snapshot_at", "exchange_at", "last_trade_at", "expiry"):
        frame[column] = pd.to_datetime(frame[column])
    frame.to_parquet(path)
    return tmp_path


def test_g6s_own_quotes_are_served_from_their_due_times(lake: Path) -> None:
    day = date(2026, 11, 20)
    feed = ReplayFeed(lake, day, ("NIFTY",))
    key = "NFO:NIFTY26D0124400CE"
    assert feed.quotes([key], at("09:15:59", day), "full") == {}
    first = feed.quotes([key], at("09:16:00", day), "full")[key]
    assert told(first) == ("2026-11-20 09:16:01", 101.5, 101.4, 130, 0.0, 0, 6500, 13000)
    assert first["last_trade_time"] == "2026-11-20 09:15:59"
    assert first["ohlc"] == {"open": 99.0, "high": 102.0, "low": 98.5, "close": 97.0}
    assert (first["average_price"], first["buy_quantity"], first["oi_day_low"]) == (100.25, 650, 12935)
    # The healed row of 09:18 was never an answer of the broker.
    assert feed.quotes([key], at("09:30:00", day), "ltp")[key]["last_price"] == 103.0


def test_g6s_own_spot_is_served_and_listed(lake: Path) -> None:
    day = date(2026, 11, 20)
    feed = ReplayFeed(lake, day, ("NIFTY",))
    spot = feed.quotes(["NSE:NIFTY 50"], at("09:16:00", day), "full")["NSE:NIFTY 50"]
    assert (spot["instrument_token"], spot["last_price"]) == (256265, 24321.5)
    dump = feed.dump(at("09:00:00", day))
    assert dump["NSE"] == [
        "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE",
        "264969,1035,INDIA VIX,INDIA VIX,0,,0,0,0,EQ,INDICES,NSE",
    ]
    assert dump["NFO"][0].endswith(",NIFTY26D0124400CE,NIFTY,0,2026-12-01,24400,0.05,65,CE,NFO-OPT,NFO")
