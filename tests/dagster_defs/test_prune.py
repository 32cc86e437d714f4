"""Deleting old runs: what they made stays what it is for Dagster and its pages, what they wrote on the disk is gone."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from g6.runtime import environment
from g6_assets.housekeeping import PRUNE_JOB, prune_world, told
from g6_assets.prune import prune
from g6_resources.clock import SystemTime
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.world import DataRoot
from tests.dagster_defs.conftest import FRIDAY, PROJECT, QUIET, THURSDAY, DagsterWorld, at, instance_of
from tests.servers import free_port
from tests.stack.conftest import wait_for

MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION


@pytest.fixture
def copy(world: DagsterWorld, tmp_path: Path) -> DataRoot:
    """A copy of the world of two sealed days, whose history may be deleted."""
    folder = tmp_path / "copy"
    shutil.copytree(world.root.path, folder, symlinks=True)
    return DataRoot(folder, world.root.world)


@pytest.fixture
def instance(copy: DataRoot) -> Iterator[dg.DagsterInstance]:
    with instance_of(copy) as made:
        yield made


def known(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What Dagster knows of every asset: its partitions with their numbers and times, its latest event, its checks."""
    storage = instance.event_log_storage
    assets: dict[str, Any] = {}
    for key in instance.get_asset_keys():
        ids = storage.get_latest_storage_id_by_partition(key, MATERIALISED)
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(key, storage_ids=list(ids.values())), limit=5000
        ).records
        latest = instance.get_latest_materialization_event(key)
        assets[key.to_user_string()] = (
            {record.partition_key: (record.timestamp, record.asset_materialization) for record in records},
            latest and (latest.timestamp, latest.asset_materialization),
        )
    return assets


def checks(world: DagsterWorld, instance: dg.DagsterInstance) -> dict[str, Any]:
    keys = [key for check in world.defs.asset_checks or () for key in check.check_keys]  # type: ignore[union-attr]
    found: dict[str, Any] = {}
    for key in keys:
        partitions = instance.event_log_storage.get_latest_asset_check_execution_by_key([key], None)
        record = partitions.get(key)
        assert record is not None
        assert record.event is not None
        found[str(key)] = (record.status, record.partition, record.event.dagster_event)
    return found


def test_deleting_the_runs_of_a_day_leaves_every_partition_and_check_as_it_was(world, copy, instance) -> None:
    friday = instance.get_run_record_by_id(world.sessions[FRIDAY].run_id)
    assert friday is not None
    before, checked = known(instance), checks(world, instance)
    # Other tests may have had their own runs in this world, since Friday's seal.
    stays = {
        record.dagster_run.run_id
        for record in instance.get_run_records()
        if record.create_timestamp >= friday.create_timestamp
    }
    assert stays >= {world.sessions[FRIDAY].run_id, world.seals[FRIDAY].run_id}
    report = prune(instance, copy, before=friday.create_timestamp)
    assert known(instance) == before
    assert checks(world, instance) == checked
    assert len(checked) > 20
    assert {run.run_id for run in instance.get_runs()} == stays
    assert report.runs == 3  # two sessions and a seal of the Thursday
    assert report.kept > 50
    # The day is still a partition of its own, and so is its numbers' source.
    assert THURSDAY.isoformat() in before["seal"][0]
    files = {path.stem for path in (copy.dagster_home / "history" / "runs").glob("*-*.db")}
    assert files == stays
    assert not list(copy.dagster_home.rglob(f"*{world.seals[THURSDAY].run_id}*"))


def test_deleting_all_runs_keeps_what_they_made_in_much_less_space_and_doing_it_again_nothing(world, copy, instance):
    before, checked = known(instance), checks(world, instance)
    now = datetime.now(UTC)
    report = prune(instance, copy, before=now)
    assert instance.get_runs_count() == 0
    assert (known(instance), checks(world, instance)) == (before, checked)
    assert report.bytes_after < report.bytes_before / 3
    again = prune(instance, copy, before=now)
    assert (again.runs, again.kept, again.bytes_after) == (0, 0, report.bytes_after)


