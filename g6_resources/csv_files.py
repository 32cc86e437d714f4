"""CSV files for spreadsheets and old scripts: one per index, expiry label and offset a day, and one overview.

`<base>/options/NIFTY/this_week/ATM+1/2026-11-20.csv` and `<base>/overview/NIFTY/2026-11-20.csv`: appended through the
day, rewritten whole from the sealed tables afterwards. They are a copy; the truth is the lake.
"""

import errno
import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path

import pandas as pd

from g6_market.schema import OFFSET_SERIES, OVERVIEW, Kind, Table
from g6_market.series import offset_label
from g6_resources.arrow import ArrowArray, pc
from g6_resources.lake_local import write_atomically
from g6_resources.seams import SinkError, Snapshot
from g6_resources.text_columns import text_columns

_STAMP_LENGTH = len("2026-11-20 09:16:00")
_TAIL_BYTES = 8192
_APPEND = os.O_WRONLY | os.O_APPEND
_FRACTION = re.compile(rb"(?<=,)-?[0-9]{1,7}\.[0-9]{1,4}(?=[,\n])")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LONGEST_LINE = 1024
_NEEDS_QUOTES = '[",\\r\\n]'

# (frame, trade date) -> each row's file, relative to the base
_Files = Callable[[pd.DataFrame, date], list[str]]


