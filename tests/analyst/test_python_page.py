"""docs/python.md says what the functions are called, what they return and how they refuse."""

import re
from pathlib import Path

import pandas as pd
import pytest

import g6
from g6.connection import G6Connection
from g6_resources.world import DataRoot
from tests.analyst.conftest import LAST
from tools import api_table

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_table_of_questions_is_that_of_the_code() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == api_table.filled(written), "run `python -m tools.api_table`"


def test_the_examples_run_as_they_stand(config: Path, root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G6_CONFIG", str(config))
    g6.use(root.path)
    [example] = blocks("python")
    names: dict[str, object] = {}
    exec(example.replace("2026-11-20", str(LAST)), names)
    smile = names["smile"]
    assert type(smile).__module__.startswith("polars")
    assert len(smile) > 0  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("line", [line for block in blocks("text") for line in block.splitlines()])
def test_a_refusal_reads_as_the_page_says(db: G6Connection[pd.DataFrame], line: str) -> None:
    call, says = re.split(r"\s{2,}", line)
    with pytest.raises(g6.QuestionError) as refused:
        eval(call, {"g6": db})
    shown = says.removesuffix("...").replace("2026-11-20 09", f"{LAST} 09")
    assert str(refused.value).startswith(shown)
