"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

PROJECT = Path(__file__).parent.parent

# No deadline: a busy machine is no failure. In CI the same examples each time; new ones are looked for by people.
settings.register_profile("g6", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("g6")


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of recorded real market data; tests that need it skip where it is not installed."""
    name = os.environ.get("G6_REFERENCE_DATA", "")
    folder = Path(name)
    if not name or not folder.is_dir():
        pytest.skip("reference data: set G6_REFERENCE_DATA to the folder of recorded market data")
    return folder


@pytest.fixture(scope="session")
def project() -> Path:
    """Root folder of this checkout."""
    return PROJECT
