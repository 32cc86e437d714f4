"""The sinks that a session is given: those that the settings enable, each kept to its own world."""

from pathlib import Path

import pytest

from g6_resources.hot_cache import HotCache
from g6_resources.influx import InfluxSink
from g6_resources.resources import InfluxResource, RedisResource
from g6_resources.world import make_root
from tests.resources.lake_frames import FRIDAY, snapshot
from tests.servers import free_port


def test_a_sink_that_is_not_enabled_is_none(tmp_path: Path) -> None:
    root = str(make_root(tmp_path, "live").path)
    assert InfluxResource(data_root=root).sinks() == []
    assert RedisResource(data_root=root).sinks() == []


@pytest.mark.parametrize(("world", "tag"), [("live", ""), ("sim:42", "sim-42"), ("replay:x", "replay-x")])
def test_points_wait_below_the_world_and_only_a_demo_s_are_tagged_with_it(tmp_path: Path, world: str, tag: str) -> None:
    root = make_root(tmp_path, world)
    url = f"http://127.0.0.1:{free_port()}"
    influx = InfluxResource(data_root=str(root.path), enabled=True, url=url)
    assert influx.world() == tag
    [sink] = influx.sinks()
    assert isinstance(sink, InfluxSink)
    sink.publish(snapshot(FRIDAY, 0))
    sink.close()
    assert [file.name for file in (root.state / "spool" / "influx").glob("2026*")] == ["2026-11-20T091600"]


def test_the_cache_has_the_world_in_its_keys_and_the_password_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "a-very-secret-password")
    resource = RedisResource(data_root=str(make_root(tmp_path, "sim:42").path), enabled=True)
    [sink] = resource.sinks()
    assert isinstance(sink, HotCache)
    assert sink.key("overview", "NIFTY") == "g6:sim-42:overview:NIFTY"
    assert "secret" not in repr(sink) + repr(resource)
