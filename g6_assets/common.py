"""What several assets share: metadata made from the schema, the guard of dates, the plan of the settings."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd

from g6_assets.capture import DayPlan
from g6_market.calendar import Session, TradingCalendar
from g6_market.schema import Table
from g6_market.schema.columns import KINDS
from g6_resources.resources import MarketResource, conventions_of, load_calendar

OWNERS = ["team:g6"]


def plan_of(market: MarketResource) -> DayPlan:
    """Return what the settings want of a day."""
    settings = market.settings()
    return DayPlan(
        conventions=conventions_of(settings, load_calendar(settings)),
        tags={name: list(index.expiries) for name, index in settings.enabled_indices.items()},
        strikes_each_side={name: index.strikes_each_side for name, index in settings.enabled_indices.items()},
        room_strikes=settings.collection.room_strikes,
        depth=settings.collection.depth,
    )


def opened_session(calendar: TradingCalendar, day: date, now: datetime, *, today_only: bool = False) -> Session:
    """Return the session of a date, or fail in one sentence.

    Parameters
    ----------
    today_only
        Also refuse a past date: what the broker tells of now cannot be bought back for a day that is over.

    Raises
    ------
    CalendarError
        The date has no session.
    dagster.Failure
        The date has not come yet, or is over.
    """
    session = calendar.session(day)
    if day > now.date():
        raise dg.Failure(f"{day} has not opened: the market's date is {now.date()}", allow_retries=False)
    if today_only and day < now.date():
        raise dg.Failure(
            f"{day} is over (the market's date is {now.date()}) and quotes cannot be asked for afterwards; "
            "Kite's minute candles fill what contracts still live (`candles`)",
            allow_retries=False,
        )
    return session


def next_opening(calendar: TradingCalendar, now: datetime) -> Session:
    """Return the next session that has not opened yet: what a reason to wait must name."""
    session = calendar.next_session(now)
    return session if session.open > now else calendar.next_session(session.close + timedelta(seconds=1))


def column_schema(table: Table) -> dict[str, Any]:
    """Return Dagster's column schema of a table, with units and null rules."""
    columns = [
        dg.TableColumn(
            name=column.name,
            type=KINDS[column.kind][2],
            description="; ".join(
                part
                for part in (column.description, column.unit, f"null: {column.null}" if column.null else "")
                if part
            ),
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in table.columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"g6.main.{table.name}",
        "dagster/storage_kind": "parquet",
    }


def rows_by(frame: pd.DataFrame, column: str = "underlying") -> Mapping[str, Any]:
    """Return the row count, and the rows of each underlying."""
    counts = {str(name): int(n) for name, n in frame[column].value_counts().items()} if len(frame) else {}
    return {"dagster/row_count": len(frame), **{f"rows {name}": n for name, n in sorted(counts.items())}}
