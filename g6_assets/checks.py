"""Asset checks of a sealed day: the thresholds of the conventions, one mark each on `<INDEX>/overview`.

The judgements are `g6_market.quality`; here they get partitions and metadata. They run with the seal, and by hand.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, cast

import dagster as dg

from g6_market.calendar import TradingCalendar
from g6_market.quality import CHECKS, Finding, day_findings
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, QUOTES, SNAPSHOTS
from g6_resources.alerts import Alert, AlertLog
from g6_resources.clock import SystemTime
from g6_resources.lake import Lake
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
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext, market: MarketResource, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult]:
        calendar, store = market.calendar(), lake.lake()
        wanted = {key.name for key in context.selected_asset_check_keys}
        for key in context.partition_keys:
            findings = [
                finding
                for finding in _findings(store, date.fromisoformat(key), underlying, calendar)
                if finding.check in wanted
            ]
            _alert(market, underlying, date.fromisoformat(key), findings)
            for finding in findings:
                if context.has_partition_key_range:
                    # A result of a run over several days would carry none of them: Dagster shows it as skipped.
                    evaluation = dg.AssetCheckEvaluation(**_reported(asset, finding), partition=key)
                    # Taken at run time, missing in the annotation.
                    context.op_execution_context.log_event(cast(Any, evaluation))
                else:
                    yield dg.AssetCheckResult(**_reported(asset, finding))

    return checks


def _alert(market: MarketResource, underlying: str, day: date, findings: Sequence[Finding]) -> None:
    failed = [f"{finding.check}: {finding.description}" for finding in findings if finding.status == "fail"]
    if failed:
        text = f"{underlying} on {day}: {len(failed)} checks failed: {'; '.join(failed)}"
        AlertLog(market.root().alerts_file).tell(Alert(SystemTime().now(), f"checks failed {underlying}", day, text))


def _findings(store: Lake, day: date, underlying: str, calendar: TradingCalendar) -> list[Finding]:
    tables = {
        table.name: store.read(table, day, underlying=underlying)
        for table in (QUOTES, SNAPSHOTS, OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW)
    }
    return day_findings(underlying, tables, trading_day(store, day, calendar))


def _reported(asset: dg.AssetKey, finding: Finding) -> dict[str, Any]:
    numbers = {"value": finding.value, "warn above": finding.warn_above, "fail above": finding.fail_above}
    return {
        "asset_key": asset,
        "check_name": finding.check,
        "passed": finding.status == "pass",
        "severity": SEVERITY[finding.status],
        "description": finding.description,
        "metadata": {
            **{name: float(value) for name, value in numbers.items() if value is not None and value == value},
            **finding.metadata,
        },
    }
