"""`g6 import-csv` as people type it: what it says, what it leaves, and that the store answers afterwards."""

import json
from pathlib import Path

import pytest

from g6.commands.import_csv import run_import
from g6.errors import CommandError
from g6_resources.world import make_root
from tests.cli.conftest import Command
from tests.importing.made_files import TUESDAY, Tree


def test_the_predecessors_files_are_imported_accounted_for_and_queryable(tmp_path: Path) -> None:
    g6 = Command(tmp_path)
    g6.configure()
    root = make_root(g6.data, "sim:7")
    tree = Tree(tmp_path / "old")
    tree.options("NIFTY", "this_week", TUESDAY, repeat=True)
    tree.write(tree.folder / "NIFTY" / "this_month" / "0" / "2025-09-29.csv", ["when,price", "1,2"])
    said = g6.says("import-csv", str(tree.folder))
    assert "2025-09-29: 8 files, 45 quotes, 45 new" in said
    assert "1 days: 45 quotes were stored, 1 rows or files rejected, 0 repaired" in said
    [account] = (root.state / "imports").iterdir()
    findings = json.loads(account.read_text())["findings"]
    assert [(found["verdict"], found["count"]) for found in findings] == [("rejected", 1), ("noted", 7)]
    query = "select underlying, count(*) n, min(source) s, count(iv) iv from option_chain group by all"
    assert json.loads(g6.says("sql", query, "--format", "json")) == [
        {"underlying": "NIFTY", "n": 42, "s": "import", "iv": 42}
    ]


def test_a_folder_that_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is no folder; give the predecessor's CSV folder"):
        run_import(tmp_path / "nowhere", None, dry_run=True)


def test_a_folder_without_a_csv_file_is_not_taken_for_an_import_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="holds no CSV file; give the predecessor's CSV folder"):
        run_import(tmp_path, None, dry_run=True)
