"""g6.connect(): an analyst's connection outlives seals and a moved data folder."""

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import g6
from g6.connection import G6Connection
from g6_market.schema import OPTION_CHAIN, Table
from g6_resources.parquet import encode, to_arrow
from g6_resources.sealing import seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, WorldError, make_root
from tests.resources import lake_frames as made
from tests.resources.lake_frames import CALENDAR, FRIDAY, LEGS, THURSDAY, as_captured, lake_of

COUNT = "SELECT count(*) AS n FROM option_chain"


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return make_root(tmp_path / "data", "sim:7")


@pytest.fixture
def open_day(root: DataRoot) -> DataRoot:
    made.write_day(lake_of(root), FRIDAY, 2)
    Warehouse(root, CALENDAR).rebuild()
    return root


def count(connection: G6Connection) -> int:
    return int(connection.sql(COUNT)["n"].iloc[0])


def test_a_query_gives_a_frame_and_takes_parameters(open_day: DataRoot) -> None:
    with g6.connect(open_day.path) as connection:
        rows = connection.sql("SELECT DISTINCT underlying FROM overview WHERE underlying <> ? ORDER BY 1", ["NIFTY"])
        pd.testing.assert_frame_equal(rows, pd.DataFrame({"underlying": ["BANKNIFTY"]}), check_dtype=False)
        assert connection.execute(COUNT).fetchone() == (2 * LEGS,)
        named = connection.sql("SELECT $day::DATE AS day", {"day": FRIDAY})
        assert named["day"].iloc[0] == pd.Timestamp(FRIDAY)


def test_a_connection_held_through_seals_goes_on_with_the_right_answers(open_day: DataRoot) -> None:
    lake, warehouse = lake_of(open_day), Warehouse(open_day, CALENDAR)
    with g6.connect(open_day.path) as connection, g6.connect(open_day.path) as other:
        mine = "CREATE TEMP TABLE mine AS SELECT 7 AS n"
        connection.execute(mine)
        assert (count(connection), count(other)) == (2 * LEGS, 2 * LEGS)
        seal_day(lake, FRIDAY, as_captured, warehouse.swap)
        assert (count(connection), connection.generation) == (2 * LEGS, 2)
        monday = FRIDAY + timedelta(days=3)
        made.write_day(lake, monday, 1)
        seal_day(lake, monday, as_captured, warehouse.swap)
        assert connection.execute(COUNT).fetchone() == (3 * LEGS,)
        assert count(other) == 3 * LEGS
        assert connection.sql("SELECT n FROM mine")["n"].tolist() == [7]


def test_a_file_that_is_replaced_is_read_anew_by_a_connection_that_knows_it(open_day: DataRoot) -> None:
    lake = lake_of(open_day)
    seal_day(lake, FRIDAY, as_captured, Warehouse(open_day, CALENDAR).swap)
    prices = "SELECT sum(last_price) AS total, count(*) AS n FROM option_chain WHERE underlying = 'NIFTY'"
    with g6.connect(open_day.path) as connection:
        before = connection.sql(prices)
        rows = lake.read(OPTION_CHAIN, FRIDAY, underlying="NIFTY")
        lake.write_closed(OPTION_CHAIN, FRIDAY, "NIFTY", rows.assign(last_price=rows["last_price"] + 1))
        after = connection.sql(prices)
    assert after["total"].iloc[0] == pytest.approx(before["total"].iloc[0] + before["n"].iloc[0])


def test_a_file_that_is_truly_gone_is_an_error_and_no_endless_retry(open_day: DataRoot) -> None:
    with g6.connect(open_day.path) as connection:
        with pytest.raises(duckdb.IOException, match="No files found"):
            connection.sql("SELECT * FROM 'nothing/here.parquet'")
        assert count(connection) == 2 * LEGS


def test_an_analyst_cannot_write_to_the_views(open_day: DataRoot) -> None:
    with g6.connect(open_day.path) as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("CREATE TABLE g6.main.mine AS SELECT 1")


def test_a_moved_data_folder_still_answers(open_day: DataRoot, tmp_path: Path) -> None:
    lake = lake_of(open_day)
    made.write_day(lake, THURSDAY, 1)
    seal_day(lake, THURSDAY, as_captured, Warehouse(open_day, CALENDAR).swap)
    gaps = "SELECT count(*) AS n FROM gaps"
    with g6.connect(open_day.path) as connection:
        assert count(connection) == 3 * LEGS
        due = connection.sql(gaps)["n"].iloc[0]
    moved = tmp_path / "elsewhere" / "kept"
    shutil.move(open_day.path, moved)
    with g6.connect(moved) as connection:
        assert count(connection) == 3 * LEGS
        assert connection.sql(gaps)["n"].iloc[0] == due > 1000
        assert connection.sql("SELECT root FROM g6_meta")["root"].tolist() == [str(moved)]


