"""The predecessor's files in the store: what a day of them is, what was repaired or rejected; twice is once."""

from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pytest

from g6.commands.import_csv import seal_imported
from g6.connection import connect
from g6_market.calendar import IST, TradingCalendar
from g6_market.conventions import Conventions
from g6_market.predecessor.findings import Findings, Reason
from g6_market.predecessor.tables import in_intervals
from g6_market.schema import (
    CONVENTIONS,
    EXPIRIES,
    EXPIRY_OVERVIEW,
    INSTRUMENTS,
    OPTION_CHAIN,
    OVERVIEW,
    QUOTES,
    SNAPSHOTS,
)
from g6_resources.importing import Importer, ImportReport
from g6_resources.lake import Lake, LocalStore
from g6_resources.sealing import derive_day, seal_day
from g6_resources.settings import load_settings
from g6_resources.world import DataRoot, make_root
from tests.importing.made_files import MONDAY, SPOT, TUESDAY, Tree
from tests.resources import lake_frames as captured

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=IST)
CALENDAR = TradingCalendar.load()


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return make_root(tmp_path / "data", "sim:7")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "old")


def lake_of(root: DataRoot) -> Lake:
    return Lake(LocalStore(root.lake), current=root.current)


def importing(
    root: DataRoot, tree: Tree, *, now: datetime = NOW, dry_run: bool = False, copies: bool = False
) -> ImportReport:
    """Import a tree; the views and CSV files of sealed days are made where a test looks at these `copies`."""
    lake = lake_of(root)

    def seal(day: date) -> None:
        if copies:
            seal_imported(day, root, load_settings(), lake)
        else:
            seal_day(lake, day, lambda of, at: derive_day(of, at, CALENDAR), lambda: None)

    return Importer(lake, CALENDAR, Conventions(), now, seal).run(tree.folder, dry_run=dry_run)


def reason(report: ImportReport, verdict: str, words: str) -> Reason:
    found = [r for r in report.findings.reasons.values() if r.verdict == verdict and words in r.text]
    assert len(found) == 1, [f"{r.verdict}: {r.text}" for r in report.findings.reasons.values()]
    return found[0]


def quiet(report: ImportReport) -> None:
    assert report.findings.reasons == {}


def test_a_day_of_files_is_a_sealed_day_of_the_store(root: DataRoot, tree: Tree) -> None:
    tree.options("NIFTY", "this_week", TUESDAY)
    tree.options("NIFTY", "next_week", date(2025, 10, 7), generation=0)
    report = importing(root, tree)
    quiet(report)
    lake = lake_of(root)
    assert lake.sealed_days() == [MONDAY]
    quotes = lake.read(QUOTES, MONDAY)
    options = quotes[quotes["contract_type"] == "option"]
    assert len(options) == 2 * 7 * 3 * 2
    assert set(quotes["source"]) == {"import"}
    assert set(quotes["known_at"]) == {pd.Timestamp("2026-11-22 10:00")}
    # The stamp as written, and the end of the interval that it lies in.
    first = options.sort_values("received_at").iloc[0]
    assert (str(first["received_at"]), str(first["snapshot_at"])) == ("2025-09-29 12:22:30", "2025-09-29 12:23:00")
    assert {"NIFTY25SEP24650CE", "NIFTY25O0724650PE"} < set(options["tradingsymbol"])
    spot = quotes[quotes["contract_type"] == "index"].sort_values("snapshot_at")
    assert spot["last_price"].tolist() == [SPOT["NIFTY"] + number for number in range(3)]
    conventions = lake.read(CONVENTIONS, MONDAY).iloc[0]
    assert (conventions["atm_reference"], conventions["interval_seconds"]) == ("spot", 60)
    expiries = lake.read(EXPIRIES, MONDAY).set_index("expiry_tag")
    assert expiries["expiry"].dt.date.to_dict() == {
        "this_week": TUESDAY,
        "next_week": date(2025, 10, 7),
        "this_month": TUESDAY,
    }
    assert set(expiries["strikes_each_side"]) == {3}
    instruments = lake.read(INSTRUMENTS, MONDAY)
    assert instruments.loc[instruments["contract_type"] == "option", "instrument_token"].isna().all()


