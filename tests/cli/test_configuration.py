"""A bad configuration is one message before anything starts: the key, the value, what is allowed, the remedy."""

import pytest

from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {"collection": {"interval_seconds": 2}},
            ("collection.interval_seconds", "2 is not allowed", "5 to 3600", "remove it for the default 60"),
        ),
        (
            {"pricing": {"atm_reference": "futures"}},
            ("pricing.atm_reference", '"futures" is not allowed', '"forward" or "spot"', "default"),
        ),
        (
            {"kite": {"rot": "https://example.org"}},
            ("kite.rot", "Did you mean root?", "Allowed here: root, login_url", "Correct or remove it"),
        ),
    ],
    ids=["out of range", "no such choice", "misspelt key"],
)
def test_a_bad_value_is_named_with_what_is_allowed_and_what_to_do(
    g6: Command, changes: dict[str, dict[str, object]], parts: tuple[str, ...]
):
    g6.configure(**changes)
    done = g6("demo")
    assert done.returncode == 2
    assert str(g6.config) in done.stderr
    for part in parts:
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert not g6.data.exists()


def test_a_file_that_is_no_json_is_told_line_and_column(g6: Command):
    g6.config.write_text('{"version": "3.0",\n "data_dir": }', encoding="utf-8")
    assert "is not JSON at line 2, column 14" in g6.refuses("status")


def test_a_file_that_is_not_there_is_told_how_to_name_one(g6: Command):
    g6.config.unlink()
    assert "let G6_CONFIG name yours" in g6.refuses("status")
