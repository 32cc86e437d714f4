"""The CSV sink against the store: while the day runs, and after its seal."""

from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd

from g6.chaos.views import opened
from g6.chaos.world import ChaosWorld
from g6_market.schema import OFFSET_SERIES, OVERVIEW, SNAPSHOTS, Kind, Table

_STAMP = len("2026-11-20 09:16:00")
_NUMBERS = frozenset(kind for kind in Kind if kind.name.startswith(("INT", "FLOAT")))
_FOLDERS = ((OFFSET_SERIES, "options/*/*/*"), (OVERVIEW, "overview/*"))


def lines_are_told_once(world: ChaosWorld) -> Iterator[str]:
    """While the day runs: each file's lines ascend, none twice, none of a snapshot that is not stored."""
    stored = set(
        world.lake.read(SNAPSHOTS, world.script.trade_date, columns=["snapshot_at"])["snapshot_at"].astype(str)
    )
    for _, folder in _FOLDERS:
        for path in sorted(world.root.csv.glob(f"{folder}/{world.script.trade_date}.csv")):
            stamps = [line[:_STAMP] for line in path.read_text().splitlines()[1:]]
            name = path.relative_to(world.root.csv)
            if any(len(stamp) < _STAMP for stamp in stamps):
                stamps.pop()  # a machine died within the last line
            if sorted(set(stamps)) != stamps:
                yield f"{name} tells a snapshot twice or out of order"
            if strange := set(stamps) - stored:
                yield f"{name} tells of {min(strange)}, which is not stored"


def files_equal_the_store(world: ChaosWorld) -> Iterator[str]:
    """After the seal: the files hold what the views show, row by row."""
    with opened(world) as connection:
        for table, folder in _FOLDERS:
            shown = connection.execute(f"SELECT * FROM {table.name}").df()  # noqa: S608 - names of ours
            pattern = f"{world.root.csv}/{folder}/{world.script.trade_date}.csv"
            told = _told(connection, pattern)
            yield from _differences(table, shown, told)


def _told(connection: duckdb.DuckDBPyConnection, pattern: str) -> pd.DataFrame:
    try:
        return connection.execute("SELECT * FROM read_csv(?, all_varchar = true, union_by_name = true)", [pattern]).df()
    except duckdb.IOException:  # no file matches
        return pd.DataFrame()


def _differences(table: Table, shown: pd.DataFrame, told: pd.DataFrame) -> Iterator[str]:
    if len(shown) != len(told):
        yield f"csv: {len(told)} rows of {table.name}, the store has {len(shown)}"
        return
    if shown.empty:
        return
    keys = [name for name in table.key if name in told.columns]
    shown, told = (frame.assign(**{key: _word(frame[key]) for key in keys}) for frame in (shown, told))
    shown, told = (frame.sort_values(keys, ignore_index=True) for frame in (shown, told))
    for column in table.columns:
        if column.kind in _NUMBERS and column.name not in keys:
            ours = pd.to_numeric(shown[column.name]).to_numpy(dtype=np.float64, na_value=np.nan)
            theirs = pd.to_numeric(told[column.name]).to_numpy(dtype=np.float64, na_value=np.nan)
            if not np.allclose(ours, theirs, rtol=1e-5, atol=1e-9, equal_nan=True):
                yield f"csv: {table.name}.{column.name} differs from the store"


def _word(values: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.astype(str)
    return values.astype(str).str.removesuffix(" 00:00:00")
