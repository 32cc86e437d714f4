"""The metrics: of a world with a session behind it, of none, and as a real Prometheus scrapes them."""

import signal
import socket
import subprocess
import sys
import threading
import time
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from g6_market.calendar import TradingCalendar
from g6_resources.clock import SystemTime
from g6_resources.metrics import METRICS, registry_of
from g6_resources.metrics_server import serve
from g6_resources.metrics_state import SealFigures, SessionCounter, read_session, write_seal
from g6_resources.metrics_world import WorldMetrics
from g6_resources.spool import Spool
from g6_resources.world import DataRoot
from tests.capture.harness import DAY
from tests.operations.conftest import PROJECT, Operated, configuration, environment
from tests.servers import prometheus, wait_for

Values = dict[tuple[str, ...], float]


def exposed(text: str) -> Values:
    """Return every sample by its name and its label values, in the order of the labels' names."""
    families = text_string_to_metric_families(text)
    return {
        (one.name, *(one.labels[k] for k in sorted(one.labels))): one.value
        for family in families
        for one in family.samples
    }


def scraped(find, folder: Path) -> Values:
    """Scrape a world once over HTTP."""
    gather = WorldMetrics(find, folder, TradingCalendar.load(), 300)
    server = serve(registry_of(gather), dict, port=0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        return exposed(requests.get(f"http://127.0.0.1:{server.server_port}/metrics", timeout=5).text)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def samples(operated: Operated) -> Values:
    return scraped(lambda: operated.root, operated.root.path.parent)


@contextmanager
def metrics_process(config: Path) -> Iterator[str]:
    """Run `g6 metrics` as people do; yields its address."""
    command = [sys.executable, "-m", "g6", "metrics", "--port", "0"]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment(config), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("metrics: http://127.0.0.1:"), said
            yield said.split()[1].removesuffix("/metrics")
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def test_each_due_instant_of_each_index_is_counted_once_by_its_outcome(samples: Values, operated: Operated) -> None:
    rows = operated.desk.snapshots()
    for name in ("NIFTY", "BANKNIFTY"):
        instants = rows[rows["underlying"] == name].groupby("snapshot_at")["outcome"].first()
        for outcome, count in instants.value_counts().items():
            assert samples["g6_snapshots_total", str(outcome), name] == count
        assert samples["g6_snapshots_total", "failed", name] == 1


def test_the_legs_are_those_of_the_last_due_instant(samples: Values, operated: Operated) -> None:
    rows = operated.desk.snapshots()
    last = rows[rows["snapshot_at"] == rows["snapshot_at"].max()].groupby("underlying")[["requested", "returned"]].sum()
    for name, legs in last.iterrows():
        assert samples["g6_legs_expected", str(name)] == legs["requested"]
        assert samples["g6_legs_collected", str(name)] == legs["returned"]


def test_the_calls_are_those_that_the_simulator_served(samples: Values, operated: Operated) -> None:
    statuses = [row["status"] for row in operated.desk.served()]
    assert samples["g6_kite_calls_total", "quote", "ok"] == statuses.count(200)
    assert samples["g6_kite_calls_total", "quote", "server error"] == statuses.count(503) > 2
    # One call failed, and was tried again as often as its time allowed.
    assert samples["g6_kite_retries_total", "quote"] == statuses.count(503) - 1
    assert samples["g6_kite_call_seconds_count", "quote"] == len(statuses)
    assert 0 < samples["g6_kite_call_seconds_sum", "quote"] < 60
    assert samples["g6_limiter_wait_seconds_total", "quote"] > samples["g6_limiter_waits_total", "quote"] * 0.1


def test_what_was_stored_is_as_late_as_its_rows_say(samples: Values, operated: Operated) -> None:
    rows = operated.desk.snapshots()
    late = rows.groupby("snapshot_at")["latency_ms"].max()
    late = late[late >= 0]
    assert samples["g6_snapshot_latency_seconds_count",] == len(late)
    assert samples["g6_snapshot_latency_seconds_sum",] == pytest.approx(late.sum() / 1000)


def test_gaps_are_due_instants_of_which_nothing_is_stored(samples: Values, operated: Operated) -> None:
    # Before 15:05 nothing ran, at 15:25 the broker failed.
    assert samples["g6_gaps_today",] == 77 - 7


def test_the_session_the_token_the_sinks_and_the_disk_are_told(samples: Values) -> None:
    assert samples["g6_session_state", "ended"] == 1
    assert samples["g6_market_open",] == 1  # its clock stands at the close
    assert 0 <= samples["g6_snapshot_age_seconds",] < 600
    assert 0 <= samples["g6_heartbeat_age_seconds",] < 600
    assert samples["g6_token_valid",] == 1
    assert samples["g6_token_age_seconds",] == pytest.approx(timedelta(minutes=35).total_seconds(), abs=60)
    assert samples["g6_sink_errors_total", "refusing"] == 7
    assert samples["g6_alerts_total", "threshold NIFTY spot above 1"] == 1
    assert samples["g6_disk_free_bytes",] > 1e6


def test_a_backlog_a_tick_and_a_seal_show_once_they_are_there(operated: Operated) -> None:
    spool = Spool(operated.root.spool / "influx", limit_bytes=10_000)
    spool.put("2026-11-20T150500", b"x" * 300)
    operated.root.tick_file.touch(mode=0o600)
    write_seal(operated.root.seal_figures_file, SealFigures(DAY, SystemTime().now(), 2.5))
    values = scraped(lambda: operated.root, operated.root.path.parent)
    assert (values["g6_sink_backlog_files", "influx"], values["g6_sink_backlog_bytes", "influx"]) == (1, 300)
    assert 0 <= values["g6_sink_backlog_age_seconds", "influx"] < 60
    assert 0 <= values["g6_daemon_tick_age_seconds",] < 60
    assert values["g6_seal_seconds",] == 2.5


def test_every_metric_on_the_list_is_exposed_and_no_other(operated: Operated) -> None:
    test_a_backlog_a_tick_and_a_seal_show_once_they_are_there(operated)
    values = scraped(lambda: operated.root, operated.root.path.parent)
    names = {key[0].removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for key in values}
    assert names == {spec.name for spec in METRICS}


def test_a_day_of_all_indices_has_fewer_than_200_series(samples: Values) -> None:
    assert len(samples) < 200


def test_counters_go_on_in_the_next_attempt(operated: Operated, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_bytes(operated.root.figures_file.read_bytes())
    before = read_session(path)
    assert before is not None
    counter = SessionCounter(path, trade_date=DAY, attempt=2, run_id="b", calls=lambda: {"calls": {"quote/ok": 4.0}})
    counter.count(operated.desk.session.close, operated.desk.snapshots().tail(5), stored=True)
    after = read_session(path)
    assert after is not None
    assert after.attempt == 2
    assert after.totals["calls"]["quote/ok"] == before.totals["calls"]["quote/ok"] + 4
    assert after.totals["snapshots"]["NIFTY/stored"] == before.totals["snapshots"]["NIFTY/stored"] + 1


def test_figures_that_cannot_be_read_begin_anew(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text('{"due": 5}')
    SessionCounter(path, trade_date=DAY, attempt=1, run_id="a", calls=dict).save()
    assert read_session(path) is not None


def test_a_figure_that_cannot_be_written_ends_no_session(
    operated: Operated, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "gone" / "figures.json"
    counter = SessionCounter(path, trade_date=DAY, attempt=1, run_id="a", calls=dict)
    counter.count(operated.desk.session.close, operated.desk.snapshots().tail(5), stored=True)
    assert "could not be left" in caplog.text


def test_counting_costs_a_snapshot_less_than_a_millisecond_of_processor_time(
    operated: Operated, tmp_path: Path
) -> None:
    rows = operated.desk.snapshots().tail(5)
    counter = SessionCounter(
        tmp_path / "f.json", trade_date=DAY, attempt=1, run_id="a", calls=lambda: {"calls": {"quote/ok": 1.0}}
    )
    due = operated.desk.session.close
    times = timeit.repeat(lambda: counter.count(due, rows, stored=True), timer=time.process_time, number=20, repeat=5)
    assert min(times) / 20 < 0.001


def test_without_a_world_the_process_answers_and_finds_the_one_made_later(tmp_path: Path, operated: Operated) -> None:
    with metrics_process(configuration(tmp_path)) as url:
        health = requests.get(f"{url}/healthz", timeout=5)
        assert (health.status_code, health.json()["status"], health.json()["world"]) == (200, "ok", None)
        assert {key[0] for key in exposed(requests.get(f"{url}/metrics", timeout=5).text)} == {"g6_disk_free_bytes"}
        assert requests.get(f"{url}/", timeout=5).status_code == 404
        assert requests.post(f"{url}/metrics", timeout=5).status_code == 405
        (tmp_path / operated.root.path.name).symlink_to(operated.root.path)
        assert requests.get(f"{url}/healthz", timeout=5).json()["world"] == "sim:42"


def test_a_taken_port_is_one_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "-m", "g6", "metrics", "--port", str(taken.getsockname()[1])],
            cwd=PROJECT, env=environment(configuration(tmp_path)), capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be had" in done.stderr


@pytest.mark.server
def test_a_real_prometheus_scrapes_it_and_its_rules_stand(operated: Operated, tmp_path: Path) -> None:
    config = operated.root.path.parent / "settings.json"
    rules = PROJECT / "deploy" / "prometheus" / "rules.yml"
    with metrics_process(config) as url, prometheus(tmp_path, url.removeprefix("http://"), rules) as server:

        def asked(query: str) -> list[dict]:
            return requests.get(f"{server}/api/v1/query", params={"query": query}, timeout=5).json()["data"]["result"]

        stored = wait_for("a scrape", lambda: asked('g6_snapshots_total{outcome="stored"}'), 30)
        assert {one["metric"]["underlying"]: float(one["value"][1]) for one in stored} == {"NIFTY": 7, "BANKNIFTY": 7}
        # All families arrived with their types.
        metadata = requests.get(f"{server}/api/v1/metadata", timeout=5).json()["data"]
        for spec in METRICS:
            name = spec.name.removesuffix("_total") if spec.kind == "counter" else spec.name
            known = metadata.get(spec.name) or metadata.get(name)
            if known:
                assert known[0]["type"] == spec.kind
                assert known[0]["help"] == spec.help
        groups = requests.get(f"{server}/api/v1/rules", timeout=5).json()["data"]["groups"]
        assert groups
        assert all(rule["health"] != "err" for group in groups for rule in group["rules"])


def test_the_world_is_only_read(operated: Operated) -> None:
    def state(root: DataRoot) -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in root.path.rglob("*") if path.is_file()}

    before = state(operated.root)
    scraped(lambda: operated.root, operated.root.path.parent)
    assert state(operated.root) == before
