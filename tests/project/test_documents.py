"""The documents say what the code says, and their links lead somewhere."""

import re
from pathlib import Path

import pytest
import typer

from tools import data_dictionary, metrics_table, settings_table

DOCUMENTS = [
    "README.md",
    *(
        f"docs/{n}.md"
        for n in (
            "architecture",
            "definitions",
            "operations",
            "configuration",
            "questions",
            "python",
            "desk",
            "extending",
            "importing",
            "monitoring",
            "reliability",
            "index",
            "sinks",
        )
    ),
]


def test_the_data_dictionary_is_the_schema(project: Path):
    written = (project / "docs" / "data-dictionary.md").read_text()
    assert written == data_dictionary.dictionary(), "run `python -m tools.data_dictionary`"


def test_the_settings_in_the_documents_are_those_of_the_code(project: Path):
    written = (project / "docs" / "configuration.md").read_text()
    assert written == settings_table.filled(written), "run `python -m tools.settings_table`"


def test_the_metrics_in_the_documents_are_those_of_the_code(project: Path):
    written = (project / "docs" / "monitoring.md").read_text()
    assert written == metrics_table.filled(written), "run `python -m tools.metrics_table`"


def test_every_make_target_that_a_document_names_exists(project: Path, tree: dict[str, str]):
    targets = set(re.findall(r"^([a-z]+):", tree["Makefile"], re.MULTILINE))
    named = {t for doc in DOCUMENTS for t in re.findall(r"(?:^|`)make ([a-z]+)\b", tree[doc], re.MULTILINE)}
    assert {"demo", "test"} <= named
    assert named <= targets


def test_every_g6_command_that_a_document_names_exists(tree: dict[str, str]):
    from g6.cli import app

    groups = {group.name: _names(group.typer_instance) for group in app.registered_groups}
    commands = _names(app) | set(groups)
    for doc in DOCUMENTS:
        for command, rest in re.findall(r"(?:^|`)g6 ([a-z-]+)(?: ([a-z]+)\b)?", tree[doc], re.MULTILINE):
            assert command in commands, f"{doc} names `g6 {command}`"
            if command in groups:
                assert rest in groups[command], f"{doc} names `g6 {command} {rest}`"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files_and_headings(project: Path, document: str):
    text = (project / document).read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        file = (project / document).parent / name if name else project / document
        assert file.exists(), f"{document} links to {target}"
        if heading:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert heading in {_anchor(h) for h in headings}, f"{document} links to {target}"


def _names(app: typer.Typer) -> set[str | None]:
    return {command.name or command.callback.__name__ for command in app.registered_commands}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
