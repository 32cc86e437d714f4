"""A copy of a world: whole, made while it runs, checked, and enough to bring it back."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import g6
from g6_market.calendar import TradingCalendar
from g6_resources.alerts import AlertLog
from g6_resources.backup import BackupError, back_up, check, restore
from g6_resources.clock import SystemTime
from g6_resources.lake import Lake, LocalStore
from g6_resources.lock import SessionLock
from g6_resources.sealing import derive_day, seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, WorldError, make_root
from tests.capture.harness import DAY
from tests.object_store import BUCKET, s3_server
from tests.operations.conftest import PROJECT, TOKEN, Operated, configuration, environment

QUERY = "select underlying, count(*) as n, sum(oi)::bigint as oi from option_chain group by 1 order by 1"


def copy_of(root: DataRoot, folder: Path) -> DataRoot:
    shutil.copytree(root.path, folder / root.path.name)
    return replace(root, path=folder / root.path.name)


def seal(root: DataRoot) -> None:
    calendar = TradingCalendar.load()
    seal_day(
        Lake(LocalStore(root.lake), current=root.current),
        DAY,
        lambda lake, day: derive_day(lake, day, calendar),
        Warehouse(root, calendar).swap,
    )


@pytest.fixture(scope="module")
def worlds(operated: Operated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DataRoot, DataRoot]]:
    """The same world with its day running, and with it sealed."""
    running = copy_of(operated.root, tmp_path_factory.mktemp("running"))
    sealed = copy_of(operated.root, tmp_path_factory.mktemp("sealed"))
    seal(sealed)
    return running, sealed


def answers(path: Path) -> str:
    with g6.connect(path) as db:
        return str(db.sql(QUERY))


def test_a_copy_of_a_sealed_day_gives_the_same_answers(worlds: tuple[DataRoot, DataRoot], tmp_path: Path) -> None:
    _, sealed = worlds
    report = back_up(sealed, tmp_path)
    assert (report.sealed_days, report.live_days) == (1, 0)
    assert report.bytes > 10_000
    assert answers(tmp_path / "sim-42") == answers(sealed.path)


def test_a_copy_of_a_running_day_gives_the_same_answers(worlds: tuple[DataRoot, DataRoot], tmp_path: Path) -> None:
    running, _ = worlds
    assert back_up(running, tmp_path).live_days == 1
    assert answers(tmp_path / "sim-42") == answers(running.path)


def test_what_did_not_change_is_not_copied_again(worlds: tuple[DataRoot, DataRoot], tmp_path: Path) -> None:
    _, sealed = worlds
    back_up(sealed, tmp_path)
    assert back_up(sealed, tmp_path).files == 0


def test_a_day_that_was_sealed_since_replaces_its_live_files(operated: Operated, tmp_path: Path) -> None:
    root = copy_of(operated.root, tmp_path / "world")
    back_up(root, tmp_path)
    before = answers(tmp_path / "sim-42")
    seal(root)
    report = back_up(root, tmp_path)
    assert (report.sealed_days, report.live_days) == (1, 0)
    assert answers(tmp_path / "sim-42") == before


def test_no_token_and_no_log_is_in_a_copy(worlds: tuple[DataRoot, DataRoot], tmp_path: Path) -> None:
    running, _ = worlds
    assert TOKEN in running.token_file.read_text()
    back_up(running, tmp_path)
    held = {path.name for path in (tmp_path / "sim-42").iterdir()}
    assert held <= {"world.json", "clock.json", "lake", "dagster", "current", "generations", "g6.duckdb"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_dagsters_history_is_copied_while_it_is_written(worlds: tuple[DataRoot, DataRoot], tmp_path: Path) -> None:
    running, _ = worlds
    home = running.dagster_home / "history"
    home.mkdir(exist_ok=True)
    with sqlite3.connect(home / "runs.db") as writer:
        writer.execute("pragma journal_mode=wal")
        writer.execute("create table if not exists runs (id text)")
        writer.execute("insert into runs values ('a')")
        writer.commit()
        back_up(running, tmp_path)
    copied = sqlite3.connect(tmp_path / "sim-42" / "dagster" / "history" / "runs.db")
    assert copied.execute("select id from runs").fetchall()[0] == ("a",)
    copied.close()


@pytest.mark.parametrize("damage", ["missing", "cut", "other rows"])
def test_a_copy_that_is_not_whole_is_not_taken_for_one(
    worlds: tuple[DataRoot, DataRoot], tmp_path: Path, damage: str
) -> None:
    _, sealed = worlds
    back_up(sealed, tmp_path)
    closed = tmp_path / "sim-42/lake/option_chain/closed" / f"trade_date={DAY}"
    victim = closed / "NIFTY.parquet"
    match damage:
        case "missing":
            victim.unlink()
        case "cut":
            victim.write_bytes(victim.read_bytes()[:1000])
        case _:
            shutil.copy(closed / "BANKNIFTY.parquet", victim)
    with pytest.raises(BackupError, match=r"NIFTY\.parquet"):
        check(tmp_path / "sim-42")
    with pytest.raises(BackupError, match="not whole"):
        restore(tmp_path / "sim-42", tmp_path / "new")
    assert not (tmp_path / "new" / "sim-42").exists()


def test_a_folder_within_the_world_is_refused(worlds: tuple[DataRoot, DataRoot]) -> None:
    running, _ = worlds
    with pytest.raises(BackupError, match="lies within"):
        back_up(running, running.path / "copies")


@pytest.mark.server
def test_a_lake_in_an_object_store_is_left_to_that_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-no-account")
    with s3_server(tmp_path) as endpoint:
        lake = {"url": f"s3://{BUCKET}/g6", "endpoint": endpoint, "region": "ap-south-1"}
        root = make_root(tmp_path, "sim:8", lake=lake)
        with pytest.raises(BackupError, match=lake["url"]):
            back_up(root, tmp_path / "copies")


def test_a_restore_touches_no_world_that_is_there(worlds: tuple[DataRoot, DataRoot], tmp_path: Path) -> None:
    _, sealed = worlds
    back_up(sealed, tmp_path)
    with pytest.raises(WorldError, match="overwrites nothing"):
        restore(tmp_path / "sim-42", sealed.path.parent)


def test_the_commands_move_a_world_to_another_machine(worlds: tuple[DataRoot, DataRoot], tmp_path: Path) -> None:
    _, sealed = worlds

    def g6_command(data: Path, *arguments: str) -> str:
        config = configuration(data)
        done = subprocess.run(
            [sys.executable, "-m", "g6", *arguments],
            cwd=PROJECT, env=environment(config), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    there = tmp_path / "there"
    there.mkdir()
    assert "1 sealed days, checked" in g6_command(sealed.path.parent, "backup", str(tmp_path / "disk"))
    assert "restored to" in g6_command(there, "restore", str(tmp_path / "disk" / "sim-42"))
    assert answers(there / "sim-42") == answers(sealed.path)
    # A session may go on from here: the lock knows nobody, the views are of this place.
    assert SessionLock(there / "sim-42" / "state" / "session_lock.json", SystemTime()).next_attempt(DAY) == 1


def test_a_folder_that_cannot_be_written_is_a_message_and_an_alert(operated: Operated, tmp_path: Path) -> None:
    copy = tmp_path / "data" / "sim-42"
    shutil.copytree(operated.root.path, copy)
    no_folder = tmp_path / "file"
    no_folder.touch()
    done = subprocess.run(
        [sys.executable, "-m", "g6", "backup", str(no_folder / "copies")],
        cwd=PROJECT, env=environment(configuration(copy.parent)), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "Not a directory" in done.stderr
    [told] = [one for one in AlertLog(copy / "state" / "alerts.jsonl").recent(500) if one.kind == "backup failed"]
    assert str(no_folder) in told.text


def test_a_copy_on_the_disk_of_its_original_is_no_comfort(operated: Operated, tmp_path: Path) -> None:
    surroundings = environment(configuration(operated.root.path.parent))
    done = subprocess.run(
        [sys.executable, "-m", "g6", "backup", str(tmp_path / "copies")],
        cwd=PROJECT, env=surroundings, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "lies on the disk of the original" in done.stdout.replace("\n", " ")
