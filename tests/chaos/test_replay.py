"""A day is the same each time it is played, and a violation says how to play it."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from g6.chaos import process
from g6.chaos.run import Order, Report
from g6.chaos.script import Script
from g6_assets.capture import CaptureSession
from tests.chaos.conftest import SEED, Play
from tests.chaos.test_mutations import KILLED

Drawn = Callable[[int], Script]


def test_a_day_played_twice_stores_the_same_bytes(play: Play, drawn: Drawn):
    first, second = play(drawn(KILLED)), play(drawn(KILLED))
    assert (first.violations, second.violations) == ((), ())
    assert first.digest == second.digest
    assert (first.struck, first.gaps, first.attempts) == (second.struck, second.gaps, second.attempts)
    assert first.struck["power cut"] == 1


def test_the_same_number_draws_the_same_script_and_another_does_not(drawn: Drawn):
    assert drawn(KILLED) == drawn(KILLED)
    assert drawn(KILLED) != drawn(KILLED + 1)


def test_a_violation_names_the_command_that_plays_its_day_again(
    play: Play, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
):
    def dies(_session: CaptureSession) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(CaptureSession, "run", dies)
    late = drawn(KILLED)
    result = play(replace(late, deaths=(), first_launch=late.session.close - timedelta(seconds=90)))
    assert any("RuntimeError: broken on purpose" in violation for violation in result.violations)
    told = Report(Order(SEED, [KILLED]), (result,)).figures()["violations"]
    assert told[0]["replay"] == f"g6 chaos --days 1 --seed {SEED} --first-day {KILLED}"


def test_the_command_prints_its_figures_as_json():
    command = [sys.executable, "-m", "g6", "chaos", "--days", "1", "--seed", str(SEED), "--first-day", "87", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["days"], figures["violations"]) == (1, [])
    assert figures["stored"] > 0


def test_a_process_that_dies_tells_what_it_noted_before():
    def work(note: process.Note) -> None:
        note({"reached": 1})
        raise ValueError("no more")

    outcome = process.in_process(work)
    assert outcome.ended == "ValueError: no more"
    assert outcome.told["reached"] == 1
