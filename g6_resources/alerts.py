"""What an operator must hear of, kept with the world: one line an alert, told once a day and kind.

Written by whoever notices (a failed run, a dead token); `g6 status` shows the latest. Sending them on belongs to
`notify`.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

KEPT = 500


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Parameters
    ----------
    at
        System time, aware IST.
    kind
        What sort: "token dead", "run failed", ...
    trade_date
        The day it is about.
    text
        What happened and what to do.
    """

    at: datetime
    kind: str
    trade_date: date
    text: str


class AlertLog:
    """The alerts of a world.

    Parameters
    ----------
    path
        File of JSON lines; made when the first alert is told.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def tell(self, alert: Alert, *, once: bool = True) -> bool:
        """Keep an alert; return whether it was new.

        Parameters
        ----------
        once
            Leave it out if one of its kind was told for its day already.
        """
        known = self.recent(KEPT)
        if once and any((one.kind, one.trade_date) == (alert.kind, alert.trade_date) for one in known):
            return False
        line = json.dumps(asdict(alert), default=lambda value: value.isoformat()) + "\n"
        # One write of a whole line: two processes that tell at once cannot tear each other's.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
        return True

    def recent(self, most: int = 5) -> list[Alert]:
        """Return the latest alerts, oldest first; a line that cannot be read is passed over."""
        if not self._path.is_file():
            return []
        return _alerts_of(self._path.read_text(encoding="utf-8").splitlines()[-most:])

    def size(self) -> int:
        """Return the place behind the last alert, for `since`."""
        return self._path.stat().st_size if self._path.is_file() else 0

    def since(self, place: int) -> tuple[list[Alert], int]:
        """Return the alerts told since a place, and the place behind them; a log that was cut is read anew."""
        if not self._path.is_file():
            return [], 0
        with self._path.open("rb") as file:
            file.seek(place if place <= self.size() else 0)
            told = file.read()
            # The last line may be half-written yet.
            whole = told[: told.rfind(b"\n") + 1]
            return _alerts_of(whole.decode().splitlines()), file.tell() - len(told) + len(whole)


def _alerts_of(lines: Iterable[str]) -> list[Alert]:
    alerts: list[Alert] = []
    for line in lines:
        try:
            fields = json.loads(line)
            alerts.append(
                Alert(
                    datetime.fromisoformat(fields["at"]),
                    str(fields["kind"]),
                    date.fromisoformat(fields["trade_date"]),
                    str(fields["text"]),
                )
            )
        except (ValueError, KeyError, TypeError):
            continue
    return alerts
