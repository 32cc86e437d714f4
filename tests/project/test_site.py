"""The documentation site: every page is in it, and what the page on extending says is so."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from g6_resources.seams import QuoteSource, SinkError, SnapshotSink
from g6_sim.server import SimServer
from tests.capture.harness import Desk, make_desk, plan, simulation
from tests.resources.lake_frames import FRIDAY, snapshot

EXTENDING = "docs/extending.md"


def test_the_site_is_built_without_a_warning_and_loads_nothing_from_the_net(project: Path, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=project,
        env={"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 8
    loads = re.compile(r'<(?:script|img|link rel="(?:stylesheet|preconnect|icon)")[^>]+(?:src|href)="(https?:[^"]+)"')
    assert [(page.name, loads.findall(page.read_text(encoding="utf-8"))) for page in pages] == [
        (page.name, []) for page in pages
    ]


def test_every_document_is_in_the_navigation(project: Path, tree: dict[str, str]):
    named = re.findall(r": (\S+\.md)$", tree["mkdocs.yml"], re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in (project / "docs").glob("*.md"))


def test_the_recipe_for_an_index_names_every_file_that_names_one(tree: dict[str, str]):
    packages = ("g6_market/", "g6_resources/", "g6_assets/", "g6/", "g6_sim/")
    code = {name: text for name, text in tree.items() if name.startswith(packages) and name.endswith(".py")}
    naming = {name for name, text in code.items() if '"BANKEX"' in text}
    recipe = tree[EXTENDING].split("## A sink")[0]
    assert naming == set(re.findall(r"`(g6\w*/[\w/]+\.py)`", recipe))


def test_the_recipe_for_a_broker_names_the_whole_protocol_and_every_field_that_is_read(tree: dict[str, str]):
    recipe = tree[EXTENDING].split("## A broker")[1]
    members = [name for name in vars(QuoteSource) if not name.startswith("_")]
    assert [name for name in members if f"`{name}`" not in recipe] == []
    fields = set(re.findall(r'(?:entries, |entry\.get\()"(\w+)"', tree["g6_market/quotes.py"]))
    assert len(fields) > 8
    assert [name for name in fields if f"`{name}`" not in recipe] == []


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with SimServer(simulation()) as server:
        yield make_desk(tmp_path_factory.mktemp("sink"), server.url, plan(interval=3600), clock="09:10")


@pytest.fixture
def sink_class(tree: dict[str, str]) -> type:
    """The sink of the page, as it stands there."""
    (code,) = re.findall(r"^```python\n(.*?)^```", tree[EXTENDING], re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, EXTENDING, "exec"), names)
    found = names["JsonLinesSink"]
    assert inspect.isclass(found)
    return found


def test_the_sink_of_the_recipe_hears_of_every_snapshot_of_a_real_session(desk: Desk, sink_class: type, tmp_path: Path):
    sink = sink_class(tmp_path / "spots.jsonl")
    assert isinstance(sink, SnapshotSink)
    desk.launch(sinks=[sink]).run()
    lines = [json.loads(line) for line in (tmp_path / "spots.jsonl").read_text(encoding="utf-8").splitlines()]
    stored = desk.lake.read("overview", desk.session.trade_date)
    assert [(line["snapshot_at"][:16], line["underlying"], line["spot"]) for line in lines] == [
        (f"{row.snapshot_at:%Y-%m-%dT%H:%M}", row.underlying, row.spot)
        for row in stored.sort_values(["snapshot_at", "underlying"]).itertuples()
    ]


def test_a_failure_of_the_recipes_sink_is_one_that_capture_survives(sink_class: type, tmp_path: Path):
    sink = sink_class(tmp_path)  # a folder, hence no file
    with pytest.raises(SinkError, match="cannot be written"):
        sink.publish(snapshot(FRIDAY, 0))
