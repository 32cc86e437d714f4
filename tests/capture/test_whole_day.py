"""One whole simulated day, captured once; each test proves one thing from what is stored and from the broker's log."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest

from g6_assets.capture import SessionReport
from g6_market.calendar import TradingCalendar
from g6_market.derive import derive
from g6_market.schema import EXPIRY_OVERVIEW, INSTRUMENTS, OPTION_CHAIN, OVERVIEW, REFERENCE, SNAPSHOTS
from g6_resources.sealing import trading_day
from g6_sim.server import SimServer
from tests.capture.harness import DAY, Desk, ListSink, at, dues, make_desk, wall

FULL = [wall("09:20"), *dues("09:30", "15:30", 900), wall("15:40")]  # first, the beat of 15 minutes, last


@pytest.fixture(scope="module")
def sink() -> ListSink:
    return ListSink()


@pytest.fixture(scope="module")
def run(
    simulator: SimServer, tmp_path_factory: pytest.TempPathFactory, sink: ListSink
) -> Iterator[tuple[Desk, SessionReport, list[dict]]]:
    desk = make_desk(tmp_path_factory.mktemp("day"), simulator.url)
    report = desk.launch(sinks=[sink]).run()
    yield desk, report, desk.served("/")


@pytest.fixture
def desk(run) -> Desk:
    return run[0]


def legs_of(desk: Desk) -> pd.DataFrame:
    quotes = desk.quotes()
    return quotes[quotes["contract_type"] == "option"]


def test_each_due_instant_is_stored_once_from_the_first_interval_to_the_close(run, sink: ListSink):
    desk, report, _ = run
    rows = desk.snapshots()
    assert sorted(rows["snapshot_at"].unique()) == dues("09:20")
    assert not rows.duplicated(list(SNAPSHOTS.key)).any()
    assert set(rows["outcome"]) == {"stored"}
    assert not desk.quotes().duplicated(["snapshot_at", "exchange", "tradingsymbol", "received_at"]).any()
    assert sorted(desk.quotes()["snapshot_at"].unique()) == dues("09:20")
    assert (report.due, report.stored, report.failed, report.stale, report.passed_over) == (77, 77, 0, 0, 0)
    assert [snapshot.due for snapshot in sink.heard] == [at(f"{due:%H:%M}") for due in dues("09:20")]
    assert sink.closed == 1


def test_a_minute_s_grid_runs_from_09_16_to_15_40():
    times = TradingCalendar.load().session(DAY).due_times(60)
    assert (times[0], times[-1], len(times)) == (at("09:16"), at("15:40"), 385)


def test_first_last_and_every_beat_are_full_chains_and_no_other(desk: Desk):
    rows = desk.snapshots()
    assert sorted(rows.loc[rows["full_chain"], "snapshot_at"].unique()) == FULL
    whole = rows.groupby("snapshot_at")["full_chain"].agg(["all", "any"])
    assert (whole["all"] == whole["any"]).all()
    options = desk.read(INSTRUMENTS)
    listed = options[options["contract_type"] == "option"].groupby(["underlying", "expiry"]).size()
    full = rows[rows["full_chain"]].set_index(["underlying", "expiry"])["returned"]
    assert (full == listed.reindex(full.index)).all()


def test_the_window_is_sticky_and_never_shrinks(desk: Desk):
    legs = legs_of(desk)
    narrow = legs[~legs["snapshot_at"].isin(FULL)]
    held: dict[tuple, set] = {}
    for (_, *chain), strikes in narrow.groupby(["snapshot_at", "underlying", "expiry"])["strike"]:
        before = held.get(tuple(chain), set())
        assert before <= set(strikes)
        held[tuple(chain)] = set(strikes)
    first = narrow[narrow["snapshot_at"] == narrow["snapshot_at"].min()]
    assert set(first.groupby(["underlying", "expiry"])["strike"].nunique()) == {7}
    assert max(map(len, held.values())) > 7


def test_atm_and_three_strikes_each_side_are_in_every_snapshot(desk: Desk):
    # The window follows with the snapshot after the move: what a snapshot asks for is decided before it.
    narrow = desk.chain()[lambda rows: ~rows["snapshot_at"].isin(FULL)]
    near = narrow[narrow["strike_offset"].abs() <= 2]
    assert (near.groupby(["snapshot_at", "underlying", "expiry"]).size() == 10).mean() > 0.95


def test_call_put_and_spot_of_one_expiry_share_their_arrival(desk: Desk):
    quotes = desk.quotes()
    narrow = quotes[~quotes["snapshot_at"].isin(FULL)]
    legs = narrow[narrow["contract_type"] == "option"]
    assert (legs.groupby(["snapshot_at", "underlying", "expiry"])["received_at"].nunique() == 1).all()
    pairs = legs_of(desk).groupby(["snapshot_at", "underlying", "expiry", "strike"])["received_at"].nunique()
    assert (pairs == 1).all()
    spots = quotes[(quotes["contract_type"] == "index") & quotes["underlying"].isin(["NIFTY", "BANKNIFTY"])]
    arrivals = set(zip(spots["snapshot_at"], spots["underlying"], spots["received_at"], strict=True))
    every = legs_of(desk)
    assert set(zip(every["snapshot_at"], every["underlying"], every["received_at"], strict=True)) <= arrivals


def test_the_last_snapshot_is_answered_before_the_close(run):
    desk, _, served = run
    last = desk.quotes()[lambda rows: rows["snapshot_at"] == wall("15:40")]
    assert last["received_at"].max() < wall("15:40")
    assert (last["received_at"] > wall("15:39:50")).all()
    assert max(row["at"] for row in served) < at("15:40").isoformat()


def test_no_second_of_the_day_saw_more_calls_than_kite_allows(run):
    _, _, served = run
    assert {row["status"] for row in served} == {200}
    quotes = [datetime.fromisoformat(row["at"]) for row in served if row["family"] == "quote"]
    assert len(quotes) > 77
    assert min(later - earlier for earlier, later in pairwise(quotes)) >= timedelta(seconds=1)
    others = Counter(row["at"][:19] for row in served if row["family"] == "other")
    assert max(others.values()) <= 10


def test_a_window_snapshot_costs_one_call(run):
    _, _, served = run
    at_11_05 = [row for row in served if at("11:05").isoformat() <= row["at"] < at("11:10").isoformat()]
    assert [row["family"] for row in at_11_05] == ["quote"]


def test_the_sweep_before_the_open_has_opening_oi_and_circuit_limits(run):
    desk, _, _ = run
    rows = desk.read(REFERENCE)
    assert rows["received_at"].max() < wall("09:15")
    options = rows[rows["contract_type"] == "option"]
    instruments = desk.read(INSTRUMENTS)
    assert len(options) == (instruments["contract_type"] == "option").sum()
    assert options[["opening_oi", "lower_circuit_limit", "upper_circuit_limit"]].notna().all().all()
    assert (options["upper_circuit_limit"] > options["lower_circuit_limit"]).all()
    assert rows["previous_oi"].isna().all()  # nothing is stored of the day before
    ((count, swept_at),) = desk.told.swept
    assert count == len(rows)
    assert at("09:08") <= swept_at < at("09:15")


@pytest.mark.parametrize("table", [OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW], ids=lambda table: table.name)
def test_what_was_derived_live_equals_the_day_derived_at_once(desk: Desk, table):
    day = trading_day(desk.lake, DAY, desk.calendar)
    at_once = getattr(derive(desk.quotes(), desk.snapshots(), day), table.name)
    keys = list(table.key)
    pd.testing.assert_frame_equal(
        desk.read(table).sort_values(keys, ignore_index=True), at_once.sort_values(keys, ignore_index=True)
    )


def test_the_current_chain_is_the_last_snapshot(desk: Desk):
    current = pd.read_parquet(desk.root.current / "option_chain.parquet")
    assert set(current["snapshot_at"]) == {wall("15:40")}


def test_the_heartbeat_says_that_the_day_has_ended(desk: Desk):
    beat = desk.heartbeat()
    assert (beat.state, beat.attempt, beat.trade_date) == ("ended", 1, DAY)
    assert beat.market_time < at("15:40") + timedelta(seconds=1)


def test_a_session_on_a_complete_day_has_nothing_due_and_asks_nothing(run):
    desk, _, _ = run
    before = len(desk.served("/"))
    files = {path: path.stat().st_mtime_ns for path in desk.root.lake.rglob("*.parquet")}
    report = desk.launch().run()
    assert report.nothing_due
    assert report.already == 77
    assert len(desk.served("/")) == before
    assert files == {path: path.stat().st_mtime_ns for path in desk.root.lake.rglob("*.parquet")}
    assert desk.heartbeat().state == "ended"


def test_every_snapshot_knows_the_open_interest_of_before_the_open(desk: Desk):
    rows = desk.read(EXPIRY_OVERVIEW)
    reference = desk.read(REFERENCE)
    before = reference.groupby(["underlying", "expiry", "option_type"])["opening_oi"].sum()
    assert rows["call_oi_change"].notna().all()
    for row in rows.itertuples():
        opening = before[(row.underlying, row.expiry)]
        assert (row.call_oi_change, row.put_oi_change) == (row.call_oi - opening["CE"], row.put_oi - opening["PE"])
    # Nothing is stored of the day before.
    assert rows["call_oi_change_close"].isna().all()
