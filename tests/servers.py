"""Real server programs on loopback for the tests that need one; each test names the Debian package it lacks."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from g6_resources.clock import SystemTime


def free_port() -> int:
    """Return a loopback port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, package: str) -> str:
    """Return a program's path, or skip naming the package that has it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return found


@contextmanager
def victoria_metrics(folder: Path, port: int | None = None) -> Generator[str]:
    """Run a VictoriaMetrics server, which takes InfluxDB's v2 writes; yields its address.

    Parameters
    ----------
    folder
        Where it stores its data; a second run on the same folder has what the first was sent.
    """
    port = port or free_port()
    command = [
        program("victoria-metrics", "victoria-metrics"),
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
        "-dedup.minScrapeInterval=1ms",  # a point written twice is one, as in InfluxDB
        "-memory.allowedBytes=128MB",
    ]
    with (
        (folder / "server.log").open("ab") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_it_answers(f"{url}/ping")
            yield url
        finally:
            server.terminate()


@contextmanager
def prometheus(folder: Path, target: str, rules: Path) -> Generator[str]:
    """Run a Prometheus server that scrapes `host:port` every second under alert rules; yields its address."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: ['{rules}']\n"
        f"scrape_configs: [{{job_name: g6, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    command = [
        program("prometheus", "prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        (folder / "prometheus.log").open("ab") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_it_answers(f"{url}/-/healthy")
            wait_for("Prometheus", lambda: requests.get(f"{url}/-/ready", timeout=5).ok, 60)
            yield url
        finally:
            server.terminate()


def wait_for(what: str, probe: Callable[[], Any], seconds: float) -> Any:
    """Return the probe's first true answer; fail, naming what was waited for, when none comes in time."""
    deadline = SystemTime().monotonic() + seconds
    pause = threading.Event()
    while not (answer := probe()):
        if SystemTime().monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s")
        pause.wait(0.2)
    return answer


def _wait_until_it_answers(url: str) -> None:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=Retry(total=60, backoff_factor=0.05, backoff_max=0.2)))
        session.get(url, timeout=5).raise_for_status()


@contextmanager
def redis_server(port: int, password: str) -> Generator[str]:
    """Run a Redis on loopback that keeps nothing on disk; yields its address, and kills it at the end."""
    from redis import Redis
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    command = [program("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen([*command, "--requirepass", password], stdout=subprocess.DEVNULL) as server:
        try:
            with Redis(port=port, password=password, retry=Retry(ConstantBackoff(0.05), 100)) as client:
                client.ping()
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
