"""The SQL that says what there is: `data_catalog`, `stored_days`, `expiries_on`, `gaps_on`, comments on helper tables.

`gaps` itself is in `warehouse_views`; what is asked of the data in the other `warehouse_` modules.
"""

# ruff: noqa: S608 - every part is our own schema, a number, or text quoted by `literal`

from collections.abc import Iterator

from g6_market.schema import EXPIRIES, OVERVIEW
from g6_resources.warehouse_macros import labels_on, macro
from g6_resources.warehouse_views import (
    SEALED_EXPIRIES,
    Layout,
    column_comments,
    generation,
    literal,
    view_comments,
)

_CATALOG_COMMENT = (
    "What is stored, a line for each series: the chains of an index by expiry label, its overview, its daily summary. "
    "Counts every stored day, so on years of data it takes a second"
)
_CATALOG_COLUMNS = {
    "series": "View that has the rows: option_chain, overview or daily_summary",
    "underlying": "Index code",
    "expiry_tag": "Expiry label; null: the series has none",
    "first_day": "First trading day with a row",
    "last_day": "Last trading day with a row",
    "last_at": "Last snapshot; IST; null: a day is one row",
    "days": "Trading days with a row",
    "snapshots": "Snapshots with a row; null: a day is one row",
    "row_count": "Rows of the view",
    "healed_snapshots": "Those of them with rows healed from candles; null: a day is one row",
    "missing_snapshots": "Snapshots that were due on the days the chain was listed, and have no row; the latest day "
    "that is not sealed counts up to its last snapshot; null: not known, or a day is one row",
}
_DAYS_COMMENT = "The days of which snapshots are stored, by index; opens next to no file"
_DAYS_COLUMNS = {
    "trade_date": "Trading day",
    "underlying": "Index code",
    "sealed": "Whether the day is sealed",
}
_HELPERS = {
    "sealed_days": (
        "The sealed days by index: a part of stored_days",
        {"trade_date": "Trading day", "underlying": "Index code"},
    ),
    SEALED_EXPIRIES: (
        "What the expiry labels of the sealed days meant: a part of expiries, kept here since most questions need it",
        {
            **column_comments(EXPIRIES),
            "sealed_at": "When the day was sealed; IST, system time",
        },
    ),
    "expected_sessions": (
        "Which snapshots were due: unbroken runs of instants, one or more a trading day",
        {
            "trade_date": "Trading day",
            "first_due": "First due instant of the run; IST",
            "last_due": "Last due instant of the run; IST",
            "interval_seconds": "Step from one due instant to the next; s",
        },
    ),
    "g6_meta": (
        "How this file was made",
        {
            "generation": "Grows with every seal",
            "made_at": "When; IST, system time",
            "root": "Data root that the views read",
            "seals": "State of the seals that the views know, where another machine seals the lake; else empty",
        },
    ),
}


def catalog_statements(layout: Layout) -> Iterator[str]:
    """Yield the statements that make the view and the macro, each with comments."""
    yield _sealed_days(layout)
    yield _stored_days(layout)
    yield from view_comments("stored_days", _DAYS_COMMENT, _DAYS_COLUMNS)
    yield _data_catalog(layout)
    yield from view_comments("data_catalog", _CATALOG_COMMENT, _CATALOG_COLUMNS)
    yield from macro(
        "expiries_on(day)",
        f"""SELECT * FROM {labels_on(layout, "CAST(day AS DATE)")}
UNION ALL BY NAME {generation(layout)}
ORDER BY underlying, expiry, expiry_tag""",
        "What the expiry labels of each index meant on a day: expiries_on('2026-11-20')",
    )
    yield from macro(
        "gaps_on(day)",
        "SELECT * FROM gaps WHERE trade_date = CAST(day AS DATE) ORDER BY snapshot_at, underlying, expiry",
        "What is missing of a day, and why: gaps_on('2026-11-20')",
    )


