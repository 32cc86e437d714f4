"""Write the figures of docs/reliability.md: `python -m tools.reliability [FIGURES.json ...]`.

Files given are outputs of `g6 chaos --json`, of days that are in no other; they are added to what was counted before
(`benchmarks/chaos/<size>.json`). Only what stands between the two markers is generated.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = PROJECT / "docs" / "reliability.md"
FIGURES = PROJECT / "benchmarks" / "chaos"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

_SUMS = ("days", "quiet_days", "attempts", "views_asked", "expected", "stored", "captured_rows", "healed_rows")
_COUNTS = ("gaps", "faults_drawn", "faults_struck")
_LABELS = {
    "days": "days",
    "quiet_days": "of them without any fault",
    "attempts": "session attempts",
    "views_asked": "times the views were asked between kills",
    "expected": "snapshots due, of a chain each",
    "stored": "stored whole as they came",
    "captured_rows": "rows captured, each compared with what was served",
    "healed_rows": "rows healed, each compared with its candle",
}


def merged(known: Mapping[str, Any] | None, fresh: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two runs of the same world add up to.

    Raises
    ------
    ValueError
        If a day is in both.
    """
    ran = {"seed": fresh["seed"], "first_day": fresh["first_day"], "days": fresh["days"]}
    if known is None:
        return {"world": fresh["world"], "runs": [ran], **{name: fresh[name] for name in (*_SUMS, *_COUNTS)}} | {
            "violations": fresh["violations"],
            "cpu_seconds": fresh["cpu_seconds"],
        }
    for run in known["runs"]:
        if run["seed"] == ran["seed"] and _overlap(run, ran):
            raise ValueError(f"seed {ran['seed']}: days from {ran['first_day']} were counted before, in {run}")
    sums = {name: known[name] + fresh[name] for name in (*_SUMS, "cpu_seconds")}
    counts = {name: dict(sorted((Counter(known[name]) + Counter(fresh[name])).items())) for name in _COUNTS}
    violations = [*known["violations"], *fresh["violations"]]
    return {"world": known["world"], "runs": [*known["runs"], ran], **sums, **counts, "violations": violations}


def filled(document: str, figures: Sequence[Mapping[str, Any]]) -> str:
    """Return the document with the figures in their place; it must hold both markers."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{chr(10).join(_table(figures))}\n\n{END}{after}"


def stored() -> list[dict[str, Any]]:
    """Return the figures counted so far, the small world first."""
    files = sorted(FIGURES.glob("*.json"), reverse=True)
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _table(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| | " + " | ".join(_world(each["world"]) for each in figures) + " |"
    yield "|---|" + "---:|" * len(figures)
    yield _row("seeds and days", [_days(each["runs"]) for each in figures])
    for name, label in _LABELS.items():
        yield _row(label, [f"{each[name]:,}" for each in figures])
    for heading, name in (("drawn", "faults_drawn"), ("struck", "faults_struck"), ("not whole at first", "gaps")):
        for kind in sorted({kind for each in figures for kind in each[name]}):
            yield _row(f"{heading}: {kind}", [f"{each[name].get(kind, 0):,}" for each in figures])
    yield _row("processor seconds a day", [f"{each['cpu_seconds'] / each['days']:.1f}" for each in figures])
    yield _row("**violations**", [f"**{len(each['violations'])}**" for each in figures])


def _row(label: str, cells: Sequence[str]) -> str:
    return f"| {label} | {' | '.join(cells)} |"


def _world(world: Mapping[str, Any]) -> str:
    return f"{world['size']}: {len(world['indices'])} indices, every {world['interval_seconds']} s"


def _days(runs: Sequence[Mapping[str, Any]]) -> str:
    spans: list[list[int]] = []
    for run in sorted(runs, key=lambda run: (run["seed"], run["first_day"])):
        end = run["first_day"] + run["days"]
        if spans and spans[-1][0] == run["seed"] and spans[-1][2] == run["first_day"]:
            spans[-1][2] = end
        else:
            spans.append([run["seed"], run["first_day"], end])
    return ", ".join(f"seed {seed}: {first} to {end - 1}" for seed, first, end in spans)


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    first, last = max(one["first_day"], other["first_day"]), min(*(r["first_day"] + r["days"] for r in (one, other)))
    return first < last


def main(parts: Sequence[str]) -> None:
    """Add figures, then write the document."""
    FIGURES.mkdir(exist_ok=True)
    for part in parts:
        fresh = json.loads(Path(part).read_text(encoding="utf-8"))
        file = FIGURES / f"{fresh['world']['size']}.json"
        known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        file.write_text(json.dumps(merged(known, fresh), indent=1) + "\n", encoding="utf-8")
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), stored()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
