"""Write docs/data-dictionary.md from the schema: `python -m tools.data_dictionary` after a change of the tables."""

from collections.abc import Iterator
from pathlib import Path

from g6_market.schema import STORED_TABLES, TABLES, Column, Table
from g6_market.schema.columns import KINDS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "data-dictionary.md"

HEAD = """\
# Data dictionary

Generated from `g6_market.schema` by `python -m tools.data_dictionary`; how the numbers are computed is in
[definitions.md](definitions.md), where the files lie in [architecture.md](architecture.md#storage).

Every table is stored by trade date: `trade_date` is the folder of a file and a column of the views. Timestamps are
Indian wall clock (Asia/Kolkata) without a zone. Open interest, volume and quantities are units of the underlying, not
lots. Unknown is NULL and never 0. In the column "null", a dash means that the column is never null.
"""


def dictionary() -> str:
    """Return the whole document."""
    contents = "\n".join(f"- [{name}](#{name}): {table.description}" for name, table in TABLES.items())
    return "\n".join([HEAD, contents, *(line for table in TABLES.values() for line in _table(table))]) + "\n"


def _table(table: Table) -> Iterator[str]:
    yield f"\n## {table.name}\n"
    yield f"{table.description}\n"
    yield f"Key within a trade date: {_names(table.key)}. {_layout(table)}\n"
    yield "| column | type | unit | null | meaning |"
    yield "|---|---|---|---|---|"
    yield from map(_row, table.columns)


def _layout(table: Table) -> str:
    if table not in STORED_TABLES:
        return "Not stored in the lake: it follows from the chain, and each series of a day is a CSV file."
    files = "one a day" if table.split is None else f"one a day for each {table.split}"
    return f"Sealed files ({files}) are sorted by {_names(table.sort)}."


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _row(column: Column) -> str:
    cells = (f"`{column.name}`", KINDS[column.kind][2], column.unit, column.null or "-", column.description)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    DOCUMENT.write_text(dictionary(), encoding="utf-8")
