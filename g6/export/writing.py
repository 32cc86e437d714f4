"""Writes the pieces of an export as parts, then the parts as one file; a part that is there is not asked again.

Parts are Parquet files in a hidden folder beside the target. Each appears whole, under a name that says which state of
its day it holds, so that a day sealed again meanwhile is asked again. The folder goes when the target is in place.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from g6.connection import G6Connection
from g6.export.excel import write_sheet
from g6.export.plan import ExportError, Piece, Plan
from g6_resources.lake import Lake
from g6_resources.lake_open import open_lake
from g6_resources.world import open_root

SHEET_ROWS = 1_048_576
"""Rows of an Excel sheet, that of the names among them."""

_PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Written:
    """What an export did.

    Parameters
    ----------
    continued
        Parts that an interrupted export before had written.
    """

    file: Path
    rows: int
    parts: int
    continued: int


def export(
    db: G6Connection[Any], plan: Plan, target: Path, told: Callable[[int, int, int], None] = lambda *_: None
) -> Written:
    """Write an export to a file whose name ends in .parquet, .csv or .xlsx; one that is there is replaced.

    Parameters
    ----------
    told
        Is called after each part: parts done, parts in all, rows so far.

    Raises
    ------
    ExportError
        The ending is none of these, the rows do not fit into an Excel sheet, or another export writes this file.
    """
    finish = _FORMATS.get(target.suffix.lower())
    if finish is None:
        raise ExportError(f"--to {target}: the name must end in {', '.join(_FORMATS)}")
    if not target.parent.is_dir():
        raise ExportError(f"--to {target}: there is no folder {target.parent}")
    folder = target.with_name(f".{target.name}.parts")
    most = SHEET_ROWS - 1 if finish is write_sheet else None
    with _working_folder(folder, plan):
        parts, rows, continued = _write_parts(db, plan, folder, most, told)
        fresh = folder / f"whole{target.suffix.lower()}"
        finish(parts, fresh)
        _to_disk(fresh)
        fresh.replace(target)
        shutil.rmtree(folder)
    return Written(target, rows, len(parts), continued)


def _write_parts(
    db: G6Connection[Any], plan: Plan, folder: Path, most: int | None, told: Callable[[int, int, int], None]
) -> tuple[list[Path], int, int]:
    lake = open_lake(open_root(db.root))
    parts: list[Path] = []
    rows = continued = 0
    for piece in plan.pieces:
        part = folder / _part_name(lake, piece)
        # What is not sealed may have grown since.
        if part.exists() and "sealed" in part.name:
            continued += 1
        else:
            _write_part(db, piece, part)
        parts.append(part)
        rows += _rows(part)
        if most is not None and rows > most:
            raise ExportError(
                f"an Excel sheet holds {most:,} rows and a row of names, and this is more: {rows:,} rows by part "
                f"{len(parts)} of {len(plan.pieces)}; narrow it with --underlying, --from and --to-date, or write "
                ".parquet or .csv"
            )
        told(len(parts), len(plan.pieces), rows)
    return parts, rows, continued


def _write_part(db: G6Connection[Any], piece: Piece, part: Path) -> None:
    fresh = part.with_name(f".{part.name}.tmp")
    db.execute(f"COPY (\n{piece.query}\n) TO {_quoted(fresh)} (FORMAT parquet, COMPRESSION zstd)")
    _to_disk(fresh)
    fresh.replace(part)


def _part_name(lake: Lake, piece: Piece) -> str:
    record = None if piece.day is None else lake.seal_record(piece.day)
    state = f"sealed-{record.made_at:%Y%m%dT%H%M%S%f}" if record else "open"
    return f"{piece.day or 'all'}.{state}.parquet"


def _rows(part: Path) -> int:
    query = "SELECT num_rows FROM parquet_file_metadata(?)"
    [(rows,)] = duckdb.execute(query, [str(part)]).fetchall()
    return int(rows)


@contextmanager
def _working_folder(folder: Path, plan: Plan) -> Generator[None]:
    """Hold the folder of parts; one of another export is emptied first."""
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"another export writes this file: {folder} is in use") from None
        file = folder / _PLAN
        if not file.exists() or json.loads(file.read_text(encoding="utf-8")) != plan.asked:
            for old in folder.glob("*.parquet"):
                old.unlink()
            file.write_text(json.dumps(plan.asked), encoding="utf-8")
        yield


def _copy(parts: list[Path], target: Path, options: str) -> None:
    files = ", ".join(map(_quoted, parts))
    rows = f"FROM read_parquet([{files}], union_by_name = true, hive_partitioning = false)"
    duckdb.execute(f"COPY ({rows}) TO {_quoted(target)} ({options})")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _to_disk(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())


_FORMATS: dict[str, Callable[[list[Path], Path], None]] = {
    ".parquet": lambda parts, target: _copy(parts, target, "FORMAT parquet, COMPRESSION zstd"),
    ".csv": lambda parts, target: _copy(parts, target, "FORMAT csv, HEADER"),
    ".xlsx": write_sheet,
}
