"""A day with holes is healed: every row is the market's own, nothing captured is touched, nothing is asked twice."""

import os
import signal
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from g6_assets.heal import HealReport, alone, healable
from g6_market.calendar import IST
from g6_market.candles import EXPIRED, HEALED, NO_CANDLE
from g6_market.missing import DayLegs
from g6_market.schema import EXPIRY_OVERVIEW, HEALING, QUOTES, SNAPSHOTS
from g6_resources.clock import write_clock
from g6_resources.lake import LocalStore
from g6_sim.feed import MarketFeed
from tests.capture.harness import DAY, Desk, at, dues, wall
from tests.healing.conftest import DEAD, DOWN, PARTIAL, Holed, copy_of

Healed = tuple[Holed, HealReport]
LEG = ["snapshot_at", "exchange", "tradingsymbol"]


def legs_of(frame: pd.DataFrame) -> set[tuple[object, ...]]:
    return set(frame[LEG].itertuples(index=False, name=None))


def test_the_day_has_its_holes(holed: Holed) -> None:
    rows = holed.desk.snapshots()
    by_cause = rows.groupby("cause")["snapshot_at"].agg(lambda at: sorted(set(at))).to_dict()
    assert by_cause["token dead"] == [wall(clock) for clock in DEAD]
    assert by_cause["absent in answer"] == [wall(clock) for clock in PARTIAL]
    failed = set(rows.loc[rows["outcome"] == "failed", "snapshot_at"])
    assert failed == {wall(clock) for clock in (*DOWN, *DEAD)}
    assert rows["snapshot_at"].min() == wall("14:30")


def test_each_healed_row_is_what_the_market_was_in_that_minute(healed: Healed, market: MarketFeed) -> None:
    holed, report = healed
    assert report.trouble is None
    assert (report.left, report.expired) == (0, 0)
    rows = holed.quotes("candle")
    assert len(rows) == report.healed > 1000
    assert set(rows["snapshot_at"]) == {*dues("09:20", "14:25"), *map(wall, (*DOWN, *PARTIAL, *DEAD))}
    for snapshot_at, mine in rows.groupby("snapshot_at"):
        due = snapshot_at.to_pydatetime().replace(tzinfo=IST)
        keys = list(mine["exchange"] + ":" + mine["tradingsymbol"])
        then = market.quotes(keys, due, "full")
        for key, row in zip(keys, mine.to_dict("records"), strict=True):
            entry = then[key]
            assert row["last_price"] == entry["last_price"], (key, due)
            ohlc = {name: row[name] for name in ("open", "high", "low")}
            assert ohlc == pytest.approx({name: entry["ohlc"][name] for name in ohlc}), (key, due)
            if row["contract_type"] == "index":
                assert pd.isna(row["oi"])
                assert pd.isna(row["volume"])
                assert pd.isna(row["last_trade_at"])
                continue
            assert (row["volume"], row["oi"]) == (entry["volume"], entry["oi"]), (key, due)
            # It did trade in the minute that the candle covers.
            assert row["last_trade_at"] == snapshot_at - timedelta(minutes=1)
            traded_at = pd.Timestamp(entry["last_trade_time"])
            assert snapshot_at - timedelta(minutes=1) <= traded_at < snapshot_at, (key, due)


def test_a_leg_without_a_candle_did_not_trade_in_its_minute(healed: Healed, market: MarketFeed) -> None:
    holed, report = healed
    rows = holed.healing()
    without = rows[rows["outcome"] == NO_CANDLE]
    assert len(without) == report.without_candle > 0
    assert report.missing == report.healed + report.without_candle
    for row in without.to_dict("records"):
        key = f"{row['exchange']}:{row['tradingsymbol']}"
        entry = market.quotes([key], row["snapshot_at"].to_pydatetime().replace(tzinfo=IST), "full")[key]
        traded_at = pd.Timestamp(entry["last_trade_time"])
        assert pd.isna(traded_at) or traded_at < row["snapshot_at"] - timedelta(minutes=1)


def test_nothing_captured_is_touched_and_nothing_is_stored_twice(healed: Healed, captured: Desk) -> None:
    holed, _ = healed
    before = captured.quotes()
    pd.testing.assert_frame_equal(holed.quotes("quote"), before)
    assert not holed.quotes("candle").duplicated(LEG).any()
    assert not legs_of(holed.quotes("candle")) & legs_of(before)


