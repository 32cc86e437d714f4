"""`g6.duckdb`: views and macros over the lake, made beside the old file and swapped in one step.

Nobody writes to it, so nobody waits for it. What it says is text from `warehouse_views` and `warehouse_macros`; the
truth is the lake. How analysts open it is in `g6.connection`.
"""

import fcntl
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from g6_market.calendar import Session, TradingCalendar
from g6_market.schema import STORED_TABLES
from g6_resources.lake_mirror import MirroredStore
from g6_resources.lake_open import let_duckdb_read, open_lake
from g6_resources.parquet import schema_version
from g6_resources.warehouse_analytics import analytics_statements
from g6_resources.warehouse_catalog import catalog_statements, helper_comments
from g6_resources.warehouse_expiries import keep_expiries
from g6_resources.warehouse_joins import join_statements
from g6_resources.warehouse_macros import macro_statements
from g6_resources.warehouse_overlays import overlay_statements
from g6_resources.warehouse_views import Layout, literal, view_statements
from g6_resources.world import DataRoot

_AHEAD_DAYS = 14  # sessions known in advance, so that a running day has gaps before the next rebuild
_EXPECTED = """
CREATE TABLE expected_sessions (
  trade_date DATE, first_due TIMESTAMP, last_due TIMESTAMP, interval_seconds INTEGER
)"""


