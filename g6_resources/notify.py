"""Alerts sent on to people: by e-mail, Telegram, Slack and a hundred others, through Apprise.

An alert that somebody told (`alerts`) goes out once; of one kind at most one message in a while, which says how many it
stands for. What could not be sent is tried again, also after a restart. The addresses hold passwords and tokens, so
they come from G6_ALERT_URLS and are shown nowhere.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from g6_resources.alerts import Alert, AlertLog
from g6_resources.clock import SystemTime
from g6_resources.files import read_json, write_json
from g6_resources.redaction import Redactor
from g6_resources.settings import Secrets, SettingsError

# Longer texts are cut by most services anyway.
LONGEST_TEXT = 1500


class Notifier:
    """Sends messages to every address of G6_ALERT_URLS.

    Parameters
    ----------
    addresses
        Apprise's addresses, such as "tgram://<bot>/<chat>" or "mailto://...".

    Raises
    ------
    SettingsError
        If one of them is none.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        from apprise import Apprise, AppriseAsset  # costs 0.3 s

        # It names addresses in what it logs.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        asset = AppriseAsset(app_id="G6", app_desc="G6", app_url="")
        self._apprise = Apprise(asset=asset)
        for place, address in enumerate(addresses, start=1):
            if not self._apprise.add(address):
                raise SettingsError(
                    f"G6_ALERT_URLS: address {place} of {len(addresses)} is none that Apprise knows (not shown, since "
                    "it may hold a password); correct it, see https://github.com/caronc/apprise/wiki"
                )

    def __repr__(self) -> str:
        return f"Notifier({len(self._apprise)} addresses)"

    @classmethod
    def from_secrets(cls, secrets: Secrets) -> "Notifier":
        """Return the notifier of the environment.

        Raises
        ------
        SettingsError
            If G6_ALERT_URLS is not set, or holds what is no address.
        """
        text = secrets.g6_alert_urls.get_secret_value() if secrets.g6_alert_urls else ""
        addresses = [part for part in re.split(r"[\s,]+", text) if part]
        if not addresses:
            raise SettingsError(
                "G6_ALERT_URLS is not set, so there is nobody to tell; set it in the environment to Apprise addresses, "
                "separated by spaces (see config/environment.template)"
            )
        return cls(addresses)

    def send(self, title: str, text: str) -> bool:
        """Send one message; return whether every address took it."""
        return bool(self._apprise.notify(body=text, title=title))


@dataclass
class _Waiting:
    """Alerts of one kind that were not sent yet: how many, since when, and the last one's text."""

    count: int
    since: datetime
    text: str


@dataclass
class _Memory:
    """What was read of the log and sent of each kind; kept on disk."""

    offset: int = 0
    sent: dict[str, datetime] = field(default_factory=dict)
    waiting: dict[str, _Waiting] = field(default_factory=dict)


class Dispatcher:
    """Sends the alerts of a world as they are told.

    Parameters
    ----------
    alerts
        The world's alerts; those told before the first dispatcher ever looked are left alone.
    memory
        File that says what was sent.
    repeat
        Least time between two messages of one kind.
    """

    def __init__(
        self,
        alerts: AlertLog,
        memory: Path,
        notifier: Notifier,
        *,
        world: str,
        repeat: timedelta,
        redactor: Redactor | None = None,
        system: SystemTime | None = None,
    ) -> None:
        self._alerts = alerts
        self._path = memory
        self._notifier = notifier
        self._world = world
        self._repeat = repeat
        self._redactor = redactor or Redactor()
        self._system = system or SystemTime()
        self._memory = _read_memory(memory) or _Memory(offset=alerts.size())

    def deliver(self) -> int:
        """Send what is new or was held back long enough; return the number of messages sent."""
        memory = self._memory
        told, memory.offset = self._alerts.since(memory.offset)
        for alert in told:
            self._hold(alert)
        sent = 0
        now = self._system.now()
        for kind in list(memory.waiting):
            last = memory.sent.get(kind)
            if last is not None and now - last < self._repeat:
                continue
            if self._notifier.send(f"G6 {self._world}: {kind}", self._text(memory.waiting[kind])):
                memory.sent[kind] = now
                del memory.waiting[kind]
                sent += 1
        _write_memory(self._path, memory)
        return sent

    def _hold(self, alert: Alert) -> None:
        before = self._memory.waiting.get(alert.kind)
        self._memory.waiting[alert.kind] = (
            _Waiting(1, alert.at, alert.text)
            if before is None
            else _Waiting(before.count + 1, before.since, alert.text)
        )

    def _text(self, waiting: _Waiting) -> str:
        more = f" ({waiting.count} of this kind since {waiting.since:%H:%M})" if waiting.count > 1 else ""
        text = self._redactor.text(waiting.text)
        return (text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "...") + more


def _read_memory(path: Path) -> _Memory | None:
    try:
        content = read_json(path)
        return _Memory(
            offset=int(content["offset"]),
            sent={kind: datetime.fromisoformat(at) for kind, at in content["sent"].items()},
            waiting={
                kind: _Waiting(int(one["count"]), datetime.fromisoformat(one["since"]), str(one["text"]))
                for kind, one in content["waiting"].items()
            },
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_memory(path: Path, memory: _Memory) -> None:
    content: dict[str, Any] = {
        "offset": memory.offset,
        "sent": {kind: at.isoformat() for kind, at in memory.sent.items()},
        "waiting": {
            kind: {"count": one.count, "since": one.since.isoformat(), "text": one.text}
            for kind, one in memory.waiting.items()
        },
    }
    write_json(path, content)
