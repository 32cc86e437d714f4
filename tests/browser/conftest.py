"""A real headless Chromium for tests of pages; they skip, naming the package, where it is not installed."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page

from tools.screenshots import PACKAGE, BrowserMissing, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a run."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(chromium())
        except BrowserMissing as error:
            pytest.skip(f"{PACKAGE}: {error}")
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page, gone with its cookies after the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()
