"""What the session and the seal count, handed to the metrics process through two small files.

The session replaces its file once a snapshot, which costs it a fraction of a millisecond, and knows nothing of who
reads it. Its counts go on over attempts and days, since a counter that goes back looks like a restart. What the numbers
are called as metrics belongs to `metrics`.
"""

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from g6_resources.clock import SystemTime
from g6_resources.files import read_json, write_atomically

logger = logging.getLogger(__name__)

LATENCY_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, in seconds, by which times are counted."""

LONGER = "+Inf"
BOUND_NAMES = (*map(str, LATENCY_BOUNDS), LONGER)

Figures = dict[str, dict[str, float]]
"""Numbers by family, then by labels joined with a slash: `{"calls": {"quote/ok": 385}}`."""


@dataclass(slots=True)
class SessionFigures:
    """What the session attempts of a world have counted.

    Parameters
    ----------
    trade_date, attempt, run_id
        The last attempt.
    due
        Its last due instant that was dealt with, market time.
    stored_due, stored_at
        The last stored snapshot: its due instant (market time), and when that was by the system's time.
    legs
        Legs asked for and legs that came at `due`, by index.
    totals
        Counts since the world was made: see `metrics.METRICS`.
    """

    trade_date: date | None = None
    attempt: int = 0
    run_id: str = ""
    due: datetime | None = None
    stored_due: datetime | None = None
    stored_at: datetime | None = None
    legs: dict[str, tuple[int, int]] = field(default_factory=dict)
    totals: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SealFigures:
    """What the last seal did: its day, when it ended (system time) and how long it took."""

    trade_date: date
    ended_at: datetime
    seconds: float


class SessionCounter:
    """Counts for one session attempt and leaves the figures for others.

    Parameters
    ----------
    path
        `DataRoot.figures_file`; what it holds is counted on from.
    calls
        Returns what the broker's client has counted so far in this process.
    """

    def __init__(
        self,
        path: Path,
        *,
        trade_date: date,
        attempt: int,
        run_id: str,
        calls: Callable[[], Figures],
        system: SystemTime | None = None,
    ) -> None:
        self._path = path
        self._calls = calls
        self._system = system or SystemTime()
        self._figures = read_session(path) or SessionFigures()
        self._before = self._figures.totals
        self._counted: Figures = {}
        self._figures.trade_date, self._figures.attempt, self._figures.run_id = trade_date, attempt, run_id

    def count(self, due: datetime, rows: pd.DataFrame, *, stored: bool) -> None:
        """Count one due instant by its `snapshots` rows, and leave the figures."""
        figures = self._figures
        figures.due, figures.legs = due, _legs(rows)
        if stored:
            figures.stored_due, figures.stored_at = due, self._system.now()
        for underlying, outcome in _outcomes(rows).items():
            self._add("snapshots", f"{underlying}/{outcome}")
        arrived = float(rows["latency_ms"].max()) / 1000
        # The last snapshot of the day is asked before it is due: no latency.
        if arrived >= 0:
            self._add("latencies", BOUND_NAMES[bisect_left(LATENCY_BOUNDS, arrived)])
            self._add("latency_seconds", "", arrived)
        self.save()

    def sink_failed(self, sink: str) -> None:
        """Count a snapshot that a sink could not take; saved with the next one."""
        self._add("sink_errors", sink)

    def save(self) -> None:
        """Leave the figures as they are now."""
        self._figures.totals = added(added(self._before, self._counted), self._calls())
        try:
            write_atomically(self._path, orjson.dumps(self._figures))
        except OSError as error:
            # A full disk is the lake's to tell; a session never ends because nobody could count it.
            logger.warning("the figures for the metrics could not be left in %s: %s", self._path, error)

    def _add(self, family: str, labels: str, value: float = 1.0) -> None:
        counts = self._counted.setdefault(family, {})
        counts[labels] = counts.get(labels, 0.0) + value


def added(a: Figures, b: Figures) -> Figures:
    """Return the sum of two sets of figures."""
    return {family: _summed(a.get(family, {}), b.get(family, {})) for family in sorted({*a, *b})}


def read_session(path: Path) -> SessionFigures | None:
    """Return the session's figures; None if none ran, or what is there cannot be read."""
    content = _content(path)
    try:
        for name in ("due", "stored_due", "stored_at"):
            content[name] = datetime.fromisoformat(content[name]) if content[name] else None
        content["trade_date"] = date.fromisoformat(content["trade_date"])
        content["legs"] = {name: (int(asked), int(came)) for name, (asked, came) in content["legs"].items()}
        return SessionFigures(**content)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # a count that begins anew is no loss of data


def write_seal(path: Path, figures: SealFigures) -> None:
    """Leave the figures of a seal."""
    write_atomically(path, orjson.dumps(figures))


def read_seal(path: Path) -> SealFigures | None:
    """Return the figures of the last seal, None if there was none or what is there cannot be read."""
    content = _content(path)
    try:
        content["trade_date"] = date.fromisoformat(content["trade_date"])
        content["ended_at"] = datetime.fromisoformat(content["ended_at"])
        return SealFigures(**content)
    except (ValueError, KeyError, TypeError):
        return None


def _content(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (FileNotFoundError, ValueError):
        return {}


def _summed(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    return {labels: a.get(labels, 0.0) + b.get(labels, 0.0) for labels in sorted({*a, *b})}


def _legs(rows: pd.DataFrame) -> dict[str, tuple[int, int]]:
    legs: dict[str, tuple[int, int]] = {}
    for name, asked, came in _lists(rows, "underlying", "requested", "returned"):
        before = legs.get(name, (0, 0))
        legs[name] = (before[0] + int(asked), before[1] + int(came))
    return legs


def _outcomes(rows: pd.DataFrame) -> dict[str, str]:
    """Return one outcome for each index: partial as soon as its chains differ."""
    seen: dict[str, set[str]] = {}
    for name, outcome in _lists(rows, "underlying", "outcome"):
        seen.setdefault(str(name), set()).add(str(outcome))
    return {name: outcomes.pop() if len(outcomes) == 1 else "partial" for name, outcomes in seen.items()}


def _lists(rows: pd.DataFrame, *names: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(rows[name].tolist() for name in names), strict=True)
