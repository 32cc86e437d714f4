"""Backup and restore of a world: its lake, what it was made with, and Dagster's history. Never a token.

A backup is itself a world's folder, so it can be looked into as it is. It may be made while a session runs and while a
day is sealed: a seal record is copied after the files that it names, and checked against them.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from g6_resources.lake import Lake, LocalStore, SealRecord, closed_path
from g6_resources.warehouse import Warehouse
from g6_resources.world import WORLD_FILE, DataRoot, WorldError, open_root

# Beside the lake: what the world is, its clock, its own settings. State and caches are made anew.
_BESIDE = (WORLD_FILE, "clock.json", "g6_config.json")
_ATTEMPTS = 3


class BackupError(Exception):
    """A backup could not be made, or is not whole."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup did: files copied now and their size, and the sealed days that were checked whole."""

    files: int
    bytes: int
    sealed_days: int
    live_days: int


def back_up(root: DataRoot, folder: Path) -> BackupReport:
    """Bring the copy of a world in a folder up to date; what did not change is not copied again.

    Parameters
    ----------
    folder
        Holds one folder for each world, like the data folder.

    Raises
    ------
    BackupError
        The folder lies within the world, its lake is in an object store, or the copy is not whole.
    """
    if (address := root.lake_address()) is not None:
        raise BackupError(
            f"the lake of {root.path} is in the object store {address['url']}: let that store keep versions or a "
            "replica; a copy of what is on this disk would be no backup"
        )
    target = folder.absolute() / root.world.folder
    if target.resolve().is_relative_to(root.path.resolve()):
        raise BackupError(f"{folder} lies within {root.path}, which is what would be copied; choose another folder")
    copier = _Copier()
    for name in _BESIDE:
        copier.copy(root.path / name, target / name)
    for _ in range(_ATTEMPTS):
        sealed = Lake(LocalStore(root.lake)).sealed
        copier.lake(root.lake, target / "lake", sealed)
        # A day that was sealed meanwhile is copied in the next round.
        if Lake(LocalStore(root.lake)).sealed == sealed:
            break
    else:
        raise BackupError(f"days of {root.path} were sealed {_ATTEMPTS} times while they were copied; try again")
    _copy_history(root.dagster_home, target / "dagster")
    sealed_days, live_days = check(target)
    copier.copy(root.current / "option_chain.parquet", target / "current" / "option_chain.parquet")
    if copier.files:
        _make_views(root, target)
    return BackupReport(copier.files, copier.bytes, sealed_days, live_days)


def _make_views(root: DataRoot, target: Path) -> None:
    """Make the copy's own views, of a new generation: whoever looks into it must not see the last one's."""
    if root.warehouse.exists():
        shutil.copy2(root.warehouse, target / root.warehouse.name)  # it knows which snapshots were due
    Warehouse(DataRoot(target, root.world)).swap()


def check(backup: Path) -> tuple[int, int]:
    """Return how many sealed and live days a copy holds.

    Raises
    ------
    BackupError
        A file that a seal names is missing, cannot be read, or has other than its rows.
    """
    lake = Lake(LocalStore(backup / "lake"))
    problems = [problem for record in lake.sealed.values() for problem in _problems(lake, record)]
    if problems:
        raise BackupError(
            f"{backup} is not whole: {len(problems)} files, first: {problems[0]}. Make the backup again; if that does "
            "not help, the original is damaged"
        )
    return len(lake.sealed), len(lake.unsealed_days())


def restore(backup: Path, data_dir: Path) -> DataRoot:
    """Copy a backup into a data folder, as the world that it was.

    Raises
    ------
    WorldError
        The folder given holds no world, or the data folder has that world already.
    BackupError
        The backup is not whole; nothing was copied.
    """
    source = open_root(backup)
    target = data_dir.absolute() / source.world.folder
    if target.exists():
        raise WorldError(
            f"{target} is there already, and a restore overwrites nothing; move it away first, or look into the backup "
            f"where it is: g6.connect({str(backup)!r})"
        )
    check(backup)
    unfinished = target.with_name(f".{target.name}.restoring")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(backup, unfinished)
    unfinished.rename(target)
    return open_root(target)


class _Copier:
    """Copies what changed and counts it."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0

    def lake(self, source: Path, target: Path, sealed: dict[date, SealRecord]) -> None:
        """Copy sealed files, then the seals, then the live files of days that are not sealed."""
        for record in sealed.values():
            for path in _files_of(record):
                self.copy(source / path, target / path)
        for day in sealed:
            self.copy(source / "seals" / f"{day}.json", target / "seals" / f"{day}.json")
        for live in sorted(source.glob("*/live/trade_date=*/*.parquet")):
            self.copy(live, target / live.relative_to(source))
        for copied in target.glob("*/live/trade_date=*"):
            if any(copied.name == f"trade_date={day}" for day in sealed):
                shutil.rmtree(copied)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a file whole and durably, unless it is there already as it is."""
        try:
            status = source.stat()
            if target.exists():
                known = target.stat()
                if (known.st_size, known.st_mtime_ns) == (status.st_size, status.st_mtime_ns):
                    return
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.tmp")
            shutil.copy2(source, temporary)
        except FileNotFoundError:
            return  # a live file of a day that was sealed meanwhile, or nothing to copy
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        self.files += 1
        self.bytes += status.st_size


def _files_of(record: SealRecord) -> Iterator[str]:
    for table, files in record.files.items():
        for name in files:
            yield closed_path(table, record.trade_date, name)


def _problems(lake: Lake, record: SealRecord) -> Iterator[str]:
    for table, files in record.files.items():
        for name, rows in files.items():
            path = closed_path(table, record.trade_date, name)
            try:
                found = pq.read_metadata(lake.store.uri(path)).num_rows
            except (OSError, pa.ArrowException) as error:
                yield f"{path} ({type(error).__name__})"
                continue
            if found != rows:
                yield f"{path} ({found} rows, its seal says {rows})"


def _copy_history(home: Path, target: Path) -> None:
    """Copy Dagster's SQLite files through SQLite, which may be written to at the same time."""
    for source in sorted(home.rglob("*.db")):
        copy = target / source.relative_to(home)
        copy.parent.mkdir(parents=True, exist_ok=True)
        temporary = copy.with_name(f".{copy.name}.tmp")
        temporary.unlink(missing_ok=True)
        with sqlite3.connect(f"file:{source}?mode=ro", uri=True) as original, sqlite3.connect(temporary) as made:
            original.backup(made)
        original.close()
        made.close()
        temporary.replace(copy)
