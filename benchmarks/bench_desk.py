"""How quick the desk feels on the synthetic year: from a click to what is painted, in headless Chromium.

The server is the command itself in a process of its own, the browser beside it on the same cores. Times are the
browser's: from the start of the navigation, or from the key's own time stamp, until the frame after the view was drawn.
Minutes are changed by a quarter of an hour, so that none was fetched ahead.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.year import built_year
from g6_resources.settings.loading import DEFAULT_FILE
from g6_resources.world import DataRoot
from tools.screenshots import chromium

OPENINGS, CHANGES = 5, 24
VIEWS = ("chain", "straddle", "oi", "volatility", "quality")
SIZE = {"width": 1366, "height": 768}
# Waits for the second frame: the first one still holds the picture before.
_WATCH = """
window.drawn = new Map();
new MutationObserver(() => {
  const shown = document.body?.dataset.shown;
  const seen = (now) => window.drawn.has(shown) || window.drawn.set(shown, now);
  if (shown) requestAnimationFrame(() => requestAnimationFrame(seen));
}).observe(document, {subtree: true, childList: true, attributes: true, attributeFilter: ["data-shown"]});
window.addEventListener("keydown", (event) => { window.pressed = event.timeStamp; window.drawn.clear(); }, true);
"""


@contextmanager
def desk(root: DataRoot) -> Generator[str]:
    """Run `g6 desk` on a world; gives its address."""
    settings = json.loads(DEFAULT_FILE.read_text(encoding="utf-8"))
    settings.pop("$schema", None)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "settings.json"
        config.write_text(json.dumps(settings | {"data_dir": str(root.path.parent)}), encoding="utf-8")
        command = [sys.executable, "-m", "g6", "desk", "--world", root.world.name, "--port", "0"]
        environment = {**os.environ, "G6_CONFIG": str(config), "COLUMNS": "200"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().split()[3]
            finally:
                process.terminate()


def window(browser: Browser) -> Page:
    """Return an empty window, with nothing cached, that notes when something was drawn."""
    # The page's policy forbids what Playwright's waiting does.
    page = browser.new_context(viewport=SIZE, bypass_csp=True).new_page()
    page.add_init_script(_WATCH)
    return page


def opening(browser: Browser, address: str) -> float:
    """Return the milliseconds from an empty window to the drawn page."""
    page = window(browser)
    page.goto(address)
    page.wait_for_function("window.drawn.size > 0")
    at = float(page.evaluate("[...window.drawn.values()][0]"))
    page.context.close()
    return at


def change(page: Page, key: str) -> float:
    """Return the milliseconds from a key to the frame that shows what it asks for."""
    before = page.evaluate("document.body.dataset.shown")
    page.keyboard.press(key)
    page.wait_for_function(
        "before => document.body.dataset.shown !== before && window.drawn.has(document.body.dataset.shown)", arg=before
    )
    return float(page.evaluate("window.drawn.get(document.body.dataset.shown) - window.pressed"))


def changes(page: Page, address: str, view: str, day: str) -> dict[str, list[float]]:
    """Return the milliseconds of each change of index and of minute in a view."""
    page.goto(f"{address}/?index=NIFTY&expiry=front&day={day}&at=09:20&view={view}")
    page.wait_for_function("window.drawn.size > 0")
    took: dict[str, list[float]] = {"index": [], "minute": []}
    for number in range(CHANGES):
        took["minute"].append(change(page, "Shift+ArrowRight"))
        took["index"].append(change(page, "2" if number % 2 == 0 else "1"))
    return took


def results() -> list[dict[str, Any]]:
    root = built_year()
    days = sorted(path.stem for path in (root.lake / "seals").glob("*.json"))
    middle = days[len(days) // 2]
    with desk(root) as address, chromium() as browser:
        first = opening(browser, address)
        opened = [opening(browser, address) for _ in range(OPENINGS)]
        page = window(browser)
        took = {view: changes(page, address, view, middle) for view in VIEWS}
    every = [ms for view in took.values() for kind in view.values() for ms in kind]
    by_view = ", ".join(
        f"{view} {statistics.median(kinds['minute']):.0f} and {statistics.median(kinds['index']):.0f}"
        for view, kinds in took.items()
    )
    shared = {"unit": "ms", "better": "lower", "baseline": None, "ratio": None}
    return [
        {
            "name": "desk_first_paint_ms",
            "value": round(statistics.median(opened)),
            **shared,
            "note": f"window to drawn chain, {len(days)} days, median of {OPENINGS}; first of the process {first:.0f}",
        },
        {
            "name": "desk_change_ms",
            "value": round(_share(every, 0.95)),
            **shared,
            "note": f"p95 of {len(every)} keys; worst {max(every):.0f}; medians of minute and index: {by_view}",
        },
    ]


def _share(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


if __name__ == "__main__":
    print(json.dumps(results(), indent=1))