def test_a_copy_beside_the_original_reads_its_own_files(open_day: DataRoot, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(open_day.path, copied)
    made.write_snapshot(lake_of(open_day), FRIDAY, 2)
    with g6.connect(copied) as connection:
        assert count(connection) == 2 * LEGS


def test_a_symbolic_link_to_the_data_folder_is_no_move(open_day: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(open_day.path)
    with g6.connect(tmp_path / "link") as connection:
        assert (count(connection), connection.generation) == (2 * LEGS, 1)


_VISITOR = """
import sys
import g6
with g6.connect(sys.argv[1]) as connection:
    print(connection.sql("SELECT count(*) AS n FROM option_chain")["n"].iloc[0], connection.generation)
"""


def visit(project: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Connect as somebody who may read the folder and write nothing in it."""
    command = [sys.executable, "-c", _VISITOR, str(folder)]
    if os.geteuid() == 0:  # permissions do not stop root, a read-only mount does
        locked = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", locked, str(folder), *command]
        if shutil.which("unshare") is None or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
            pytest.skip("a read-only folder needs unshare (util-linux) with the right to mount, or a user not root")
    paths = [folder, *folder.rglob("*")]
    modes = [path.lstat().st_mode for path in paths]
    for path, mode in zip(paths, modes, strict=True):
        if not path.is_symlink():
            path.chmod(mode & ~0o222)
    try:
        return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
    finally:
        for path, mode in zip(paths, modes, strict=True):
            if not path.is_symlink():
                path.chmod(mode)


def test_a_moved_folder_that_may_only_be_read_answers_from_private_views(
    open_day: DataRoot, project: Path, tmp_path: Path
) -> None:
    shutil.move(open_day.path, tmp_path / "moved")
    done = visit(project, tmp_path / "moved")
    assert (done.returncode, done.stdout.split()) == (0, [str(2 * LEGS), "1"]), done.stderr


def test_a_read_only_folder_of_an_older_release_answers_with_nulls_for_newer_columns(
    open_day: DataRoot, project: Path, tmp_path: Path
) -> None:
    """Its files of no rows cannot be brought up to date by somebody who may only read."""
    older = Table(OPTION_CHAIN.name, "", OPTION_CHAIN.columns[:-2], OPTION_CHAIN.key, OPTION_CHAIN.sort)
    chain = made.option_chain(FRIDAY, 0)[list(older.names)]
    for path in open_day.lake.glob("option_chain/*/*/*.parquet"):
        rows = chain.head(0) if path.stem == "schema" else chain
        path.write_bytes(encode(to_arrow(rows, older), older, sealed=False))
    shutil.move(open_day.path, tmp_path / "moved")
    done = visit(project, tmp_path / "moved")
    assert (done.returncode, done.stdout.split()) == (0, [str(2 * LEGS), "1"]), done.stderr


def test_views_that_were_never_made_are_made_at_the_first_connection(root: DataRoot) -> None:
    made.write_day(lake_of(root), FRIDAY, 1)
    with g6.connect(root.path) as connection:
        assert count(connection) == LEGS


def test_views_that_cannot_be_made_name_the_command_that_makes_them(root: DataRoot, project: Path) -> None:
    done = visit(project, root.path)
    assert done.returncode == 1
    assert "has no g6.duckdb and cannot be written" in done.stderr
    assert "let its owner run `g6 warehouse rebuild`" in done.stderr


def test_a_folder_that_is_no_data_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="is no data root"):
        g6.connect(tmp_path)
    with pytest.raises(ValueError, match=r"give root .* or world"):
        g6.connect(tmp_path, world="live")


def test_an_as_of_join_over_the_views_is_planned_without_a_nested_loop(open_day: DataRoot) -> None:
    query = (
        "SELECT count(*) AS n FROM option_chain c ASOF JOIN overview o "
        "ON c.underlying = o.underlying AND c.snapshot_at >= o.snapshot_at WHERE c.trade_date = DATE '2026-11-20'"
    )
    with g6.connect(open_day.path) as connection:
        plan = str(connection.execute("EXPLAIN (FORMAT json) " + query).fetchall())
        assert "ASOF_JOIN" in plan
        assert "NESTED_LOOP" not in plan
        assert connection.sql(query)["n"].tolist() == [2 * LEGS]
        assert connection.sql("SELECT current_setting('TimeZone') AS zone")["zone"].tolist() == ["Asia/Kolkata"]


def test_the_analysts_api_reaches_neither_dagster_nor_the_broker(open_day: DataRoot, project: Path) -> None:
    code = (
        "import sys, g6\n"
        "assert 'duckdb' not in sys.modules\n"
        f"g6.connect({str(open_day.path)!r}).sql('SELECT count(*) FROM overview')\n"
        "print([name for name in ('dagster', 'kiteconnect', 'requests', 'influxdb_client', 'numba', 'yaml', 'pydantic')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
