"""The simulated market behaves like one."""

from datetime import date, datetime, timedelta
from math import exp, inf

import numpy as np
import pytest

from g6_market.calendar import IST, TradingCalendar
from g6_market.indices import INDICES
from g6_sim.feed import MarketFeed
from g6_sim.market import RATE, MarketDay
from g6_sim.tape import Tape
from tests.sim.conftest import DAY, Sim

CALENDAR = TradingCalendar.load()
SIX = tuple(INDICES)


@pytest.fixture(scope="module")
def market() -> MarketDay:
    return MarketDay(42, DAY, CALENDAR, SIX)


def at(clock: str, day: date = DAY) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=IST)


def feed(seed: int = 42) -> MarketFeed:
    return MarketFeed(seed, CALENDAR, SIX, padding_rows=0, long_index_form=False)


@pytest.mark.parametrize("second", [0, 3_599, 19_000, 22_000, 23_099])
def test_put_call_parity_holds_within_the_spread(market: MarketDay, second: int) -> None:
    """Every strike's synthetic forward, bought and sold at the touch, brackets one forward."""
    contracts = market.contracts
    for expiry, listed in enumerate(contracts.expiries):
        rows = np.flatnonzero(contracts.expiry == expiry)
        years = (CALENDAR.settlement_fixed_at(listed.day) - market.session.open).total_seconds() - second
        growth = exp(RATE * years / (365 * 86_400))
        book = market.book(rows, second)
        lowest, highest = inf, -inf
        of_kind = {
            kind: dict(zip(contracts.strike[rows[side]], zip(book.bid[side], book.ask[side], strict=True), strict=True))
            for kind in (1, -1)
            if len(side := np.flatnonzero(contracts.kind[rows] == kind))
        }
        for strike in of_kind[1].keys() & of_kind[-1].keys():
            (call_bid, call_ask), (put_bid, put_ask) = of_kind[1][strike], of_kind[-1][strike]
            lowest = min(lowest, strike + growth * (call_ask - put_bid))
            highest = max(highest, strike + growth * (call_bid - put_ask))
        # A tick is bid for what is worth nothing any more, hence the tolerance of one.
        assert highest <= lowest + 0.05, listed


def test_no_book_is_crossed_and_all_prices_are_on_the_tick_grid(market: MarketDay) -> None:
    rows = np.arange(len(market.contracts))
    tick = market.contracts.tick
    for second in (10, 11_111, 23_000):
        book = market.book(rows, second)
        assert (book.ask > book.bid).all()
        for price in (book.bid, book.ask, market.last_trade(rows, second)[0]):
            assert np.abs(price / tick - np.rint(price / tick)).max() < 1e-6


def test_calls_fall_and_puts_rise_with_the_strike(market: MarketDay) -> None:
    contracts = market.contracts
    fair = market.fair(np.arange(len(contracts)), 11_000)
    for expiry in range(len(contracts.expiries)):
        for kind in (1, -1):
            rows = np.flatnonzero((contracts.expiry == expiry) & (contracts.kind == kind))
            rows = rows[np.argsort(contracts.strike[rows])]
            assert (np.diff(fair[rows]) * kind <= 1e-2).all()


def test_spreads_are_wider_in_the_wings_and_in_far_expiries(sim: Sim) -> None:
    def spread(key: str) -> float:
        depth = sim.raw("11:00:00", [key])[key]["depth"]
        bid, ask = depth["buy"][0]["price"], depth["sell"][0]["price"]
        return (ask - bid) / (ask + bid)

    near = spread("NFO:NIFTY26NOV24300CE")
    assert near < 0.005
    assert spread("NFO:NIFTY26NOV25250CE") > 4 * near
    assert spread("NFO:NIFTY27JUN24000CE") > 4 * near


