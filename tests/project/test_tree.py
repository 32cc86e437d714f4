"""What must not stand in any file: hosts of package registries, paths of somebody's machine.

`make check` looks for secrets; here only that its scanner sees one.
"""

import re
import subprocess
from pathlib import Path

import pytest

from tools.secret_scan import BASELINE, scan

# In brackets, so that this file does not find itself.
REGISTRY = re.compile(
    r"p[y]pi\.o|python[h]osted\.|registry\.n[p]mjs|deb\.d[e]bian\.|[-]-(?:extra-)?index-u[r]l|[-]-find-li[n]ks"
)
MACHINE_PATH = re.compile(r"(?<![\w.>})\]-])/(?:w[o]rk|r[o]ot|t[m]p|h[o]me/\w+|Us[e]rs/\w+)/")


def found(pattern: re.Pattern[str], tree: dict[str, str]) -> list[str]:
    return [f"{name}: {match[0]}" for name, text in tree.items() for match in pattern.finditer(text)]


def test_the_tree_is_read(tree: dict[str, str]):
    assert {"README.md", "Makefile", ".ci/run", "pyproject.toml", "g6_market/calendar.py"} <= set(tree)


def test_no_file_names_a_package_registry(tree: dict[str, str]):
    assert found(REGISTRY, tree) == []


def test_no_file_names_a_path_of_a_machine(tree: dict[str, str]):
    assert found(MACHINE_PATH, tree) == []


@pytest.mark.parametrize("path", ["/w" + "ork/main/x", " /ho" + "me/ann/g6", '"/t' + 'mp/x"'])
def test_the_search_would_find_a_path(path: str):
    assert MACHINE_PATH.search(path)


def test_a_planted_secret_is_found(tmp_path: Path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    token = "ghp_" + "aB3dE6gH9" * 4
    (tmp_path / "settings.py").write_text(f'access_token = "{token}"\n')
    assert "settings.py:1" in scan(tmp_path, BASELINE)
