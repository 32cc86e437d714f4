"""A running simulator and the unmodified Kite client that talks to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import pytest
from kiteconnect import KiteConnect

from g6_market.calendar import IST
from g6_sim.config import API_KEY, SimConfig
from g6_sim.control import SimControl
from g6_sim.server import SimServer

DAY = date(2026, 11, 20)


@dataclass
class Sim:
    """One running simulator, its control door and a logged-in client."""

    url: str
    control: SimControl
    kite: KiteConnect
    day: date

    def at(self, clock: str) -> datetime:
        """Move simulated time to a wall clock time of the day, and return it."""
        now = datetime.combine(self.day, time.fromisoformat(clock), IST)
        self.control.set_clock(now)
        return now

    def quote(self, clock: str, *keys: str) -> dict[str, Any]:
        """Ask as of a time of the day."""
        self.at(clock)
        return self.kite.quote(*keys)

    def raw(self, clock: str, keys: list[str]) -> dict[str, Any]:
        """Ask without the client's own conversion of dates."""
        self.at(clock)
        return self.raw_now(keys)

    def raw_now(self, keys: list[str]) -> dict[str, Any]:
        """Ask without moving the time."""
        return self.kite._get("market.quote", params={"i": keys})

    def listed(self, exchange: str, name: str) -> list[dict[str, Any]]:
        """Return the dump's rows of one underlying."""
        return [row for row in self.kite.instruments(exchange) if row["name"] == name]


Start = Callable[..., Sim]


def _started(server: SimServer, day: date) -> Sim:
    return Sim(server.url, SimControl(server.url), KiteConnect(API_KEY, "simtoken", root=server.url), day)


@pytest.fixture(scope="session")
def sim() -> Iterator[Sim]:
    """The simulated market of a Friday in the new regime, shared: tests set the time they need."""
    with SimServer(SimConfig(trade_date=DAY, enforce_limits=False)) as server:
        yield _started(server, DAY)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start another simulator, as configured."""
    servers: list[SimServer] = []

    def started(**settings: Any) -> Sim:
        config = SimConfig(**({"trade_date": DAY} | settings))
        servers.append(SimServer(config).start())
        return _started(servers[-1], config.trade_date)

    yield started
    for server in servers:
        server.stop()
