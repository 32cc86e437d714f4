"""What a reader sees at any moment: the views answer, and tell no less than what is stored."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from g6.chaos.world import ChaosWorld
from g6_market.schema import QUOTES, SNAPSHOTS

_QUESTIONS = (
    "SELECT count(*), sum(last_price), min(received_at), count(DISTINCT tradingsymbol) FROM quotes",
    "SELECT count(*), count(iv), sum(strike) FROM option_chain",
    "SELECT count(*), count(forward) FROM expiry_overview",
    "SELECT count(*), count(spot) FROM overview",
    "SELECT count(*) FROM gaps",
    "SELECT count(*) FROM latest_chain('NIFTY', 'front')",
)


@contextmanager
def opened(world: ChaosWorld) -> Generator[duckdb.DuckDBPyConnection]:
    """Open the views as an analyst does."""
    with duckdb.connect(str(world.root.warehouse), read_only=True) as connection:
        connection.execute("SET threads = 1")
        connection.execute("SET enable_progress_bar = false")  # it would lie between the figures
        yield connection


def ask(world: ChaosWorld) -> Iterator[str]:
    """Ask everything once; yield what is wrong with the answers."""
    if not world.root.warehouse.exists():
        return  # no attempt has come so far as to show the day
    day = world.script.trade_date
    lake = world.lake
    try:
        with opened(world) as connection:
            for question in _QUESTIONS:
                connection.execute(question).fetchall()
            for table in (QUOTES, SNAPSHOTS):
                seen = count(connection, table.name)
                stored = len(lake.read(table, day, columns=["snapshot_at"]))
                if seen != stored:
                    yield f"views: {table.name} shows {seen} rows, {stored} are stored"
    except duckdb.Error as error:
        yield f"views: {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return a view's rows."""
    row: Any = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - names of ours
    return int(row[0])
