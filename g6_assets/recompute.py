"""The asset `recomputed`: years of history derived again, a month of an index a run, on as many workers as there are.

A backfill over its grid of months and indices is how a range of years is done: what Dagster hands out is a share that
no other share touches, progress is the grid itself, and what failed is launched again alone. One run writes what
`option_chain`, `overview`, `daily_summary` and `offset_series` of its days are, and records their partitions. A day, or
a range in one run, is what those assets do themselves.
"""

import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg

from g6_assets.analytics import summary_numbers
from g6_assets.capture import DayPlan
from g6_assets.common import OWNERS, plan_of
from g6_assets.links import asset_links, partition_links
from g6_assets.partitions import series_keys, share_of, shares
from g6_assets.seal import VERSION_TAGS, chain_event, overview_numbers
from g6_market.day import CODE_VERSION
from g6_market.schema import (
    DAILY_SUMMARY,
    EXPIRIES,
    EXPIRY_OVERVIEW,
    OFFSET_SERIES,
    OPTION_CHAIN,
    OVERVIEW,
    QUOTES,
    SNAPSHOTS,
)
from g6_market.series import offset_series, series_key
from g6_resources.clock import SystemTime
from g6_resources.csv_files import CsvSink
from g6_resources.lake import Lake
from g6_resources.leases import Leases
from g6_resources.niceness import behind_others
from g6_resources.recompute import recompute
from g6_resources.resources import CsvResource, LakeResource, MarketResource
from g6_resources.sealing import trading_day

RECOMPUTED = "recomputed"
FROM_TAG, TO_TAG = "g6/from", "g6/to"
ONLY_TAG, SERIES_TAG = "g6/only", "g6/series"
"""Tags of a run, which a backfill hands on to its runs: first and last day, `outdated`, `no`."""


def build(first: date, indices: list[str]) -> dg.AssetsDefinition:
    """Return the asset."""

    @dg.asset(
        name=RECOMPUTED,
        description="An index's days of a month derived again from their quotes: chains, overviews, summary, series. "
        f"Tags: {FROM_TAG} and {TO_TAG} (dates) narrow it, {ONLY_TAG}=outdated leaves days that today's code has "
        f"written, {SERIES_TAG}=no leaves the CSV files of the series.",
        partitions_def=shares(first, indices),
        group_name="history",
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        metadata=asset_links(RECOMPUTED),
    )
    def recomputed(
        context: dg.AssetExecutionContext, market: MarketResource, lake: LakeResource, csv: CsvResource
    ) -> dg.MaterializeResult:
        month, underlying = share_of(context.partition_key)
        store, calendar, tags = lake.lake(), market.calendar(), context.run.tags
        days = _days(store, month, underlying, tags)
        leases = Leases(store, underlying, f"run {context.run.run_id[:8]}")
        files = csv.files() if csv.enabled and tags.get(SERIES_TAG) != "no" else None
        clock = SystemTime()
        started, cpu, legs, derived, done = clock.monotonic(), time.process_time(), 0, [], 0
        with behind_others():
            only_outdated = tags.get(ONLY_TAG) == "outdated"
            for day in recompute(store, underlying, days, calendar, leases, only_outdated=only_outdated):
                done += 1
                if day.rows:
                    derived.append(day.day)
                    legs += day.rows[OPTION_CHAIN.name]
                    for event in written(store, day.day, underlying, plan_of(market), calendar, files):
                        context.log_event(event)
                rate = legs / max(clock.monotonic() - started, 1e-9)
                what = f"{day.rows[OPTION_CHAIN.name]:,} legs" if day.rows else "current, left"
                context.log.info(f"{underlying} {day.day}: {what}; {done} of {len(days)} days, {rate:,.0f} legs/s")
        seconds = clock.monotonic() - started
        for day in derived:  # last: a later share may still change what a summary says of earlier days
            context.log_event(_summary(store, day, underlying))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": legs,
                "days": len(days),
                "days derived": len(derived),
                "seconds": round(seconds, 2),
                "CPU seconds": round(time.process_time() - cpu, 2),
                "legs a second": round(legs / seconds) if seconds else 0,
                "peak memory of the worker (MB)": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )

    return recomputed


def _days(store: Lake, month: date, underlying: str, tags: Mapping[str, str]) -> list[date]:
    first, last = (date.fromisoformat(tags[tag]) if tag in tags else None for tag in (FROM_TAG, TO_TAG))
    after = (month + timedelta(days=31)).replace(day=1)
    days = [day for day in store.sealed_days() if month <= day < after]
    days = [day for day in days if (first or day) <= day <= (last or day)]
    records = {day: store.seal_record(day) for day in days}
    return [day for day, record in records.items() if record and underlying in record.files.get(QUOTES.name, {})]


def written(
    store: Lake, day: date, underlying: str, plan: DayPlan, calendar: Any, files: CsvSink | None
) -> Iterator[dg.AssetMaterialization]:
    """Yield the materialisation of each partition of a day that deriving it has written, the series' CSV files too.

    Parameters
    ----------
    files
        Where the series go; None leaves them.
    """
    expiries = store.read(EXPIRIES, day, underlying=underlying)
    mine = expiries[expiries["expiry_tag"].isin(plan.tags[underlying])]
    chain = store.read(OPTION_CHAIN, day, underlying=underlying, columns=None if files else ["expiry"])
    overview = store.read(OVERVIEW, day, underlying=underlying)
    by_expiry = chain.groupby("expiry").size()
    for tag, expiry in zip(mine["expiry_tag"], mine["expiry"], strict=True):
        yield chain_event(underlying, day, str(tag), expiry, int(by_expiry.get(expiry, 0)))
    numbers = overview_numbers(overview, store.read(SNAPSHOTS, day, underlying=underlying), underlying)
    yield _event(OVERVIEW.name, underlying, day, numbers)
    if files is None:
        return
    frame = offset_series(
        chain, store.read(EXPIRY_OVERVIEW, day, underlying=underlying), trading_day(store, day, calendar)
    )
    files.rewrite_day(day, frame, overview)
    known = set(series_keys([str(tag) for tag in mine["expiry_tag"]], plan.strikes_each_side[underlying]))
    labels = zip(frame["expiry_tag"], frame["strike_offset"], strict=True)
    for key, rows in Counter(series_key(str(tag), int(offset)) for tag, offset in labels).items():
        if key in known:
            yield dg.AssetMaterialization(
                dg.AssetKey([underlying, OFFSET_SERIES.name]),
                partition=dg.MultiPartitionKey({"date": day.isoformat(), "series": key}),
                metadata={"dagster/row_count": rows},
                tags=VERSION_TAGS,
            )


def _summary(store: Lake, day: date, underlying: str) -> dg.AssetMaterialization:
    return _event(DAILY_SUMMARY.name, underlying, day, summary_numbers(store, day, underlying))


def _event(name: str, underlying: str, day: date, numbers: Mapping[str, Any]) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        dg.AssetKey([underlying, name]),
        partition=day.isoformat(),
        metadata={**numbers, **partition_links(name, underlying, day)},
        tags=VERSION_TAGS,
    )
