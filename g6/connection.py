"""`g6.connect()`: the analyst's door. A read-only DuckDB connection that is never outdated and knows our settings.

It needs duckdb and pandas only; the questions it answers are in `g6.analyst`. The views come from
`g6_resources.warehouse`, which is imported when they must be made again because the data folder has moved.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

import duckdb

from g6.analyst.frames import FrameKind, Params, fetcher
from g6.analyst.instants import AtAnInstant
from g6.analyst.series import ThroughTime
from g6.analyst.store import InTheStore

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from g6_resources.world import DataRoot

F = TypeVar("F")
_Result = TypeVar("_Result")

# Not kept in a database file. Without the first, DuckDB 2.0 plans a nested loop for an as-of join over views: minutes
# instead of 0.3 s. The second makes TIMESTAMPTZ arithmetic speak IST, the third keeps what a script prints clean. With
# the last, a question over many days takes a third less time when asked again; a file replaced meanwhile is read anew.
_SETTINGS = (
    "SET asof_loop_join_threshold = 0",
    "SET TimeZone = 'Asia/Kolkata'",
    "SET enable_progress_bar = false",
    "SET parquet_metadata_cache = true",
)
_ATTEMPTS = 5  # a query may meet one seal, hardly five


class ConnectError(Exception):
    """There is nothing to connect to."""


class G6Connection(AtAnInstant[F], ThroughTime[F], InTheStore[F], Generic[F]):
    """Views and macros of one data root, read-only, and the analyst's questions as methods.

    A query that finds its files gone, because a day was sealed meanwhile, is asked again on the new views. Temporary
    tables and views of your own may be made; they live as long as the connection.

    Parameters
    ----------
    root
        The data root.
    as_
        What answers come as: "pandas", "arrow" or "polars".
    """

    def __init__(self, root: "DataRoot", as_: FrameKind = "pandas") -> None:
        self._root = root
        self._fetch = fetcher(as_)
        self._private: tempfile.TemporaryDirectory[str] | None = None
        self._connection = duckdb.connect()
        for setting in _SETTINGS:
            self._connection.execute(setting)
        self._elsewhere = root.lake_address() is not None
        if self._elsewhere:
            from g6_resources.lake_open import let_duckdb_read

            let_duckdb_read(self._connection, root)
        self._generation = -1
        self._attach()

    def sql(self, query: str, params: Params = None) -> F:
        """Return the rows of a query.

        Parameters
        ----------
        query
            SQL over the views and macros; `?` or `$name` where `params` go.
        params
            Values for the query.

        Raises
        ------
        duckdb.Error
            The query is wrong, or reads a file that is gone and was not replaced.
        """
        return self._again(lambda: self._fetch(self._connection, query, params))

    def rows(self, query: str, params: Params = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows as tuples."""
        return self._again(lambda: self._connection.execute(query, params).fetchall())

    def execute(self, query: str, params: Params = None) -> duckdb.DuckDBPyConnection:
        """Run a query on the DuckDB connection and return that, for its own ways of fetching.

        Only starting the query is repeated on newer views; an error while its rows are fetched reaches the caller.
        """
        return self._again(lambda: self._connection.execute(query, params))

    @property
    def root(self) -> Path:
        """Folder of the data root."""
        return self._root.path

    @property
    def generation(self) -> int:
        """Generation of the views in use; it grows with every seal."""
        return self._generation

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        if self._private is not None:
            self._private.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"G6Connection({str(self._root.path)!r}, generation {self._generation})"

    def _again(self, ask: Callable[[], _Result]) -> _Result:
        for _ in range(_ATTEMPTS):
            try:
                return ask()
            except duckdb.IOException:
                if not self._refreshed():
                    raise
        return ask()

    def _refreshed(self) -> bool:
        before = self._generation
        self._connection.execute("USE memory")
        self._connection.execute("DETACH g6")
        self._attach()
        return self._generation != before

    def _attach(self) -> None:
        if self._elsewhere:
            from g6_resources.warehouse import Warehouse

            Warehouse(self._root).follow()
        # Attached, not opened: DuckDB gives every opener of a path in this process the same, possibly outdated, file.
        if not self._root.warehouse.exists():
            self._regenerate(0)
            return
        root = self._attach_file(self._root.warehouse)
        if not _is_here(root, self._root.path):
            self._connection.execute("USE memory")
            self._connection.execute("DETACH g6")
            self._regenerate(self._generation)

    def _attach_file(self, file: Path) -> Path:
        quoted = str(file).replace("'", "''")
        self._connection.execute(f"ATTACH '{quoted}' AS g6 (READ_ONLY)")
        self._connection.execute("USE g6")
        meta = self._connection.execute("SELECT generation, root FROM g6_meta").fetchone()
        if meta is None:
            raise ConnectError(f"{file} is not made by G6; run `g6 warehouse rebuild`")
        self._generation = int(meta[0])
        return Path(meta[1])

    def _regenerate(self, generation: int) -> None:
        """Make the views anew: in place where we may write, else for this connection only."""
        from g6_resources.warehouse import Warehouse

        warehouse = Warehouse(self._root)
        try:
            warehouse.rebuild()
            file = self._root.warehouse
        except OSError as error:
            if generation == 0:
                raise ConnectError(
                    f"{self._root.path} has no g6.duckdb and cannot be written ({error}); "
                    "let its owner run `g6 warehouse rebuild`"
                ) from error
            self._private = self._private or tempfile.TemporaryDirectory(prefix="g6-views-")
            file = Path(self._private.name) / f"{generation}.duckdb"
            warehouse.build(file, generation)
        self._attach_file(file)


@overload
def connect(
    root: Path | str | None = None, world: str | None = None, *, as_: Literal["pandas"] = "pandas"
) -> "G6Connection[pd.DataFrame]": ...
@overload
def connect(
    root: Path | str | None = None, world: str | None = None, *, as_: Literal["arrow"]
) -> "G6Connection[pa.Table]": ...
@overload
def connect(
    root: Path | str | None = None, world: str | None = None, *, as_: Literal["polars"]
) -> "G6Connection[pl.DataFrame]": ...
def connect(
    root: Path | str | None = None, world: str | None = None, *, as_: FrameKind = "pandas"
) -> G6Connection[Any]:
    """Open the views of a data root.

    Parameters
    ----------
    root
        Folder of the data root, wherever it was moved to. By default the one the settings name.
    world
        Which world of the settings' data folder: "live", "sim:42", ... By default the live one, else the newest made.
    as_
        What answers come as: "pandas", "arrow" or, if it is installed, "polars".

    Returns
    -------
    G6Connection
        Its questions, such as `.chain("NIFTY")`, and its `.sql(query)` return a table of that kind.

    Raises
    ------
    WorldError
        There is no such data root.
    ConnectError
        It has no views, and they cannot be made.
    ValueError
        Both root and world are given, or `as_` is no kind of table.
    """
    from g6_resources.world import find_root, open_root

    if root is not None and world is not None:
        raise ValueError(f"g6.connect: give root ({root}) or world ({world}), not both")
    if root is not None:
        return G6Connection(open_root(Path(root)), as_)
    from g6_resources.settings import load_settings

    return G6Connection(find_root(load_settings().data_path, world), as_)


def _is_here(recorded: Path, root: Path) -> bool:
    try:
        return recorded.samefile(root)
    except OSError:
        return False
