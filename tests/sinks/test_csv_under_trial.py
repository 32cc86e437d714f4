"""CSV files under trial: a reader of its own process beside fast appends, and a writer killed in the middle."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from g6_market.schema import OFFSET_SERIES
from g6_resources.csv_files import CsvSink, filling_the_page
from g6_resources.seams import Snapshot
from tests.resources import lake_frames as made
from tests.resources.lake_frames import FRIDAY, snapshot

PAGE = os.sysconf("SC_PAGE_SIZE")
FILE = "options/NIFTY/this_week/ATM/2026-11-20.csv"

READER = """
import os, sys
tail = os.open(sys.argv[1], os.O_RDONLY)
reads = torn = begin = 0
print("ready", flush=True)
seen = b""
while not seen.endswith(b"end\\n"):
    seen = os.pread(tail, 1 << 16, begin)
    reads += 1
    torn += not seen.endswith(b"\\n")
    begin += max(0, len(seen) - 8192)
print(reads, torn)
"""

WRITER = """
import os, sys
from pathlib import Path
from tests.sinks.test_csv_under_trial import endless_appends
endless_appends(Path(sys.argv[1]))
"""


def minutes() -> Iterator[Snapshot]:
    """One made-up snapshot again and again, a minute later each time."""
    first = snapshot(FRIDAY, 0)
    for number in itertools.count():
        stamp = pd.Timestamp(made.due(FRIDAY, 0)) + pd.Timedelta(minutes=number)
        frames = {name: getattr(first, name).assign(snapshot_at=stamp) for name in ("offset_series", "overview")}
        yield replace(first, **frames)


def endless_appends(base: Path) -> None:
    """Publish minute after minute until killed."""
    sink = CsvSink(base)
    for minute in minutes():
        sink.publish(minute)


def test_a_reader_of_another_process_never_sees_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_bytes((",".join(OFFSET_SERIES.names) + "\n").encode())
    CsvSink(tmp_path / "made").publish(snapshot(FRIDAY, 0))
    line = (tmp_path / "made" / FILE).read_bytes().splitlines(keepends=True)[1]
    command = [sys.executable, "-c", READER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        for _ in range(60_000):
            os.write(descriptor, filling_the_page(line, os.fstat(descriptor).st_size))
        os.write(descriptor, b"end\n")
        os.close(descriptor)
        reads, torn = map(int, reader.stdout.readline().split())
    assert reads > 1_000
    assert torn == 0


def test_no_line_of_a_whole_day_lies_in_two_pages_and_the_numbers_stay(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path)
    published = list(itertools.islice(minutes(), 24))
    for minute in published:
        sink.publish(minute)
    content = (tmp_path / FILE).read_bytes()
    position = 0
    for line in content.splitlines(keepends=True):
        assert position // PAGE == (position + len(line) - 1) // PAGE
        position += len(line)
    assert position > PAGE
    live = pd.read_csv(tmp_path / FILE)
    series = pd.concat([minute.offset_series for minute in published], ignore_index=True)
    overview = pd.concat([minute.overview for minute in published], ignore_index=True)
    sink.rewrite_day(FRIDAY, series, overview)
    sealed = (tmp_path / FILE).read_bytes()
    pd.testing.assert_frame_equal(live, pd.read_csv(tmp_path / FILE), check_exact=True)
    assert len(sealed) < len(content)
    sink.rewrite_day(FRIDAY, series, overview)
    assert (tmp_path / FILE).read_bytes() == sealed


@pytest.mark.parametrize("line", [b"2026-11-20 09:16:00,NIFTY,7\n", b"no fraction at all\n"])
def test_a_line_without_a_fraction_stays_as_it_is(line: bytes) -> None:
    assert filling_the_page(line, PAGE - 100) == line


def test_a_writer_killed_in_the_middle_of_appends_is_taken_up_by_the_next(tmp_path: Path) -> None:
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=Path(__file__).parents[2]) as writer:
            path = tmp_path / FILE
            size = path.stat().st_size if path.exists() else 0
            while not path.exists() or path.stat().st_size < size + 8_000:
                with suppress(subprocess.TimeoutExpired):
                    writer.wait(0.02)
                assert writer.returncode is None
            writer.send_signal(signal.SIGKILL)
        with path.open("ab") as torn:  # as a power cut leaves it
            torn.write(b"2026-11-20 10:")
    late = pd.Timestamp("2026-11-30 15:40")
    last = snapshot(FRIDAY, 0)
    frames = {name: getattr(last, name).assign(snapshot_at=late) for name in ("offset_series", "overview")}
    CsvSink(tmp_path).publish(replace(last, **frames))
    stamps: set[tuple[str, ...]] = set()
    for file in tmp_path.rglob("*.csv"):
        lines = file.read_text().splitlines()
        assert {line.count(",") for line in lines} == {lines[0].count(",")}
        times = [line[:19] for line in lines[1:]]
        assert times == sorted(set(times))
        assert times[-1] == "2026-11-30 15:40:00"
        stamps.add(tuple(times))
    assert len({len(times) for times in stamps}) <= 2, "files differ by the snapshots the killed writers were within"
