"""Before anything was collected: each reading command says so, and how to begin."""

import pytest

from tests.cli.conftest import Command


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("sql", "select 1"),
        ("seal", "2026-11-20"),
        ("session", "resume"),
        ("warehouse", "rebuild"),
        ("ui", "--port", "3999"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_any_world_a_reading_command_names_the_two_that_make_one(g6: Command, arguments: tuple[str, ...]):
    said = g6.refuses(*arguments)
    assert "there is no data in" in said
    assert "`make demo`" in said
    assert "`g6 login`" in said
    assert not g6.data.exists()


def test_a_world_that_is_not_there_is_named_with_those_that_are(demo: Command):
    said = demo.refuses("status", "--world", "sim:9")
    assert "no world 'sim:9'" in said
    assert "use one of: sim:42" in said


def test_a_name_that_no_world_can_have_is_told_what_names_look_like(demo: Command):
    assert "use live, sim:<seed> such as sim:42" in demo.refuses("sql", "select 1", "--world", "tomorrow")


def test_without_arguments_the_command_shows_what_it_can_do(g6: Command):
    done = g6()
    for name in ("demo", "dev", "login", "sim", "status", "sql", "seal", "session", "warehouse"):
        assert f" {name} " in done.stdout
