"""What the project's own tests share: the files of the tree and Python in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.secret_scan import files

RunPython = Callable[..., str]


@pytest.fixture(scope="session")
def tree(project: Path) -> dict[str, str]:
    """Every text file that is or would be in the repository, by its path."""
    texts: dict[str, str] = {}
    for name in [*files(project), "requirements.txt", "requirements-dev.txt"]:
        content = (project / name).read_bytes()
        if b"\0" not in content:
            texts[name] = content.decode("utf-8")
    return texts


@pytest.fixture
def run_python(project: Path) -> RunPython:
    """Run a program text with this Python and the project on its path; return what it printed."""

    def run(code: str, *, folder: Path | None = None, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder or project,
            env={**os.environ, "PYTHONPATH": str(project), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
