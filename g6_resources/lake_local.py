"""The lake on a local disk: files appear whole and durable, or not at all.

What the files hold and how they are named belongs to `lake`; another store is another class that fits `LakeStore`.
"""

import fcntl
import itertools
import os
from pathlib import Path

from g6_resources.disk import explained

_STAGING = ".incoming"
_LEFTOVER_SECONDS = 3600.0
_NUMBERS = itertools.count()  # threads write files of the same name in different folders


class LakeError(Exception):
    """The lake cannot do what was asked."""


class LocalStore:
    """A folder on a local disk; implements `LakeStore`.

    A file is written in a hidden folder, flushed to the disk and renamed into place, then its folder is flushed: a
    reader sees all of it or none, also after a power cut. What a killed process left in the hidden folder is never
    listed, and deleted when the store is opened an hour or more later.

    Parameters
    ----------
    folder
        Root of the lake; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._staging = self.folder / _STAGING
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()

    def put(self, path: str, data: bytes) -> None:
        """Store a file atomically and durably.

        Raises
        ------
        DiskFull, DiskReadOnly
            The disk, the quota or the file-size limit is exhausted; the disk takes no writing at all.
        """
        write_atomically(self.folder / path, data, staging=self._staging)

    def put_if(self, path: str, data: bytes, expected: bytes | None) -> bool:
        """Store a file if it is still what was read before (None: not there yet); False if somebody was faster."""
        self._staging.mkdir(parents=True, exist_ok=True)
        with (self._staging / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                now = self.get(path)
            except FileNotFoundError:
                now = None
            if now == expected:
                self.put(path, data)
            return now == expected

    def get(self, path: str) -> bytes:
        """Return a file's bytes; `FileNotFoundError` if there is none."""
        return (self.folder / path).read_bytes()

    def list(self, prefix: str) -> list[str]:
        """Return the paths below a folder, sorted; hidden files are not listed."""
        found: list[str] = []
        pending = [prefix.strip("/")]
        while pending:
            folder = pending.pop()
            try:
                entries = list(os.scandir(self.folder / folder))
            except FileNotFoundError:
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir():
                    pending.append(path)
                else:
                    found.append(path)
        return sorted(found)

    def move(self, path: str, target: str) -> None:
        """Give a file another name at once and durably; one that had it is replaced."""
        (self.folder / path).replace(self.folder / target)
        _flush_folder((self.folder / target).parent)

    def delete(self, path: str) -> None:
        """Delete a file, and its folder when that was the last one; nothing happens if there is none."""
        target = self.folder / path
        target.unlink(missing_ok=True)
        try:
            target.parent.rmdir()  # an empty day would be scanned by every query
        except OSError:
            return

    def settle(self) -> None:
        """Return at once: what was put is there."""

    def uri(self, path: str) -> str:
        """Return the absolute path; a pattern, or the beginning of a path, stays one."""
        return f"{self.folder}/{path}" if path else str(self.folder)

    def _sweep(self) -> None:
        leftovers = list(self._staging.iterdir()) if self._staging.is_dir() else []
        if not leftovers:
            return
        from g6_resources.clock import SystemTime  # readers of a lake need no calendar, hence no PyYAML

        oldest = SystemTime().now().timestamp() - _LEFTOVER_SECONDS
        for leftover in leftovers:
            try:
                if leftover.stat().st_mtime < oldest:
                    leftover.unlink()
            except OSError:  # gone meanwhile, or this lake is read-only for us: it does no harm
                continue


def write_atomically(target: Path, data: bytes, *, durable: bool = True, staging: Path | None = None) -> None:
    """Write a file under a hidden temporary name and rename it.

    Parameters
    ----------
    target
        Final path; its folder is made when missing.
    data
        The whole content.
    durable
        Flush file and folder to the disk, so that the file outlives a power cut.
    staging
        Folder on the same file system for the temporary; the target's own by default.

    Raises
    ------
    DiskFull, DiskReadOnly
        The disk, the quota or the file-size limit is exhausted; the disk takes no writing at all.
    """
    temporary = (staging or target.parent) / f".{target.name}.{os.getpid()}.{next(_NUMBERS)}.tmp"
    try:
        try:
            _write(temporary, target, data, durable)
        except FileNotFoundError:
            for folder in (temporary.parent, target.parent):
                folder.mkdir(parents=True, exist_ok=True)
            _write(temporary, target, data, durable)
    except OSError as error:
        if (meaning := explained(error, target, len(data))) is None:
            raise
        raise meaning from error


def _write(temporary: Path, target: Path, data: bytes, durable: bool) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
