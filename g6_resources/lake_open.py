"""Which lake a data root has, and how DuckDB reads it: on the root's own disk, or on the object store of its world.

The address is in `world.json`, so that nothing else needs to know where files are.
"""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import duckdb

from g6_resources.lake import Lake, LocalStore
from g6_resources.world import DataRoot

if TYPE_CHECKING:
    from g6_resources.lake_s3 import S3Store


BACKLOG = "lake"
"""Name of the spool in which live files wait for the store."""
_SESSION_PATIENCE = timedelta(seconds=4)
_CHECK_PATIENCE = timedelta(seconds=10)


def open_lake(root: DataRoot, *, hot: bool = False) -> Lake:
    """Return the lake of a data root.

    Parameters
    ----------
    hot
        For the session of the day, which must not wait: where an object store does not answer, what this machine holds
        of the day does; see `lake_hot`.
    """
    local = LocalStore(root.lake)
    address = root.lake_address()
    if address is None:
        return Lake(local, current=root.current)
    from g6_resources.lake_backlog import LakeBacklog
    from g6_resources.lake_hot import HotStore
    from g6_resources.lake_mirror import MirroredStore

    backlog = LakeBacklog(root.spool / BACKLOG, _remote(root, address).put)
    if hot:
        return Lake(HotStore(_remote(root, address, _SESSION_PATIENCE), local, backlog), current=root.current)
    return Lake(MirroredStore(_remote(root, address), local, backlog), current=root.current)


def check_store(address: dict[str, Any], folder: str) -> None:
    """Prove that an object store will do for a world's lake, before anything of the world is made.

    Raises
    ------
    LakeError
        It will not: not there, no credentials, no bucket, no conditional writes, or the extra is not installed.
    """
    from g6_resources.lake_s3 import S3Store

    url, endpoint, region = f"{address['url']}/{folder}", address.get("endpoint"), address["region"]
    S3Store(url, endpoint=endpoint, region=region, patience=_CHECK_PATIENCE).check()


def _remote(root: DataRoot, address: dict[str, Any], patience: timedelta | None = None) -> "S3Store":
    from g6_resources.lake_s3 import PATIENCE, S3Store

    url = f"{address['url']}/{root.world.folder}"
    return S3Store(url, endpoint=address.get("endpoint"), region=address["region"], patience=patience or PATIENCE)


def let_duckdb_read(connection: duckdb.DuckDBPyConnection, root: DataRoot) -> None:
    """Teach a connection the addresses of the root's lake; nothing is needed for one on a disk.

    DuckDB's own extension httpfs where it is installed, else the object store's client as a file system.
    """
    address = root.lake_address()
    if address is None:
        return
    try:
        connection.execute("LOAD httpfs")
    except duckdb.Error:
        from g6_resources.lake_s3 import filesystem

        connection.register_filesystem(filesystem(address.get("endpoint"), address["region"]))
    else:
        connection.execute(_secret(address))


def _secret(address: dict[str, Any]) -> str:
    options = {"TYPE": "s3", "REGION": f"'{address['region']}'"}
    if key := os.environ.get("AWS_ACCESS_KEY_ID"):
        secret = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
        options |= {"KEY_ID": _quoted(key), "SECRET": _quoted(secret)}
    if endpoint := address.get("endpoint"):
        parts = urlsplit(endpoint)
        ssl = "true" if parts.scheme == "https" else "false"
        options |= {"ENDPOINT": f"'{parts.netloc}'", "URL_STYLE": "'path'", "USE_SSL": ssl}
    return f"CREATE OR REPLACE SECRET g6_lake ({', '.join(f'{name} {value}' for name, value in options.items())})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
