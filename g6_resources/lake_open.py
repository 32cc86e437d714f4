"""Which lake a data root has, and how DuckDB reads it: on the root's own disk, or on the object store of its world.

The address is in `world.json`, so that nothing else needs to know where files are.
"""

import os
from typing import Any
from urllib.parse import urlsplit

import duckdb

from g6_resources.lake import Lake, LocalStore
from g6_resources.world import DataRoot


def open_lake(root: DataRoot) -> Lake:
    """Return the lake of a data root."""
    local = LocalStore(root.lake)
    address = root.lake_address()
    if address is None:
        return Lake(local, current=root.current)
    from g6_resources.lake_mirror import MirroredStore
    from g6_resources.lake_s3 import S3Store

    url = f"{address['url']}/{root.world.folder}"
    remote = S3Store(url, endpoint=address.get("endpoint"), region=address["region"])
    return Lake(MirroredStore(remote, local), current=root.current)


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
