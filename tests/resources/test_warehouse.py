"""The views: every stored day once, whoever opens or holds them while days are being sealed."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from g6_market.schema import EXPIRIES, EXPIRY_OVERVIEW, OFFSET_SERIES, OPTION_CHAIN, OVERVIEW, TABLES, Table, conform
from g6_market.series import offset_series
from g6_resources.lake import snapshot_name
from g6_resources.parquet import encode, schema_version, sorted_rows, to_arrow
from g6_resources.sealing import derive_day, seal_day, trading_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot
from tests.market import market_data as market
from tests.resources import lake_frames as made
from tests.resources.lake_frames import CALENDAR, FRIDAY, LEGS, THURSDAY, as_captured, lake_of, root_at


def ask(root: DataRoot, query: str, *params: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(root.warehouse), read_only=True) as views:
        return views.execute(query, list(params)).fetchall()


def frame(root: DataRoot, query: str) -> pd.DataFrame:
    with duckdb.connect(str(root.warehouse), read_only=True) as views:
        return views.execute(query).df()


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return root_at(tmp_path / "it's a root")


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Thursday sealed, Friday live: five snapshots of six, one of them partial; only read by the tests."""
    root = root_at(tmp_path_factory.mktemp("two_days"))
    lake = lake_of(root)
    made.write_day(lake, THURSDAY, 4)
    warehouse = Warehouse(root, CALENDAR)
    seal_day(lake, THURSDAY, as_captured, warehouse.swap)
    made.write_opening(lake, FRIDAY)
    for number, outcome in enumerate(("stored", "partial", "failed", "", "stale", "stored")):
        if outcome:
            made.write_snapshot(lake, FRIDAY, number, outcome, None if outcome == "stored" else f"it was {outcome}")
    lake.write_current(made.option_chain(FRIDAY, 5))
    return root


# ---------------------------------------------------------------- what the views are
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_table_is_a_view_whose_columns_say_what_they_mean(two_days: DataRoot, table: Table) -> None:
    columns = ask(
        two_days,
        "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index",
        table.name,
    )
    extra = ["rho"] if table is OPTION_CHAIN else []
    assert [name for name, _ in columns] == ["trade_date", *table.names, *extra]
    assert all(comment for _, comment in columns)
    [(comment,)] = ask(two_days, "SELECT comment FROM duckdb_views() WHERE view_name = ?", table.name)
    assert comment == table.description


def test_a_view_holds_sealed_and_live_days_each_row_once(two_days: DataRoot) -> None:
    counted = "SELECT trade_date, count(*), count(DISTINCT snapshot_at) FROM option_chain GROUP BY ALL ORDER BY 1"
    assert ask(two_days, counted) == [(THURSDAY, 4 * LEGS, 4), (FRIDAY, 3 * LEGS, 3)]


def test_a_live_snapshot_is_seen_without_a_rebuild(root: DataRoot) -> None:
    Warehouse(root).rebuild()
    assert ask(root, "SELECT count(*) FROM overview") == [(0,)]
    made.write_day(lake_of(root), FRIDAY, 1)
    assert ask(root, "SELECT count(*) FROM overview") == [(2,)]


def test_a_day_left_unsealed_stays_visible_after_a_later_one_is_sealed(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, THURSDAY, 2)
    made.write_day(lake, FRIDAY, 3)
    seal_day(lake, FRIDAY, as_captured, Warehouse(root).swap)
    counted = "SELECT trade_date, count(*) FROM option_chain GROUP BY 1 ORDER BY 1"
    assert ask(root, counted) == [(THURSDAY, 2 * LEGS), (FRIDAY, 3 * LEGS)]
    seal_day(lake, THURSDAY, as_captured, Warehouse(root).swap)
    assert ask(root, counted) == [(THURSDAY, 2 * LEGS), (FRIDAY, 3 * LEGS)]


def test_a_past_day_announced_before_its_first_snapshot_is_visible_while_it_is_replayed(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 1)
    warehouse = Warehouse(root)
    seal_day(lake, FRIDAY, as_captured, warehouse.swap)
    warehouse.rebuild(also=[THURSDAY])
    made.write_day(lake, THURSDAY, 1)
    assert ask(root, "SELECT count(*) FROM option_chain") == [(2 * LEGS,)]


