"""Every notebook runs from its first cell to its last, on a world of several days and on one that has just begun."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, make_root
from tests.analyst.conftest import DAYS, EXPIRY_DAY
from tests.resources import lake_frames as made

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))
names = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A world of two snapshots, nothing sealed."""
    root = make_root(tmp_path_factory.mktemp("begun"), "sim:7")
    made.write_day(made.lake_of(root), made.FRIDAY, 2)
    Warehouse(root, made.CALENDAR).rebuild()
    return root


@pytest.fixture(autouse=True)
def no_window() -> Iterator[None]:
    from matplotlib import pyplot as plt

    mpl.use("agg")
    yield
    plt.close("all")


def run(notebook: Path, root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run all cells as a script would; return what they defined."""
    monkeypatch.setattr(sys, "argv", [str(notebook), "--root", str(root.path)])
    spec = importlib.util.spec_from_file_location(notebook.stem, notebook)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module, ModuleType)
    _, defined = module.app.run()
    return dict(defined)


def drawn(defined: dict[str, Any]) -> list[int]:
    """How many points each panel of each chart shows."""
    figures = [value for value in defined.values() if isinstance(value, Figure)]
    return [
        sum(len(line.get_xdata()) for line in axes.lines)
        + len(axes.patches)
        + sum(len(collection.get_offsets()) for collection in axes.collections)
        for figure in figures
        for axes in figure.axes
    ]


def test_there_are_five() -> None:
    assert {path.stem for path in NOTEBOOKS} == {
        "data_quality", "expiry_day", "first_look", "iv_rank", "straddle_study"
    }  # fmt: skip


@names
def test_a_notebook_draws_what_several_days_hold(
    root: DataRoot, notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined = run(notebook, root, monkeypatch)
    points = drawn(defined)
    assert points
    assert min(points) >= 3


@names
def test_a_notebook_says_what_a_world_that_has_just_begun_lacks(
    begun: DataRoot, notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(notebook, begun, monkeypatch)["db"].days() == [made.FRIDAY]


def test_the_numbers_shown_are_of_the_store(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = {path.stem: path for path in NOTEBOOKS}
    closes = run(by_name["expiry_day"], root, monkeypatch)["closes"]
    assert closes["trade_date"].tolist() == [pd.Timestamp(EXPIRY_DAY)]
    results = run(by_name["straddle_study"], root, monkeypatch)["results"]
    assert results["day"].tolist() == list(DAYS)
    assert results["profit"].tolist() == (results["sold"] - results["bought"]).tolist()


def test_a_notebook_is_a_script_of_its_own(root: DataRoot, project: Path) -> None:
    command = [sys.executable, "notebooks/data_quality.py", "--root", str(root.path)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
