"""What a disk that takes nothing more says: full or read-only, with its place and the remedy; and whether to start.

How files are written whole is in `files` and `lake_local`.
"""

import errno
import os
import shutil
from pathlib import Path

# A session stops before the very last bytes are gone, so that Dagster can still record why; and it is not started
# again until there is room for hours of it, else it would stop and start all day.
ROOM_TO_GO_ON = 20 * 2**20
ROOM_TO_START = 100 * 2**20

_ON = "it goes on by itself"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskError(OSError):
    """The disk does not take what must be written."""


class DiskFull(DiskError):
    """The disk is full; nothing half-written is visible."""


class DiskReadOnly(DiskError):
    """The disk takes no writing at all."""


def explained(error: OSError, target: Path, size: int) -> DiskError | None:
    """Return what a failed write means, in a message with the remedy; None if the disk is not to blame."""
    if error.errno in _FULL:
        return DiskFull(
            f"disk full: {target} ({size:,} bytes) was not written ({_free_text(target.parent)}); nothing half-written "
            "is visible. Free some space, then start again: the rest is intact"
        )
    if error.errno == errno.EROFS:
        return DiskReadOnly(
            f"disk read-only: {target} was not written. Mount it writable again (a disk with errors is often made "
            "read-only: see the system's log); what is stored is intact, and the next session goes on from it"
        )
    return None


def require_room(folder: Path) -> None:
    """Raise `DiskFull` when so little is free that only the record of stopping still fits."""
    free = shutil.disk_usage(folder).free
    if free < ROOM_TO_GO_ON:
        raise DiskFull(
            f"disk nearly full: {_megabytes(free)} free at {folder}, under {_megabytes(ROOM_TO_GO_ON)}; stopped before "
            f"a file could be cut short. Free some space: from {_megabytes(ROOM_TO_START)} on the session starts again "
            "by itself"
        )


def obstacle(folder: Path) -> str | None:
    """Return why no session may start on the folder's disk, None if nothing is in its way."""
    if not os.access(folder, os.W_OK):
        return (
            f"{folder} cannot be written (its disk is mounted read-only, or it is another user's): mend that, and {_ON}"
        )
    free = shutil.disk_usage(folder).free
    if free < ROOM_TO_START:
        return (
            f"the disk of {folder} has {_megabytes(free)} free, a session starts from {_megabytes(ROOM_TO_START)}: "
            f"make room, and {_ON}"
        )
    return None


def _free_text(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free:,} bytes free"
    except OSError:
        return "free space unknown"


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MB"
