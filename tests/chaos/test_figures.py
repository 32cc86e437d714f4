"""The figures of docs/reliability.md are those of the runs that were counted, each day once."""

from pathlib import Path

import pytest

from tools import reliability

RUN = {
    "seed": 1,
    "first_day": 0,
    "days": 20,
    "world": {"size": "small", "indices": ["NIFTY", "BANKNIFTY"], "interval_seconds": 300},
    "quiet_days": 2,
    "attempts": 40,
    "views_asked": 60,
    "expected": 4500,
    "stored": 4000,
    "captured_rows": 200_000,
    "healed_rows": 10_000,
    "gaps": {"network": 3},
    "faults_drawn": {"kill -9 or power cut": 6},
    "faults_struck": {"kill -9": 5},
    "violations": [],
    "cpu_seconds": 100.0,
}


def test_the_document_shows_the_figures_that_were_counted(project: Path):
    written = (project / "docs" / "reliability.md").read_text()
    assert written == reliability.filled(written, reliability.stored()), "run `python -m tools.reliability`"


def test_runs_add_up():
    both = reliability.merged(reliability.merged(None, RUN), RUN | {"first_day": 20, "faults_struck": {"power cut": 1}})
    assert (both["days"], both["expected"], both["gaps"]) == (40, 9000, {"network": 6})
    assert both["faults_struck"] == {"kill -9": 5, "power cut": 1}
    assert "seed 1: 0 to 39" in reliability.filled(f"{reliability.BEGIN}{reliability.END}", [both])


def test_a_day_is_counted_once():
    counted = reliability.merged(None, RUN)
    with pytest.raises(ValueError, match="days from 19 were counted before"):
        reliability.merged(counted, RUN | {"first_day": 19})
    reliability.merged(counted, RUN | {"first_day": 19, "seed": 2})
