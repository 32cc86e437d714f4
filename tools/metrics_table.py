"""Write the table of docs/monitoring.md from the list of metrics: `python -m tools.metrics_table`.

Only what stands between the two markers is generated; the text around it is written by hand.
"""

from pathlib import Path

from g6_resources.metrics import METRICS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "monitoring.md"
BEGIN, END = "<!-- metrics: begin -->", "<!-- metrics: end -->"


def metrics_table() -> str:
    """Return the table of every metric: name, kind, labels, meaning."""
    rows = [f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {m.help} |" for m in METRICS]
    return "\n".join(["| metric | kind | labels | is |", "|---|---|---|---|", *rows])


def filled(document: str) -> str:
    """Return the document with the table in its place; it must hold both markers."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{metrics_table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
