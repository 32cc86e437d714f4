"""What people write for an index, an expiry, a day or an instant, as the macros take it. Pure."""

import difflib
from collections.abc import Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from g6_market.indices import FRONT, TAGS

IST = ZoneInfo("Asia/Kolkata")
LABELS = (FRONT, *TAGS)

Day = date | str | None
"""A trading day: a date, '2026-11-20', or None for the last one stored."""

Instant = datetime | date | str | None
"""A moment: a datetime (IST unless it says otherwise), '2026-11-20 10:15', '10:15' of the last day stored, a date for
the last snapshot of that day, or None for the last one of all."""


class QuestionError(ValueError):
    """What was asked for is not stored, or is no such word; the message names the nearest that is."""


def index_of(underlying: str) -> str:
    """Return an index's code as it is stored: `bank nifty` is BANKNIFTY."""
    return underlying.replace(" ", "").upper()


def expiry_of(expiry: date | str) -> str:
    """Return an expiry label, or a date as text.

    Raises
    ------
    QuestionError
        It is neither.
    """
    if isinstance(expiry, date):
        return f"{expiry:%Y-%m-%d}"
    word = expiry.strip().lower().replace(" ", "_")
    if word in LABELS:
        return word
    try:
        return date.fromisoformat(word).isoformat()
    except ValueError:
        raise QuestionError(
            f"expiry {expiry!r} is no label{nearest(word, LABELS)}; "
            f"use {', '.join(LABELS)}, or a date such as 2026-11-24"
        ) from None


def day_of(day: date | str) -> date:
    """Return a trading day as a date.

    Raises
    ------
    QuestionError
        The text is no date.
    """
    if isinstance(day, datetime):
        return wall(day).date()
    if isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day.strip())
    except ValueError:
        raise QuestionError(f"day {day!r} is no date; write it as 2026-11-20") from None


def instant_of(at: datetime | date | str) -> datetime | time:
    """Return a moment as IST wall clock, a time of day alone as a time; a date is its last moment.

    Raises
    ------
    QuestionError
        The text is neither instant, date nor time.
    """
    if isinstance(at, datetime):
        return wall(at)
    if isinstance(at, date):
        return datetime.combine(at, time.max)
    text = at.strip()
    for read in (_date, datetime.fromisoformat, time.fromisoformat):
        try:
            found = read(text)
        except ValueError:
            continue
        return wall(found) if isinstance(found, datetime) else found
    raise QuestionError(f"instant {at!r} is none; write it as 2026-11-20 10:15, as 2026-11-20, or as 10:15")


def clock_of(clock: str) -> str:
    """Return a time of day as DuckDB reads it.

    Raises
    ------
    QuestionError
        The text is no time.
    """
    try:
        return time.fromisoformat(clock.strip()).isoformat()
    except ValueError:
        raise QuestionError(f"time {clock!r} is none; write it as 09:20") from None


def wall(at: datetime) -> datetime:
    """Return the Indian wall clock of a moment; one without a zone is that already."""
    return (at.astimezone(IST) if at.tzinfo else at).replace(tzinfo=None)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `, the nearest is NIFTY` where something stored looks like the word, else nothing."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f", the nearest is {matches[0]}" if matches else ""


def _date(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time.max)
