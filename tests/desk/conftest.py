"""The desk of a small world on a real server, and a browser that must find nothing wrong with the page."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from g6.desk.serve import served
from tests.browser.conftest import browser  # noqa: F401  # pyright: ignore[reportUnusedImport]
from tests.desk.desk_world import DeskWorld, empty_world, small_world
from tests.resources.lake_frames import CALENDAR

LAPTOP = (1366, 768)


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DeskWorld, str]]:
    """A world that no test changes, and the address of its desk."""
    world = small_world(tmp_path_factory.mktemp("still"))
    with served(world.root, CALENDAR) as url:
        yield world, url


@pytest.fixture
def moving(still: tuple[DeskWorld, str], tmp_path: Path) -> Iterator[tuple[DeskWorld, str]]:
    """A world of the test's own, and the address of its desk."""
    world = still[0].copied(tmp_path)
    with served(world.root, CALENDAR) as url:
        yield world, url


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[tuple[DeskWorld, str]]:
    """A world in which nothing has run, and the address of its desk."""
    world = empty_world(tmp_path)
    with served(world.root, CALENDAR) as url:
        yield world, url


Opener = Callable[[str], Page]


@pytest.fixture(scope="session")
def laptop(browser: Browser) -> Iterator[BrowserContext]:  # noqa: F811
    """A laptop's window, far from India."""
    context = browser.new_context(
        viewport={"width": LAPTOP[0], "height": LAPTOP[1]}, color_scheme="light", timezone_id="America/New_York"
    )
    yield context
    context.close()


@pytest.fixture
def opened(laptop: BrowserContext) -> Iterator[Opener]:
    """Open an address; at the end, nothing was wrong with the page and nothing came from elsewhere."""
    wrong: list[str] = []

    def open_page(address: str) -> Page:
        page = laptop.new_page()
        own = "/".join(address.split("/")[:3])
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type in ("error", "warning") else None)
        page.on(
            "request", lambda request: None if request.url.startswith((own, "data:")) else wrong.append(request.url)
        )
        page.goto(address)
        page.wait_for_selector("body[data-shown]")
        return page

    yield open_page
    for page in laptop.pages:
        page.close()
    assert wrong == []


def shows(
    page: Page, index: str, expiry: str, day: object, at: str, view: str = "chain", *, within_ms: int = 10_000
) -> None:
    """Wait until the page has drawn just this."""
    what = f"{index} {expiry} {day} {at} {view}"
    expect(page.locator("body")).to_have_attribute("data-shown", what, timeout=within_ms)
