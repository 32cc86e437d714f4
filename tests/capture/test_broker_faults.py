"""The broker answers badly, late or not at all: what is stored says so, and the next snapshot is on time."""

from typing import Any

import pandas as pd
import pytest

from g6_assets.capture.opening import open_day
from g6_assets.capture.snapshot import Taken
from g6_market.instruments import DumpError
from g6_market.schema import INSTRUMENTS, OPTION_CHAIN, OVERVIEW, REFERENCE
from g6_resources.seams import SourceError
from tests.capture.harness import DAY, Killed, at, dues, wall


def fault(kind: str, since: str, until: str = "23:00", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "from": f"{DAY}T{since}:00", "to": f"{DAY}T{until}:00", **more}


def test_a_symbol_absent_from_the_answer_is_no_row_and_counted(desk):
    world = desk("15:27")
    session = world.launch()
    day, _ = open_day(session.lake, session.source, session.plan, session.session, session.calendar)
    expiry = pd.Timestamp(day.tags("NIFTY")["this_week"])
    listed = world.read(INSTRUMENTS)
    front = listed[(listed["underlying"] == "NIFTY") & (listed["expiry"] == expiry) & (listed["option_type"] == "PE")]
    symbol = str(front["tradingsymbol"].iloc[len(front) // 2])
    world.control.faults([fault("absent", "15:30", match=f"NFO:{symbol}")])
    session.run()
    quotes, rows = world.quotes(), world.snapshots()
    assert symbol not in set(quotes["tradingsymbol"])
    assert quotes["last_price"].fillna(1).gt(0).all()
    full = rows[rows["snapshot_at"] == wall("15:30")].set_index(["underlying", "expiry"])
    hit = full.loc[("NIFTY", expiry)]
    assert (hit["outcome"], hit["cause"], hit["missing_legs"]) == ("partial", "absent in answer", 1)
    assert hit["requested"] == hit["returned"] + 1
    assert hit["full_chain"]
    assert (full["outcome"] == "partial").sum() == 1


def test_a_stale_answer_stores_nothing_of_that_index(desk):
    world = desk("15:17")
    world.control.faults([fault("stale", "15:25", "15:37", match="NIFTY")])
    world.launch().run()
    rows = world.snapshots()
    outcomes = rows.groupby(["underlying", "snapshot_at"])["outcome"].agg(set)
    assert all(outcomes["BANKNIFTY"] == {"stored"})
    # At 15:25 the frozen market is the market; from 15:30 on it repeats it.
    assert outcomes["NIFTY"].to_dict() == dict(
        zip(dues("15:20"), [{"stored"}, {"stored"}, {"stale"}, {"stale"}, {"stored"}], strict=True)
    )
    stale = rows[rows["outcome"] == "stale"]
    assert set(stale["cause"]) == {"stale"}
    assert (stale["returned"] == 0).all()
    assert not stale["full_chain"].any()
    for table in (world.quotes(), world.read(OPTION_CHAIN), world.read(OVERVIEW)):
        held = set(table.loc[table["underlying"] == "NIFTY", "snapshot_at"])
        assert held == {wall("15:20"), wall("15:25"), wall("15:40")}


def test_answers_that_are_all_stale_store_no_quotes_and_are_counted(desk):
    world = desk("15:27")
    world.control.faults([fault("stale", "15:30", "15:37")])
    report = world.launch().run()
    assert (report.stored, report.stale) == (2, 1)
    assert set(world.quotes()["snapshot_at"]) == {wall("15:30"), wall("15:40")}


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ({"kind": "rate_limit"}, "rate limited"),
        ({"kind": "server_error", "status": 503}, "server error"),
        ({"kind": "html"}, "bad answer"),
        ({"kind": "reset"}, "network"),
        ({"kind": "slow", "seconds": 0.6}, "network"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else value,
)
def test_a_lasting_failure_is_retried_then_a_gap_with_its_cause_and_the_next_is_on_time(desk, kind, cause):
    world = desk("15:27")
    # Short of a minute, so that the retries meet nothing else: they end after a quarter of the interval.
    world.control.faults([fault(kind["kind"], "15:35", "15:38", **{k: v for k, v in kind.items() if k != "kind"})])
    report = world.launch(timeout_seconds=0.3 if kind["kind"] == "slow" else 7.0).run()
    rows = world.snapshots()
    failed = rows[rows["snapshot_at"] == wall("15:35")]
    assert set(failed["outcome"]) == {"failed"}
    assert set(failed["cause"]) == {cause}
    assert (failed["missing_legs"] == failed["requested"]).all()
    assert failed["received_at"].isna().all()
    assert set(rows.loc[rows["snapshot_at"] != wall("15:35"), "outcome"]) == {"stored"}
    tries = [row for row in world.served() if "15:35" <= row["at"][11:16] < "15:38"]
    assert len(tries) > 2
    assert max(row["at"][11:19] for row in tries) <= "15:36:20"
    assert (report.stored, report.failed) == (2, 1)
    assert world.quotes().loc[lambda q: q["snapshot_at"] == wall("15:40"), "received_at"].max() < wall("15:40")


@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "html", "reset"])
def test_a_passing_failure_costs_nothing_but_seconds(desk, kind: str):
    world = desk("15:32")
    world.control.faults([fault(kind, "15:34", count=2)])
    report = world.launch().run()
    assert (report.stored, report.failed) == (2, 0)
    rows = world.snapshots()
    assert set(rows["outcome"]) == {"stored"}
    assert rows["latency_ms"].max() < 60_000


