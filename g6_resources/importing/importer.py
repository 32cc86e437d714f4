"""One import: each day of the folder read, judged, and what is new of it written to the lake and sealed.

Run again it changes nothing: a row that the store has with the same values is left as it is, with the time it became
known. A day that G6 captured itself is never touched.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import pandas as pd

from g6_market.calendar import Closed, Session, TradingCalendar
from g6_market.conventions import Conventions
from g6_market.expiries import ExpiryError
from g6_market.predecessor.expiry_repair import Listing, listed_on, with_right_expiry
from g6_market.predecessor.findings import Findings
from g6_market.predecessor.layout import SourceFile
from g6_market.predecessor.reading import option_rows, overview_rows
from g6_market.predecessor.tables import ImportedDay, imported_day, in_intervals, interval_of
from g6_market.schema import CONVENTIONS, INSTRUMENTS, QUOTES, Table
from g6_market.schema.tables import TABLES
from g6_resources.importing.files import files_by_day, listings_in, rows_of
from g6_resources.lake import Lake


@dataclass(frozen=True, slots=True)
class DayResult:
    """What an import found and did of one day.

    Parameters
    ----------
    quotes
        Quotes that the files hold of it.
    new
        Of these, quotes that the store did not have; 0 for a day that was imported before.
    """

    day: date
    files: int
    quotes: int
    new: int


@dataclass
class ImportReport:
    """What an import did.

    Parameters
    ----------
    dry_run
        Nothing was written.
    """

    dry_run: bool
    days: list[DayResult] = field(default_factory=list[DayResult])
    findings: Findings = field(default_factory=Findings)


@dataclass
class Importer:
    """Imports folders into one lake.

    Parameters
    ----------
    now
        Market time: what is known at, and before which day files are taken.
    seal
        Seals a day that was written.
    """

    lake: Lake
    calendar: TradingCalendar
    conventions: Conventions
    now: datetime
    seal: Callable[[date], object]

    def run(
        self, folder: Path, *, dry_run: bool = False, progress: Callable[[DayResult], object] | None = None
    ) -> ImportReport:
        """Import a folder, oldest day first.

        Raises
        ------
        LakeError, DiskError
            A day cannot be written or sealed; days before it are whole, and the import can be run again.
        """
        report = ImportReport(dry_run)
        findings = report.findings
        days = files_by_day(folder, findings)
        listings = [*listings_in(folder, findings), *self._dumps(days)]
        for day, files in days.items():
            session = self._session(day, files, findings)
            if session is None:
                continue
            made = self._read(folder, files, session, listings, findings)
            if made is None:
                continue
            new = self._unknown(made, day)
            result = DayResult(day, len(files), len(made.quotes), len(new[QUOTES.name]))
            if not dry_run:
                self._store(day, new)
            report.days.append(result)
            if progress is not None:
                progress(result)
        return report

    def _session(self, day: date, files: list[SourceFile], findings: Findings) -> Session | None:
        paths = [file.path for file in files]
        session = self.calendar.on(day)
        if isinstance(session, Closed):
            findings.add("rejected", f"{day} had no session: {session.reason}", paths)
            return None
        if self.now < session.close:
            findings.add("rejected", f"{day} is not over", paths)
            return None
        return session

    def _read(
        self,
        folder: Path,
        files: list[SourceFile],
        session: Session,
        listings: list[Listing],
        findings: Findings,
    ) -> ImportedDay | None:
        day = session.trade_date
        captured = self._captured(day)
        kept = [file for file in files if file.underlying in captured]
        findings.add("rejected", "the day was captured by G6 itself and stays as it is", [file.path for file in kept])
        files = [file for file in files if file.underlying not in captured]
        rows = option_rows(rows_of(folder, files, "option", findings), session, findings)
        spots = overview_rows(rows_of(folder, files, "overview", findings), session, findings)
        names = sorted(set(rows["underlying"].astype(str)))
        listed = {name: listed_on(name, day, listings, self.calendar) for name in names}
        rows = with_right_expiry(rows, day, listed, findings)
        if rows.empty:
            return None
        conventions = self._conventions(day, rows["stamp"])
        rows, spots = in_intervals(rows, spots, session, conventions.interval_seconds, findings)
        try:
            return imported_day(
                rows,
                spots,
                {name: expiries for name, (expiries, _) in listed.items()},
                session,
                conventions,
                self.calendar,
                self.now,
            )
        except ExpiryError as error:
            findings.add("rejected", str(error), [file.path for file in files])
            return None

    def _conventions(self, day: date, stamps: pd.Series) -> Conventions:
        stored = self.lake.read(CONVENTIONS, day)
        if len(stored):
            return Conventions.from_frame(stored)
        interval = interval_of(stamps)
        return Conventions(
            risk_free_rate=self.conventions.risk_free_rate,
            atm_reference="spot",
            interval_seconds=interval,
            full_chain_every_seconds=interval,
            calendar_version=self.calendar.version,
        )

    def _captured(self, day: date) -> set[str]:
        """Return the indices that have a dump of the broker's or a quote of our own on a day."""
        instruments = self.lake.read(INSTRUMENTS, day, columns=["underlying", "contract_type", "instrument_token"])
        dumped = instruments[(instruments["contract_type"] == "option") & instruments["instrument_token"].notna()]
        quotes = self.lake.read(QUOTES, day, columns=["underlying", "source"])
        return {*dumped["underlying"].astype(str), *quotes.loc[quotes["source"] != "import", "underlying"].astype(str)}

    def _dumps(self, days: Mapping[date, object]) -> list[Listing]:
        """Return the expiries of the stored dumps from the first imported day on."""
        found: list[Listing] = []
        for day in self.lake.days() if days else ():
            if day < min(days):
                continue
            columns = ["underlying", "contract_type", "expiry", "instrument_token"]
            rows = self.lake.read(INSTRUMENTS, day, columns=columns)
            rows = rows[(rows["contract_type"] == "option") & rows["instrument_token"].notna()]
            for name, mine in rows.groupby("underlying", observed=True):
                found.append(Listing(str(name), day, {at.date() for at in mine["expiry"].unique()}))
        return found

    def _unknown(self, made: ImportedDay, day: date) -> dict[str, pd.DataFrame]:
        return {name: _not_in(frame, self.lake.gather(name, day), TABLES[name]) for name, frame in made.tables.items()}

    def _store(self, day: date, new: Mapping[str, pd.DataFrame]) -> None:
        for name, frame in new.items():
            if len(frame):
                self.lake.write_live(name, day, _live_name(frame), frame)
        # Also a day whose rows an interrupted import had written and not sealed.
        if any(len(frame) for frame in new.values()) or self.lake.seal_record(day) is None:
            self.seal(day)


def _not_in(frame: pd.DataFrame, stored: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Return the rows that are not stored with the same values; when they became known is no value of theirs."""
    if stored.empty:
        return frame
    if table is CONVENTIONS:
        return frame.head(0)
    names = [name for name in table.names if name != "known_at"]
    both = pd.concat([stored[names], frame[names]], ignore_index=True)
    return frame[~both.duplicated(names, keep="first").to_numpy()[len(stored) :]]


def _live_name(frame: pd.DataFrame) -> str:
    # By content: a second import may find the first one's file not sealed yet.
    return f"import-{int(pd.util.hash_pandas_object(frame, index=False).sum()):x}"
