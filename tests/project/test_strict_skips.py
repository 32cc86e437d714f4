"""In CI a skip is a failure, except for reference data and opt-in tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST = """
import pytest
{module}
@pytest.mark.skipif({condition!r} != "", reason={condition!r})
def test_something(): pass

@pytest.mark.xfail
def test_expected(): assert False
"""


def run(folder: Path, project: Path, *, reason: str = "", module: str = "", workers: str = "0"):
    (folder / "test_it.py").write_text(TEST.format(condition=reason, module=module))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tools.strict_skips", "-n", workers, "test_it.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(project), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("reason", ["", "reference data: set G6_REFERENCE_DATA", "opt-in: needs an account"])
def test_allowed_skips_pass(tmp_path: Path, project: Path, reason: str):
    assert run(tmp_path, project, reason=reason).returncode == 0


@pytest.mark.parametrize("workers", ["0", "2"])
def test_any_other_skip_fails_and_is_named(tmp_path: Path, project: Path, workers: str):
    done = run(tmp_path, project, reason="chromium: not installed", workers=workers)
    assert done.returncode == 1
    assert "test_it.py::test_something: chromium: not installed" in done.stdout


def test_a_module_that_skips_itself_fails_too(tmp_path: Path, project: Path):
    done = run(tmp_path, project, module="pytest.importorskip('no_such_module')")
    assert done.returncode == 1
    assert "no_such_module" in done.stdout
