"""Reads what `g6_market.overlay` compares, from the views of g6.duckdb."""

from datetime import date

import duckdb
import pandas as pd

from g6_market.overlay import weekday_overlay
from g6_resources.lake_open import let_duckdb_read
from g6_resources.world import DataRoot


def read_overlay(
    root: DataRoot, underlying: str, tag: str, strike_offset: int, trade_date: date, alpha: float
) -> pd.DataFrame:
    """Return a day against earlier days of its weekday, as `weekday_overlay` defines it.

    Parameters
    ----------
    root
        The world, whose g6.duckdb is asked.
    tag
        An expiry label, or front.
    strike_offset
        Rank from the money, as the day's atm_reference counts it.

    Raises
    ------
    duckdb.Error
        The label is none, or the file is older than the last seal.
    """
    with duckdb.connect(str(root.warehouse), read_only=True) as connection:
        let_duckdb_read(connection, root)
        rows = connection.execute(
            "FROM weekday_series($index, $tag, $offset, $day)",
            {"index": underlying, "tag": tag, "offset": strike_offset, "day": trade_date.isoformat()},
        ).df()
    return weekday_overlay(rows[rows["trade_date"] == pd.Timestamp(trade_date)], rows, alpha)
