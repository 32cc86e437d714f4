"""What a failed call means: its cause, and whether to try again.

The policy is the table below, by HTTP status; kiteconnect's exceptions carry it as `code`, except where the answer was
no JSON at all.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import requests

BAD_ANSWER = "bad answer"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt.

    Parameters
    ----------
    cause
        Word for `SourceError.cause`.
    text
        What came back, without secrets, on one line.
    retry
        Whether another attempt may help.
    """

    cause: str
    text: str
    retry: bool


# Source: Kite Connect's documentation of exceptions, and forum 11404 on 429.
_BY_STATUS = {
    400: ("bad request", False),
    403: ("bad request", False),
    404: ("bad request", False),
    405: ("bad request", False),
    410: ("bad request", False),
    429: ("rate limited", True),
    500: ("server error", True),
    502: ("server error", True),
    503: ("server error", True),
    504: ("server error", True),
}


class BadAnswer(Exception):
    """Kite answered, but not with what was asked for."""


def failure_of(error: Exception, secrets: Iterable[str]) -> Failure:
    """Classify what a call raised: of kiteconnect, requests, `BadAnswer`, or Python's own from inside the client."""
    from kiteconnect import exceptions as kite  # importing kiteconnect costs 0.3 to 0.9 s

    text = cleaned(str(error), secrets)
    if isinstance(error, kite.TokenException):
        return Failure("token dead", text, retry=False)
    if isinstance(error, kite.PermissionException):
        return Failure("bad request", f"{text} (the Kite app's plan lacks market data)", retry=False)
    if isinstance(error, kite.DataException):
        return Failure(BAD_ANSWER, text, retry=True)
    if isinstance(error, kite.KiteException):
        status: int = error.code
        cause, retry = _BY_STATUS.get(status, ("bad request", False) if status < 500 else ("server error", True))
        return Failure(cause, f"HTTP {status}: {text}", retry)
    if isinstance(error, requests.RequestException):
        return Failure("network", f"{type(error).__name__}: {text}", retry=True)
    if isinstance(error, BadAnswer):
        return Failure(BAD_ANSWER, text, retry=True)
    # The client indexes answers without looking: no Content-Type, or no "data", surfaces as KeyError and its like.
    return Failure(BAD_ANSWER, f"an answer the Kite client cannot read ({type(error).__name__}: {text})", retry=True)


def cleaned(text: str, secrets: Iterable[str]) -> str:
    """Return a message on one line, at most 200 characters, with every secret and query string taken out."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = re.sub(r"(?<=\w)\?\S+", "?...", text)
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:197] + "..."
