"""Dagster's own commands on a world: what CI and an operator type."""

import os
import re
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


def recompute(world: DagsterWorld, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ("python", "-m", "g6", "recompute", "--world", world.root.world.name, *arguments)
    return run(*command, G6_CONFIG=str(world.root.path / "g6_config.json"), COLUMNS="300")


def test_recompute_here_replaces_the_files_of_its_days_and_index(world: DagsterWorld) -> None:
    expected = index_files("BANKNIFTY", "2026-11-20")
    before, content = files_of(world), contents(world, expected)
    span = ("--from", "2026-11-20", "--to", "2026-11-30", "--index", "BANKNIFTY")
    done = recompute(world, *span, "--no-series", "--here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert changed(before, files_of(world)) == expected
    assert contents(world, expected) == content


def test_recompute_hands_the_daemon_a_backfill_of_every_month_and_index(world: DagsterWorld) -> None:
    done = recompute(world, "--from", "2026-11-19", "--to", "2026-11-20", "--only-outdated", "--no-wait")
    assert done.returncode == 0, done.stdout + done.stderr
    (name,) = re.findall(r"^backfill (\w+):", done.stdout, re.MULTILINE)
    backfill = world.instance.get_backfill(name)
    assert backfill is not None
    assert set(backfill.partition_names or ()) == {"2026-11|NIFTY", "2026-11|BANKNIFTY"}
    assert backfill.tags["g6/only"] == "outdated"
    assert (backfill.tags["g6/from"], backfill.tags["g6/to"]) == ("2026-11-19", "2026-11-20")


def test_recompute_of_days_that_are_not_sealed_says_so(world: DagsterWorld) -> None:
    done = recompute(world, "--from", "2026-11-02", "--to", "2026-11-06", "--here")
    assert done.returncode == 2
    assert "no day from 2026-11-02 to 2026-11-06 is sealed in sim:11" in done.stderr
