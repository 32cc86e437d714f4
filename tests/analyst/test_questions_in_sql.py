"""Every query of docs/questions.md runs, and its answer has the shape that the page says."""

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from g6.connection import G6Connection
from g6_resources.world import DataRoot
from tests.analyst.conftest import LAST
from tools.try_documents import dated

PAGE = Path(__file__).parents[2] / "docs" / "questions.md"
_SECTION = re.compile(r"^### (\d+)\. (.+?)\n\n```sql\n(.*?)```\n\n(.*?)(?=\n##|\Z)", re.MULTILINE | re.DOTALL)
_SHAPE = re.compile(r"^A row per ((?:`\w+`,? ?)+): ((?:`\w+`,?\s?)+)\.", re.MULTILINE)


@dataclass
class Question:
    number: int
    asked: str
    statements: list[str]
    answer: str

    @property
    def shape(self) -> tuple[list[str], list[str]]:
        """What one row is of, and the other columns."""
        found = _SHAPE.search(self.answer)
        assert found, f"question {self.number} does not say the shape of its answer"
        return re.findall(r"`(\w+)`", found[1]), re.findall(r"`(\w+)`", found[2])


def questions() -> list[Question]:
    return [
        Question(int(number), asked, [s.strip() for s in sql.split(";") if s.strip()], answer)
        for number, asked, sql, answer in _SECTION.findall(PAGE.read_text(encoding="utf-8"))
    ]


def test_there_are_twenty_questions() -> None:
    assert [question.number for question in questions()] == list(range(1, 21))


@pytest.mark.parametrize("question", questions(), ids=lambda question: str(question.number))
def test_an_answer_has_the_shape_that_the_page_says(db: G6Connection[pd.DataFrame], question: Question) -> None:
    answers = [db.sql(dated(statement, str(LAST))) for statement in question.statements]
    key, values = question.shape
    assert sorted(answers[-1].columns) == sorted(key + values)
    assert not answers[-1].duplicated(key).any()
    if question.number != 20:  # nothing is missing of these days
        assert all(len(answer) for answer in answers)
        assert answers[-1][values].notna().any(axis=None)


def test_the_catalog_is_described_as_it_is(db: G6Connection[pd.DataFrame]) -> None:
    answer = questions()[-1].answer
    named = re.findall(r"`(\w+)`", answer[answer.index("a line per series") : answer.index("May be")])
    assert named == db.catalog().columns.tolist()


def test_a_plain_client_finds_every_view_macro_and_column_explained(root: DataRoot) -> None:
    with duckdb.connect(str(root.warehouse), read_only=True) as plain:
        columns = plain.execute(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
        assert len(columns) > 300
        assert [(table, name) for table, name, comment in columns if not comment] == []
        tables = plain.execute(
            "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal "
            "UNION ALL SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal"
        ).fetchall()
        assert {"data_catalog", "gaps", "offset_series", "expected_sessions"} <= {name for name, _ in tables}
        macros = plain.execute(
            "SELECT function_name, comment FROM duckdb_functions() WHERE function_type = 'table_macro' AND NOT internal"
        ).fetchall()
        assert {"chain", "gaps_on", "iv_surface", "offset_series", "with_chain", "with_overview"} <= dict(macros).keys()
        assert [name for name, comment in (*tables, *macros) if not comment] == []
    page = (PAGE.parent / "definitions.md").read_text(encoding="utf-8")
    assert [name for name, _ in macros if f"`{name}(" not in page and f"`{name}`" not in page] == []


@pytest.mark.parametrize("macro", ["with_chain", "with_overview"])
def test_an_as_of_join_just_works_in_a_plain_client(root: DataRoot, macro: str) -> None:
    """Few rows of one's own or many, without any setting: the row as of then, of the same day, or none."""
    with duckdb.connect(str(root.warehouse), read_only=True) as plain:
        [(symbol,)] = plain.execute(
            f"SELECT min(tradingsymbol) FROM chain('NIFTY', 'front', '{LAST} 10:00')"
        ).fetchall()
        plain.execute(
            f"CREATE TEMP TABLE mine AS SELECT 'NIFTY' AS underlying, '{symbol}' AS tradingsymbol, n, "
            f"TIMESTAMP '{LAST} 09:20:00' + to_minutes(n) AS instant FROM range(400) t(n)"
        )
        rows = plain.sql(f"SELECT n, instant, snapshot_at FROM {macro}('mine')").df()
        plan = str(plain.execute(f"EXPLAIN (FORMAT json) FROM {macro}('mine')").fetchall())
        assert "ASOF_JOIN" in plan
        assert "NESTED_LOOP" not in plan
    assert rows["n"].tolist() == list(range(400))
    age = rows["instant"] - rows["snapshot_at"]
    assert rows.loc[rows["n"] < 10, "snapshot_at"].isna().all()
    quarter_hourly = age[(rows["n"] >= 10) & (rows["instant"] < pd.Timestamp(f"{LAST} 15:45"))]
    if macro == "with_overview":
        assert quarter_hourly.between(pd.Timedelta(0), pd.Timedelta("14min")).all()
    assert age.dropna().ge(pd.Timedelta(0)).all()


def test_a_series_by_a_date_or_front_is_that_of_the_label(db: G6Connection[pd.DataFrame]) -> None:
    by_label = db.offset_series("NIFTY", "this_week", 1)
    expiry = by_label["expiry"].iloc[0]
    pd.testing.assert_frame_equal(db.offset_series("NIFTY", "front", 1), by_label)
    pd.testing.assert_frame_equal(db.offset_series("NIFTY", expiry.date(), 1), by_label)
