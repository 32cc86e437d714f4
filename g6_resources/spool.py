"""A bounded queue of files on disk: what a sink's server has not taken yet, oldest first, over restarts and power cuts.

Each file is one snapshot's request. Delivering them is the courier's; what was dropped when the spool was full is known
by name, so that whoever proves the day can make up for it from the store.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from g6_market.calendar import IST
from g6_resources.files import private
from g6_resources.lake_local import write_atomically

_DROPPED = "dropped"
_LOCK = ".delivering"
_DATE_LENGTH = len("2026-11-20")


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a spool.

    Parameters
    ----------
    files, bytes
        How much waits.
    oldest
        When the oldest of it was put there (system time, aware); None when nothing waits.
    dropped
        Files that were lost to the bound and not made up for yet.
    """

    files: int = 0
    bytes: int = 0
    oldest: datetime | None = None
    dropped: int = 0


class Spool:
    """One folder of waiting files.

    Parameters
    ----------
    folder
        Made with the first file.
    limit_bytes
        Bound: the oldest files make room for a new one.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes

    @staticmethod
    def name_of(due: datetime) -> str:
        """Return the name of a snapshot's file: names sort by due time, and begin with the date."""
        return f"{due:%Y-%m-%dT%H%M%S}"

    def put(self, name: str, data: bytes) -> int:
        """Store a file, on the disk when this returns; one of the same name is replaced.

        Returns
        -------
        int
            Older files dropped to make room.

        Raises
        ------
        OSError
            It cannot be written.
        """
        dropped = self._make_room(name, len(data))
        write_atomically(self._folder / name, data)
        return dropped

    def waiting(self) -> list[str]:
        """Return the names of the files that wait, oldest first."""
        return sorted(self._files())

    def read(self, name: str) -> bytes:
        """Return a file's content; `FileNotFoundError` if it is gone."""
        return (self._folder / name).read_bytes()

    def delivered(self, name: str) -> None:
        """Forget a file that its server has taken."""
        (self._folder / name).unlink(missing_ok=True)

    def drop(self, name: str) -> None:
        """Give a file up, and note its name."""
        (self._folder / _DROPPED).mkdir(parents=True, exist_ok=True)
        (self._folder / _DROPPED / name).touch()
        self.delivered(name)

    def forget_dropped(self, day: date) -> None:
        """Strike out the notes of a day whose losses were made up for."""
        for name in self._dropped():
            if name[:_DATE_LENGTH] == day.isoformat():
                (self._folder / _DROPPED / name).unlink(missing_ok=True)

    def backlog(self) -> Backlog:
        """Return what waits; of a spool that was never used, nothing does."""
        found = self._files().values()
        return Backlog(
            files=len(found),
            bytes=sum(file.st_size for file in found),
            oldest=datetime.fromtimestamp(min(file.st_mtime for file in found), IST) if found else None,
            dropped=len(self._dropped()),
        )

    @contextmanager
    def delivering(self) -> Generator[bool]:
        """Hold the right to deliver; false while another process has it, which then delivers in order."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / _LOCK, "wb", opener=private) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _make_room(self, new: str, size: int) -> int:
        sizes = {name: file.st_size for name, file in self._files().items() if name != new}
        total = sum(sizes.values()) + size
        dropped = 0
        for name in sorted(sizes):
            if total <= self._limit_bytes:
                break
            self.drop(name)
            total -= sizes[name]
            dropped += 1
        return dropped

    def _files(self) -> dict[str, os.stat_result]:
        files: dict[str, os.stat_result] = {}
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # delivered meanwhile
                    if not entry.name.startswith(".") and entry.is_file():
                        files[entry.name] = entry.stat()
        return files

    def _dropped(self) -> list[str]:
        try:
            return [note.name for note in (self._folder / _DROPPED).iterdir()]
        except FileNotFoundError:
            return []
