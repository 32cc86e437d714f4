"""The `seal` asset: after the close a day's live files become sorted, sealed ones and the views are swapped.

One run does all of it and records every partition it wrote: chains by expiry tag, overviews (with a picture of the day)
and summaries by date, series by offset.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg
import pandas as pd

from g6_assets.analytics import OVERLAY, front_overlay, overlay_numbers, picture, summary_numbers
from g6_assets.capture import DayPlan
from g6_assets.common import OWNERS, opened_session, plan_of, rows_by
from g6_assets.heal import completed
from g6_assets.links import asset_links, partition_links
from g6_assets.partitions import series_keys
from g6_market.day import CODE_VERSION
from g6_market.schema import (
    DAILY_SUMMARY,
    EXPIRIES,
    EXPIRY_OVERVIEW,
    OFFSET_SERIES,
    OPTION_CHAIN,
    OVERVIEW,
    SNAPSHOTS,
)
from g6_market.series import offset_series, series_key
from g6_resources.clock import SystemTime
from g6_resources.lake import Lake
from g6_resources.leases import hold_all
from g6_resources.logs import get_logger, logging_of_run
from g6_resources.metrics_state import SealFigures, write_seal
from g6_resources.resources import ClockResource, CsvResource, DuckDBResource, LakeResource, MarketResource
from g6_resources.sealing import derive_day, seal_day, trading_day

log = get_logger(__name__)

VERSION_TAGS = {"dagster/code_version": CODE_VERSION}


def build(dates: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the seal asset."""

    @dg.asset(
        name="seal",
        deps=["quotes", "candles", "reference", "expiries"],
        description="A closed day: derived again from its quotes, sorted, sealed, in the views; live files gone.",
        partitions_def=dates,
        group_name="session",
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        metadata=asset_links("seal"),
    )
    def seal(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        clock: ClockResource,
        lake: LakeResource,
        duckdb: DuckDBResource,
        csv: CsvResource,
    ) -> dg.MaterializeResult:
        calendar = market.calendar()
        now = clock.clock().now()
        session = opened_session(calendar, date.fromisoformat(context.partition_key), now)
        day = session.trade_date
        if now < session.close:
            raise dg.Failure(f"{day} is still open until {session.close:%H:%M} IST; it is sealed after the close")
        store = lake.lake()
        warehouse = duckdb.warehouse(calendar)
        root = market.root()
        with logging_of_run(
            market.settings().logging,
            root.logs,
            root.token_file,
            run_id=context.run.run_id,
            trade_date=day.isoformat(),
        ):
            for due in completed(store, day, calendar, root.session_state_file):
                context.log.warning(f"{due:%H:%M:%S}: the session died in it; its rows are made from its quotes")
            before = store.seal_record(day)
            # Of a day sealed before, somebody may be deriving an index again.
            shared = list(before.files[OVERVIEW.name]) if before else []
            with hold_all(store, day, shared, f"seal {context.run.run_id[:8]}"):
                report = seal_day(
                    store,
                    day,
                    lambda lake_, day_: derive_day(lake_, day_, calendar),
                    warehouse.swap,
                )
            log.info("sealed", rows=sum(report.rows.values()), files=report.files, seconds=round(report.seconds, 2))
        write_seal(root.seal_figures_file, SealFigures(day, SystemTime().now(), report.seconds))
        trading = trading_day(store, day, calendar)
        chain = store.read(OPTION_CHAIN, day)
        plan = plan_of(market)
        series = offset_series(chain, store.read(EXPIRY_OVERVIEW, day), trading)
        if csv.enabled:
            csv.files().rewrite_day(day, series, store.read(OVERVIEW, day))
        for event in recorded(market, store, day, chain, series, plan):
            context.log_event(event)
        return dg.MaterializeResult(
            metadata={
                "result": "sealed",
                "dagster/row_count": sum(report.rows.values()),
                **{f"rows {name}": rows for name, rows in report.rows.items()},
                "files": report.files,
                "bytes": report.bytes,
                "seconds": round(report.seconds, 2),
            }
        )

    return seal


