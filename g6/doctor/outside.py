"""Checks of what is reached over the network: Kite and its clock, InfluxDB, Redis, the addresses of alerts."""

from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

import requests

from g6.doctor.patient import Finding, Patient, fail, ok, skip, warn
from g6_resources.hot_cache import HotCache
from g6_resources.influx import InfluxServer
from g6_resources.notify import Notifier
from g6_resources.settings import SettingsError
from g6_resources.world_state import read_simulator

PATIENCE_SECONDS = 5.0
# Kite's Date header has whole seconds, and the answer's way takes a part of one.
DRIFT_WARN_SECONDS, DRIFT_FAIL_SECONDS = 2.0, 10.0


def kite(patient: Patient) -> Iterator[Finding]:
    """Whether the broker answers, and whether our clock agrees with its own."""
    address = _address(patient)
    if address is None:
        yield skip("kite", "the simulator of this world is not running")
        return
    try:
        with requests.Session() as session:
            # A proxy of the environment is for the internet.
            session.trust_env = address.startswith("https:")
            # Any answer will do: without a token it is a refusal, and costs nothing of the limits.
            answer = session.get(address, timeout=PATIENCE_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        text = f"{address} does not answer ({type(error).__name__})"
        if patient.root is not None and patient.root.world.kind != "live":
            yield skip("kite", f"{text}: the simulator is not running")
        else:
            yield fail("kite", text, "check the connection of this machine, then Kite's status page")
        return
    yield ok("kite", f"{address} answers")
    yield _drift(answer.headers.get("Date"), patient.system.now())


def influx(patient: Patient) -> Iterator[Finding]:
    """Whether InfluxDB takes what is sent."""
    settings = patient.settings.storage.influx
    if not settings.enabled:
        yield skip("influx", "storage.influx is not enabled")
        return
    server = InfluxServer.from_environment(settings.url, settings.org, settings.bucket)
    try:
        answers = server.ping()
    finally:
        server.close()
    if answers:
        yield ok("influx", f"{settings.url} answers")
    else:
        yield warn("influx", f"{settings.url} does not answer", "start it; what waits in the spool is then delivered")


def redis(patient: Patient) -> Iterator[Finding]:
    """Whether Redis answers."""
    settings = patient.settings.storage.redis
    if not settings.enabled:
        yield skip("redis", "storage.redis is not enabled")
        return
    cache = HotCache.from_environment(settings.url, "doctor", settings.ttl_seconds)
    try:
        answers = cache.ping()
    finally:
        cache.close()
    if answers:
        yield ok("redis", f"{settings.url} answers")
    else:
        yield warn("redis", f"{settings.url} does not answer", "start it; until then the latest is kept in memory")


def notifications(patient: Patient) -> Iterator[Finding]:
    """Whether alerts have somewhere to go."""
    if patient.settings.secrets.g6_alert_urls is None:
        yield warn("alerts", "nobody is told", "set G6_ALERT_URLS and run `g6 alerts` (docs/operations.md)")
        return
    try:
        notifier = Notifier.from_secrets(patient.settings.secrets)
    except SettingsError as error:
        yield fail("alerts", str(error), "then `g6 alerts --test`")
        return
    yield ok("alerts", f"{notifier}; `g6 alerts --test` sends one")


def _address(patient: Patient) -> str | None:
    if patient.root is None or patient.root.world.kind == "live":
        return patient.settings.kite.root
    simulator = read_simulator(patient.root)
    return simulator.url if simulator else None


def _drift(header: str | None, now: datetime) -> Finding:
    if header is None:
        return skip("clock", "the broker's answer has no date")
    ahead = (now - parsedate_to_datetime(header)).total_seconds()
    text = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the broker's"
    remedy = "let the machine keep time: `timedatectl set-ntp true`"
    if abs(ahead) > DRIFT_FAIL_SECONDS:
        return fail("clock", text, remedy)
    return warn("clock", text, remedy) if abs(ahead) > DRIFT_WARN_SECONDS else ok("clock", text)
