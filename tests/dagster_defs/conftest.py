"""A small driven world with two sealed days, made once, and the means to run its jobs as Dagster would."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from g6_assets.definitions import build_defs
from g6_assets.jobs import SEAL_JOB, SESSION_JOB
from g6_assets.session import SESSION_TAG
from g6_market.calendar import IST, TradingCalendar
from g6_resources.clock import write_clock
from g6_resources.kite.token import write_token
from g6_resources.lake import Lake, LocalStore
from g6_resources.settings import Settings, load_settings
from g6_resources.world import DataRoot, make_root
from g6_resources.world_state import Simulator, write_simulator
from g6_sim.config import API_KEY, SimConfig
from g6_sim.server import SimServer

PROJECT = Path(__file__).parents[2]
THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
"""The first day is whole; on the second the broker fails at 11:00, 11:35 and 12:10."""

WIDTH = {"NIFTY": 3, "BANKNIFTY": 2}
TAGS = {"NIFTY": ["this_week", "next_week", "this_month", "next_month"], "BANKNIFTY": ["this_month", "next_month"]}
HOLE = {"kind": "server_error", "from": "2026-11-20T10:50:00", "to": "2026-11-20T12:20:00", "match": "/quote"}

SECRETS = {
    "KITE_API_KEY": "apikeyQ7mVx2",
    "KITE_API_SECRET": "apisecretH3tRz9",
    "INFLUX_TOKEN": "influxtokenP5kWc1",
    "REDIS_PASSWORD": "redispasswordT4bYw6",  # pragma: allowlist secret
}
ACCESS_TOKEN = "accesstokenL8nJd4"


def at(day: date, text: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(text), IST)


def write_settings(folder: Path, **changes: Any) -> Path:
    """Write the settings of a small world: two indices of different width, 11 snapshots a day, 35 minutes apart."""
    content = json.loads((PROJECT / "config" / "g6_config.json").read_text(encoding="utf-8"))
    content.pop("$schema", None)
    content["data_dir"] = str(folder)
    content["collection"] |= {"interval_seconds": 2100, "full_chain_every_seconds": 2100}
    content["kite"]["limits"] = {"quote": 20, "historical": 20, "other": 20}
    for name, index in content["indices"].items():
        index["enable"] = name in WIDTH
        index["strikes_each_side"] = WIDTH.get(name, 3)
    content |= changes
    path = folder / "g6_config.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def make_world(folder: Path, name: str, clock: Mapping[str, Any] | None = None, **changes: Any) -> DataRoot:
    """Make a world with its own settings; `clock` as `write_clock` takes it."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = write_settings(folder, **changes)
    root = make_root(folder, name, first_date="2026-11-01")
    (root.path / "g6_config.json").write_bytes(settings.read_bytes())
    if clock is not None:
        write_clock(root.clock_file, **clock)
    return root


@dataclass
class DagsterWorld:
    """A world, its definitions and its instance, with what its jobs returned.

    `again` is a session run on a day that was captured whole and not sealed yet.
    """

    root: DataRoot
    instance: dg.DagsterInstance
    sessions: dict[date, dg.ExecuteInProcessResult] = field(default_factory=dict)
    seals: dict[date, dg.ExecuteInProcessResult] = field(default_factory=dict)
    again: dg.ExecuteInProcessResult | None = None

    @property
    def settings(self) -> Settings:
        return load_settings(self.root.path / "g6_config.json")

    @property
    def defs(self) -> dg.Definitions:
        return build_defs(settings=self.settings, root=self.root)

    @property
    def lake(self) -> Lake:
        return Lake(LocalStore(self.root.lake))

    @property
    def calendar(self) -> TradingCalendar:
        return TradingCalendar.load()

    def run(self, job: str, day: date, tags: Mapping[str, str] | None = None) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(job).execute_in_process(
            partition_key=day.isoformat(),
            instance=self.instance,
            tags=dict(tags or {}),
            raise_on_error=False,
            run_config=QUIET,
        )

    def materialize(self, asset: str, key: str) -> dg.ExecuteInProcessResult:
        """Materialise one key of an asset, such as `NIFTY/option_chain`."""
        return self._asset_job(asset).execute_in_process(
            partition_key=key, instance=self.instance, raise_on_error=False, run_config=QUIET
        )

    def materialize_range(self, asset: str, first: str, last: str) -> dg.ExecuteInProcessResult:
        """Materialise the keys from first to last in one run, as a single-run backfill does."""
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        return self._asset_job(asset).execute_in_process(
            instance=self.instance, tags=tags, raise_on_error=False, run_config=QUIET
        )

    def _asset_job(self, asset: str) -> dg.JobDefinition:
        # The assets that one run makes together are asked for together.
        keys = {"instruments": ["instruments", "expiries"]}.get(asset, [asset])
        job = dg.define_asset_job("one_asset", selection=keys, executor_def=dg.in_process_executor)
        return dg.Definitions.merge(self.defs, dg.Definitions(jobs=[job])).resolve_job_def("one_asset")

    @contextmanager
    def standing_at(self, instant: datetime) -> Iterator[None]:
        """Set the market's clock for a while."""
        before = self.root.clock_file.read_bytes()
        write_clock(self.root.clock_file, "driven", now=instant)
        try:
            yield
        finally:
            self.root.clock_file.write_bytes(before)


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Return the message of a run's failure, whole."""
    assert not result.success
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            assert error is not None
            if event.step_failure_data.user_failure_data is not None:
                return event.step_failure_data.user_failure_data.description or ""
            while error.cause is not None:
                error = error.cause
            return error.message
    raise AssertionError("no step failed")


def materialisations(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    events = (event for event in result.all_events if event.is_step_materialization)
    return [event.step_materialization_data.materialization for event in events]


@contextmanager
def instance_of(root: DataRoot) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(root.dagster_home)) as instance:
        yield instance


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterWorld]:
    """Two days of a simulated market, captured and sealed by the platform's own jobs."""
    folder = tmp_path_factory.mktemp("dagster")
    root = make_world(folder, "sim:11", {"mode": "driven", "now": at(THURSDAY, "08:55")})
    config = SimConfig(
        seed=11, trade_date=THURSDAY, indices=tuple(WIDTH), enforce_limits=False, faults=[HOLE],
        access_token=ACCESS_TOKEN, padding_rows=20,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as environment, SimServer(config) as server, instance_of(root) as instance:
        for name, value in SECRETS.items():
            environment.setenv(name, value)
        write_simulator(root, Simulator(url=server.url, api_key=API_KEY))
        made = DagsterWorld(root, instance)
        for day in (THURSDAY, FRIDAY):
            opens = at(day, "08:55")
            write_clock(root.clock_file, "driven", now=opens)
            write_token(root.token_file, access_token=ACCESS_TOKEN, user_id="SIM", api_key=API_KEY, made_at=opens)
            made.sessions[day] = made.run(SESSION_JOB, day, {SESSION_TAG: day.isoformat()})
            assert made.sessions[day].success, failure_of(made.sessions[day])
            if day == THURSDAY:
                made.again = made.run(SESSION_JOB, day, {SESSION_TAG: day.isoformat()})
            write_clock(root.clock_file, "driven", now=made.calendar.session(day).close + timedelta(minutes=6))
            made.seals[day] = made.run(SEAL_JOB, day)
            assert made.seals[day].success, failure_of(made.seals[day])
        yield made
