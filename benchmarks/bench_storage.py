"""What keeping a day costs: bytes, the time to seal, and how soon a reader sees a minute.

On one simulated day of the shipped configuration, see `worlds.day_through_dagster`.
"""

import io
import statistics
from typing import Any

from benchmarks.worlds import DAY, DayThroughDagster, day_through_dagster
from g6_market.schema import OPTION_CHAIN, QUOTES
from g6_resources.arrow import ArrowTable, pa, pc, pq
from g6_resources.lake import Lake, LocalStore
from g6_resources.parquet import ROW_GROUP_ROWS, SEALED_LEVEL, SPLIT_LEVEL

GREEKS = ("delta", "gamma", "theta", "vega")
PRICES = ("last_price", "average_price", "bid_price", "ask_price", "price")
STEPS = 1000  # of a rupee: a mid lies between two ticks, an average price on a hundredth


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    day = day_through_dagster()
    rows = _rows(day)
    legs = rows[OPTION_CHAIN.name]
    chain, quotes = _closed_bytes(day, OPTION_CHAIN.name), _closed_bytes(day, QUOTES.name)
    everything = _closed_bytes(day, "*")
    return [
        {
            "name": "bytes_per_leg",
            "value": round(chain / legs, 1),
            "unit": "B",
            "better": "lower",
            "baseline": 117,
            "ratio": round(117 / (chain / legs), 1),
            "note": f"sealed option_chain of {_work()}: {legs:,} legs with price, book, OI, forward, IV and greeks. "
            f"The raw quotes beside it take {quotes / rows[QUOTES.name]:.1f} B a row, all tables together "
            f"{everything / legs:.1f} B a leg ({everything / 1e6:.1f} MB; {day.live_bytes / 1e6:.1f} MB before the "
            "seal). Predecessor 117-147, CSV",
        },
        _smaller(day, chain / legs),
        {
            "name": "seal_seconds",
            "value": round(day.seal_seconds, 2),
            "unit": "s",
            "better": "lower",
            "baseline": None,
            "ratio": None,
            "note": f"wall; CPU {day.seal_own_cpu:.1f} s: {_work()} derived again from its quotes, sorted, written, "
            "read back, committed, views swapped, live files deleted; without CSV, checks and Dagster's events",
        },
        {
            "name": "live_visibility_ms",
            "value": round(statistics.median(day.visibility) * 1000, 1),
            "unit": "ms",
            "better": "lower",
            "baseline": None,
            "ratio": None,
            "note": "wall, from a snapshot's end until a new g6.connect() has answered select max(snapshot_at) from "
            f"option_chain of the day with it, some 365 live files a table; median of {len(day.visibility)}",
        },
    ]


def _smaller(day: DayThroughDagster, now: float) -> dict[str, Any]:
    """Say what whole numbers for prices, and greeks derived when asked for, would save."""
    files = sorted(day.root.lake.glob(f"{OPTION_CHAIN.name}/closed/trade_date={DAY}/*.parquet"))
    tables = [pq.ParquetFile(file).read() for file in files]
    legs = sum(table.num_rows for table in tables)
    whole = [_in_steps(table) for table in tables]
    steps = sum(_size(table) for table in whole) / legs
    least = sum(_size(table.drop_columns(list(GREEKS))) for table in whole) / legs
    return {
        "name": "bytes_per_leg_recomputed_greeks",
        "value": round(least, 1),
        "unit": "B",
        "better": "lower",
        "baseline": round(now, 1),
        "ratio": round(now / least, 1),
        "note": f"not done: prices as whole thousandths of a rupee {steps:.1f} B a leg, and delta, gamma, theta "
        "and vega derived from iv when asked for (about 80 ns a leg). Baseline: as stored, rupees and greeks in every "
        "row, which any tool reads without our code",
    }


def _in_steps(table: ArrowTable) -> ArrowTable:
    for name in PRICES:
        steps = pc.cast(pc.round(pc.multiply(table.column(name), STEPS)), pa.int64())
        table = table.set_column(table.column_names.index(name), name, steps)
    return table


def _size(table: ArrowTable) -> int:
    sink = io.BytesIO()
    growing = [column.name for column in OPTION_CHAIN.columns if column.growing]
    split = [f.name for f in table.schema if f.name in (*PRICES, *growing) or pa.types.is_floating(f.type)]
    words = [column.name for column in OPTION_CHAIN.columns if column.dictionary]
    pq.write_table(
        table,
        sink,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level={name: SPLIT_LEVEL if name in split else SEALED_LEVEL for name in table.column_names},
        use_dictionary=[name for name in words if name not in split],
        column_encoding={name: "BYTE_STREAM_SPLIT" for name in split if name not in words},
    )
    return len(sink.getvalue())


def _work() -> str:
    return f"{DAY}, six indices, all labels, ATM +- 10 each minute, every strike each third"


def _rows(day: DayThroughDagster) -> dict[str, int]:
    record = Lake(LocalStore(day.root.lake)).seal_record(DAY)
    if record is None:
        raise RuntimeError(f"{day.root.path} holds no sealed {DAY}: its seal run wrote no record")
    return record.rows


def _closed_bytes(day: DayThroughDagster, table: str) -> int:
    return sum(path.stat().st_size for path in day.root.lake.glob(f"{table}/closed/trade_date={DAY}/*.parquet"))
