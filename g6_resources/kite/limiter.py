"""The rate limiter: one per API key, for all processes of a world together.

Kite counts calls per key and second, by kind of call; going over it repeatedly can get the app blocked for longer. What
kind a call is of, and what to do about a 429 all the same, belongs to `client`.
"""

import fcntl
import hashlib
import json
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

from g6_resources.clock import Beat, MarketClock
from g6_resources.files import private
from g6_resources.seams import SourceError

WINDOW = timedelta(seconds=1)
# Two calls do not take equally long to arrive, and the server's seconds are the ones that count.
MARGIN = timedelta(milliseconds=20)


def key_mark(api_key: str) -> str:
    """Return what stands for an API key in names and files of the state folder: never the key itself."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:16]


class Limiter:
    """Lets at most a given number of calls go in any second of the market clock's time.

    Parameters
    ----------
    folder
        The world's state folder, shared by its processes.
    api_key
        Whose limits they are.
    limits
        Whole calls a second by family ("quote", "historical", "other"), from 1; fractions are cut off.
    clock
        The market's clock, so that a driven day keeps the same limits.
    """

    def __init__(self, folder: Path, api_key: str, limits: Mapping[str, float], clock: MarketClock) -> None:
        self._files = {family: folder / f"limiter-{key_mark(api_key)}-{family}.json" for family in limits}
        self._limits = {family: int(limit) for family, limit in limits.items()}
        self._clock = clock
        self._written = {family: deque[datetime](maxlen=limit) for family, limit in self._limits.items()}
        self.waits: Counter[str] = Counter()
        """Calls of this process that had to wait, by family."""
        self.waited_seconds: defaultdict[str, float] = defaultdict(float)
        """Market time they waited, by family."""

    def acquire(self, family: str, *, deadline: datetime | None = None, beat: Beat | None = None) -> None:
        """Return when a call of the family may go, and count it.

        Parameters
        ----------
        deadline
            Market time after which the call would be of no use.
        beat
            Called while waiting.

        Raises
        ------
        SourceError
            If no call may go before the deadline: "rate limited" if another process uses this key, "late" if only
            calls of this one are in the way, so that it asked too late for all that it wanted.
        """
        asked_at = None
        while (free_at := self._take(family)) is not None:
            if deadline is not None and free_at > deadline:
                mine = self._is_mine(family, free_at)
                blame = "it was asked too late, or more is asked than the interval holds"
                raise SourceError(
                    f"the {family} limit of {self._limits[family]} calls a second leaves none before "
                    f"{deadline:%H:%M:%S}; {blame if mine else 'another process uses this API key'}",
                    "late" if mine else "rate limited",
                )
            asked_at = asked_at or self._clock.now()
            self._clock.wait_until(free_at, beat)
        if asked_at is not None:
            self.waits[family] += 1
            self.waited_seconds[family] += (self._clock.now() - asked_at).total_seconds()

    def _take(self, family: str) -> datetime | None:
        """Count a call now and return None, or return when to ask again."""
        limit = self._limits[family]
        with open(self._files[family], "a+", encoding="ascii", opener=private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            now = self._clock.now()
            calls = _recent_calls(file, now)
            if calls is None:
                # Its writer was killed half-way: assume the worst, that all its calls went just now.
                calls = [now] * limit
                self._written[family].append(now)
            free_at = calls[-limit] + WINDOW + MARGIN if len(calls) >= limit else now
            if free_at <= now:
                calls = [*calls, now][-limit:]
                self._written[family].append(now)
            # Also when the call must wait: what was repaired must not be repaired again at a later instant.
            file.seek(0)
            file.truncate()
            file.write(json.dumps([call.isoformat() for call in calls]))
        return free_at if free_at > now else None

    def _is_mine(self, family: str, free_at: datetime) -> bool:
        """Whether the call that uses up the limit until `free_at` is this process's own, or one it had to assume."""
        return free_at - WINDOW - MARGIN in self._written[family]


def _recent_calls(file: TextIO, now: datetime) -> list[datetime] | None:
    file.seek(0)
    text = file.read()
    if not text:
        return []
    try:
        calls = [datetime.fromisoformat(call) for call in json.loads(text)]
    except ValueError:
        return None
    # A stamp from the future is from before the clock was set back, or from a later simulated day.
    return sorted(min(call, now) for call in calls)