def test_volatility_and_series_follow_and_no_total_is_over_what_was_captured(root: DataRoot, tree: Tree) -> None:
    tree.options("NIFTY", "this_week", TUESDAY)
    importing(root, tree, copies=True)
    lake = lake_of(root)
    chain = lake.read(OPTION_CHAIN, MONDAY)
    assert chain["iv"].to_numpy() == pytest.approx(0.12, abs=0.004)
    assert set(chain["source"]) == {"import"}
    assert set(lake.read(SNAPSHOTS, MONDAY)["full_chain"]) == {False}
    assert lake.read(EXPIRY_OVERVIEW, MONDAY)["pcr_oi"].isna().all()
    assert lake.read(OVERVIEW, MONDAY)["spot"].tolist() == [SPOT["NIFTY"] + number for number in range(3)]
    with connect(root.path) as db:
        rows = db.sql(
            "select snapshot_at, straddle from offset_series where underlying = 'NIFTY' and expiry_tag = 'this_week' "
            "and strike_offset = 0 and trade_date = '2025-09-29' order by snapshot_at"
        )
    assert len(rows) == 3
    assert rows["straddle"].notna().all()
    file = root.csv / "options" / "NIFTY" / "this_week" / "ATM" / "2025-09-29.csv"
    assert len(file.read_text().splitlines()) == 4


def test_importing_again_changes_nothing_and_what_is_added_later_is_added(root: DataRoot, tree: Tree) -> None:
    tree.options("NIFTY", "this_week", TUESDAY)
    first = importing(root, tree)
    files = {path: path.read_bytes() for path in root.path.rglob("*") if path.is_file()}
    again = importing(root, tree, now=NOW.replace(hour=11))
    assert [(day.quotes, day.new) for day in first.days] == [(45, 45)]
    assert [(day.quotes, day.new) for day in again.days] == [(45, 0)]
    assert {path: path.read_bytes() for path in root.path.rglob("*") if path.is_file()} == files
    tree.options("SENSEX", "this_week", date(2025, 10, 1))
    more = importing(root, tree, now=NOW.replace(hour=12))
    assert [day.new for day in more.days] == [45]
    quotes = lake_of(root).read(QUOTES, MONDAY)
    assert quotes.groupby("underlying")["known_at"].agg(["min", "max"]).map(lambda at: at.hour).to_numpy().tolist() == [
        [10, 10],
        [12, 12],
    ]


def test_an_import_that_died_before_the_seal_is_finished_by_the_next(root: DataRoot, tree: Tree) -> None:
    tree.options("NIFTY", "this_week", TUESDAY)
    lake = lake_of(root)

    def die(day: date) -> None:
        raise KeyboardInterrupt(day)

    with pytest.raises(KeyboardInterrupt):
        Importer(lake, CALENDAR, Conventions(), NOW, die).run(tree.folder)
    assert lake.unsealed_days() == [MONDAY]
    importing(root, tree, now=NOW.replace(hour=11))
    assert lake.sealed_days() == [MONDAY]
    quotes = lake.read(QUOTES, MONDAY)
    assert (len(quotes), set(quotes["known_at"])) == (45, {pd.Timestamp("2026-11-22 10:00")})


def test_a_dry_run_says_the_same_and_writes_nothing(root: DataRoot, tree: Tree) -> None:
    tree.options("NIFTY", "this_week", TUESDAY, repeat=True)
    report = importing(root, tree, dry_run=True)
    assert [(day.quotes, day.new) for day in report.days] == [(45, 45)]
    assert reason(report, "noted", "the same row twice").count == 7
    assert lake_of(root).days() == []


def test_a_captured_day_is_never_touched(root: DataRoot, tree: Tree) -> None:
    lake = lake_of(root)
    captured.write_day(lake, captured.FRIDAY)
    before = {path: path.read_bytes() for path in root.lake.rglob("*.parquet")}
    tree.day = captured.FRIDAY
    tree.options("NIFTY", "this_week", date(2026, 11, 24))
    report = importing(root, tree)
    assert reason(report, "rejected", "captured by G6 itself").count == 7
    assert report.days == []
    assert {path: path.read_bytes() for path in root.lake.rglob("*.parquet")} == before


@pytest.mark.parametrize("day", [date(2025, 9, 28), date(2025, 10, 2), date(2026, 11, 23)])
def test_a_day_without_a_session_or_not_over_is_rejected(root: DataRoot, tree: Tree, day: date) -> None:
    tree.day = day
    tree.options("NIFTY", "this_week", date(2026, 12, 1))
    report = importing(root, tree)
    assert report.days == []
    assert reason(report, "rejected", f"{day} ").count == 7


