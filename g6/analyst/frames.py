"""The kinds of table that an answer comes as, and how DuckDB makes each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import duckdb

FrameKind = Literal["pandas", "arrow", "polars"]
Params = Sequence[Any] | Mapping[str, Any] | None


def fetcher(kind: FrameKind) -> Callable[[duckdb.DuckDBPyConnection, str, Params], Any]:
    """Return what runs a query and fetches its rows as the kind of table asked for.

    Raises
    ------
    ValueError
        It is none of pandas, arrow, polars.
    ImportError
        polars is not installed.
    """
    if kind not in _FETCH:
        raise ValueError(f"as_={kind!r} is no kind of table; use one of {', '.join(get_args(FrameKind))}")
    if kind == "polars":
        try:
            import polars  # noqa: F401 # pyright: ignore[reportUnusedImport]
        except ImportError as error:
            raise ImportError("as_='polars' needs polars, which is not installed: pip install polars") from error
    return _FETCH[kind]


def _pandas(connection: duckdb.DuckDBPyConnection, query: str, params: Params) -> Any:
    return connection.execute(query, params).df()


def _arrow(connection: duckdb.DuckDBPyConnection, query: str, params: Params) -> Any:
    return _relation(connection, query, params).to_arrow_table()


def _polars(connection: duckdb.DuckDBPyConnection, query: str, params: Params) -> Any:
    return _relation(connection, query, params).pl()


def _relation(connection: duckdb.DuckDBPyConnection, query: str, params: Params) -> Any:
    # None for a statement without rows, such as CREATE TEMP TABLE.
    found: Any = connection.sql(query, params=params)
    return found if found is not None else connection.sql("SELECT 0 AS count WHERE false")


_FETCH: Mapping[str, Callable[[duckdb.DuckDBPyConnection, str, Params], Any]] = {
    "pandas": _pandas,
    "arrow": _arrow,
    "polars": _polars,
}
