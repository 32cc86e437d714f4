"""The lake: every table of `g6_market.schema` as Parquet files, the truth that everything else is made from.

Two tiers a table. Live: `<table>/live/trade_date=D/s091600.parquet`, one file a snapshot. Closed:
`<table>/closed/trade_date=D/<INDEX>.parquet`, made by `sealing` and valid once `seals/D.json` names it: that record is
the commit point. The encoding is in `parquet`, the disk in `lake_local`, the views over both tiers in `warehouse`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

import pandas as pd

from g6_market.schema import OPTION_CHAIN, STORED_TABLES, Table, empty_frame
from g6_resources.arrow import pa, pc
from g6_resources.disk import DiskFull
from g6_resources.lake_local import LakeError, LocalStore, write_atomically
from g6_resources.parquet import (
    arrow_schema,
    columns_of,
    decode,
    described_schema,
    encode,
    row_count,
    schema_version,
    sorted_rows,
    to_arrow,
    to_frame,
)
from g6_resources.seams import LakeStore

__all__ = ["ALL", "DiskFull", "Lake", "LakeError", "LocalStore", "SealRecord", "snapshot_name"]

ALL = "_all"  # the sealed file of a table that belongs to no one index
SENTINEL = "trade_date=1970-01-01/schema.parquet"
_TABLES = {table.name: table for table in STORED_TABLES}
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SNAPSHOT_NAME = re.compile(r"s\d{6}")
_LIVE_PATH = re.compile(r".*/live/trade_date=(\d{4}-\d{2}-\d{2})/([^/]+)\.parquet")


@dataclass(frozen=True, slots=True)
class SealRecord:
    """What a sealed day consists of.

    Parameters
    ----------
    files
        Rows per table and file name without ending: `{"option_chain": {"NIFTY": 28644}}`. A file not named here is
        not part of the day.
    schema
        Schema version per table that the files were written with.
    made_at
        When it was sealed, aware IST, system time.
    """

    trade_date: date
    made_at: datetime
    code_version: str
    files: Mapping[str, Mapping[str, int]]
    schema: Mapping[str, str]

    @property
    def rows(self) -> dict[str, int]:
        """Rows per table."""
        return {table: sum(files.values()) for table, files in self.files.items()}

    def to_json(self) -> bytes:
        """Return the record as it is stored."""
        return json.dumps(asdict(self), default=lambda stamp: stamp.isoformat(), indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "SealRecord":
        """Read a stored record."""
        fields = json.loads(data)
        fields["trade_date"] = date.fromisoformat(fields["trade_date"])
        fields["made_at"] = datetime.fromisoformat(fields["made_at"])
        return cls(**fields)


def snapshot_name(due: datetime) -> str:
    """Return the name of a snapshot's live file: `s091600` for the snapshot due at 09:16:00."""
    return f"s{due:%H%M%S}"