def test_one_failed_call_of_a_full_chain_costs_only_its_chains(desk):
    world = desk("15:32")
    world.control.faults([fault("server_error", "15:35", "15:37", match="BANKNIFTY")])
    report = world.launch().run()
    rows = world.snapshots()
    first = rows[rows["snapshot_at"] == wall("15:35")]
    whole = first[first["outcome"] == "stored"]
    assert set(first[first["outcome"] != "stored"]["cause"]) == {"server error"}
    assert "BANKNIFTY" not in set(whole["underlying"])
    assert len(whole)
    assert not first[first["outcome"] != "stored"]["full_chain"].any()
    assert report.stored == 2


def test_an_index_value_of_zero_or_none_stops_nothing(desk):
    world = desk("15:27")
    world.control.faults([fault("absent", "15:00", match="NSE:NIFTY 50")])
    report = world.launch().run()
    assert report.stored == 3
    assert set(world.snapshots()["outcome"]) == {"stored"}
    overview = world.read(OVERVIEW)
    assert overview.loc[overview["underlying"] == "NIFTY", "spot"].isna().all()
    assert overview.loc[overview["underlying"] == "BANKNIFTY", "spot"].notna().all()
    chain = world.read(OPTION_CHAIN)
    assert chain.loc[chain["underlying"] == "NIFTY", "forward"].notna().all()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "empty_dump"}, "instruments dump is empty"),
        ({"kind": "truncated_dump", "keep": 0.6}, "instruments dump is truncated"),
    ],
    ids=["empty", "truncated"],
)
def test_a_bad_dump_opens_no_day_and_says_so_once(desk, entry: dict[str, Any], message: str):
    world = desk("09:00")
    world.control.faults([entry])
    with pytest.raises((SourceError, DumpError), match=message):
        world.launch().run()
    assert world.lake.days() == []
    assert world.told.opened == []
    assert world.served() == []
    beat = world.heartbeat()
    assert beat.state == "stopped"
    assert message in beat.detail


def test_a_dump_that_ends_after_a_whole_row_is_not_kept_for_the_day(desk):
    world = desk("15:32")
    source = world.launch().source
    whole = source.instruments(["NFO"])["NFO"]
    for kept in world.root.cache.glob("instruments-NFO-*"):
        kept.unlink()
    end_of_row = whole.index(b"\n", len(whole) // 8)
    world.control.faults([{"kind": "truncated_dump", "match": "NFO", "keep": (end_of_row + 0.5) / len(whole)}])
    with pytest.raises(DumpError, match="NFO lists no options of BANKNIFTY"):
        world.launch().run()
    assert world.lake.days() == []
    (kept,) = world.root.cache.glob("instruments-NFO-*")
    assert kept.read_bytes() == whole[:end_of_row]
    world.control.faults([])
    assert world.launch().run().stored == 2
    assert set(world.snapshots()["outcome"]) == {"stored"}


def test_opening_a_day_anew_asks_for_a_new_dump(desk):
    world = desk("08:55")
    session = world.launch()
    for refresh in (False, True):
        open_day(session.lake, session.source, session.plan, session.session, session.calendar, refresh=refresh)
    assert len(world.served("/instruments/NFO")) == 2


def test_a_late_start_sweeps_in_a_pause_without_an_opening_oi(desk):
    world = desk("15:32:30")
    report = world.launch().run()
    assert (report.stored, report.passed_over) == (2, 75)
    assert world.snapshots()["snapshot_at"].min() == wall("15:35")
    reference = world.read(REFERENCE)
    assert reference["received_at"].min() > wall("15:35")
    assert reference["opening_oi"].isna().all()
    assert reference["previous_close"].notna().any()


def test_a_late_start_does_not_pass_a_later_market_off_as_an_earlier_instant(desk):
    world = desk("15:32")
    world.launch().run()
    quotes = world.quotes()
    late = (quotes["received_at"] - quotes["snapshot_at"]).max()
    assert late < pd.Timedelta(seconds=75)


def test_a_sweep_that_fails_before_the_open_is_made_up_for_later(desk):
    world = desk("09:05")
    world.control.faults([fault("server_error", "09:08", "09:14", match="/quote")])
    session = world.launch()

    def stop(taken: Taken) -> None:
        if taken.due == at("09:25"):
            raise Killed

    world.told.on_taken = stop
    with pytest.raises(Killed):
        session.run()
    reference = world.read(REFERENCE)
    assert reference["received_at"].min() > wall("09:20")
    assert reference["opening_oi"].isna().all()
    assert len(world.told.swept) == 1


def test_refusals_that_do_not_end_are_told_to_come_from_another_client_of_the_key(desk):
    world = desk("14:57")
    world.control.faults([fault("rate_limit", "15:05", "15:22", match="/quote")])
    world.launch().run()
    rows = world.snapshots().set_index("snapshot_at")
    refused = dues("15:05", "15:20")
    assert set(rows.loc[refused, "cause"]) == {"rate limited"}
    assert (rows.drop(refused)["outcome"] == "stored").all()
    told = [(state, detail) for state, detail in world.told.states if state in ("rate limited", "capturing")]
    assert [state for state, _ in told] == ["capturing", "rate limited", "capturing"]
    assert told[1][1].startswith("3 snapshots in a row were refused although the limits of kite.limits were kept")
    assert "another program or machine uses this API key" in told[1][1]


def test_a_single_refusal_is_no_news(desk):
    world = desk("15:17")
    world.control.faults([fault("rate_limit", "15:25", "15:28", match="/quote")])
    world.launch().run()
    assert "rate limited" not in {state for state, _ in world.told.states}
