"""Dagster's own commands on a world: what CI and an operator type."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dagster_defs.conftest import PROJECT, DagsterWorld
from tests.dagster_defs.test_rematerialise import changed, contents, files_of, index_files

pytestmark = pytest.mark.slow


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def launch(world: DagsterWorld, *arguments: str) -> None:
    done = run(
        "dg", "launch", *arguments, DAGSTER_HOME=str(world.root.dagster_home), G6_DATA_ROOT=str(world.root.path)
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_dg_check_defs_is_green() -> None:
    done = run("python", "-m", "tools.check_definitions")
    assert done.returncode == 0, done.stdout + done.stderr


def test_dg_launch_of_one_partition_replaces_the_files_of_its_date_and_index(world: DagsterWorld) -> None:
    expected = index_files("NIFTY", "2026-11-19")
    before, content = files_of(world), contents(world, expected)
    launch(world, "--assets", "NIFTY/option_chain", "--partition", "2026-11-19|next_week")
    assert changed(before, files_of(world)) == expected
    assert contents(world, expected) == content


def test_dg_launch_of_a_range_of_days_replaces_the_files_of_each(world: DagsterWorld) -> None:
    expected = index_files("BANKNIFTY", "2026-11-19", "2026-11-20")
    before, content = files_of(world), contents(world, expected)
    launch(world, "--assets", "BANKNIFTY/overview", "--partition-range", "2026-11-19...2026-11-20")
    assert changed(before, files_of(world)) == expected
    assert contents(world, expected) == content
