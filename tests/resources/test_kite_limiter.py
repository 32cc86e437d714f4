import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from g6_market.calendar import IST
from g6_resources.clock import DrivenClock, write_clock
from g6_resources.kite.limiter import Limiter
from g6_resources.seams import SourceError

START = datetime(2026, 11, 20, 9, 16, tzinfo=IST)
LIMITS = {"quote": 1, "historical": 3, "other": 10}


@pytest.fixture
def clock(tmp_path: Path) -> DrivenClock:
    write_clock(tmp_path / "clock.json", "driven", now=START)
    return DrivenClock(tmp_path / "clock.json", lambda _: None)


def most_in_a_second(calls: list[datetime]) -> int:
    return max(sum(start <= call < start + timedelta(seconds=1) for call in calls) for start in calls)


def test_eight_quote_calls_take_seven_seconds_and_a_little(tmp_path: Path, clock: DrivenClock):
    limiter = Limiter(tmp_path, "key", LIMITS, clock)
    for _ in range(8):
        limiter.acquire("quote")
    assert timedelta(seconds=7) < clock.now() - START < timedelta(seconds=7.5)


def test_calls_within_the_limit_do_not_wait(tmp_path: Path, clock: DrivenClock):
    limiter = Limiter(tmp_path, "key", LIMITS, clock)
    for _ in range(10):
        limiter.acquire("other")
    for _ in range(3):
        limiter.acquire("historical")
    limiter.acquire("quote")
    assert clock.now() == START


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1.5)), min_size=2, max_size=30), st.integers(1, 10))
def test_no_second_ever_holds_more_calls_than_allowed(
    tmp_path: Path, clock: DrivenClock, calls: list[tuple[int, float]], limit: int
):
    clock.pause(3600)
    limiters = [Limiter(tmp_path, "key", {"other": limit}, clock) for _ in range(2)]
    granted: list[datetime] = []
    for which, idle in calls:
        clock.pause(idle)
        limiters[which].acquire("other")
        granted.append(clock.now())
    assert most_in_a_second(granted) <= limit


def test_each_api_key_and_each_family_has_limits_of_its_own(tmp_path: Path, clock: DrivenClock):
    for key in ("key-1", "key-2"):
        limiter = Limiter(tmp_path, key, LIMITS, clock)
        limiter.acquire("quote")
        limiter.acquire("other")
    assert clock.now() == START


def test_the_key_itself_is_in_no_file(tmp_path: Path, clock: DrivenClock):
    Limiter(tmp_path, "very-own-key", LIMITS, clock).acquire("quote")
    for file in tmp_path.iterdir():
        assert "very-own-key" not in file.name + file.read_text()


def test_it_beats_while_it_waits(tmp_path: Path, clock: DrivenClock):
    limiter = Limiter(tmp_path, "key", LIMITS, clock)
    beats: list[datetime] = []
    limiter.acquire("quote", beat=lambda: beats.append(clock.now()))
    assert beats == []
    limiter.acquire("quote", beat=lambda: beats.append(clock.now()))
    assert beats == [START]


def test_a_call_that_would_come_too_late_is_refused_at_once(tmp_path: Path, clock: DrivenClock):
    limiter = Limiter(tmp_path, "key", LIMITS, clock)
    limiter.acquire("quote")
    with pytest.raises(SourceError, match="the quote limit of 1 calls a second leaves none before 09:16:00") as raised:
        limiter.acquire("quote", deadline=START + timedelta(seconds=0.9))
    assert raised.value.cause == "late"
    assert clock.now() == START


def test_only_calls_of_another_process_put_the_blame_on_the_key(tmp_path: Path, clock: DrivenClock):
    limiter, rival = (Limiter(tmp_path, "key", LIMITS, clock) for _ in range(2))
    limiter.acquire("quote")
    rival.acquire("quote")
    with pytest.raises(SourceError, match="another process uses this API key") as raised:
        limiter.acquire("quote", deadline=clock.now() + timedelta(seconds=0.9))
    assert raised.value.cause == "rate limited"


def test_a_clock_that_was_set_back_costs_a_second_and_not_a_day(tmp_path: Path, clock: DrivenClock):
    limiter = Limiter(tmp_path, "key", LIMITS, clock)
    limiter.acquire("quote")
    write_clock(tmp_path / "clock.json", "driven", now=START - timedelta(days=1))
    limiter.acquire("quote")
    assert clock.now() - (START - timedelta(days=1)) < timedelta(seconds=1.1)


def test_a_file_torn_by_a_killed_process_counts_as_calls_just_made(tmp_path: Path, clock: DrivenClock):
    limiter = Limiter(tmp_path, "key", LIMITS, clock)
    limiter.acquire("quote")
    clock.pause(60)
    (file,) = tmp_path.glob("limiter-*-quote.json")
    file.write_text('["2026-11')
    before = clock.now()
    with pytest.raises(SourceError) as raised:
        limiter.acquire("quote", deadline=before + timedelta(seconds=0.9))
    assert raised.value.cause == "late"  # nobody is known to use the key
    limiter.acquire("quote")
    assert clock.now() - before >= timedelta(seconds=1)


def test_processes_share_the_limit_in_real_time(tmp_path: Path):
    # A call is granted at the last instant the limiter read, however late this process gets to print it.
    code = f"""
import sys
from pathlib import Path
from g6_resources.clock import SystemClock
from g6_resources.kite.limiter import Limiter

class Noting(SystemClock):
    def now(self):
        self.noted = super().now()
        return self.noted

clock = Noting()
limiter = Limiter(Path({str(tmp_path)!r}), "key", {{"other": 20}}, clock)
for _ in range(15):
    limiter.acquire("other")
    sys.stdout.write(clock.noted.isoformat() + chr(10))
"""
    project = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=project, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    output = [process.communicate(timeout=60)[0] for process in processes]
    calls = sorted(datetime.fromisoformat(line) for text in output for line in text.split())
    assert len(calls) == 30
    assert most_in_a_second(calls) <= 20
