"""Run every query of the documents on the world at hand: `python -m tools.try_documents`, after `make demo`.

Queries are the ```sql and ```python blocks and the `g6 sql "..."` lines of README.md and docs. A date, or `$day`,
stands for the latest day of the world. A query that fails, or finds nothing where it is of a chain, is an error.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import g6

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENTS = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))

_DATE = re.compile(r"'\d{4}-\d{2}-\d{2}(?= |')")
_BLOCK = re.compile(r"^```(sql|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r'^\S*g6 sql "([^"]+)"', re.MULTILINE)
# A day without gaps is a good one, and a world of one day may have no expiry in it.
_MAY_BE_EMPTY = ("from gaps", "expiry = trade_date", "set ")


def queries(text: str) -> Iterator[str]:
    """Yield the SQL of a document: its blocks', its Python examples' and its commands'."""
    for language, block in _BLOCK.findall(text):
        if language == "sql":
            yield from (statement.strip() for statement in block.split(";") if statement.strip())
        else:
            yield from re.findall(r'\.sql\("([^"]+)"', block)
    yield from _COMMAND.findall(text)


def dated(query: str, day: str) -> str:
    """Return a query with a day in place of every date in it."""
    return _DATE.sub(f"'{day}", query)


def main() -> int:
    """Run them all; return 1 if one of them failed or answered nothing."""
    failed = 0
    with g6.connect() as db:
        day = db.sql("select max(trade_date)::date::varchar as day from overview")["day"][0]
        for document in DOCUMENTS:
            for query in queries(document.read_text(encoding="utf-8")):
                rows = len(db.sql(dated(query, day), {"day": day} if "$day" in query else None))
                empty = rows == 0 and not any(text in query for text in _MAY_BE_EMPTY)
                failed += empty
                sys.stdout.write(
                    f"{'EMPTY' if empty else 'ok':>5} {rows:>7} rows  {document.name}: {query.split(chr(10))[0]}\n"
                )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
