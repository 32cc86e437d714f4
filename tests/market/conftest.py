"""What the tests of derived numbers share that is dear to make."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from market_data import recorded_day
from recorded_store import seal_recorded

from tests.resources.lake_frames import root_at


@pytest.fixture(scope="session")
def db(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The recorded day, sealed; see `recorded_store`."""
    root = root_at(tmp_path_factory.mktemp("recorded"))
    seal_recorded(recorded_day(reference_data), root)
    with duckdb.connect(str(root.warehouse), read_only=True) as connection:
        yield connection
