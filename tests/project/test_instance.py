"""dagster.yaml and workspace.yaml as the real Dagster reads them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from g6_resources.world import DataRoot, make_root

SHOW_STORAGE = """
import dagster as dg
with dg.DagsterInstance.get() as instance:
    instance.add_dynamic_partitions("seen_from", [{mark!r}])
    print(instance.root_directory, sorted(instance.get_dynamic_partitions("seen_from")))
"""


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return make_root(tmp_path / "data", "sim:7")


def test_the_file_of_a_world_is_the_projects_own(root: DataRoot, project: Path):
    assert (root.dagster_home / "dagster.yaml").resolve() == project / "dagster.yaml"


def test_the_file_names_no_path(project: Path):
    values = list(_leaves(yaml.safe_load((project / "dagster.yaml").read_text())))
    assert len(values) > 10
    assert [v for v in values if isinstance(v, str) and (Path(v).is_absolute() or v.startswith((".", "~", "$")))] == []


def test_dagster_takes_every_setting_of_the_file(root: DataRoot):
    with dg.DagsterInstance.from_config(str(root.dagster_home)) as instance:
        assert instance.get_settings("telemetry") == {"enabled": False}
        assert not instance.nux_enabled
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        # One relauncher: the sensor, which knows the heartbeat.
        assert not instance.run_retries_enabled
        assert instance.get_settings("run_monitoring")["free_slots_after_run_end_seconds"] > 0
        assert Path(instance.root_directory) == root.dagster_home


def test_two_processes_in_different_folders_share_one_instance(root: DataRoot, tmp_path: Path, run_python):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    home = {"DAGSTER_HOME": str(root.dagster_home)}
    run_python(SHOW_STORAGE.format(mark="here"), folder=here, **home)
    seen = run_python(SHOW_STORAGE.format(mark="there"), folder=there, **home)
    assert seen == f"{root.dagster_home} ['here', 'there']"
    assert list(here.iterdir()) == list(there.iterdir()) == []


@pytest.mark.slow
def test_the_workspace_loads_from_any_folder(root: DataRoot, project: Path, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(project / "workspace.yaml")],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(project),
            "DAGSTER_HOME": str(root.dagster_home),
            "G6_DATA_ROOT": str(root.path),
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful for code location g6" in done.stdout + done.stderr


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value
