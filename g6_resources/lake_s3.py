"""The lake on an object store that speaks S3: an object is stored whole or not at all, so nothing needs a rename.

Credentials come from the environment (AWS_ACCESS_KEY_ID and its kin) or the machine's role, never from the settings.
Needs the extra `cluster` (the package `obstore`).
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from g6_resources.lake_local import LakeError

if TYPE_CHECKING:
    from obstore.store import S3Store as _Client

# 503, resets and time-outs are asked again for this long before a snapshot is given up as not stored.
_PATIENCE = timedelta(seconds=20)
_CALL_SECONDS = timedelta(seconds=7)


class StoreUnreachable(LakeError, OSError):
    """The object store did not take or give an object within the patience of a snapshot."""


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

    Raises
    ------
    LakeError
        The address is none of a bucket, or the extra is not installed.
    """

    def __init__(self, url: str, *, endpoint: str | None = None, region: str = "ap-south-1") -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise LakeError(f"lake address {url!r} names no bucket; write it like s3://bucket/prefix")
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self._endpoint = endpoint
        self._region = region

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

    def uri(self, path: str) -> str:
        """Return the address by which DuckDB reads the path."""
        return "/".join(part for part in (f"s3://{self._bucket}", self._prefix, path) if part)

    def __repr__(self) -> str:
        return f"S3Store({self.uri('')!r})"

    @cached_property
    def _client(self) -> "_Client":
        try:
            from obstore.store import S3Store as Client
        except ImportError:
            raise LakeError(
                f"the lake {self.uri('')} needs the package obstore; install the extra: pip install 'g6[cluster]'"
            ) from None
        options = _options(self._endpoint, self._region)
        return Client(self._bucket, prefix=self._prefix or None, **options)

    @contextmanager
    def _explained(self, path: str) -> Generator[None]:
        from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise StoreUnreachable(
                f"{self.uri(path)}: the store refuses these credentials; set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY of an account that may read and write there"
            ) from error
        except GenericError as error:
            raise StoreUnreachable(
                f"{self.uri(path)}: the store did not answer within {_PATIENCE.seconds} s, retries included; what is "
                "stored is intact. Check the network, the endpoint and the store's own status"
            ) from error


def _options(endpoint: str | None, region: str) -> dict[str, Any]:
    return {
        "config": {
            "region": region,
            "virtual_hosted_style_request": endpoint is None,
            **({"endpoint": endpoint} if endpoint else {}),
        },
        "client_options": {
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "timeout": _CALL_SECONDS,
            "connect_timeout": timedelta(seconds=2),
        },
        "retry_config": {
            "max_retries": 12,
            "retry_timeout": _PATIENCE,
            "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=3), "base": 2},
        },
    }


def filesystem(endpoint: str | None, region: str) -> Any:
    """Return the object store as a file system that DuckDB takes."""
    from obstore.fsspec import FsspecStore

    class ObjectStore(FsspecStore):
        """Understands patterns with their scheme, as DuckDB passes them."""

        def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> list[str]:
            """Return the addresses that fit a pattern."""
            return [f"s3://{found}" for found in super().glob(path.removeprefix("s3://"), maxdepth, **kwargs)]

    return ObjectStore("s3", **_options(endpoint, region))
