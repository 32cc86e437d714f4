import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from g6_resources.clock import SystemTime
from g6_resources.lock import FencedOut, LockUnreadable, SessionLock

DAY = date(2026, 11, 20)
NEXT_DAY = date(2026, 11, 23)


@pytest.fixture
def lock(tmp_path: Path) -> SessionLock:
    return SessionLock(tmp_path / "session_lock.json", SystemTime())


def test_nobody_owns_a_session_at_first(lock: SessionLock):
    assert lock.current() is None
    assert lock.next_attempt(DAY) == 1


def test_the_owner_may_write(lock: SessionLock):
    fence = lock.acquire(DAY, 1, "run-1")
    fence.check()
    assert fence.attempt == 1
    assert lock.current() == fence.owner
    assert lock.next_attempt(DAY) == 2
    assert lock.next_attempt(NEXT_DAY) == 1


def test_a_newer_attempt_takes_over_and_the_older_is_fenced_out(lock: SessionLock):
    older = lock.acquire(DAY, 1, "run-1")
    newer = lock.acquire(DAY, 2, "run-2")
    newer.check()
    with pytest.raises(FencedOut, match=r"attempt 1 .*run-1.* no longer owns .*attempt 2 .*run run-2, pid \d+ on "):
        older.check()


def test_a_newer_day_takes_over(lock: SessionLock):
    older = lock.acquire(DAY, 3, "run-1")
    lock.acquire(NEXT_DAY, 1, "run-2").check()
    with pytest.raises(FencedOut):
        older.check()


@pytest.mark.parametrize("attempt", [1, 2])
def test_an_equal_or_older_attempt_is_refused_naming_the_owner(lock: SessionLock, attempt: int):
    lock.acquire(DAY, 2, "run-2")
    with pytest.raises(
        FencedOut, match=r"attempt 2 was made already; owner is attempt 2 of 2026-11-20 \(run run-2, pid"
    ):
        lock.acquire(DAY, attempt, "run-x")
    assert lock.current() is not None


def test_an_older_day_is_refused_while_a_newer_one_is_owned(lock: SessionLock):
    newer = lock.acquire(NEXT_DAY, 1, "run-2")
    with pytest.raises(FencedOut, match="a newer day is owned by attempt 1 of 2026-11-23"):
        lock.acquire(DAY, 1, "run-1")
    newer.release()
    lock.acquire(DAY, 1, "run-1").check()


def test_after_a_release_nobody_owns_it_and_attempts_go_on_counting(lock: SessionLock):
    fence = lock.acquire(DAY, 1, "run-1")
    fence.release()
    assert lock.current() is None
    assert lock.next_attempt(DAY) == 2
    with pytest.raises(FencedOut, match="the owner is nobody"):
        fence.check()
    with pytest.raises(FencedOut, match=r"nobody now: it was released\. Launch again with attempt 2"):
        lock.acquire(DAY, 1, "run-1")


def test_attempts_of_a_day_never_go_back_even_after_other_days(lock: SessionLock):
    lock.acquire(DAY, 4, "a").release()
    lock.acquire(NEXT_DAY, 1, "b").release()
    assert lock.next_attempt(DAY) == 5


def test_the_fenced_out_cannot_release_what_is_not_theirs(lock: SessionLock):
    older = lock.acquire(DAY, 1, "run-1")
    newer = lock.acquire(DAY, 2, "run-2")
    older.release()
    newer.check()


def test_ownership_outlives_the_process_that_took_it(lock: SessionLock):
    code = (
        "from datetime import date; from pathlib import Path; import os\n"
        "from g6_resources.clock import SystemTime; from g6_resources.lock import SessionLock\n"
        f"SessionLock(Path({str(lock.path)!r}), SystemTime()).acquire(date(2026, 11, 20), 7, 'run-7'); os._exit(9)\n"
    )
    project = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=project, check=False).returncode == 9
    owner = lock.current()
    assert owner is not None
    assert (owner.attempt, owner.run_id) == (7, "run-7")
    assert lock.next_attempt(DAY) == 8


def test_of_many_who_want_the_same_attempt_one_gets_it(lock: SessionLock):
    def attempt(number: int) -> bool:
        try:
            lock.acquire(DAY, 1, f"run-{number}")
        except FencedOut:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == 1


def test_a_removed_lock_fences_out(lock: SessionLock):
    fence = lock.acquire(DAY, 1, "run-1")
    lock.path.unlink()
    with pytest.raises(FencedOut):
        fence.check()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"owner": {}, "attempts": {}}', '{"owner": null, "attempts": 1}'])
def test_a_torn_lock_is_told_and_never_taken_for_free(lock: SessionLock, content: str):
    fence = lock.acquire(DAY, 1, "run-1")
    lock.path.write_text(content)
    for use in (fence.check, lock.current, lambda: lock.acquire(DAY, 2, "run-2"), lambda: lock.next_attempt(DAY)):
        with pytest.raises(LockUnreadable, match=r"session_lock\.json cannot be read"):
            use()


def test_who_owns_it_says_since_when(lock: SessionLock):
    owner = lock.acquire(DAY, 1, "run-1").owner
    assert abs(SystemTime().now() - owner.since) < timedelta(minutes=1)
    assert f"{owner.since:%Y-%m-%d %H:%M:%S}" in str(owner)


def test_a_release_that_the_disk_does_not_take_hides_no_other_error_and_the_next_attempt_takes_over(
    lock: SessionLock, caplog: pytest.LogCaptureFixture
):
    fence = lock.acquire(DAY, 1, "run-1")
    away = lock.path.parent.rename(lock.path.parent.with_name("unmounted"))
    fence.release()
    assert "the session lock could not be released" in caplog.text
    away.rename(lock.path.parent)
    lock.acquire(DAY, 2, "run-2").check()
