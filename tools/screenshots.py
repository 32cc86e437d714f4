"""Take pictures of a running Dagster UI in headless Chromium, for the README and for a look at what people see.

    python -m tools.screenshots http://127.0.0.1:3000 docs/images            all of them
    python -m tools.screenshots http://127.0.0.1:3000 docs/images partitions only those named

The UI is started by somebody else (`g6 ui`, `make dev`).
"""

import argparse
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

PACKAGE = "chromium"
FLAGS = (
    # In a container there is no user namespace to sandbox in; only our own pages on loopback are opened.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZE = (1440, 900)
PATIENCE_MS = 30_000

# While one of these stands on a page, it is not drawn yet.
BUSY = ("Loading", "fetching statuses")


@dataclass(frozen=True, slots=True)
class Picture:
    """A page of the UI, a text that shows that it is drawn, and a text to click first."""

    page: str
    wait_for: str
    click: str | None = None
    size: tuple[int, int] = SIZE


PICTURES: dict[str, Picture] = {
    "asset-graph": Picture("/asset-groups", "MIDCPNIFTY"),
    "index-graph": Picture("/locations/g6/asset-groups/NIFTY/lineage", "offset_series", size=(1440, 1300)),
    "partitions": Picture("/assets/NIFTY/option_chain?view=partitions", "this_week"),
    "series-partitions": Picture("/assets/NIFTY/offset_series?view=partitions", "this_week.ATM"),
    "live": Picture("/assets/NIFTY/live?view=overview", "front straddle", click="Plots", size=(1440, 1700)),
    "check": Picture("/assets/NIFTY/overview?view=checks", "Execution history", click="Failed"),
}


class BrowserMissing(RuntimeError):
    """Chromium is not installed."""


@contextmanager
def chromium() -> Generator[Browser]:
    """Start headless Chromium from the PATH.

    Raises
    ------
    BrowserMissing
        If there is none, naming the package.
    """
    executable = shutil.which(PACKAGE)
    if executable is None:
        raise BrowserMissing(f"no {PACKAGE} on the PATH; install it (Debian: apt install {PACKAGE})")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def shot(
    url: str,
    path: Path,
    *,
    wait_for: str | None = None,
    click: str | None = None,
    size: tuple[int, int] = SIZE,
    browser: Browser | None = None,
) -> None:
    """Save a picture of a page.

    Parameters
    ----------
    wait_for
        A text that must be visible first; a page that never shows it is an error.
    click
        A text to click after that, for instance a row of a list.
    browser
        A running one; else one is started for this picture.
    """
    if browser is None:
        with chromium() as own:
            shot(url, path, wait_for=wait_for, click=click, size=size, browser=own)
        return
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, timezone_id="Asia/Kolkata")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    try:
        page.goto(url)
        _settle(page, wait_for)
        if click is not None:
            page.get_by_text(click, exact=True).first.click()
            _settle(page, wait_for)
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path)
    finally:
        context.close()


def _settle(page: Page, wait_for: str | None) -> None:
    if wait_for is not None:
        page.get_by_text(wait_for).first.wait_for(state="visible")
    for text in BUSY:
        page.get_by_text(text).first.wait_for(state="hidden")
    # Graphs and plots are drawn after their texts are there.
    page.wait_for_timeout(2_000)


def main() -> None:
    """Take the pictures named on the command line, else all."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("url", help="address of the Dagster UI")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("name", nargs="*", help=f"which: {', '.join(PICTURES)}; all unless given")
    arguments = parser.parse_args()
    unknown = set(arguments.name) - set(PICTURES)
    if unknown:
        parser.error(f"no picture is called {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}")
    with chromium() as browser:
        for name in arguments.name or PICTURES:
            picture = PICTURES[name]
            url = arguments.url.rstrip("/") + picture.page
            path = arguments.folder / f"{name}.png"
            shot(url, path, wait_for=picture.wait_for, click=picture.click, size=picture.size, browser=browser)


if __name__ == "__main__":
    main()
