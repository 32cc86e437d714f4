"""What may be set in `config/g6_config.json`, with its range and default: the file's shape, and its JSON Schema.

Each description ends with what is allowed; editors show it, and so does the message about a bad value.
"""

import difflib
import re
from datetime import date
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from g6_market.indices import INDICES, TAGS

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Part(BaseModel):
    """One object of the file: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _known_index(name: str) -> str:
    if name not in INDICES:
        raise ValueError(f"is no index G6 knows. Allowed: {', '.join(INDICES)}")
    return name


def _known_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [tag for tag in tags if tag not in TAGS]
    if unknown:
        raise ValueError(f"holds {', '.join(map(repr, unknown))}. Allowed: {', '.join(TAGS)}")
    if len(set(tags)) < len(tags):
        raise ValueError("holds a label twice. Name each once")
    if not tags:
        raise ValueError("is empty. Name at least one label, or set enable to false")
    return tuple(tag for tag in TAGS if tag in tags)


def _overview_number(name: str) -> str:
    # Here, since the schema brings pandas: half a second that settings without rules need not wait for.
    from g6_market.schema import OVERVIEW

    numbers = [column.name for column in OVERVIEW.columns if column.kind.startswith(("float", "int"))]
    if name not in numbers:
        close = difflib.get_close_matches(name, numbers, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise ValueError(f"is no numeric column of overview. {meant}Allowed: {', '.join(numbers)}")
    return name


def _stays_inside(folder: str) -> str:
    path = PurePath(folder)
    if not folder.strip() or "\0" in folder:
        raise ValueError("is no folder. Give a relative or an absolute path")
    if not path.is_absolute() and ".." in path.parts:
        raise ValueError("leaves the project folder. Give an absolute path instead of '..'")
    return folder


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is no web address ({error}). Write it like http://127.0.0.1:8086") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("is no web address. Write it like http://127.0.0.1:8086")
    if parts.username is not None or parts.password is not None:
        raise ValueError("carries a user or password. Secrets come from the environment only")
    return url


def _safe_address(url: str) -> str:
    parts = urlsplit(_web_address(url))
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ValueError("is not https, so the session token would travel in the clear. Allowed: https, or loopback")
    return url


def _redis_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is no Redis address ({error}). Write it like redis://127.0.0.1:6379/0") from error
    if parts.scheme not in ("redis", "rediss") or not host:
        raise ValueError("is no Redis address. Write it like redis://127.0.0.1:6379/0")
    if parts.username is not None or parts.password is not None:
        raise ValueError("carries a user or password. Set the environment variable REDIS_PASSWORD instead")
    return url


Folder = Annotated[str, AfterValidator(_stays_inside)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
SafeAddress = Annotated[str, AfterValidator(_safe_address)]
OverviewColumn = Annotated[str, AfterValidator(_overview_number)]
RedisAddress = Annotated[str, AfterValidator(_redis_address)]
IndexName = Annotated[str, AfterValidator(_known_index)]
Tags = Annotated[tuple[str, ...], AfterValidator(_known_tags)]


def _beat_for(known: dict[str, Any]) -> int:
    interval = known.get("interval_seconds", 60)
    return -(-180 // interval) * interval


class CollectionSettings(Part):
    """How often, and how much of the chain."""

    interval_seconds: int = Field(default=60, ge=5, le=3600, description="Seconds between two snapshots: 5 to 3600")
    full_chain_every_seconds: int = Field(
        default_factory=_beat_for,
        ge=5,
        le=7200,
        description=(
            "Seconds between two snapshots of every listed strike: a multiple of interval_seconds up to 7200; equal "
            "to it means every snapshot. Default: 180, rounded up to a multiple"
        ),
    )
    depth: bool = Field(default=False, description="Keep all five levels of the order book: true or false")
    room_strikes: int = Field(
        default=36, ge=3, le=400, description="Most strikes the window of one expiry may grow to in a day: 3 to 400"
    )

    @model_validator(mode="after")
    def _beat_is_a_multiple(self) -> Self:
        if self.full_chain_every_seconds % self.interval_seconds:
            raise ValueError(
                f"full_chain_every_seconds {self.full_chain_every_seconds} is not a multiple of interval_seconds "
                f"{self.interval_seconds}. Use {_beat_for({'interval_seconds': self.interval_seconds})}, for example"
            )
        return self


class IndexSettings(Part):
    """What to collect of one index."""

    enable: bool = Field(default=True, description="Whether to collect the index: true or false")
    expiries: Tags = Field(
        default=TAGS,
        description=f"Labels of the expiries to collect: any of {', '.join(TAGS)}",
        json_schema_extra={"items": {"enum": list(TAGS)}, "uniqueItems": True, "minItems": 1},
    )
    strikes_each_side: int = Field(
        default=10, ge=1, le=100, description="Listed strikes each side of the money in every snapshot: 1 to 100"
    )


class PricingSettings(Part):
    """Conventions of forward, volatility and greeks."""

    risk_free_rate: float = Field(default=0.065, ge=0, le=0.25, description="Yearly rate, 0.065 = 6.5 %: 0 to 0.25")
    atm_reference: Literal["forward", "spot"] = Field(
        default="forward", description='What ATM is nearest to in series, CSV and overlays: "forward" or "spot"'
    )


class CsvSettings(Part):
    """CSV files for spreadsheets and old scripts."""

    enabled: bool = Field(default=True, description="Whether to write them: true or false")
    dir: Folder = Field(
        default="data/g6_data",
        description="Base folder of the live world's files: a path inside the project folder, or an absolute one",
    )


class InfluxSettings(Part):
    """InfluxDB 2; its token comes from INFLUX_TOKEN."""

    enabled: bool = Field(default=False, description="Whether to write to it: true or false")
    url: WebAddress = Field(
        default="http://127.0.0.1:8086", description="Its address: http or https, without credentials"
    )
    org: str = Field(default="g6", min_length=1, description="Organisation: a name")
    bucket: str = Field(default="g6_data", min_length=1, description="Bucket: a name")
    spool_mb: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="Most megabytes that wait on the disk while it is away (a day is some 50): 1 to 100000",
    )


class RedisSettings(Part):
    """Redis, for the latest chains and overviews; its password comes from REDIS_PASSWORD."""

    enabled: bool = Field(default=False, description="Whether to write to it: true or false")
    url: RedisAddress = Field(
        default="redis://127.0.0.1:6379/0", description="Its address: redis or rediss, without credentials"
    )
    ttl_seconds: int = Field(
        default=600, ge=10, le=604_800, description="Seconds after which a value is no longer the latest: 10 to 604800"
    )


def _bucket_address(url: str) -> str:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=-]+)*/?", url) or ".." in url:
        raise ValueError("is no bucket. Write it like s3://bucket/prefix, or null for the disk")
    return url.rstrip("/")


class LakeSettings(Part):
    """Where the lake of a world is, from its making on: on its disk, or on an object store that speaks S3.

    Keys of the store come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the machine's role.
    """

    url: Annotated[str, AfterValidator(_bucket_address)] | None = Field(
        default=None, description="s3://bucket/prefix, under which each world has a folder; null: the data folder"
    )
    endpoint: SafeAddress | None = Field(
        default=None, description="Address of a store other than Amazon's: https, or loopback; null: Amazon's"
    )
    region: str = Field(default="ap-south-1", pattern=r"^[a-z0-9-]{1,40}$", description="The store's region: a name")


class StorageSettings(Part):
    """Where snapshots go: the lake, and what is told besides."""

    lake: LakeSettings = LakeSettings()
    csv: CsvSettings = CsvSettings()
    influx: InfluxSettings = InfluxSettings()
    redis: RedisSettings = RedisSettings()


class KiteLimits(Part):
    """Calls a second, per API key."""

    quote: int = Field(default=1, ge=1, le=50, description="Quote calls a second (Kite allows 1): 1 to 50")
    historical: int = Field(default=3, ge=1, le=50, description="Candle calls a second (Kite allows 3): 1 to 50")
    other: int = Field(default=10, ge=1, le=50, description="Other calls a second (Kite allows 10): 1 to 50")


class KiteSettings(Part):
    """Zerodha Kite Connect; its key and secret come from KITE_API_KEY and KITE_API_SECRET."""

    root: SafeAddress = Field(default="https://api.kite.trade", description="Address of the API: https, or loopback")
    login_url: SafeAddress = Field(
        default="https://kite.zerodha.com/connect/login", description="Address of the login page: https, or loopback"
    )
    timeout_seconds: float = Field(
        default=7, ge=0.5, le=60, description="Patience with one call, in seconds: 0.5 to 60"
    )
    limits: KiteLimits = KiteLimits()
    instruments_ttl_hours: float = Field(
        default=6, gt=0, le=24, description="Hours a fetched dump stays fresh: above 0, to 24"
    )
    callback_host: Literal["127.0.0.1", "localhost", "::1"] = Field(
        default="127.0.0.1", description=f"Where `g6 login` waits for the browser: {', '.join(LOOPBACK)}"
    )
    callback_port: int = Field(
        default=5000, ge=1, le=65535, description="Its port, as registered with Kite: 1 to 65535"
    )
    callback_path: str = Field(
        default="/success",
        pattern=r"^/[A-Za-z0-9/_-]{0,100}$",
        description="Its path, as registered with Kite: '/' and letters, digits, '/', '_', '-'",
    )
    allow_yesterdays_instruments: bool = Field(
        default=False,
        description="Whether a session may run on an older dump when today's cannot be had: true or false",
    )


class WeekdayOverlaySettings(Part):
    """The same-weekday overlay."""

    alpha: float = Field(
        default=0.5, gt=0, le=1, description="Weight of the newest day in the moving average: above 0, to 1"
    )


class OverlaySettings(Part):
    """What is learned from many days."""

    weekday: WeekdayOverlaySettings = WeekdayOverlaySettings()


class PartitionSettings(Part):
    """Dagster's partitions."""

    first_date: date | None = Field(
        default=None,
        ge=date(2015, 1, 1),
        le=date(2100, 1, 1),
        description="First date partition, YYYY-MM-DD from 2015-01-01, or null: first of the month before installation",
    )


