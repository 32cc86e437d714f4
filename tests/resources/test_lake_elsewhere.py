"""A world whose lake is on an object store: captured, sealed and asked, on two machines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

import g6
from g6_resources.lake import LakeError, LocalStore
from g6_resources.lake_open import open_lake
from g6_resources.lake_s3 import S3Store, StoreUnreachable, filesystem
from g6_resources.sealing import seal_day
from g6_resources.spool import Spool
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, WorldError, make_root
from tests.object_store import BUCKET, Door
from tests.object_store import door as door  # the fixtures
from tests.object_store import impatient as impatient
from tests.object_store import server as server
from tests.resources import lake_frames as made
from tests.resources.lake_frames import FRIDAY, LEGS, THURSDAY, as_captured

pytestmark = pytest.mark.server


def machine(folder: Path, door: Door, prefix: str) -> DataRoot:
    """A data root of its own whose world shares the lake."""
    lake = {"url": f"s3://{BUCKET}/{prefix}", "endpoint": door.url, "region": "ap-south-1"}
    return make_root(folder, "sim:7", lake=lake)


def rows(root: DataRoot) -> list[tuple[object, ...]]:
    with g6.connect(root.path) as views:
        return views.rows("SELECT trade_date, count(*) FROM option_chain GROUP BY ALL ORDER BY ALL")


def test_a_day_is_seen_live_and_sealed_on_the_collector_and_on_another_machine(door: Door, tmp_path: Path) -> None:
    collector, analyst = machine(tmp_path / "one", door, "a"), machine(tmp_path / "two", door, "a")
    lake = open_lake(collector)
    made.write_day(lake, FRIDAY, 2)
    Warehouse(collector).rebuild()
    assert rows(collector) == rows(analyst) == [(FRIDAY, 2 * LEGS)]
    seal_day(lake, FRIDAY, as_captured, Warehouse(collector).swap)
    assert rows(collector) == rows(analyst) == [(FRIDAY, 2 * LEGS)]
    made.write_day(lake, THURSDAY, 1)
    Warehouse(collector).rebuild()
    assert rows(collector) == [(THURSDAY, LEGS), (FRIDAY, 2 * LEGS)]
    assert not list(analyst.lake.glob(f"*/live/trade_date={FRIDAY}/*"))
    assert not list(collector.lake.glob("*/closed/*/*"))


def test_an_open_connection_never_tells_less_when_another_machine_seals(door: Door, tmp_path: Path) -> None:
    collector, analyst = machine(tmp_path / "one", door, "b"), machine(tmp_path / "two", door, "b")
    lake = open_lake(collector)
    made.write_day(lake, FRIDAY, 2)
    Warehouse(collector).rebuild()
    with g6.connect(analyst.path) as views:
        seal_day(lake, FRIDAY, as_captured, Warehouse(collector).swap)
        assert views.rows("SELECT count(*) FROM option_chain") == [(2 * LEGS,)]


def test_a_listing_that_lags_hides_nothing_that_this_machine_stored(door: Door, tmp_path: Path) -> None:
    root = machine(tmp_path, door, "c")
    lake = open_lake(root)
    made.write_day(lake, FRIDAY, 2)
    key = f"c/sim-7/quotes/live/trade_date={FRIDAY}/s091700.parquet"
    door.unlisted.add(key)
    assert any(key.endswith(path) for path in lake.store.list("quotes/live"))
    report = seal_day(lake, FRIDAY, as_captured, Warehouse(root).swap)
    assert report.rows["quotes"] == len(lake.read("quotes", FRIDAY)) == 2 * LEGS


def test_the_store_fails_in_the_middle_of_a_day_and_nothing_is_lost(door: Door, tmp_path: Path) -> None:
    root = machine(tmp_path, door, "d")
    lake = open_lake(root)
    for fault in ("503", "reset", "lost"):
        door.faults.extend([fault, "", fault, fault])
    made.write_day(lake, FRIDAY, 2)
    seal_day(lake, FRIDAY, as_captured, Warehouse(root).swap)
    assert rows(root) == [(FRIDAY, 2 * LEGS)]


def test_a_world_keeps_the_lake_it_was_made_with(door: Door, tmp_path: Path) -> None:
    root = machine(tmp_path, door, "e")
    with pytest.raises(WorldError, match=r"storage\.lake"):
        machine(tmp_path, door, "elsewhere")
    assert make_root(tmp_path, "sim:7").lake_address() == root.lake_address()
    assert not isinstance(open_lake(root).store, LocalStore)


def test_live_files_wait_on_this_disk_while_the_store_is_away_and_go_up_in_their_order(
    door: Door, tmp_path: Path, impatient: None
) -> None:
    root = machine(tmp_path / "one", door, "f")
    door.shut = "/"
    lake = open_lake(root)
    made.write_day(lake, FRIDAY, 2)
    with pytest.raises(StoreUnreachable, match="live files wait on this disk"):
        lake.store.settle()
    kept = Spool(root.spool / "lake", 0).backlog()
    assert kept.dropped == 0
    with pytest.raises(StoreUnreachable):
        seal_day(lake, FRIDAY, as_captured, Warehouse(root).swap)
    door.shut = ""
    before = len(door.requests)
    open_lake(root).store.settle()  # as a process does that comes after a crash
    assert Spool(root.spool / "lake", 0).backlog().files == 0
    stored = [unquote(line).rpartition("f/sim-7/")[2] for line in door.requests[before:] if line.startswith("PUT")]
    assert stored.index(live("quotes", "s091600")) < stored.index(live("snapshots", "s091600"))
    assert stored.index(live("overview", "s091600")) < stored.index(live("quotes", "s091700"))
    seal_day(lake, FRIDAY, as_captured, Warehouse(root).swap)
    assert rows(root) == rows(machine(tmp_path / "two", door, "f")) == [(FRIDAY, 2 * LEGS)]


SENTINEL_OF_QUOTES = "quotes/live/trade_date=1970-01-01/schema.parquet"


def live(table: str, name: str) -> str:
    return f"{table}/live/trade_date={FRIDAY}/{name}.parquet"


def test_a_store_that_hangs_holds_up_nobody_who_writes(door: Door, tmp_path: Path) -> None:
    root = machine(tmp_path, door, "g")
    door.faults.extend(["slow"] * 1000)
    lake = open_lake(root)
    made.write_day(lake, FRIDAY, 2)  # returns, although not one request is answered before the next line
    assert LocalStore(root.lake).list(f"quotes/live/trade_date={FRIDAY}") == [
        live("quotes", "s091600"),
        live("quotes", "s091700"),
    ]
    door.faults.clear()
    door.hurry()
    lake.store.settle()
    assert len(lake.read("quotes", FRIDAY)) == 2 * LEGS


def test_what_the_store_lacks_is_not_trimmed_when_another_machine_seals(
    door: Door, tmp_path: Path, impatient: None
) -> None:
    collector, other = machine(tmp_path / "one", door, "h"), machine(tmp_path / "two", door, "h")
    lake = open_lake(collector)
    made.write_day(lake, FRIDAY, 2)
    lake.store.settle()
    door.shut = "s091900"
    made.write_snapshot(lake, FRIDAY, 3)
    seal_day(open_lake(other), FRIDAY, as_captured, Warehouse(other).swap)
    Warehouse(collector).follow()
    assert LocalStore(collector.lake).list("quotes/live") == [SENTINEL_OF_QUOTES, live("quotes", "s091900")]
    door.shut = ""
    seal_day(open_lake(collector), FRIDAY, as_captured, Warehouse(collector).swap)
    assert rows(other) == [(FRIDAY, 3 * LEGS)]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"url": "s3://no-such-bucket/x"}, "has no bucket 'no-such-bucket'"),
        ({"endpoint": "http://127.0.0.1:9"}, r"127\.0\.0\.1:9 gave no good answer .* storage\.lake\.endpoint"),
    ],
)
def test_a_store_that_will_not_do_is_named_before_anything_of_the_world_is_made(
    wrong: dict[str, str], sentence: str, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("g6_resources.lake_open._CHECK_PATIENCE", timedelta(milliseconds=500))
    lake = {"url": f"s3://{BUCKET}/i", "endpoint": door.url, "region": "ap-south-1"} | wrong
    with pytest.raises(LakeError, match=sentence):
        make_root(tmp_path, "sim:7", lake=lake)
    assert not list(tmp_path.iterdir())


def test_duckdb_reads_many_objects_from_many_threads_and_only_what_it_needs(door: Door, tmp_path: Path) -> None:
    root = machine(tmp_path, door, "j")
    lake = open_lake(root)
    for day in (FRIDAY, THURSDAY):
        made.write_day(lake, day, 2)
        seal_day(lake, day, as_captured, Warehouse(root).swap)
    with g6.connect(root.path) as views, ThreadPoolExecutor(8) as pool:
        views.execute("SET threads = 4")
        cursors = [views.execute("SELECT 1").cursor() for _ in range(8)]
        pattern = lake.store.uri("option_chain/closed/trade_date=2026*/*.parquet")
        counts = list(pool.map(lambda cursor: cursor.execute(_COUNT, [pattern]).fetchall(), cursors))
        assert counts == [[(4 * LEGS, 2)]] * 8
        door.requests.clear()
        assert views.rows(f"SELECT count(*) FROM option_chain WHERE trade_date = DATE '{FRIDAY}'") == [(2 * LEGS,)]
    # Planning looks at the end of each index's first file, for its columns; nothing else is read of another day.
    others = [line for line in door.requests if line.startswith("GET") and f"{THURSDAY}" in line]
    assert len(others) == len(set(others)) <= 2


_COUNT = "SELECT count(*), count(DISTINCT trade_date) FROM read_parquet(?) WHERE oi >= 0 OR oi IS NULL"


def test_an_object_replaced_while_it_is_read_is_an_error_and_no_mixture(door: Door) -> None:
    store = S3Store(f"s3://{BUCKET}/k", endpoint=door.url)
    store.put("a", b"before")
    address = f"s3://{BUCKET}/k/a"
    files = filesystem(door.url, "ap-south-1")
    opened = files.open(address)
    assert opened.read(3) == b"bef"
    store.put("a", b"behind")
    with pytest.raises(OSError, match="k/a"):
        opened.read(3)
    with pytest.raises(FileNotFoundError):
        files.open(f"s3://{BUCKET}/k/none")
