"""The seal run: every partition once, within its definition; checks that show their reason and stop nothing."""

from collections import Counter

import dagster as dg
import pytest

from g6_assets.partitions import series_keys
from g6_market.quality import CHECK_NAMES
from g6_market.schema import QUOTES
from tests.dagster_defs.conftest import FRIDAY, TAGS, THURSDAY, WIDTH, DagsterWorld, materialisations

DAY = THURSDAY.isoformat()


def evaluations(world: DagsterWorld, day: object = FRIDAY) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    result = world.seals[FRIDAY if day == FRIDAY else THURSDAY]
    return {(found.asset_key.path[0], found.check_name): found for found in result.get_asset_check_evaluations()}


def test_every_partition_of_the_day_is_recorded_once(world: DagsterWorld) -> None:
    expected = {("candles", DAY), ("seal", DAY)}
    for index, tags in TAGS.items():
        expected |= {(f"{index}/{name}", DAY) for name in ("overview", "daily_summary", "weekday_overlay")}
        expected |= {(f"{index}/option_chain", f"{DAY}|{tag}") for tag in tags}
        expected |= {(f"{index}/offset_series", f"{DAY}|{key}") for key in series_keys(tags, WIDTH[index])}
    found = Counter(
        (event.asset_key.to_user_string(), str(event.partition)) for event in materialisations(world.seals[THURSDAY])
    )
    assert set(found) == expected
    assert set(found.values()) == {1}


def test_every_recorded_key_is_one_of_its_assets(world: DagsterWorld) -> None:
    specs = {spec.key: spec for spec in world.defs.resolve_all_asset_specs()}
    for event in materialisations(world.seals[FRIDAY]):
        definition = specs[event.asset_key].partitions_def
        assert definition is not None
        assert definition.has_partition_key(str(event.partition)), event


def test_a_narrow_index_writes_no_series_beyond_its_own_width(world: DagsterWorld) -> None:
    labels = {
        index: {path.parent.name for path in (world.root.csv / "options" / index).rglob("*.csv")} for index in WIDTH
    }
    assert labels["BANKNIFTY"] == {"ATM-2", "ATM-1", "ATM", "ATM+1", "ATM+2"}
    assert labels["NIFTY"] == labels["BANKNIFTY"] | {"ATM-3", "ATM+3"}


def test_each_recorded_partition_counts_its_own_rows(world: DagsterWorld) -> None:
    counts = {
        day: {
            event.metadata["dagster/row_count"].value
            for event in materialisations(world.seals[day])
            if event.asset_key.path[-1] == "offset_series"
        }
        for day in (THURSDAY, FRIDAY)
    }
    # Three of Friday's eleven were lost and healed.
    assert counts == {THURSDAY: {11}, FRIDAY: {11}}


def test_the_seal_run_heals_the_hole_of_the_day_first_and_says_how_much(world: DagsterWorld) -> None:
    whole, holed = (materialisations(world.seals[day])[0] for day in (THURSDAY, FRIDAY))
    assert whole.asset_key.path == holed.asset_key.path == ["candles"]
    assert whole.metadata["result"].value == f"{DAY}: no leg is missing that candles were not asked for"
    assert holed.metadata["legs healed"].value == holed.metadata["healed now"].value > 0
    assert holed.metadata["contracts left"].value == 0
    quotes = world.lake.read(QUOTES, FRIDAY)
    healed = quotes[quotes["source"] == "candle"]
    assert len(healed) == holed.metadata["legs healed"].value
    assert [f"{at:%H:%M}" for at in sorted(healed["snapshot_at"].unique())] == ["11:00", "11:35", "12:10"]
    assert "trouble" not in holed.metadata


def test_every_check_of_every_index_is_evaluated_for_its_day(world: DagsterWorld) -> None:
    for day in (THURSDAY, FRIDAY):
        found = evaluations(world, day)
        assert set(found) == {(index, name) for index in TAGS for name in CHECK_NAMES}
        assert {evaluation.partition for evaluation in found.values()} == {day.isoformat()}
        assert all(evaluation.description for evaluation in found.values())


def test_the_numbers_of_a_check_are_its_metadata(world: DagsterWorld) -> None:
    numbers = evaluations(world)["NIFTY", "complete"].metadata
    assert {name: numbers[name].value for name in ("due", "stored", "failed", "absent")} == {
        "due": 33,
        "stored": 24,
        "failed": 9,
        "absent": 0,
    }
    for evaluation in evaluations(world, THURSDAY).values():
        measured = evaluation.metadata.get("value")
        assert measured is None or isinstance(measured, dg.FloatMetadataValue)


@pytest.mark.parametrize("index", ["NIFTY", "BANKNIFTY"])
def test_a_day_with_a_hole_fails_complete_and_says_where_the_hole_is(world: DagsterWorld, index: str) -> None:
    found = evaluations(world)[index, "complete"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.ERROR
    assert (found.description or "").endswith("At worst from 11:00:00 to 12:10:00.")
    assert evaluations(world, THURSDAY)[index, "complete"].passed


def test_severity_is_error_beyond_the_failing_threshold_and_warn_below(world: DagsterWorld) -> None:
    failed = [e for day in (THURSDAY, FRIDAY) for e in evaluations(world, day).values() if not e.passed]
    assert {e.severity for e in failed} == {dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN}
    for found in failed:
        limit = found.metadata["fail above"].value
        beyond = isinstance(limit, float) and float(str(found.metadata["value"].value)) > limit
        assert (found.severity is dg.AssetCheckSeverity.ERROR) == beyond


def test_a_failed_check_stops_nothing(world: DagsterWorld) -> None:
    assert world.seals[FRIDAY].success
    assert world.lake.seal_record(FRIDAY) is not None


def test_a_failed_check_is_shown_with_the_partition_it_judged(world: DagsterWorld) -> None:
    key = dg.AssetCheckKey(dg.AssetKey(["NIFTY", "overview"]), "complete")
    history = world.instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    (evaluation,) = [record.evaluation for record in history if record.run_id == world.seals[FRIDAY].run_id]
    assert evaluation is not None
    assert (evaluation.passed, evaluation.partition) == (False, FRIDAY.isoformat())


def test_the_running_session_is_observed_on_the_page_of_each_index(world: DagsterWorld) -> None:
    observed = world.instance.fetch_observations(dg.AssetKey(["NIFTY", "live"]), limit=200).records
    mine = [r.asset_observation for r in observed if r.run_id == world.sessions[THURSDAY].run_id]
    plotted = [event for event in mine if event is not None and "spot" in event.metadata]
    states = [event.metadata["state"].value for event in mine if event is not None and "state" in event.metadata]
    assert len(plotted) == 12
    assert states[::-1] == ["opening", "waiting", *["capturing"] * 11, "ended"]
    for event in plotted:
        names = {name for name, value in event.metadata.items() if isinstance(value, dg.FloatMetadataValue)}
        assert names >= {"spot", "day width", "PCR (OI)", "front forward", "front ATM strike", "front straddle"}
