"""A store's objects as files for DuckDB, where its own extension httpfs cannot be loaded.

DuckDB reads one file from several threads: it seeks, then reads, and another thread may seek in between. So each thread
has a position of its own, and a read is one ranged request for exactly what was asked. An object that is replaced while
it is read gives an error, never a mixture.
"""

import threading
from datetime import datetime
from typing import Any

import fsspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

_START, _HERE, _END = 0, 1, 2


class StoreFiles(fsspec.AbstractFileSystem):
    """What DuckDB asks of a file system: patterns, sizes, and reading.

    Parameters
    ----------
    options
        Of the store's client; a bucket's is made when it is first asked for.
    """

    protocol = "s3"
    cachable = False

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__()
        self._options = options
        self._clients: dict[str, S3Store] = {}
        self._opened: dict[str, Any] = {}

    def open(self, path: str, mode: str = "rb", **_: Any) -> "StoredFile":  # type: ignore[override]
        """Open an object; one request, for its size and its mark."""
        if mode != "rb":
            raise OSError(f"{path}: opened to read only, not {mode}")
        client, key = self._client(path)
        try:
            meta = obstore.head(client, key)
        except BaseError as error:
            raise OSError(f"{path}: {str(error).splitlines()[0]}") from error
        self._opened[path] = meta
        return StoredFile(client, key, meta)

    def size(self, path: str) -> int:
        """Return the bytes of an object that was opened."""
        return int(self._opened[path]["size"])

    def modified(self, path: str) -> datetime:
        """Return when an object that was opened was stored."""
        return self._opened[path]["last_modified"]

    def exists(self, path: str, **_: Any) -> bool:
        """Tell whether there is such an object."""
        try:
            self.open(path)
        except FileNotFoundError:
            return False
        return True

    def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> list[str]:
        """Return the addresses that fit a pattern; one that is none is taken at its word, until it is opened."""
        del maxdepth, kwargs
        if not any(character in path for character in "*?["):
            return [path]
        from fnmatch import fnmatchcase

        client, key = self._client(path)
        folder = key[: min(key.index(character) for character in "*?[" if character in key)].rpartition("/")[0]
        bucket = path[: len(path) - len(key)]
        found = (str(entry["path"]) for chunk in obstore.list(client, folder or None) for entry in chunk)
        return sorted(f"{bucket}{name}" for name in found if fnmatchcase(name, key))

    def _client(self, path: str) -> tuple[S3Store, str]:
        bucket, _, key = path.removeprefix("s3://").partition("/")
        if bucket not in self._clients:
            self._clients[bucket] = S3Store(bucket, **self._options)
        return self._clients[bucket], key


class StoredFile:
    """One object, open for reading."""

    def __init__(self, client: S3Store, key: str, meta: Any) -> None:
        self._client, self._key = client, key
        self._size, self._mark = int(meta["size"]), meta["e_tag"]
        self._place = threading.local()

    def seek(self, offset: int, whence: int = _START) -> int:
        """Set this thread's position."""
        base = {_START: 0, _HERE: self.tell(), _END: self._size}[whence]
        self._place.at = base + offset
        return self._place.at

    def tell(self) -> int:
        """Return this thread's position."""
        return getattr(self._place, "at", 0)

    def read(self, length: int = -1) -> bytes:
        """Return the bytes from this thread's position on."""
        start = self.tell()
        end = self._size if length < 0 else min(start + length, self._size)
        if start >= end:
            return b""
        options: Any = {"range": (start, end)} | ({"if_match": self._mark} if self._mark else {})
        try:
            data = bytes(obstore.get(self._client, self._key, options=options).bytes())
        except BaseError as error:
            raise OSError(f"{self._key}: {str(error).splitlines()[0]}") from error
        self._place.at = start + len(data)
        return data

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def closed(self) -> bool:
        """Never: nothing is held open."""
        return False
