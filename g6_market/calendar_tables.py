"""The calendar's tables, validated: hours, holidays and sessions of `config/calendar.yaml` and of a user's override.

What the tables mean for a given day belongs to `calendar`. The file formats are described at the top of
`config/calendar.yaml`; the override file has the keys named in `OVERRIDE_KEYS`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import pairwise
from typing import cast

CALENDAR_KEYS = ("confirmed_years", "hours", "holidays", "sessions")
OVERRIDE_KEYS = ("confirmed_years", "holidays_added", "holidays_removed", "sessions")
SESSION_KINDS = ("regular", "special", "muhurat")


class CalendarError(ValueError):
    """A calendar table that cannot be read, or a question the calendar cannot answer."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Regular hours from `from_date` on, IST; see `calendar.Session` for the meaning of each."""

    from_date: date
    open: time
    close: time
    settlement: time
    spot_auction: time | None
    source: str


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day without regular trading."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session outside the rule: start and end of each part of it, none while no source gives its hours."""

    kind: str
    parts: tuple[tuple[time, time], ...]
    source: str


@dataclass(frozen=True)
class CalendarTables:
    """All tables, the override applied.

    Parameters
    ----------
    hours
        Sorted by `from_date`; the first also serves earlier dates.
    version
        Short hash of the contents of both files: changes whenever an answer might.
    """

    hours: tuple[Hours, ...]
    holidays: Mapping[date, Holiday]
    sessions: Mapping[date, SessionRow]
    confirmed_years: frozenset[int]
    version: str


def read_tables(
    calendar: object, override: object = None, *, file: str = "calendar.yaml", override_file: str = "override file"
) -> CalendarTables:
    """Validate the two parsed YAML files and merge them.

    On a date named by the override, the override's rows replace the calendar's: an added holiday calls off a session
    of that date, a session given there takes place whatever else the date is.

    Parameters
    ----------
    calendar, override
        What `yaml.safe_load` returned; an override of None (no file, or an empty one) changes nothing.
    file, override_file
        Names used in error messages.

    Raises
    ------
    CalendarError
        Naming the file, the entry, what is allowed and what to do.
    """
    base = _Entry(calendar, file, CALENDAR_KEYS)
    mine = _Entry({} if override is None else override, override_file, OVERRIDE_KEYS)

    hours = sorted((_hours(row) for row in base.rows("hours", _HOURS_KEYS)), key=lambda row: row.from_date)
    if not hours:
        raise base.error("hours is empty", "give at least one row of regular hours")
    holidays = dict(_holiday(row, default_source=None) for row in base.dated_rows("holidays", _HOLIDAY_KEYS))
    sessions = dict(_session(row, hours_required=False) for row in base.dated_rows("sessions", _SESSION_KEYS))

    for value in mine.items("holidays_removed"):
        day = mine.as_date(value, "holidays_removed")
        if day not in holidays:
            known = ", ".join(str(other) for other in sorted(holidays) if other.year == day.year) or "none that year"
            raise mine.error(
                f"holidays_removed: {day} is no holiday", f"holidays: {known}; correct or delete the entry"
            )
        del holidays[day]
    source = f"override: {override_file}"
    for row in mine.dated_rows("holidays_added", _HOLIDAY_KEYS):
        day, holiday = _holiday(row, default_source=source)
        if day.weekday() >= 5 and day not in sessions:
            raise row.error(f"{day} is a {day:%A}, closed anyway", "correct the date or delete the entry")
        sessions.pop(day, None)
        holidays[day] = holiday
    sessions |= dict(
        _session(row, hours_required=True, default_source=source) for row in mine.dated_rows("sessions", _SESSION_KEYS)
    )

    years = base.years() | mine.years()
    contents = json.dumps([calendar, override], default=str, sort_keys=True)
    version = hashlib.sha256(contents.encode()).hexdigest()[:12]
    return CalendarTables(tuple(hours), holidays, sessions, years, version)


_HOURS_KEYS = ("from", "open", "close", "settlement", "spot_auction", "source")
_HOLIDAY_KEYS = ("date", "name", "source")
_SESSION_KEYS = ("date", "kind", "open", "close", "breaks", "source")


