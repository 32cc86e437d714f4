"""The factory of the per-index assets: option_chain, overview, offset_series, live. The index is prefix and group.

What looks at many days is in `analytics`.

Sealing writes them all (`seal`); these bodies derive one (date, index) again and replace its files, whatever key of it
was asked for.
"""

from collections.abc import Sequence

import dagster as dg

from g6_assets.again import check_days, derive_again, must_be_sealed
from g6_assets.analytics import front_overlay, picture
from g6_assets.common import OWNERS, column_schema, opened_session
from g6_assets.links import asset_links, partition_links
from g6_assets.partitions import expiry_partitions, key_date, series_partitions, series_to_expiry
from g6_assets.seal import chain_event, overview_numbers
from g6_market.day import CODE_VERSION
from g6_market.schema import EXPIRIES, EXPIRY_OVERVIEW, OFFSET_SERIES, OPTION_CHAIN, OVERVIEW, SNAPSHOTS
from g6_market.series import offset_series, parse_series_key
from g6_resources.resources import ClockResource, CsvResource, LakeResource, MarketResource
from g6_resources.sealing import trading_day


def build_index(
    underlying: str, tags: Sequence[str], strikes_each_side: int, dates: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return the assets of one index.

    Parameters
    ----------
    tags
        Its configured expiry tags: the second dimension of its chains.
    strikes_each_side
        N of ATM +- N: with the tags the second dimension of its series.
    """
    expiry_keys = expiry_partitions(dates, tags)
    by_date = dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="date")

    @dg.asset(
        key=[underlying, OPTION_CHAIN.name],
        deps=[dg.AssetDep("quotes", partition_mapping=by_date), dg.AssetDep("expiries", partition_mapping=by_date)],
        description=f"{underlying}: {OPTION_CHAIN.description} Any key derives the whole (date, index) again.",
        partitions_def=expiry_keys,
        group_name=underlying,
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=column_schema(OPTION_CHAIN) | asset_links(OPTION_CHAIN.name, underlying),
    )
    def option_chain(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        clock: ClockResource,
        lake: LakeResource,
    ) -> None:
        asked = {key_date(key) for key in context.partition_keys}
        keys = set(context.partition_keys)
        check_days(sorted(asked), market, clock, lake)
        for day in sorted(asked):
            derive_again(context, day, underlying, market, clock, lake)
            store = lake.lake()
            chain = store.read(OPTION_CHAIN, day, underlying=underlying, columns=["expiry"])
            rows = chain.groupby("expiry").size()
            expiries = store.read(EXPIRIES, day)
            expiries = expiries[(expiries["underlying"] == underlying) & expiries["expiry_tag"].isin(list(tags))]
            for tag, expiry in zip(expiries["expiry_tag"], expiries["expiry"], strict=True):
                event = chain_event(underlying, day, str(tag), expiry, int(rows.get(expiry, 0)))
                if str(event.partition) in keys:
                    context.add_asset_metadata(dict(event.metadata), partition_key=str(event.partition))
                else:
                    context.log_event(event)

    @dg.asset(
        key=[underlying, OVERVIEW.name],
        deps=["quotes", "expiries"],
        description=f"{underlying}: {OVERVIEW.description} Beside it expiry_overview, a row per expiry. "
        "A date derives the whole (date, index) again.",
        partitions_def=dates,
        group_name=underlying,
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=column_schema(OVERVIEW) | asset_links(OVERVIEW.name, underlying),
    )
    def overview(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        clock: ClockResource,
        lake: LakeResource,
    ) -> None:
        check_days([key_date(key) for key in context.partition_keys], market, clock, lake)
        for key in context.partition_keys:
            day = key_date(key)
            derive_again(context, day, underlying, market, clock, lake)
            store = lake.lake()
            rows = store.read(OVERVIEW, day, underlying=underlying)
            numbers = overview_numbers(rows, store.read(SNAPSHOTS, day), underlying)
            drawn = picture(store, day, underlying, front_overlay(market, underlying, day))
            links = partition_links(OVERVIEW.name, underlying, day)
            context.add_asset_metadata({**numbers, **drawn, **links}, partition_key=key)

    @dg.asset(
        key=[underlying, OFFSET_SERIES.name],
        deps=[
            dg.AssetDep(
                dg.AssetKey([underlying, OPTION_CHAIN.name]),
                partition_mapping=series_to_expiry(tags, strikes_each_side),
            )
        ],
        description=f"{underlying}: {OFFSET_SERIES.description} A partition is one CSV file.",
        partitions_def=series_partitions(dates, tags, strikes_each_side),
        group_name=underlying,
        kinds={"csv", "duckdb"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata=column_schema(OFFSET_SERIES) | asset_links(OFFSET_SERIES.name, underlying),
    )
    def series(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        clock: ClockResource,
        lake: LakeResource,
        csv: CsvResource,
    ) -> None:
        calendar = market.calendar()
        store = lake.lake()
        files = csv.files()
        for day in sorted({key_date(key) for key in context.partition_keys}):
            opened_session(calendar, day, clock.clock().now())
            must_be_sealed(store, day)
            frame = offset_series(
                store.read(OPTION_CHAIN, day, underlying=underlying),
                store.read(EXPIRY_OVERVIEW, day, underlying=underlying),
                trading_day(store, day, calendar),
            )
            for key in context.partition_keys:
                if key_date(key) != day:
                    continue
                tag, offset = parse_series_key(key.split("|")[1])
                rows = frame[(frame["expiry_tag"] == tag) & (frame["strike_offset"] == offset)]
                path = files.rewrite_series(underlying, tag, offset, day, rows)
                context.add_asset_metadata({"dagster/row_count": len(rows), "file": str(path)}, partition_key=key)

    live = dg.AssetSpec(
        [underlying, "live"],
        deps=["quotes"],
        description=f"{underlying}: the numbers of the running session, every five minutes.",
        group_name=underlying,
        kinds={"kite"},
        owners=OWNERS,
        metadata=asset_links("live", underlying),
    )
    view = dg.AssetSpec(
        [underlying, "views"],
        deps=[dg.AssetKey([underlying, name]) for name in (OPTION_CHAIN.name, OVERVIEW.name)],
        description=f"{underlying} in the views and macros of g6.duckdb: `g6 sql`, g6.connect(), any DuckDB client.",
        group_name=underlying,
        kinds={"duckdb"},
        owners=OWNERS,
        metadata=asset_links("views", underlying),
    )
    return [option_chain, overview, series, live, view]
