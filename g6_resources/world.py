"""Worlds and their data roots: which files belong to live data, which to a simulation or a replay.

A data root holds one world, named in its `world.json`; everything of that world lies under it, so that a demo can never
touch real data. What is in the folders belongs to the lake, the warehouse and the modules that own the files.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

from g6_resources.files import read_json, write_json

PROJECT = Path(__file__).resolve().parent.parent
WORLD_FILE = "world.json"

_NAME = re.compile(r"live|sim:[A-Za-z0-9][\w.-]{0,63}|replay:[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


class WorldError(ValueError):
    """A data root is missing, unreadable, or holds another world than the one asked for."""


@dataclass(frozen=True, slots=True)
class World:
    """Which market the data comes from.

    Parameters
    ----------
    name
        "live", "sim:<seed>" or "replay:<data set>".

    Raises
    ------
    WorldError
        For any other name.
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise WorldError(
                f"world {self.name!r} is not a world's name; use live, sim:<seed> such as sim:42, or replay:<data set> "
                "such as replay:nse-2025-08 (letters, digits, '.', '_' and '-', at most 64)"
            )

    @property
    def kind(self) -> Literal["live", "sim", "replay"]:
        """What sort of market it is."""
        return cast(Literal["live", "sim", "replay"], self.name.split(":")[0])

    @property
    def folder(self) -> str:
        """Name of its folder inside the data folder: "live", "sim-42", "replay-nse-2025-08"."""
        return self.name.replace(":", "-")


@dataclass(frozen=True, slots=True)
class DataRoot:
    """The folder of one world, and where things lie in it.

    Parameters
    ----------
    path
        Absolute path of the folder.
    world
        The world it holds.
    """

    path: Path
    world: World

    @property
    def lake(self) -> Path:
        """Parquet files, the truth."""
        return self.path / "lake"

    @property
    def warehouse(self) -> Path:
        """DuckDB file of views and macros."""
        return self.path / "g6.duckdb"

    @property
    def generations(self) -> Path:
        """Zero-row files by which an outdated warehouse handle notices that it is one."""
        return self.path / "generations"

    @property
    def current(self) -> Path:
        """The latest option chain."""
        return self.path / "current"

    @property
    def state(self) -> Path:
        """What the running processes know of each other: heartbeat, lock, limiter, token."""
        return self.path / "state"

    @property
    def cache(self) -> Path:
        """What can be fetched again."""
        return self.path / "cache"

    @property
    def csv(self) -> Path:
        """Default base of the CSV files; the settings move the live world's, see `Settings.csv_base`."""
        return self.path.parent / "g6_data" if self.world.kind == "live" else self.path / "csv"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage and the link to the project's dagster.yaml."""
        return self.path / "dagster"

    @property
    def world_file(self) -> Path:
        """Which world this is."""
        return self.path / WORLD_FILE

    @property
    def clock_file(self) -> Path:
        """State of the world's market clock; none means the system's time."""
        return self.path / "clock.json"

    @property
    def token_file(self) -> Path:
        """Session token of the broker."""
        return self.state / "kite_token.json"

    @property
    def heartbeat_file(self) -> Path:
        """Heartbeat of the session."""
        return self.state / "heartbeat.json"

    @property
    def lock_file(self) -> Path:
        """Owner of the session."""
        return self.state / "session_lock.json"

    @property
    def alerts_file(self) -> Path:
        """What an operator must hear of."""
        return self.state / "alerts.jsonl"

    @property
    def notified_file(self) -> Path:
        """Which alerts were sent."""
        return self.state / "notified.json"

    @property
    def session_state_file(self) -> Path:
        """What a relaunched session takes over from the one before."""
        return self.state / "session.json"

    @property
    def figures_file(self) -> Path:
        """What the session counted, for the metrics."""
        return self.state / "figures.json"

    @property
    def seal_figures_file(self) -> Path:
        """What the last seal took, for the metrics."""
        return self.state / "seal_figures.json"

    @property
    def tick_file(self) -> Path:
        """Touched by the session sensor at each tick: proof that Dagster's daemon lives."""
        return self.state / "sensor_tick"

    @property
    def spool(self) -> Path:
        """What sinks could not deliver yet, a folder each."""
        return self.state / "spool"

    @property
    def logs(self) -> Path:
        """JSON lines of the session and of other runs."""
        return self.path / "logs"

    def lake_address(self) -> dict[str, Any] | None:
        """Return url, endpoint and region of the object store that holds the lake; None: it is on this disk."""
        return _read_world(self.path).get("lake") if self.world_file.exists() else None

    def made_at(self) -> datetime:
        """Return when the root was made (system time, aware); its date is the installation's."""
        return datetime.fromisoformat(_read_world(self.path)["made_at"])


