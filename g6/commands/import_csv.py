"""`g6 import-csv`: the predecessor's CSV files into the store, with an account of what was repaired and rejected."""

from datetime import date
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from g6.errors import CommandError
from g6.runtime import console, open_world
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW
from g6_market.series import offset_series
from g6_resources.clock import SystemTime, clock_from
from g6_resources.csv_files import CsvSink
from g6_resources.files import write_json
from g6_resources.importing import DayResult, Importer, ImportReport
from g6_resources.lake import Lake
from g6_resources.lake_open import open_lake
from g6_resources.resources import conventions_of, load_calendar
from g6_resources.sealing import derive_day, seal_day, trading_day
from g6_resources.settings import Settings
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot


def run_import(folder: Path, world: str | None, *, dry_run: bool) -> None:
    """Import a folder, show what came of it and leave the account in `<root>/state/imports/`."""
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder; give the predecessor's CSV folder, the one that holds NIFTY/")
    if next(folder.rglob("*.csv"), None) is None:
        raise CommandError(f"{folder} holds no CSV file; give the predecessor's CSV folder, the one that holds NIFTY/")
    root, settings = open_world(world)
    calendar = load_calendar(settings)
    lake = open_lake(root)
    importer = Importer(
        lake=lake,
        calendar=calendar,
        conventions=conventions_of(settings, calendar),
        now=clock_from(root).now(),
        seal=lambda day: seal_imported(day, root, settings, lake),
    )
    report = importer.run(folder, dry_run=dry_run, progress=_tell)
    _show(report)
    if not dry_run:
        console.print(f"account in {_write(root, folder, report)}", soft_wrap=True)


def seal_imported(day: date, root: DataRoot, settings: Settings, lake: Lake) -> None:
    """Seal a day and write its CSV files, without its Dagster job: it may lie before the first partition."""
    calendar = load_calendar(settings)
    seal_day(lake, day, lambda of, at: derive_day(of, at, calendar), Warehouse(root, calendar).swap)
    if settings.storage.csv.enabled:
        trading = trading_day(lake, day, calendar)
        series = offset_series(lake.read(OPTION_CHAIN, day), lake.read(EXPIRY_OVERVIEW, day), trading)
        CsvSink(settings.csv_base(root)).rewrite_day(day, series, lake.read(OVERVIEW, day))


def _tell(result: DayResult) -> None:
    known = result.quotes - result.new
    console.print(
        f"{result.day}: {result.files} files, {result.quotes:,} quotes, {result.new:,} new"
        + (f" ({known:,} were there already)" if known else ""),
        highlight=False,
    )


def _show(report: ImportReport) -> None:
    table = Table("", "rows or files", "why", "for example")
    for reason in report.findings.reasons.values():
        table.add_row(reason.verdict, f"{reason.count:,}", escape(reason.text), escape("\n".join(reason.examples)))
    if report.findings.reasons:
        console.print(table)
    new = sum(day.new for day in report.days)
    verb = "would be" if report.dry_run else "were"
    console.print(
        f"{len(report.days)} days: {new:,} quotes {verb} stored, {report.findings.count('rejected'):,} rows or files "
        f"rejected, {report.findings.count('repaired'):,} repaired",
        highlight=False,
    )


def _write(root: DataRoot, folder: Path, report: ImportReport) -> Path:
    at = SystemTime().now()
    target = root.state / "imports" / f"{at:%Y%m%dT%H%M%S}.json"
    target.parent.mkdir(exist_ok=True)
    days = [
        {"day": day.day.isoformat(), "files": day.files, "quotes": day.quotes, "new": day.new} for day in report.days
    ]
    content = {"at": at.isoformat(), "folder": str(folder.absolute()), "days": days}
    write_json(target, content | {"findings": report.findings.to_json()}, durable=True)
    return target