def test_healed_rows_say_so_and_leave_null_what_a_candle_does_not_know(healed: Healed) -> None:
    holed, _ = healed
    rows = holed.quotes("candle")
    unknown = ["exchange_at", "bid_price", "ask_price", "bid_quantity", "ask_quantity", "average_price", "buy_quantity"]
    unknown += ["sell_quantity", "last_quantity", "oi_day_high", "oi_day_low", "previous_close", "depth"]
    assert rows[unknown].isna().all(axis=None)
    assert (rows["known_at"] == rows["received_at"]).all()
    assert (rows["known_at"] >= wall("15:46")).all()
    assert set(rows["attempt"]) == {0}


def test_what_the_lost_snapshots_would_have_asked_for_is_asked_for(healed: Healed) -> None:
    holed, _ = healed
    day = holed.day
    known = legs_of(holed.quotes()) | legs_of(holed.healing())
    table = day.contracts.table
    spot, vix = "NIFTY 50", "INDIA VIX"
    futures = list(table.loc[table["contract_type"] == "future", "tradingsymbol"])[:2]
    for due in dues("09:20"):
        names = {name for at_, _, name in known if at_ == due}
        assert {spot, vix, *futures} <= names
        for chain in day.chains:
            mine = table[(table["expiry"] == pd.Timestamp(chain.expiry)) & table["tradingsymbol"].isin(names)]
            strikes = set(mine.loc[mine["contract_type"] == "option", "strike"])
            # ATM +- 2 at least.
            assert len(strikes) >= 5, (due, chain)
    lost = holed.healing()[lambda rows: rows["snapshot_at"].isin([wall(clock) for clock in PARTIAL])]
    partial = holed.desk.snapshots()[lambda rows: rows["outcome"] == "partial"]
    assert (lost["contract_type"] == "option").sum() == partial["missing_legs"].sum()


def test_a_second_run_asks_for_nothing(healed: Healed) -> None:
    holed, _ = healed
    holed.desk.control.clear_log()
    report = holed.heal()
    assert holed.asked() == []
    assert (report.missing, report.healed) == (0, 0)
    assert "no leg is missing" in str(report)


def test_again_asks_for_what_had_no_candle_and_records_the_last_answer(healed: Healed, tmp_path: Path) -> None:
    holed, first = copy_of(healed[0].desk, tmp_path), healed[1]
    holed.desk.set_clock("15:50")
    rows = holed.healing()
    holed.desk.control.clear_log()
    again = holed.heal(again=True)
    tokens = holed.day.instruments.set_index("tradingsymbol")["instrument_token"]
    empty = rows[rows["outcome"] == NO_CANDLE]
    assert set(holed.asked()) == {str(tokens[name]) for name in empty["tradingsymbol"]}
    assert again.without_candle == first.without_candle
    later = holed.healing()
    assert len(later) == len(rows)
    assert later.loc[later["outcome"] == NO_CANDLE, "known_at"].min() >= rows["known_at"].max()


def test_a_run_that_was_stopped_goes_on_where_it_stood_nearest_to_the_money_first(holed: Holed) -> None:
    first = holed.heal(calls=8)
    assert first.left == first.contracts - 8
    table = holed.day.contracts.table.set_index("instrument_token")
    asked = [table.loc[int(token)] for token in holed.asked()]
    assert [one["contract_type"] for one in asked[:4]] == ["index"] * 2 + ["future"] * 2
    legs = DayLegs(holed.day, holed.quotes(), holed.desk.snapshots(), holed.desk.read(EXPIRY_OVERVIEW))
    away = dict(zip(table.index, legs.distance(), strict=True))
    second = holed.heal()
    everything = [int(token) for token in holed.asked()]
    assert len(everything) == len(set(everything)) == first.contracts
    options = [away[token] for token in everything if table.loc[token, "contract_type"] == "option"]
    assert options == sorted(options)
    assert second.left == 0
    assert first.healed + second.healed == len(holed.quotes("candle"))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "server_error", "status": 500}, "HTTP 500"),
        ({"kind": "rate_limit"}, "HTTP 429"),
        ({"kind": "token"}, "run `g6 login`"),
    ],
    ids=["500", "429", "403"],
)
def test_a_broker_that_is_away_stops_it_with_a_reason_and_leaves_the_rest_for_later(
    holed: Holed, fault: dict[str, object], says: str
) -> None:
    later = (holed.desk.now() + timedelta(seconds=2)).replace(tzinfo=None).isoformat()
    holed.desk.control.faults([fault | {"match": "/instruments/historical", "from": later}])
    report = holed.heal()
    assert report.trouble is not None
    assert says in report.trouble
    assert 0 < report.left < report.contracts
    assert len(holed.quotes("candle")) == report.healed > 0
    holed.desk.control.faults([])
    holed.desk.log_in()
    rest = holed.heal()
    assert (rest.trouble, rest.left) == (None, 0)
    assert len(set(holed.asked())) == len(holed.asked())
    assert healable(holed.lake, holed.day, holed.desk.now()) == 0