@dataclass(frozen=True)
class _Entry:
    # One mapping of a file and where it stands, so that every message can say so.
    value: object
    where: str
    keys: tuple[str, ...]
    fields: Mapping[str, object] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.value, dict):
            raise self.error(f"{self.value!r} is not a mapping", f"write it with the keys {', '.join(self.keys)}")
        fields = cast("dict[object, object]", self.value)
        for key in fields:
            if key not in self.keys:
                raise self.error(f"unknown key {key!r}", f"allowed: {', '.join(self.keys)}; correct or delete it")
        object.__setattr__(self, "fields", fields)

    def error(self, problem: str, remedy: str) -> CalendarError:
        return CalendarError(f"{self.where}: {problem}. {remedy[:1].upper()}{remedy[1:]}.")

    def items(self, key: str) -> Sequence[object]:
        value = self.fields.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.error(f"{key} is {value!r}, not a list", "write one entry a line, each beginning with a dash")
        return cast("list[object]", value)

    def rows(self, key: str, keys: tuple[str, ...]) -> list["_Entry"]:
        return [_Entry(item, f"{self.where}: {key}[{i}]", keys) for i, item in enumerate(self.items(key))]

    def dated_rows(self, key: str, keys: tuple[str, ...]) -> list["_Entry"]:
        rows = self.rows(key, keys)
        seen: set[date] = set()
        for row in rows:
            day = row.required_date("date")
            if day in seen:
                raise row.error(f"{day} stands twice under {key}", "delete one of the two")
            seen.add(day)
        return rows

    def required(self, key: str) -> object:
        value = self.fields.get(key)
        if value is None:
            raise self.error(f"{key} is missing", f"an entry has the keys {', '.join(self.keys)}; add it")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self.fields.get(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{key} is {value!r}", f"give {key} as a text")
        return value

    def optional_time(self, key: str) -> time | None:
        value = self.fields.get(key)
        return None if value is None else self.as_time(value, key)

    def required_time(self, key: str) -> time:
        return self.as_time(self.required(key), key)

    def as_time(self, value: object, key: str) -> time:
        try:
            return datetime.strptime(cast("str", value), "%H:%M").time()  # noqa: DTZ007 - a time of day has no zone
        except (TypeError, ValueError):
            raise self.error(
                f"{key} is {value!r}", 'write a time of day, 24 hours, in quotes, such as "09:15"'
            ) from None

    def required_date(self, key: str) -> date:
        return self.as_date(self.required(key), key)

    def as_date(self, value: object, key: str) -> date:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            return date.fromisoformat(cast("str", value))
        except (TypeError, ValueError):
            raise self.error(f"{key}: {value!r} is not a date", "write it as YYYY-MM-DD, such as 2026-11-08") from None

    def years(self) -> frozenset[int]:
        years = self.items("confirmed_years")
        for year in years:
            if not isinstance(year, int) or not 1990 <= year <= 2100:
                raise self.error(f"confirmed_years holds {year!r}", "give whole years, such as [2027]")
        return frozenset(cast("Sequence[int]", years))


def _hours(row: _Entry) -> Hours:
    hours = Hours(
        from_date=row.required_date("from"),
        open=row.required_time("open"),
        close=row.required_time("close"),
        settlement=row.required_time("settlement"),
        spot_auction=row.optional_time("spot_auction"),
        source=row.text("source"),
    )
    if not hours.open < hours.settlement <= hours.close:
        raise row.error("times out of order", "open, settlement and close must follow each other")
    return hours


def _holiday(row: _Entry, *, default_source: str | None) -> tuple[date, Holiday]:
    day = row.required_date("date")
    return day, Holiday(name=row.text("name"), source=row.text("source", default_source))


def _session(row: _Entry, *, hours_required: bool, default_source: str | None = None) -> tuple[date, SessionRow]:
    kind = row.text("kind")
    if kind not in SESSION_KINDS:
        raise row.error(f"kind is {kind!r}", f"allowed: {', '.join(SESSION_KINDS)}")
    parts: tuple[tuple[time, time], ...] = ()
    if hours_required or {"open", "close", "breaks"} & row.fields.keys():
        pauses = [instant for item in row.items("breaks") for instant in _break(row, item)]
        instants = [row.required_time("open"), *pauses, row.required_time("close")]
        if any(later <= earlier for earlier, later in pairwise(instants)):
            raise row.error("times out of order", "open, start and end of each break, and close must follow each other")
        parts = tuple(zip(instants[::2], instants[1::2], strict=True))
    return row.required_date("date"), SessionRow(kind, parts, row.text("source", default_source))


def _break(row: _Entry, item: object) -> tuple[time, time]:
    pair = cast("list[object]", item) if isinstance(item, list) else []
    if len(pair) != 2:
        raise row.error(f"breaks holds {item!r}", 'write each break as [start, end], such as ["10:00", "11:30"]')
    return row.as_time(pair[0], "breaks"), row.as_time(pair[1], "breaks")
