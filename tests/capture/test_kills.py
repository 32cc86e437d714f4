"""A session dies, is cancelled, or is replaced: nothing is stored twice, nothing that came is lost."""

from collections.abc import Callable

import pandas as pd
import pytest

from g6_assets.capture.snapshot import Taken
from g6_market.derive import derive
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, QUOTES, SNAPSHOTS
from g6_resources.lake import LocalStore
from g6_resources.lock import FencedOut
from g6_resources.sealing import derive_day, seal_day, trading_day
from g6_resources.seams import SinkError, Snapshot
from tests.capture.harness import DAY, Desk, Killed, ListSink, StoreKilledAfter, at, dues, wall

OPENING = 3  # conventions, expiries, instruments
SNAPSHOT = 5  # quotes, snapshots, option_chain, expiry_overview, overview


def assert_whole(world: Desk, times: list[pd.Timestamp]) -> None:
    """Each instant is stored once, and what is derived equals what the quotes give at once."""
    rows = world.snapshots()
    assert sorted(rows["snapshot_at"].unique()) == times
    assert not rows.duplicated(list(SNAPSHOTS.key)).any()
    quotes = world.quotes()
    assert not quotes.duplicated(list(QUOTES.key)).any()
    day = trading_day(world.lake, DAY, world.calendar)
    derived = derive(quotes, rows, day)
    for table in (OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW):
        keys = list(table.key)
        pd.testing.assert_frame_equal(
            world.read(table).sort_values(keys, ignore_index=True),
            getattr(derived, table.name).sort_values(keys, ignore_index=True),
        )


def killed_after(world: Desk, writes: int) -> str:
    """Run a session until its n-th write; returns the path it wrote last."""
    store = StoreKilledAfter(world.root.lake, writes)
    with pytest.raises(Killed):
        world.launch(store=store).run()
    return store.last


@pytest.mark.parametrize("write", range(1, OPENING + 2 * SNAPSHOT + 1))
def test_a_session_killed_after_any_write_is_taken_up_without_a_hole_or_a_duplicate(desk, write: int):
    world = desk("15:27")
    # Between the first snapshot and the second lies the sweep's one file.
    last = killed_after(world, write if write <= OPENING + SNAPSHOT else write + 1)
    sink = ListSink()
    before = world.quotes()
    report = world.launch(sinks=[sink]).run()
    assert_whole(world, dues("15:30"))
    rows = world.snapshots()
    assert set(rows["outcome"]) == {"stored"}, last
    # What had come is what is kept, byte for byte.
    kept = world.quotes()[lambda quotes: quotes["snapshot_at"].isin(before["snapshot_at"].unique())]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), before)
    asked = set(before["snapshot_at"])
    assert report.already == len(asked)
    # The first snapshot that the new attempt took is a full chain.
    mine = rows[~rows["snapshot_at"].isin(asked)]
    assert mine.loc[mine["snapshot_at"] == mine["snapshot_at"].min(), "full_chain"].all()
    assert set(mine["attempt"]) == {2}
    assert set(rows.loc[rows["snapshot_at"].isin(asked), "attempt"]) <= {1}


@pytest.mark.parametrize("table", [QUOTES, SNAPSHOTS, OPTION_CHAIN, EXPIRY_OVERVIEW], ids=lambda table: table.name)
def test_a_snapshot_that_was_cut_short_reaches_the_sinks_after_all(desk, table):
    world = desk("15:32")
    killed_by(world, table.name, "s153500")
    sink = ListSink()
    world.launch(sinks=[sink]).run()
    assert [snapshot.due for snapshot in sink.heard] == [at("15:35"), at("15:40")]


def killed_by(world: Desk, table: str, name: str) -> None:
    """Run a session until it has written one file of a table."""

    class Store(LocalStore):
        def put(self, path: str, data: bytes) -> None:
            super().put(path, data)
            if path.startswith(f"{table}/") and path.endswith(f"/{name}.parquet"):
                raise Killed(path)

    with pytest.raises(Killed):
        world.launch(store=Store(world.root.lake)).run()


