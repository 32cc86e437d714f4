"""What a whole year costs: deriving it again, as plain work and as one Dagster run, and a hundred million legs at once.

`python -m benchmarks.bench_year` derives the year again, which takes minutes; with `--year`, `benchmarks` takes the
figures of the last time that this was done by the code there is.
"""

import json
import os
import resource
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.bench_analytics import PREDECESSOR_LEGS_PER_SECOND, result
from benchmarks.worlds import in_new_process
from benchmarks.year import PROCESSES, Recomputed, built_year, recompute, recomputed, sessions, take_todays_columns
from g6_resources.clock import write_clock
from g6_resources.lake import Lake, LocalStore
from g6_resources.settings.loading import DEFAULT_FILE, load_settings
from g6_resources.world import DataRoot, open_root

INDEX, LEGS_AT_ONCE = "FINNIFTY", 100_000_000

HUNDRED_MILLION = """
import json, resource, sys, time
import numpy as np
from benchmarks.bench_pricing import market
from g6_market.pricing.legs import price_legs
legs, base = int(sys.argv[1]), 1_000_000
part = market(base)
price_legs(**part)
columns = {name: np.tile(column, legs // base) for name, column in part.items()} | {"pair": np.arange(legs) ^ 1}
held = sum(column.nbytes for column in columns.values())
start = time.process_time()
price_legs(**columns)
seconds = time.process_time() - start
print(json.dumps([seconds, held, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    root = built_year()
    return [*_recomputed(recomputed(root)), _backfill(root), _at_once()]


def _recomputed(took: Recomputed) -> list[dict[str, Any]]:
    # Wall time would tell how busy a shared machine was.
    rate = took.legs * PROCESSES / took.cpu_seconds
    note = (
        f"{took.legs:,} legs of {took.days} days derived again on {PROCESSES} processes: each day's quotes and "
        "what belongs to it read, option_chain, expiry_overview, overview and daily_summary written, flushed to the "
        f"disk and read back, by the work of the per-index assets; CPU {took.cpu_seconds:.0f} s, wall "
        f"{took.seconds:.0f} s"
    )
    return [
        result(
            "year_recompute_legs_per_second",
            rate,
            PREDECESSOR_LEGS_PER_SECOND,
            f"{note}; by CPU, as two free cores take it",
            "legs/s",
            "higher",
        ),
        result("year_recompute_peak_gib", took.peak_gib, None, f"{note}; largest resident sizes added, limit 3", "GiB"),
    ]


def _backfill(root: DataRoot) -> dict[str, Any]:
    took = in_new_process(backfill, root.path)
    return result(
        "year_backfill_seconds", took["seconds"], None,
        f"wall, one Dagster range run of {INDEX}/option_chain over {took['keys']} keys, {len(sessions())} days x its "
        f"labels: {took['legs']:,} legs derived again, each file replaced whole, {took['events']} materialisations "
        f"recorded with code version {took['code_version']}; CPU {took['cpu_seconds']:.0f} s, peak "
        f"{took['peak_gib']:.2f} GiB",
    )  # fmt: skip


def backfill(path: Path) -> dict[str, Any]:
    """Run one range run over the whole year of an index, as a single-run backfill does, in this process."""
    import dagster as dg

    from g6.runtime import environment
    from g6_assets.definitions import build_defs

    root = open_root(path)
    take_todays_columns(Lake(LocalStore(root.lake)), sessions())
    write_clock(root.clock_file, "driven", now=_after_the_year())
    os.environ.update(environment(root))
    days, tags = sessions(), load_settings(DEFAULT_FILE).indices[INDEX].expiries
    job = dg.define_asset_job("backfill", selection=[f"{INDEX}/option_chain"], executor_def=dg.in_process_executor)
    definitions = build_defs(settings=load_settings(DEFAULT_FILE), root=root)
    chosen = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job])).resolve_job_def("backfill")
    with dg.DagsterInstance.get() as instance:
        start, cpu = time.perf_counter(), time.process_time()
        ran = chosen.execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": f"{days[0]}|{tags[0]}",
                "dagster/asset_partition_range_end": f"{days[-1]}|{tags[-1]}",
            },
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    made = [
        event.step_materialization_data.materialization for event in ran.all_events if event.is_step_materialization
    ]
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "keys": len({event.partition for event in made}),
        "events": len(made),
        "legs": sum(int(str(event.metadata["dagster/row_count"].value)) for event in made),
        "code_version": ", ".join({(event.tags or {})["dagster/code_version"] for event in made}),
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def _after_the_year() -> Any:
    from g6_market.calendar import TradingCalendar

    return TradingCalendar.load().session(sessions()[-1]).close + timedelta(days=1)


def _at_once() -> dict[str, Any]:
    command = [sys.executable, "-c", HUNDRED_MILLION, str(LEGS_AT_ONCE)]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True)
    seconds, held, peak = json.loads(done.stdout)
    return result(
        "hundred_million_legs_cpu_seconds", seconds, LEGS_AT_ONCE / PREDECESSOR_LEGS_PER_SECOND,
        f"{LEGS_AT_ONCE:,} legs priced in one call on one core: price choice, own and shared IV, greeks; "
        f"{held / 2**30:.1f} GiB of columns given, {peak / 2**30:.1f} GiB at the most with the results",
    )  # fmt: skip


if __name__ == "__main__":
    recompute(built_year(), sessions())
    print(json.dumps(results(), indent=2))
