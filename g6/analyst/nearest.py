"""Why a question had no rows: what was asked for that is not stored, and the nearest that is.

Only asked after an answer without rows, so a good question costs nothing more.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from g6.analyst.words import nearest
from g6_market.indices import FRONT

Rows = Callable[[str, Any], list[tuple[Any, ...]]]


def why_no_rows(
    rows: Rows, day: date, index: str | None = None, tag: str | None = None, instant: datetime | None = None
) -> str | None:
    """Return a sentence, or None when all that was asked for is stored.

    Parameters
    ----------
    rows
        Runs a query.
    day, index, tag, instant
        What was asked for, as the macros take it.
    """
    return (
        (_index(rows, index) if index else None)
        or _day(rows, index, day)
        or (_expiry(rows, index, day, tag) if index and tag else None)
        or (_instant(rows, index, instant) if index and instant else None)
    )


def _index(rows: Rows, index: str) -> str | None:
    stored = [name for (name,) in rows("SELECT DISTINCT underlying FROM stored_days ORDER BY 1", None)]
    if index in stored:
        return None
    return f"index {index!r} is not stored{nearest(index, stored)}; stored: {', '.join(stored) or 'nothing yet'}"


def _day(rows: Rows, index: str | None, day: date) -> str | None:
    found = rows(
        "SELECT DISTINCT trade_date FROM stored_days WHERE $index IS NULL OR underlying = $index "
        "ORDER BY abs(trade_date - $day), trade_date LIMIT 2",
        {"index": index, "day": day},
    )
    days = [near for (near,) in found]
    if day in days:
        return None
    return f"there is no data{f' of {index}' if index else ''} on {day:%a %Y-%m-%d}; {_nearest_days(days)}"


def _expiry(rows: Rows, index: str, day: date, tag: str) -> str | None:
    listed = rows(
        "SELECT expiry_tag, expiry FROM expiries WHERE trade_date = ? AND underlying = ? ORDER BY expiry, expiry_tag",
        [day, index],
    )
    if tag in {FRONT, *(label for label, _ in listed), *(str(expiry) for _, expiry in listed)}:
        return None
    shown = ", ".join(f"{label} ({expiry})" for label, expiry in listed)
    return f"{index} has no expiry {tag} on {day}; it has {shown}"


def _instant(rows: Rows, index: str, instant: datetime) -> str | None:
    [(first,)] = rows(
        "SELECT min(snapshot_at) FROM expiry_overview WHERE trade_date = ? AND underlying = ?", [instant.date(), index]
    )
    if first is None or instant >= first:
        return None
    return (
        f"{index} has no snapshot at or before {instant:%Y-%m-%d %H:%M:%S}; its first of that day is {first:%H:%M:%S}"
    )


def _nearest_days(days: Sequence[date]) -> str:
    if not days:
        return "no day is stored"
    return f"the nearest stored: {' and '.join(f'{day:%a %Y-%m-%d}' for day in sorted(days))}"
