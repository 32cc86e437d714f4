"""The SQL of the macros over many days: `straddle_at`, and `weekday_series` and `weekday_overlay` of one weekday.

Only that index's files of those days are opened, chosen by their folders' dates. The moving average of the rows of a
weekday is `g6_market.overlay`. Macros of a single day are in `warehouse_macros` and `warehouse_analytics`.
"""

# ruff: noqa: S608 - every part is our own schema, a number, or text quoted by `literal`

from collections.abc import Iterator

from g6_market.indices import FRONT, TAGS
from g6_market.overlay import MEASURES
from g6_market.schema import CONVENTIONS, EXPIRIES, EXPIRY_OVERVIEW, OPTION_CHAIN, Table
from g6_resources.lake import ALL
from g6_resources.warehouse_macros import STRADDLE, day_rows, expiries_meant, labels_on, macro
from g6_resources.warehouse_views import HIVE, SEALED_EXPIRIES, Layout, closed_days, generation, literal, union

WEEKS = 60
"""Weeks that an overlay looks back."""

_DAY = "CAST(day AS DATE)"
_FIRST, _LAST = "CAST(first_day AS DATE)", "CAST(last_day AS DATE)"
_BEFORE = (
    f"trade_date < {_DAY} AND trade_date >= {_DAY} - INTERVAL {WEEKS} WEEK "
    f"AND dayofweek(trade_date) = dayofweek({_DAY})"
)
_ARGUMENTS = "index_name, tag, strike_offset, day"
_EXAMPLE = "('NIFTY', 'this_week', 0, '2026-11-20')"


def overlay_statements(layout: Layout) -> Iterator[str]:
    """Yield the statements that make the macros, each with a comment."""
    yield from _straddle_at(layout)
    yield from macro(
        f"weekday_series({_ARGUMENTS})",
        f"""WITH {_alike(layout)},
legs AS MATERIALIZED (
  SELECT trade_date, snapshot_at, strike, option_type, price, iv, oi,
    CASE atm_reference WHEN 'spot' THEN c.spot_strike_offset ELSE c.strike_offset END AS label
  FROM {_past_and_day(OPTION_CHAIN, layout)} c JOIN alike USING (trade_date, expiry)
  WHERE NOT settlement_window
), chosen AS (
  SELECT trade_date, arg_min(strike, snapshot_at) AS strike, min(snapshot_at) AS from_at
  FROM legs WHERE label = CAST(strike_offset AS INTEGER) AND CAST(snapshot_at AS TIME) >= TIME '09:20'
  GROUP BY trade_date
), floating AS (
  SELECT trade_date, snapshot_at, {_straddle("")}
  FROM legs WHERE label = CAST(strike_offset AS INTEGER) GROUP BY trade_date, snapshot_at
), fixed AS (
  SELECT trade_date, snapshot_at, {_straddle("fixed_")}
  FROM legs JOIN chosen USING (trade_date, strike) WHERE snapshot_at >= from_at GROUP BY trade_date, snapshot_at
)
SELECT trade_date, snapshot_at, trading_days_to_expiry, {", ".join(MEASURES)}
FROM floating FULL JOIN fixed USING (trade_date, snapshot_at) JOIN alike USING (trade_date)
UNION ALL BY NAME {generation(layout)}
ORDER BY trade_date, snapshot_at""",
        "Straddle, IV and open interest (call + put) by snapshot, of the strike at a rank from the money and (fixed_) "
        "of the one that had it from 09:20: on the day, and on the sealed days of the 60 weeks before that are of its "
        "weekday, as many sessions before the expiry of the label, and with the same atm_reference. Without the "
        f"settlement window; null: unknown. weekday_series{_EXAMPLE}",
    )
    shown = ", ".join(f"{m}, {m}_mean, coalesce({m}_days, 0) AS {m}_days" for m in MEASURES)
    means = ", ".join(f"avg({m}) AS {m}_mean, count({m}) AS {m}_days" for m in MEASURES)
    yield from macro(
        f"weekday_overlay({_ARGUMENTS})",
        f"""WITH days AS MATERIALIZED (FROM weekday_series({_ARGUMENTS})),
past AS (
  SELECT CAST(snapshot_at AS TIME) AS at, {means}
  FROM days WHERE trade_date < {_DAY} GROUP BY ALL
)
SELECT snapshot_at, trading_days_to_expiry, {shown}
FROM days LEFT JOIN past ON past.at = CAST(days.snapshot_at AS TIME)
WHERE trade_date = {_DAY}
ORDER BY snapshot_at""",
        "A day against the days that weekday_series finds alike: each measure with its mean at that time of day and "
        f"the days behind it; null: no such day. weekday_overlay{_EXAMPLE}",
    )