def test_a_call_that_fails_once_is_tried_again(holed: Holed) -> None:
    holed.desk.control.faults([{"kind": "server_error", "match": "/instruments/historical", "count": 2}])
    report = holed.heal()
    assert (report.trouble, report.left) == (None, 0)


def test_the_limit_of_three_calls_a_second_is_kept(holed: Holed) -> None:
    holed.heal()
    times = sorted(pd.Timestamp(row["at"]) for row in holed.desk.served("/instruments/historical"))
    assert all(later - first > timedelta(seconds=1) for first, later in zip(times, times[3:], strict=False))


class KillsAfter(LocalStore):
    """A store whose process is killed, as by `kill -9`, right after its n-th write."""

    def __init__(self, folder: Path, writes: int) -> None:
        super().__init__(folder)
        self.left = writes

    def put(self, path: str, data: bytes) -> None:
        super().put(path, data)
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("writes", [1, 2])
def test_a_killed_healing_is_taken_up_without_a_hole_or_a_duplicate(holed: Holed, writes: int) -> None:
    child = os.fork()
    if child == 0:
        try:
            holed.heal(store=KillsAfter(holed.root.lake, writes))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    kept = holed.quotes("candle")
    assert len(kept) > 0
    rest = holed.heal()
    assert rest.left == 0
    rows = holed.quotes("candle")
    assert not rows.duplicated(LEG).any()
    key = [*LEG, "known_at", "last_price"]
    assert set(kept[key].itertuples(index=False)) <= set(rows[key].itertuples(index=False))
    healed = holed.healing()
    assert legs_of(healed[healed["outcome"] == HEALED]) == legs_of(rows)
    assert healable(holed.lake, holed.day, holed.desk.now()) == 0


def test_contracts_that_have_expired_are_not_asked_for_and_said_to_be_so(holed: Holed) -> None:
    first, last = (chain.expiry for chain in holed.day.chains)
    moved = at("10:00") + (first - DAY) + timedelta(days=1)
    write_clock(holed.root.clock_file, "driven", now=moved)
    holed.desk.control.set_clock(moved)
    holed.desk.log_in()
    report = holed.heal()
    assert report.trouble is None
    rows = holed.healing()
    expired = rows[rows["outcome"] == EXPIRED]
    assert set(expired["expiry"]) == {pd.Timestamp(first)}
    assert len(expired) == report.expired > 0
    tokens = holed.day.instruments.set_index("tradingsymbol")["instrument_token"]
    assert not {str(tokens[name]) for name in expired["tradingsymbol"]} & set(holed.asked())
    options = holed.quotes("candle")[lambda rows: rows["contract_type"] == "option"]
    assert set(options["expiry"]) == {pd.Timestamp(last)}


def test_while_a_session_runs_only_what_is_over_is_healed_and_its_rows_stay_its_own(holed: Holed) -> None:
    lake = holed.lake
    for table in (QUOTES, SNAPSHOTS):
        for name in lake.live_names(table, DAY):
            if name >= "s153500":
                lake.store.delete(f"{table.name}/live/trade_date={DAY}/{name}.parquet")
    holed.desk.set_clock("15:31")
    holed.heal()
    assert holed.quotes("candle")["snapshot_at"].max() == wall("15:25")
    holed.desk.launch().run()
    rows = holed.quotes()
    assert set(rows.loc[rows["snapshot_at"] >= wall("15:30"), "source"]) == {"quote"}
    assert set(rows["snapshot_at"]) == set(dues("09:20"))
    assert len(holed.lake.live_names(HEALING, DAY)) > 0


def test_all_strikes_of_a_lost_full_chain_are_asked_for_when_wanted(healed: Healed, tmp_path: Path) -> None:
    holed = copy_of(healed[0].desk, tmp_path)
    holed.desk.set_clock("15:50")
    narrow = legs_of(holed.healing())
    holed.heal(calls=10, all_strikes=True)
    further = legs_of(holed.healing()) - narrow
    assert further
    # The beat is every quarter of an hour from the open.
    assert {at_.minute % 15 for at_, *_ in further} == {0}


def test_the_lock_of_a_healing_is_its_owners_alone(tmp_path: Path) -> None:
    with alone(tmp_path):
        assert [path.stat().st_mode & 0o077 for path in tmp_path.iterdir()] == [0]
