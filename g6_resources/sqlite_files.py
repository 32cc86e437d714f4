"""Dagster's SQLite files under a world's DAGSTER_HOME: their size, and giving back what deleted rows left behind.

Where Dagster keeps its storage elsewhere (PostgreSQL) there are none, and that server does this itself. What is in them
is Dagster's business alone: runs and events are deleted through its instance, see `g6_assets.prune`.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

_RUNS = Path("history/runs")
_SHARED = (Path("history/runs.db"), _RUNS / "index.db", Path("schedules/schedules.db"))
_BUSY_SECONDS = 60.0


def stored_bytes(home: Path) -> int:
    """Return the bytes of every file under a DAGSTER_HOME."""
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_symlink())


def delete_run_files(home: Path, run_ids: Iterable[str]) -> None:
    """Delete the files of deleted runs: each run has a database of its own, which Dagster leaves empty."""
    for run_id in run_ids:
        for path in (home / _RUNS).glob(f"{run_id}.db*"):
            path.unlink()


def shrink(home: Path) -> None:
    """Give the free pages of the shared databases back to the disk.

    Whoever writes meanwhile waits; a gigabyte takes seconds, so not while a session captures.
    """
    for name in _SHARED:
        if not (home / name).is_file():
            continue
        database = sqlite3.connect(home / name, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            database.close()
