"""InfluxDB: what a real server holds after snapshots, and that its failing costs the session nothing."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import requests

from g6_resources.influx import InfluxServer, InfluxSink
from g6_resources.influx_counters import FluxCounter, counter_of
from g6_resources.influx_points import CHAIN, INDEX, MEASUREMENTS, SERIES, counts, lines
from g6_resources.influx_proof import deliver_lacking
from g6_resources.seams import SinkError, SnapshotSink
from g6_resources.spool import Spool
from tests.resources import lake_frames as made
from tests.resources.lake_frames import FRIDAY, snapshot
from tests.servers import free_port, victoria_metrics

TOKEN = "a-very-secret-token"  # pragma: allowlist secret
PLENTY = 10_000_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with victoria_metrics(tmp_path_factory.mktemp("influx")) as url:
        yield url


def server_at(url: str, timeout_seconds: float = 5.0) -> InfluxServer:
    return InfluxServer(url, TOKEN, "g6", "g6_data", timeout_seconds)


def sink_of(url: str, folder: Path, limit: int = PLENTY) -> tuple[InfluxSink, Spool]:
    spool = Spool(folder / "spool", limit)
    return InfluxSink(server_at(url, 0.5), spool), spool


def day_of(snapshots: int) -> dict[str, pd.DataFrame]:
    numbers = range(snapshots)
    return {
        CHAIN.name: pd.concat([made.option_chain(FRIDAY, number) for number in numbers], ignore_index=True),
        SERIES.name: pd.concat([made.series_rows(FRIDAY, number) for number in numbers], ignore_index=True),
        INDEX.name: pd.concat([made.overview(FRIDAY, number) for number in numbers], ignore_index=True),
    }


def stored(url: str, selector: str) -> list[dict[str, Any]]:
    """Series that the server holds, with their labels, values and timestamps in milliseconds."""
    requests.get(f"{url}/internal/force_flush", timeout=5).raise_for_status()
    answer = requests.get(f"{url}/api/v1/export", params={"match[]": selector}, timeout=10)
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.server
def test_a_real_server_holds_every_point_with_exact_values_and_times(address: str, tmp_path: Path) -> None:
    sink, spool = sink_of(address, tmp_path)
    assert isinstance(sink, SnapshotSink)
    for number in (0, 1, 1):
        sink.publish(snapshot(FRIDAY, number))
    sink.close()
    assert spool.waiting() == []
    chain = made.option_chain(FRIDAY, 1)
    prices = stored(address, "option_chain_last_price")
    # Both snapshots of each contract are points of one series; the one written twice is there once.
    assert len(prices) == len(chain)
    assert all(len(series["values"]) == 2 for series in prices)
    due = datetime(2026, 11, 20, 9, 17, tzinfo=ZoneInfo("Asia/Kolkata"))
    by_contract = {
        (label["underlying"], label["expiry"], float(label["strike"]), label["option_type"]): dict(
            zip(series["timestamps"], series["values"], strict=True)
        )
        for series in prices
        for label in [series["metric"]]
    }
    for row in chain.to_dict("records"):
        points = by_contract[(row["underlying"], f"{row['expiry']:%Y-%m-%d}", row["strike"], row["option_type"])]
        assert points[int(due.timestamp() * 1000)] == row["last_price"]
    assert len(stored(address, "offset_series_straddle")) == 2 * 2 * 5
    [[spot]] = [series["values"][:1] for series in stored(address, 'overview_spot{underlying="NIFTY"}')]
    assert spot == 23_990.5
    # An unknown value is no point.
    assert len(stored(address, "option_chain_ask")) == made.LEGS - 8
    assert stored(address, "option_chain_average_price") == []


@pytest.mark.server
def test_a_server_killed_and_restarted_gets_everything_in_order(tmp_path: Path) -> None:
    port = free_port()
    sink, spool = sink_of(f"http://127.0.0.1:{port}", tmp_path)
    with victoria_metrics(tmp_path, port):
        for number in range(3):
            sink.publish(snapshot(FRIDAY, number))
    for number in range(3, 12):
        sink.publish(snapshot(FRIDAY, number))
    assert spool.backlog().files >= 9
    names = spool.waiting()
    assert names == sorted(names)
    with victoria_metrics(tmp_path, port) as url:
        sink.publish(snapshot(FRIDAY, 12))
        sink.close()
        assert spool.backlog().files == 0
        found = stored(url, "overview_spot")
        assert [len(series["values"]) for series in found] == [13, 13]


@pytest.mark.server
def test_the_proof_finds_and_redelivers_just_what_the_server_lacks(tmp_path: Path) -> None:
    day = day_of(36)
    with victoria_metrics(tmp_path) as url:
        server = server_at(url)
        counter = counter_of(server)
        lost = pd.Timestamp(made.due(FRIDAY, 33))
        for measurement in MEASUREMENTS:
            frame = day[measurement.name]
            server.write(lines(frame[frame["snapshot_at"] != lost], measurement))
        for measurement in MEASUREMENTS:
            frame = day[measurement.name]
            done = deliver_lacking(frame, measurement, counter, server.write)
            assert (done.points, done.snapshots_lacking) == (len(frame), 1)
            assert done.redelivered == int((frame["snapshot_at"] == lost).sum())
            assert done.on_server == done.values
            assert deliver_lacking(frame, measurement, counter, server.write).redelivered == 0
        server.close()


class Delayed:
    """Counts of a server that takes everything, and at the first question does not yet tell all of it."""

    def __init__(self, day: pd.DataFrame) -> None:
        self._known = counts(day, INDEX)
        self._asked = 0

    def count(self, measurement: str, first: int, last: int) -> Mapping[str, int]:
        self._asked += 1
        values = self._known.loc[first:last].sum()
        return {str(field): int(found) - (self._asked == 1 and field == "spot") for field, found in values.items()}


def test_what_a_server_tells_with_a_delay_is_neither_lacking_nor_left_out_of_the_count() -> None:
    day = day_of(4)[INDEX.name]
    done = deliver_lacking(day, INDEX, Delayed(day), pytest.fail)
    assert (done.redelivered, done.on_server) == (0, done.values)


@pytest.mark.server
def test_a_demo_stands_beside_the_live_world_and_never_on_it(tmp_path: Path) -> None:
    overview = day_of(3)[INDEX.name]
    with victoria_metrics(tmp_path) as url:
        server = server_at(url)
        server.write(lines(overview, INDEX))
        demo = deliver_lacking(overview, INDEX, counter_of(server, "sim-42"), server.write, "sim-42")
        assert demo.redelivered == len(overview)
        assert deliver_lacking(overview, INDEX, counter_of(server), server.write).redelivered == 0
        assert len(stored(url, "overview_spot")) == 4
        server.close()


@pytest.mark.server
def test_a_bucket_that_takes_and_forgets_is_no_delivery(tmp_path: Path) -> None:
    with victoria_metrics(tmp_path) as url:
        server = server_at(url)
        forgotten: list[str] = []
        with pytest.raises(SinkError, match="of 4 snapshots written again the server still lacks points of 4"):
            deliver_lacking(day_of(4)[INDEX.name], INDEX, counter_of(server), forgotten.extend)
        assert len(forgotten) == 8
        server.close()


def test_lines_are_protocol_with_the_fields_of_the_measurement() -> None:
    chain = made.option_chain(FRIDAY, 0)
    written = lines(chain, CHAIN)
    key, fields, stamp = written[0].split(" ")
    assert key == "option_chain,underlying=BANKNIFTY,expiry=2026-11-24,strike=23900,option_type=CE"
    names = [field.split("=")[0] for field in fields.split(",")]
    assert names == [name for name in CHAIN.fields if name != "average_price"]
    assert fields.startswith("strike_offset=-2i,last_price=100,volume=")
    row = chain.iloc[0]
    rho = float(dict(field.split("=") for field in fields.split(","))["rho"])
    assert rho == pytest.approx(-row["t_years"] * row["price"] * 0.01)
    assert int(stamp) == datetime(2026, 11, 20, 9, 16, tzinfo=ZoneInfo("Asia/Kolkata")).timestamp()
    assert len({line.split(" ")[0] for line in written}) == len(chain)


def test_a_table_without_rows_has_no_lines() -> None:
    assert lines(made.overview(FRIDAY, 0).head(0), INDEX) == []


def test_an_absent_server_never_fails_a_snapshot_and_no_message_has_the_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink, spool = sink_of(f"http://127.0.0.1:{free_port()}", tmp_path)
    for number in range(3):
        sink.publish(snapshot(FRIDAY, number))
    sink.close()
    assert spool.waiting() == ["2026-11-20T091600", "2026-11-20T091700", "2026-11-20T091800"]
    assert "did not answer" in caplog.text
    assert "is it running?" in caplog.text
    assert TOKEN not in caplog.text + repr(sink)


def test_a_server_that_never_answers_holds_up_no_snapshot(tmp_path: Path) -> None:
    deaf = socket.create_server(("127.0.0.1", 0))
    spool = Spool(tmp_path, PLENTY)
    sink = InfluxSink(server_at(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_seconds=3600), spool)
    for number in range(5):
        sink.publish(snapshot(FRIDAY, number))  # while the request of the first waits for its answer
    assert spool.backlog().files == 5
    deaf.close()  # resets the connection
    sink.close()
    assert spool.backlog().files == 5


@pytest.mark.parametrize(
    ("status", "waits"),
    [
        ("401 Unauthorized", True),
        ("404 Not Found", True),
        ("503 Service Unavailable", True),
        ("400 Bad Request", False),
    ],
)
def test_a_refusal_that_can_be_mended_waits_and_any_other_is_counted(tmp_path: Path, status: str, waits: bool) -> None:
    with refusing(status) as url:
        sink, spool = sink_of(url, tmp_path)
        sink.publish(snapshot(FRIDAY, 0))
        sink.close()
    assert (spool.backlog().files, spool.backlog().dropped) == ((1, 0) if waits else (0, 1))


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "503 Service Unavailable"])
def test_a_server_that_would_take_no_points_is_told_before_any_are_made(status: str) -> None:
    with refusing(status) as url, pytest.raises(SinkError, match=status[:3]) as told:
        server_at(url).admits()
    assert TOKEN not in str(told.value)


def test_a_server_that_misses_only_points_in_the_request_would_take_some() -> None:
    with refusing("400 Bad Request") as url:
        server_at(url).admits()


@pytest.mark.server
def test_asking_a_real_server_whether_it_takes_points_writes_none(address: str) -> None:
    before = requests.get(f"{address}/api/v1/series/count", timeout=5).json()
    server_at(address).admits()
    assert requests.get(f"{address}/api/v1/series/count", timeout=5).json() == before


def test_what_a_killed_session_left_in_the_spool_is_delivered_by_the_next(tmp_path: Path) -> None:
    with victoria_metrics(tmp_path) as url:
        absent = f"http://127.0.0.1:{free_port()}"
        code = (
            "import os, signal; from pathlib import Path; from tests.sinks.test_influx import *\n"
            f"sink, _ = sink_of({absent!r}, Path({str(tmp_path)!r}))\n"
            "sink.publish(snapshot(FRIDAY, 0)); os.kill(os.getpid(), signal.SIGKILL)"
        )
        died = subprocess.run([sys.executable, "-c", code], check=False)
        assert died.returncode == -9
        sink, spool = sink_of(url, tmp_path)
        sink.publish(snapshot(FRIDAY, 1))
        sink.close()
        assert spool.waiting() == []
        assert [len(series["values"]) for series in stored(url, "overview_spot")] == [2, 2]


def test_the_client_is_not_imported_until_it_is_used(project: Path) -> None:
    code = (
        "import sys; from g6_resources.influx import InfluxServer\n"
        "server = InfluxServer.from_environment('http://127.0.0.1:1', 'g6', 'b'); server.close()\n"
        "print('influxdb_client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.skipif("G6_INFLUX_URL" not in os.environ, reason="opt-in: set G6_INFLUX_URL, _ORG, _BUCKET, INFLUX_TOKEN")
def test_a_real_influxdb_2_proves_a_day() -> None:
    server = InfluxServer.from_environment(
        os.environ["G6_INFLUX_URL"], os.environ["G6_INFLUX_ORG"], os.environ["G6_INFLUX_BUCKET"]
    )
    counter = counter_of(server)
    assert isinstance(counter, FluxCounter)
    day = day_of(40)
    for measurement in MEASUREMENTS:
        deliver_lacking(day[measurement.name], measurement, counter, server.write)
        done = deliver_lacking(day[measurement.name], measurement, counter, server.write)
        assert (done.redelivered, done.on_server) == (0, done.values)
    server.close()


class refusing:  # noqa: N801 - used as a context manager
    """A listener that answers every request with one status, and its address."""

    def __init__(self, status: str) -> None:
        self._answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 20)
                connection.sendall(self._answer)
