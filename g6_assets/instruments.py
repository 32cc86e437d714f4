"""What a day opens with: instruments, expiries and the reference sweep, each by trade date.

The session makes them itself when nobody did; these assets are the early start of the morning and the repair by hand.
"""

from datetime import date

import dagster as dg

from g6_assets.capture import open_day, reference_sweep
from g6_assets.common import OWNERS, column_schema, opened_session, plan_of, rows_by
from g6_assets.links import asset_links
from g6_market.schema import EXPIRIES, INSTRUMENTS, REFERENCE
from g6_resources.resources import ClockResource, KiteResource, LakeResource, MarketResource
from g6_resources.sealing import trading_day


def build(dates: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return the assets of the morning."""

    @dg.multi_asset(
        name="open_day",
        specs=[
            dg.AssetSpec(
                "instruments",
                deps=[dg.AssetKey(["kite", "instruments"])],
                description=INSTRUMENTS.description + " Re-materialising fetches the dump anew.",
                group_name="session",
                kinds={"parquet"},
                owners=OWNERS,
                metadata=column_schema(INSTRUMENTS) | asset_links(INSTRUMENTS.name),
            ),
            dg.AssetSpec(
                "expiries",
                deps=["instruments"],
                description=EXPIRIES.description,
                group_name="session",
                kinds={"parquet"},
                owners=OWNERS,
                metadata=column_schema(EXPIRIES) | asset_links(EXPIRIES.name),
            ),
        ],
        partitions_def=dates,
        pool="kite",
        can_subset=False,
    )
    def instruments_and_expiries(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        clock: ClockResource,
        kite: KiteResource,
        lake: LakeResource,
    ) -> tuple[dg.MaterializeResult, dg.MaterializeResult]:
        now = clock.clock()
        calendar = market.calendar()
        session = opened_session(calendar, date.fromisoformat(context.partition_key), now.now(), today_only=True)
        day, _ = open_day(lake.lake(), kite.source(now), plan_of(market), session, calendar, refresh=True)
        return (
            dg.MaterializeResult(asset_key="instruments", metadata=rows_by(day.instruments)),
            dg.MaterializeResult(asset_key="expiries", metadata=rows_by(day.expiries)),
        )

    @dg.asset(
        deps=["instruments", dg.AssetKey(["kite", "quote"])],
        description=REFERENCE.description,
        partitions_def=dates,
        group_name="session",
        kinds={"parquet"},
        owners=OWNERS,
        pool="kite",
        metadata=column_schema(REFERENCE) | asset_links(REFERENCE.name),
    )
    def reference(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        clock: ClockResource,
        kite: KiteResource,
        lake: LakeResource,
    ) -> dg.MaterializeResult:
        now = clock.clock()
        calendar = market.calendar()
        session = opened_session(calendar, date.fromisoformat(context.partition_key), now.now(), today_only=True)
        store = lake.lake()
        day = trading_day(store, session.trade_date, calendar)
        frame = reference_sweep(store, kite.source(now), day, now.now)
        if frame is None:
            context.log.info(f"{session.trade_date} has its reference sweep already; it cannot be asked for again")
            return dg.MaterializeResult(metadata=rows_by(store.read(REFERENCE, session.trade_date)))
        return dg.MaterializeResult(metadata=rows_by(frame))

    return [instruments_and_expiries, reference]
