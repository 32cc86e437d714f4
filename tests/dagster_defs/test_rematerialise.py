"""Deriving again rewrites what it says and nothing else, and gives each key its own numbers."""

from pathlib import Path

import dagster as dg
import pytest

from g6_market.day import CODE_VERSION
from g6_market.quality import CHECK_NAMES
from g6_market.schema import OPTION_CHAIN, STORED_TABLES
from g6_resources.parquet import written_by
from tests.dagster_defs.conftest import TAGS, THURSDAY, DagsterWorld, failure_of, materialisations

DERIVED = [
    table.name
    for table in STORED_TABLES
    if table.name in ("option_chain", "expiry_overview", "overview", "daily_summary")
]


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Modification time and inode of every file: a file that was replaced has others."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


def changed(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> set[str]:
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def files_of(world: DagsterWorld) -> dict[str, tuple[int, int]]:
    """Files of the lake and the CSV tree, without the lake's hidden ones: leases, staging."""
    return {
        f"{folder.name}/{path}": state
        for folder in (world.root.lake, world.root.csv)
        for path, state in state_of(folder).items()
        if not path.startswith(".")
    }


def contents(world: DagsterWorld, paths: set[str]) -> dict[str, bytes]:
    return {path: (world.root.path / path).read_bytes() for path in paths}


def index_files(index: str, *days: str) -> set[str]:
    return {f"lake/{table}/closed/trade_date={day}/{index}.parquet" for table in DERIVED for day in days}


def recorded(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    """Metadata by partition of a successful run's materialisations; a partition recorded twice fails."""
    assert result.success, failure_of(result)
    events = materialisations(result)
    numbers = {str(e.partition): {name: value.value for name, value in e.metadata.items()} for e in events}
    assert len(numbers) == len(events)
    return numbers


@pytest.mark.parametrize(("asset", "key"), [("option_chain", "2026-11-19|next_week"), ("overview", "2026-11-19")])
def test_one_key_replaces_the_files_of_its_date_and_index_with_the_same_content(
    world: DagsterWorld, asset: str, key: str
) -> None:
    expected = index_files("NIFTY", "2026-11-19")
    before, content = files_of(world), contents(world, expected)
    result = world.materialize(f"NIFTY/{asset}", key)
    assert result.success
    assert changed(before, files_of(world)) == expected
    assert contents(world, expected) == content
    said = [entry.user_message for entry in world.instance.all_logs(result.run_id)]
    assert any("2026-11-19 NIFTY derived again from its quotes and replaced: option_chain" in text for text in said)


def test_one_key_of_a_chain_records_the_other_labels_of_its_index(world: DagsterWorld) -> None:
    events = recorded(world.materialize("NIFTY/option_chain", "2026-11-19|next_week"))
    assert set(events) == {f"2026-11-19|{tag}" for tag in TAGS["NIFTY"]}
    rows = world.lake.read(OPTION_CHAIN, THURSDAY, underlying="NIFTY", columns=["expiry"])
    by_expiry = {f"{expiry:%Y-%m-%d}": n for expiry, n in rows.groupby("expiry").size().items()}
    for numbers in events.values():
        assert numbers["dagster/row_count"] == by_expiry[str(numbers["expiry"])] > 0


def test_one_key_of_a_series_rewrites_its_csv_alone_with_the_same_bytes(world: DagsterWorld) -> None:
    file = "csv/options/NIFTY/this_week/ATM+1/2026-11-19.csv"
    before, content = files_of(world), contents(world, {file})
    result = world.materialize("NIFTY/offset_series", "2026-11-19|this_week.ATM+1")
    assert changed(before, files_of(world)) == {file}
    assert contents(world, {file}) == content
    events = recorded(result)
    assert set(events) == {"2026-11-19|this_week.ATM+1"}
    assert events["2026-11-19|this_week.ATM+1"]["dagster/row_count"] == 11


def test_all_labels_of_a_date_in_one_run_get_their_own_numbers(world: DagsterWorld) -> None:
    result = world.materialize_range("NIFTY/option_chain", "2026-11-19|this_week", "2026-11-19|next_month")
    assert result.success
    events = recorded(result)
    assert set(events) == {f"2026-11-19|{tag}" for tag in TAGS["NIFTY"]}
    assert len({numbers["expiry"] for numbers in events.values()}) == 3
    assert len({numbers["dagster/row_count"] for numbers in events.values()}) == 3


def test_all_series_of_a_date_in_one_run_get_their_own_numbers(world: DagsterWorld) -> None:
    before = files_of(world)
    first, last = (f"2026-11-19|{key}" for key in ("this_month.ATM-2", "next_month.ATM+2"))
    result = world.materialize_range("BANKNIFTY/offset_series", first, last)
    events = recorded(result)
    assert len(events) == 2 * 5
    assert changed(before, files_of(world)) == {
        f"csv/options/BANKNIFTY/{tag}/{label}/2026-11-19.csv"
        for tag in TAGS["BANKNIFTY"]
        for label in ("ATM-2", "ATM-1", "ATM", "ATM+1", "ATM+2")
    }
    for key, numbers in events.items():
        tag, _, label = key.split("|")[1].partition(".")
        assert str(numbers["file"]).endswith(f"BANKNIFTY/{tag}/{label}/2026-11-19.csv")


def test_two_days_in_one_run_replace_the_files_of_both(world: DagsterWorld) -> None:
    expected = index_files("BANKNIFTY", "2026-11-19", "2026-11-20")
    before, content = files_of(world), contents(world, expected)
    result = world.materialize_range("BANKNIFTY/overview", "2026-11-19", "2026-11-20")
    assert changed(before, files_of(world)) == expected
    assert contents(world, expected) == content
    events = recorded(result)
    assert {day: numbers["snapshots"] for day, numbers in events.items()} == {"2026-11-19": 11, "2026-11-20": 11}
    assert {day: numbers["healed snapshots"] for day, numbers in events.items()} == {"2026-11-19": 0, "2026-11-20": 3}


def test_one_run_over_days_and_labels_derives_each_day_once_and_says_with_which_code(world: DagsterWorld) -> None:
    expected = index_files("BANKNIFTY", "2026-11-19", "2026-11-20")
    before = files_of(world)
    first, last = "2026-11-19|this_month", "2026-11-20|next_month"
    result = world.materialize_range("BANKNIFTY/option_chain", first, last)
    assert changed(before, files_of(world)) == expected
    made = {str(event.partition): dict(event.tags or {}) for event in materialisations(result)}
    assert set(made) == {f"2026-11-{day}|{tag}" for day in (19, 20) for tag in TAGS["BANKNIFTY"]}
    assert {tags["dagster/code_version"] for tags in made.values()} == {CODE_VERSION}
    assert {written_by((world.root.path / path).read_bytes()) for path in expected} == {CODE_VERSION}


def test_a_run_over_two_days_judges_each_of_them(world: DagsterWorld) -> None:
    result = world.materialize_range("NIFTY/overview", "2026-11-19", "2026-11-20")
    assert result.success, failure_of(result)
    found = {
        (evaluation.partition, evaluation.check_name): evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
    }
    assert {day: found[day, "complete"] for day in ("2026-11-19", "2026-11-20")} == {
        "2026-11-19": True,
        "2026-11-20": False,
    }
    assert len(found) == 2 * len(CHECK_NAMES)