def _straddle_at(layout: Layout) -> Iterator[str]:
    # The sums keep DuckDB from handing the join's values down to each of some hundred scans of a few rows, which takes
    # a fifth longer. Of the files only those of the days asked for are named.
    labels = f"(SELECT * FROM {SEALED_EXPIRIES} UNION ALL BY NAME SELECT * FROM {_live_from_to(EXPIRIES, layout)})"
    yield from macro(
        "straddle_at(index_name, tag, time_of_day, first_day, last_day)",
        f"""WITH meant AS MATERIALIZED (
  SELECT * FROM {expiries_meant(labels, by_day=True)} WHERE trade_date BETWEEN {_FIRST} AND {_LAST}
), rows AS (
  SELECT r.* FROM {_from_to(EXPIRY_OVERVIEW, layout)} r JOIN meant m
    ON r.trade_date + 0 = m.trade_date AND r.expiry + 0 = m.expiry
  WHERE snapshot_at <= r.trade_date + CAST(time_of_day AS TIME)
), seen AS (
  SELECT trade_date, max(snapshot_at) AS snapshot_at FROM rows GROUP BY trade_date
)
SELECT trade_date, {STRADDLE} FROM rows JOIN seen USING (trade_date, snapshot_at)
UNION ALL BY NAME {generation(layout)}
ORDER BY trade_date""",
        "At-the-money straddle and IV of one expiry at a time of day, a row for each day: of its last snapshot at or "
        "before that time. straddle_at('NIFTY', 'this_week', '10:00', '2026-01-01', '2026-11-20')",
    )


def _from_to(table: Table, layout: Layout) -> str:
    """Return an index's rows from one day to another."""
    branches: list[str] = []
    folder = literal(layout.address(f"{table.name}/closed/trade_date="))
    by_columns: dict[str, list[str]] = {}
    for (name, schema), days in closed_days(table, layout).items():
        by_columns.setdefault(schema, []).append(f"WHEN {literal(name)} THEN {literal(' '.join(map(str, days)))}")
    for known in by_columns.values():
        chosen = (
            f"list_filter(string_split(CASE index_name {' '.join(known)} ELSE '' END, ' '), "
            f"lambda d: d BETWEEN CAST({_FIRST} AS VARCHAR) AND CAST({_LAST} AS VARCHAR))"
        )
        # The file of no rows comes last, for a list's columns are those of its first file.
        files = (
            f"list_append(list_transform({chosen}, lambda d: {folder} || d || '/' || index_name || '.parquet'), "
            f"{literal(layout.sentinel(table))})"
        )
        branches.append(f"SELECT * FROM read_parquet({files}, {HIVE})")
    branches.append(f"SELECT * FROM {_live_from_to(table, layout)}")
    return union(table, layout, branches)


def _live_from_to(table: Table, layout: Layout) -> str:
    return f"""(
  SELECT * FROM {layout.live_if(table, layout.has_live(_FIRST, _LAST))}
  WHERE underlying = index_name AND {layout.is_live("trade_date")} AND trade_date BETWEEN {_FIRST} AND {_LAST})"""


def _alike(layout: Layout) -> str:
    listed = ", ".join(literal(tag) for tag in TAGS)
    word = "CAST(tag AS VARCHAR)"
    return f"""labels AS (
  SELECT trade_date,
    CASE WHEN {word} = '{FRONT}' THEN min(expiry)
      WHEN {word} IN ({listed}) THEN max(expiry) FILTER (WHERE expiry_tag = {word})
      ELSE error('no expiry label ' || {word} || ': use {", ".join((FRONT, *TAGS))}') END AS expiry,
    CASE WHEN {word} = '{FRONT}' THEN arg_min(trading_days_to_expiry, expiry)
      ELSE max(trading_days_to_expiry) FILTER (WHERE expiry_tag = {word}) END AS trading_days_to_expiry
  FROM (
    SELECT * EXCLUDE (sealed_at) FROM {SEALED_EXPIRIES} WHERE {_BEFORE}
    UNION ALL BY NAME
    SELECT * FROM {labels_on(layout, _DAY)})
  WHERE underlying = index_name GROUP BY trade_date
), known AS MATERIALIZED (
  SELECT * FROM labels JOIN (SELECT trade_date, any_value(atm_reference) AS atm_reference
    FROM {_past_and_day(CONVENTIONS, layout)} GROUP BY trade_date) USING (trade_date)
), alike AS MATERIALIZED (
  SELECT known.* FROM known JOIN (
    SELECT trading_days_to_expiry, atm_reference FROM known WHERE trade_date = {_DAY}
  ) USING (trading_days_to_expiry, atm_reference)
)"""


def _past_and_day(table: Table, layout: Layout) -> str:
    """Return the rows of the day, and those of one weekday's sealed days before it."""
    index = None if table.split is None else "index_name"
    groups = closed_days(table, layout)
    pattern = layout.address(f"{table.name}/closed/trade_date=*/").replace("'", "''")
    # A pattern that matches nothing is an error; and a file that no seal record names is none.
    known = literal("|" + "|".join(f"{day}/{name}" for (name, _), days in groups.items() for day in days) + "|")
    any_of = literal("|" + "|".join(sorted({name for name, _ in groups})) + "|")
    word = literal(ALL) if index is None else index
    files = (
        f"CASE WHEN contains({any_of}, '|' || {word} || '|') THEN '{pattern}' || {word} || '.parquet' "
        f"ELSE {literal(layout.sentinel(table))} END"
    )
    past = f"""SELECT * FROM read_parquet({files}, {HIVE}, union_by_name = false)
  WHERE {_BEFORE} AND contains({known}, '|' || trade_date || '/' || {word} || '|')"""
    return union(table, layout, [past, f"SELECT * FROM {day_rows(table, layout, _DAY, index)}"])


def _straddle(prefix: str) -> str:
    def both(value: str) -> str:
        return " + ".join(f"max({value}) FILTER (WHERE option_type = '{kind}')" for kind in ("CE", "PE"))

    return f"{both('price')} AS {prefix}straddle, max(iv) AS {prefix}iv, {both('oi')} AS {prefix}oi"
