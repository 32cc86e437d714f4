"""Real server programs on loopback for the tests that need one; each test names the Debian package it lacks."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


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
def victoria_metrics(folder: Path, port: int | None = None) -> Iterator[str]:
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


def _wait_until_it_answers(url: str) -> None:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=Retry(total=60, backoff_factor=0.05, backoff_max=0.2)))
        session.get(url, timeout=5).raise_for_status()