class CsvSink:
    """The CSV tree under one base folder; implements `SnapshotSink`.

    A line is written whole in one call and within one page of memory, so somebody tailing a file never reads a torn
    one, and a snapshot that a file already holds is not written again, also not by another process after a restart.

    Parameters
    ----------
    base
        Root of the tree; made when missing.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._last: dict[str, bytes] = {}  # file -> stamp of its last line

    @property
    def name(self) -> str:
        """Short name for logs and metadata."""
        return "csv"

    def publish(self, snapshot: Snapshot) -> None:
        """Append one line to the file of every series and overview of the snapshot.

        Raises
        ------
        SinkError
            A file cannot be written, or has other columns than today's.
        """
        day = snapshot.trade_date
        try:
            for file, line in _lines(snapshot.offset_series, OFFSET_SERIES, _series_files, day):
                self._append(file, line, OFFSET_SERIES)
            for file, line in _lines(snapshot.overview, OVERVIEW, _overview_files, day):
                self._append(file, line, OVERVIEW)
        except OSError as error:
            raise SinkError(
                f"csv: {self._base} cannot be written ({error}); the seal writes the day's files"
            ) from error

    def close(self) -> None:
        """Nothing is pending: every line is in its file already."""

    def rewrite_day(self, trade_date: date, offset_series: pd.DataFrame, overview: pd.DataFrame) -> int:
        """Write every file of a day anew from sealed tables; the same tables give the same bytes.

        Returns
        -------
        int
            Files written.

        Raises
        ------
        SinkError
            A file cannot be written.
        """
        files = 0
        for frame, table, files_of in (
            (offset_series, OFFSET_SERIES, _series_files),
            (overview, OVERVIEW, _overview_files),
        ):
            contents: defaultdict[str, list[bytes]] = defaultdict(list)
            for file, line in _lines(frame.sort_values(list(table.sort)), table, files_of, trade_date):
                contents[file].append(line)
            for file, lines in contents.items():
                self._replace(file, lines, table)
            files += len(contents)
        return files

    def rewrite_series(self, underlying: str, tag: str, offset: int, trade_date: date, rows: pd.DataFrame) -> Path:
        """Write the file of one series of a day anew; without rows it holds the header only.

        Parameters
        ----------
        rows
            Rows of `offset_series` of that series alone.

        Returns
        -------
        Path
            The file.
        """
        lines = [line for _, line in _lines(rows.sort_values("snapshot_at"), OFFSET_SERIES, _series_files, trade_date)]
        return self._replace(_series_file(underlying, tag, offset, trade_date), lines, OFFSET_SERIES)

    def _append(self, file: str, line: bytes, table: Table) -> None:
        last = self._last.get(file)
        if last is None:
            last = self._resume(file, table)
        stamp = line[:_STAMP_LENGTH]
        if stamp <= last:
            return
        try:
            descriptor = os.open(f"{self._base}/{file}", _APPEND)
        except FileNotFoundError:  # somebody tidied up
            self._resume(file, table)
            descriptor = os.open(f"{self._base}/{file}", _APPEND)
        try:
            line = filling_the_page(line, os.fstat(descriptor).st_size)
            written = os.write(descriptor, line)
            if written != len(line):
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
                raise OSError(errno.ENOSPC, "no space for a whole line")
        finally:
            os.close(descriptor)
        self._last[file] = stamp

    def _resume(self, file: str, table: Table) -> bytes:
        """Make the file or take up one that is there; return the stamp of its last line, empty when it has none."""
        path = self._base / file
        header = _header(table)
        if not path.exists():
            write_atomically(path, header, durable=False)
            return b""
        with path.open("r+b") as content:
            found = content.readline()
            if found != header:
                raise SinkError(
                    f"csv: {path} has other columns than today's; seal the day to write it anew, or move it"
                )
            size = content.seek(0, os.SEEK_END)
            start = max(len(header), size - _TAIL_BYTES)
            content.seek(start)
            tail = content.read()
            whole = tail.rfind(b"\n") + 1
            if whole < len(tail):  # a machine died within a line
                content.truncate(start + whole)
            lines = tail[:whole].splitlines()
        return lines[-1][:_STAMP_LENGTH] if lines else b""

    def _replace(self, file: str, lines: list[bytes], table: Table) -> Path:
        path = self._base / file
        try:
            write_atomically(path, b"".join([_header(table), *lines]), durable=False)
        except OSError as error:
            raise SinkError(f"csv: {path} cannot be written ({error})") from error
        self._last.pop(file, None)
        return path


def filling_the_page(line: bytes, position: int) -> bytes:
    """Return a line as it is, or lengthened to end with its page if the next one may not fit behind it.

    The kernel makes an append visible page by page, so a reader can see the first half of a line that lies in two [one
    read in 200 of a busy file on ext4]. So no line does: the last of a page gets zeros behind its shorter fractions
    (101.5 as 101.50000), which are the same numbers to every reader. The seal writes the file without them.

    Parameters
    ----------
    position
        Where in the file the line begins.
    """
    missing = -(position + len(line)) % _PAGE
    fractions = len(_FRACTION.findall(line))
    if missing >= _LONGEST_LINE or not fractions:
        return line
    each, more = divmod(missing, fractions)
    zeros = itertools.chain(itertools.repeat(each + 1, more), itertools.repeat(each))
    return _FRACTION.sub(lambda found: found[0] + b"0" * next(zeros), line)


def _lines(frame: pd.DataFrame, table: Table, files_of: _Files, trade_date: date) -> Iterable[tuple[str, bytes]]:
    """Each row's file, relative to the base, and its line."""
    columns = text_columns(frame, table)
    for column in table.columns:
        if column.kind is Kind.TEXT:
            columns[column.name] = _quoted(columns[column.name])
    joined = pc.binary_join_element_wise(
        *columns.values(), ",", null_handling="replace", null_replacement=""
    ).to_pylist()
    return zip(files_of(frame, trade_date), (f"{line}\n".encode() for line in joined), strict=True)


def _series_files(frame: pd.DataFrame, trade_date: date) -> list[str]:
    offsets = [int(offset) for offset in frame["strike_offset"]]
    return [
        _series_file(underlying, tag, offset, trade_date)
        for underlying, tag, offset in zip(frame["underlying"], frame["expiry_tag"], offsets, strict=True)
    ]


def _series_file(underlying: str, tag: str, offset: int, trade_date: date) -> str:
    return f"options/{underlying}/{tag}/{offset_label(offset)}/{trade_date}.csv"


def _overview_files(frame: pd.DataFrame, trade_date: date) -> list[str]:
    return [f"overview/{underlying}/{trade_date}.csv" for underlying in frame["underlying"]]


def _quoted(words: ArrowArray) -> ArrowArray:
    special = pc.match_substring_regex(words, _NEEDS_QUOTES)
    if not pc.any(special, min_count=0).as_py():
        return words
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(words, '"', '""'), '"', "")
    return pc.if_else(special, quoted, words)


@lru_cache
def _header(table: Table) -> bytes:
    return (",".join(table.names) + "\n").encode()
