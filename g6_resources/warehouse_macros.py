"""The SQL of the table macros: small questions, answered from the one file that holds the answer.

A view over a year binds hundreds of files before it reads one; a macro computes the path of its file from its
arguments, which therefore must be constants. Views are in `warehouse_views`; the macros of what changes through a day
(build-up, open interest, series) in `warehouse_analytics`, which share the helpers here.
"""

# ruff: noqa: S608 - every part is our own schema, a number, or text quoted by `literal`

from collections.abc import Iterator
from datetime import date

from g6_market.indices import FRONT, TAGS
from g6_market.schema import EXPIRIES, EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, Table
from g6_resources.warehouse_views import (
    RHO,
    SEALED_EXPIRIES,
    Layout,
    closed_days,
    generation,
    literal,
    union,
)

STRADDLE = (
    "snapshot_at, underlying, expiry, forward, spot, atm_strike, straddle, spot_atm_strike, spot_straddle, "
    "atm_iv, iv_trading, t_years, source"
)


def macro_statements(layout: Layout) -> Iterator[str]:
    """Yield the statements that make all macros, each with a comment."""
    chain = f"trade_date, {', '.join(OPTION_CHAIN.names)}, {RHO}"
    day = "CAST(CAST(instant AS TIMESTAMP) AS DATE)"
    keys = day_rows(EXPIRY_OVERVIEW, layout, day, "index_name", "snapshot_at, underlying, expiry")
    yield from macro(
        "chain(index_name, tag, instant)",
        f"""WITH {wanted(labels_on(layout, day))}
SELECT {chain} FROM {day_rows(OPTION_CHAIN, layout, day, "index_name")} JOIN (
  SELECT expiry, max(snapshot_at) AS snapshot_at FROM {keys}
  WHERE underlying = index_name AND expiry = (SELECT expiry FROM wanted) AND snapshot_at <= CAST(instant AS TIMESTAMP)
  GROUP BY expiry
) USING (expiry, snapshot_at)
WHERE underlying = index_name
UNION ALL BY NAME {generation(layout)}
ORDER BY strike, option_type""",
        "Option chain of one expiry as of an instant: chain('NIFTY', 'this_week', '2026-11-20 10:00'). tag: an expiry "
        "tag, front, or an expiry date",
    )

    latest = literal(layout.current.rstrip("/") + "/option_chain.parquet")
    current = f"read_parquet({latest}, hive_partitioning = false)"
    labels = f"""(
  SELECT * FROM {SEALED_EXPIRIES}
  UNION ALL BY NAME
  SELECT * FROM {layout.live(EXPIRIES)} WHERE {layout.is_live("trade_date")}
)"""
    today = f"(SELECT CAST(max(snapshot_at) AS DATE) FROM {current})"
    yield from macro(
        "latest_chain(index_name, tag)",
        f"""WITH {wanted(f"(SELECT * FROM {labels} WHERE trade_date = {today})")}
SELECT CAST(snapshot_at AS DATE) AS {chain} FROM {current}
WHERE underlying = index_name AND expiry = (SELECT expiry FROM wanted)
UNION ALL BY NAME {generation(layout)}
ORDER BY strike, option_type""",
        "Option chain of one expiry at the latest snapshot: latest_chain('NIFTY', 'front')",
    )

    day, straddle = "CAST(day AS DATE)", f"trade_date, {STRADDLE}"
    yield from macro(
        "straddle(index_name, tag, day)",
        f"""WITH {wanted(labels_on(layout, day))}
SELECT {straddle} FROM {day_rows(EXPIRY_OVERVIEW, layout, day, "index_name", straddle)}
WHERE underlying = index_name AND expiry = (SELECT expiry FROM wanted)
UNION ALL BY NAME {generation(layout)}
ORDER BY snapshot_at""",
        "At-the-money straddle of one expiry through a day: straddle('BANKNIFTY', 'this_month', '2026-11-20')",
    )
    yield from macro(
        "chain_on(index_name, day)",
        f"""SELECT {chain} FROM {day_rows(OPTION_CHAIN, layout, day, "index_name")} WHERE underlying = index_name
UNION ALL BY NAME {generation(layout)}""",
        "Every leg of an index through a day, in no order: chain_on('NIFTY', '2026-11-20')",
    )
    yield from macro(
        "overview_on(day)",
        f"""SELECT trade_date, {", ".join(OVERVIEW.names)} FROM {day_rows(OVERVIEW, layout, day, None)}
UNION ALL BY NAME {generation(layout)}
ORDER BY underlying, snapshot_at""",
        "Overview of all indices on a day: overview_on('2026-11-20')",
    )


