"""What an asset refuses, in one sentence, and when a session has nothing to do."""

import pytest

from g6_market.schema import QUOTES
from tests.dagster_defs.conftest import FRIDAY, THURSDAY, DagsterWorld, at, failure_of

ASSETS = {
    "instruments": "2026-11-20",
    "reference": "2026-11-20",
    "quotes": "2026-11-20",
    "seal": "2026-11-20",
    "NIFTY/option_chain": "2026-11-20|this_week",
    "NIFTY/overview": "2026-11-20",
    "NIFTY/offset_series": "2026-11-20|this_week.ATM",
}


@pytest.mark.parametrize("asset", ASSETS)
def test_a_date_that_has_not_opened_is_refused(world: DagsterWorld, asset: str) -> None:
    with world.standing_at(at(THURSDAY, "16:00")):
        result = world.materialize(asset, ASSETS[asset])
    assert failure_of(result) == "2026-11-20 has not opened: the market's date is 2026-11-19"


@pytest.mark.parametrize("asset", ["quotes", "instruments", "reference"])
def test_what_only_now_can_answer_is_refused_for_a_past_day_and_points_to_candles(
    world: DagsterWorld, asset: str
) -> None:
    message = failure_of(world.materialize(asset, "2026-11-18"))
    assert message.startswith("2026-11-18 is over (the market's date is 2026-11-20)")
    assert "candles" in message


def test_a_day_is_not_sealed_before_its_close(world: DagsterWorld) -> None:
    with world.standing_at(at(FRIDAY, "15:39")):
        message = failure_of(world.materialize("seal", "2026-11-20"))
    assert message == "2026-11-20 is still open until 15:40 IST; it is sealed after the close"


@pytest.mark.parametrize("key", ["2026-11-18|this_week", "2026-11-18", "2026-11-18|this_week.ATM"])
def test_a_day_that_is_not_sealed_is_not_derived_again_and_the_remedy_is_named(world: DagsterWorld, key: str) -> None:
    asset = {1: "overview", 2: "offset_series" if "." in key else "option_chain"}[len(key.split("|"))]
    message = failure_of(world.materialize(f"NIFTY/{asset}", key))
    assert message.startswith("2026-11-18 is not sealed")
    assert "`g6 seal 2026-11-18`" in message


def test_a_run_over_days_of_which_one_is_not_sealed_derives_none_and_names_it(world: DagsterWorld) -> None:
    folder = world.root.lake / "option_chain" / "closed"
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/NIFTY.parquet")}
    for asset, first, last in (("overview", "2026-11-18", "2026-11-19"),
                               ("option_chain", "2026-11-18|this_week", "2026-11-19|next_month")):  # fmt: skip
        message = failure_of(world.materialize_range(f"NIFTY/{asset}", first, last))
        assert message.startswith("2026-11-18 is not sealed")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/NIFTY.parquet")} == before


def test_a_session_on_a_sealed_day_ends_at_once_with_nothing_due(world: DagsterWorld) -> None:
    before = sorted(world.root.lake.rglob("*"))
    result = world.materialize("quotes", THURSDAY.isoformat())
    assert result.success
    (event,) = result.asset_materializations_for_node("quotes")
    assert event.metadata["result"].value == "nothing due: the day is sealed"
    assert sorted(world.root.lake.rglob("*")) == before


def test_a_session_on_a_complete_day_ends_at_once_with_nothing_due(world: DagsterWorld) -> None:
    assert world.again is not None
    assert world.again.success
    (event,) = world.again.asset_materializations_for_node("quotes")
    assert (event.metadata["result"].value, event.metadata["stored before"].value) == ("nothing due", 11)
    assert set(world.lake.read(QUOTES, THURSDAY)["attempt"]) == {1}
