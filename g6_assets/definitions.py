"""How it is put together: one function builds all definitions and takes overrides, so tests patch nothing.

Which world a process works on comes from its environment: `G6_DATA_ROOT` (absolute folder of the world), which make,
`g6` and the service units set together with `DAGSTER_HOME`.
"""

import os
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from g6_assets import candles, delivery, instruments, jobs, partitions, recompute, schedules, seal, sensors, session
from g6_assets.analytics import build_analytics
from g6_assets.checks import build_index_checks
from g6_assets.common import OWNERS
from g6_assets.heal_sensor import heal_gaps
from g6_assets.per_index import build_index
from g6_market.calendar import TradingCalendar
from g6_resources.clock import clock_from
from g6_resources.resources import (
    ClockResource,
    CsvResource,
    DuckDBResource,
    InfluxResource,
    KiteResource,
    LakeResource,
    MarketResource,
    RedisResource,
    SessionFilesResource,
    load_calendar,
)
from g6_resources.settings import Settings, load_settings
from g6_resources.world import DataRoot, World, WorldError, find_root, open_root
from g6_resources.world_state import first_date, own_settings

DATA_ROOT_VARIABLE = "G6_DATA_ROOT"

# Stable for our use and pinned to one release; each is named where it is used.
BETA_IN_USE = ("backfill_policy", "MultiPartitionMapping", "MultiToSingleDimensionPartitionMapping", "partitions_def")


def build_defs(
    *,
    settings: Settings | None = None,
    root: DataRoot | None = None,
    calendar: TradingCalendar | None = None,
    resources: dict[str, Any] | None = None,
) -> dg.Definitions:
    """Build every definition of the platform.

    Parameters
    ----------
    settings, root, calendar
        What to use instead of the configuration file, the environment's world and the shipped calendar.
    resources
        Resources that replace the built ones, by key.
    """
    root = root or root_from_environment()
    settings = settings or load_settings(own_settings(root))
    calendar = calendar or load_calendar(settings)
    with warnings.catch_warnings():
        _quiet_beta()
        return _build(settings, root, calendar, resources or {})


def root_from_environment() -> DataRoot:
    """Return the data root that this process works on.

    Without the variable it is the live world, else the newest made. Where none was made yet (a fresh checkout whose
    definitions are only looked at) it is the live one's place, without making it: only `g6 login` does that.
    """
    folder = os.environ.get(DATA_ROOT_VARIABLE)
    if folder:
        return open_root(Path(folder))
    data_path = load_settings().data_path
    try:
        return find_root(data_path)
    except WorldError:
        return DataRoot((data_path / "live").absolute(), World("live"))


def _build(settings: Settings, root: DataRoot, calendar: TradingCalendar, overrides: dict[str, Any]) -> dg.Definitions:
    today = clock_from(root).now().date()
    first = first_partition(settings, root)
    dates = partitions.trading_dates(calendar, first, today)
    per_index: list[Any] = []
    checks: list[dg.AssetChecksDefinition] = []
    influx = settings.storage.influx.enabled
    for name, index in settings.enabled_indices.items():
        per_index += build_index(name, index.expiries, index.strikes_each_side, dates)
        per_index += build_analytics(name, dates)
        checks.append(build_index_checks(name, dates))
    return dg.Definitions(
        assets=[
            *external_assets(),
            *instruments.build(dates),
            session.build(dates),
            candles.build(dates),
            seal.build(dates),
            recompute.build(first, list(settings.enabled_indices)),
            *([delivery.build(dates)] if influx else []),
            *per_index,
        ],
        asset_checks=checks,
        jobs=[*jobs.build(checks), *([delivery.build_job()] if influx else [])],
        sensors=[*sensors.SENSORS, heal_gaps, *([delivery.build_sensor(dates)] if influx else [])],
        schedules=list(schedules.SCHEDULES),
        resources={**build_resources(settings, root), **overrides},
        executor=dg.in_process_executor,
    )


def first_partition(settings: Settings, root: DataRoot) -> date:
    """Return the first trading date of a world's partitions."""
    if not root.world_file.exists():
        return settings.first_partition_date(clock_from(root).now().date())
    return first_date(root) or settings.first_partition_date(root.made_at().date())


def build_resources(settings: Settings, root: DataRoot) -> dict[str, Any]:
    """Return the resources of a world by key."""
    folder = str(root.path)
    kite, influx, redis = settings.kite, settings.storage.influx, settings.storage.redis
    return {
        "market": MarketResource(data_root=folder, config_file=str(settings.file)),
        "clock": ClockResource(data_root=folder),
        "kite": KiteResource(
            data_root=folder,
            root_url=kite.root,
            timeout_seconds=kite.timeout_seconds,
            quote_per_second=kite.limits.quote,
            historical_per_second=kite.limits.historical,
            other_per_second=kite.limits.other,
            instruments_ttl_hours=kite.instruments_ttl_hours,
            allow_yesterdays_instruments=kite.allow_yesterdays_instruments,
        ),
        "lake": LakeResource(data_root=folder),
        "files": SessionFilesResource(data_root=folder),
        "duckdb": DuckDBResource(data_root=folder),
        "csv": CsvResource(base=str(settings.csv_base(root)), enabled=settings.storage.csv.enabled),
        "influx": InfluxResource(
            data_root=folder,
            enabled=influx.enabled,
            url=influx.url,
            org=influx.org,
            bucket=influx.bucket,
            spool_mb=influx.spool_mb,
        ),
        "redis": RedisResource(data_root=folder, enabled=redis.enabled, url=redis.url, ttl_seconds=redis.ttl_seconds),
    }


def external_assets() -> list[dg.AssetSpec]:
    """Return what lies outside: the broker's dump, its quotes and its candles."""
    return [
        dg.AssetSpec(
            ["kite", "instruments"],
            description="Kite Connect's daily dump of listed instruments.",
            group_name="session",
            kinds={"kite"},
            owners=OWNERS,
            metadata={"dagster/uri": "https://kite.trade/docs/connect/v3/market-quotes/"},
        ),
        dg.AssetSpec(
            ["kite", "candles"],
            description="Kite Connect's minute candles with open interest: one call a contract, three a second.",
            group_name="session",
            kinds={"kite"},
            owners=OWNERS,
            metadata={"dagster/uri": "https://kite.trade/docs/connect/v3/historical/"},
        ),
        dg.AssetSpec(
            ["kite", "quote"],
            description="Kite Connect's quotes: asked once an interval, 500 symbols a call.",
            group_name="session",
            kinds={"kite"},
            owners=OWNERS,
            metadata={"dagster/uri": "https://kite.trade/docs/connect/v3/market-quotes/"},
        ),
    ]


def _quiet_beta() -> None:
    for name in BETA_IN_USE:
        for category in (dg.BetaWarning, dg.PreviewWarning):
            warnings.filterwarnings("ignore", message=f".*{name}.*", category=category)


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the environment's world."""
    return build_defs()