def test_the_same_instant_gets_the_same_answer_whatever_was_asked_before() -> None:
    keys = [*MarketDay(42, DAY, CALENDAR, SIX).contracts.keys[:900:37], "NSE:NIFTY 50", "NSE:INDIA VIX"]
    one, other = feed(), feed()
    for clock in ("14:00:00", "09:16:00", "15:39:00"):
        one.quotes(keys[5:], at(clock), "full")
    one.quotes(keys, at("12:00:00", date(2026, 11, 18)), "full")
    assert one.quotes(keys, at("11:23:45"), "full") == other.quotes(keys, at("11:23:45"), "full")


def test_another_seed_is_another_market() -> None:
    key = ["NSE:NIFTY 50"]
    assert feed(1).quotes(key, at("11:00:00"), "ltp") != feed(2).quotes(key, at("11:00:00"), "ltp")


def test_volume_only_grows_and_comes_in_lots(market: MarketDay) -> None:
    rows = np.arange(0, len(market.contracts), 11)
    seconds = np.arange(-1, market.last_second, 97)
    volume = market.volume(rows[:, None], seconds[None, :])
    assert (np.diff(volume, axis=1) >= 0).all()
    assert (volume % market.contracts.lot[rows][:, None] == 0).all()
    assert (volume[:, 0] == 0).all()


def test_a_trade_moves_the_volume_and_only_a_trade_moves_the_last_price(market: MarketDay) -> None:
    rows = np.arange(0, len(market.contracts), 13)
    seconds = np.arange(0, 3_000, 7)[None, :]
    price, traded_at = market.last_trade(rows[:, None], seconds)
    volume = market.volume(rows[:, None], seconds)
    same_trade = np.diff(traded_at, axis=1) == 0
    assert (np.diff(price, axis=1)[same_trade] == 0).all()
    assert (np.diff(volume, axis=1)[same_trade] == 0).all()


def test_open_interest_arrives_in_batches_three_minutes_apart(market: MarketDay) -> None:
    gaps = np.concatenate([np.diff(times) for times in market.batch_times])
    assert gaps.min() >= 90
    assert gaps.max() <= 270
    assert 165 <= np.median(gaps) <= 195


def test_open_interest_stands_still_between_batches_for_all_strikes_of_an_index(sim: Sim) -> None:
    keys = [f"NFO:{row['tradingsymbol']}" for row in sim.listed("NFO", "FINNIFTY")][:300]
    seen = [
        tuple(quote["oi"] for quote in sim.raw(f"11:{minute:02d}:{second:02d}", keys).values())
        for minute in range(20)
        for second in (0, 20, 40)
    ]
    assert 5 <= len(set(seen)) <= 12


def test_average_price_and_extremes_enclose_what_traded(sim: Sim) -> None:
    keys = [f"NFO:{row['tradingsymbol']}" for row in sim.listed("NFO", "NIFTY")][:500]
    traded = [quote for quote in sim.raw("13:37:21", keys).values() if quote["volume"]]
    assert len(traded) > 300
    for quote in traded:
        bar = quote["ohlc"]
        assert (
            bar["low"] <= min(quote["last_price"], bar["open"]) <= max(quote["last_price"], bar["open"]) <= bar["high"]
        )
        assert bar["low"] - 0.01 <= quote["average_price"] <= bar["high"] + 0.01
        assert quote["oi_day_low"] <= quote["oi"] <= quote["oi_day_high"]
        assert quote["lower_circuit_limit"] <= bar["low"] <= bar["high"] <= quote["upper_circuit_limit"]


def test_the_book_has_five_levels_that_fall_away_from_the_touch(sim: Sim) -> None:
    depth = sim.raw("11:00:00", ["NFO:NIFTY26NOV24300CE"])["NFO:NIFTY26NOV24300CE"]["depth"]
    bids, asks = ([level["price"] for level in depth[side]] for side in ("buy", "sell"))
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert all(level["quantity"] % 65 == 0 and level["orders"] > 0 for level in depth["buy"] + depth["sell"])


def test_the_book_is_empty_before_the_open_and_after_the_close(sim: Sim) -> None:
    key = "NFO:NIFTY26NOV24300CE"
    for clock in ("09:08:00", "15:40:00", "18:00:00"):
        quote = sim.raw(clock, [key])[key]
        assert quote["depth"]["buy"] == quote["depth"]["sell"] == [{"price": 0, "quantity": 0, "orders": 0}] * 5
    assert sim.raw("15:39:57", [key])[key]["depth"]["buy"][0]["price"] > 0