def test_quotes_without_their_rows_are_completed_and_never_asked_again(desk):
    world = desk("15:22")
    killed_by(world, "quotes", "s153000")
    asked = world.served()
    assert wall("15:30") not in set(world.snapshots()["snapshot_at"])
    world.launch().run()
    assert_whole(world, dues("15:25"))
    rows = world.snapshots().set_index("snapshot_at").loc[wall("15:30")]
    legs = world.quotes()[lambda q: (q["snapshot_at"] == wall("15:30")) & (q["contract_type"] == "option")]
    assert rows["returned"].sum() == len(legs)
    assert set(rows["outcome"]) == {"stored"}
    assert rows["full_chain"].all()  # 15:30 is a beat
    again = [row for row in world.served()[len(asked) :] if row["at"] < at("15:35").isoformat()]
    assert again == []


def test_a_part_of_a_snapshot_that_was_cut_short_is_partial_or_failed(desk):
    world = desk("15:22")
    world.control.faults(
        [{"kind": "server_error", "match": "BANKNIFTY", "from": f"{DAY}T15:30:00", "to": f"{DAY}T15:33:00"}]
    )
    killed_by(world, "quotes", "s153000")
    world.control.faults([])
    world.launch().run()
    rows = world.snapshots()[lambda found: found["snapshot_at"] == wall("15:30")]
    bank = rows[rows["underlying"] == "BANKNIFTY"]
    assert set(bank["outcome"]) <= {"partial", "failed"}
    assert set(bank.loc[bank["outcome"] == "failed", "cause"]) <= {"interrupted"}
    assert not bank["full_chain"].any()
    assert (rows["missing_legs"] == rows["requested"] - rows["returned"]).all()


def test_quotes_of_the_last_snapshot_are_completed_by_a_session_after_the_close(desk):
    world = desk("15:32")
    killed_by(world, "quotes", "s154000")
    world.set_clock("15:41")
    report = world.launch().run()
    assert_whole(world, dues("15:35"))
    assert report.stored == 0


def test_a_relaunched_session_keeps_the_window_and_carries_the_totals(desk):
    world = desk("14:47")
    killed_by(world, "overview", "s151000")
    legs = world.quotes()[lambda q: (q["contract_type"] == "option") & (q["snapshot_at"] == wall("15:10"))]
    world.set_clock("15:12")
    session = world.launch()
    world.told.on_taken = stop_after("15:20")
    with pytest.raises(Killed):
        session.run()
    after = world.quotes()[lambda q: (q["contract_type"] == "option") & (q["snapshot_at"] == wall("15:20"))]
    assert set(legs["tradingsymbol"]) <= set(after["tradingsymbol"])
    overview = world.read(EXPIRY_OVERVIEW).set_index("snapshot_at")
    assert overview["pcr_oi"].notna().all()
    assert set(overview.loc[wall("15:10"), "oi_as_of"]) == {wall("15:00")}
    assert_whole(world, dues("14:50", "15:20"))


@pytest.mark.parametrize("content", ["", "[]", '{"trade_date": "2026-11-20"}'])
def test_a_spoilt_memory_of_the_window_costs_a_full_chain_and_nothing_else(desk, content: str):
    world = desk("15:27")
    killed_by(world, "overview", "s153000")
    world.root.session_state_file.write_text(content)
    world.launch().run()
    assert_whole(world, dues("15:30"))
    assert (world.snapshots()["outcome"] == "stored").all()
    assert world.root.session_state_file.read_text() != content


def stop_after(clock: str) -> Callable[[Taken], None]:
    def stop(taken: Taken) -> None:
        if taken.due >= at(clock):
            raise Killed

    return stop


