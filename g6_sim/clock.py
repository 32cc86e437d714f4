"""Simulated time: driven by whoever runs the day, or the system's time moved by a fixed amount.

Everything the simulator does (prices, rate limits, faults, the log) counts in this time and no other. G6's own clocks
live in `g6_resources`.
"""

from datetime import datetime, timedelta

from g6_market.calendar import IST


class ClockError(ValueError):
    """A clock was asked for what its mode does not allow."""


class SimClock:
    """The simulator's clock.

    Parameters
    ----------
    start
        Aware first instant of a driven clock; None makes a shifted clock, which runs by itself.
    shift
        What a shifted clock adds to the system's time.
    """

    def __init__(self, start: datetime | None, shift: timedelta = timedelta(0)) -> None:
        self._now = None if start is None else _in_ist(start)
        self._shift = shift

    @property
    def driven(self) -> bool:
        """Whether the time stands still between calls of `set`."""
        return self._now is not None

    def now(self) -> datetime:
        """Return the simulated instant, aware, in IST."""
        return self._now if self._now is not None else datetime.now(IST) + self._shift

    def set(self, now: datetime) -> datetime:
        """Move a driven clock to an aware instant, forwards or back, and return it in IST.

        Raises
        ------
        ClockError
            If the clock is a shifted one, or the instant has no zone.
        """
        if self._now is None:
            raise ClockError("this simulator runs on a shifted clock, which nobody sets; start it in mode 'driven'")
        self._now = _in_ist(now)
        return self._now


def _in_ist(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ClockError(f"instant {instant.isoformat()} has no zone; write it like 2026-11-20T09:16:00+05:30")
    return instant.astimezone(IST)
