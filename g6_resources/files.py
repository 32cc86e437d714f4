"""Small state files, replaced whole: a reader sees the old content or the new, never half of it.

The lake's own files, which are many and large, are written by the `LakeStore`.
"""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from g6_resources.disk import explained


class NotPrivate(Exception):
    """A file or folder that must be its owner's alone can be read or changed by others."""


def require_private(path: Path) -> None:
    """Refuse a file or folder that others may read or change; one that is not there is nobody's.

    Raises
    ------
    NotPrivate
        With the command that closes it.
    """
    if not path.exists():
        return
    mode, allowed = path.stat().st_mode & 0o777, 0o700 if path.is_dir() else 0o600
    if mode & ~allowed:
        raise NotPrivate(
            f"{path} can be read or changed by others (mode {mode:03o}, allowed {allowed:o}), so what it says cannot "
            f"be trusted; look who did that, then `chmod {allowed:o} {path}`"
        )


def write_atomically(path: Path, data: bytes, *, durable: bool = False, mode: int = 0o600) -> None:
    """Replace a file's content in one step.

    Parameters
    ----------
    durable
        Also survive a power cut (two fsyncs). Without it the content survives the death of every process.
    mode
        Permissions of the new file, whatever the umask.

    Raises
    ------
    DiskFull, DiskReadOnly
        The disk takes no more, or nothing; the old content is still there.
    """
    try:
        _replace(path, data, durable, mode)
    except OSError as error:
        if (meaning := explained(error, path, len(data))) is None:
            raise
        raise meaning from error


def _replace(path: Path, data: bytes, durable: bool, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def private(path: str, flags: int) -> int:
    """Open a file for `open(.., opener=private)`: one that is made is for its owner only, whatever the umask."""
    return os.open(path, flags, 0o600)


def write_json(path: Path, content: dict[str, Any], *, durable: bool = False, mode: int = 0o600) -> None:
    """Replace a JSON file in one step; see `write_atomically`."""
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode(), durable=durable, mode=mode)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object a JSON file holds.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is torn, is not JSON, or holds anything but an object.
    """
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a JSON {type(content).__name__}, not an object")  # noqa: TRY004
    return content
