"""Checks of what is reached over the network: Kite and its clock, InfluxDB, Redis, the addresses of alerts."""

from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

from g6.doctor.patient import Finding, Patient, fail, ok, skip, warn
from g6_resources.hot_cache import HotCache
from g6_resources.influx import InfluxServer
from g6_resources.kite.token import live_token
from g6_resources.notify import Notifier
from g6_resources.seams import SinkError, TokenDead
from g6_resources.settings import SettingsError
from g6_resources.spool import Backlog, Spool
from g6_resources.world_state import read_simulator

PATIENCE_SECONDS = 5.0
# Kite's Date header has whole seconds, and the answer's way takes a part of one.
DRIFT_WARN_SECONDS, DRIFT_FAIL_SECONDS = 2.0, 10.0


def kite(patient: Patient) -> Iterator[Finding]:
    """Whether the broker answers, takes the stored token, and whether our clock agrees with its own."""
    address = _address(patient)
    if address is None:
        yield skip("kite", "the simulator of this world is not running")
        return
    token = _token(patient)
    try:
        with requests.Session() as session:
            # A proxy of the environment is for the internet.
            session.trust_env = address.startswith("https:")
            # Without a token any answer will do; it is a refusal.
            path, headers = ("/user/profile", {"X-Kite-Version": "3", "Authorization": token}) if token else ("", {})
            answer = session.get(address + path, headers=headers, timeout=PATIENCE_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        text = f"{address} does not answer ({type(error).__name__})"
        if patient.root is not None and not patient.is_live:
            yield skip("kite", f"{text}: the simulator is not running")
        else:
            yield fail("kite", text, "check the connection of this machine, then Kite's status page")
        return
    if token and answer.status_code == HTTPStatus.FORBIDDEN:
        text = f"{address} answers, and no longer takes the stored token: it was ended elsewhere, or a newer login did"
        yield fail("kite", text, "`g6 login`")
    else:
        yield ok("kite", f"{address} answers" + (" and takes the token" if token and answer.ok else ""))
    yield _drift(answer.headers.get("Date"), patient.system.now())


def influx(patient: Patient) -> Iterator[Finding]:
    """Whether InfluxDB takes what is sent."""
    settings = patient.settings.storage.influx
    if not settings.enabled:
        yield skip("influx", "storage.influx is not enabled")
        return
    server = InfluxServer.from_environment(settings.url, settings.org, settings.bucket)
    try:
        if server.ping():
            server.admits()
            yield ok("influx", f"{settings.url} takes points for the bucket {settings.bucket}")
        else:
            remedy = "start it; what waits in the spool is then delivered"
            yield warn("influx", f"{settings.url} does not answer", remedy)
    except SinkError as error:
        yield warn("influx", str(error), "correct INFLUX_TOKEN, or make the bucket; what waits is then delivered")
    finally:
        server.close()
    if patient.root is not None:
        yield from _spooled(Spool(patient.root.spool / "influx", 0).backlog())


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
        text = f"{settings.url} does not answer, or not to this REDIS_PASSWORD"
        yield warn("redis", text, "start it, or correct the password; until then the latest is kept in memory")


def notifications(patient: Patient) -> Iterator[Finding]:
    """Whether alerts have somewhere to go."""
    if patient.settings.secrets.g6_alert_urls is None:
        yield warn("alerts", "nobody is told", "set G6_ALERT_URLS and run `g6 alerts` (docs/monitoring.md)")
        return
    try:
        notifier = Notifier.from_secrets(patient.settings.secrets)
    except SettingsError as error:
        yield fail("alerts", str(error), "then `g6 alerts --test`")
        return
    yield ok("alerts", f"{notifier}; `g6 alerts --test` sends one")


def _address(patient: Patient) -> str | None:
    if patient.root is None or patient.is_live:
        return patient.settings.kite.root
    simulator = read_simulator(patient.root)
    return simulator.url if simulator else None


def _token(patient: Patient) -> str | None:
    """Return the header of a call with the stored token, None if there is none that could be taken."""
    key = patient.api_key
    if patient.root is None or key is None:
        return None
    try:
        return f"token {key}:{live_token(patient.root.token_file, key, patient.now).access_token}"
    except TokenDead:
        return None


def _spooled(backlog: Backlog) -> Iterator[Finding]:
    if backlog.files and backlog.oldest is not None:
        text = f"{backlog.files} snapshots wait for it, the oldest since {backlog.oldest:%a %H:%M}"
        yield warn("influx", text, "they are delivered in order while a session runs, or by `influx_delivery`")
    if backlog.dropped:
        text = f"{backlog.dropped} snapshots were given up: its spool was full, or it refused them"
        yield warn("influx", text, "materialise `influx_delivery` of their day, which writes what is lacking")


def _drift(header: str | None, now: datetime) -> Finding:
    if header is None:
        return skip("clock", "the broker's answer has no date")
    ahead = (now - parsedate_to_datetime(header)).total_seconds()
    text = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the broker's"
    remedy = "let the machine keep time: `timedatectl set-ntp true`"
    if abs(ahead) > DRIFT_FAIL_SECONDS:
        return fail("clock", text, remedy)
    return warn("clock", text, remedy) if abs(ahead) > DRIFT_WARN_SECONDS else ok("clock", text)
