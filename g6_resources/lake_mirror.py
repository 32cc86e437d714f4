"""The hot day of a lake that is elsewhere: its live files are kept on this machine too, where queries read them.

A day's hundreds of live files would each be a call to the object store in every query. What is sealed is read from the
store itself. The store is the truth: a file counts once it is there.
"""

import hashlib
import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import PurePosixPath

from g6_market.schema import STORED_TABLES
from g6_resources.lake_local import LocalStore
from g6_resources.lake_s3 import S3Store

_LIVE = "live"
_AT_ONCE = 16  # calls that wait for the network, not for this machine


class MirroredStore:
    """A remote store with the live tier mirrored in a local folder; implements `LakeStore`.

    Listings join what the store lists and what the mirror has, because a store's index may lag behind its objects.
    """

    def __init__(self, remote: S3Store, mirror: LocalStore) -> None:
        self._remote = remote
        self._mirror = mirror

    def put(self, path: str, data: bytes) -> None:
        """Store a file in the store, then in the mirror if it is live."""
        self._remote.put(path, data)
        if is_live(path):
            self._mirror.put(path, data)

    def put_if(self, path: str, data: bytes, expected: bytes | None) -> bool:
        """Store a file if it is still what was read before; False if somebody was faster."""
        return self._remote.put_if(path, data, expected)

    def get(self, path: str) -> bytes:
        """Return a file's bytes, a live one from the mirror if that has it; `FileNotFoundError` if there is none."""
        if is_live(path):
            try:
                return self._mirror.get(path)
            except FileNotFoundError:
                data = self._remote.get(path)
                self._mirror.put(path, data)
                return data
        return self._remote.get(path)

    def list(self, prefix: str) -> list[str]:
        """Return the paths below a folder, sorted; hidden files are not listed."""
        return sorted({*self._remote.list(prefix), *filter(is_live, self._mirror.list(prefix))})

    def move(self, path: str, target: str) -> None:
        """Give a file another name; live ones are never renamed."""
        self._remote.move(path, target)

    def delete(self, path: str) -> None:
        """Delete a file in both places; nothing happens if there is none."""
        self._remote.delete(path)
        self._mirror.delete(path)

    def uri(self, path: str) -> str:
        """Return where DuckDB reads the path: live files in the mirror, all others in the store."""
        return self._mirror.uri(path) if is_live(path) else self._remote.uri(path)

    def refresh(self) -> None:
        """Fetch the live files that the mirror lacks."""
        here = set(self._mirror.list(""))
        there = [path for table in STORED_TABLES for path in self._remote.list(f"{table.name}/{_LIVE}")]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self.get, (path for path in there if path not in here)))

    def seals(self) -> str:
        """Return a mark that changes whenever a day is sealed, or sealed again, by any machine."""
        marks = json.dumps(self._remote.versions("seals"), sort_keys=True)
        return hashlib.sha256(marks.encode()).hexdigest()[:16]

    def trim(self, days: Collection[date]) -> None:
        """Delete the mirrored live files of sealed days, once no view names them."""
        sealed = {f"trade_date={day}" for day in days}
        for path in filter(is_live, self._mirror.list("")):
            if PurePosixPath(path).parts[2] in sealed:
                self._mirror.delete(path)


def is_live(path: str) -> bool:
    """Whether a path belongs to the live tier."""
    parts = PurePosixPath(path).parts
    return len(parts) > 1 and parts[1] == _LIVE
