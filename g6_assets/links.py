"""Where people go from an asset: its rows in DuckDB, its view on the desk, its page of the documentation."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from g6_market.indices import FRONT

DESK = "http://127.0.0.1:8050/"
"""Where `g6 desk` is unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Way:
    """The way from an asset to its numbers.

    Parameters
    ----------
    latest
        SQL for the asset's page: of the latest day, with `{index}` to fill in.
    of_day
        SQL for a partition, with `{index}`, `{tag}` and `{day}` to fill in.
    view
        View of the desk, None where the desk has none.
    page
        Page and heading of the documentation.
    """

    latest: str
    of_day: str
    view: str | None
    page: str


_LAST_DAY = "trade_date = (select max(trade_date) from overview)"
WAYS: dict[str, Way] = {
    "option_chain": Way(
        "from latest_chain('{index}', 'front');",
        "from chain('{index}', '{tag}', '{day} 23:59');",
        "chain",
        "definitions.md#price-time-volatility",
    ),
    "overview": Way(
        f"from overview where underlying = '{{index}}' and {_LAST_DAY} order by snapshot_at;",
        "from overview_on('{day}') where underlying = '{index}';",
        "quality",
        "definitions.md#overview",
    ),
    "offset_series": Way(
        f"from offset_series where underlying = '{{index}}' and strike_offset = 0 and {_LAST_DAY} order by all;",
        "from offset_series('{index}', '{tag}', 0, '{day}');",
        "straddle",
        "definitions.md#money",
    ),
    "daily_summary": Way(
        "from daily_summary where underlying = '{index}' order by trade_date desc;",
        "from daily_summary where underlying = '{index}' and trade_date = '{day}';",
        "volatility",
        "definitions.md#a-day-in-one-row",
    ),
    "weekday_overlay": Way(
        "from duckdb_functions() where function_name = 'weekday_overlay';",
        "from weekday_overlay('{index}', '{tag}', 0, '{day}');",
        "straddle",
        "definitions.md#the-same-weekday",
    ),
    "live": Way("from latest_chain('{index}', 'front');", "", "chain", "questions.md#the-chain"),
    "views": Way("from data_catalog where underlying = '{index}';", "", "chain", "questions.md"),
    "instruments": Way(f"from instruments where {_LAST_DAY};", "", None, "data-dictionary.md#instruments"),
    "expiries": Way(f"from expiries where {_LAST_DAY};", "", None, "definitions.md#expiry-labels"),
    "reference": Way(f"from reference where {_LAST_DAY};", "", None, "definitions.md#what-is-captured"),
    "quotes": Way(f"from snapshots where {_LAST_DAY} order by all;", "", "quality", "definitions.md#completeness"),
    "candles": Way(f"from gaps where {_LAST_DAY} order by all;", "", "quality", "definitions.md#completeness"),
    "seal": Way("from data_catalog;", "", "quality", "definitions.md#checks"),
    "recomputed": Way("from data_catalog;", "", "quality", "scaling.md#recomputing-years"),
}
"""By the last part of an asset's key."""


def asset_links(name: str, index: str = "NIFTY") -> dict[str, Any]:
    """Return the links of an asset, as Dagster metadata."""
    way = WAYS[name]
    links: dict[str, Any] = {
        "query": _sql(way.latest.format(index=index)),
        "documentation": dg.MetadataValue.path(f"docs/{way.page}"),
    }
    if way.view:
        links["desk"] = dg.MetadataValue.url(f"{DESK}?index={index}&view={way.view}")
    return links


def partition_links(name: str, index: str, day: date, tag: str = FRONT) -> dict[str, Any]:
    """Return the links of one partition of a per-index asset, as Dagster metadata."""
    way = WAYS[name]
    return {
        "query": _sql(way.of_day.format(index=index, tag=tag, day=day)),
        "desk": dg.MetadataValue.url(f"{DESK}?index={index}&expiry={tag}&day={day}&view={way.view}"),
    }


def _sql(query: str) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.md(f"```sql\n{query}\n```")
