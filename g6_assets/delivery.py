"""Proof that a sink's server has what the store has: `influx_delivery`, its job, and the sensor that asks for it.

Made only where InfluxDB is enabled. A day is proven once it is sealed, and again when it is sealed anew: what was
healed since, or lost to a full spool, is delivered then.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from g6_assets.common import OWNERS, opened_session
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW
from g6_market.series import offset_series
from g6_resources.clock import SystemTime
from g6_resources.courier import Courier
from g6_resources.files import read_json, write_json
from g6_resources.influx_counters import counter_of
from g6_resources.influx_points import CHAIN, INDEX, SERIES, Measurement
from g6_resources.influx_proof import deliver_lacking
from g6_resources.lake import Lake
from g6_resources.resources import ClockResource, InfluxResource, LakeResource, MarketResource
from g6_resources.sealing import trading_day
from g6_resources.seams import SinkError
from g6_resources.world import DataRoot

NAME = "influx_delivery"
JOB = f"{NAME}_job"


def build(dates: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the asset."""

    @dg.asset(
        name=NAME,
        deps=["seal"],
        description="Proof by counts that InfluxDB has every point of a sealed day; delivers what it lacks.",
        partitions_def=dates,
        group_name="session",
        kinds={"influxdb"},
        owners=OWNERS,
    )
    def influx_delivery(
        context: dg.AssetExecutionContext,
        market: MarketResource,
        clock: ClockResource,
        lake: LakeResource,
        influx: InfluxResource,
    ) -> dg.MaterializeResult:
        calendar = market.calendar()
        day = opened_session(calendar, date.fromisoformat(context.partition_key), clock.clock().now()).trade_date
        store = lake.lake()
        record = store.seal_record(day)
        if record is None:
            raise dg.Failure(f"{day} is not sealed: its points are the session's to deliver; seal the day first")
        server, spool = influx.server(), influx.spool()
        try:
            # First what waits, in order, so that nothing is written twice.
            Courier("influx", spool, server.send).deliver_waiting()
            counter = counter_of(server, influx.world())
            done = {
                measurement.name: deliver_lacking(frame, measurement, counter, server.write, influx.world())
                for measurement, frame in _tables(store, day, market)
            }
        except SinkError as error:
            raise dg.Failure(f"{day}: {error}", allow_retries=False) from error
        finally:
            server.close()
        spool.forget_dropped(day)
        write_json(_record_file(market.root(), day), {"sealed_at": record.made_at.isoformat()})
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(delivery.points for delivery in done.values()),
                "server": influx.url,
                **{
                    f"{table} {name.replace('_', ' ')}": value
                    for table, delivery in done.items()
                    for name, value in asdict(delivery).items()
                },
            }
        )

    return influx_delivery


def build_job() -> Any:
    """Return the job of the asset."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(NAME),
        description="Prove that InfluxDB has a sealed day, and deliver what it lacks.",
        executor_def=dg.in_process_executor,
        tags={"dagster/max_runtime": "3600"},
    )


def build_sensor(dates: dg.PartitionsDefinition) -> dg.SensorDefinition:
    """Return the sensor that has each sealed day proven."""

    @dg.sensor(
        name=NAME,
        job_name=JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has each sealed day proven on InfluxDB, newest first, once the server answers; at most hourly.",
    )
    def influx_delivery_due(
        market: MarketResource, lake: LakeResource, influx: InfluxResource
    ) -> dg.RunRequest | dg.SkipReason:
        # Imported days may lie before the first partition: they have none to be recorded under.
        days = unproven(market.root(), lake.lake())
        due = next(((day, sealed) for day, sealed in days if dates.has_partition_key(day.isoformat())), None)
        if due is None:
            return dg.SkipReason("every sealed day is proven on InfluxDB")
        server = influx.server()
        try:
            answers = server.ping()
        finally:
            server.close()
        if not answers:
            return dg.SkipReason(f"{due[0]} waits for its proof, but {influx.url} does not answer")
        run_key = f"influx:{due[0]}:{due[1]}:{SystemTime().now():%Y-%m-%dT%H}"
        return dg.RunRequest(run_key=run_key, partition_key=due[0].isoformat())

    return influx_delivery_due


def unproven(root: DataRoot, store: Lake) -> Iterator[tuple[date, str]]:
    """Yield the sealed days, newest first, whose last seal is not proven, with the time of that seal."""
    for day in reversed(store.sealed_days()):
        record = store.seal_record(day)
        sealed_at = record.made_at.isoformat() if record else ""
        if _proven(root, day) != sealed_at:
            yield day, sealed_at


def _proven(root: DataRoot, day: date) -> str | None:
    try:
        return str(read_json(_record_file(root, day)).get("sealed_at"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _record_file(root: DataRoot, day: date) -> Path:
    folder = root.state / "delivery" / "influx"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{day}.json"


def _tables(store: Lake, day: date, market: MarketResource) -> Iterator[tuple[Measurement, pd.DataFrame]]:
    chain = store.read(OPTION_CHAIN, day)
    yield CHAIN, chain
    yield SERIES, offset_series(chain, store.read(EXPIRY_OVERVIEW, day), trading_day(store, day, market.calendar()))
    yield INDEX, store.read(OVERVIEW, day)
