"""The pinned world: one Dagster release, every requirement hashed, no address in any of the files."""

import re
import tomllib
from importlib.metadata import distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILES = ("requirements.txt", "requirements-dev.txt")


def pins(file: Path) -> dict[str, str]:
    """Versions that a requirements file pins for this interpreter."""
    lines = re.findall(r"^[A-Za-z0-9].*==.*[^\\\s]", file.read_text(), re.MULTILINE)
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(r.name): str(r.specifier).removeprefix("==")
        for r in requirements
        if r.marker is None or r.marker.evaluate()
    }


def test_the_dagster_family_is_of_one_release():
    release = version("dagster")
    # Libraries count 0.(minor + 16) where the core counts 1.minor.
    minor, patch = re.fullmatch(r"1\.(\d+)\.(\d+)", release).groups()
    library = f"0.{int(minor) + 16}.{patch}"
    family = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"].startswith("dagster")}
    assert len(family) >= 3
    assert {name: v for name, v in family.items() if v not in (release, library)} == {}


@pytest.mark.parametrize("file", FILES)
def test_every_requirement_is_pinned_and_hashed(project: Path, file: str):
    text = (project / file).read_text()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(blocks) > 50
    unhashed = [b.split("\n")[0] for b in blocks if "==" not in b.split("\n")[0] or "--hash=sha256:" not in b]
    assert unhashed == []


@pytest.mark.parametrize("file", FILES)
def test_the_files_name_no_address_and_no_option(project: Path, file: str):
    lines = (project / file).read_text().splitlines()
    assert [line for line in lines if "://" in line or line.startswith("-") or " @ " in line] == []


def test_the_development_set_holds_the_runtime_set(project: Path):
    runtime, development = (pins(project / file) for file in FILES)
    assert {name: v for name, v in runtime.items() if development.get(name) != v} == {}


def test_the_pins_are_what_pyproject_asks_for(project: Path):
    asked = tomllib.loads((project / "pyproject.toml").read_text())
    development = pins(project / FILES[1])
    for line in (*asked["project"]["dependencies"], *asked["dependency-groups"]["dev"]):
        wanted = Requirement(line)
        assert development[canonicalize_name(wanted.name)] in wanted.specifier, line


def test_this_environment_has_the_pinned_versions(project: Path):
    pinned = pins(project / FILES[0])
    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in distributions()}
    assert {name: (v, installed.get(name)) for name, v in pinned.items() if installed.get(name) != v} == {}
