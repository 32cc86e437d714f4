"""`g6 prepare`: Dagster's tables are there before the services that would race for them."""

import sqlite3

from g6.instance import prepare_instance
from g6_resources.world import make_root
from tests.cli.conftest import Command

DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def test_two_at_once_make_the_tables_once_and_leave_whole_databases(g6: Command):
    root = make_root(g6.data, "sim:42")
    started = [g6.start("prepare", "--world", "sim:42") for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert all("is ready for daemon, webserver and code server" in " ".join(out.split()) for out, _ in outputs)
    for name in DATABASES:
        with sqlite3.connect(root.dagster_home / name) as database:
            assert database.execute("pragma integrity_check").fetchone() == ("ok",)
            (versions,) = database.execute("select count(*) from alembic_version").fetchone()
            assert versions == 1


def test_what_is_there_already_stays_as_it_is(g6: Command):
    root = make_root(g6.data, "sim:42")
    prepare_instance(root)
    before = {name: (root.dagster_home / name).stat().st_ino for name in DATABASES}
    prepare_instance(root)
    assert {name: (root.dagster_home / name).stat().st_ino for name in DATABASES} == before
