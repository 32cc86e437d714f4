"""The command as people run it: a process of its own, on a small world in a temporary folder."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from g6_resources.world import DataRoot, open_root

PROJECT = Path(__file__).parents[2]
FRIDAY = "2026-11-20"
SNAPSHOTS = 25  # 09:30 .. 15:30 at 15 minutes; the last ten minutes of the session make no whole interval


@dataclass
class Command:
    """`g6` with its own configuration file and data folder."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "settings.json"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def configure(self, **changes: Any) -> None:
        """Write the settings of a small, quick world: two indices, a snapshot every 15 minutes."""
        content = json.loads((PROJECT / "config" / "g6_config.json").read_text(encoding="utf-8"))
        content.pop("$schema", None)
        content["data_dir"] = str(self.data)
        content["collection"] |= {"interval_seconds": 900, "full_chain_every_seconds": 1800}
        content["kite"]["limits"] = {"quote": 10, "historical": 10, "other": 20}
        for name, index in content["indices"].items():
            index["enable"] = name in ("NIFTY", "BANKNIFTY")
            index["strikes_each_side"] = 3
        for key, value in changes.items():
            content[key] = content[key] | value if isinstance(value, dict) else value
        self.config.write_text(json.dumps(content), encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        ours = ("G6_", "KITE_", "DAGSTER_", "INFLUX_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return clean | {"G6_CONFIG": str(self.config), "COLUMNS": "100"} | self.environ

    def start(self, *arguments: str, output: IO[str] | None = None) -> subprocess.Popen[str]:
        """Start the command in a process group of its own, as a terminal does; who talks much needs an output file."""
        return subprocess.Popen(
            [sys.executable, "-m", "g6", *arguments],
            cwd=PROJECT,
            env=self.environment,
            stdout=output or subprocess.PIPE,
            stderr=output or subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def says(self, *arguments: str) -> str:
        """What a command prints that must succeed."""
        done = self(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refuses(self, *arguments: str) -> str:
        """The one line on standard error of a command that must be refused."""
        done = self(*arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, done.stderr
        return lines[0]

    def root(self, world: str = "sim-42") -> DataRoot:
        return open_root(self.data / world)

    def worlds(self) -> list[str]:
        return sorted(path.name for path in self.data.iterdir()) if self.data.exists() else []


@pytest.fixture
def g6(tmp_path: Path) -> Command:
    """The command on a data folder that does not exist yet."""
    command = Command(tmp_path)
    command.configure()
    return command


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """The command after one small demo of Friday; its tests leave the world as it is."""
    command = Command(tmp_path_factory.mktemp("demo"))
    command.configure()
    (command.folder / "first.txt").write_text(command.says("demo", "--date", FRIDAY), encoding="utf-8")
    yield command


@pytest.fixture
def copy(g6: Command, demo: Command) -> Command:
    """A copy of the demo's world, to be changed: also a data folder that has moved."""
    shutil.copytree(demo.data, g6.data, symlinks=True)
    return g6
