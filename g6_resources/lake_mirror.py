"""The hot day of a lake that is elsewhere: its live files are on this machine first, and queries read them here.

A live file is on this disk when `put` returns; the backlog takes it to the store. So a store that is slow or away costs
no snapshot, and a day's hundreds of live files are not each a call to the store in every query. What is sealed is
written to and read from the store itself.
"""

import hashlib
import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from g6_market.schema import STORED_TABLES
from g6_resources.lake_local import LocalStore
from g6_resources.lake_s3 import S3Store

if TYPE_CHECKING:
    from g6_resources.lake_backlog import LakeBacklog

_LIVE = "live"
_AT_ONCE = 16  # calls that wait for the network, not for this machine


class MirroredStore:
    """A remote store with the live tier mirrored in a local folder; implements `LakeStore`.

    Listings join what the store lists and what the mirror has: the backlog, and what a lagging index does not know yet.
    """

    def __init__(self, remote: S3Store, mirror: LocalStore, backlog: "LakeBacklog") -> None:
        self._remote = remote
        self._mirror = mirror
        self._backlog = backlog

    def put(self, path: str, data: bytes) -> None:
        """Store a live file on this disk and let it go to the store after; any other in the store."""
        if not is_live(path):
            self._remote.put(path, data)
            return
        # The backlog first: what is in the mirror is surely on its way, wherever this process is killed.
        self._backlog.put(path, data)
        self._mirror.put(path, data)
        self._backlog.wake()

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
        """Delete a file in both places; nothing happens if there is none. A live one that waits must `settle` first."""
        self._remote.delete(path)
        self._mirror.delete(path)

    def settle(self) -> None:
        """Return once the store has every live file; raises `StoreUnreachable` when it does not take them."""
        self._backlog.settle()

    def uri(self, path: str) -> str:
        """Return where DuckDB reads the path: live files in the mirror, all others in the store."""
        return self._mirror.uri(path) if is_live(path) else self._remote.uri(path)

    def refresh(self) -> None:
        """Fetch the live files that the mirror lacks."""
        here = set(self._mirror.list(""))
        there = [path for table in STORED_TABLES for path in self._remote.list(f"{table.name}/{_LIVE}")]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._fetch, (path for path in there if path not in here)))

    def seals(self) -> str:
        """Return a mark that changes whenever a day is sealed, or sealed again, by any machine."""
        marks = json.dumps(self._remote.versions("seals"), sort_keys=True)
        return hashlib.sha256(marks.encode()).hexdigest()[:16]

    def trim(self, days: Collection[date]) -> None:
        """Delete the mirrored live files of sealed days, once no view names them; what the store lacks stays."""
        sealed = {f"trade_date={day}" for day in days}
        waiting = self._backlog.waiting()
        for path in filter(is_live, self._mirror.list("")):
            if PurePosixPath(path).parts[2] in sealed and path not in waiting:
                self._mirror.delete(path)

    def _fetch(self, path: str) -> None:
        try:
            self.get(path)
        except FileNotFoundError:  # sealed meanwhile; the seals are looked at next
            return


def is_live(path: str) -> bool:
    """Whether a path belongs to the live tier."""
    parts = PurePosixPath(path).parts
    return len(parts) > 1 and parts[1] == _LIVE
