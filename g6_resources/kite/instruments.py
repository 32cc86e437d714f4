"""The daily instruments dump on disk: validated before it is kept, fresh for six hours, never across a morning.

What the rows mean belongs to `g6_market.instruments`; fetching them to `client`.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

from g6_market.calendar import IST
from g6_resources.files import write_atomically
from g6_resources.kite.failures import BadAnswer

COLUMNS = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
"""Columns of Kite's dump."""

NEW_DUMP_AT = time(8, 0)
"""A dump fetched before this is yesterday's: Kite makes the day's dump before about 08:30 IST."""

_STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, slots=True)
class CachedDump:
    """A dump on disk.

    Parameters
    ----------
    path
        The file, named by exchange and market time of fetching.
    fetched_at
        That time, aware IST.
    """

    path: Path
    fetched_at: datetime

    def is_fresh(self, now: datetime, max_age: timedelta) -> bool:
        """Tell whether the dump may be used without asking again: by its age, and never past the next 08:00."""
        morning = datetime.combine(now.date(), NEW_DUMP_AT, IST)
        newest_dump_at = morning if now >= morning else morning - timedelta(days=1)
        return newest_dump_at <= self.fetched_at <= now < self.fetched_at + max_age

    def rows(self) -> int:
        """Return the number of instruments."""
        return count_rows(self.path.read_bytes())


class InstrumentCache:
    """Dumps by exchange, one file each: restarts keep them, and a reader never sees half of one.

    Parameters
    ----------
    folder
        The world's cache folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, exchange: str) -> CachedDump | None:
        """Return the newest dump of an exchange, fresh or not."""
        dumps = sorted(self._folder.glob(f"instruments-{exchange}-*.csv"))
        if not dumps:
            return None
        stamp = dumps[-1].stem.rpartition("-")[2]
        return CachedDump(dumps[-1], datetime.strptime(stamp, _STAMP).replace(tzinfo=IST))

    def put(self, exchange: str, dump: bytes, fetched_at: datetime) -> None:
        """Keep a validated dump instead of the older ones."""
        path = self._folder / f"instruments-{exchange}-{fetched_at.astimezone(IST):{_STAMP}}.csv"
        # Durable: one torn by a power cut would be taken for the day's, and no session could open the day.
        write_atomically(path, dump, durable=True, mode=0o644)
        for older in self._folder.glob(f"instruments-{exchange}-*.csv"):
            if older != path:
                older.unlink(missing_ok=True)


def count_rows(dump: bytes) -> int:
    """Return the number of lines below the header."""
    return max(len(dump.rstrip().splitlines()) - 1, 0)


def validate_dump(dump: bytes, exchange: str, previous: CachedDump | None) -> None:
    """Refuse a dump that is empty, truncated or no dump.

    Raises
    ------
    BadAnswer
        If the header is not Kite's, there are no rows, the last line is incomplete, or there are less than half of the
        previous dump's rows.
    """
    lines = dump.rstrip().splitlines()
    header = lines[0].decode("utf-8", "replace").split(",") if lines else []
    absent = [column for column in COLUMNS if column not in header]
    if absent:
        raise BadAnswer(f"the {exchange} instruments dump lacks the columns {', '.join(absent)}")
    rows = len(lines) - 1
    if rows == 0:
        raise BadAnswer(f"the {exchange} instruments dump is empty: a header and no rows")
    last = lines[-1].decode("utf-8", "replace").split(",")
    if len(last) != len(header) or last[header.index("exchange")] != exchange:
        raise BadAnswer(f"the {exchange} instruments dump is truncated: its last line (of {rows}) is incomplete")
    before = previous.rows() if previous else 0
    if previous and rows * 2 < before:
        raise BadAnswer(
            f"the {exchange} instruments dump is truncated: {rows} rows, {before} in the one before. If that is right, "
            f"delete {previous.path}"
        )
