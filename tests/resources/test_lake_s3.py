"""The lake on an object store: the real `Lake` on a real S3 server over HTTP, and on one that fails."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from g6_market.schema import OPTION_CHAIN, STORED_TABLES
from g6_resources.lake import Lake, LakeError, LocalStore
from g6_resources.lake_s3 import S3Store, StoreUnreachable
from g6_resources.sealing import seal_day
from tests.object_store import BUCKET, Door
from tests.object_store import door as door  # the fixtures
from tests.object_store import server as server
from tests.resources import lake_frames as made
from tests.resources.lake_frames import FRIDAY, LEGS, as_captured

pytestmark = pytest.mark.server


@pytest.fixture
def store(door: Door, request: pytest.FixtureRequest) -> S3Store:
    return S3Store(f"s3://{BUCKET}/{abs(hash(request.node.name))}", endpoint=door.url)


def lake_on(store: S3Store, tmp_path: Path) -> Lake:
    return Lake(store, current=tmp_path / "current")


def test_a_day_on_the_object_store_is_the_day_on_a_disk_live_and_sealed(store: S3Store, tmp_path: Path) -> None:
    lake, disk = lake_on(store, tmp_path), Lake(LocalStore(tmp_path / "disk"))
    for where in (lake, disk):
        made.write_day(where, FRIDAY, 2)
    for table in STORED_TABLES:
        pd.testing.assert_frame_equal(lake.read(table, FRIDAY), disk.read(table, FRIDAY))
    for where in (lake, disk):
        seal_day(where, FRIDAY, as_captured, lambda: None)
    assert lake.sealed[FRIDAY].files == disk.sealed[FRIDAY].files
    assert store.list("") == disk.store.list("")
    for path in store.list("option_chain/closed"):
        assert store.get(path) == disk.store.get(path)


@pytest.mark.parametrize("fault", ["503", "reset", "lost"])
def test_a_store_that_fails_a_few_times_loses_and_doubles_nothing(
    fault: str, door: Door, store: S3Store, tmp_path: Path
) -> None:
    lake = lake_on(store, tmp_path)
    door.faults.extend([fault] * 3)
    made.write_day(lake, FRIDAY, 1)
    door.faults.extend([fault] * 3)
    seal_day(lake, FRIDAY, as_captured, lambda: None)
    assert not door.faults
    assert len(lake.read(OPTION_CHAIN, FRIDAY)) == LEGS
    assert lake.unsealed_days() == []


def test_of_two_who_read_the_same_only_the_first_may_write(store: S3Store) -> None:
    assert store.put_if("seals/a.json", b"1", None)
    assert not store.put_if("seals/a.json", b"2", None)
    assert store.put_if("seals/a.json", b"2", b"1")
    assert not store.put_if("seals/a.json", b"3", b"1")
    assert store.get("seals/a.json") == b"2"


def test_what_is_not_there_is_no_failure_of_the_store(store: S3Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.get("option_chain/none.parquet")
    store.delete("option_chain/none.parquet")
    assert store.list("option_chain") == []
    assert not store.put_if("seals/none.json", b"2", b"1")


def test_a_folder_is_not_confused_with_one_whose_name_begins_alike(store: S3Store) -> None:
    store.put("overview/a", b"1")
    store.put("overview_long/a", b"1")
    store.put("overview/.hidden/a", b"1")
    assert store.list("overview") == ["overview/a"]


def test_a_dead_store_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-no-account")
    store = S3Store(f"s3://{BUCKET}/x", endpoint="http://127.0.0.1:9", patience=timedelta(milliseconds=200))
    with pytest.raises(
        StoreUnreachable, match=r"127\.0\.0\.1:9 gave no good answer within 0\.2 s .* storage\.lake\.endpoint"
    ):
        store.get("a")


def test_a_bucket_that_is_missing_is_no_empty_lake(door: Door) -> None:
    store = S3Store("s3://no-such-bucket/x", endpoint=door.url)
    for ask in (
        store.check,
        lambda: store.get("seals/a.json"),
        lambda: store.list("seals"),
        lambda: store.put("a", b""),
    ):
        with pytest.raises(StoreUnreachable, match="no bucket 'no-such-bucket'"):
            ask()


def test_a_store_that_ignores_conditions_is_refused(door: Door, store: S3Store) -> None:
    store.check()
    door.deaf_to_conditions = True
    with pytest.raises(LakeError, match="If-None-Match"):
        store.check()


def test_an_answer_that_comes_too_late_is_a_failure_and_asked_for_again(door: Door) -> None:
    store = S3Store(f"s3://{BUCKET}/late", endpoint=door.url, patience=timedelta(seconds=1))
    door.faults.append("slow")
    store.put("a", b"1")
    assert not door.faults
    assert store.get("a") == b"1"
    door.faults.extend(["slow"] * 9)
    with pytest.raises(StoreUnreachable, match="gave no good answer within 1 s"):
        store.get("a")
    door.hurry()


def test_an_address_without_a_bucket_is_refused() -> None:
    for url in ("s3://", "https://example.org/x", "lake"):
        with pytest.raises(LakeError, match="s3://bucket/prefix"):
            S3Store(url)
