"""The simulation has teeth: code broken on purpose is caught within a day, by the invariant that it breaks.

Each day is one that the seed draws, short and with the trouble in which the defect shows; unbroken it has no violation.
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from g6.chaos.day import DayResult
from g6.chaos.script import Script
from g6_assets.capture import CaptureSession
from g6_market import quotes
from g6_market.calendar import Session
from g6_resources import lake_local
from g6_resources.kite import calls
from g6_resources.kite.failures import Failure, failure_of
from tests.chaos.conftest import Play

Drawn = Callable[[int], Script]

QUIET = 162  # the last 85 minutes of a day; a CSV folder that fails
KILLED = 239  # the last 80 minutes: deaths, one of them a power cut; a token that ends
OUTAGE = 1092  # the last 75 minutes: two answers that are an HTML page


@pytest.mark.parametrize("number", [QUIET, OUTAGE])
def test_the_unbroken_code_passes(play: Play, drawn: Drawn, number: int):
    result = play(drawn(number))
    assert result.violations == ()
    assert result.stored > 0


def test_a_file_written_in_place_is_caught(play: Play, drawn: Drawn, monkeypatch: pytest.MonkeyPatch):
    def in_place(temporary: Path, target: Path, data: bytes, durable: bool) -> None:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view[: len(data) // 2 + 1]) :]
        finally:
            os.close(descriptor)

    monkeypatch.setattr(lake_local, "_write", in_place)
    assert_caught(play(drawn(KILLED)), "stored cannot be read")


def test_a_file_that_is_not_flushed_is_caught(play: Play, drawn: Drawn, monkeypatch: pytest.MonkeyPatch):
    whole = lake_local._write  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(lake_local, "_write", lambda temporary, target, data, _: whole(temporary, target, data, False))
    assert_caught(play(drawn(KILLED)), "stored cannot be read")


def test_a_retry_that_is_left_out_is_caught(play: Play, drawn: Drawn, monkeypatch: pytest.MonkeyPatch):
    def final(error: Exception, secrets: Sequence[str]) -> Failure:
        failure = failure_of(error, secrets)
        return Failure(failure.cause, failure.text, retry=False)

    monkeypatch.setattr(calls, "failure_of", final)
    assert_caught(play(drawn(OUTAGE)), "by 'bad answer'; injected was nothing")


def test_a_close_that_comes_one_snapshot_early_is_caught(play: Play, drawn: Drawn, monkeypatch: pytest.MonkeyPatch):
    due_times = Session.due_times

    def all_but_the_last(session: Session, interval_seconds: int) -> list[datetime]:
        return due_times(session, interval_seconds)[:-1]

    monkeypatch.setattr(Session, "due_times", all_but_the_last)
    assert_caught(play(drawn(QUIET)), "has no row, and a session was capturing")


def test_a_resumed_session_that_captures_again_is_caught(play: Play, drawn: Drawn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(CaptureSession, "_stored", lambda _session, _dues: set())
    assert_caught(play(drawn(KILLED)), "was written again")


def test_a_zero_for_what_is_not_known_is_caught(play: Play, drawn: Drawn, monkeypatch: pytest.MonkeyPatch):
    prices = quotes._prices  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(quotes, "_prices", lambda entries, name: np.nan_to_num(prices(entries, name)))
    assert_caught(play(drawn(QUIET)), "is 0.0, nan was served")


def assert_caught(result: DayResult, sentence: str) -> None:
    assert any(sentence in violation for violation in result.violations), result.violations
