"""Trading days and session hours of Indian index options (NFO and BFO keep the same ones).

Answers come from our own tables in `config/calendar.yaml` and a user's override file, never from a library: those miss
every weekend session and the hours in force since 2026-08-03. Reading and validating the tables belongs to
`calendar_tables`; whether to start a session now belongs to the session sensor.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import yaml

from g6_market.calendar_tables import CalendarError, CalendarTables, Hours, read_tables

__all__ = ["IST", "CalendarError", "Closed", "Session", "TradingCalendar"]

IST = ZoneInfo("Asia/Kolkata")

DEFAULT_PATH = Path(__file__).parent.parent / "config" / "calendar.yaml"


@dataclass(frozen=True, slots=True)
class Session:
    """One trading session. All datetimes are aware, Asia/Kolkata.

    Parameters
    ----------
    kind
        "regular", "special" (weekend or otherwise unusual) or "muhurat".
    breaks
        Start and end of each pause; the disaster recovery Saturdays of 2024 traded in two parts.
    confirmed
        False in a year whose holiday list we do not have: the exchange may turn out to be closed.
    source
        Where its hours were published.
    settlement_fixed_at
        When the closing index value that settles an option expiring that day is fixed.
    spot_auction_from
        From when the index value is no market price, because its shares are in their closing auction; null where the
        shares trade to the end.
    """

    trade_date: date
    open: datetime
    close: datetime
    kind: str
    breaks: tuple[tuple[datetime, datetime], ...]
    confirmed: bool
    source: str
    settlement_fixed_at: datetime
    spot_auction_from: datetime | None

    @property
    def minutes(self) -> int:
        """Minutes of trading, breaks left out: 385 on a regular day, 375 until 2026-08-02."""
        return int(
            (self.close - self.open - sum((end - start for start, end in self.breaks), timedelta())).seconds // 60
        )

    def due_times(self, interval_seconds: int) -> list[datetime]:
        """Instants at which snapshots are due: the end of each whole interval, 09:16 .. 15:40 at 60 s.

        Intervals that lie within a break have none. An interval that does not divide the session leaves its last
        part without a snapshot.

        Raises
        ------
        CalendarError
            If the interval is not positive.
        """
        if interval_seconds <= 0:
            raise CalendarError(f"interval_seconds is {interval_seconds}; it must be a positive number of seconds")
        step = timedelta(seconds=interval_seconds)
        ends = (self.open + step * n for n in range(1, (self.close - self.open) // step + 1))
        return [end for end in ends if not any(start <= end - step and end <= stop for start, stop in self.breaks)]


@dataclass(frozen=True, slots=True)
class Closed:
    """A date without a session, and why: "holiday: Christmas", "Sunday", "hours unknown: ..."."""

    trade_date: date
    reason: str


@dataclass(frozen=True)
class TradingCalendar:
    """Which dates have a session, and when it trades.

    In a year outside `confirmed_years` every weekday that is no known holiday counts as open at the latest known
    hours, with `confirmed` false.
    """

    tables: CalendarTables

    @classmethod
    def load(cls, path: Path | None = None, override: Path | None = None) -> Self:
        """Read the calendar.

        Parameters
        ----------
        path
            Defaults to `config/calendar.yaml` of this project.
        override
            The user's file of later announcements; None for none.

        Raises
        ------
        CalendarError
            If a file is missing, is no YAML, or holds an entry that is not allowed.
        """
        path = path or DEFAULT_PATH
        changes = None if override is None else _read_yaml(override)
        return cls(read_tables(_read_yaml(path), changes, file=str(path), override_file=str(override)))

    @classmethod
    def from_tables(cls, calendar: object, override: object = None) -> Self:
        """Build the calendar from parsed YAML; raises `CalendarError` like `load`."""
        return cls(read_tables(calendar, override))

    @property
    def version(self) -> str:
        """Short hash of the tables, the override included."""
        return self.tables.version

    def on(self, day: date) -> Session | Closed:
        """Return the session of a date, or why there is none."""
        reason = self._closed_reason(day)
        return Closed(day, reason) if reason else self._session(day)

    def session(self, day: date) -> Session:
        """Return the session of a date.

        Raises
        ------
        CalendarError
            If there is none, naming the reason and the next session.
        """
        reason = self._closed_reason(day)
        if reason:
            following = self._first(day, 1)
            raise CalendarError(f"no session on {day}: {reason}; the next one opens {following.open:%a %Y-%m-%d %H:%M}")
        return self._session(day)

    def is_open_day(self, day: date) -> bool:
        """Whether the date has a session."""
        return not self._closed_reason(day)

    def sessions(self, first: date, last: date) -> list[Session]:
        """Return the sessions from `first` to `last`, both included."""
        return [self._session(day) for day in _days(first, last) if self.is_open_day(day)]

    def closed_dates(self, first: date, last: date) -> list[date]:
        """Return every calendar date from `first` to `last`, both included, that has no session."""
        return [day for day in _days(first, last) if not self.is_open_day(day)]

    def trading_days_between(self, a: date, b: date) -> int:
        """Count the sessions after `a` up to and including `b`; 0 where `b` is not after `a`."""
        return sum(self.is_open_day(day) for day in _days(a + timedelta(days=1), b))

    def latest_completed(self, now: datetime, regular_only: bool = True) -> Session:
        """Return the latest session that closed before `now`, of kind "regular" unless told otherwise."""
        day = _aware(now).date()
        while True:
            found = self.on(day)
            if isinstance(found, Session) and found.close < now and (found.kind == "regular" or not regular_only):
                return found
            day -= timedelta(days=1)

    def next_session(self, now: datetime) -> Session:
        """Return the session in progress (its close included), or else the next to open."""
        today = self.on(_aware(now).date())
        return today if isinstance(today, Session) and now <= today.close else self._first(today.trade_date, 1)

    def previous_session(self, day: date) -> Session:
        """Return the last session on a date before `day`."""
        return self._first(day, -1)

    def settlement_fixed_at(self, expiry: date) -> datetime:
        """Return when an option's settlement value is fixed, by the rule in force on its expiry.

        15:30 until 2026-08-02; 15:35, the end of the closing auction, from 2026-08-03.
        """
        return _at(expiry, self._hours(expiry).settlement)

    def _closed_reason(self, day: date) -> str:
        if isinstance(day, datetime):
            # A datetime is a date to Python, but finds no row in the tables: holidays would look open.
            raise CalendarError(f"{day!r} is a datetime; ask with its date(), in Asia/Kolkata")
        row = self.tables.sessions.get(day)
        if row is not None:
            if row.parts:
                return ""
            return (
                f"hours unknown: a {row.kind} session was announced without hours ({row.source}); give them in the "
                f"calendar override file, under sessions: - "
                f'{{date: {day}, kind: {row.kind}, open: "HH:MM", close: "HH:MM"}}'
            )
        holiday = self.tables.holidays.get(day)
        if holiday is not None:
            return f"holiday: {holiday.name}"
        return f"{day:%A}" if day.weekday() >= 5 else ""

    def _session(self, day: date) -> Session:
        hours = self._hours(day)
        row = self.tables.sessions.get(day)
        kind, parts, source = (
            (row.kind, row.parts, row.source) if row else ("regular", ((hours.open, hours.close),), hours.source)
        )
        instants = [_at(day, instant) for part in parts for instant in part]
        auction = None if hours.spot_auction is None else _at(day, hours.spot_auction)
        return Session(
            trade_date=day,
            open=instants[0],
            close=instants[-1],
            kind=kind,
            breaks=tuple(zip(instants[1:-1:2], instants[2:-1:2], strict=True)),
            confirmed=row is not None or day.year in self.tables.confirmed_years,
            source=source,
            settlement_fixed_at=self.settlement_fixed_at(day),
            spot_auction_from=auction if auction and instants[0] < auction < instants[-1] else None,
        )

    def _hours(self, day: date) -> Hours:
        in_force = self.tables.hours[0]
        for hours in self.tables.hours:
            if hours.from_date <= day:
                in_force = hours
        return in_force

    def _first(self, day: date, direction: int) -> Session:
        step = timedelta(days=direction)
        day += step
        while not self.is_open_day(day):
            day += step
        return self._session(day)


def _at(day: date, at: time) -> datetime:
    return datetime.combine(day, at, IST)


def _aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise CalendarError(f"{now!r} has no time zone; pass an aware datetime, such as clock.now()")
    return now.astimezone(IST)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _read_yaml(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CalendarError(
            f"{path}: {error.strerror}. Create the file, or correct its path in the settings."
        ) from error
    except yaml.YAMLError as error:
        raise CalendarError(f"{path}: not readable as YAML: {error}") from error