def macro(signature: str, body: str, comment: str) -> Iterator[str]:
    """Yield the statements of one table macro with its comment."""
    yield f"CREATE MACRO {signature} AS TABLE\n{body}"
    yield f"COMMENT ON MACRO TABLE {signature.split('(')[0]} IS {literal(comment)}"


def day_rows(table: Table, layout: Layout, day: str, index: str | None, columns: str = "*") -> str:
    """Return the rows of a day: from its closed file when it has one, else from the live files of that day.

    Of a table as wide as the overviews, naming the columns that are needed saves a quarter of the planning.
    """
    rows = f"FROM {_day_files(table, layout, day, index)} WHERE trade_date = {day}"
    if table.name in layout.uniform or set(columns.split(", ")) <= {"trade_date", *table.key}:
        return f"(SELECT {columns} {rows})"
    return union(table, layout, [f"SELECT * {rows}"])


def _day_files(table: Table, layout: Layout, day: str, index: str | None) -> str:
    name = "*" if index is None else f"' || {index} || '"
    folder = layout.address(f"{table.name}/closed/trade_date=").replace("'", "''")
    closed = f"'{folder}' || {day} || '/{name}.parquet'"
    live, none = literal(layout.live_pattern(table)), literal(layout.sentinel(table))
    return f"""read_parquet(
    CASE WHEN {_is_sealed(table, layout, day, index)} THEN {closed}
      WHEN {layout.is_live(day)} THEN {live} ELSE {none} END, {layout.options(table)})"""


def _is_sealed(table: Table, layout: Layout, day: str, index: str | None) -> str:
    """Return the condition that a table has a closed file of a day, and of an index."""
    days: dict[str, set[date]] = {}
    for (name, _), dates in closed_days(table, layout).items():
        days.setdefault("" if index is None else name, set()).update(dates)
    # One text for all indices that were sealed on the same days: hundreds of literals, or a text of all pairs, take as
    # long to plan as the query to run.
    alike: dict[str, list[str]] = {}
    for name, dates in days.items():
        alike.setdefault("|" + "|".join(map(str, sorted(dates))) + "|", []).append(name)
    held = [
        (f"{index} IN ({', '.join(map(literal, names))}) AND " if index else "")
        + f"contains({literal(known)}, '|' || {day} || '|')"
        for known, names in alike.items()
    ]
    return f"({' OR '.join(held)})" if held else "false"


def labels_on(layout: Layout, day: str) -> str:
    """Return what the expiry labels meant on a day: kept beside the views when it is sealed, else in live files."""
    return f"""(
  SELECT * EXCLUDE (sealed_at) FROM {SEALED_EXPIRIES} WHERE trade_date = {day}
  UNION ALL BY NAME
  SELECT * FROM {layout.live_if(EXPIRIES, layout.is_live(day))} WHERE trade_date = {day})"""


def wanted(labels: str) -> str:
    """Return the clause of table `wanted`: the expiry that `tag` names, in one row."""
    return f"wanted AS MATERIALIZED (SELECT expiry FROM {expiries_meant(labels)})"


def expiries_meant(labels: str, *, by_day: bool = False) -> str:
    """Return the expiry of `index_name` that `tag` names among labels, in one row or one a day; a date names itself."""
    word, listed = "CAST(tag AS VARCHAR)", ", ".join(literal(tag) for tag in TAGS)
    allowed = f"use {', '.join((FRONT, *TAGS))}, or a date such as 2026-11-24"
    day, group = ("trade_date, ", "GROUP BY trade_date") if by_day else ("", "")
    return f"""(
  SELECT {day}coalesce(TRY_CAST(tag AS DATE), CASE
    WHEN {word} = '{FRONT}' THEN nearest
    WHEN {word} IN ({listed}) THEN tagged
    ELSE error('no expiry ' || {word} || ': {allowed}') END) AS expiry
  FROM (
    SELECT {day}min(expiry) AS nearest, max(expiry) FILTER (WHERE expiry_tag = {word}) AS tagged
    FROM {labels} WHERE underlying = index_name {group}))"""
