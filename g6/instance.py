"""Dagster's own tables of a world, made once: processes that start together must not make them side by side."""

import fcntl

from g6_resources.files import private
from g6_resources.world import DataRoot


def prepare_instance(root: DataRoot) -> None:
    """Make or open the Dagster storage of a world, one process at a time.

    Daemon, webserver and code server each make the SQLite tables that they do not find, and whoever is a moment late
    fails with "table already exists". Called before they start, this leaves them nothing to make.
    """
    import dagster as dg  # costs a second, which no other command shall wait for

    with open(root.state / "dagster.guard", "a", opener=private) as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        with dg.DagsterInstance.from_config(str(root.dagster_home)) as instance:
            instance.get_runs_count()
