"""The SQL of the views: one per table over both tiers, `offset_series` and `gaps` on top of them.

Pure text from the schema and the seal records. Macros are in `warehouse_macros`, files and swapping in `warehouse`.
"""

# ruff: noqa: S608 - every part is our own schema, a number, or text quoted by `literal`

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date

from g6_market.schema import EXPIRIES, OFFSET_SERIES, OPTION_CHAIN, STORED_TABLES, Table
from g6_market.schema.columns import KINDS
from g6_resources.lake import SENTINEL, SealRecord

HIVE = "hive_partitioning = true, hive_types = {'trade_date': DATE}"
TRADE_DATE = "Trading day"
SEALED_EXPIRIES = "sealed_expiries"
"""The table of the labels of sealed days, kept beside the views."""
RHO = "-t_years * price * 0.01 AS rho"
_RHO_COMMENT = "Per 1 % of the rate; rupees; null: no price"
_NEVER = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the views are generated from.

    Parameters
    ----------
    uri
        Gives the absolute address by which DuckDB reads a path, or a pattern of paths, in the lake.
    current
        Absolute address of the folder of the latest snapshot.
    generation_file
        Absolute path of the zero-row file whose absence makes an outdated handle fail.
    sealed
        Seal records by day.
    unsealed
        Days that have live files only.
    uniform
        Names of the tables of which no file lacks a column.
    mixed
        Names of the tables of which an unsealed day has files that may lack a column, from before an upgrade.
    """

    uri: Callable[[str], str]
    current: str
    generation_file: str
    sealed: Mapping[date, SealRecord]
    unsealed: Sequence[date]
    uniform: Set[str] = frozenset()
    mixed: Set[str] = frozenset()

    @property
    def last_sealed(self) -> date:
        """The watermark: every later day is live."""
        return max(self.sealed, default=_NEVER)

    def address(self, path: str) -> str:
        """Return the absolute address of a path in the lake."""
        return self.uri(path)

    def live_pattern(self, table: Table) -> str:
        """Return the pattern of all live files of a table."""
        return self.address(f"{table.name}/live/*/*.parquet")

    def live(self, table: Table) -> str:
        """Return the table function that reads all live files of a table."""
        return f"read_parquet({literal(self.live_pattern(table))}, {self.options(table)})"

    def live_if(self, table: Table, condition: str) -> str:
        """Return the table function that reads all live files of a table, or no row where a condition does not hold."""
        files = (
            f"CASE WHEN {condition} THEN {literal(self.live_pattern(table))} ELSE {literal(self.sentinel(table))} END"
        )
        return f"read_parquet({files}, {self.options(table)})"

    def options(self, table: Table) -> str:
        """Return how files of a table are read where live ones may be among them."""
        # By name the footer of every file is read first: only where they differ.
        return f"{HIVE}, union_by_name = true" if table.name in self.mixed else HIVE

    def sentinel(self, table: Table) -> str:
        """Return the closed tier's file of no rows."""
        return self.address(f"{table.name}/closed/{SENTINEL}")

    def is_live(self, column: str) -> str:
        """Return the condition that a day is live: no NOT IN, so that whole files are pruned."""
        after, late = f"{column} > {literal(self.last_sealed)}", ", ".join(map(literal, self._late))
        return f"({after} OR {column} IN ({late}))" if late else after

    def has_live(self, first: str, last: str) -> str:
        """Return the condition that a live day may be among the days from `first` to `last`."""
        late = [f"{literal(day)} BETWEEN {first} AND {last}" for day in self._late]
        return " OR ".join([f"{last} > {literal(self.last_sealed)}", *late])

    @property
    def _late(self) -> list[date]:
        return [day for day in self.unsealed if day < self.last_sealed]


def literal(value: date | str) -> str:
    """Return a date or a text as an SQL literal."""
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return "'" + value.replace("'", "''") + "'"


def no_rows(table: Table) -> str:
    """Return a branch of no rows that has every column of a table: files from before a column was added lack it."""
    nulls = [f"CAST(NULL AS {KINDS[column.kind][2]}) AS {column.name}" for column in table.columns]
    return f"SELECT CAST(NULL AS DATE) AS trade_date, {', '.join(nulls)} WHERE false"


def union(table: Table, layout: Layout, branches: Iterable[str]) -> str:
    """Return the rows of all branches, with null for what a file lacks; planned in less time where none lacks any."""
    if table.name not in layout.uniform:
        branches = [no_rows(table), *branches]
    return "(\n" + "\nUNION ALL BY NAME\n".join(branches) + ")"


def generation(layout: Layout) -> str:
    """Return the branch of no rows that ties a query to its generation.

    It must be bound after every pattern of live files, hence come last in a union: live files go only after the
    generation file has gone, so a pattern that found too few is followed by "no such file".
    """
    return f"SELECT trade_date FROM read_parquet({literal(layout.generation_file)}, hive_partitioning = false)"


