"""What the year's questions are compared with: pandas over our CSV tree, polars over our files, a native DuckDB file.

The CSV tree holds one month (it is what G6 writes for spreadsheets); the native file holds the same rows as the views.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl

from benchmarks.year import CACHE, sessions
from benchmarks.year_questions import DAY, MONTH
from g6.connection import connect
from g6_market.calendar import TradingCalendar
from g6_market.indices import INDICES
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW
from g6_market.series import offset_label, offset_series
from g6_resources.csv_files import CsvSink
from g6_resources.lake import Lake, LocalStore
from g6_resources.sealing import trading_day
from g6_resources.world import DataRoot

EACH_SIDE = 10
CSV = CACHE / "csv"
NATIVE = CACHE / "native.duckdb"
_TABLES = (OPTION_CHAIN.name, EXPIRY_OVERVIEW.name, OVERVIEW.name, "expiries")

Answers = Mapping[str, Callable[[], Any]]


def native(root: DataRoot) -> duckdb.DuckDBPyConnection:
    """Return a connection to a DuckDB file that holds the year's rows as tables; made when missing."""
    if not NATIVE.exists():
        fresh = NATIVE.with_suffix(".tmp")
        fresh.unlink(missing_ok=True)
        with connect(root.path) as views:
            views.execute(f"ATTACH '{fresh}' AS native")
            for table in _TABLES:
                views.execute(f"CREATE TABLE native.{table} AS SELECT * FROM {table} LIMIT 0")
                for month in sorted({day.replace(day=1) for day in sessions()}):
                    views.execute(f"INSERT INTO native.{table} SELECT * FROM {table} WHERE trade_date >= "
                                  f"DATE '{month}' AND trade_date < DATE '{month}' + INTERVAL 1 MONTH")  # fmt: skip
            views.execute("DETACH native")
        fresh.rename(NATIVE)
    return duckdb.connect(str(NATIVE), read_only=True)


def csv_tree(root: DataRoot) -> Path:
    """Return the CSV tree of NIFTY and BANKNIFTY in the month; made when missing."""
    done = CSV / "whole"
    if not done.exists():
        lake, sink, calendar = Lake(LocalStore(root.lake)), CsvSink(CSV), TradingCalendar.load()
        for day in _month():
            for name in ("NIFTY", "BANKNIFTY"):
                of_day = trading_day(lake, day, calendar)
                chain, overview, of_index = (
                    lake.read(table, day, underlying=name) for table in (OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW)
                )
                sink.rewrite_day(day, offset_series(chain, overview, of_day), of_index)
        done.touch()
    return CSV


def pandas_over_csv(tree: Path) -> Answers:
    """Return the questions a month of CSV files can answer, as one writes them in pandas."""

    def series(index: str, tag: str, offset: int, day: Any) -> Path:
        return tree / "options" / index / tag / offset_label(offset) / f"{day}.csv"

    def read(path: Path, *columns: str) -> pd.DataFrame:
        return pd.read_csv(path, usecols=["snapshot_at", *columns], parse_dates=["snapshot_at"])

    offsets = range(-EACH_SIDE, EACH_SIDE + 1)
    tags = INDICES["NIFTY"].tags

    def q1() -> pd.DataFrame:
        files = [pd.read_csv(path) for n in offsets if (path := series("NIFTY", "this_week", n, DAY)).exists()]
        return pd.concat([file.tail(1) for file in files])

    def q2() -> pd.DataFrame:
        return read(series("BANKNIFTY", "this_month", 0, DAY), "straddle")

    def q3() -> pd.Series:
        found: list[pd.DataFrame] = []
        for day in _month():
            expiries: set[Any] = set()
            for tag in tags:
                rows = [read(path, "expiry", "call_oi", "put_oi") for n in offsets
                        if (path := series("NIFTY", tag, n, day)).exists()]  # fmt: skip
                if rows and rows[0]["expiry"].iloc[0] not in expiries:
                    expiries.add(rows[0]["expiry"].iloc[0])
                    found += rows
        sums = pd.concat(found).groupby("snapshot_at")[["call_oi", "put_oi"]].sum()
        return sums["put_oi"] / sums["call_oi"]

    def q4() -> list[float]:
        rows = [read(series("NIFTY", "this_week", 0, day), "iv") for day in _month()]
        return [float(day.loc[day["snapshot_at"].dt.strftime("%H:%M") == "10:00", "iv"].iloc[0]) for day in rows]

    def q6() -> float:
        legs = pd.concat(read(path, "call_last_price", "put_last_price") for tag in tags for n in offsets
                         if (path := series("NIFTY", tag, n, DAY)).exists()).sort_values("snapshot_at")  # fmt: skip
        spot = read(tree / "overview" / "NIFTY" / f"{DAY}.csv", "spot")
        both = pd.merge_asof(legs, spot, on="snapshot_at")
        return float((both["call_last_price"] + both["put_last_price"] - 2 * both["spot"]).sum())

    return {"q1": q1, "q2": q2, "q3": q3, "q4": q4, "q6": q6}


