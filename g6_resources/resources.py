"""The configurable Dagster resources: thin, typed shells that hand out the plain clients beside them.

Nothing here holds a secret. API keys and tokens are read from the environment and the token file at the moment of use
(a Kite token changes every day, a code server lives longer), so no `repr`, log, event or page can show one.
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from g6_market.calendar import TradingCalendar
from g6_market.day import Conventions
from g6_resources.clock import MarketClock, SystemTime, clock_from
from g6_resources.csv_files import CsvSink
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.hot_cache import HotCache
from g6_resources.influx import InfluxServer, InfluxSink
from g6_resources.kite.client import KiteSource
from g6_resources.lake import Lake
from g6_resources.lake_open import open_lake
from g6_resources.lock import SessionLock
from g6_resources.seams import SnapshotSink
from g6_resources.settings import Settings, load_settings
from g6_resources.spool import Spool
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot, open_root
from g6_resources.world_state import read_simulator

_ROOT = "Absolute folder of the world this instance works on, e.g. <project>/data/live"


class MarketResource(dg.ConfigurableResource):
    """The settings, the calendar and the data root: what every other part asks first."""

    data_root: str = Field(description=_ROOT)
    config_file: str | None = Field(default=None, description="Settings file; config/g6_config.json unless given")

    def settings(self) -> Settings:
        """Return the validated settings."""
        return load_settings(Path(self.config_file) if self.config_file else None)

    def root(self) -> DataRoot:
        """Return the data root, checked to be of the world it was made for."""
        return open_root(Path(self.data_root))

    def calendar(self) -> TradingCalendar:
        """Return the trading calendar with the user's override file."""
        return load_calendar(self.settings())

    def conventions(self) -> Conventions:
        """Return the conventions that a day opened now is given."""
        return conventions_of(self.settings(), self.calendar())


class ClockResource(dg.ConfigurableResource):
    """The market clock of the world: the system's, a shifted or a driven one."""

    data_root: str = Field(description=_ROOT)

    def clock(self) -> MarketClock:
        """Return the clock that decides what is due."""
        root = open_root(Path(self.data_root))
        simulator = read_simulator(root)
        return clock_from(root, simulator.url if simulator else None)


class KiteResource(dg.ConfigurableResource):
    """Kite Connect, or the simulator of a simulated world; one rate limiter per API key across processes."""

    data_root: str = Field(description=_ROOT)
    root_url: str = Field(default="https://api.kite.trade", description="Address of the API")
    timeout_seconds: float = Field(default=7.0, description="Time-out of one HTTP call")
    quote_per_second: float = Field(default=1.0, description="Quote calls a second")
    historical_per_second: float = Field(default=3.0, description="Candle calls a second")
    other_per_second: float = Field(default=10.0, description="All other calls a second")
    instruments_ttl_hours: float = Field(default=6.0, description="How long a fetched dump serves")
    allow_yesterdays_instruments: bool = Field(
        default=False, description="Use yesterday's dump if today's cannot be had"
    )

    def source(self, clock: MarketClock) -> KiteSource:
        """Return the client."""
        return KiteSource.for_root(
            open_root(Path(self.data_root)),
            clock=clock,
            root_url=self.root_url,
            timeout_seconds=self.timeout_seconds,
            limits={
                "quote": self.quote_per_second,
                "historical": self.historical_per_second,
                "other": self.other_per_second,
            },
            instruments_ttl_hours=self.instruments_ttl_hours,
            allow_yesterdays_instruments=self.allow_yesterdays_instruments,
        )


class LakeResource(dg.ConfigurableResource):
    """The Parquet lake: the truth."""

    data_root: str = Field(description=_ROOT)

    def lake(self, *, hot: bool = False) -> Lake:
        """Return the root's lake, on its disk or on an object store; `hot` for the session, which must not wait."""
        return open_lake(open_root(Path(self.data_root)), hot=hot)