def view_statements(layout: Layout) -> Iterator[str]:
    """Yield the statements that make all views, with a comment on every view and column."""
    for table in STORED_TABLES:
        yield _stored_view(table, layout)
        extra = {"rho": _RHO_COMMENT} if table is OPTION_CHAIN else {}
        yield from view_comments(table.name, table.description, column_comments(table) | extra)
    yield _OFFSET_SERIES
    yield from view_comments(OFFSET_SERIES.name, OFFSET_SERIES.description, column_comments(OFFSET_SERIES))
    yield _gaps(layout)
    yield from view_comments("gaps", _GAPS_COMMENT, _GAPS_COLUMNS)


def column_comments(table: Table) -> dict[str, str]:
    """Return what each column of a table's view means: description, unit, null rule."""
    comments = {"trade_date": TRADE_DATE}
    for column in table.columns:
        null = f"null: {column.null}" if column.null else ""
        comments[column.name] = "; ".join(part for part in (column.description, column.unit, null) if part)
    return comments


def _stored_view(table: Table, layout: Layout) -> str:
    columns = ["trade_date", *table.names, *([RHO] if table is OPTION_CHAIN else [])]
    kept = [f"SELECT * FROM {SEALED_EXPIRIES}"]
    branches = [*(kept if table is EXPIRIES else closed_branches(table, layout))]
    branches.append(f"SELECT * FROM {layout.live(table)} WHERE {layout.is_live('trade_date')}")
    branches.append(generation(layout))
    return f"CREATE VIEW {table.name} AS SELECT {', '.join(columns)} FROM {union(table, layout, branches)}"


def closed_days(table: Table, layout: Layout) -> dict[tuple[str, str], list[date]]:
    """Return the days of a table's closed files, by name of the file and version of its columns."""
    groups: dict[tuple[str, str], list[date]] = {}
    for day, record in sorted(layout.sealed.items()):
        for name in record.files.get(table.name, {}):
            groups.setdefault((name, record.schema.get(table.name, "")), []).append(day)
    return groups


def closed_branches(table: Table, layout: Layout) -> Iterator[str]:
    """Yield the branches that read a table's closed files."""
    folder = layout.address(f"{table.name}/closed/trade_date=")
    # A branch for each index, so that a question about one opens no file of another, and for each set of columns, as
    # DuckDB takes a list's columns from its first file.
    for (name, _), days in closed_days(table, layout).items():
        known = f"REPLACE ({literal(name)} AS {table.split}) " if table.split else ""
        # One text split up: hundreds of small ones take longer to plan than most queries to run.
        dates = literal(" ".join(map(str, days)))
        path = f"{literal(folder)} || day || {literal(f'/{name}.parquet')}"
        files = f"list_transform(string_split({dates}, ' '), lambda day: {path})"
        # The date could be taken from `filename` and a year be planned in half the time, but then a day that another
        # table names (a join, a subquery) would not keep DuckDB from reading all the others.
        yield f"SELECT * {known}FROM read_parquet({files}, {HIVE})"


def view_comments(view: str, text: str, columns: Mapping[str, str]) -> Iterator[str]:
    """Yield the comments on a view and on each of its columns."""
    yield f"COMMENT ON VIEW {view} IS {literal(text)}"
    for name, comment in columns.items():
        yield f'COMMENT ON COLUMN {view}."{name}" IS {literal(comment)}'


def series_sides() -> str:
    """Return the columns of call and put, side by side, of the legs of one strike."""
    return ",\n    ".join((_side("call", "CE"), _side("put", "PE")))


def _side(side: str, option_type: str) -> str:
    sources = {
        "tradingsymbol": "tradingsymbol",
        "last_price": "last_price",
        "average_price": "average_price",
        "bid_price": "bid_price",
        "ask_price": "ask_price",
        "price": "price",
        "volume": "volume",
        "oi": "oi",
        "iv": "iv_own",
        "delta": "delta",
        "theta": "theta",
        "vega": "vega",
    }
    return ",\n    ".join(
        f"any_value({source}) FILTER (WHERE option_type = '{option_type}') AS {side}_{name}"
        for name, source in sources.items()
    )


# What is made of several rows has the last of their sources in the order quote, import, candle.
MIXED_SOURCE = """
    CASE WHEN bool_or(source = 'candle') THEN 'candle' WHEN bool_or(source = 'import') THEN 'import' ELSE 'quote' END"""

_OFFSET_SERIES = f"""
CREATE VIEW offset_series AS
WITH legs AS (
  SELECT c.*, coalesce(w.width, v.strikes_each_side) AS width,
    CASE v.atm_reference WHEN 'spot' THEN c.spot_strike_offset ELSE c.strike_offset END AS label
  FROM option_chain c JOIN conventions v USING (trade_date)
  LEFT JOIN (
    SELECT trade_date, underlying, max(strikes_each_side) AS width FROM expiries GROUP BY trade_date, underlying
  ) w USING (trade_date, underlying)
), strikes AS (
  SELECT trade_date, snapshot_at, underlying, expiry, label AS strike_offset, strike,
    {series_sides()},
    any_value(iv) AS iv, any_value(gamma) AS gamma, {MIXED_SOURCE} AS source
  FROM legs WHERE label BETWEEN -width AND width
  GROUP BY trade_date, snapshot_at, underlying, expiry, label, strike
), tagged AS (
  SELECT s.*, e.expiry_tag, o.forward, o.spot, s.call_price + s.put_price AS straddle,
    coalesce(strike <> lag(strike) OVER (
      PARTITION BY trade_date, underlying, e.expiry_tag, s.strike_offset ORDER BY snapshot_at), false) AS rolled
  FROM strikes s JOIN expiries e USING (trade_date, underlying, expiry)
  LEFT JOIN expiry_overview o USING (trade_date, snapshot_at, underlying, expiry)
)
SELECT trade_date, {", ".join(OFFSET_SERIES.names)} FROM tagged
"""

