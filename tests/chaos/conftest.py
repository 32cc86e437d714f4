"""A simulator of the small world, and days played on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from g6.chaos.day import DayResult, run_day
from g6.chaos.script import LAST_DATE, Script, draw
from g6.chaos.world import SMALL
from g6_market.calendar import TradingCalendar
from g6_sim.config import SimConfig
from g6_sim.server import SimServer

SEED = 1
Play = Callable[[Script], DayResult]


@pytest.fixture(scope="package")
def simulator() -> Iterator[SimServer]:
    config = SimConfig(trade_date=LAST_DATE, seed=SEED, indices=tuple(SMALL.tags), access_token="")
    with SimServer(config, own_process=True) as server:
        yield server


@pytest.fixture(scope="package")
def calendar() -> TradingCalendar:
    return TradingCalendar.load()


@pytest.fixture
def drawn(calendar: TradingCalendar) -> Callable[[int], Script]:
    """The script of a day of the seed."""
    return lambda number: draw(SEED, number, calendar, SMALL.interval_seconds)


@pytest.fixture
def play(simulator: SimServer, calendar: TradingCalendar, tmp_path: Path) -> Play:
    """Play a script and return the verdict."""
    return lambda script: run_day(script, SMALL, calendar, tmp_path / "day", simulator.url)
