"""What nobody inside Dagster can notice, judged from outside by the metrics: a silent session or daemon, a full disk.

Pure: samples in, sentences out. Who tells them is the `g6 alerts` process; Prometheus' rules in `deploy` say the same
for those who run one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from g6_resources.metrics import Samples, Times

# The sensor relaunches a silent session within a minute; who is silent for longer is not being relaunched.
SILENT_SECONDS = 120.0
TICK_SECONDS = 180.0
LEAST_DISK_BYTES = 2e9


@dataclass(frozen=True, slots=True)
class Concern:
    """A state of the world that a person must hear of."""

    kind: str
    text: str


def concerns(samples: Samples) -> list[Concern]:
    """Return what is wrong at this moment; nothing while there is no world."""
    if "g6_world" not in samples:
        return []
    found = (judge(samples) for judge in _JUDGES)
    return [concern for concern in found if concern is not None]


def _session(samples: Samples) -> Concern | None:
    silent = _number(samples, "g6_heartbeat_age_seconds")
    if not _number(samples, "g6_market_open") or (silent is not None and silent <= SILENT_SECONDS):
        return None
    since = "no session has run" if silent is None else f"no heartbeat for {silent:.0f} s"
    return Concern(
        "session silent",
        f"the market is open and {since}: nothing is captured. `g6 doctor` says what is missing; is the daemon "
        "running, was the session cancelled?",
    )


def _daemon(samples: Samples) -> Concern | None:
    silent = _number(samples, "g6_daemon_tick_age_seconds")
    if silent is None or silent <= TICK_SECONDS:
        return None
    return Concern(
        "daemon silent",
        f"Dagster's daemon has run no sensor for {silent:.0f} s, so a session that dies is not relaunched: "
        "`systemctl restart g6-daemon`",
    )


def _token(samples: Samples) -> Concern | None:
    if not _number(samples, "g6_market_open") or _number(samples, "g6_token_valid") != 0:
        return None
    return Concern("token dead", "the market is open and there is no valid session token: run `g6 login`")


def _disk(samples: Samples) -> Concern | None:
    free = _number(samples, "g6_disk_free_bytes")
    if free is None or free >= LEAST_DISK_BYTES:
        return None
    return Concern("disk low", f"{free / 1e9:.1f} GB are free on the disk of the data folder: make room")


_JUDGES: tuple[Callable[[Samples], Concern | None], ...] = (_session, _daemon, _token, _disk)


def _number(samples: Samples, name: str) -> float | None:
    value = samples.get(name, {}).get(())
    return None if isinstance(value, Times) else value