class HistorySettings(Part):
    """Dagster's own history: runs and their events. What they made stays known, and the lake is never touched."""

    keep_days: int = Field(
        default=35, ge=8, le=3650, description="Days after which finished runs are deleted: 8 to 3650"
    )


class LoggingSettings(Part):
    """What the processes write of what they do."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description='Least weight of an event to be written: "debug", "info", "warning" or "error"'
    )
    format: Literal["auto", "human", "json"] = Field(
        default="auto", description='Shape of a line: "human", "json", or "auto": human on a terminal, else JSON'
    )


class AlertRule(Part):
    """A threshold of your own on a number of `overview`."""

    underlying: IndexName = Field(description="Index it watches: one of indices")
    column: OverviewColumn = Field(description="Numeric column of overview, such as pcr_oi or india_vix")
    above: float | None = Field(default=None, description="Tell when the number rises above this: a number, or null")
    below: float | None = Field(default=None, description="Tell when the number falls below this: a number, or null")

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("names no threshold. Give above, below, or both")
        return self


class AlertSettings(Part):
    """What is sent out; the addresses to send to come from G6_ALERT_URLS."""

    repeat_minutes: int = Field(
        default=30, ge=1, le=1440, description="Least minutes between two messages of one kind: 1 to 1440"
    )
    rules: tuple[AlertRule, ...] = Field(
        default=(), max_length=100, description="Thresholds on numbers of overview: a list of rules"
    )


class CalendarSettings(Part):
    """Trading days beyond the shipped calendar."""

    override_file: Folder | None = Field(
        default=None, description="YAML file of more holidays and sessions: a path, or null"
    )


def _all_indices() -> dict[str, IndexSettings]:
    return {name: IndexSettings(expiries=spec.tags) for name, spec in INDICES.items()}


class ConfigFile(Part):
    """Settings of G6."""

    schema_file: str | None = Field(
        default=None, alias="$schema", description="The JSON Schema of this file, for editors"
    )
    version: Literal["3.0"] = Field(description='Shape of this file: "3.0"')
    data_dir: Folder = Field(
        default="data", description="Folder of the worlds: a path inside the project folder, or an absolute one"
    )
    collection: CollectionSettings = CollectionSettings()
    indices: dict[IndexName, IndexSettings] = Field(
        default_factory=_all_indices,
        description=f"What to collect, by index: {', '.join(INDICES)}",
        json_schema_extra={"propertyNames": {"enum": list(INDICES)}},
    )
    pricing: PricingSettings = PricingSettings()
    storage: StorageSettings = StorageSettings()
    kite: KiteSettings = KiteSettings()
    overlays: OverlaySettings = OverlaySettings()
    partitions: PartitionSettings = PartitionSettings()
    history: HistorySettings = HistorySettings()
    calendar: CalendarSettings = CalendarSettings()
    logging: LoggingSettings = LoggingSettings()
    alerts: AlertSettings = AlertSettings()

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        enabled = {name: index for name, index in self.indices.items() if index.enable}
        if not enabled:
            raise ValueError("no index is enabled. Set enable to true for at least one entry of indices")
        widest = max(enabled, key=lambda name: enabled[name].strikes_each_side)
        needed = 2 * enabled[widest].strikes_each_side + 1
        if self.collection.room_strikes < needed:
            raise ValueError(
                f"collection.room_strikes {self.collection.room_strikes} cannot hold the window of {widest} "
                f"(2 x {enabled[widest].strikes_each_side} + 1 strikes). Set it to {needed} or, for a day's drift, "
                f"{needed + 15}"
            )
        return self


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration file; `python -m g6_resources.settings` writes the shipped copy."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | ConfigFile.model_json_schema(by_alias=True)
