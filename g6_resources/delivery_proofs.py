"""What is known of the delivery of each sealed day to a sink's server: proven, or failed how often and when."""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from g6_resources.files import read_json, write_json

LONGEST_WAIT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of the last try for one seal of a day.

    Parameters
    ----------
    sealed_at
        Which seal it was, as its record says.
    failures
        Tries in a row that failed; 0 once it is proven.
    at
        When (system time, aware).
    """

    sealed_at: str
    failures: int
    at: datetime

    def settles(self, sealed_at: str, now: datetime) -> bool:
        """Whether nothing is to be done now: proven, or failed too lately for another try.

        The wait doubles from one hour to a week, so that what only an operator can mend makes no noise.
        """
        if self.sealed_at != sealed_at:
            return False
        return not self.failures or now < self.at + min(timedelta(hours=2 ** min(self.failures - 1, 8)), LONGEST_WAIT)


class ProofFiles:
    """One small file a day in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, day: date) -> Proof | None:
        """Return what is known of a day, None if nothing or nothing legible is."""
        try:
            content = read_json(self._file(day))
            return Proof(str(content["sealed_at"]), int(content["failures"]), datetime.fromisoformat(content["at"]))
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return None

    def write(self, day: date, sealed_at: str, now: datetime, *, proven: bool) -> None:
        """Note the outcome of a try."""
        before = self.read(day)
        failed = before.failures if before is not None and before.sealed_at == sealed_at else 0
        self._folder.mkdir(parents=True, exist_ok=True)
        proof = Proof(sealed_at, 0 if proven else failed + 1, now)
        write_json(self._file(day), asdict(proof) | {"at": now.isoformat()})

    def _file(self, day: date) -> Path:
        return self._folder / f"{day}.json"
