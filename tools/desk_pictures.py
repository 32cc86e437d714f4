"""Take the pictures of the desk for the documents, from a running `g6 desk`.

    python -m tools.desk_pictures http://127.0.0.1:8050 docs/images            all of them
    python -m tools.desk_pictures http://127.0.0.1:8050 docs/images desk-chain  only those named

They show the latest day of the world that the desk serves; that of the straddle wants a world of many days.
"""

import argparse
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser

from tools.screenshots import chromium

LAPTOP = (1366, 768)
COLOURS = 200  # as many as anybody sees on these pages, at a third of the bytes
PATIENCE_MS = 30_000


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture shows: the address behind the slash, what must stand there first, and in which colours."""

    address: str
    wait_for: str
    scheme: Literal["light", "dark"] = "light"


PICTURES: dict[str, Picture] = {
    "desk-chain": Picture("?index=NIFTY&expiry=front&at=11:39&view=chain", "tr.atm"),
    "desk-straddle": Picture("?index=NIFTY&expiry=front&at=13:20&view=straddle", ".past:not(:empty)", "dark"),
    "desk-oi": Picture("?index=NIFTY&expiry=front&at=11:39&view=oi&strikes=20", ".oi-bars svg"),
    "desk-volatility": Picture("?index=NIFTY&expiry=front&at=11:39&view=volatility", ".smile canvas", "dark"),
    "desk-quality": Picture("?index=NIFTY&at=11:39&view=quality", ".strip svg"),
}


def shot(browser: Browser, address: str, picture: Picture) -> bytes:
    """Return a picture of the desk as PNG."""
    size = {"width": LAPTOP[0], "height": LAPTOP[1]}
    context = browser.new_context(viewport=size, color_scheme=picture.scheme)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    try:
        page.goto(f"{address.rstrip('/')}/{picture.address}")
        page.locator(picture.wait_for).first.wait_for()
        # The pill names the state at the moment; the frame after it is the last one.
        page.locator("#status:not(:empty)").wait_for()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        taken = page.screenshot()
    finally:
        context.close()
    out = BytesIO()
    Image.open(BytesIO(taken)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        out, "PNG", optimize=True
    )
    return out.getvalue()


def main() -> None:
    """Take the pictures named on the command line, else all."""
    parser = argparse.ArgumentParser(prog="python -m tools.desk_pictures", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("url", help="address of the desk")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("name", nargs="*", help=f"which: {', '.join(PICTURES)}; all unless given")
    arguments = parser.parse_args()
    unknown = set(arguments.name) - set(PICTURES)
    if unknown:
        parser.error(f"no picture is called {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name in arguments.name or PICTURES:
            (arguments.folder / f"{name}.png").write_bytes(shot(browser, arguments.url, PICTURES[name]))


if __name__ == "__main__":
    main()