def recorded(
    market: MarketResource, store: Lake, day: date, chain: pd.DataFrame, series: pd.DataFrame, plan: DayPlan
) -> Iterator[dg.AssetMaterialization]:
    """Yield a materialisation for every partition that sealing the day wrote.

    What the day holds of an index, label or width that the settings no longer name has no partition and no event.
    """
    expiries = store.read(EXPIRIES, day)
    snapshots = store.read(SNAPSHOTS, day)
    overview = store.read(OVERVIEW, day)
    for underlying in sorted(set(overview["underlying"].astype(str)) & set(plan.tags)):
        mine = expiries[(expiries["underlying"] == underlying) & expiries["expiry_tag"].isin(plan.tags[underlying])]
        rows = chain[chain["underlying"] == underlying]
        by_expiry = rows.groupby("expiry").size()
        overlay = front_overlay(market, underlying, day)
        numbers = overview_numbers(overview[overview["underlying"] == underlying], snapshots, underlying)
        for name, metadata in (
            (OVERVIEW.name, {**numbers, **picture(store, day, underlying, overlay)}),
            (DAILY_SUMMARY.name, summary_numbers(store, day, underlying)),
            (OVERLAY, overlay_numbers(overlay)),
        ):
            yield dg.AssetMaterialization(
                dg.AssetKey([underlying, name]),
                partition=day.isoformat(),
                metadata={**metadata, **partition_links(name, underlying, day)},
                tags=VERSION_TAGS,
            )
        for tag, expiry in zip(mine["expiry_tag"], mine["expiry"], strict=True):
            yield chain_event(underlying, day, str(tag), expiry, int(by_expiry.get(expiry, 0)))
        wanted = series[series["underlying"] == underlying]
        labels = zip(wanted["expiry_tag"], wanted["strike_offset"], strict=True)
        counts = Counter(series_key(str(tag), int(offset)) for tag, offset in labels)
        for key in series_keys([str(tag) for tag in mine["expiry_tag"]], plan.strikes_each_side[underlying]):
            if key in counts:
                yield dg.AssetMaterialization(
                    dg.AssetKey([underlying, OFFSET_SERIES.name]),
                    partition=dg.MultiPartitionKey({"date": day.isoformat(), "series": key}),
                    metadata={"dagster/row_count": counts[key]},
                    tags=VERSION_TAGS,
                )


def chain_event(underlying: str, day: date, tag: str, expiry: Any, rows: int) -> dg.AssetMaterialization:
    """Return the materialisation of one date x expiry of an index's chain."""
    return dg.AssetMaterialization(
        dg.AssetKey([underlying, OPTION_CHAIN.name]),
        partition=dg.MultiPartitionKey({"date": day.isoformat(), "expiry": tag}),
        metadata={
            "dagster/row_count": rows,
            "expiry": f"{expiry:%Y-%m-%d}",
            **partition_links(OPTION_CHAIN.name, underlying, day, tag),
        },
        tags=VERSION_TAGS,
    )


def overview_numbers(overview: pd.DataFrame, snapshots: pd.DataFrame, underlying: str) -> Mapping[str, Any]:
    """Return the numbers shown on an overview partition."""
    mine = snapshots[snapshots["underlying"] == underlying]
    numbers: dict[str, Any] = {
        "dagster/row_count": len(overview),
        "snapshots": int(overview["snapshot_at"].nunique()),
        "healed snapshots": int((overview["source"] == "candle").sum()),
        "missing legs": int(mine["missing_legs"].sum()),
    }
    for name in ("spot", "day_width", "pcr_oi", "india_vix"):
        known = overview[name].dropna()
        if len(known):
            numbers[f"last {name}"] = float(known.iloc[-1])
    return numbers


__all__ = ["build", "chain_event", "overview_numbers", "recorded", "rows_by"]
