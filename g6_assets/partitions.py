"""Partition definitions: trading dates, date x expiry tag, date x offset series.

The calendar decides which dates exist. Dagster's own idea of "the latest partition" is not used anywhere: with
`end_offset=1` it invents a future key on the eve of a holiday, so today's key always comes from the calendar.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time

import dagster as dg

from g6_market.calendar import TradingCalendar
from g6_market.series import series_key

# Two dimensions multiply; beyond this many keys of one asset the UI becomes slow. `g6 status` warns at 80 %.
KEYS_PER_ASSET = 100_000
WARN_SHARE = 0.8


def trading_dates(calendar: TradingCalendar, first: date, today: date) -> dg.DailyPartitionsDefinition:
    """Return the trading dates from `first`, weekends and holidays left out by name.

    Special Saturday and Sunday sessions stay. The exclusions reach to the end of next year, so that the definition
    (and with it the identity of running backfills) changes once a year and not every day.
    """
    closed = calendar.closed_dates(first, date(today.year + 1, 12, 31))
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(),
        timezone="Asia/Kolkata",
        end_offset=1,
        # Dagster gives naive datetimes the definition's zone; aware ones would be reinterpreted silently.
        exclusions=[datetime.combine(day, time()) for day in closed],
    )


def expiry_partitions(dates: dg.DailyPartitionsDefinition, tags: Sequence[str]) -> dg.MultiPartitionsDefinition:
    """Return date x expiry tag."""
    return dg.MultiPartitionsDefinition({"date": dates, "expiry": dg.StaticPartitionsDefinition(list(tags))})


def series_partitions(
    dates: dg.DailyPartitionsDefinition, tags: Sequence[str], strikes_each_side: int
) -> dg.MultiPartitionsDefinition:
    """Return date x series, a series being an expiry tag at an offset: `this_week.ATM+1`."""
    return dg.MultiPartitionsDefinition(
        {"date": dates, "series": dg.StaticPartitionsDefinition(series_keys(tags, strikes_each_side))}
    )


def shares(first: date, indices: Sequence[str]) -> dg.MultiPartitionsDefinition:
    """Return month x index: what one run derives again of a range of years, `2026-11|NIFTY`."""
    months = dg.MonthlyPartitionsDefinition(f"{first:%Y-%m}", fmt="%Y-%m", timezone="Asia/Kolkata", end_offset=1)
    return dg.MultiPartitionsDefinition({"month": months, "underlying": dg.StaticPartitionsDefinition(list(indices))})


def share_key(month: date, underlying: str) -> str:
    """Return the partition key of an index's month."""
    return f"{month:%Y-%m}|{underlying}"


def share_of(key: str) -> tuple[date, str]:
    """Return month (its first day) and index of a partition key of `shares`."""
    month, underlying = key.split("|")
    return date.fromisoformat(f"{month}-01"), underlying


def series_keys(tags: Sequence[str], strikes_each_side: int) -> list[str]:
    """Return the series of an index, tag by tag, offsets rising."""
    offsets = range(-strikes_each_side, strikes_each_side + 1)
    return [series_key(tag, offset) for tag in tags for offset in offsets]


def series_to_expiry(tags: Sequence[str], strikes_each_side: int) -> dg.MultiPartitionMapping:
    """Map date x expiry (upstream) to date x series: the date to itself, a tag to each of its series."""
    offsets = range(-strikes_each_side, strikes_each_side + 1)
    series = {tag: [series_key(tag, offset) for offset in offsets] for tag in tags}
    return dg.MultiPartitionMapping(
        {
            "date": dg.DimensionPartitionMapping("date", dg.IdentityPartitionMapping()),
            "expiry": dg.DimensionPartitionMapping("series", dg.StaticPartitionMapping(series)),
        }
    )


def budget_warnings(
    calendar: TradingCalendar, first: date, today: date, indices: Mapping[str, tuple[Sequence[str], int]]
) -> list[str]:
    """Return a sentence for each index whose series have used 80 % of the keys that one asset may have.

    Parameters
    ----------
    indices
        Expiry tags and strikes each side by index.
    """
    days = len(calendar.sessions(first, today))
    used = {name: days * len(series_keys(tags, width)) for name, (tags, width) in indices.items()}
    return [
        f"{name}/offset_series has {keys:,} partition keys since {first}, of {KEYS_PER_ASSET:,} that stay quick in the "
        "UI: set partitions.first_date later, or collect fewer labels or strikes"
        for name, keys in used.items()
        if keys > WARN_SHARE * KEYS_PER_ASSET
    ]


def key_date(key: str) -> date:
    """Return the trading date of a partition key of any of our definitions."""
    if isinstance(key, dg.MultiPartitionKey):
        return date.fromisoformat(key.keys_by_dimension["date"])
    return date.fromisoformat(key.split("|")[0])
