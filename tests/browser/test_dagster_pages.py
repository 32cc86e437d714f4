"""What a newcomer sees in the Dagster UI of a world, in a real browser."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from g6.runtime import environment
from g6_market.indices import INDICES, TAGS
from g6_resources.world import World, make_root
from tests.servers import free_port

pytestmark = pytest.mark.browser
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, project: Path, browser: object) -> Iterator[str]:
    """The pages of a new world; `browser` first, so that without one no server is started."""
    root = make_root(tmp_path_factory.mktemp("ui") / "data", World("sim:7"))
    port = free_port()
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-w", str(project / "workspace.yaml")]
    with subprocess.Popen(
        [*command, "-h", "127.0.0.1", "-p", str(port)],
        cwd=project,
        env=environment(root) | {"PYTHONPATH": str(project)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            with requests.Session() as session:
                session.mount("http://", HTTPAdapter(max_retries=Retry(total=200, backoff_factor=0.1, backoff_max=0.5)))
                session.get(f"{url}/server_info", timeout=30).raise_for_status()
            yield url
        finally:
            server.terminate()


def test_the_graph_has_a_group_for_each_index_and_no_dialog_over_it(ui: str, page: Page):
    page.goto(f"{ui}/asset-groups")
    for name in (*INDICES, "session"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_chain_shows_its_dates_and_expiry_labels(ui: str, page: Page):
    page.goto(f"{ui}/assets/NIFTY/option_chain?view=partitions")
    for tag in TAGS:
        expect(page.get_by_text(tag, exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_placeholder("Filter by date…")).to_be_visible()


def test_the_page_of_an_empty_table_names_its_columns(ui: str, page: Page):
    page.goto(f"{ui}/assets/NIFTY/overview?view=overview")
    for text in ("pcr_oi_this_week", "India VIX"):
        expect(page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)