def test_an_interrupt_flushes_the_sinks_and_leaves_the_state_stopped(desk):
    world = desk("15:27")
    sink = ListSink()
    session = world.launch(sinks=[sink])
    world.told.on_taken = stop_after("15:30")
    with pytest.raises(Killed):
        session.run()
    assert sink.closed == 1
    beat = world.heartbeat()
    assert (beat.state, beat.detail[:6]) == ("stopped", "Killed")


def test_a_session_that_was_fenced_out_writes_nothing_more_and_names_the_owner(desk):
    world = desk("15:27")
    old = world.launch()
    seen: list[str] = []

    def replaced(taken: Taken) -> None:
        world.lock.acquire(DAY, 2, "run-2")
        seen.extend(str(path) for path in world.root.lake.rglob("*.parquet"))

    world.told.on_taken = replaced
    with pytest.raises(
        FencedOut, match=r"attempt 1 .* no longer owns .* the owner is attempt 2 of 2026-11-20 \(run run-2"
    ):
        old.run()
    assert sorted(map(str, world.root.lake.rglob("*.parquet"))) == sorted(seen)
    assert world.heartbeat().state != "ended"
    assert sorted(world.snapshots()["snapshot_at"].unique()) == [wall("15:30")]


def test_a_session_stopped_between_two_files_of_a_snapshot_does_not_overwrite_its_successor(desk):
    world = desk("15:27")

    class Stopped(LocalStore):
        def put(self, path: str, data: bytes) -> None:
            super().put(path, data)
            if path.endswith("/s153500.parquet"):
                world.lock.acquire(DAY, 2, "run-2")

    with pytest.raises(FencedOut):
        world.launch(store=Stopped(world.root.lake)).run()
    names = {table.name: world.lake.live_names(table, DAY) for table in (QUOTES, SNAPSHOTS, OPTION_CHAIN)}
    assert names == {"quotes": ["s153000", "s153500"], "snapshots": ["s153000"], "option_chain": ["s153000"]}


@pytest.mark.parametrize(
    ("written", "kept"),
    [("conventions/", ["conventions"]), ("expiries/", ["conventions", "expiries"]), ("instruments/", "opening")],
)
def test_a_session_replaced_while_it_opens_the_day_leaves_the_rest_to_its_successor(desk, written: str, kept):
    world = desk("08:55")

    class Replaced(LocalStore):
        def put(self, path: str, data: bytes) -> None:
            super().put(path, data)
            if path.startswith(written):
                world.lock.acquire(DAY, 2, "run-2")

    with pytest.raises(FencedOut):
        world.launch(store=Replaced(world.root.lake)).run()
    stored = sorted(table for table, names in world.lake.live_files(DAY).items() if names)
    # Opened, it goes on to the sweep, whose file it may not write any more.
    assert stored == (["conventions", "expiries", "instruments"] if kept == "opening" else kept)


class Broken:
    """A sink that takes nothing."""

    name = "broken"

    def publish(self, snapshot: Snapshot) -> None:
        raise SinkError("broken: takes nothing")

    def close(self) -> None:
        raise SinkError("broken: cannot flush either")


def test_a_sink_that_fails_disturbs_neither_the_others_nor_the_capture(desk):
    world = desk("15:27")
    first, last = ListSink("first"), ListSink("last")
    report = world.launch(sinks=[first, Broken(), last]).run()
    assert (report.stored, report.sink_errors) == (3, {"broken": 3})
    assert len(first.heard) == len(last.heard) == 3
    assert first.closed == last.closed == 1
    assert set(world.snapshots()["outcome"]) == {"stored"}
    assert world.heartbeat().state == "ended"


def test_a_session_on_a_sealed_day_has_nothing_due(desk):
    world = desk("15:32")
    world.launch().run()
    seal(world)
    world.set_clock("15:32")
    asked = len(world.served("/"))
    report = world.launch().run()
    assert report.nothing_due
    assert len(world.served("/")) == asked
    assert world.lake.live_names(SNAPSHOTS, DAY) == []


def seal(world: Desk) -> None:
    seal_day(world.lake, DAY, lambda lake, day: derive_day(lake, day, world.calendar), lambda: None)
