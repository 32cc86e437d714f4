"""Asset checks of a sealed day: the thresholds of the conventions, one mark each on `<INDEX>/overview`.

The judgements are `g6_market.quality`; here they get partitions and metadata. They run with the seal, and by hand.
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from g6_market.quality import CHECKS, Finding, day_findings
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, QUOTES, SNAPSHOTS
from g6_resources.resources import LakeResource, MarketResource
from g6_resources.sealing import trading_day

SEVERITY = {"pass": dg.AssetCheckSeverity.WARN, "warn": dg.AssetCheckSeverity.WARN, "fail": dg.AssetCheckSeverity.ERROR}


def build_index_checks(underlying: str, dates: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    """Return the checks of one index, run as one step."""
    asset = dg.AssetKey([underlying, OVERVIEW.name])

    @dg.multi_asset_check(
        name=f"{underlying}_checks",
        specs=[
            dg.AssetCheckSpec(
                name, asset=asset, description=description, additional_deps=["seal"], partitions_def=dates
            )
            for name, description in CHECKS.items()
        ],
    )
    def checks(
        context: dg.AssetCheckExecutionContext, market: MarketResource, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult]:
        day = date.fromisoformat(context.partition_key)
        store = lake.lake()
        tables = {
            table.name: store.read(table, day, underlying=underlying)
            for table in (QUOTES, SNAPSHOTS, OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW)
        }
        for finding in day_findings(underlying, tables, trading_day(store, day, market.calendar())):
            yield result_of(asset, finding)

    return checks


def result_of(asset: dg.AssetKey, finding: Finding) -> dg.AssetCheckResult:
    """Return Dagster's form of a finding: its sentence as description, its numbers as metadata."""
    numbers = {"value": finding.value, "warn above": finding.warn_above, "fail above": finding.fail_above}
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=finding.check,
        passed=finding.status == "pass",
        severity=SEVERITY[finding.status],
        description=finding.description,
        metadata={
            **{name: float(value) for name, value in numbers.items() if value is not None and value == value},
            **finding.metadata,
        },
    )
