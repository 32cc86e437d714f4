"""`g6 backup` and `g6 restore`: a copy of a world, made while it runs, and back."""

from pathlib import Path

from g6.runtime import console, open_world, settings_of
from g6_resources.backup import back_up, restore
from g6_resources.resources import load_calendar
from g6_resources.warehouse import Warehouse
from g6_resources.world import make_root


def run_backup(folder: Path, world: str | None) -> None:
    """Copy what changed since the last time, check it, and say what the copy holds."""
    root, _ = open_world(world)
    report = back_up(root, folder)
    console.print(
        f"{folder / root.world.folder}: {report.files} files copied ({report.bytes / 1e6:.1f} MB); it holds "
        f"{report.sealed_days} sealed days, checked, and {report.live_days} running",
        soft_wrap=True,
        highlight=False,
    )


def run_restore(backup: Path) -> None:
    """Copy a backup into the data folder and make its views."""
    settings = settings_of()
    restored = restore(backup, settings.data_path)
    root = make_root(settings.data_path, restored.world)
    generation = Warehouse(root, load_calendar(settings)).rebuild()
    console.print(
        f"{root.world.name} restored to {root.path}, views of generation {generation}; `g6 login` before it collects",
        soft_wrap=True,
        highlight=False,
    )