def polars_over_files(root: DataRoot) -> Answers:
    """Return the questions in polars' lazy scans of the same Parquet files, each given the least files it needs."""

    def scan(table: str, index: str = "*", day: Any = "2*") -> pl.LazyFrame:
        return pl.scan_parquet(f"{root.lake}/{table}/closed/trade_date={day}/{index}.parquet", hive_partitioning=True,
                               try_parse_hive_dates=True)  # fmt: skip

    def labelled(legs: pl.LazyFrame, index: str, tag: str, day: Any = "2*") -> pl.LazyFrame:
        labels = scan("expiries", index, day).filter(pl.col("expiry_tag") == tag).select("trade_date", "expiry")
        return legs.join(labels, on=["trade_date", "expiry"])

    def q1() -> pl.DataFrame:
        legs = labelled(scan("option_chain", "NIFTY", DAY), "NIFTY", "this_week", DAY)
        return legs.filter(pl.col("snapshot_at") == pl.col("snapshot_at").max()).collect()

    def q2() -> pl.DataFrame:
        legs = labelled(scan("option_chain", "BANKNIFTY", DAY), "BANKNIFTY", "this_month", DAY)
        at_the_money = legs.filter(pl.col("strike_offset") == 0)
        return at_the_money.group_by("snapshot_at").agg(pl.col("price").sum()).sort("snapshot_at").collect()

    def q3() -> pl.DataFrame:
        legs = scan("option_chain", "NIFTY", f"{MONTH[0]:%Y-%m}-*")
        side = {name: pl.col("oi").filter(pl.col("option_type") == name).sum() for name in ("PE", "CE")}
        return legs.group_by("snapshot_at").agg(side["PE"] / side["CE"]).sort("snapshot_at").collect()

    def q4() -> pl.DataFrame:
        at_ten = pl.col("snapshot_at").dt.time() == pl.time(10)
        legs = scan("option_chain", "NIFTY").filter((pl.col("strike_offset") == 0) & at_ten)
        return labelled(legs, "NIFTY", "this_week").group_by("trade_date").agg(pl.col("iv").mean()).collect()

    def q5() -> pl.DataFrame:
        keys = ["underlying", pl.col("trade_date").dt.weekday().alias("weekday"), "strike_offset"]
        return scan("option_chain").group_by(keys).agg(pl.col("volume").sum(), pl.col("oi").mean()).collect()

    def q6() -> pl.DataFrame:
        legs = scan("option_chain", "NIFTY", DAY).select("snapshot_at", "last_price").sort("snapshot_at")
        both = legs.join_asof(scan("overview", "NIFTY", DAY).select("snapshot_at", "spot"), on="snapshot_at")
        return both.select((pl.col("last_price") - pl.col("spot")).sum()).collect()

    return {"q1": q1, "q2": q2, "q3": q3, "q4": q4, "q5": q5, "q6": q6}


def _month() -> list[Any]:
    return [day for day in sessions() if MONTH[0] <= day <= MONTH[1]]
