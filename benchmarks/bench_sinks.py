"""What the sinks cost: points that InfluxDB takes a second, and what a snapshot costs each sink.

The server is a VictoriaMetrics on the same machine, which takes InfluxDB's v2 writes; the snapshots are those of a
simulated day, six indices, window and full chain as configured.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from benchmarks.worlds import DAY, DayThroughDagster, day_through_dagster
from g6_market.calendar import TradingCalendar
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW
from g6_market.series import offset_series
from g6_resources.influx import InfluxServer
from g6_resources.influx_counters import counter_of
from g6_resources.influx_points import CHAIN, INDEX, SERIES, lines
from g6_resources.influx_proof import deliver_lacking
from g6_resources.lake import Lake, LocalStore
from g6_resources.sealing import trading_day

_PASSES = 3
_UNTIL = pd.Timedelta(hours=10)  # 45 snapshots, every third of the whole chain


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    day = day_through_dagster()
    frames = _frames(day)
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as url:
        server = InfluxServer(url, "", "g6", "g6_data")
        seconds: list[float] = []
        points, own = 0, 0.0
        for _ in range(_PASSES):
            start, cpu = time.perf_counter(), time.process_time()
            points = 0
            for measurement, frame in frames:
                made = lines(frame, measurement)
                server.write(made)
                points += len(made)
            seconds.append(time.perf_counter() - start)
            own = time.process_time() - cpu
        start = time.perf_counter()
        proofs = [deliver_lacking(frame, m, counter_of(server), server.write) for m, frame in frames]
        proof_seconds = time.perf_counter() - start
        server.close()
    if any(proof.redelivered for proof in proofs):
        raise RuntimeError("the server lacks points that it took: no speed is worth that")
    rate = points / min(seconds)
    return [
        {
            "name": "influx_points_per_second",
            "value": round(rate),
            "unit": "points/s",
            "better": "higher",
            "baseline": 20_000,
            "ratio": round(rate / 20_000, 1),
            "note": f"{points:,} points of {DAY} to 10:00, six indices: made as line protocol, gzipped, in requests "
            f"of 5,000 and taken by a server on the same two cores; best of {_PASSES}; CPU of our process {own:.1f} "
            "s. Baseline is the rate asked for",
        },
        {
            "name": "influx_proof_seconds",
            "value": round(proof_seconds, 2),
            "unit": "s",
            "better": "lower",
            "baseline": None,
            "ratio": None,
            "note": f"wall: that every field of these {points:,} points is on the server, by counts",
        },
    ]


def _frames(day: DayThroughDagster) -> list[tuple[Any, Any]]:
    lake = Lake(LocalStore(day.root.lake))
    chain = _first(lake.read(OPTION_CHAIN, DAY))
    trading = trading_day(lake, DAY, TradingCalendar.load())
    series = offset_series(chain, _first(lake.read(EXPIRY_OVERVIEW, DAY)), trading)
    return [(CHAIN, chain), (SERIES, series), (INDEX, _first(lake.read(OVERVIEW, DAY)))]


def _first(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["snapshot_at"] <= pd.Timestamp(DAY) + _UNTIL]


@contextmanager
def _server(folder: Path) -> Generator[str]:
    program = shutil.which("victoria-metrics")
    if program is None:
        raise RuntimeError("victoria-metrics is not installed: apt-get install victoria-metrics")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [program, f"-storageDataPath={folder}/data", f"-httpListenAddr={address}", "-retentionPeriod=100y"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            url = f"http://{address}"
            with requests.Session() as session:
                session.mount("http://", HTTPAdapter(max_retries=Retry(total=60, backoff_factor=0.05, backoff_max=0.2)))
                session.get(f"{url}/ping", timeout=5).raise_for_status()
            yield url
        finally:
            server.terminate()
