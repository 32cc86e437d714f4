"""The lake on an object store that speaks S3: an object is stored whole or not at all, so nothing needs a rename.

Credentials come from the environment (AWS_ACCESS_KEY_ID and its kin) or the machine's role, never from the settings.
Needs the extra `cluster` (the package `obstore`).
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from g6_resources.lake_local import LakeError

if TYPE_CHECKING:
    from obstore.store import S3Store as _Client

# 503, resets and time-outs are asked again for this long before a call is given up.
PATIENCE = timedelta(seconds=30)
_PROBE = ".g6/probe"  # hidden: no listing of the lake shows it


class StoreUnreachable(LakeError, OSError):
    """The object store did not take or give an object within the patience of a call."""


class S3Store:
    """A prefix of a bucket; implements `LakeStore`.

    Parameters
    ----------
    url
        "s3://bucket/prefix".
    endpoint
        Address of a store other than Amazon's; https, or http on loopback.
    region
        Its region.
    patience
        How long a call may take, retries included; an answer must come within half of it.

    Raises
    ------
    LakeError
        The address is none of a bucket, or the extra is not installed.
    """

    def __init__(
        self, url: str, *, endpoint: str | None = None, region: str = "ap-south-1", patience: timedelta = PATIENCE
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise LakeError(f"lake address {url!r} names no bucket; write it like s3://bucket/prefix")
        if find_spec("obstore") is None:
            raise LakeError(f"the lake {url} needs the package obstore; install the extra: pip install 'g6[cluster]'")
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self._endpoint = endpoint
        self._region = region
        self._patience = patience

    def check(self) -> None:
        """Prove that the store lists, and writes on condition: what a world's lake needs of it.

        Raises
        ------
        LakeError
            Why it will not do, and what to change.
        """
        self.list(_PROBE)
        self.put_if(_PROBE, b"", None)
        if self.put_if(_PROBE, b"", None):
            raise LakeError(
                f"{self.uri('')}: the store overwrites what it was told to write only if absent (If-None-Match), so "
                "two workers could undo each other's work; use a store with conditional writes (Amazon S3, MinIO, Ceph)"
            )

    def put(self, path: str, data: bytes) -> None:
        """Store an object; a reader sees the one before or this one."""
        import obstore

        with self._explained(path):
            obstore.put(self._client, path, data, use_multipart=False)

    def put_if(self, path: str, data: bytes, expected: bytes | None) -> bool:
        """Store an object if it is still what was read before (None: not there yet); False if somebody was faster."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = "create"
        if expected is not None:
            try:
                with self._explained(path):
                    there = obstore.get(self._client, path)
                    meta, now = there.meta, bytes(there.bytes())
            except FileNotFoundError:
                return False
            if now != expected:
                return False
            mode = {name: meta[name] for name in ("e_tag", "version") if meta[name]}
        try:
            with self._explained(path):
                obstore.put(self._client, path, data, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    def get(self, path: str) -> bytes:
        """Return an object's bytes; `FileNotFoundError` if there is none."""
        import obstore

        with self._explained(path):
            return bytes(obstore.get(self._client, path).bytes())

    def list(self, prefix: str) -> list[str]:
        """Return the paths below a folder, sorted; hidden ones are not listed."""
        return sorted(self.versions(prefix))

    def versions(self, prefix: str) -> dict[str, str]:
        """Return what is below a folder: path, and a mark that changes with the content."""
        import obstore

        with self._explained(prefix):
            chunks = list(obstore.list(self._client, prefix.strip("/") or None))
        found = {str(entry["path"]): str(entry["e_tag"]) for chunk in chunks for entry in chunk}
        return {path: mark for path, mark in found.items() if not any(part[:1] == "." for part in path.split("/"))}

    def move(self, path: str, target: str) -> None:
        """Give an object another name: copied, which replaces the target at once, then deleted."""
        import obstore

        with self._explained(path):
            obstore.copy(self._client, path, target)
            obstore.delete(self._client, path)

    def delete(self, path: str) -> None:
        """Delete an object; nothing happens if there is none."""
        import obstore

        with self._explained(path):
            obstore.delete(self._client, path)

    def settle(self) -> None:
        """Return at once: what was put is there."""

    def uri(self, path: str) -> str:
        """Return the address by which DuckDB reads the path."""
        return "/".join(part for part in (f"s3://{self._bucket}", self._prefix, path) if part)

    def __repr__(self) -> str:
        return f"S3Store({self.uri('')!r})"

    @cached_property
    def _client(self) -> "_Client":
        from obstore.store import S3Store as Client

        options = _options(self._endpoint, self._region, self._patience)
        return Client(self._bucket, prefix=self._prefix or None, **options)

    @contextmanager
    def _explained(self, path: str) -> Generator[None]:
        from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise StoreUnreachable(
                f"{self.uri(path)}: the store refuses {_whose_keys()}; set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY of an account that may list, read, write and delete there"
            ) from error
        except (GenericError, FileNotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise StoreUnreachable(
                    f"{self.uri(path)}: the store has no bucket {self._bucket!r}; make it, or name another in "
                    "storage.lake.url"
                ) from error
            if isinstance(error, FileNotFoundError):
                raise
            at = self._endpoint or f"the region {self._region}"
            raise StoreUnreachable(
                f"{self.uri(path)}: the store at {at} gave no good answer within {self._patience.total_seconds():g} s "
                f"with {_whose_keys()}, retries included; what is stored is intact. Check the network, "
                "storage.lake.endpoint and the store's own status"
            ) from error


def _whose_keys() -> str:
    return "the keys of AWS_ACCESS_KEY_ID" if os.environ.get("AWS_ACCESS_KEY_ID") else "no AWS_ACCESS_KEY_ID set"


def _options(endpoint: str | None, region: str, patience: timedelta = PATIENCE) -> dict[str, Any]:
    return {
        "config": {
            "region": region,
            "virtual_hosted_style_request": endpoint is None,
            **({"endpoint": endpoint} if endpoint else {}),
        },
        "client_options": {
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "timeout": patience / 2,
            "connect_timeout": min(timedelta(seconds=2), patience / 2),
        },
        "retry_config": {
            "max_retries": 12,
            "retry_timeout": patience,
            "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=3), "base": 2},
        },
    }


def filesystem(endpoint: str | None, region: str) -> Any:
    """Return the object store as a file system that DuckDB takes."""
    from g6_resources.lake_files import StoreFiles

    return StoreFiles(_options(endpoint, region))
