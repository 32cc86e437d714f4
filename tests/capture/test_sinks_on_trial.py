"""A session with real servers behind its sinks, killed and started again while it captures: it is never held up."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from g6_assets.capture.snapshot import Taken
from g6_resources.csv_files import CsvSink
from g6_resources.hot_cache import HotCache
from g6_resources.influx import InfluxServer, InfluxSink
from g6_resources.influx_counters import counter_of
from g6_resources.influx_points import CHAIN, INDEX
from g6_resources.influx_proof import deliver_lacking
from g6_resources.spool import Spool
from tests.capture.harness import DAY, Desk
from tests.servers import free_port, redis_server, victoria_metrics
from tests.sinks.test_hot_cache import PASSWORD


@pytest.mark.server
def test_killing_the_servers_behind_the_sinks_costs_no_snapshot_and_no_point(
    desk: Callable[..., Desk], tmp_path: Path
) -> None:
    made = desk("14:30")
    influx_port, redis_port = free_port(), free_port()
    server = InfluxServer(f"http://127.0.0.1:{influx_port}", "secret", "g6", "g6_data", timeout_seconds=2)
    spool = Spool(made.root.state / "spool", 100_000_000)
    cache = HotCache(f"redis://127.0.0.1:{redis_port}/0", PASSWORD, "live")
    waiting: list[int] = []

    with ExitStack() as servers:

        def start() -> None:
            servers.enter_context(victoria_metrics(tmp_path, influx_port))
            servers.enter_context(redis_server(redis_port, PASSWORD))

        def trouble(taken: Taken) -> None:
            waiting.append(spool.backlog().files)
            if f"{taken.due:%H:%M}" == "14:50":
                servers.close()
            if f"{taken.due:%H:%M}" == "15:25":
                start()

        start()
        session = made.launch(sinks=[CsvSink(made.root.csv), InfluxSink(server, spool), cache])
        made.told.on_taken = trouble
        report = session.run()
        assert (report.stored, report.failed, report.passed_over) == (15, 0, 62)
        assert made.snapshots()["cause"].isna().all()
        assert max(waiting) >= 6, "what the absent server did not get waits"
        assert spool.backlog().files == 0, "and was delivered once it was back"
        assert "csv" not in report.sink_errors
        assert "influx" not in report.sink_errors
        assert 0 < report.sink_errors["redis"] <= 15
        proof = InfluxServer(server.url, "secret", "g6", "g6_data")
        for measurement in (CHAIN, INDEX):
            frame = made.lake.read_live(measurement.name, DAY)
            done = deliver_lacking(frame, measurement, counter_of(proof), proof.write)
            assert (done.redelivered, done.on_server) == (0, done.values)
        proof.close()
    lines = (made.root.csv / "overview" / "NIFTY" / f"{DAY}.csv").read_text().splitlines()
    assert len(lines) == 16
