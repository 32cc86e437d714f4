"""The spool: bounded, in order, one deliverer at a time, and nothing lost without being counted."""

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from g6_market.calendar import IST
from g6_resources.clock import SystemTime
from g6_resources.courier import Courier, Refused
from g6_resources.seams import SinkError
from g6_resources.spool import Backlog, Spool
from tests.resources.lake_frames import FRIDAY, THURSDAY

TEN = b"0123456789"


def names(count: int) -> list[str]:
    first = datetime(2026, 11, 20, 9, 16, tzinfo=IST)
    return [Spool.name_of(first + timedelta(minutes=number)) for number in range(count)]


def test_an_unused_spool_has_no_backlog_and_makes_no_folder(tmp_path: Path) -> None:
    assert Spool(tmp_path / "spool", 100).backlog() == Backlog()
    assert not (tmp_path / "spool").exists()


def test_the_oldest_make_room_and_are_counted_until_their_day_is_made_up_for(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 35)
    assert [spool.put(name, TEN) for name in names(5)] == [0, 0, 0, 1, 1]
    assert spool.waiting() == names(5)[2:]
    backlog = spool.backlog()
    assert (backlog.files, backlog.bytes, backlog.dropped) == (3, 30, 2)
    assert backlog.oldest is not None
    assert abs(SystemTime().now() - backlog.oldest) < timedelta(minutes=1)
    spool.forget_dropped(THURSDAY)
    assert spool.backlog().dropped == 2
    spool.forget_dropped(FRIDAY)
    assert spool.backlog().dropped == 0


def test_a_file_larger_than_the_bound_is_kept_alone_and_the_same_snapshot_replaces_itself(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 15)
    spool.put(names(1)[0], TEN)
    spool.put(names(1)[0], TEN)
    assert spool.backlog() == Backlog(1, 10, spool.backlog().oldest, 0)
    spool.put(names(2)[1], TEN * 3)
    assert spool.waiting() == names(2)[1:]


def test_a_courier_delivers_in_order_stops_at_the_first_failure_and_goes_on_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1000)
    for number, name in enumerate(names(5)):
        spool.put(name, str(number).encode())
    got: list[bytes] = []

    def deliver(data: bytes) -> None:
        if data == b"3" and b"away" not in got:
            got.append(b"away")
            raise SinkError("away")
        if data == b"1":
            raise Refused("never")
        got.append(data)

    courier = Courier("test", spool, deliver)
    with pytest.raises(SinkError, match="away"):
        courier.deliver_waiting()
    assert spool.waiting() == names(5)[3:]
    courier.deliver_waiting()
    assert got == [b"0", b"2", b"away", b"3", b"4"]
    assert (spool.waiting(), spool.backlog().dropped) == ([], 1)


def test_while_one_process_delivers_no_other_does(tmp_path: Path, project: Path) -> None:
    spool = Spool(tmp_path, 1000)
    spool.put(names(1)[0], TEN)
    code = (
        "import sys; from pathlib import Path; from g6_resources.spool import Spool\n"
        "with Spool(Path(sys.argv[1]), 1000).delivering() as mine: print(mine)"
    )

    def other() -> str:
        command = [sys.executable, "-c", code, str(tmp_path)]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout.strip()

    with spool.delivering() as mine:
        assert mine
        assert other() == "False"
    assert other() == "True"
