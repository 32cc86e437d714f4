"""Proof that a sink's server has what the store has: `influx_delivery`, its job, and the sensor that asks for it.

Made only where InfluxDB is enabled. A day is proven once it is sealed, and again when it is sealed anew: what was
healed since, or lost to a full spool, is delivered then.
"""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import dagster as dg
import pandas as pd

from g6_assets.common import OWNERS, opened_session
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW
from g6_market.series import offset_series
from g6_resources.clock import SystemTime
from g6_resources.courier import Courier
from g6_resources.delivery_proofs import ProofFiles
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
        proofs, sealed_at = proofs_of(market.root()), record.made_at.isoformat()
        try:
            # First what waits, in order, so that nothing is written twice.
            Courier("influx", spool, server.send).deliver_waiting()
            counter = counter_of(server, influx.world())
            done = {
                measurement.name: deliver_lacking(frame, measurement, counter, server.write, influx.world())
                for measurement, frame in _tables(store, day, market)
            }
        except SinkError as error:
            proofs.write(day, sealed_at, SystemTime().now(), proven=False)
            raise dg.Failure(f"{day}: {error}", allow_retries=False) from error
        finally:
            server.close()
        spool.forget_dropped(day)
        proofs.write(day, sealed_at, SystemTime().now(), proven=True)
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
        description="Has each sealed day proven on InfluxDB, newest first, once the server answers; what failed is "
        "tried again after 1, 2, 4 ... hours.",
    )
    def influx_delivery_due(
        market: MarketResource, lake: LakeResource, influx: InfluxResource
    ) -> dg.RunRequest | dg.SkipReason:
        now = SystemTime().now()
        proofs = proofs_of(market.root())
        # Imported days may lie before the first partition: they have none to be recorded under.
        days = (found for found in unproven(proofs, lake.lake(), now) if dates.has_partition_key(str(found[0])))
        day, sealed_at = next(days, (None, ""))
        if day is None:
            return dg.SkipReason("no sealed day is due: each is proven on InfluxDB, or was tried lately")
        server = influx.server()
        try:
            answers = server.ping()
        finally:
            server.close()
        if not answers:
            return dg.SkipReason(f"{day} waits for its proof, but {influx.url} does not answer")
        return dg.RunRequest(run_key=f"influx:{day}:{sealed_at}:{now:%dT%H}", partition_key=day.isoformat())

    return influx_delivery_due


def unproven(proofs: ProofFiles, store: Lake, now: datetime) -> Iterator[tuple[date, str]]:
    """Yield the sealed days, newest first, whose last seal is to be proven now, with the time of that seal."""
    for day in reversed(store.sealed_days()):
        record, proof = store.seal_record(day), proofs.read(day)
        sealed_at = record.made_at.isoformat() if record else ""
        if sealed_at and (proof is None or not proof.settles(sealed_at, now)):
            yield day, sealed_at


def proofs_of(root: DataRoot) -> ProofFiles:
    """Return what is known of a world's deliveries to InfluxDB."""
    return ProofFiles(root.state / "delivery" / "influx")


def _tables(store: Lake, day: date, market: MarketResource) -> Iterator[tuple[Measurement, pd.DataFrame]]:
    chain = store.read(OPTION_CHAIN, day)
    yield CHAIN, chain
    yield SERIES, offset_series(chain, store.read(EXPIRY_OVERVIEW, day), trading_day(store, day, market.calendar()))
    yield INDEX, store.read(OVERVIEW, day)