@pytest.mark.parametrize(
    ("stamps", "dues"),
    [
        # Taken at 14.9 or 15.1 seconds past the minute, at 44.9 or 45.1, and on the minute.
        (["12:22:00", "12:23:30", "12:24:00", "12:25:30"], ["12:23", "12:24", "12:25", "12:26"]),
        (["12:22:30", "12:24:00", "12:24:30", "12:26:00"], ["12:23", "12:24", "12:25", "12:26"]),
        (["12:22:00", "12:23:00", "15:30:00"], ["12:22", "12:23", "15:30"]),
    ],
)
def test_stamps_rounded_to_either_side_of_a_border_keep_every_minute(stamps: list[str], dues: list[str]) -> None:
    at = pd.to_datetime([f"2025-09-29 {stamp}" for stamp in stamps]).as_unit("us")
    rows = pd.DataFrame({"stamp": at, "underlying": "NIFTY", "expiry": TUESDAY, "strike": 24650.0, "where": stamps})
    findings = Findings()
    found, spots = in_intervals(rows, rows[["stamp", "underlying", "where"]], CALENDAR.session(MONDAY), 60, findings)
    assert found["due"].dt.strftime("%H:%M").tolist() == dues
    assert spots["due"].dt.strftime("%H:%M").tolist() == dues
    assert findings.reasons == {}


# ------------------------------------------------------------------ rows
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"timestamp": "2025-09-29 12:22:30"}, "timestamp is not DD-MM-YYYY"),
        ({"timestamp": "30-09-2025 12:22:30"}, "of another day than the file"),
        ({"timestamp": "29-09-2025 09:15:00"}, "before the first interval"),
        ({"timestamp": "29-09-2025 15:30:30"}, "after the close"),
        ({"index": "BANKNIFTY"}, "another index than its folder's"),
        ({"strike": "ATM"}, "strike is no positive number below a million"),
        ({"expiry_date": "soon"}, "expiry_date is no date"),
        ({"ce": "0.0", "pe": "0.0"}, "neither call nor put has a price"),
        ({"ce": "1000.0", "pe": "1000.0"}, "invented"),
    ],
)
def test_what_cannot_be_believed_is_rejected_with_its_reason(
    root: DataRoot, tree: Tree, changes: dict[str, str], words: str
) -> None:
    tree.options("NIFTY", "this_week", TUESDAY)
    good = importing(root, tree, dry_run=True)
    tree.stamps = ("12:25:30",)
    tree.options("NIFTY", "next_week", date(2025, 10, 7), changes=changes)
    report = importing(root, tree, dry_run=True)
    found = reason(report, "rejected", words)
    assert found.count == 7
    assert found.examples[0] == "NIFTY/next_week/+100/2025-09-29.csv:2"
    assert len(found.examples) == 3
    assert [day.new for day in report.days] == [day.new for day in good.days]


def test_a_missing_leg_is_no_quote_and_zeros_beside_a_price_are_unknown(root: DataRoot, tree: Tree) -> None:
    zeros = {"pe": "0.0", "pe_oi": "0", "pe_vol": "0", "ce_oi": "0", "ce_vol": "0", "avg_ce": "0.0", "index_price": "0"}
    tree.options("NIFTY", "this_week", TUESDAY, changes=zeros)
    importing(root, tree)
    lake = lake_of(root)
    quotes = lake.read(QUOTES, MONDAY)
    assert set(quotes["option_type"]) == {"CE"}
    assert quotes[["oi", "volume", "average_price"]].isna().all(axis=None)
    rows = lake.read(SNAPSHOTS, MONDAY)
    assert set(rows["outcome"]) == {"partial"}
    assert set(rows["cause"]) == {"zero in the file"}
    assert rows["missing_legs"].tolist() == [7, 7, 7]


def test_the_constant_written_without_an_answer_is_no_index_value(root: DataRoot, tree: Tree) -> None:
    tree.options("NIFTY", "this_week", TUESDAY, changes={"index_price": "24800.0"})
    report = importing(root, tree)
    assert reason(report, "repaired", "constant written without an answer").count == 21
    assert lake_of(root).read(OVERVIEW, MONDAY)["spot"].isna().all()


def test_every_generation_of_overview_is_read_and_the_newest_has_the_index_value(root: DataRoot, tree: Tree) -> None:
    tree.options("NIFTY", "this_week", TUESDAY, changes={"index_price": "0"})
    for generation in (0, 1):
        tree.overview("NIFTY", generation)
        quiet(importing(root, tree, dry_run=True))
    tree.overview("NIFTY", 2)
    importing(root, tree)
    assert lake_of(root).read(OVERVIEW, MONDAY)["spot"].tolist() == [SPOT["NIFTY"]] * 3


