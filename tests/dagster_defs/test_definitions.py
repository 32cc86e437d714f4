"""What the definitions hold: assets, groups, kinds, owners, columns, jobs, sensors, schedules; and no warning."""

import warnings
from pathlib import Path

import dagster as dg
import pytest

from g6_assets import definitions
from g6_assets.definitions import BETA_IN_USE, build_defs
from g6_assets.links import asset_links
from g6_market.quality import CHECK_NAMES
from g6_market.schema import (
    EXPIRIES,
    INSTRUMENTS,
    OFFSET_SERIES,
    OPTION_CHAIN,
    OVERVIEW,
    QUOTES,
    REFERENCE,
)
from tests.dagster_defs.conftest import make_world

DAGSTERS_OWN = (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning, DeprecationWarning)

SESSION = {
    "kite/instruments": {"kite"},
    "kite/quote": {"kite"},
    "kite/candles": {"kite"},
    "instruments": {"parquet"},
    "expiries": {"parquet"},
    "reference": {"parquet"},
    "quotes": {"parquet", "kite"},
    "candles": {"parquet", "kite"},
    "seal": {"parquet", "duckdb"},
    "recomputed": {"parquet", "duckdb"},
}
OF_AN_INDEX = {
    "{}/option_chain": {"parquet", "duckdb"},
    "{}/overview": {"parquet", "duckdb"},
    "{}/offset_series": {"csv", "duckdb"},
    "{}/daily_summary": {"parquet", "duckdb"},
    "{}/weekday_overlay": {"duckdb"},
    "{}/live": {"kite"},
    "{}/views": {"duckdb"},
}
TABLES = {
    "instruments": INSTRUMENTS,
    "expiries": EXPIRIES,
    "reference": REFERENCE,
    "quotes": QUOTES,
    "NIFTY/option_chain": OPTION_CHAIN,
    "NIFTY/overview": OVERVIEW,
    "NIFTY/offset_series": OFFSET_SERIES,
}


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dg.AssetSpec]:
    root = make_world(tmp_path_factory.mktemp("specs"), "sim:1")
    return {spec.key.to_user_string(): spec for spec in build_defs(root=root).resolve_all_asset_specs()}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> dg.RepositoryDefinition:
    root = make_world(tmp_path_factory.mktemp("repository"), "sim:1")
    return build_defs(root=root).get_repository_def()


def test_the_assets_are_these_in_these_groups_and_of_these_kinds(specs: dict[str, dg.AssetSpec]) -> None:
    expected = {key: ("history" if key == "recomputed" else "session", kinds) for key, kinds in SESSION.items()}
    for index in ("NIFTY", "BANKNIFTY"):
        expected |= {key.format(index): (index, kinds) for key, kinds in OF_AN_INDEX.items()}
    assert {key: (spec.group_name, spec.kinds) for key, spec in specs.items()} == expected


def test_every_asset_leads_to_its_query_its_desk_view_and_its_page(specs: dict[str, dg.AssetSpec]) -> None:
    for key, spec in specs.items():
        if key.startswith("kite/"):
            continue
        *index, name = key.split("/")
        for entry, value in asset_links(name, *index).items():
            assert spec.metadata[entry] == value, key
    assert specs["NIFTY/option_chain"].metadata["desk"].url == "http://127.0.0.1:8050/?index=NIFTY&view=chain"


def test_every_asset_says_what_it_is_and_whose_it_is(specs: dict[str, dg.AssetSpec]) -> None:
    for key, spec in specs.items():
        assert spec.description, key
        assert len(spec.description) > 40, key
        assert spec.description.rstrip().endswith("."), key
        assert list(spec.owners) == ["team:g6"], key


@pytest.mark.parametrize("key", TABLES)
def test_a_table_asset_shows_the_columns_of_its_table(specs: dict[str, dg.AssetSpec], key: str) -> None:
    table, metadata = TABLES[key], specs[key].metadata
    schema = metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == list(table.names)
    assert all(column.description for column in schema.columns)
    assert [column.constraints.nullable for column in schema.columns] == [column.nullable for column in table.columns]
    assert metadata["dagster/table_name"] == f"g6.main.{table.name}"


def test_what_is_derived_carries_the_version_of_its_code(specs: dict[str, dg.AssetSpec]) -> None:
    derived = [key for key in specs if key.split("/")[-1] in ("option_chain", "overview", "offset_series", "seal")]
    assert len(derived) == 7
    assert all(specs[key].code_version for key in derived)


def test_lineage_runs_from_the_broker_to_the_views(specs: dict[str, dg.AssetSpec]) -> None:
    upstream = {key: {dep.asset_key.to_user_string() for dep in spec.deps} for key, spec in specs.items()}
    reached, todo = set(), {"NIFTY/views"}
    while todo:
        key = todo.pop()
        reached.add(key)
        todo |= upstream.get(key, set()) - reached
    assert {"kite/instruments", "kite/quote", "quotes", "NIFTY/option_chain", "NIFTY/overview"} <= reached
    assert not any("BANKNIFTY" in key for key in reached)


def test_the_jobs_are_the_session_the_seal_the_morning_the_recomputing_and_the_pruning(
    repository: dg.RepositoryDefinition,
) -> None:
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert set(jobs) == {"session_job", "seal_job", "morning_job", "recompute_job", "prune_run_history"}
    for job in jobs.values():
        assert job.description
        assert job.executor_def is dg.in_process_executor
        assert int(job.tags["dagster/max_runtime"]) > 0


def test_sensors_and_schedules_run_from_the_first_start(repository: dg.RepositoryDefinition) -> None:
    sensors = {sensor.name: sensor for sensor in repository.sensor_defs}
    assert {"market_hours", "after_close", "heal_gaps"} <= set(sensors)
    assert all(sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in sensors.values())
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    assert {name: schedule.cron_schedule for name, schedule in schedules.items()} == {
        "morning": "45 8 * * *",
        "weekly_prune": "0 7 * * 0",
    }
    for schedule in schedules.values():
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        assert schedule.execution_timezone == "Asia/Kolkata"


def test_every_index_has_every_check_and_none_blocks(repository: dg.RepositoryDefinition) -> None:
    specs = [spec for checks in repository.asset_checks_defs_by_key.values() for spec in checks.check_specs]
    for index in ("NIFTY", "BANKNIFTY"):
        assert {spec.name for spec in specs if spec.asset_key.path == [index, "overview"]} == set(CHECK_NAMES)
    assert not any(spec.blocking for spec in specs)
    assert all(spec.partitions_def is not None for spec in specs)


def test_the_definitions_build_without_a_warning_of_dagsters(tmp_path: Path) -> None:
    root = make_world(tmp_path, "sim:1")
    with warnings.catch_warnings():
        for category in DAGSTERS_OWN:
            warnings.simplefilter("error", category)
        build_defs(root=root).get_repository_def()


@pytest.mark.parametrize("name", BETA_IN_USE)
def test_what_is_quieted_would_warn(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_world(tmp_path, "sim:1")
    monkeypatch.setattr(definitions, "BETA_IN_USE", tuple(other for other in BETA_IN_USE if other != name))
    with pytest.raises((dg.BetaWarning, dg.PreviewWarning), match=name):
        build_defs(root=root)
