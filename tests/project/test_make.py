"""The commands of the Makefile and the set-up behind them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.link_project import link


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=project, capture_output=True, text=True, timeout=60, check=False)


def test_make_alone_shows_the_commands(project: Path):
    shown = make(project).stdout
    for target in ("demo", "dev", "test", "check", "bench"):
        assert f"make {target}" in shown


def test_an_unsupported_python_is_refused_in_one_message(project: Path, tmp_path: Path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "setup.sh").write_bytes((project / "tools" / "setup.sh").read_bytes())
    (tmp_path / "requirements.txt").touch()
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["sh", "tools/setup.sh", "runtime"],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": str(old)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("folder", ["plain", "with a blank in it"])
def test_the_command_starts_from_any_folder(tmp_path: Path, folder: str):
    home = tmp_path / folder
    packages = home / "packages"
    for made in (packages, home / "bin", home / "g6"):
        made.mkdir(parents=True)
    (home / "g6" / "__init__.py").touch()
    (home / "g6" / "cli.py").write_text("import sys\ndef main(): print('arguments:', *sys.argv[1:])\n")
    python = home / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{home}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    launcher = link(home, packages, home / "bin", python)
    done = subprocess.run(
        [str(launcher), "sql", "select 1"], cwd="/", capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "arguments: sql select 1\n"
    assert (packages / "g6-project.pth").read_text() == f"{home}\n"
