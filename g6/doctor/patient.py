"""What is examined, and what a finding is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from g6_market.calendar import Session, TradingCalendar
from g6_resources.clock import DrivenClock, SystemTime, clock_from
from g6_resources.settings import Settings
from g6_resources.world import DataRoot
from g6_resources.world_state import read_simulator


class Status(StrEnum):
    """How it stands: `warn` can wait for a person, `fail` means that data are lost or not to be had."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination.

    Parameters
    ----------
    remedy
        What to do; empty where there is nothing to do.
    """

    check: str
    status: Status
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """An installation: its settings, and a world where there is one."""

    settings: Settings
    calendar: TradingCalendar
    root: DataRoot | None
    system: SystemTime

    @property
    def now(self) -> datetime:
        """Market time; the system's while there is no world."""
        return clock_from(self.root).now() if self.root else self.system.now()

    @property
    def api_key(self) -> str | None:
        """The key with which this world's broker is asked: the environment's, or its simulator's; None if unknown."""
        if self.root is not None and not self.is_live:
            simulator = read_simulator(self.root)
            return simulator.api_key if simulator else None
        key = self.settings.secrets.kite_api_key
        return key.get_secret_value() if key else None

    @property
    def is_live(self) -> bool:
        """Whether the world is the live one."""
        return self.root is not None and self.root.world.kind == "live"

    @property
    def is_demo(self) -> bool:
        """Whether nothing runs by itself in this world."""
        return self.root is not None and isinstance(clock_from(self.root), DrivenClock)

    @property
    def in_session(self) -> bool:
        """Whether the market is open."""
        today = self.calendar.on(self.now.date())
        return isinstance(today, Session) and today.open <= self.now < today.close


def ok(check: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, Status.OK, text)


def warn(check: str, text: str, remedy: str) -> Finding:
    """Return a finding that can wait."""
    return Finding(check, Status.WARN, text, remedy)


def fail(check: str, text: str, remedy: str) -> Finding:
    """Return a finding that cannot."""
    return Finding(check, Status.FAIL, text, remedy)


def skip(check: str, text: str) -> Finding:
    """Return that a check does not apply."""
    return Finding(check, Status.SKIP, text)
