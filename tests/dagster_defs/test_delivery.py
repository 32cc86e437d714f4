"""Delivery to InfluxDB, proven after the seal: on a real server, from a sealed day of the platform's own making."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import requests

from g6_assets.definitions import build_defs, build_resources
from g6_assets.delivery import JOB, NAME
from g6_market.schema import OPTION_CHAIN, OVERVIEW
from g6_resources.influx import request_of
from g6_resources.settings import Settings
from g6_resources.spool import Spool
from tests.dagster_defs.conftest import FRIDAY, QUIET, THURSDAY, DagsterWorld, failure_of, materialisations
from tests.servers import free_port, victoria_metrics


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with victoria_metrics(tmp_path) as url:
        yield url


def with_influx(world: DagsterWorld, url: str) -> tuple[Settings, dg.Definitions]:
    storage = world.settings.storage
    influx = storage.influx.model_copy(update={"enabled": True, "url": url})
    settings = world.settings.model_copy(update={"storage": storage.model_copy(update={"influx": influx})})
    return settings, build_defs(settings=settings, root=world.root)


def deliver(world: DagsterWorld, url: str) -> dg.ExecuteInProcessResult:
    return (
        with_influx(world, url)[1]
        .resolve_job_def(JOB)
        .execute_in_process(
            partition_key=THURSDAY.isoformat(), instance=world.instance, raise_on_error=False, run_config=QUIET
        )
    )


@pytest.mark.server
def test_a_sealed_day_is_delivered_whole_and_the_second_proof_finds_nothing_lacking(
    world: DagsterWorld, server: str
) -> None:
    spool = Spool(world.root.spool / "influx", 1_000_000)
    spool.drop(f"{THURSDAY}T100000")
    spool.put(f"{THURSDAY}T110000", request_of(["overview,underlying=NIFTY,world=sim-11 waited=1 1795146360"]))
    first = deliver(world, server)
    assert first.success, failure_of(first)
    assert (spool.backlog().files, spool.backlog().dropped) == (0, 0)
    numbers = materialisations(first)[0].metadata
    assert numbers["option_chain points"].value == len(world.lake.read(OPTION_CHAIN, THURSDAY))
    assert numbers["overview points"].value == len(world.lake.read(OVERVIEW, THURSDAY))
    for table in ("option_chain", "offset_series", "overview"):
        assert numbers[f"{table} on server"].value == numbers[f"{table} values"].value
        assert numbers[f"{table} redelivered"].value == numbers[f"{table} points"].value
    waited = requests.get(f"{server}/api/v1/export", params={"match[]": "overview_waited"}, timeout=5)
    assert len(waited.text.splitlines()) == 1
    again = materialisations(deliver(world, server))[0].metadata
    assert [again[f"{table} redelivered"].value for table in ("option_chain", "offset_series", "overview")] == [0, 0, 0]


def tick(world: DagsterWorld, url: str) -> dg.RunRequest | dg.SkipReason:
    settings, defs = with_influx(world, url)
    sensor = defs.resolve_sensor_def(NAME)
    built = build_resources(settings, world.root)
    resources = {name: built[name] for name in sensor.required_resource_keys}
    with dg.build_sensor_context(instance=world.instance, resources=resources) as context:
        result = sensor(context)
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


@pytest.mark.server
def test_the_sensor_asks_for_the_newest_sealed_day_that_is_not_proven(world: DagsterWorld, server: str) -> None:
    asked = tick(world, server)
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == FRIDAY.isoformat()


def test_an_absent_server_fails_the_proof_in_a_sentence_and_makes_the_sensor_wait(world: DagsterWorld) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert f"influx: {url} did not answer" in failure_of(deliver(world, url))
    skipped = tick(world, url)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == f"{FRIDAY} waits for its proof, but {url} does not answer"


def test_a_platform_without_influxdb_has_no_such_asset(world: DagsterWorld) -> None:
    keys = {spec.key for spec in world.defs.resolve_all_asset_specs()}
    assert dg.AssetKey(NAME) not in keys
