"""Write the table of docs/python.md from the questions' signatures and docstrings: `python -m tools.api_table`.

Only what stands between the two markers is generated; the text around it is written by hand.
"""

import inspect
from pathlib import Path

import g6

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "python.md"
BEGIN, END = "<!-- questions: begin -->", "<!-- questions: end -->"
NOT_QUESTIONS = ("QuestionError", "connect", "use")


def api_table() -> str:
    """Return the table of every question: how it is written, and what it returns."""
    names = [name for name in g6.__all__ if name not in NOT_QUESTIONS]
    rows = [f"| `{_call(name)}` | {_meaning(name)} |" for name in names]
    return "\n".join(["| question | returns |", "|---|---|", *rows])


def filled(document: str) -> str:
    """Return the document with the table in its place; it must hold both markers."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{api_table()}\n{END}{after}"


def _call(name: str) -> str:
    signature = inspect.signature(getattr(g6, name))
    words = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    bare = signature.replace(parameters=words, return_annotation=inspect.Signature.empty)
    return f"{name}{bare}".replace("'", '"')


def _meaning(name: str) -> str:
    first = (inspect.getdoc(getattr(g6, name)) or "").split("\n\n")[0].replace("\n", " ")
    return first.removeprefix("Return ").rstrip(".").replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
