"""`g6 backup` and `g6 restore`: a copy of a world, made while it runs, and back."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from g6.errors import CommandError
from g6.runtime import console, open_world, settings_of
from g6_resources.alerts import Alert, AlertLog
from g6_resources.backup import BackupError, back_up, restore
from g6_resources.clock import SystemTime, clock_from
from g6_resources.resources import load_calendar
from g6_resources.warehouse import Warehouse
from g6_resources.world import make_root


def run_backup(folder: Path, world: str | None) -> None:
    """Copy what changed since the last time, check it, and say what the copy holds."""
    root, _ = open_world(world)
    try:
        with _told(folder):
            report = back_up(root, folder)
    except (BackupError, CommandError) as error:
        # Made by a timer at night it fails unseen, until the day it is needed.
        with suppress(OSError):
            day = clock_from(root).now().date()
            AlertLog(root.alerts_file).tell(Alert(SystemTime().now(), "backup failed", day, str(error)), once=False)
        raise
    console.print(
        f"{folder / root.world.folder}: {report.files} files copied ({report.bytes / 1e6:.1f} MB); it holds "
        f"{report.sealed_days} sealed days, checked, and {report.live_days} running",
        soft_wrap=True,
        highlight=False,
    )
    if folder.stat().st_dev == root.path.stat().st_dev:
        console.print(
            f"[yellow]{folder} lies on the disk of the original: this copy is lost with it. Is the other disk mounted?",
            soft_wrap=True,
            highlight=False,
        )


def run_restore(backup: Path) -> None:
    """Copy a backup into the data folder and make its views."""
    settings = settings_of()
    with _told(settings.data_path):
        restored = restore(backup, settings.data_path)
    root = make_root(settings.data_path, restored.world)
    generation = Warehouse(root, load_calendar(settings)).rebuild()
    console.print(
        f"{root.world.name} restored to {root.path}, views of generation {generation}; `g6 login` before it collects",
        soft_wrap=True,
        highlight=False,
    )


@contextmanager
def _told(target: Path) -> Generator[None]:
    """Turn what the system says of a disk into a message; what was copied stays, and the next run goes on there."""
    try:
        yield
    except OSError as error:
        raise CommandError(
            f"{error.filename or target}: {error.strerror or error}; see that {target} is there, that this user may "
            "write it and that it has room, then try again"
        ) from error
