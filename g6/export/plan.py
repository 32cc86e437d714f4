"""What an export consists of: one query a trading day where that is possible, else one query.

A table goes by its `trade_date`; a query by the words `$day` and `$underlying` in it, which stand for the values. Files
are the business of `writing`.
"""

# ruff: noqa: S608 - names of views that exist, stored words and dates: nothing else gets into a query

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from g6.analyst.words import index_of, nearest
from g6.connection import G6Connection
from g6_market.schema import TABLES

_WORD = re.compile(r"\w+")
_DAY = re.compile(r"\$day\b")
_UNDERLYING = re.compile(r"\$underlying\b")


class ExportError(ValueError):
    """An export cannot be made as asked; the message says why and what can be."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an export: one query, by itself.

    Parameters
    ----------
    day
        Its trading day, None for the whole answer of a query that does not go by day.
    query
        SQL without parameters.
    """

    day: date | None
    query: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The pieces of an export, in the order of the file.

    Parameters
    ----------
    asked
        What tells this export from another one to the same file.
    """

    asked: dict[str, str | None]
    pieces: tuple[Piece, ...]


def make_plan(
    db: G6Connection[Any], what: str, underlying: str | None = None, first: date | None = None, last: date | None = None
) -> Plan:
    """Return the pieces that a table or a query consists of.

    Parameters
    ----------
    what
        A view such as `overview`, or SQL. A query that has `$day` is asked once a stored day.
    underlying
        Only this index; a query names it `$underlying`.
    first, last
        Only these trading days, both included.

    Raises
    ------
    ExportError
        There is no such table, or it does not know an index or days.
    QuestionError
        The index is not stored.
    """
    what, index = what.strip().rstrip(";").strip(), None if underlying is None else index_of(underlying)
    if index is not None and index not in (known := _underlyings(db)):
        raise ExportError(
            f"--underlying {underlying!r} is not stored{nearest(index, known)}; stored: {', '.join(known)}"
        )
    asked = {"what": what, "underlying": index, "first": first and str(first), "last": last and str(last)}
    make = _of_table if _WORD.fullmatch(what) else _of_query
    return Plan(asked, tuple(make(db, what, index, first, last)))


def _of_table(
    db: G6Connection[Any], name: str, index: str | None, first: date | None, last: date | None
) -> list[Piece]:
    views = [view for (view,) in db.rows("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1")]
    if name not in views:
        raise ExportError(f"there is no table {name!r}{nearest(name, views)}; there are {', '.join(views)}")
    columns = {column for column, *_ in db.rows(f"DESCRIBE {name}")}
    conditions: list[str] = []
    if index is not None:
        if "underlying" not in columns:
            raise ExportError(f"{name} has no column underlying; leave --underlying away")
        conditions.append(f"underlying = '{index}'")
    if "trade_date" not in columns:
        if first or last:
            raise ExportError(f"{name} has no days; leave --from and --to-date away")
        return [Piece(None, f"FROM {name}{_where(conditions)}")]
    order = ", ".join(TABLES[name].sort) if name in TABLES else "ALL"
    days = _between(db.rows(f"SELECT DISTINCT trade_date FROM {name}{_where(conditions)} ORDER BY 1"), first, last)
    if not days:
        stored = db.days(index)
        if not _between([(day,) for day in stored], first, last):
            raise ExportError(_no_day(name, stored, first, last))
        return [Piece(None, f"FROM {name} WHERE false")]  # as of gaps, where nothing is missing
    days_rows = ((day, _where([*conditions, f"trade_date = DATE '{day}'"])) for day in days)
    return [Piece(day, f"FROM {name}{where} ORDER BY {order}") for day, where in days_rows]


def _of_query(
    db: G6Connection[Any], query: str, index: str | None, first: date | None, last: date | None
) -> list[Piece]:
    if _UNDERLYING.search(query):
        if index is None:
            raise ExportError("the query has $underlying: say which with --underlying NIFTY")
        query = _UNDERLYING.sub(f"'{index}'", query)
    elif index is not None:
        raise ExportError("--underlying is for a table, or for a query that has $underlying in it")
    if not _DAY.search(query):
        if first or last:
            raise ExportError("--from and --to-date are for a table, or for a query that has $day in it")
        return [Piece(None, query)]
    stored = db.days(index)
    days = _between([(day,) for day in stored], first, last)
    if not days:
        raise ExportError(_no_day("the query", stored, first, last))
    return [Piece(day, _DAY.sub(f"DATE '{day}'", query)) for day in days]


def _underlyings(db: G6Connection[Any]) -> list[str]:
    return [name for (name,) in db.rows("SELECT DISTINCT underlying FROM stored_days ORDER BY 1")]


def _between(rows: list[tuple[Any, ...]], first: date | None, last: date | None) -> list[date]:
    return [day for (day,) in rows if (first is None or first <= day) and (last is None or day <= last)]


def _no_day(what: str, stored: list[date], first: date | None, last: date | None) -> str:
    asked = f" from {first or 'the first'} to {last or 'the last'}" if first or last else ""
    there_is = f"stored are {stored[0]} to {stored[-1]}" if stored else "nothing is stored yet"
    return f"{what} has no day{asked}; {there_is}"


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
