"""Why a snapshot may be missing: the causes that were really injected at its instant, and no others. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from g6.chaos.history import History
from g6.chaos.script import Script, Window, lasting, window_of
from g6.chaos.world import Size

DOWN = "process down"

_CAUSES: Mapping[str, tuple[str, ...]] = {
    "rate_limit": ("rate limited",),
    "server_error": ("server error", "bad answer"),  # the client takes a 502 for an answer that it cannot read
    "html": ("bad answer",),
    "reset": ("network",),
    "slow": ("network",),
    "absent": ("absent in answer", "bad answer"),
    "stale": ("stale",),
}
# Retries pause up to 8 s, half as long again by chance: a fault that ends earlier before the deadline is outlived.
_LAST_PAUSE = timedelta(seconds=14)
# So many passing failures in a row still fit into the retries of one call, by the length of the interval.
_OUTLIVED = {300: 5, 60: 3}
_POLL = timedelta(seconds=15)
_CALLS = timedelta(seconds=10)
LEAD = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Reasons:
    """The injected reasons of one day."""

    script: Script
    size: Size
    history: History

    def asked_within(self, due: datetime) -> Window:
        """Return when a snapshot is asked for: from its due time until its retries end; the last one before."""
        step = timedelta(seconds=self.size.interval_seconds)
        if due + step > self.script.session.close:
            return Window(due - LEAD - _CALLS, due)
        return Window(due, min(due + step * 0.25 + _CALLS, due + step))

    def down(self, due: datetime) -> bool:
        """Whether no attempt captured from before the instant until after its retries."""
        asked = self.asked_within(due)
        return not any(
            capturing.start <= asked.start and (capturing.end > asked.end or attempt.outcome.well)
            for attempt in self.history.attempts
            if (capturing := attempt.capturing) is not None
        )

    def causes(self, due: datetime) -> set[str]:
        """Return the causes that a row of this instant may name."""
        asked = self.asked_within(due)
        found = {cause for fault in self.script.broker for cause in self._of_fault(fault, asked, passing=False)}
        if found:
            # The last of several failures names the cause, and that may be a passing one.
            found |= {cause for fault in self.script.broker for cause in self._of_fault(fault, asked, passing=True)}
        for death in self.script.token_deaths:
            if Window(death.at, death.login_at + _POLL).meets(asked.start, asked.end):
                found.add("token dead")
        if self._died_within(asked):
            # What became of the calls of a snapshot that died is not known.
            found |= {"interrupted", "absent in answer"}
        if self._was_busy(due, asked) or self._opened_within(asked):
            found.add("late")
        if any(jump.seconds < 0 for jump in self.script.jumps):
            found.add("stale")  # the time that is lived through twice has old stamps
        return found

    def frozen_at(self, received: datetime) -> set[datetime]:
        """Return the instants at which a stale broker may have frozen what it sent at `received`."""
        return {
            window_of(fault).start
            for fault in self.script.broker
            if fault["kind"] == "stale" and window_of(fault).holds(received)
        }

    def _of_fault(self, fault: Mapping[str, Any], asked: Window, *, passing: bool) -> tuple[str, ...]:
        window = window_of(fault)
        if fault["kind"] not in _CAUSES or not window.meets(asked.start, asked.end):
            return ()
        if str(fault.get("match", "")) in ("/instruments", "/user/profile"):
            return ()
        if fault["kind"] in ("absent", "stale"):
            return _CAUSES[fault["kind"]]
        # Each passing failure that comes on top takes a pause of its own.
        outlived = window.end < asked.end - _CALLS - (1 + self._passing(asked)) * _LAST_PAUSE
        if not lasting(fault):
            outlived = not passing and self._passing(asked) <= _OUTLIVED[self.size.interval_seconds]
        return () if outlived else _CAUSES[fault["kind"]]

    def _passing(self, asked: Window) -> int:
        faults = (fault for fault in self.script.broker if not lasting(fault))
        return sum(fault["count"] for fault in faults if window_of(fault).meets(asked.start, asked.end))

    def _died_within(self, asked: Window) -> bool:
        return any(asked.start <= attempt.ended <= asked.end + _CALLS for attempt in self.history.attempts)

    def _opened_within(self, asked: Window) -> bool:
        capturing = (attempt.capturing for attempt in self.history.attempts)
        return any(window is not None and asked.holds(window.start) for window in capturing)

    def _was_busy(self, due: datetime, asked: Window) -> bool:
        step = timedelta(seconds=self.size.interval_seconds)
        if any(slow.window.meets(due - 2 * step, asked.end) for slow in self.script.slow_disk):
            return True
        for jump in self.script.jumps:
            if jump.seconds > 0 and jump.at <= asked.end and jump.at + timedelta(seconds=jump.seconds) >= due - step:
                return True
        return False