def helper_comments() -> Iterator[str]:
    """Yield the comments on the tables beside the views."""
    for table, (text, columns) in _HELPERS.items():
        yield f"COMMENT ON TABLE {table} IS {literal(text)}"
        yield from (f"COMMENT ON COLUMN {table}.{name} IS {literal(comment)}" for name, comment in columns.items())


def _sealed_days(layout: Layout) -> str:
    known = [
        (day, name) for day, record in sorted(layout.sealed.items()) for name in record.files.get(OVERVIEW.name, {})
    ]
    days, names = (", ".join(literal(row[place]) for row in known) for place in (0, 1))
    return f"""
CREATE TABLE sealed_days AS
SELECT unnest(CAST([{days}] AS DATE[])) AS trade_date, unnest(CAST([{names}] AS VARCHAR[])) AS underlying"""


def _stored_days(layout: Layout) -> str:
    # A live day is one whose folder of overviews has a file; its indices are in its one file of expiries.
    folders = f"regexp_extract(file, 'trade_date=([0-9-]+)', 1) FROM glob({literal(layout.live_pattern(OVERVIEW))})"
    return f"""
CREATE VIEW stored_days AS
SELECT trade_date, underlying, true AS sealed FROM sealed_days
UNION ALL BY NAME
SELECT DISTINCT trade_date, underlying, false AS sealed
FROM (SELECT trade_date, underlying FROM {layout.live(EXPIRIES)}
  WHERE {layout.is_live("trade_date")} AND CAST(trade_date AS VARCHAR) IN (SELECT {folders}))
UNION ALL BY NAME {generation(layout)}"""


def _data_catalog(layout: Layout) -> str:
    live = layout.is_live("trade_date")
    return f"""
CREATE VIEW data_catalog AS
WITH reached AS (
  SELECT trade_date, max(snapshot_at) AS last_at, trade_date < max(trade_date) OVER () AS over
  FROM snapshots WHERE {live} GROUP BY trade_date
), due AS (
  SELECT trade_date, count(*) FILTER (NOT ({live}) OR over OR snapshot_at <= last_at) AS due
  FROM (
    SELECT trade_date, unnest(generate_series(first_due, last_due, to_seconds(interval_seconds))) AS snapshot_at
    FROM expected_sessions)
  LEFT JOIN reached USING (trade_date) GROUP BY trade_date
), chains AS (
  SELECT trade_date, underlying, expiry, {_SNAPSHOTS}, sum(legs) AS legs FROM expiry_overview GROUP BY ALL
), overviews AS (
  SELECT trade_date, underlying, {_SNAPSHOTS} FROM overview GROUP BY ALL
), days AS (
  SELECT 'option_chain' AS series, underlying, expiry_tag, trade_date, last_at, snapshots, healed, legs, due
  FROM expiries LEFT JOIN chains USING (trade_date, underlying, expiry) LEFT JOIN due USING (trade_date)
  UNION ALL
  SELECT 'overview', underlying, NULL, trade_date, last_at, snapshots, healed, snapshots, due
  FROM (SELECT DISTINCT trade_date, underlying FROM expiries)
  LEFT JOIN overviews USING (trade_date, underlying) LEFT JOIN due USING (trade_date)
  UNION ALL
  SELECT 'daily_summary', underlying, NULL, trade_date, NULL, NULL, NULL, 1, NULL FROM daily_summary
)
SELECT series, underlying, expiry_tag,
  min(trade_date) FILTER (legs > 0) AS first_day, max(trade_date) FILTER (legs > 0) AS last_day,
  max(last_at) AS last_at, count(*) FILTER (legs > 0) AS days,
  CAST(sum(snapshots) AS BIGINT) AS snapshots, CAST(coalesce(sum(legs), 0) AS BIGINT) AS row_count,
  CAST(sum(healed) AS BIGINT) AS healed_snapshots,
  CAST(sum(due - coalesce(snapshots, 0)) AS BIGINT) AS missing_snapshots
FROM days GROUP BY ALL
ORDER BY underlying, series, expiry_tag
"""


_SNAPSHOTS = "max(snapshot_at) AS last_at, count(*) AS snapshots, count(*) FILTER (source = 'candle') AS healed"
