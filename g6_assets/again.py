"""Deriving one (date, index) of a sealed day again: what every per-index asset does when it is re-materialised."""

from collections.abc import Callable, Collection
from datetime import date

import dagster as dg

from g6_assets.common import opened_session
from g6_resources.lake import Lake
from g6_resources.leases import Leases
from g6_resources.resources import ClockResource, LakeResource, MarketResource
from g6_resources.sealing import replace_index_files


def derive_again(
    context: dg.AssetExecutionContext,
    day: date,
    underlying: str,
    market: MarketResource,
    clock: ClockResource,
    lake: LakeResource,
    swap: Callable[[], None] | None = None,
) -> None:
    """Derive an index's day again from its quotes, replace its files, and say so in the run's log.

    Parameters
    ----------
    swap
        Called when the index had no file of a table before, so that the views learn of it.

    Raises
    ------
    dagster.Failure
        The date has not come yet, or is not sealed.
    LeaseTaken
        Another worker derives the same, and does not end.
    """
    calendar = market.calendar()
    opened_session(calendar, day, clock.clock().now())
    store = lake.lake()
    must_be_sealed(store, day)
    with Leases(store, underlying, f"run {context.run.run_id[:8]}").hold(day):
        written = replace_index_files(store, day, underlying, calendar, swap)
    names = ", ".join(f"{name} ({rows} rows)" for name, rows in written.items())
    context.log.info(f"{day} {underlying} derived again from its quotes and replaced: {names}")


def check_days(days: Collection[date], market: MarketResource, clock: ClockResource, lake: LakeResource) -> None:
    """Fail before a run derives the first of its days when one of them has not come yet or is not sealed."""
    calendar, now = market.calendar(), clock.clock().now()
    for day in days:
        opened_session(calendar, day, now)
    must_be_sealed(lake.lake(), *days)


def must_be_sealed(store: Lake, *days: date) -> None:
    """Fail in one sentence unless the days are sealed."""
    live = [str(day) for day in days if store.seal_record(day) is None]
    if live:
        raise dg.Failure(
            f"{', '.join(live)} {'is' if len(live) == 1 else 'are'} not sealed: rows of such a day are live and come "
            f"from the session; derive it again after the seal (`g6 seal {live[0]}` once the market has closed), or "
            "leave it out",
            allow_retries=False,
        )
