"""A month of an index derived again in one run: what it writes, records, leaves, and says."""

import dagster as dg

from g6_assets.recompute import FROM_TAG, ONLY_TAG, SERIES_TAG
from g6_market.day import CODE_VERSION
from tests.dagster_defs.conftest import QUIET, TAGS, WIDTH, DagsterWorld, failure_of, materialisations
from tests.dagster_defs.test_rematerialise import changed, contents, files_of, index_files, state_of

MONTH = "2026-11|NIFTY"
BOTH = ("2026-11-19", "2026-11-20")


def run(world: DagsterWorld, **tags: str) -> dg.ExecuteInProcessResult:
    job = world.defs.resolve_job_def("recompute_job")
    result = job.execute_in_process(
        partition_key=MONTH, instance=world.instance, tags=tags, raise_on_error=False, run_config=QUIET
    )
    assert result.success, failure_of(result)
    return result


def csv_files(*days: str) -> set[str]:
    offsets = ["ATM" if n == 0 else f"ATM{n:+d}" for n in range(-WIDTH["NIFTY"], WIDTH["NIFTY"] + 1)]
    series = {
        f"csv/options/NIFTY/{tag}/{label}/{day}.csv" for tag in TAGS["NIFTY"] for label in offsets for day in days
    }
    return series | {f"csv/overview/NIFTY/{day}.csv" for day in days}


def test_a_share_replaces_the_files_of_its_days_and_index_with_the_same_bytes(world: DagsterWorld) -> None:
    expected = index_files("NIFTY", *BOTH) | csv_files(*BOTH)
    before, content = files_of(world), contents(world, expected)
    run(world)
    assert changed(before, files_of(world)) == expected
    assert contents(world, expected) == content


def test_every_partition_that_a_share_wrote_is_recorded_once_with_the_code_that_wrote_it(world: DagsterWorld) -> None:
    made = [
        (event.asset_key.to_user_string(), str(event.partition), event.tags) for event in materialisations(run(world))
    ]
    of_the_share = [(asset, key) for asset, key, _ in made if asset == "recomputed"]
    written = [(asset, key) for asset, key, _ in made if asset != "recomputed"]
    assert of_the_share == [("recomputed", MONTH)]
    assert len(written) == len(set(written))
    assert {tags["dagster/code_version"] for asset, _, tags in made if tags and asset != "recomputed"} == {CODE_VERSION}
    width = 2 * WIDTH["NIFTY"] + 1
    assert set(written) == {
        *(("NIFTY/option_chain", f"{day}|{tag}") for day in BOTH for tag in TAGS["NIFTY"]),
        *((f"NIFTY/{name}", day) for day in BOTH for name in ("overview", "daily_summary")),
        *(pair for pair in written if pair[0] == "NIFTY/offset_series"),
    }
    assert sum(asset == "NIFTY/offset_series" for asset, _ in written) == len(BOTH) * len(TAGS["NIFTY"]) * width


def test_a_share_says_how_far_it_is_and_how_fast_and_how_much_memory_it_took(world: DagsterWorld) -> None:
    result = run(world)
    said = [entry.user_message for entry in world.instance.all_logs(result.run_id)]
    assert [text.partition(";")[2].split(" days")[0] for text in said if "legs/s" in text] == [" 1 of 2", " 2 of 2"]
    numbers = result.asset_materializations_for_node("recomputed")[-1].metadata
    assert numbers["days derived"].value == numbers["days"].value == 2
    assert int(str(numbers["peak memory of the worker (MB)"].value)) > 0


def test_a_share_narrowed_to_some_days_touches_no_other(world: DagsterWorld) -> None:
    before = files_of(world)
    run(world, **{FROM_TAG: BOTH[1], SERIES_TAG: "no"})
    assert changed(before, files_of(world)) == index_files("NIFTY", BOTH[1])


def test_what_todays_code_has_written_is_left_when_only_the_outdated_is_asked_for(world: DagsterWorld) -> None:
    before = files_of(world)
    result = run(world, **{ONLY_TAG: "outdated"})
    assert changed(before, files_of(world)) == set()
    assert [event.asset_key.to_user_string() for event in materialisations(result)] == ["recomputed"]


def test_nothing_is_left_held_when_a_share_has_ended(world: DagsterWorld) -> None:
    run(world)
    (path,) = [path for path in state_of(world.root.lake) if path == ".leases/NIFTY/2026-11.json"]
    assert (world.root.lake / path).read_bytes() == b"{}"
