"""Sealing: a day's live files become sorted closed ones, proven, committed by one record, and only then deleted.

The order is the safety: write closed files where nobody sees them, read each back, put all in their places, commit the
record, swap the views, count once more what the record names, and only then delete the live files that went in. Killed
at any point, the day stays visible, and sealing it again ends in the same files. A day sealed again, because rows were
healed or came late, goes the same way. What is derived comes in as a function; `derive_day` is the platform's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import pandas as pd

from g6_market.calendar import TradingCalendar
from g6_market.candles import without_repeats
from g6_market.daily import daily_summary
from g6_market.day import CODE_VERSION, Conventions, TradingDay
from g6_market.derive import derive
from g6_market.indices import VIX_UNDERLYING
from g6_market.schema import (
    CONVENTIONS,
    DAILY_SUMMARY,
    EXPIRIES,
    EXPIRY_OVERVIEW,
    INSTRUMENTS,
    OPTION_CHAIN,
    OVERVIEW,
    QUOTES,
    REFERENCE,
    SNAPSHOTS,
    STORED_TABLES,
    Table,
    empty_frame,
)
from g6_resources.clock import SystemTime
from g6_resources.history import History
from g6_resources.lake import ALL, Lake, LakeError, SealRecord
from g6_resources.parquet import schema_version

_DERIVED = (OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW, DAILY_SUMMARY)

DeriveDay = Callable[[Lake, date], Mapping[str, pd.DataFrame]]


class SealError(LakeError):
    """A day cannot be sealed."""


@dataclass(frozen=True, slots=True)
class SealReport:
    """What a seal wrote.

    Parameters
    ----------
    rows
        Rows per table.
    files, bytes, seconds
        Closed files written, their size, and the time the whole took.
    """

    rows: Mapping[str, int]
    files: int
    bytes: int
    seconds: float


def seal_day(lake: Lake, trade_date: date, derive_day: DeriveDay, swap: Callable[[], None]) -> SealReport:
    """Seal a day, or seal it again: with rows healed since, with newer code, after an interruption.

    Parameters
    ----------
    derive_day
        Returns frames by table name; a table it leaves out is sealed as it was captured.
    swap
        Makes readers see the committed day: `Warehouse.swap`. Outdated handles must fail from its return on, for the
        live files go next.

    Raises
    ------
    SealError
        Nothing is stored for the day.
    LakeError
        A closed file does not read back as written; the day stays as it was. Or one is not what the record says, after
        all of them were put in place; the live files stay.
    DiskFull
        The disk is full; the day stays as it was.
    StoreUnreachable
        The lake is on an object store that does not answer; the day stays as it was, or as it is sealed.
    """
    clock = SystemTime()
    started = clock.monotonic()
    before = lake.seal_record(trade_date)
    if before is None and trade_date not in lake.unsealed_days():
        raise SealError(
            f"nothing is stored for {trade_date}, so there is nothing to seal; days with data: {_known(lake)}"
        )
    # What is still on its way to a store elsewhere would arrive there after its day's live files were deleted.
    lake.store.settle()
    # Of what arrives while this runs nothing may go: it waits, live, for the next seal.
    taken_in = lake.live_files(trade_date)
    derived = derive_day(lake, trade_date)
    files: dict[str, dict[str, int]] = {}
    size = 0
    for table in STORED_TABLES:
        frame = derived[table.name] if table.name in derived else gathered(lake, table, trade_date)
        files[table.name] = {}
        for split, rows in _parts(frame, table):
            size += lake.stage_closed(table, trade_date, split, rows)[1]
            files[table.name][split] = len(rows)
    for name, splits in files.items():
        for split in splits:
            lake.publish_closed(name, trade_date, split)
    record = SealRecord(
        trade_date=trade_date,
        made_at=clock.now(),
        code_version=CODE_VERSION,
        files=files,
        schema={table.name: schema_version(table) for table in STORED_TABLES},
    )
    lake.commit(record)
    swap()
    for table in STORED_TABLES:
        for split in set(lake.closed_names(table, trade_date)) - set(files[table.name]):
            lake.delete_closed(table, trade_date, split)
    lake.check_closed(record)
    lake.delete_live(trade_date, taken_in)
    return SealReport(record.rows, sum(len(names) for names in files.values()), size, clock.monotonic() - started)


def derive_day(lake: Lake, trade_date: date, calendar: TradingCalendar) -> dict[str, pd.DataFrame]:
    """Derive a day again from its quotes, with the conventions it was captured with.

    Returns
    -------
    dict
        option_chain, expiry_overview, overview and daily_summary of all indices; without rows when the day has no
        quotes. The summary compares with the days sealed before, so it may change once an earlier day is stored.
    """
    quotes = gathered(lake, QUOTES, trade_date)
    if quotes.empty:
        return {table.name: empty_frame(table) for table in _DERIVED}
    day, known = trading_day(lake, trade_date, calendar), sorted(set(quotes["underlying"].astype(str)))
    return _derived(quotes, lake.gather(SNAPSHOTS, trade_date), day, History(lake, known))


def gathered(lake: Lake, table: Table, trade_date: date) -> pd.DataFrame:
    """Return all that is known of a day from both tiers; a leg of a snapshot that is captured needs no healed row."""
    rows = lake.gather(table, trade_date)
    return without_repeats(rows) if table is QUOTES else rows


def trading_day(lake: Lake, trade_date: date, calendar: TradingCalendar) -> TradingDay:
    """Return a stored day as it was when it was captured: its conventions, contracts, expiry labels and reference.

    A day whose session died while it opened, before the contracts were stored, has no chains.
    """
    reference, instruments = lake.read(REFERENCE, trade_date), lake.read(INSTRUMENTS, trade_date)
    return TradingDay(
        calendar.session(trade_date),
        Conventions.from_frame(lake.read(CONVENTIONS, trade_date)),
        instruments,
        lake.read(EXPIRIES, trade_date) if len(instruments) else empty_frame(EXPIRIES),
        calendar,
        None if reference.empty else reference,
    )


def replace_index_files(
    lake: Lake,
    trade_date: date,
    underlying: str,
    calendar: TradingCalendar,
    swap: Callable[[], None] | None = None,
    history: History | None = None,
) -> dict[str, int]:
    """Derive one index of a sealed day again and replace its files of the derived tables, each atomically.

    No other worker may be at the same day of the index meanwhile; see `leases`.

    Parameters
    ----------
    swap
        Called when the index had no file before, so that the views learn of it: `Warehouse.swap`.
    history
        The index's earlier summaries, where they are at hand.

    Returns
    -------
    dict
        Rows by table: option_chain, expiry_overview, overview, daily_summary.

    Raises
    ------
    SealError
        The day is not sealed, has no quotes of the index, or was sealed with other columns.
    """
    record = lake.seal_record(trade_date)
    if record is None:
        raise SealError(f"{trade_date} is not sealed: its rows are the session's live ones; seal the day first")
    if any(record.schema.get(table.name) != schema_version(table) for table in _DERIVED):
        raise SealError(f"{trade_date} was sealed with other columns than today's; seal the whole day again")
    quotes = [lake.read(QUOTES, trade_date, underlying=name) for name in (underlying, VIX_UNDERLYING)]
    if quotes[0].empty:
        known = ", ".join(name for name in record.files[QUOTES.name] if name != VIX_UNDERLYING)
        raise SealError(f"{trade_date} has no quotes of {underlying!r}; it has {known or 'none at all'}")
    snapshots = lake.read(SNAPSHOTS, trade_date, underlying=underlying)
    day = trading_day(lake, trade_date, calendar)
    derived = _derived(pd.concat(quotes, ignore_index=True), snapshots, day, history or History(lake, [underlying]))
    for name, frame in derived.items():
        lake.write_closed(name, trade_date, underlying, frame)
    counted = {name: {underlying: len(frame)} for name, frame in derived.items()}
    if any(record.files[name].get(underlying) != rows[underlying] for name, rows in counted.items()):
        # Another worker may be at another index of the same day.
        lake.amend(
            trade_date,
            lambda now: replace(now, files={name: {**now.files[name], **counted.get(name, {})} for name in now.files}),
        )
    if swap is not None and any(underlying not in record.files[name] for name in derived):
        swap()
    return {name: len(frame) for name, frame in derived.items()}


def _derived(
    quotes: pd.DataFrame, snapshots: pd.DataFrame, day: TradingDay, history: History
) -> dict[str, pd.DataFrame]:
    tables = derive(quotes, snapshots, day)
    return {
        OPTION_CHAIN.name: tables.option_chain,
        EXPIRY_OVERVIEW.name: tables.expiry_overview,
        OVERVIEW.name: tables.overview,
        DAILY_SUMMARY.name: daily_summary(quotes, tables, day, history.before(day.trade_date)),
    }


def _parts(frame: pd.DataFrame, table: Table) -> list[tuple[str, pd.DataFrame]]:
    if frame.empty:
        return []
    if table.split is None:
        return [(ALL, frame)]
    return [(str(name), rows) for name, rows in frame.groupby(table.split, sort=True)]


def _known(lake: Lake) -> str:
    days = [str(day) for day in lake.days()]
    return ", ".join(days[-5:]) if days else "none"
