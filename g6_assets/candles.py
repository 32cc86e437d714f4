"""The `candles` asset: what was not captured of a day is filled from minute candles, as far as its limits allow.

It runs before each seal, on demand (`g6 heal`) and by the sensor of `heal_sensor`. What it does is in `heal`; here it
is given its parts, and what stands in its way becomes a sentence: a seal must never wait for a broker.
"""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from g6_assets.common import OWNERS, column_schema, opened_session
from g6_assets.heal import HealingRuns, HealLimit, HealReport, alone, completed, heal_day
from g6_assets.links import asset_links
from g6_market.schema import HEALING, INSTRUMENTS
from g6_resources.lake import Lake
from g6_resources.resources import ClockResource, KiteResource, LakeResource, MarketResource
from g6_resources.sealing import trading_day
from g6_resources.settings import SettingsError
from g6_resources.world import WorldError

CANDLES = "candles"
SEAL_MINUTES = 5.0
"""A seal asks for candles this long, some 900 contracts; the sensor goes on with the rest."""


class HealConfig(dg.Config):
    """How much one run asks for."""

    minutes: float = Field(default=SEAL_MINUTES, ge=0, description="Market time for calls; with 0 none is made")
    all_strikes: bool = Field(default=False, description="Every listed strike where a full chain was lost")
    again: bool = Field(default=False, description="Ask again for legs that had no candle when they were asked for")


def build(dates: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the healing asset."""

    @dg.asset(
        name=CANDLES,
        deps=["quotes", dg.AssetKey(["kite", "candles"])],
        description="What was not captured of a day, from the broker's minute candles: rows of quotes marked candle. "
        + HEALING.description,
        partitions_def=dates,
        group_name="session",
        kinds={"parquet", "kite"},
        owners=OWNERS,
        pool="kite",
        metadata=column_schema(HEALING) | asset_links("candles"),
    )
    def candles(
        context: dg.AssetExecutionContext,
        config: HealConfig,
        market: MarketResource,
        clock: ClockResource,
        kite: KiteResource,
        lake: LakeResource,
    ) -> dg.MaterializeResult:
        now = clock.clock()
        calendar, store, root = market.calendar(), lake.lake(), market.root()
        session = opened_session(calendar, date.fromisoformat(context.partition_key), now.now())
        day = session.trade_date
        limit = HealLimit(until=now.now() + timedelta(minutes=config.minutes))
        try:
            # The dump is stored last of a day's opening: without it there is no contract to heal.
            if store.read(INSTRUMENTS, day).empty:
                report = HealReport(day, trouble="the day was not opened: nothing is known of its contracts")
            elif root.world.kind == "replay":
                report = HealReport(day, trouble="a recording has no candles")
            else:
                with alone(root.state):
                    if now.now() > session.close:
                        completed(store, day, calendar, root.session_state_file)
                    report = heal_day(
                        store,
                        kite.source(now),
                        trading_day(store, day, calendar),
                        now,
                        limit=limit,
                        all_strikes=config.all_strikes,
                        again=config.again,
                        progress=_told(context),
                    )
        except (HealingRuns, SettingsError, WorldError) as error:
            report = HealReport(day, trouble=str(error))
        (context.log.warning if report.trouble else context.log.info)(str(report))
        return dg.MaterializeResult(metadata=_numbers(store, report))

    return candles


def _told(context: dg.AssetExecutionContext) -> Any:
    def progress(done: int, contracts: int, healed: int) -> None:
        if done % 100 == 0:
            context.log.info(f"{done} of {contracts} contracts asked for, {healed:,} legs healed")

    return progress


def _numbers(store: Lake, report: HealReport) -> dict[str, Any]:
    of_day = Counter(store.gather(HEALING, report.trade_date)["outcome"].astype(str))
    return {
        "result": str(report),
        "missing legs": report.missing,
        "healed now": report.healed,
        "contracts left": report.left,
        "dagster/row_count": of_day.total(),
        **{f"legs {outcome}": count for outcome, count in sorted(of_day.items())},
        **({"trouble": report.trouble} if report.trouble else {}),
    }