class SessionFilesResource(dg.ConfigurableResource):
    """Heartbeat and lock of the session: proof of life, and the fence between attempts."""

    data_root: str = Field(description=_ROOT)

    def heartbeat(self) -> HeartbeatFile:
        """Return the heartbeat file."""
        return HeartbeatFile(open_root(Path(self.data_root)).heartbeat_file, SystemTime())

    def lock(self) -> SessionLock:
        """Return the session lock."""
        return SessionLock(open_root(Path(self.data_root)).lock_file, SystemTime())


class DuckDBResource(dg.ConfigurableResource):
    """`g6.duckdb`: views and macros over the lake, replaced as a whole and never held open for writing."""

    data_root: str = Field(description=_ROOT)

    def warehouse(self, calendar: TradingCalendar) -> Warehouse:
        """Return the warehouse."""
        return Warehouse(open_root(Path(self.data_root)), calendar)


class CsvResource(dg.ConfigurableResource):
    """CSV files of the offset series and overviews, for spreadsheets and old scripts."""

    base: str = Field(description="Folder of the tree")
    enabled: bool = Field(default=True, description="Whether snapshots are appended and days rewritten")

    def sinks(self) -> list[SnapshotSink]:
        """Return the sink, or none when disabled."""
        return [self.files()] if self.enabled else []

    def files(self) -> CsvSink:
        """Return the tree, also when live appends are disabled."""
        return CsvSink(Path(self.base))


class InfluxResource(dg.ConfigurableResource):
    """InfluxDB over the v2 write API, through a spool on disk; the token is read from INFLUX_TOKEN at use."""

    data_root: str = Field(description=_ROOT)
    enabled: bool = Field(default=False, description="Whether snapshots are written")
    url: str = Field(default="http://127.0.0.1:8086", description="Server address")
    org: str = Field(default="g6", description="Organisation")
    bucket: str = Field(default="g6_data", description="Bucket")
    spool_mb: int = Field(default=256, description="Most megabytes that wait on the disk while it is away")

    def sinks(self) -> list[SnapshotSink]:
        """Return the sink, or none when disabled."""
        return [InfluxSink(self.server(), self.spool(), self.world())] if self.enabled else []

    def server(self) -> InfluxServer:
        """Return the server."""
        return InfluxServer.from_environment(self.url, self.org, self.bucket)

    def spool(self) -> Spool:
        """Return where snapshots wait for it."""
        return Spool(open_root(Path(self.data_root)).spool / "influx", self.spool_mb * 1_000_000)

    def world(self) -> str:
        """Return the tag by which another world's points are told from the live one's, which have none."""
        world = open_root(Path(self.data_root)).world
        return "" if world.kind == "live" else world.folder


class RedisResource(dg.ConfigurableResource):
    """The latest chains and overviews in Redis; the password is read from REDIS_PASSWORD at use."""

    data_root: str = Field(description=_ROOT)
    enabled: bool = Field(default=False, description="Whether snapshots are written")
    url: str = Field(default="redis://127.0.0.1:6379/0", description="Server address")
    ttl_seconds: int = Field(default=600, description="Seconds after which a value is no longer the latest")

    def sinks(self) -> list[SnapshotSink]:
        """Return the cache as a sink, or none when disabled."""
        return [self.cache()] if self.enabled else []

    def cache(self) -> HotCache:
        """Return the cache, to read from too."""
        return HotCache.from_environment(self.url, open_root(Path(self.data_root)).world.folder, self.ttl_seconds)


def load_calendar(settings: Settings) -> TradingCalendar:
    """Return the calendar with the override file that the settings name."""
    return TradingCalendar.load(override=settings.calendar_override)


def conventions_of(settings: Settings, calendar: TradingCalendar) -> Conventions:
    """Return the conventions that the settings ask for."""
    return Conventions(
        risk_free_rate=settings.pricing.risk_free_rate,
        atm_reference=settings.pricing.atm_reference,
        interval_seconds=settings.collection.interval_seconds,
        full_chain_every_seconds=settings.collection.full_chain_every_seconds,
        strikes_each_side=max((index.strikes_each_side for index in settings.enabled_indices.values()), default=10),
        calendar_version=calendar.version,
    )
