"""Kite's rate limits, judged in simulated time, and the log that proves them kept."""

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Family = Literal["quote", "historical", "other"]
"""Endpoints that share a limit."""

LIMITS: dict[str, int] = {"quote": 1, "historical": 3, "other": 10}
"""Requests a second per API key (Kite's staff, April 2026)."""

# A client that waits exactly a second may arrive a little early by the server's clock.
_WINDOW = timedelta(seconds=0.95)


class RateLimits:
    """Counts the requests of one API key."""

    def __init__(self) -> None:
        self._served: dict[str, deque[datetime]] = {family: deque() for family in LIMITS}

    def allows(self, family: Family, now: datetime) -> bool:
        """Count a request, unless it is one too many within the second before."""
        served = self._served[family]
        # A driven clock may be set back; what lies ahead of it never happened.
        recent = deque(at for at in served if now - _WINDOW < at <= now)
        self._served[family] = recent
        if len(recent) >= LIMITS[family]:
            return False
        recent.append(now)
        return True


@dataclass(frozen=True, slots=True)
class Served:
    """One request as the log tells it: path, simulated instant, HTTP status (0: reset), symbols asked, fault."""

    path: str
    family: Family
    at: str
    status: int
    symbols: int
    fault: str | None


class RequestLog:
    """The requests served, oldest first; the latest hundred thousand."""

    def __init__(self) -> None:
        self._entries: deque[Served] = deque(maxlen=100_000)

    def add(self, entry: Served) -> None:
        """Append a request."""
        self._entries.append(entry)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def rows(self) -> list[dict[str, Any]]:
        """Return the requests as dictionaries."""
        return [asdict(entry) for entry in self._entries]
