"""The predecessor's folder: which files there are by day, their rows as text, and the dumps among them."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from g6_market.indices import INDICES
from g6_market.predecessor.expiry_repair import Listing
from g6_market.predecessor.findings import Findings
from g6_market.predecessor.layout import GENERATIONS, Kind, SourceFile, columns_of, source_file

_DUMP = re.compile(r"instruments_universe_(\d{4}-\d{2}-\d{2})_(?:NFO|BFO)\.json")


def files_by_day(folder: Path, findings: Findings) -> dict[date, list[SourceFile]]:
    """Return the option and overview files below a folder by the date in their name, days and paths ascending."""
    days: defaultdict[date, list[SourceFile]] = defaultdict(list)
    unknown: list[str] = []
    for path in sorted(folder.rglob("*.csv")):
        relative = path.relative_to(folder)
        found = source_file(relative)
        if found is None:
            findings.add("noted", "no option or overview file by its path: not read", [relative.as_posix()])
        elif found.underlying not in INDICES:
            unknown.append(found.path)
        else:
            days[found.day].append(found)
    findings.add("rejected", f"file of no index that G6 knows ({', '.join(INDICES)})", unknown)
    return dict(sorted(days.items()))


def rows_of(folder: Path, files: Iterable[SourceFile], kind: Kind, findings: Findings) -> pd.DataFrame:
    """Return the rows of one kind of files as text: the newest generation's columns, `where` and `file_index`."""
    newest = GENERATIONS[kind][-1]
    records: list[dict[str, Any]] = []
    for file in files:
        if file.kind == kind:
            records += _records(folder / file.path, file, findings)
    return pd.DataFrame(records, columns=["where", "file_index", *newest], dtype="object")


def listings_in(folder: Path, findings: Findings) -> list[Listing]:
    """Return the expiries of the instrument dumps that lie in the folder (`instruments_universe_<date>_NFO.json`)."""
    found: list[Listing] = []
    for path in sorted(folder.rglob("instruments_universe_*.json")):
        match = _DUMP.fullmatch(path.name)
        if match is None:
            continue
        try:
            entries: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
            found += _listings(date.fromisoformat(match[1]), entries)
        except (ValueError, KeyError, TypeError) as error:
            findings.add("rejected", f"dump cannot be read ({type(error).__name__})", [path.name])
    return found


def _listings(day: date, entries: Iterable[Mapping[str, Any]]) -> list[Listing]:
    expiries: defaultdict[str, set[date]] = defaultdict(set)
    for entry in entries:
        if entry["instrument_type"] in ("CE", "PE") and entry["name"] in INDICES:
            expiries[entry["name"]].add(date.fromisoformat(entry["expiry"]))
    return [Listing(name, day, listed) for name, listed in expiries.items()]


def _records(path: Path, file: SourceFile, findings: Findings) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as content:
        lines = csv.reader(content)
        try:
            header = next(lines, [])
            if tuple(header) not in GENERATIONS[file.kind]:
                findings.add("rejected", f"{file.kind} file whose header no generation has", [f"{file.path}:1"])
                return []
            records, odd = _split(file, header, lines)
        except csv.Error as error:
            findings.add("rejected", "file that is no CSV", [f"{file.path}:{lines.line_num}: {error}"])
            return []
    findings.add("rejected", "row with a number of columns that no generation has: torn, or of another writer", odd)
    if not records and not odd:
        findings.add("noted", "file without rows", [file.path])
    return records


def _split(
    file: SourceFile, header: Sequence[str], lines: Iterable[Sequence[str]]
) -> tuple[list[dict[str, Any]], list[str]]:
    records: list[dict[str, Any]] = []
    odd: list[str] = []
    for number, cells in enumerate(lines, start=2):
        columns = columns_of(file.kind, header, len(cells))
        where = f"{file.path}:{number}"
        if columns is None:
            odd.append(where)
        else:
            records.append({"where": where, "file_index": file.underlying, **dict(zip(columns, cells, strict=True))})
    return records, odd
