"""The per-index assets of many days, `daily_summary` and `weekday_overlay`, and the picture of a sealed day.

Sealing writes the summary and records all three; the bodies here do it again for chosen dates.
"""

from collections.abc import Mapping
from datetime import date, time
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from g6_assets.again import derive_again
from g6_assets.common import OWNERS, column_schema, opened_session
from g6_assets.links import asset_links, partition_links
from g6_assets.partitions import key_date
from g6_market.day import CODE_VERSION
from g6_market.frames import floats, instants
from g6_market.indices import FRONT
from g6_market.schema import DAILY_SUMMARY, EXPIRY_OVERVIEW, OPTION_CHAIN
from g6_resources.lake import Lake
from g6_resources.overlays import read_overlay
from g6_resources.pictures import day_picture
from g6_resources.resources import ClockResource, DuckDBResource, LakeResource, MarketResource

OVERLAY = "weekday_overlay"
_TIMES = (time(10), time(12), time(15))
_SHOWN = (
    "spot_close",
    "straddle_close",
    "realised_vol_20",
    "iv30_1500",
    "iv30_rank",
    "iv30_percentile",
    "iv30_days_used",
    "vix_close",
    "vix_percentile",
    "iv30_less_realised",
    "rollover",
)


def build_analytics(underlying: str, dates: dg.DailyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return the assets of one index that look at many days."""
    by_date = dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="date")
    chain = dg.AssetDep(dg.AssetKey([underlying, OPTION_CHAIN.name]), partition_mapping=by_date)

    @dg.asset(
        key=[underlying, DAILY_SUMMARY.name],
        deps=[chain, dg.AssetKey([underlying, "overview"])],
        description=f"{underlying}: {DAILY_SUMMARY.description} Derives the date again, and with it its chain.",
        partitions_def=dates,
        group_name=underlying,
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=column_schema(DAILY_SUMMARY) | asset_links(DAILY_SUMMARY.name, underlying),
    )
    def daily_summary(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        clock: ClockResource,
        lake: LakeResource,
        duckdb: DuckDBResource,
    ) -> None:
        calendar, store = market.calendar(), lake.lake()
        # Oldest first: a later day's rank looks back on the earlier ones.
        for key in sorted(context.partition_keys):
            day = key_date(key)
            derive_again(context, day, underlying, market, clock, lake, duckdb.warehouse(calendar).swap)
            numbers = summary_numbers(store, day, underlying)
            links = partition_links(DAILY_SUMMARY.name, underlying, day)
            context.add_asset_metadata({**numbers, **links}, partition_key=key)

    @dg.asset(
        key=[underlying, OVERLAY],
        deps=[chain],
        description=f"{underlying}: the front's at-the-money straddle against earlier days of the same weekday that "
        "were as many sessions before their expiry. Stores nothing: the macro weekday_overlay asks for any label.",
        partitions_def=dates,
        group_name=underlying,
        kinds={"duckdb"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=asset_links(OVERLAY, underlying),
    )
    def weekday_overlay(context: dg.AssetExecutionContext, market: MarketResource, clock: ClockResource) -> None:
        calendar = market.calendar()
        for key in context.partition_keys:
            day = key_date(key)
            opened_session(calendar, day, clock.clock().now())
            numbers = overlay_numbers(front_overlay(market, underlying, day))
            context.add_asset_metadata({**numbers, **partition_links(OVERLAY, underlying, day)}, partition_key=key)

    return [daily_summary, weekday_overlay]


def front_overlay(market: MarketResource, underlying: str, day: date) -> pd.DataFrame:
    """Return a day of the front's money against earlier days of its weekday."""
    alpha = market.settings().overlays.weekday.alpha
    return read_overlay(market.root(), underlying, FRONT, 0, day, alpha)


def overlay_numbers(overlay: pd.DataFrame) -> Mapping[str, Any]:
    """Return how far the straddle stood from its overlay at 10:00, 12:00, 15:00 and the last snapshot, in per cent.

    That of a time is the last snapshot of the five minutes (or the interval) before it. What is unknown, or has no day
    behind it, is left out.
    """
    numbers: dict[str, Any] = {"snapshots": len(overlay), "days behind": 0}
    if overlay.empty:
        return numbers
    numbers["days behind"] = int(overlay["straddle_days"].max())
    at = instants(overlay, "snapshot_at")
    straddle = floats(overlay, "straddle")
    rows = {f"{clock:%H:%M}": _last_until(at, clock) for clock in _TIMES} | {"close": len(at) - 1}
    for label, row in rows.items():
        for kind in ("mean", "ema"):
            if row is None:
                continue
            deviation = 100 * (straddle[row] / float(floats(overlay, f"straddle_{kind}")[row]) - 1)
            if np.isfinite(deviation):
                numbers[f"straddle over {kind} at {label} (%)"] = round(float(deviation), 2)
    return numbers


def summary_numbers(store: Lake, day: date, underlying: str) -> Mapping[str, Any]:
    """Return the numbers shown on a daily_summary partition; what is null is left out."""
    rows = store.read(DAILY_SUMMARY, day, underlying=underlying)
    known = rows[list(_SHOWN)].iloc[-1].dropna() if len(rows) else pd.Series(dtype="float64")
    return {"dagster/row_count": len(rows), **{str(name): float(value) for name, value in known.items()}}


def picture(store: Lake, day: date, underlying: str, overlay: pd.DataFrame | None) -> Mapping[str, Any]:
    """Return the metadata that shows a picture of the day."""
    uri = day_picture(
        underlying,
        day,
        store.read(EXPIRY_OVERVIEW, day, underlying=underlying),
        store.read(OPTION_CHAIN, day, underlying=underlying),
        overlay,
    )
    return {"picture": dg.MetadataValue.md(f"![{underlying} {day}]({uri})")}


def _last_until(at: Any, clock: time) -> int | None:
    hours = np.subtract(at, at.astype("datetime64[D]")) / np.timedelta64(1, "h")
    step = float(np.median(np.diff(hours))) if len(hours) > 1 else 0.0
    rows = np.flatnonzero((hours <= clock.hour) & (hours > clock.hour - max(step, 5 / 60)))
    return int(rows[-1]) if len(rows) else None
