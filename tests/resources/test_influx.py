"""InfluxDB: what a real server holds after a snapshot, and that its failing stays its own."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import requests

from g6_market.schema import OPTION_CHAIN, OVERVIEW
from g6_resources.influx import InfluxSink, lines
from g6_resources.seams import SinkError, SnapshotSink
from tests.resources import lake_frames as made
from tests.resources.lake_frames import FRIDAY, snapshot
from tests.servers import free_port, victoria_metrics

TOKEN = "a-very-secret-token"  # pragma: allowlist secret


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with victoria_metrics(tmp_path_factory.mktemp("influx")) as url:
        yield url


def sink_of(url: str) -> InfluxSink:
    return InfluxSink(url, TOKEN, "g6", "g6_data")


def stored(server: str, selector: str) -> list[dict[str, object]]:
    """Series that the server holds, with their labels, values and timestamps in milliseconds."""
    requests.get(f"{server}/internal/force_flush", timeout=5).raise_for_status()
    answer = requests.get(f"{server}/api/v1/export", params={"match[]": selector}, timeout=10)
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.server
def test_a_real_server_holds_every_point_with_exact_values_and_times(server: str) -> None:
    sink = sink_of(server)
    assert isinstance(sink, SnapshotSink)
    assert sink.ping()
    for number in (0, 1, 1):
        sink.publish(snapshot(FRIDAY, number))
    sink.close()
    chain = made.option_chain(FRIDAY, 1)
    prices = stored(server, "option_chain_last_price")
    # Both snapshots of each contract are points of one series; the one written twice is there once.
    assert len(prices) == len(chain)
    assert all(len(series["values"]) == 2 for series in prices)  # pyright: ignore[reportArgumentType]
    due = datetime(2026, 11, 20, 9, 17, tzinfo=ZoneInfo("Asia/Kolkata"))
    by_contract = {
        (label["underlying"], label["expiry"], float(label["strike"]), label["option_type"]): dict(
            zip(series["timestamps"], series["values"], strict=True)  # pyright: ignore[reportArgumentType]
        )
        for series in prices
        for label in [series["metric"]]
    }
    for row in chain.itertuples():
        points = by_contract[(row.underlying, f"{row.expiry:%Y-%m-%d}", row.strike, row.option_type)]
        assert points[int(due.timestamp() * 1000)] == row.last_price
    assert len(stored(server, "offset_series_straddle")) == 2 * 2 * 5
    [[spot]] = [series["values"][:1] for series in stored(server, 'overview_spot{underlying="NIFTY"}')]  # pyright: ignore[reportIndexIssue]
    assert spot == 23_990.5


@pytest.mark.server
def test_an_unknown_value_is_no_point(server: str) -> None:
    sink = sink_of(server)
    sink.publish(snapshot(FRIDAY, 2))
    sink.close()
    asks = stored(server, "option_chain_ask_price")
    assert len(asks) == made.LEGS - 8
    assert stored(server, "option_chain_average_price") == []


@pytest.mark.server
def test_a_server_that_comes_back_takes_the_next_snapshot(tmp_path: Path) -> None:
    with victoria_metrics(tmp_path) as url:
        sink = sink_of(url)
        sink.publish(snapshot(FRIDAY, 0))
    assert not sink.ping()
    with pytest.raises(SinkError, match="did not answer"):
        sink.publish(snapshot(FRIDAY, 1))
    with victoria_metrics(tmp_path, int(url.rsplit(":", 1)[1])) as url:
        sink.publish(snapshot(FRIDAY, 2))
        [series] = stored(url, 'overview_spot{underlying="NIFTY"}')
        assert len(series["values"]) == 2  # pyright: ignore[reportArgumentType]
    sink.close()


def test_lines_are_protocol_with_whole_seconds_and_typed_fields() -> None:
    chain = made.option_chain(FRIDAY, 0)
    line = next(iter(lines(chain, OPTION_CHAIN)))
    key, fields, stamp = line.split(" ")
    assert key == "option_chain,underlying=BANKNIFTY,expiry=2026-11-24,strike=23900,option_type=CE"
    assert fields.startswith(
        "strike_offset=-2i,spot_strike_offset=-2i,last_price=100,bid_price=99.95,ask_price=100.05,"
    )
    assert "average_price" not in fields
    assert fields.endswith("vega=9,settlement_window=false")
    assert int(stamp) == datetime(2026, 11, 20, 9, 16, tzinfo=ZoneInfo("Asia/Kolkata")).timestamp()
    assert len(set(lines(chain, OPTION_CHAIN))) == len(chain)


def test_a_table_without_rows_has_no_lines() -> None:
    assert list(lines(made.overview(FRIDAY, 0).head(0), OVERVIEW)) == []


def test_an_absent_server_is_a_sink_error_without_the_token() -> None:
    sink = sink_of(f"http://127.0.0.1:{free_port()}")
    assert not sink.ping()
    with pytest.raises(SinkError, match=r"influx: http://127.0.0.1:\d+ did not answer .*is it running") as told:
        sink.publish(snapshot(FRIDAY, 0))
    assert TOKEN not in str(told.value) + repr(sink) + repr(told.value.__cause__) + repr(vars(told.value))


def test_a_server_that_never_answers_costs_no_more_than_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        sink = InfluxSink(f"http://127.0.0.1:{deaf.getsockname()[1]}", TOKEN, "g6", "g6_data", timeout_seconds=0.2)
        with pytest.raises(SinkError, match="did not answer"):
            sink.publish(snapshot(FRIDAY, 0))


def test_a_refusing_server_is_a_sink_error_with_its_status() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        guard = threading.Thread(target=refuse)
        guard.start()
        sink = sink_of(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(SinkError, match="refused the points of a snapshot: 401 Unauthorized"):
            sink.write("overview,underlying=NIFTY spot=1 1795146360")
        guard.join()


def test_the_client_is_not_imported_until_it_is_used(project: Path) -> None:
    code = (
        "import sys; from g6_resources.influx import InfluxSink\n"
        "sink = InfluxSink.from_environment('http://127.0.0.1:1', 'g6', 'b'); sink.close()\n"
        "print('influxdb_client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