class Warehouse:
    """Makes and swaps the file of views of one data root.

    Parameters
    ----------
    root
        The data root.
    calendar
        Says which snapshots were due. Without it a rebuild keeps what the file before knew of that.
    """

    def __init__(self, root: DataRoot, calendar: TradingCalendar | None = None) -> None:
        self._root = root
        self._calendar = calendar

    def swap(self) -> None:
        """Rebuild, then make every older handle fail; after it the live files of sealed days may go."""
        with self._locked():
            self._rebuild(())
            self._drop_old_generations()

    def rebuild(self, also: Iterable[date] = ()) -> int:
        """Make the views anew and swap them in; older handles stay valid.

        Parameters
        ----------
        also
            Days about to get live files although a later day is sealed (a replay, an import): visible from now on.

        Returns
        -------
        int
            The new generation.
        """
        with self._locked():
            return self._rebuild(also)

    def drop_old_generations(self) -> None:
        """Make every handle fail that was opened before the last rebuild."""
        with self._locked():
            self._drop_old_generations()

    def follow(self) -> None:
        """Bring this machine up to a lake that others write too: their live files, and views of what they sealed.

        A lake on this machine's own disk needs none of it: who seals it swaps the views.
        """
        store = open_lake(self._root).store
        if not isinstance(store, MirroredStore):
            return
        store.refresh()
        if self._seals_seen() != store.seals():
            self.swap()
            store.trim(open_lake(self._root).sealed_days())

    def generation(self) -> int:
        """Return the generation of the file in place, 0 when there is none."""
        if not self._root.warehouse.exists():
            return 0
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH {literal(str(self._root.warehouse))} AS g6 (READ_ONLY)")
            row = connection.execute("SELECT generation FROM g6.g6_meta").fetchone()
        return int(row[0]) if row else 0

    def build(self, target: Path, generation: int, also: Iterable[date] = ()) -> None:
        """Write a file of views to a path of its own, for a generation that exists.

        The generation must be read before this is called: then a seal meanwhile makes the file outdated, never wrong.
        """
        lake = open_lake(self._root)
        # Asked first: a seal meanwhile makes the views outdated, and known to be.
        seals = lake.store.seals() if isinstance(lake.store, MirroredStore) else ""
        sealed = lake.sealed
        unsealed = sorted({*lake.unsealed_days(), *also} - set(sealed))
        versions = {table.name: schema_version(table) for table in STORED_TABLES}
        mixed = {name for name in versions if not all(lake.has_todays_columns(name, day) for day in unsealed)}
        known = [record.schema for record in sealed.values()]
        of_today = {name for name, version in versions.items() if all(of.get(name) == version for of in known)}
        layout = Layout(
            uri=lake.store.uri,
            current=str(self._root.current),
            generation_file=str(self._generation_file(generation)),
            sealed=sealed,
            unsealed=unsealed,
            uniform=frozenset(of_today - mixed),
            mixed=frozenset(mixed),
        )
        target.unlink(missing_ok=True)
        with duckdb.connect(str(target)) as connection:
            let_duckdb_read(connection, self._root)
            connection.execute("SET threads = 1")
            connection.execute("BEGIN")
            connection.execute(_EXPECTED)
            meta = {"generation": generation, "root": literal(str(self._root.path)), "seals": literal(seals)}
            connection.execute(_META.format_map(meta))
            keep_expiries(connection, layout, self._root.warehouse)
            for make in _MAKERS:
                for statement in make(layout):
                    connection.execute(statement)
            for statement in helper_comments():
                connection.execute(statement)
            self._expect(connection, [*sealed, *unsealed])
            connection.execute("COMMIT")

    def _rebuild(self, also: Iterable[date]) -> int:
        open_lake(self._root).ensure_sentinels()
        known = [int(file.stem) for file in self._root.generations.glob("*.parquet")]
        generation = max([*known, self.generation()]) + 1
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT DATE '1970-01-01' AS trade_date LIMIT 0) "
                f"TO {literal(str(self._generation_file(generation)))} (FORMAT parquet)"
            )
        target = self._root.warehouse
        fresh = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            self.build(fresh, generation, also)
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
        return generation

    def _drop_old_generations(self) -> None:
        current = self.generation()
        for file in self._root.generations.glob("*.parquet"):
            if int(file.stem) != current:
                file.unlink()

    def _generation_file(self, generation: int) -> Path:
        return self._root.generations / f"{generation}.parquet"

    @contextmanager
    def _locked(self) -> Generator[None]:
        # Two rebuilds at once could swap in the older view of the seals after the newer one.
        self._root.generations.mkdir(parents=True, exist_ok=True)
        with (self._root.generations / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _expect(self, connection: duckdb.DuckDBPyConnection, days: list[date]) -> None:
        if self._calendar is None:
            self._keep_expected(connection)
            return
        stored = connection.execute(
            "SELECT DISTINCT trade_date, interval_seconds FROM conventions ORDER BY 1"
        ).fetchall()
        intervals: dict[date, int] = dict(stored)
        if not intervals:
            return
        latest = intervals[max(intervals)]
        last = max([*days, *intervals])
        rows: list[tuple[date, datetime, datetime, int]] = []
        runs = _Runs()
        for day in sorted({*days, *(last + timedelta(days=n) for n in range(1, _AHEAD_DAYS + 1))}):
            session = self._calendar.on(day)
            if isinstance(session, Session):
                interval = intervals.get(day, latest)
                rows += [(day, first, end, interval) for first, end in runs.of(session, interval)]
        frame = pd.DataFrame(rows, columns=["trade_date", "first_due", "last_due", "interval_seconds"])
        connection.register("expected_rows", frame)
        connection.execute("INSERT INTO expected_sessions SELECT * FROM expected_rows")
        connection.unregister("expected_rows")

    def _seals_seen(self) -> str | None:
        if not self._root.warehouse.exists():
            return None
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH {literal(str(self._root.warehouse))} AS g6 (READ_ONLY)")
            row = connection.execute("SELECT seals FROM g6.g6_meta").fetchone()
        return row[0] if row else None

    def _keep_expected(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self._root.warehouse.exists():
            connection.execute(f"ATTACH {literal(str(self._root.warehouse))} AS before (READ_ONLY)")
            connection.execute("INSERT INTO expected_sessions SELECT * FROM before.expected_sessions")


_MAKERS = (
    view_statements,
    macro_statements,
    analytics_statements,
    overlay_statements,
    join_statements,
    catalog_statements,
)
_META = """
CREATE TABLE g6_meta AS SELECT {generation}::BIGINT AS generation,
  (current_timestamp AT TIME ZONE 'Asia/Kolkata')::TIMESTAMP AS made_at, {root}::VARCHAR AS root,
  {seals}::VARCHAR AS seals"""


class _Runs:
    """Due times as unbroken runs (first, last): one, or one a part of a session with breaks."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], list[tuple[timedelta, timedelta]]] = {}

    def of(self, session: Session, interval_seconds: int) -> list[tuple[datetime, datetime]]:
        opened = session.open
        # A year has two or three shapes of session, and 385 instants each.
        breaks = tuple((start - opened, end - opened) for start, end in session.breaks)
        shape = (session.close - opened, breaks, interval_seconds)
        if shape not in self._known:
            dues = [due - opened for due in session.due_times(interval_seconds)]
            step = timedelta(seconds=interval_seconds)
            firsts = [
                due for due, before in zip(dues, [None, *dues], strict=False) if before is None or due - before != step
            ]
            lasts = [
                due for due, after in zip(dues, [*dues[1:], None], strict=True) if after is None or after - due != step
            ]
            self._known[shape] = list(zip(firsts, lasts, strict=True))
        start = opened.replace(tzinfo=None)
        return [(start + first, start + last) for first, last in self._known[shape]]
