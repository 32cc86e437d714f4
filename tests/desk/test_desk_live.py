"""The desk beside a real session: the capture loop with the real Kite client against the simulator."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from g6.desk.serve import served
from g6_resources.warehouse import Warehouse
from g6_sim.server import SimServer
from tests.capture.harness import DAY, Desk, make_desk, plan, simulation
from tests.desk.conftest import Opener, shows

pytestmark = pytest.mark.browser


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Desk]:
    """A world whose day is about to begin, a snapshot every half hour."""
    with SimServer(simulation()) as server:
        yield make_desk(tmp_path, server.url, plan(interval=1800, full_every=3600), clock="09:10")


def test_the_page_follows_a_session_from_nothing_to_its_last_minute(session: Desk, opened: Opener):
    Warehouse(session.root, session.calendar).rebuild()
    with served(session.root, session.calendar) as url:
        page = opened(url)
        expect(page.locator("main")).to_contain_text("Nothing is stored in this world yet")
        running = threading.Thread(target=session.launch().run)
        running.start()
        shows(page, "NIFTY", "this_week", DAY, "15:15", within_ms=60_000)
        running.join()
        expect(page.locator(".figures")).to_contain_text("Max pain")
        spot = session.lake.read("overview", DAY).query("underlying == 'NIFTY'")["spot"].iloc[-1]
        expect(page.locator("[aria-selected=true] .value")).to_have_text(f"{spot:,.2f}")
        page.close()