def test_before_the_open_there_are_yesterdays_close_and_open_interest(sim: Sim) -> None:
    key = "NFO:NIFTY26D0124400CE"
    early = sim.raw("09:08:00", [key])[key]
    assert early["last_price"] == early["ohlc"]["close"] > 0
    assert (early["volume"], early["last_trade_time"], early["average_price"]) == (0, None, 0)
    sim.control.set_clock(sim.at("16:00:00") - timedelta(days=1))
    yesterday = sim.raw_now([key])[key]
    assert early["oi"] == yesterday["oi"]


def test_after_the_close_nothing_moves(sim: Sim) -> None:
    keys = ["NFO:NIFTY26D0124400CE", "NSE:NIFTY 50", "NFO:NIFTY26NOVFUT"]
    assert sim.raw("15:40:00", keys) == sim.raw("19:30:00", keys)


def test_a_driven_day_ends_where_the_next_begins() -> None:
    friday, monday = feed(), feed()
    key = "NSE:NIFTY BANK"
    closing = friday.quotes([key], at("16:00:00"), "ohlc")[key]["last_price"]
    opening = monday.quotes([key], at("09:20:00", date(2026, 11, 23)), "ohlc")[key]["ohlc"]["close"]
    assert closing == opening


def test_the_index_stands_still_in_the_closing_auction_while_the_future_moves_on(sim: Sim) -> None:
    clocks = [f"15:{minute:02d}:00" for minute in (16, 20, 25, 30, 34)]
    quotes = [sim.raw(clock, ["NSE:NIFTY 50", "NFO:NIFTY26NOVFUT"]) for clock in clocks]
    assert len({quote["NSE:NIFTY 50"]["last_price"] for quote in quotes}) == 1
    assert len({quote["NFO:NIFTY26NOVFUT"]["last_price"] for quote in quotes}) == len(clocks)
    settled = sim.raw("15:36:00", ["NSE:NIFTY 50"])["NSE:NIFTY 50"]["last_price"]
    assert settled != quotes[-1]["NSE:NIFTY 50"]["last_price"]


def test_until_august_2026_the_index_trades_to_the_end() -> None:
    day = MarketDay(42, date(2026, 7, 31), CALENDAR, ("NIFTY",))
    assert day.last_second == 375 * 60 - 1
    assert len(np.unique(day.published[0, -600:])) > 300


def test_an_expiring_option_ends_at_its_intrinsic_value() -> None:
    day = MarketDay(42, date(2026, 11, 23), CALENDAR, SIX)
    contracts = day.contracts
    rows = np.flatnonzero((contracts.expiry == 0) & (contracts.kind == 1))
    settled = day.paths.index[0, day.paths.settled]
    worth = np.maximum(settled - contracts.strike[rows], 0.0)
    np.testing.assert_allclose(day.fair(rows, day.last_second), worth, atol=1e-6)


def test_forwards_of_an_index_rise_with_the_expiry(sim: Sim) -> None:
    futures = [f"NFO:BANKNIFTY{month}FUT" for month in ("26NOV", "26DEC", "27JAN")]
    quotes = sim.raw("12:00:00", ["NSE:NIFTY BANK", *futures])
    prices = [quotes[key]["last_price"] for key in ("NSE:NIFTY BANK", *futures)]
    assert prices == sorted(prices)
    assert prices[-1] < prices[0] * 1.02


def test_a_tape_filled_in_another_order_is_the_same(market: MarketDay) -> None:
    rows = np.array([3, 900, 2_500, 7_000])
    last, volume = market.last_trade(rows, 9_000)[0], market.volume(rows, 9_000)
    once, again = Tape(market), Tape(market)
    for row in rows[::-1]:
        again.open_interest(np.array([row]), 9_000)
    np.testing.assert_array_equal(
        once.to_date(rows, 9_000, last, volume).average_price, again.to_date(rows, 9_000, last, volume).average_price
    )