def test_an_older_file_without_todays_columns_reads_as_null(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, THURSDAY, 1)
    warehouse = Warehouse(root)
    seal_day(lake, THURSDAY, as_captured, warehouse.swap)
    older = Table(OPTION_CHAIN.name, "", OPTION_CHAIN.columns[:-2], OPTION_CHAIN.key, OPTION_CHAIN.sort)
    rows = made.option_chain(THURSDAY, 0)[list(older.names)].query("underlying == 'NIFTY'")
    lake.store.put(
        "option_chain/closed/trade_date=2026-11-19/NIFTY.parquet",
        encode(sorted_rows(to_arrow(rows, older), older), older, sealed=True),
    )
    record = lake.sealed[THURSDAY]
    files = {**record.files, "option_chain": {"NIFTY": len(rows)}}
    schema = {**record.schema, "option_chain": schema_version(older)}
    lake.commit(type(record)(record.trade_date, record.made_at, record.code_version, files, schema))
    made.write_day(lake, FRIDAY, 1)
    seal_day(lake, FRIDAY, as_captured, warehouse.swap)
    counted = "SELECT trade_date, count(*), count(source) FROM option_chain GROUP BY 1 ORDER BY 1"
    assert ask(root, counted) == [(THURSDAY, LEGS // 2, 0), (FRIDAY, LEGS, LEGS)]
    assert ask(root, "SELECT count(*), count(source) FROM chain('NIFTY', 'front', '2026-11-19 12:00')") == [(10, 0)]


def test_a_day_begun_before_a_column_was_added_reads_as_null_until_it_is_sealed(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, THURSDAY, 2)
    older = Table(OPTION_CHAIN.name, "", OPTION_CHAIN.columns[:-2], OPTION_CHAIN.key, OPTION_CHAIN.sort)
    rows = made.option_chain(THURSDAY, 0)[list(older.names)]
    path = f"option_chain/live/trade_date={THURSDAY}/{snapshot_name(made.due(THURSDAY, 0))}.parquet"
    assert lake.store.get(path)
    lake.store.put(path, encode(to_arrow(rows, older), older, sealed=False))
    Warehouse(root).rebuild()
    for asked, before, since in (
        ("option_chain", LEGS, LEGS),
        ("chain('NIFTY', 'front', '2026-11-19 09:16')", 10, 0),
        ("chain('NIFTY', 'front', '2026-11-19 09:17')", 0, 10),
    ):
        assert ask(root, f"SELECT count(*), count(source) FROM {asked}") == [(before + since, since)]


def test_the_labels_of_a_sealed_day_are_read_once_and_again_when_it_is_sealed_again(root: DataRoot) -> None:
    lake, warehouse = lake_of(root), Warehouse(root)
    made.write_day(lake, THURSDAY, 1)
    seal_day(lake, THURSDAY, as_captured, warehouse.swap)
    files = sorted((root.lake / "expiries/closed/trade_date=2026-11-19").glob("*.parquet"))
    labels = ask(root, "SELECT * FROM expiries ORDER BY ALL")
    assert len(labels) == len(made.expiries(THURSDAY))
    aside = [file.rename(file.with_suffix(".aside")) for file in files]
    warehouse.rebuild()
    assert ask(root, "SELECT * FROM expiries ORDER BY ALL") == labels

    for file in aside:
        file.rename(file.with_suffix(".parquet"))
    changed = made.expiries(THURSDAY).query("underlying == 'NIFTY'").assign(trading_days_to_expiry=9)
    lake.write_closed(EXPIRIES, THURSDAY, "NIFTY", changed)
    record = lake.sealed[THURSDAY]
    lake.commit(replace(record, made_at=record.made_at + timedelta(seconds=1)))
    warehouse.rebuild()
    counted = "SELECT underlying, any_value(trading_days_to_expiry) FROM expiries GROUP BY 1 ORDER BY 1"
    assert ask(root, counted) == [("BANKNIFTY", 2), ("NIFTY", 9)]


def test_labels_are_whole_after_a_file_of_views_that_did_not_keep_them(root: DataRoot) -> None:
    lake, warehouse = lake_of(root), Warehouse(root)
    made.write_day(lake, THURSDAY, 1)
    seal_day(lake, THURSDAY, as_captured, warehouse.swap)
    labels = ask(root, "SELECT * FROM expiries ORDER BY ALL")
    for forget in (
        "ALTER TABLE sealed_expiries DROP COLUMN sealed_at",
        "DELETE FROM sealed_expiries WHERE underlying = 'NIFTY'",
    ):
        with duckdb.connect(str(root.warehouse)) as older:
            older.execute(forget)
        warehouse.rebuild()
        assert ask(root, "SELECT * FROM expiries ORDER BY ALL") == labels


def test_rho_is_computed_from_time_and_price(two_days: DataRoot) -> None:
    assert ask(two_days, "SELECT max(abs(rho + t_years * price / 100)) < 1e-15 FROM option_chain") == [(True,)]


def test_the_offset_series_view_says_what_the_function_says(root: DataRoot) -> None:
    for reference in ("forward", "spot"):
        here = root_at(root.path / reference)
        day = market.small_day(atm_reference=reference, strikes_each_side=3)
        lake = lake_of(here)
        lake.write_live("conventions", market.FRIDAY, "day", day.conventions.to_frame())
        lake.write_live("instruments", market.FRIDAY, "day", day.instruments)
        lake.write_live("expiries", market.FRIDAY, "day", day.expiries)
        for number, clock in enumerate(("09:16", "09:17", "09:18", "09:19")):
            quotes = market.snapshot(day, clock, market.market(day, market.at(clock), number, absent=0.1))
            lake.write_live("quotes", market.FRIDAY, f"s{number:06d}", quotes)
            lake.write_live("snapshots", market.FRIDAY, f"s{number:06d}", market.snapshots_of(quotes, day))
        seal_day(lake, market.FRIDAY, lambda lake_, day_: derive_day(lake_, day_, CALENDAR), Warehouse(here).swap)
        chain, totals = lake.read(OPTION_CHAIN, market.FRIDAY), lake.read(EXPIRY_OVERVIEW, market.FRIDAY)
        expected = offset_series(chain, totals, trading_day(lake, market.FRIDAY, CALENDAR))
        view = frame(here, "SELECT * EXCLUDE trade_date FROM offset_series")
        order = list(OFFSET_SERIES.key)
        assert len(expected) > 100
        assert expected["rolled"].any()
        pd.testing.assert_frame_equal(
            view.sort_values(order, ignore_index=True),
            expected.sort_values(order, ignore_index=True),
            check_dtype=False,
        )


# ---------------------------------------------------------------- gaps
def test_gaps_name_what_was_due_and_is_not_whole_up_to_the_last_snapshot(two_days: DataRoot) -> None:
    rows = ask(
        two_days,
        "SELECT DISTINCT strftime(snapshot_at, '%H:%M'), outcome, cause, missing_legs FROM gaps "
        "WHERE trade_date = ? ORDER BY 1",
        FRIDAY,
    )
    assert rows == [
        ("09:17", "partial", "it was partial", 3),
        ("09:18", "failed", "it was failed", 3),
        ("09:19", "missing", "process down", None),
        ("09:20", "stale", "it was stale", 3),
    ]
    assert ask(two_days, "SELECT count(*) FROM gaps WHERE trade_date = ?", FRIDAY) == [(4 * 4,)]


def test_a_sealed_day_is_held_against_its_whole_session(two_days: DataRoot) -> None:
    counted = "SELECT count(*), min(snapshot_at)::VARCHAR, max(snapshot_at)::VARCHAR FROM gaps WHERE trade_date = ?"
    expected = (4 * (385 - 4), "2026-11-19 09:20:00", "2026-11-19 15:40:00")
    assert ask(two_days, counted, THURSDAY) == [expected]


def test_gaps_follow_the_days_own_interval_and_leave_breaks_out(root: DataRoot) -> None:
    drill = date(2024, 3, 2)  # a Saturday of two parts
    session = CALENDAR.session(drill)
    assert session.breaks
    made.write_day(lake_of(root), drill, 0, interval_seconds=300)
    made.write_snapshot(lake_of(root), drill, 0, "failed", "network")
    seal_day(lake_of(root), drill, as_captured, Warehouse(root, CALENDAR).swap)
    due = [(instant.replace(tzinfo=None),) for instant in session.due_times(300)]
    assert ask(root, "SELECT DISTINCT snapshot_at FROM gaps ORDER BY 1") == due


def test_a_rebuild_without_the_calendar_keeps_what_was_due(root: DataRoot) -> None:
    made.write_day(lake_of(root), FRIDAY, 2)
    seal_day(lake_of(root), FRIDAY, as_captured, Warehouse(root, CALENDAR).swap)
    before = ask(root, "SELECT count(*) FROM gaps")
    Warehouse(root).rebuild()
    assert ask(root, "SELECT count(*) FROM gaps") == before == [(4 * 383,)]


# ---------------------------------------------------------------- macros
@pytest.mark.parametrize(
    ("tag", "day"), [("this_week", THURSDAY), ("next_week", FRIDAY), ("front", FRIDAY), ("2026-11-23", THURSDAY)]
)
def test_a_chain_is_that_of_the_last_snapshot_until_the_instant(two_days: DataRoot, tag: str, day: date) -> None:
    expiry = made.expiries_of(day)[1 if tag == "next_week" else 0]
    got = frame(two_days, f"SELECT * EXCLUDE rho FROM chain('NIFTY', '{tag}', '{day} 09:17:59')")
    chain = made.option_chain(day, 1).query("underlying == 'NIFTY'")
    expected = chain[chain["expiry"] == pd.Timestamp(expiry)].sort_values(["strike", "option_type"], ignore_index=True)
    assert (got.pop("trade_date") == pd.Timestamp(day)).all()
    pd.testing.assert_frame_equal(conform(got, OPTION_CHAIN), expected)


def test_before_the_first_snapshot_and_on_a_day_without_data_there_is_no_chain(two_days: DataRoot) -> None:
    for instant in ("2026-11-20 09:15:59", "2026-11-18 12:00", "2026-12-18 12:00"):
        assert ask(two_days, f"SELECT count(*) FROM chain('NIFTY', 'this_week', '{instant}')") == [(0,)]
    assert ask(two_days, "SELECT count(*) FROM chain('SENSEX', 'this_week', '2026-11-19 12:00')") == [(0,)]


def test_a_misspelt_tag_is_answered_with_those_there_are(two_days: DataRoot) -> None:
    with pytest.raises(duckdb.Error, match=r"no expiry thisweek: use front, this_week, .* or a date such as"):
        ask(two_days, "FROM chain('NIFTY', 'thisweek', '2026-11-19 12:00')")


def test_the_latest_chain_is_the_current_snapshot(two_days: DataRoot) -> None:
    counted = "SELECT count(*), min(snapshot_at)::VARCHAR, min(expiry) FROM latest_chain('NIFTY', ?)"
    stamp = "2026-11-20 09:21:00"
    first, second = made.expiries_of(FRIDAY)
    for tag, expiry in (("this_week", first), ("front", first), ("next_week", second), (str(second), second)):
        assert ask(two_days, counted, tag) == [(10, stamp, expiry)]


def test_the_latest_chain_keeps_its_labels_when_its_day_is_sealed(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 1)
    lake.write_current(made.option_chain(FRIDAY, 0))
    seal_day(lake, FRIDAY, as_captured, Warehouse(root).swap)
    assert ask(root, "SELECT count(*) FROM latest_chain('NIFTY', 'next_week')") == [(10,)]


def test_straddles_and_overviews_of_a_day_come_from_sealed_and_live_files(two_days: DataRoot) -> None:
    for day, numbers in ((THURSDAY, [0, 1, 2, 3]), (FRIDAY, [0, 1, 5])):
        rows = ask(two_days, f"SELECT straddle, trade_date FROM straddle('BANKNIFTY', 'this_week', '{day}')")
        assert rows == [(200.0 + number, day) for number in numbers]
        overview = frame(two_days, f"FROM overview_on('{day}')")
        legs = frame(two_days, f"FROM chain_on('NIFTY', '{day}') ORDER BY ALL")
        same = f"FROM option_chain WHERE trade_date = '{day}' AND underlying = 'NIFTY' ORDER BY ALL"
        pd.testing.assert_frame_equal(legs, frame(two_days, same))
        assert len(legs) > 0
        assert list(overview.columns) == ["trade_date", *OVERVIEW.names]
        assert len(overview) == 2 * len(numbers)


# ---------------------------------------------------------------- readers while days are sealed
def test_a_handle_opened_before_a_seal_fails_after_it_and_never_answers_short(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 2)
    warehouse = Warehouse(root)
    warehouse.rebuild()
    held = duckdb.connect(str(root.warehouse), read_only=True)
    assert held.execute("SELECT count(*) FROM option_chain").fetchall() == [(2 * LEGS,)]
    seal_day(lake, FRIDAY, as_captured, warehouse.swap)
    views = [*TABLES, "gaps", "chain('NIFTY', 'front', '2026-11-20 10:00')", "latest_chain('NIFTY', 'front')"]
    views += [
        "straddle('NIFTY', 'front', '2026-11-20')",
        "overview_on('2026-11-20')",
        "chain_on('NIFTY', '2026-11-20')",
    ]
    for view in views:
        with pytest.raises(duckdb.IOException, match=r"No files found .*generations/1\.parquet"):
            held.execute(f"SELECT count(*) FROM {view}")
    held.close()


def test_a_rebuild_alone_leaves_older_handles_valid(root: DataRoot) -> None:
    made.write_day(lake_of(root), FRIDAY, 1)
    warehouse = Warehouse(root)
    warehouse.rebuild()
    with duckdb.connect(str(root.warehouse), read_only=True) as held:
        assert warehouse.rebuild() == 2
        assert held.execute("SELECT count(*) FROM option_chain").fetchall() == [(LEGS,)]
        warehouse.drop_old_generations()
        with pytest.raises(duckdb.IOException, match="No files found"):
            held.execute("SELECT count(*) FROM option_chain")
    assert [file.name for file in root.generations.glob("*.parquet")] == ["2.parquet"]


_READER = """
import json, sys
from pathlib import Path
import duckdb
import g6
from g6_resources.world import open_root

root, mode, legs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
held = g6.connect(root) if mode == "held" else None
asked = wrong = outdated = 0
print("reading", flush=True)
while not (root / "stop").exists():
    try:
        if held is not None:
            rows = held.execute("SELECT trade_date, count(*) FROM option_chain GROUP BY 1").fetchall()
        else:
            with duckdb.connect(str(root / "g6.duckdb"), read_only=True) as views:
                rows = views.execute("SELECT trade_date, count(*) FROM option_chain GROUP BY 1").fetchall()
    except duckdb.IOException as error:
        outdated += 1
        text = str(error)
        if "No files found" not in text and "No such file" not in text:
            raise
        continue
    asked += 1
    days = int((root / "days").read_text())
    wrong += len(rows) != days or any(count != legs for _, count in rows)
print(json.dumps({"asked": asked, "wrong": wrong, "outdated": outdated}))
"""


@pytest.mark.slow
def test_readers_of_many_seals_never_count_wrong(project: Path, tmp_path: Path) -> None:
    root = root_at(tmp_path)
    (root.path / "world.json").write_text('{"world": "sim:1", "made_at": "2026-11-20T09:00:00+05:30"}')
    lake = lake_of(root)
    days = [session.trade_date for session in CALENDAR.sessions(date(2026, 9, 1), date(2026, 9, 11))]
    for day in days:
        made.write_day(lake, day, 2)
    (root.path / "days").write_text(str(len(days)))
    warehouse = Warehouse(root)
    warehouse.rebuild()
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", _READER, str(tmp_path), mode, str(2 * LEGS)],
            cwd=project,
            stdout=subprocess.PIPE,
            text=True,
        )
        for mode in ("opening", "held")
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
    for day in days:
        seal_day(lake, day, as_captured, warehouse.swap)
    (root.path / "stop").touch()
    for reader in readers:
        output, _ = reader.communicate(timeout=60)
        assert reader.returncode == 0
        told = json.loads(output)
        assert told["asked"] > 5
        assert told["wrong"] == 0


@pytest.mark.slow
def test_two_rebuilds_at_once_end_with_the_newer_view_of_the_seals(project: Path, root: DataRoot) -> None:
    lake = lake_of(root)
    days = [FRIDAY - timedelta(days=number) for number in range(3)]
    for day in days:
        made.write_day(lake, day, 1)
    code = (
        "import sys; from pathlib import Path; from tests.resources.lake_frames import root_at;"
        "from g6_resources.warehouse import Warehouse\n"
        "for _ in range(6): Warehouse(root_at(Path(sys.argv[1]))).rebuild()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(root.path)], cwd=project) as rival:
        for day in days:
            seal_day(lake, day, as_captured, Warehouse(root).swap)
            assert ask(root, "SELECT count(*) FROM option_chain") == [(3 * LEGS,)]
        assert rival.wait() == 0
    assert ask(root, "SELECT count(*) FROM option_chain") == [(3 * LEGS,)]
    assert Warehouse(root).generation() == 9
