"""Secrets taken out of whatever is about to be shown: logs, crash traces, messages that are sent.

Nothing of ours puts a secret into a text on purpose; this is the net below, for what other people's code says.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from g6_resources.files import read_json
from g6_resources.settings.secrets import SECRET_KEY

HIDDEN = "***"
# Shorter ones would take words apart, and no key or token is.
_LEAST_LENGTH = 4
_SECRET_VARIABLE = re.compile(r"API_?KEY|SECRET|TOKEN|PASSW|ALERT_URLS", re.IGNORECASE)
_PATTERNS = (
    # access_token=..., "api_secret": "...", password: ...
    re.compile(
        r"(?i)\b((?:\w*_)?(?:api_?key|secret|token|checksum|password|passwd)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;)}\]]+"
    ),
    # Authorization: token <key>:<token>; Bearer ...
    re.compile(r"(?i)\b(token\s+)[\w-]+:[\w-]+"),
    re.compile(r"(?i)\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}"),
    # what stands between :// and @ of an address
    re.compile(r"(://)[^/\s@]+(?=@)"),
)


class Redactor:
    """Replaces the secrets of this process and everything that looks like one.

    Parameters
    ----------
    environ
        Where the secrets are that this process was given; by default its own environment.
    token_file
        The world's session token, read again whenever it changes.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, token_file: Path | None = None) -> None:
        environ = os.environ if environ is None else environ
        # By their names: also those of libraries, such as AWS_SECRET_ACCESS_KEY, which are no settings of ours.
        given = (value for name, value in environ.items() if _SECRET_VARIABLE.search(name))
        self._given = [part for secret in given for part in _parts(secret)]
        self._token_file = token_file
        self._token_version = 0
        self._token = ""

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in (*self._given, self._current_token()):
            if len(secret) >= _LEAST_LENGTH:
                text = text.replace(secret, HIDDEN)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\1{HIDDEN}", text)
        return text

    def value(self, value: Any, name: str = "") -> Any:
        """Return a value of a log event without secrets; one whose name says that it is a secret is hidden whole."""
        if isinstance(value, Mapping):
            pairs = cast(Mapping[Any, Any], value)
            return {key: self.value(inner, str(key)) for key, inner in pairs.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(inner, name) for inner in cast(list[Any], value)]
        if isinstance(value, bool | int | float) or value is None:
            return value
        return HIDDEN if SECRET_KEY.fullmatch(name) else self.text(str(value))

    def _current_token(self) -> str:
        if self._token_file is None:
            return ""
        try:
            version = self._token_file.stat().st_mtime_ns
            if version != self._token_version:
                self._token = str(read_json(self._token_file).get("access_token", ""))
                self._token_version = version
        except (OSError, ValueError):
            pass  # no token, or half of one: nothing to hide
        return self._token


def _parts(secret: str) -> list[str]:
    """Return what to look for: a list of addresses (G6_ALERT_URLS) is shown one at a time, if at all."""
    return [secret, *(part for part in re.split(r"[\s,]+", secret) if part != secret)]
