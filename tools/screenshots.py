"""Take pictures of a running Dagster UI in headless Chromium, for the README and for a look at what people see.

    python -m tools.screenshots http://127.0.0.1:3000 docs/images            all of them
    python -m tools.screenshots http://127.0.0.1:3000 docs/images partitions only those named

The UI is started by somebody else (`g6 ui`, `make dev`).
"""

import argparse
import shutil
from collections.abc import Generator
from contextlib import contextmanager
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

# name -> (page, a text that is there once the page is drawn)
PICTURES: dict[str, tuple[str, str]] = {
    "asset-graph": ("/asset-groups", "option_chain"),
    "partitions": ("/assets/NIFTY/option_chain?view=partitions", "this_week"),
    "series-partitions": ("/assets/NIFTY/offset_series?view=partitions", "this_week.ATM"),
    "live": ("/assets/NIFTY/live?view=events", "front straddle"),
    "check": ("/assets/NIFTY/overview?view=checks", "checks"),
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
    size: tuple[int, int] = SIZE,
    browser: Browser | None = None,
) -> None:
    """Save a picture of a page.

    Parameters
    ----------
    wait_for
        A text that must be visible first; a page that never shows it is an error.
    browser
        A running one; else one is started for this picture.
    """
    if browser is None:
        with chromium() as own:
            shot(url, path, wait_for=wait_for, size=size, browser=own)
        return
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    try:
        page.goto(url, timeout=PATIENCE_MS)
        _settle(page, wait_for)
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path)
    finally:
        page.close()


def _settle(page: Page, wait_for: str | None) -> None:
    if wait_for is not None:
        page.get_by_text(wait_for).first.wait_for(state="visible", timeout=PATIENCE_MS)
    # Graphs are laid out and bars filled after their texts are there.
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
            page, wait_for = PICTURES[name]
            shot(arguments.url.rstrip("/") + page, arguments.folder / f"{name}.png", wait_for=wait_for, browser=browser)


if __name__ == "__main__":
    main()
