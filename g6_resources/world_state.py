"""What the processes of one world leave for each other beside clock, lock and heartbeat.

Where a simulated world's simulator listens, the settings a demo was made with, and an operator's word that a cancelled
session may start again.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from g6_resources.files import read_json, write_json
from g6_resources.world import DataRoot


@dataclass(frozen=True, slots=True)
class Simulator:
    """Where a world's simulator listens, and the API key it knows."""

    url: str
    api_key: str


def own_settings(root: DataRoot) -> Path | None:
    """Return the settings file that this world was made with; None means the configuration file."""
    path = root.path / "g6_config.json"
    return path if path.is_file() else None


def first_date(root: DataRoot) -> date | None:
    """Return the first partition date that the world was made with, None if the settings decide."""
    text = read_json(root.world_file).get("first_date")
    return date.fromisoformat(text) if text else None


def write_simulator(root: DataRoot, simulator: Simulator) -> None:
    """Note where the simulator listens."""
    write_json(root.state / "simulator.json", {"url": simulator.url, "api_key": simulator.api_key})


def read_simulator(root: DataRoot) -> Simulator | None:
    """Return the simulator of a world, None where none was started (the live world never has one)."""
    try:
        content = read_json(root.state / "simulator.json")
    except FileNotFoundError:
        return None
    return Simulator(url=str(content["url"]), api_key=str(content["api_key"]))


def resume(root: DataRoot, day: date, at: datetime) -> None:
    """Note that an operator's cancel of a day's session made before `at` (system time) is over."""
    write_json(root.state / "resume.json", {"trade_date": day.isoformat(), "at": at.isoformat()}, durable=True)


def resumed_at(root: DataRoot, day: date) -> datetime | None:
    """Return when the day's session was last resumed by hand, aware; None if never."""
    try:
        content = read_json(root.state / "resume.json")
    except FileNotFoundError:
        return None
    return datetime.fromisoformat(content["at"]) if content["trade_date"] == day.isoformat() else None
