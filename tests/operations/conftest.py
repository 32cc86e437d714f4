"""A small world in which half an hour of a session ran with all that operators see of it, made once."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from g6_assets.telemetry import Telemetry, ToAll
from g6_market.thresholds import Threshold
from g6_resources.alerts import AlertLog
from g6_resources.logs import logging_of_run
from g6_resources.metrics_state import SessionCounter
from g6_resources.seams import SinkError, Snapshot
from g6_resources.settings import Settings, load_settings
from g6_resources.settings.models import LoggingSettings
from g6_resources.world import DataRoot
from g6_sim.server import SimServer
from tests.capture.harness import DAY, Desk, make_desk, plan, simulation

PROJECT = Path(__file__).parents[2]
TOKEN = "accesstokenL8nJd4"
HIDDEN = {"KITE_API_SECRET": "apisecretH3tRz9", "INFLUX_TOKEN": "influxtokenP5kWc1"}  # pragma: allowlist secret
FAULT = {"kind": "server_error", "from": "2026-11-20T15:24:50", "to": "2026-11-20T15:29:00", "match": "/quote"}


class RefusingSink:
    """A sink whose server is down."""

    name = "refusing"

    def publish(self, snapshot: Snapshot) -> None:
        raise SinkError("no server")

    def close(self) -> None:
        pass


@dataclass
class Operated:
    """The world after its session, its settings and its configuration file."""

    desk: Desk
    settings: Settings

    @property
    def root(self) -> DataRoot:
        return self.desk.root

    @property
    def day(self) -> date:
        return DAY

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root.logs / "g6.jsonl").read_text().splitlines()]


def configuration(folder: Path, **changes: Any) -> Path:
    """Write the settings of a small world whose data lie in `folder`."""
    content = json.loads((PROJECT / "config" / "g6_config.json").read_text(encoding="utf-8"))
    content.pop("$schema", None)
    content["data_dir"] = str(folder)
    content["collection"] |= {"interval_seconds": 300, "full_chain_every_seconds": 900}
    for name, index in content["indices"].items():
        index["enable"] = name in ("NIFTY", "BANKNIFTY")
    path = folder / "settings.json"
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


def environment(config: Path, **extra: str) -> dict[str, str]:
    """Return this process's environment without what is ours in it, and with a configuration file."""
    ours = ("G6_", "KITE_", "DAGSTER_", "INFLUX_", "REDIS_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return clean | {"G6_CONFIG": str(config), "COLUMNS": "100"} | extra


@pytest.fixture(scope="session")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    folder = tmp_path_factory.mktemp("operated")
    config = configuration(folder)
    with pytest.MonkeyPatch.context() as patched, SimServer(simulation(access_token=TOKEN)) as server:
        for name, value in HIDDEN.items():
            patched.setenv(name, value)
        desk = make_desk(folder, server.url, plan(), clock="15:05")
        desk.log_in(TOKEN)
        desk.control.faults([FAULT])
        run_session(desk)
        desk.set_clock("15:40")  # its last snapshot was asked for seconds before
        yield Operated(desk, load_settings(config, {}))


def run_session(desk: Desk) -> None:
    """Run what is left of the day with its telemetry, as the session asset does."""
    session = desk.launch(sinks=())
    counter = SessionCounter(
        desk.root.figures_file, trade_date=DAY, attempt=1, run_id=session.run_id, calls=session.source.figures
    )
    thresholds = [Threshold("NIFTY", "spot", above=1.0), Threshold("NIFTY", "india_vix", below=0.5)]
    telemetry = Telemetry(counter, session.source.figures, thresholds, AlertLog(desk.root.alerts_file))
    session.events = ToAll(telemetry, session.events)
    session.sinks = telemetry.watching([RefusingSink()])
    with logging_of_run(
        LoggingSettings(), desk.root.logs, desk.root.token_file, run_id=session.run_id, attempt=1, trade_date=str(DAY)
    ):
        session.run()