_GAPS_COMMENT = (
    "Every snapshot that was due and was not wholly captured, by underlying and expiry: why, since when, and what was "
    "healed of it. The latest day that is not sealed counts up to its last snapshot."
)
_GAPS_COLUMNS = {
    "trade_date": TRADE_DATE,
    "snapshot_at": "Due time of the snapshot; IST",
    "underlying": "Index code",
    "expiry": "Expiry date",
    "outcome": "partial, stale or failed; missing where there is no row of it at all",
    "cause": "Why; process down where there is no row of it at all; market halted where the stamps of all indices "
    "stood still for two intervals or more",
    "since": "First instant of the unbroken run of gaps of this chain with this cause; IST",
    "missing_legs": "Legs asked for and absent; null: never asked",
    "healed_legs": "Legs stored since from candles; legs",
    "unfillable_legs": "Legs of which there is no candle of that minute, or that have expired; legs",
    "healed_at": "When candles were last asked for it; IST; null: not yet",
}


def _gaps(layout: Layout) -> str:
    live = layout.is_live("trade_date")
    return f"""
CREATE VIEW gaps AS
WITH due AS (
  SELECT trade_date, interval_seconds,
    unnest(generate_series(first_due, last_due, to_seconds(interval_seconds))) AS snapshot_at
  FROM expected_sessions
), chains AS (
  SELECT DISTINCT trade_date, underlying, expiry FROM expiries
), reached AS (
  SELECT trade_date, max(snapshot_at) AS last_at, trade_date < max(trade_date) OVER () AS over
  FROM snapshots WHERE {live} GROUP BY trade_date
), still AS (
  SELECT trade_date, snapshot_at FROM snapshots GROUP BY trade_date, snapshot_at HAVING bool_and(outcome = 'stale')
), halted AS (
  SELECT trade_date, snapshot_at, to_seconds(interval_seconds) IN (
      snapshot_at - lag(snapshot_at) OVER in_turn, lead(snapshot_at) OVER in_turn - snapshot_at) AS halted
  FROM still JOIN due USING (trade_date, snapshot_at)
  WINDOW in_turn AS (PARTITION BY trade_date ORDER BY snapshot_at)
), healed AS (
  SELECT trade_date, snapshot_at, underlying, expiry, count(*) FILTER (WHERE outcome = 'healed') AS healed_legs,
    count(*) FILTER (WHERE outcome <> 'healed') AS unfillable_legs, max(known_at) AS healed_at
  FROM healing WHERE contract_type = 'option' GROUP BY trade_date, snapshot_at, underlying, expiry
), lacking AS (
  SELECT d.trade_date, d.snapshot_at, d.number, c.underlying, c.expiry, s.outcome, s.cause, s.missing_legs
  FROM (SELECT *, row_number() OVER (PARTITION BY trade_date ORDER BY snapshot_at) AS number FROM due) d
  JOIN chains c ON c.trade_date = d.trade_date
  LEFT JOIN snapshots s ON s.trade_date = d.trade_date AND s.snapshot_at = d.snapshot_at
    AND s.underlying = c.underlying AND s.expiry = c.expiry
  WHERE s.outcome IS NULL OR s.outcome <> 'stored'
), found AS (
  SELECT l.* REPLACE (
    coalesce(l.outcome, 'missing') AS outcome,
    CASE WHEN l.outcome IS NULL THEN 'process down' WHEN t.halted THEN 'market halted' ELSE l.cause END AS cause)
  FROM lacking l
  LEFT JOIN reached r ON r.trade_date = l.trade_date
  LEFT JOIN halted t ON t.trade_date = l.trade_date AND t.snapshot_at = l.snapshot_at
  WHERE NOT ({layout.is_live("l.trade_date")}) OR r.over OR l.snapshot_at <= r.last_at
), runs AS (
  SELECT *, number - row_number() OVER (
    PARTITION BY trade_date, underlying, expiry, cause ORDER BY snapshot_at) AS run
  FROM found
)
SELECT trade_date, snapshot_at, underlying, expiry, outcome, cause,
  min(snapshot_at) OVER (PARTITION BY trade_date, underlying, expiry, cause, run) AS since,
  missing_legs, coalesce(healed_legs, 0) AS healed_legs, coalesce(unfillable_legs, 0) AS unfillable_legs, healed_at
FROM runs LEFT JOIN healed USING (trade_date, snapshot_at, underlying, expiry)
"""
