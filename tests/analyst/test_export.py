"""g6 export: the whole answer in the file, whatever happens on the way."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

import g6
from g6.connection import G6Connection
from g6.export import ExportError, Written, export, make_plan, writing
from g6_resources.sealing import seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, make_root
from tests.analyst.conftest import DAYS, FRIDAY_BEFORE, LAST
from tests.resources import lake_frames as made

Db = G6Connection[pd.DataFrame]
Export = Callable[..., Written]


@pytest.fixture
def to(db: Db, tmp_path: Path) -> Export:
    def write(what: str, name: str, **chosen: object) -> Written:
        return export(db, make_plan(db, what, **chosen), tmp_path / name)  # pyright: ignore[reportArgumentType]

    return write


def start(project: Path, config: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "g6", "export", *arguments],
        cwd=project,
        env={**os.environ, "G6_CONFIG": str(config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_table_is_written_whole_and_sorted(db: Db, to: Export) -> None:
    written = to("option_chain", "chain.parquet")
    rows = db.sql(f"FROM '{written.file}'")
    stored = db.sql("FROM option_chain ORDER BY trade_date, underlying, expiry, strike, option_type, snapshot_at")
    pd.testing.assert_frame_equal(rows, stored)
    assert (written.rows, written.parts, written.continued) == (len(stored), 3, 0)
    assert [path.name for path in written.file.parent.iterdir()] == ["chain.parquet"]


def test_every_table_is_written_with_all_its_rows(db: Db, to: Export) -> None:
    """That of gaps, of which there are none, with its columns."""
    views = [view for (view,) in db.rows("SELECT view_name FROM duckdb_views() WHERE NOT internal")]
    assert len(views) >= 14
    for view in views:
        written = to(view, f"{view}.parquet")
        assert db.rows(f"SELECT count(*) FROM '{written.file}'") == db.rows(f"SELECT count(*) FROM {view}"), view
        assert list(db.sql(f"FROM '{written.file}'")) == list(db.sql(f"FROM {view} LIMIT 0")), view


def test_an_index_and_days_are_chosen(db: Db, to: Export) -> None:
    rows = pd.read_csv(to("overview", "o.csv", underlying="nifty", first=date(2026, 11, 1)).file)
    assert rows["underlying"].unique().tolist() == ["NIFTY"]
    assert rows["trade_date"].unique().tolist() == [str(day) for day in DAYS[1:]]
    assert rows["spot"].tolist() == db.sql(
        "SELECT spot FROM overview WHERE underlying = 'NIFTY' AND trade_date > '2026-11-01' ORDER BY snapshot_at"
    )["spot"].tolist()  # fmt: skip


def test_a_query_with_a_day_is_asked_once_a_day(db: Db, to: Export) -> None:
    written = to("from straddle($underlying, 'front', $day) -- each day", "s.parquet", underlying="NIFTY", last=LAST)
    each = pd.concat([db.straddle("NIFTY", day=day) for day in DAYS], ignore_index=True)
    pd.testing.assert_frame_equal(db.sql(f"FROM '{written.file}'"), each)


def test_any_other_query_is_one_part(to: Export) -> None:
    assert to("select 1 as n union all select 2", "n.csv").file.read_text() == "n\n1\n2\n"


def test_a_sheet_holds_names_numbers_instants_and_empty_cells(db: Db, to: Export) -> None:
    written = to("select snapshot_at, expiry, underlying, spot, spot_unreliable, null as nothing, '=1+1' as text "
                 "from overview join expiries using (trade_date, underlying) order by all", "sheet.xlsx")  # fmt: skip
    sheet = openpyxl.load_workbook(written.file)["rows"]
    assert [cell.value for cell in sheet[1]][:3] == ["snapshot_at", "expiry", "underlying"]
    instant, expiry, index, spot, unreliable, nothing, text = (cell.value for cell in sheet[2])
    first = db.sql(
        "SELECT * FROM overview JOIN expiries USING (trade_date, underlying) ORDER BY snapshot_at, expiry"
    ).iloc[0]
    assert (instant, expiry, index, spot) == (first["snapshot_at"], first["expiry"], first["underlying"], first["spot"])
    assert (unreliable, nothing, text) == (False, None, "=1+1")
    assert sheet["G2"].data_type == "s"
    assert sheet.max_row == written.rows + 1


def test_what_no_sheet_holds_is_refused_before_it_is_written(to: Export, tmp_path: Path) -> None:
    assert writing.SHEET_ROWS == 1_048_576
    with pytest.raises(ExportError, match=r"holds 1,048,575 rows and a row of names, and this is more: 1,048,576 rows"):
        to("select i from range(1048576) t(i)", "big.xlsx")
    assert not (tmp_path / "big.xlsx").exists()


@pytest.mark.parametrize(
    ("what", "chosen", "says"),
    [
        ("overviw", {}, "there is no table 'overviw', the nearest is overview; there are conventions, "),
        ("overview", {"underlying": "NIFY"}, "'NIFY' is not stored, the nearest is NIFTY; stored: BANKNIFTY, NIFTY"),
        (
            "overview",
            {"first": date(2027, 1, 1)},
            "overview has no day from 2027-01-01 to the last; stored are 2026-10-30 ",
        ),
        ("conventions", {"underlying": "NIFTY"}, "conventions has no column underlying; leave --underlying away"),
        ("data_catalog", {"first": LAST}, "data_catalog has no days; leave --from and --to-date away"),
        ("from straddle($underlying, 'front', $day)", {}, "say which with --underlying NIFTY"),
        ("select 1", {"underlying": "NIFTY"}, "--underlying is for a table, or for a query that has"),
        ("select 1", {"last": LAST}, "--from and --to-date are for a table, or for a query that has"),
    ],
)
def test_what_cannot_be_is_said_with_what_can(db: Db, what: str, chosen: dict[str, object], says: str) -> None:
    with pytest.raises(ExportError, match=says.replace("$", r"\$")):
        make_plan(db, what, **chosen)  # pyright: ignore[reportArgumentType]


def test_a_file_that_cannot_be_is_refused_before_anything_is_made(to: Export, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"the name must end in \.parquet, \.csv, \.xlsx"):
        to("overview", "o.doc")
    with pytest.raises(ExportError, match="there is no folder"):
        to("overview", "nowhere/o.csv")
    assert list(tmp_path.iterdir()) == []


def test_an_export_killed_in_the_middle_goes_on_where_it_was(project: Path, config: Path, tmp_path: Path) -> None:
    """The last day's input is a pipe that nobody writes: there the export waits, and is killed."""
    for number, day in enumerate(DAYS[:2]):
        (tmp_path / f"{day}.csv").write_text(f"n\n{number}\n")
    os.mkfifo(tmp_path / f"{LAST}.csv")
    target = tmp_path / "out.csv"
    arguments = (f"select $day as day, n from read_csv('{tmp_path}/' || $day || '.csv')", "--to", str(target))
    process = start(project, config, *arguments)
    writer = (tmp_path / f"{LAST}.csv").open("w")  # returns when the export opens the other end
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    writer.close()
    assert not target.exists()
    # Were they asked again, they would answer otherwise.
    for day in DAYS[:2]:
        (tmp_path / f"{day}.csv").write_text("n\n99\n")
    (tmp_path / f"{LAST}.csv").unlink()
    (tmp_path / f"{LAST}.csv").write_text("n\n2\n")
    process = start(project, config, *arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "3 rows, 3 days; went on after 2 days written before" in out
    assert target.read_text() == "day,n\n" + "".join(f"{day},{number}\n" for number, day in enumerate(DAYS))
    assert not list(tmp_path.glob(".out*"))


@pytest.fixture
def two_days(tmp_path: Path) -> DataRoot:
    """A world of one sealed day and one that runs."""
    root = make_root(tmp_path / "data", "sim:7")
    lake = made.lake_of(root)
    made.write_day(lake, made.THURSDAY, 2)
    seal_day(lake, made.THURSDAY, made.as_captured, Warehouse(root, made.CALENDAR).swap)
    made.write_day(lake, made.FRIDAY, 1)
    return root


class Stopped(Exception):
    """What ends an export here after its first part."""


def stop_after(parts: int) -> Callable[[int, int, int], None]:
    def told(done: int, _total: int, _rows: int) -> None:
        if done == parts:
            raise Stopped

    return told


@pytest.mark.parametrize("meanwhile", ["sealed again", "another question", "more captured"])
def test_a_part_that_is_no_longer_true_is_asked_again(two_days: DataRoot, tmp_path: Path, meanwhile: str) -> None:
    lake, target = made.lake_of(two_days), tmp_path / "out.parquet"
    with g6.connect(two_days.path) as db:
        what = "expiry_overview" if meanwhile == "another question" else "overview"
        with pytest.raises(Stopped):
            export(db, make_plan(db, what), target, stop_after(2 if meanwhile == "more captured" else 1))
        assert list(tmp_path.glob(".out.parquet.parts/2026-11-19.*"))
        if meanwhile == "sealed again":
            made.write_snapshot(lake, made.THURSDAY, 3)
            seal_day(lake, made.THURSDAY, made.as_captured, Warehouse(two_days, made.CALENDAR).swap)
        made.write_snapshot(lake, made.FRIDAY, 1)
        written = export(db, make_plan(db, "overview"), target)
        expected = db.sql("FROM overview ORDER BY trade_date, underlying, snapshot_at")
        pd.testing.assert_frame_equal(db.sql(f"FROM '{target}'"), expected)
    assert written.continued == (1 if meanwhile == "more captured" else 0)


def test_two_exports_to_one_file_do_not_mix(db: Db, tmp_path: Path) -> None:
    plan, target = make_plan(db, "overview"), tmp_path / "o.csv"

    def second(_done: int, _total: int, _rows: int) -> None:
        with pytest.raises(ExportError, match="another export writes this file"):
            export(db, plan, target)

    assert export(db, plan, target, second).rows == len(db.sql("FROM overview"))


def test_days_between_are_in_their_order(db: Db) -> None:
    plan = make_plan(db, "overview", first=FRIDAY_BEFORE, last=FRIDAY_BEFORE + timedelta(days=4))
    assert [piece.day for piece in plan.pieces] == list(DAYS[:2])
