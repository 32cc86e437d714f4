"""The desk's connections to one world: read-only, one a thread that asks, and always on the views in place."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import duckdb

from g6.connection import G6Connection
from g6_resources.lake import Lake, LocalStore
from g6_resources.world import DataRoot

Columns = dict[str, list[Any]]
"""An answer by column: numbers, texts, booleans and None, ready for JSON."""


@dataclass(frozen=True, slots=True)
class _Reader:
    connection: G6Connection
    views: str


class Store:
    """Answers SQL questions from any number of threads.

    Parameters
    ----------
    root
        The data root of the world.
    """

    def __init__(self, root: DataRoot) -> None:
        self._root = root
        self._idle: SimpleQueue[_Reader] = SimpleQueue()

    @property
    def version(self) -> str:
        """What changes with every snapshot and every seal: an answer of one version holds as long as it lasts."""
        return f"{self._views()}-{_stamp(self._root.current / 'option_chain.parquet')}"

    def ask(self, query: str, **params: Any) -> Columns:
        """Return the answer to a query by column.

        Raises
        ------
        duckdb.Error
            The query cannot be answered, e.g. by views that are older than this program.
        """
        try:
            return self._ask(query, params)
        except duckdb.IOException:
            # The day was sealed while its rows were read: the next reader has the views of after it.
            return self._ask(query, params)

    def days(self) -> list[date]:
        """Return the days of which anything is stored, oldest first, without opening a file of theirs."""
        if self._root.lake_address() is None:
            return Lake(LocalStore(self._root.lake)).days()
        # The views know them too, and an object store takes long to list.
        known = self.ask("SELECT DISTINCT CAST(trade_date AS VARCHAR) AS day FROM stored_days ORDER BY day")
        return [date.fromisoformat(day) for day in known["day"]]

    def close(self) -> None:
        """Close the connections that nobody is using."""
        while True:
            try:
                self._idle.get_nowait().connection.close()
            except Empty:
                return

    def _ask(self, query: str, params: dict[str, Any]) -> Columns:
        with self._reader() as connection:
            answer = connection.execute(query, params).fetchnumpy()
        # Masked arrays: what is NULL becomes None.
        return {name: values.tolist() for name, values in answer.items()}

    @contextmanager
    def _reader(self) -> Generator[G6Connection]:
        views = self._views()
        reader = self._taken(views)
        try:
            yield reader.connection
        except duckdb.Error:
            reader.connection.close()
            raise
        self._idle.put(reader)

    def _taken(self, views: str) -> _Reader:
        """Take an idle reader of the views in place, closing the outdated ones; else open one."""
        while True:
            try:
                reader = self._idle.get_nowait()
            except Empty:
                return _Reader(G6Connection(self._root), views)
            if reader.views == views:
                return reader
            reader.connection.close()

    def _views(self) -> str:
        return _stamp(self._root.warehouse)


def _stamp(file: Path) -> str:
    """Return what changes when a file is replaced, empty where there is none."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return ""
    return f"{stat.st_mtime_ns:x}.{stat.st_ino:x}"