def test_newer_rows_below_an_older_header_are_told_by_their_number_of_columns(root: DataRoot, tree: Tree) -> None:
    tree.options("NIFTY", "this_week", TUESDAY, generation=0, strikes_each_side=0)
    file = tree.files[0]
    tree.stamps = ("12:25:30",)
    tree.options("NIFTY", "this_week", TUESDAY, strikes_each_side=0)
    newer = file.read_text().splitlines()[1]
    tree.stamps = ("12:22:30", "12:23:30")
    tree.options("NIFTY", "this_week", TUESDAY, generation=0, strikes_each_side=0)
    tree.write(file, [*file.read_text().splitlines(), newer, newer[:70]])
    report = importing(root, tree)
    assert reason(report, "rejected", "number of columns").examples == ["NIFTY/this_week/0/2025-09-29.csv:5"]
    assert lake_of(root).read(SNAPSHOTS, MONDAY)["snapshot_at"].dt.strftime("%H:%M").tolist() == [
        "12:23",
        "12:24",
        "12:26",
    ]


def test_files_that_are_none_of_its_own_are_named(root: DataRoot, tree: Tree) -> None:
    tree.write(tree.folder / "notes.csv", ["a,b"])
    tree.write(tree.folder / "NIFTYNXT50" / "this_month" / "0" / "2025-09-29.csv", ["a,b"])
    tree.write(tree.folder / "NIFTY" / "this_month" / "0" / "2025-09-29.csv", ["time,price", "1,2"])
    tree.write(tree.folder / "NIFTY" / "next_month" / "0" / "2025-09-29.csv", ["x" * 200_000])
    tree.options("NIFTY", "this_week", TUESDAY)
    report = importing(root, tree, dry_run=True)
    assert reason(report, "rejected", "no CSV").count == 1
    assert reason(report, "noted", "not read").examples == ["notes.csv"]
    assert reason(report, "rejected", "no index that G6 knows").count == 1
    assert reason(report, "rejected", "header no generation has").examples == ["NIFTY/this_month/0/2025-09-29.csv:1"]


# ------------------------------------------------------------------ expiries
def test_a_moved_monthly_date_is_undone_where_one_listed_expiry_has_its_weekday(root: DataRoot, tree: Tree) -> None:
    # Christmas made the monthly expiry a Wednesday; the label's date was moved to the last Wednesday of the month.
    listed = [date(2025, 10, 1), date(2025, 10, 9), date(2025, 10, 30), date(2025, 11, 27), date(2025, 12, 24)]
    tree.dump(MONDAY, "BFO", {"SENSEX": listed})
    tree.options("SENSEX", "next_month", date(2025, 12, 24), written=date(2025, 12, 31))
    report = importing(root, tree)
    repaired = reason(report, "repaired", "SENSEX next_month expiry 2025-12-31 is 2025-12-24 by the dump of 2025-09-29")
    assert repaired.count == 21
    quotes = lake_of(root).read(QUOTES, MONDAY)
    assert {at.date() for at in quotes["expiry"].dropna()} == {date(2025, 12, 24)}
    assert "SENSEX25DEC80400CE" in set(quotes["tradingsymbol"])


def test_without_a_dump_the_rule_of_weekdays_and_holidays_judges(root: DataRoot, tree: Tree) -> None:
    # Gandhi Jayanti, a Thursday: the weekly expiry is the Wednesday before.
    tree.options("SENSEX", "this_week", date(2025, 10, 1))
    tree.options("SENSEX", "next_week", date(2025, 10, 2))
    report = importing(root, tree)
    assert reason(report, "rejected", "no expiry 2025-10-02 of SENSEX by the rule of expiry weekdays").count == 21
    assert {at.date() for at in lake_of(root).read(EXPIRIES, MONDAY)["expiry"]} == {date(2025, 10, 1)}


def test_a_contract_under_two_labels_is_stored_once_and_another_contract_under_its_date_is_rejected(
    root: DataRoot, tree: Tree
) -> None:
    tree.options("NIFTY", "this_week", TUESDAY)
    tree.options("NIFTY", "this_month", TUESDAY)
    report = importing(root, tree, dry_run=True)
    assert reason(report, "noted", "under a second label").count == 21
    assert [day.new for day in report.days] == [45]
    # The date says this Tuesday, the prices are those of a contract of two months later.
    tree.options("NIFTY", "this_month", date(2025, 11, 25), written=TUESDAY)
    report = importing(root, tree, dry_run=True)
    assert reason(report, "rejected", "its prices are not those of the contract").count == 21


def test_an_expiry_that_has_passed_is_rejected(root: DataRoot, tree: Tree) -> None:
    tree.options("NIFTY", "this_week", TUESDAY)
    tree.options("NIFTY", "next_week", TUESDAY, written=date(2025, 9, 23))
    report = importing(root, tree, dry_run=True)
    assert reason(report, "rejected", "expiry 2025-09-23 had passed on 2025-09-29").count == 21
