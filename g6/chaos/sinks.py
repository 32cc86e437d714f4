"""The CSV sink against the store: while the day runs, and after its seal."""

from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

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
            files = sorted(world.root.csv.glob(f"{folder}/{world.script.trade_date}.csv"))
            yield from _differences(table, shown, _told(files))


def _told(files: Sequence[Path]) -> pd.DataFrame:
    # As one text: a reader's start for each of a hundred files costs more than all their lines.
    texts = [file.read_text(encoding="utf-8").partition("\n") for file in files]
    if len({header for header, _, _ in texts}) != 1:
        return pd.DataFrame()
    whole = "".join([f"{texts[0][0]}\n", *(lines for _, _, lines in texts)])
    return pd.read_csv(StringIO(whole), dtype=str)


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
