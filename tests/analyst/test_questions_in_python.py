"""g6.chain(...) and its like: what they return, and what they say when it is not stored."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import g6
from g6.analyst.words import instant_of
from g6.connection import G6Connection
from g6_resources.sealing import seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, make_root
from tests.analyst.conftest import DAYS, EXPIRY_DAY, FRIDAY_BEFORE, LAST, SNAPSHOTS
from tests.resources import lake_frames as made

Db = G6Connection[pd.DataFrame]
# Every question, asked as shortly as it can be.
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "build_up": lambda db: db.build_up("NIFTY"),
    "catalog": lambda db: db.catalog(),
    "chain": lambda db: db.chain("NIFTY"),
    "daily_summary": lambda db: db.daily_summary("NIFTY"),
    "days": lambda db: db.days(),
    "expiries": lambda db: db.expiries("NIFTY"),
    "max_pain": lambda db: db.max_pain("NIFTY"),
    "offset_series": lambda db: db.offset_series("NIFTY"),
    "oi_by_strike": lambda db: db.oi_by_strike("NIFTY"),
    "overview": lambda db: db.overview(),
    "pcr": lambda db: db.pcr("NIFTY"),
    "smile": lambda db: db.smile("NIFTY"),
    "sql": lambda db: db.sql("FROM overview"),
    "straddle": lambda db: db.straddle("NIFTY"),
    "straddle_at": lambda db: db.straddle_at("NIFTY"),
    "surface": lambda db: db.surface("NIFTY"),
    "term_structure": lambda db: db.term_structure("NIFTY"),
    "weekday_overlay": lambda db: db.weekday_overlay("NIFTY"),
}
NOT_QUESTIONS = {"QuestionError", "connect", "use"}


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_is_answered_of_the_last_day_without_further_words(db: Db, name: str) -> None:
    assert len(QUESTIONS[name](db)) > 0


def test_every_public_question_is_tried_and_documented() -> None:
    assert set(QUESTIONS) | {"gaps"} | NOT_QUESTIONS == set(g6.__all__)
    for name in QUESTIONS:
        assert inspect.getdoc(getattr(g6, name)), name


def test_a_question_is_the_macro_of_its_words(db: Db) -> None:
    pd.testing.assert_frame_equal(
        db.chain("bank nifty", "this month", "2026-11-13 10:20"),
        db.sql("FROM chain('BANKNIFTY', 'this_month', '2026-11-13 10:15')"),
    )
    pd.testing.assert_frame_equal(
        db.straddle("NIFTY", "this_week", FRIDAY_BEFORE, strike_of="10:30"),
        db.sql("FROM fixed_straddle('NIFTY', 'this_week', '2026-10-30', from_time := '10:30')"),
    )
    pd.testing.assert_frame_equal(
        db.offset_series("NIFTY", "this_week", -2, "2026-11-13").drop(columns=["source"], errors="ignore"),
        db.sql(
            "SELECT * EXCLUDE (expiry_tag) FROM offset_series WHERE trade_date = '2026-11-13' "
            "AND underlying = 'NIFTY' AND expiry_tag = 'this_week' AND strike_offset = -2 ORDER BY snapshot_at"
        ).drop(columns=["source"], errors="ignore"),
    )


def test_a_straddle_at_a_time_of_day_has_a_row_for_each_day_that_reached_it(db: Db) -> None:
    found = db.straddle_at("NIFTY", "this_week", "09:40", last=LAST)
    assert found["snapshot_at"].tolist() == [pd.Timestamp("2026-11-03 09:30"), pd.Timestamp("2026-11-13 09:30")][-1:]
    noon = db.straddle_at("NIFTY", "this_week", "12:10", first=EXPIRY_DAY)
    assert noon["snapshot_at"].tolist() == [pd.Timestamp("2026-11-03 11:45"), pd.Timestamp("2026-11-13 12:00")]
    for row in noon.itertuples():
        day = db.straddle("NIFTY", "this_week", row.trade_date.date())
        then = day[day["snapshot_at"] == row.snapshot_at].iloc[0]
        assert (row.expiry, row.straddle, row.atm_iv) == (then["expiry"], then["straddle"], then["atm_iv"])


def test_a_surface_is_the_smiles_of_all_expiries(db: Db) -> None:
    surface = db.surface("NIFTY", "2026-11-13 10:15")
    assert sorted(surface["expiry"].unique()) == sorted(db.expiries("NIFTY", LAST)["expiry"].unique())
    front = surface[surface["expiry"] == surface["expiry"].min()]
    smile = db.smile("NIFTY", "front", "2026-11-13 10:15").dropna(subset=["iv"])
    assert front["iv"].tolist() == smile["iv"].tolist()
    assert front["strike"].tolist() == smile["strike"].tolist()


@pytest.mark.parametrize(
    ("at", "seen"),
    [
        ("2026-11-13 10:20", "2026-11-13 10:15"),
        ("10:20", "2026-11-13 10:15"),
        (datetime(2026, 11, 13, 4, 50, tzinfo=UTC), "2026-11-13 10:15"),
        (pd.Timestamp("2026-11-13 10:15"), "2026-11-13 10:15"),
        (EXPIRY_DAY, "2026-11-03 15:15"),
        ("2026-11-03", "2026-11-03 15:15"),
        (None, "2026-11-13 15:30"),
    ],
)
def test_a_moment_is_written_as_people_write_it(db: Db, at: Any, seen: str) -> None:
    assert db.chain("NIFTY", at=at)["snapshot_at"].unique().tolist() == [pd.Timestamp(seen)]


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda db: db.chain("NIFY"), "index 'NIFY' is not stored, the nearest is NIFTY; stored: BANKNIFTY, NIFTY"),
        (lambda db: db.chain("NIFTY", "thisweek"), "'thisweek' is no label, the nearest is this_week; use front, "),
        (
            lambda db: db.chain("BANKNIFTY", "this_week"),
            r"BANKNIFTY has no expiry this_week on 2026-11-13; it has this_month \(2026-11-23\), next_month",
        ),
        (lambda db: db.smile("NIFTY", date(2026, 11, 18)), r"no expiry 2026-11-18 .* this_week \(2026-11-17\)"),
        (
            lambda db: db.straddle("NIFTY", day="2026-11-07"),
            "no data of NIFTY on Sat 2026-11-07; the nearest stored: Tue 2026-11-03 and Fri 2026-11-13",
        ),
        (lambda db: db.gaps("2026-11-07"), "no data on Sat 2026-11-07; the nearest stored"),
        (lambda db: db.overview(day="2020-01-01"), "no data on Wed 2020-01-01; the nearest stored: Fri 2026-10-30"),
        (lambda db: db.chain("NIFTY", at="09:20"), "at or before 2026-11-13 09:20:00; its first .* 09:30:00"),
        (lambda db: db.chain("NIFTY", at="noon"), "instant 'noon' is none; write it as 2026-11-20 10:15"),
        (lambda db: db.pcr("NIFTY", day="Friday"), "day 'Friday' is no date; write it as 2026-11-20"),
        (lambda db: db.offset_series("NIFTY", offset=99), r"rank 99 .* on 2026-11-13; it has -\d+ to \d+$"),
        (lambda db: db.straddle("NIFTY", strike_of="9.20"), "time '9.20' is none; write it as 09:20"),
    ],
)  # fmt: skip
def test_what_is_not_stored_is_an_error_that_names_the_nearest(db: Db, ask: Callable[[Db], Any], says: str) -> None:
    with pytest.raises(g6.QuestionError, match=says):
        ask(db)


def test_a_day_without_gaps_has_no_rows_and_no_error(db: Db) -> None:
    assert db.gaps(LAST).empty


def test_an_empty_world_says_how_to_fill_it(tmp_path: Path) -> None:
    with g6.connect(make_root(tmp_path, "sim:9").path) as empty, pytest.raises(g6.QuestionError, match="make demo"):
        empty.chain("NIFTY")


def test_days_and_catalog_say_what_there_is(db: Db) -> None:
    assert db.days() == db.days("nifty") == list(DAYS)
    catalog = db.catalog().set_index(["underlying", "series", "expiry_tag"]).sort_index()
    week = catalog.loc[("NIFTY", "option_chain", "this_week")]
    rows = db.sql("SELECT count(*) AS n FROM option_chain JOIN expiries USING (trade_date, underlying, expiry) "
                  "WHERE underlying = 'NIFTY' AND expiry_tag = 'this_week'")["n"].iloc[0]  # fmt: skip
    assert (week["row_count"], week["days"], week["snapshots"]) == (rows, 3, sum(SNAPSHOTS.values()))
    assert (week["first_day"], week["last_day"]) == (pd.Timestamp(FRIDAY_BEFORE), pd.Timestamp(LAST))
    assert (catalog["missing_snapshots"].dropna() == 0).all()
    overviews = db.sql("FROM data_catalog WHERE series = 'overview' ORDER BY underlying")
    assert overviews["row_count"].tolist() == [sum(SNAPSHOTS.values())] * 2


def test_a_day_counts_from_its_first_snapshot(tmp_path: Path) -> None:
    root = make_root(tmp_path, "sim:9")
    lake = made.lake_of(root)
    made.write_day(lake, made.THURSDAY, 1)
    seal_day(lake, made.THURSDAY, made.as_captured, Warehouse(root, made.CALENDAR).swap)
    made.write_opening(lake, made.FRIDAY)
    with g6.connect(root.path) as live:
        assert live.days() == live.days("NIFTY") == [made.THURSDAY]
        made.write_snapshot(lake, made.FRIDAY, 0)
        assert live.days("NIFTY") == [made.THURSDAY, made.FRIDAY]
        assert live.chain("NIFTY")["snapshot_at"].unique().tolist() == [pd.Timestamp("2026-11-20 09:16")]
        sealed = live.sql("FROM stored_days WHERE underlying = 'NIFTY' ORDER BY trade_date")["sealed"]
        assert sealed.tolist() == [True, False]


def test_answers_come_as_arrow_or_polars_too(db: Db, root: DataRoot) -> None:
    pandas = db.chain("NIFTY", at="10:15")
    with g6.connect(root.path, as_="arrow") as arrow, g6.connect(root.path, as_="polars") as polars:
        table, frame = arrow.chain("NIFTY", at="10:15"), polars.chain("NIFTY", at="10:15")
        assert isinstance(table, pa.Table)
        assert isinstance(frame, pl.DataFrame)
        assert table.column("strike").to_pylist() == frame["strike"].to_list() == pandas["strike"].tolist()
        assert len(arrow.sql("SET VARIABLE mine = 1")) == 0
        arrow.sql("CREATE TEMP TABLE mine AS SELECT 1 AS n")
        assert arrow.sql("FROM mine").num_rows == 1
        with pytest.raises(g6.QuestionError, match="nearest is NIFTY"):
            polars.chain("NIFY")
    with pytest.raises(ValueError, match="as_='numpy' is no kind of table; use one of pandas, arrow, polars"):
        g6.connect(root.path, as_="numpy")  # pyright: ignore[reportArgumentType]


def test_plain_functions_ask_the_world_that_was_chosen_in_every_thread(root: DataRoot, tmp_path: Path) -> None:
    g6.use(root.path)
    assert len(g6.chain("NIFTY")) > 0
    found: list[int] = []
    thread = Thread(target=lambda: found.append(len(g6.days("NIFTY"))))
    thread.start()
    thread.join()
    assert found == [3]
    g6.use(make_root(tmp_path, "sim:9").path)
    assert g6.days() == []


def test_a_question_shows_its_words_without_a_world() -> None:
    assert list(inspect.signature(g6.chain).parameters) == ["underlying", "expiry", "at"]
    assert "chain" in dir(g6)
    with pytest.raises(AttributeError, match=r"has no attribute 'chains'; it has .*chain"):
        g6.chains  # noqa: B018 # pyright: ignore[reportAttributeAccessIssue]


def test_files_alone_are_enough_on_a_machine_without_pipeline(root: DataRoot, project: Path) -> None:
    code = (
        "import sys, time\n"
        "start = time.process_time(); import g6; light = time.process_time() - start\n"
        f"g6.use({str(root.path)!r})\n"
        "print(len(g6.chain('NIFTY')), len(g6.surface('NIFTY')), light < 0.1)\n"
        "heavy = ('dagster', 'kiteconnect', 'requests', 'numba', 'matplotlib', 'g6_assets', 'yaml', 'pydantic')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    first, second = done.stdout.strip().splitlines()
    assert first.endswith("True")
    assert second == "[]"


def test_a_text_that_is_only_a_time_stays_a_time() -> None:
    assert str(instant_of("10:15")) == "10:15:00"
