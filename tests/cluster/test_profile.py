"""The files of the profile agree with the project's own and with each other."""

import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celery.app.defaults
import dagster as dg
import pytest
import redis
import yaml
from dagster import AssetKey, DagsterRun

from g6_assets.launcher import RunLauncher
from tests.cluster.conftest import PROFILE, PROJECT

ENVIRONMENT = {
    "G6_POSTGRES_HOST": "127.0.0.1",
    "G6_POSTGRES_PORT": "5432",
    "POSTGRES_PASSWORD": "of-no-account",  # pragma: allowlist secret
    "G6_CELERY_BROKER": "redis://127.0.0.1:1/0",
    "G6_CELERY_BACKEND": "redis://127.0.0.1:1/1",
}


@pytest.fixture
def settings() -> dict[str, Any]:
    return yaml.safe_load((PROFILE / "dagster.yaml").read_text())


@pytest.fixture
def launcher(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RunLauncher]:
    """The launcher as Dagster makes it from the profile's own lines."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"run_launcher": settings["run_launcher"]}))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_launcher, RunLauncher)
        yield instance.run_launcher


def run(job: str = "__ASSET_JOB", *assets: str) -> DagsterRun:
    selection = frozenset(AssetKey(asset.split("/")) for asset in assets)
    return DagsterRun(job_name=job, run_id="a-run", asset_selection=selection or None)


@pytest.mark.parametrize("assets", [("NIFTY/overview",), ("SENSEX/option_chain", "NIFTY/offset_series")])
def test_derived_assets_go_to_the_workers(launcher: RunLauncher, assets: tuple[str, ...]) -> None:
    assert launcher.goes_to_workers(run("__ASSET_JOB", *assets))


@pytest.mark.parametrize("assets", [("quotes",), ("seal",), ("candles",), ("instruments",), ("NIFTY/overview", "seal")])
def test_what_the_workers_are_not_told_to_do_stays(launcher: RunLauncher, assets: tuple[str, ...]) -> None:
    assert not launcher.goes_to_workers(run("__ASSET_JOB", *assets))


@pytest.mark.parametrize("job", ["session_job", "seal_job", "morning_job", "prune_run_history"])
def test_the_jobs_of_the_day_stay(launcher: RunLauncher, job: str) -> None:
    assert not launcher.goes_to_workers(run(job))


def test_a_run_that_stayed_is_never_taken_for_lost(launcher: RunLauncher) -> None:
    assert launcher.check_run_worker_health(run("session_job")).status.value == "RUNNING"


def test_a_run_is_not_taken_for_lost_when_nobody_can_be_asked(launcher: RunLauncher) -> None:
    at_work = run("__ASSET_JOB", "NIFTY/overview").with_tags({"dagster-celery/task_id": "a-task"})
    with pytest.raises(redis.ConnectionError):
        launcher.check_run_worker_health(at_work)


def test_dagsters_settings_are_the_projects_but_for_what_makes_the_cluster(settings: dict[str, Any]) -> None:
    ours = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    for key in ("storage", "run_launcher", "run_retries"):
        assert key not in ours
        del settings[key]
    settings["run_monitoring"] |= {
        key: ours["run_monitoring"][key] for key in ("start_timeout_seconds", "poll_interval_seconds")
    }
    runs = settings["concurrency"]["runs"]
    workers = runs["tag_concurrency_limits"].pop()
    assert workers["key"] == "dagster/backfill"
    # However many days are waiting, a session finds a place.
    assert runs["max_concurrent_runs"] - workers["limit"] == ours["concurrency"]["runs"]["max_concurrent_runs"]
    runs["max_concurrent_runs"] = ours["concurrency"]["runs"]["max_concurrent_runs"]
    assert settings == ours


def test_compose_and_cluster_use_postgres_alike(settings: dict[str, Any]) -> None:
    compose = yaml.safe_load((PROJECT / "deploy" / "compose" / "dagster.yaml").read_text())
    ours, theirs = (each["storage"]["postgres"]["postgres_db"] for each in (settings, compose))
    assert set(ours) == set(theirs)
    assert all(ours[key] == theirs[key] for key in ("username", "db_name", "password", "scheme"))


def test_only_runs_that_were_lost_are_run_again_and_never_those_that_number_their_attempts(
    settings: dict[str, Any],
) -> None:
    from g6_assets.definitions import build_defs
    from g6_resources.world import DataRoot, World

    assert not settings["run_retries"]["retry_on_asset_or_op_failure"]
    defs = build_defs(root=DataRoot(PROJECT / "data" / "live", World("live")))
    for job in ("session_job", "seal_job"):
        assert defs.resolve_job_def(job).tags["dagster/max_retries"] == "0"


def test_a_worker_reserves_nothing_and_outlasts_what_redis_hands_out_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    worker = runpy.run_path(str(PROFILE / "dagster_celery_config.py"))
    known = set(celery.app.defaults.NAMESPACES["worker"])
    assert {name.removeprefix("worker_") for name in worker if name.startswith("worker_")} <= known
    assert worker["worker_disable_prefetch"]
    ceiling = 36_000  # of the longest run there is, which is no worker's: the session
    assert worker["broker_transport_options"]["visibility_timeout"] > ceiling


def test_every_variable_of_the_profile_is_set_by_its_command() -> None:
    used = set(re.findall(r"env: (\w+)", (PROFILE / "dagster.yaml").read_text()))
    used |= set(re.findall(r'environ\["(\w+)"\]', (PROFILE / "dagster_celery_config.py").read_text()))
    assert used == set(ENVIRONMENT)
    assert all(f"{name}=" in (PROFILE / "up.sh").read_text() for name in used)


@pytest.mark.parametrize("arguments", [("--workers", "many"), ("--workers",), ("--colour",), ("--port", "web")])
def test_a_wrong_argument_is_refused_before_anything_starts(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([str(PROFILE / "up.sh"), *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--workers 1" in done.stderr