def make_root(data_dir: Path, world: World | str, **extra: Any) -> DataRoot:
    """Make a world's data root, or take the one that is there.

    Parameters
    ----------
    data_dir
        Folder that holds the worlds.
    extra
        Further facts for `world.json`, as JSON values. `clock` (see `clock.write_clock`) also sets the world's clock;
        `lake` says on which object store the lake is and holds for good.

    Raises
    ------
    WorldError
        If the folder holds another world, or its `world.json` cannot be read.
    LakeError
        If the object store of a new world's lake will not do; nothing is made then.
    """
    from g6_resources.clock import SystemTime  # readers of a root need no calendar, hence no PyYAML

    world = world if isinstance(world, World) else World(world)
    root = DataRoot((data_dir / world.folder).absolute(), world)
    known: dict[str, Any] = {}
    if root.world_file.exists():
        known = _read_world(root.path)
        if known["world"] != world.name:
            raise _other_world(root.path, known["world"], world.name)
        if "lake" in extra and extra["lake"] != known.get("lake"):
            raise _other_lake(root.path, known.get("lake"), extra["lake"])
    elif extra.get("lake"):
        from g6_resources.lake_open import check_store

        check_store(extra["lake"], world.folder)
    root.path.mkdir(parents=True, exist_ok=True)
    root.state.mkdir(mode=0o700, exist_ok=True)
    for folder in (root.lake, root.generations, root.current, root.cache, root.dagster_home):
        folder.mkdir(exist_ok=True)
    wanted = {"world": world.name, "made_at": SystemTime().now().isoformat()} | known | extra
    if wanted != known:
        write_json(root.world_file, wanted, durable=True, mode=0o644)
    if "clock" in extra:
        write_json(root.clock_file, extra["clock"], mode=0o644)
    _link_dagster_yaml(root)
    return root


def open_root(path: Path) -> DataRoot:
    """Return the data root at a path.

    Raises
    ------
    WorldError
        If there is none, or its `world.json` cannot be read.
    """
    path = path.absolute()
    return DataRoot(path, World(_read_world(path)["world"]))


def find_root(data_dir: Path, world: str | None = None) -> DataRoot:
    """Return the root of a world, or without a name the live one, else the newest made.

    Raises
    ------
    WorldError
        If there is no such world, naming the commands that make one.
    """
    if world is not None:
        path = data_dir / World(world).folder
        if not (path / WORLD_FILE).is_file():
            raise WorldError(f"there is no world {world!r} in {data_dir.absolute()}; {_worlds_here(data_dir)}")
        root = open_root(path)
        if root.world.name != world:
            raise _other_world(root.path, root.world.name, world)
        return root
    roots = [open_root(file.parent) for file in sorted(data_dir.glob(f"*/{WORLD_FILE}"))]
    if not roots:
        raise WorldError(
            f"there is no data in {data_dir.absolute()} yet; run `make demo` for a simulated day, or `g6 login` to "
            "collect the live market"
        )
    return max(roots, key=lambda root: (root.world.kind == "live", root.made_at()))


def _other_world(path: Path, holds: str, asked: str) -> WorldError:
    return WorldError(
        f"{path} holds the world {holds!r}, not {asked!r}; a data root holds one world. "
        "Choose another data_dir, or move that folder away"
    )


def _other_lake(path: Path, holds: dict[str, Any] | None, asked: dict[str, Any] | None) -> WorldError:
    old, new = (lake["url"] if lake else "its own disk" for lake in (holds, asked))
    return WorldError(
        f"{path} was made with its lake on {old}, the settings (storage.lake) say {new}; a world's lake does not move "
        f'by itself. Copy it there and change "lake" in {WORLD_FILE}, or set storage.lake back'
    )


def _worlds_here(data_dir: Path) -> str:
    names = sorted(_read_world(file.parent)["world"] for file in data_dir.glob(f"*/{WORLD_FILE}"))
    if names:
        return f"use one of: {', '.join(names)}"
    return "run `make demo` for a simulated day, or `g6 login` to collect the live market"


def _read_world(path: Path) -> dict[str, Any]:
    file = path / WORLD_FILE
    try:
        known = read_json(file)
        World(str(known["world"]))
        datetime.fromisoformat(known["made_at"])
    except FileNotFoundError as error:
        raise WorldError(
            f"{path} is no data root: it has no {WORLD_FILE}; `make demo` and `g6 login` make one"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise WorldError(
            f'{file} cannot be read ({error}); it must hold {{"world": .., "made_at": ISO instant}}: restore it before '
            "anything writes into this folder"
        ) from error
    return known


def _link_dagster_yaml(root: DataRoot) -> None:
    source = PROJECT / "dagster.yaml"
    link = root.dagster_home / "dagster.yaml"
    # A file of the user's own is left alone; a link into a project that has moved is renewed.
    if not source.is_file() or (link.exists() and not link.is_symlink()):
        return
    if link.is_symlink():
        if link.readlink() == source:
            return
        link.unlink()
    try:
        link.symlink_to(source)
    except OSError:  # a file system without links
        link.write_bytes(source.read_bytes())
