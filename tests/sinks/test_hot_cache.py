"""The hot cache: what a real Redis holds, and that its dying costs nothing but itself."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from redis import Redis

from g6_resources.clock import SystemTime
from g6_resources.hot_cache import RETRY_SECONDS, HotCache
from g6_resources.seams import SinkError, SnapshotSink
from tests.resources import lake_frames as made
from tests.resources.lake_frames import FRIDAY, snapshot
from tests.servers import free_port, redis_server

PASSWORD = "a-very-secret-password"  # pragma: allowlist secret


class Watch(SystemTime):
    """A clock that moves when it is told to."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at


@contextmanager
def a_redis(port: int) -> Generator[Redis]:
    with redis_server(port, PASSWORD), Redis(port=port, password=PASSWORD, decode_responses=True) as client:
        yield client


@pytest.fixture
def port() -> int:
    return free_port()


def cache_at(port: int, time: SystemTime | None = None, password: str = PASSWORD) -> HotCache:
    return HotCache(f"redis://127.0.0.1:{port}/0", password, "live", 600, time)


@pytest.mark.server
def test_redis_holds_the_latest_of_each_label_with_a_ttl_and_tells_the_channel(port: int) -> None:
    with a_redis(port) as redis:
        listener: Any = redis.pubsub()
        listener.subscribe("g6:live:snapshots")
        cache = cache_at(port)
        assert isinstance(cache, SnapshotSink)
        for number in (0, 1):
            cache.publish(snapshot(FRIDAY, number))
        keys = sorted(redis.scan_iter("g6:*"))
        assert keys == sorted(
            [f"g6:live:chain:{i}:{t}" for i in made.INDICES for t in ("this_week", "next_week")]
            + [f"g6:live:overview:{i}" for i in made.INDICES]
        )
        assert 590 < redis.ttl("g6:live:chain:NIFTY:this_week") <= 600
        value = json.loads(str(redis.get("g6:live:chain:NIFTY:this_week")))
        assert (value["snapshot_at"], value["expiry"]) == ("2026-11-20T09:17:00+05:30", "2026-11-24")
        frame = made.option_chain(FRIDAY, 1)
        mine = frame[(frame["underlying"] == "NIFTY") & (frame["expiry"] == "2026-11-24")]
        assert [row["last_price"] for row in value["rows"]] == mine["last_price"].tolist()
        assert value["rows"][0]["average_price"] is None
        told = [listener.get_message(timeout=2) for _ in range(3)]
        assert [json.loads(m["data"])["snapshot_at"][11:16] for m in told if m["type"] == "message"] == [
            "09:16",
            "09:17",
        ]
        assert json.loads(told[-1]["data"])["keys"] == keys
        # Another process, such as a dashboard, reads the same.
        assert cache_at(port).latest("chain", "NIFTY", "this_week") == value
        overview = cache.latest("overview", "NIFTY")
        assert overview is not None
        assert overview["rows"][0]["spot"] == made.overview(FRIDAY, 1)["spot"].iloc[1]
        listener.close()
        cache.close()


@pytest.mark.server
def test_a_redis_killed_and_restarted_under_load_is_filled_again_by_itself(port: int) -> None:
    watch = Watch()
    cache = cache_at(port, watch)
    lost = 0
    with a_redis(port):
        for number in range(5):
            cache.publish(snapshot(FRIDAY, number))
    for number in range(5, 10):
        watch.at += 1
        try:
            cache.publish(snapshot(FRIDAY, number))
        except SinkError:
            lost += 1
    assert lost == 5
    latest = cache.latest("overview", "NIFTY")
    assert latest is not None
    assert latest["snapshot_at"].startswith("2026-11-20T09:25")  # from memory
    with a_redis(port) as redis:
        watch.at += RETRY_SECONDS
        nifty = snapshot(FRIDAY, 10)
        cache.publish(nifty)
        assert len(list(redis.scan_iter("g6:*"))) == 6
    cache.close()


def test_an_absent_redis_is_left_alone_for_a_while_and_memory_answers(port: int) -> None:
    watch = Watch()
    cache = cache_at(port, watch)
    with pytest.raises(SinkError, match="is it running") as told:
        cache.publish(snapshot(FRIDAY, 0))
    assert PASSWORD not in str(told.value) + repr(cache) + repr(told.value.__cause__)
    with pytest.raises(SinkError, match="did not answer lately"):
        cache.publish(snapshot(FRIDAY, 1))
    latest = cache.latest("chain", "BANKNIFTY", "next_week")
    assert latest is not None
    assert datetime.fromisoformat(latest["snapshot_at"]).minute == 17
    assert not cache.ping()
    watch.at += 601
    assert cache.latest("chain", "BANKNIFTY", "next_week") is None, "older than its time is not the latest"


@pytest.mark.server
def test_a_wrong_password_is_told_without_either(port: int) -> None:
    with a_redis(port):
        cache = cache_at(port, password="another-secret")
        with pytest.raises(SinkError, match="REDIS_PASSWORD") as told:
            cache.publish(snapshot(FRIDAY, 0))
        assert "secret" not in str(told.value)


def test_worlds_do_not_share_keys() -> None:
    assert HotCache("redis://127.0.0.1/0", "", "sim-42").key("overview", "NIFTY") == "g6:sim-42:overview:NIFTY"
