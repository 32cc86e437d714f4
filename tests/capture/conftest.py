"""The simulator of a small world, shared; each test has a world of its own on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from g6_sim.server import SimServer
from tests.capture.harness import Desk, make_desk, simulation

MakeDesk = Callable[..., Desk]


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimServer]:
    with SimServer(simulation()) as server:
        yield server


@pytest.fixture
def desk(simulator: SimServer, tmp_path: Path) -> MakeDesk:
    """Make the test's world at a time of the day."""

    def made(clock: str = "15:00", **settings: Any) -> Desk:
        return make_desk(tmp_path, simulator.url, clock=clock, **settings)

    return made
