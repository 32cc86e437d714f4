"""What a session tells: events while it runs, counts when it has ended."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from g6_assets.capture.snapshot import Taken
from g6_market.day import TradingDay


class SessionEvents(Protocol):
    """What the loop tells its caller."""

    def day_opened(self, day: TradingDay, *, written: bool) -> None:
        """Instruments, expiries and conventions are at hand; `written` if they were made now."""
        ...

    def reference_stored(self, rows: int, at: datetime) -> None:
        """The reference sweep is stored."""
        ...

    def taken(self, taken: Taken) -> None:
        """One due instant was dealt with."""
        ...

    def state_changed(self, state: str, detail: str) -> None:
        """The session entered another state: opening, waiting, capturing, late, token dead, rate limited, ended."""
        ...


@dataclass
class SessionReport:
    """Counts of one session attempt."""

    due: int = 0
    stored: int = 0
    failed: int = 0
    stale: int = 0
    passed_over: int = 0
    already: int = 0
    sink_errors: dict[str, int] = field(default_factory=dict)

    @property
    def nothing_due(self) -> bool:
        """Whether no instant was left to capture."""
        return self.stored + self.failed + self.stale == 0 and self.already + self.passed_over == self.due