def test_pruning_that_was_interrupted_before_the_runs_went_is_repeated_without_harm(
    copy, instance, monkeypatch
) -> None:
    before = known(instance)
    now = datetime.now(UTC)

    def die(run_id: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(instance, "delete_run", die)
        with pytest.raises(KeyboardInterrupt):
            prune(instance, copy, before=now)
    assert known(instance) == before
    report = prune(instance, copy, before=now)
    assert report.runs > 0
    assert known(instance) == before


def test_a_dry_run_counts_and_changes_nothing(copy, instance) -> None:
    before, runs = known(instance), instance.get_runs_count()
    report = prune(instance, copy, before=datetime.now(UTC), dry_run=True)
    assert (report.runs, report.bytes_after) == (runs, report.bytes_before)
    assert instance.get_runs_count() == runs
    assert known(instance) == before
    assert told(report, dry_run=True, compacted=False).startswith(f"would delete {runs} finished runs of before ")


def test_young_runs_stay_and_the_job_says_what_it_did(world, copy, instance) -> None:
    runs = instance.get_runs_count()
    job = world.defs.resolve_job_def(PRUNE_JOB)
    result = job.execute_in_process(instance=instance, run_config=QUIET)
    assert result.success
    assert instance.get_runs_count() == runs + 1
    (output,) = [event for event in result.all_events if event.is_successful_output]
    metadata = output.step_output_data.metadata
    assert (metadata["runs"].value, metadata["kept materialisations"].value) == (0, 0)
    assert metadata["MB before"].value > 1


def test_space_is_not_given_back_while_a_session_beats(copy, instance) -> None:
    beat = {"market_time": at(FRIDAY, "10:00"), "run_id": "r", "trade_date": FRIDAY, "attempt": 1}
    file = HeartbeatFile(copy.heartbeat_file, SystemTime())
    file.write(**beat, state="capturing")
    report, compacted = prune_world(instance, copy, keep_days=1)
    assert not compacted
    assert told(report, dry_run=False, compacted=False).endswith("the space is given back when no session runs")
    file.write(**beat, state="ended")
    assert prune_world(instance, copy, keep_days=1)[1]


PAGES = """{ assetNodes { assetKey { path } partitionStats { numMaterialized numPartitions numFailed }
  assetMaterializations(limit: 1) { timestamp partition metadataEntries { label } }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } } } }"""
PARTITIONS = """{ assetNodeOrError(assetKey: {path: ["NIFTY", "option_chain"]}) { ... on AssetNode {
  assetPartitionStatuses { ... on MultiPartitionStatuses { ranges { primaryDimStartKey primaryDimEndKey
  secondaryDim { ... on DefaultPartitionStatuses { materializedPartitions } } } } } } } }"""


@pytest.mark.slow
def test_the_pages_show_the_same_partitions_numbers_and_checks_as_before(copy, instance) -> None:
    port = free_port()
    with subprocess.Popen(
        [Path(sys.executable).parent / "dagster-webserver", "-w", PROJECT / "workspace.yaml", "-p", str(port)],
        cwd=PROJECT,
        env=environment(copy),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as web:
        try:

            def ask(query: str) -> dict[str, Any]:
                try:
                    answer = requests.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=60).json()
                except requests.RequestException:
                    return {}
                assert "errors" not in answer, answer["errors"]
                return answer["data"]

            pages = wait_for("pages", lambda: ask(PAGES), 90)
            partitions = ask(PARTITIONS)
            stats = {tuple(node["assetKey"]["path"]): node["partitionStats"] for node in pages["assetNodes"]}
            assert stats["seal",]["numMaterialized"] == 2
            assert stats["NIFTY", "option_chain"]["numMaterialized"] == 8
            assert prune(instance, copy, before=datetime.now(UTC)).runs > 0
            assert ask(PAGES) == pages
            assert ask(PARTITIONS) == partitions
            assert ask("{ runsOrError { ... on Runs { results { id } } } }") == {"runsOrError": {"results": []}}
        finally:
            web.kill()