class Lake:
    """All tables of one data root.

    Parameters
    ----------
    store
        Where the files are.
    current
        Folder of the latest snapshot; `current` beside the lake by default.
    """

    def __init__(self, store: LakeStore, current: Path | None = None) -> None:
        self.store = store
        self._current = current or Path(store.uri("")).parent / "current"

    # ------------------------------------------------------------ live
    def write_live(self, table: Table | str, trade_date: date, name: str, frame: pd.DataFrame) -> str:
        """Store one live file whole and durable; one of the same name is replaced. Returns its path in the lake.

        A frame without rows is written too: it says that there was nothing.

        Raises
        ------
        SchemaError
            The frame does not fit the table.
        DiskFull
            The disk is full; nothing half-written is visible.
        """
        layout = _layout(table)
        if not _NAME.fullmatch(name):
            raise LakeError(
                f"live file name {name!r} of {layout.name}: use letters, digits, - and _ only, like s091600"
            )
        path = _live_path(layout, trade_date, name)
        self.store.put(path, encode(to_arrow(frame, layout), layout, sealed=False))
        return path

    def live_names(self, table: Table | str, trade_date: date) -> list[str]:
        """Return the names of a day's live files: snapshots in order of time, then the others by name."""
        paths = self.store.list(f"{_layout(table).name}/live/trade_date={trade_date}")
        names = [Path(path).stem for path in paths if path.endswith(".parquet")]
        return sorted(names, key=lambda name: (_SNAPSHOT_NAME.fullmatch(name) is None, name))

    def read_live(
        self,
        table: Table | str,
        trade_date: date,
        underlying: str | None = None,
        columns: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return the rows of a day's live files, all of them or those named, in the order of `live_names`."""
        chosen = self.live_names(table, trade_date) if names is None else names
        layout = _layout(table)
        return self._read(layout, [_live_path(layout, trade_date, name) for name in chosen], underlying, columns)

    def live_files(self, trade_date: date) -> dict[str, list[str]]:
        """Return the names of a day's live files, by table."""
        return {layout.name: self.live_names(layout, trade_date) for layout in STORED_TABLES}

    def has_todays_columns(self, table: Table | str, trade_date: date) -> bool:
        """Return whether a day's live files of a table are known to have been begun with its columns of today."""
        layout, names = _layout(table), self.live_names(table, trade_date)
        if not names:
            return True
        try:
            written = columns_of(self.store.get(_live_path(layout, trade_date, names[0])))
        except (OSError, pa.ArrowException):
            return False  # the day is being sealed, or the file is a reader's trouble
        return written == schema_version(layout)

    def delete_live(self, trade_date: date, files: Mapping[str, Sequence[str]]) -> None:
        """Delete live files of a day, by table."""
        for table, names in files.items():
            for name in names:
                self.store.delete(_live_path(_layout(table), trade_date, name))

    # ------------------------------------------------------------ both tiers
    def read(
        self, table: Table | str, trade_date: date, underlying: str | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return a day's rows as a reader of the views sees them: the closed files once it is sealed, else the live.

        Returns
        -------
        DataFrame
            Conforms to the table (or the chosen columns of it); no rows when nothing is stored.
        """
        record = self.seal_record(trade_date)
        if record is None:
            return self.read_live(table, trade_date, underlying, columns)
        layout = _layout(table)
        names = list(record.files.get(layout.name, {}))
        if underlying is not None and layout.split is not None:
            names = [name for name in names if name == underlying]
        return self._read(layout, [closed_path(layout.name, trade_date, name) for name in names], underlying, columns)

    def gather(self, table: Table | str, trade_date: date) -> pd.DataFrame:
        """Return all that is known of a day, from both tiers: what a seal starts from.

        Rows healed after the snapshot, and live files that an interrupted seal left behind, may repeat a key: the row
        written last counts.
        """
        live = self.live_names(table, trade_date)
        fresh = self.read_live(table, trade_date, names=live)
        sealed = self.seal_record(trade_date) is not None
        once = not sealed and (len(live) < 2 or all(_SNAPSHOT_NAME.fullmatch(name) for name in live))
        if once:
            return fresh
        rows = pd.concat([self.read(table, trade_date), fresh], ignore_index=True) if sealed else fresh
        return rows.drop_duplicates(list(_layout(table).key), keep="last", ignore_index=True)

    # ------------------------------------------------------------ closed
    def write_closed(self, table: Table | str, trade_date: date, split: str, frame: pd.DataFrame) -> tuple[str, int]:
        """Store one closed file, sorted and proven by reading it back; one of the same name is replaced.

        It counts only once the day's seal record names it. Returns and raises as `stage_closed`.
        """
        path, size = self.stage_closed(table, trade_date, split, frame)
        self.publish_closed(table, trade_date, split)
        return path, size

    def stage_closed(self, table: Table | str, trade_date: date, split: str, frame: pd.DataFrame) -> tuple[str, int]:
        """Store one closed file, sorted, where no reader sees it yet, and prove it by reading it back.

        Returns
        -------
        path, size
            Where `publish_closed` will put it in the lake, and its bytes.

        Raises
        ------
        LakeError
            What is on the disk is not what was written.
        """
        layout = _layout(table)
        rows = sorted_rows(to_arrow(frame, layout), layout)
        if not _NAME.fullmatch(split):
            raise LakeError(
                f"closed file name {split!r} of {layout.name}: use letters, digits, - and _ only, like NIFTY"
            )
        path = closed_path(layout.name, trade_date, split)
        data = encode(rows, layout, sealed=True)
        staged = _staged_path(path)
        self.store.put(staged, data)
        written = decode(self.store.get(staged))
        if not written.equals(rows):
            raise LakeError(
                f"{path}: read back {written.num_rows} rows that are not the {rows.num_rows} written; "
                "the disk or the file system is at fault, the day stays unsealed"
            )
        return path, len(data)

    def publish_closed(self, table: Table | str, trade_date: date, split: str) -> None:
        """Put a staged closed file in its place."""
        path = closed_path(_layout(table).name, trade_date, split)
        self.store.move(_staged_path(path), path)

    def check_closed(self, record: SealRecord) -> None:
        """Open every file that a seal record names and count its rows.

        Raises
        ------
        LakeError
            A file has other rows than the record says.
        """
        for table, splits in record.files.items():
            for split, rows in splits.items():
                path = closed_path(table, record.trade_date, split)
                found = row_count(self.store.get(path))
                if found != rows:
                    raise LakeError(
                        f"{path} holds {found} rows, its seal record says {rows}: nothing is deleted; seal "
                        f"{record.trade_date} again"
                    )

    def closed_names(self, table: Table | str, trade_date: date) -> list[str]:
        """Return the names of a day's closed files, committed or not."""
        return [Path(path).stem for path in self.store.list(f"{_layout(table).name}/closed/trade_date={trade_date}")]

    def delete_closed(self, table: Table | str, trade_date: date, split: str) -> None:
        """Delete one closed file that no seal record names."""
        self.store.delete(closed_path(_layout(table).name, trade_date, split))

    # ------------------------------------------------------------ seals
    def seal_record(self, trade_date: date) -> SealRecord | None:
        """Return the seal record of a day, None while it is not sealed."""
        try:
            return SealRecord.from_json(self.store.get(_seal_path(trade_date)))
        except FileNotFoundError:
            return None

    def commit(self, record: SealRecord) -> None:
        """Store a seal record: from now on the day is what its closed files hold."""
        self.store.put(_seal_path(record.trade_date), record.to_json())

    def amend(self, trade_date: date, change: Callable[[SealRecord], SealRecord]) -> SealRecord:
        """Change a day's seal record, on top of what other workers changed meanwhile; returns the new one.

        Raises
        ------
        FileNotFoundError
            The day is not sealed.
        """
        path = _seal_path(trade_date)
        while True:
            stored = self.store.get(path)
            record = change(SealRecord.from_json(stored))
            if self.store.put_if(path, record.to_json(), stored):
                return record

    @property
    def sealed(self) -> dict[date, SealRecord]:
        """The seal record of every sealed day, by date."""
        records = (SealRecord.from_json(self.store.get(path)) for path in self.store.list("seals"))
        return {record.trade_date: record for record in records}

    def sealed_days(self) -> list[date]:
        """Return the sealed days, oldest first."""
        return [date.fromisoformat(Path(path).stem) for path in self.store.list("seals")]

    def unsealed_days(self) -> list[date]:
        """Return the days that have live files and no seal record, oldest first."""
        return sorted(self._live_days() - set(self.sealed_days()))

    def days(self) -> list[date]:
        """Return all days of which anything is stored, oldest first."""
        return sorted(self._live_days() | set(self.sealed_days()))

    # ------------------------------------------------------------ beside the tiers
    def write_current(self, option_chain: pd.DataFrame) -> None:
        """Replace the latest snapshot's option chain, which `latest_chain` reads.

        It is a copy of what the lake holds already, and durable all the same: torn by a power cut it would stop the
        views, and with them the next session.
        """
        data = encode(to_arrow(option_chain, OPTION_CHAIN), OPTION_CHAIN, sealed=False)
        write_atomically(self._current / "option_chain.parquet", data)

    def copy_to_current(self, path: str) -> None:
        """Make a live file of `option_chain`, by its path in the lake, the latest snapshot; see `write_current`."""
        write_atomically(self._current / "option_chain.parquet", self.store.get(path))

    def ensure_sentinels(self) -> None:
        """Write the files of no rows that give both tiers of every table its columns, and an empty current snapshot.

        DuckDB refuses a pattern that matches no file, and takes the columns of a tier from its first file: these.
        """
        for layout in STORED_TABLES:
            data = encode(described_schema(layout).empty_table(), layout, sealed=True)
            for tier in ("live", "closed"):
                path = f"{layout.name}/{tier}/{SENTINEL}"
                if self.store.list(path.rsplit("/", 1)[0]) != [path] or self.store.get(path) != data:
                    self.store.put(path, data)
        if not (self._current / "option_chain.parquet").exists():
            self.write_current(empty_frame(OPTION_CHAIN))

    def _live_days(self) -> set[date]:
        found: set[date] = set()
        for table in _TABLES:
            matches = (_LIVE_PATH.fullmatch(path) for path in self.store.list(f"{table}/live"))
            found |= {date.fromisoformat(match[1]) for match in matches if match and not match[1].startswith("1970")}
        return found

    def _read(
        self, table: Table, paths: Iterable[str], underlying: str | None, columns: Sequence[str] | None
    ) -> pd.DataFrame:
        names = None if columns is None else tuple(columns)
        filtered = underlying is not None and "underlying" in table.names
        wanted = names if names is None or not filtered else (*names, "underlying")
        parts = [decode(self.store.get(path), wanted) for path in paths]
        if not parts:
            return to_frame(arrow_schema(table).empty_table(), table, names)
        rows = pa.concat_tables(parts, promote_options="default")
        if filtered:
            rows = rows.filter(pc.equal(rows.column("underlying"), underlying))
        return to_frame(rows, table, names)


def closed_path(table: str, trade_date: date, split: str) -> str:
    """Return where a closed file lies in the lake."""
    return f"{table}/closed/trade_date={trade_date}/{split}.parquet"


def _staged_path(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.staged"


def _seal_path(trade_date: date) -> str:
    return f"seals/{trade_date}.json"


def _live_path(table: Table, trade_date: date, name: str) -> str:
    return f"{table.name}/live/trade_date={trade_date}/{name}.parquet"


def _layout(table: Table | str) -> Table:
    if isinstance(table, Table):
        return table
    if table not in _TABLES:
        raise LakeError(f"the lake has no table {table!r}; it has {', '.join(_TABLES)}")
    return _TABLES[table]
