"""One call to Kite: limited, with the token of the moment, retried until its deadline, counted.

The kiteconnect client makes it, imported on first use because that costs 0.3 to 0.9 s. What a failure means is in
`failures`; which calls there are, and what their answers hold, in `client`.
"""

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import requests

from g6_resources.clock import Beat, MarketClock, SystemTime
from g6_resources.kite.failures import BadAnswer, Failure, failure_of
from g6_resources.kite.http import KiteSession
from g6_resources.kite.limiter import Limiter
from g6_resources.kite.token import Credentials, live_token
from g6_resources.metrics_state import LATENCY_BOUNDS
from g6_resources.seams import SourceError, TokenDead

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_Answer = TypeVar("_Answer")

# Route of the kiteconnect client and family of limits, by the name under which calls are counted.
_ENDPOINTS = {
    "quote": ("market.quote", "quote"),
    "instruments": ("market.instruments", "other"),
    "candles": ("market.historical", "historical"),
    "profile": ("user.profile", "other"),
}

_REMEDIES = {
    "bad request": "It is not tried again: correct what was asked for, or the app's plan",
    "rate limited": "Something else uses this API key; see kite.limits",
    "network": "Check the connection of this machine",
}
_REMEDY = "Kite's status page tells whether it is down; the next call tries again"


@dataclass(frozen=True, slots=True)
class Retry:
    """When to try again.

    Parameters
    ----------
    first_seconds, most_seconds
        Pause after the first failure, doubled after each further one up to the most; each is varied by half of itself
        so that processes do not come back together.
    budget_seconds
        Market time a call without a deadline may take.
    """

    first_seconds: float = 0.5
    most_seconds: float = 8.0
    budget_seconds: float = 20.0


@dataclass(slots=True)
class CallStats:
    """Calls of one endpoint with one result, and their time on the wire by the system's clock.

    Parameters
    ----------
    within
        Of the calls, how many took at most each of `LATENCY_BOUNDS` and more than the one before; the last counts the
        longer ones.
    """

    calls: int = 0
    seconds: float = 0.0
    within: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))

    def add(self, seconds: float) -> None:
        """Count one call."""
        self.calls += 1
        self.seconds += seconds
        self.within[bisect_left(LATENCY_BOUNDS, seconds)] += 1


class KiteCalls:
    """Calls to one Kite address with one API key.

    Parameters
    ----------
    credentials
        The app's key; its secret is not needed here.
    root_url
        Scheme, host and port of the API.
    clock
        The market's clock: deadlines and back-off.
    limiter
        Shared by all processes that use the key.
    token_file
        Read anew whenever a call is made, so that a login needs no restart.
    timeout_seconds
        Patience with one attempt, in system time.
    rng
        Source of the back-off's jitter; a seeded one makes a driven day repeatable.
    """

    def __init__(
        self,
        credentials: Credentials,
        root_url: str,
        clock: MarketClock,
        limiter: Limiter,
        token_file: Path,
        *,
        retry: Retry | None = None,
        timeout_seconds: float = 7.0,
        rng: random.Random | None = None,
        system: SystemTime | None = None,
    ) -> None:
        self.root_url = root_url
        self.beat: Beat | None = None
        self.stats: dict[tuple[str, str], CallStats] = {}
        self.retries: Counter[str] = Counter()
        self._credentials = credentials
        self._clock = clock
        self._limiter = limiter
        self._token_file = token_file
        self._retry = retry or Retry()
        self._timeout = timeout_seconds
        self._rng = rng or random.Random()
        self._system = system or SystemTime()
        self._kite: Any = None
        self._refused_file: tuple[int, int] | None = None
        self._failed: tuple[datetime, str] | None = None  # deadline and cause of the latest attempt that failed

    def ask(
        self,
        endpoint: str,
        accept: Callable[[object], _Answer],
        deadline: datetime | None,
        *,
        url_args: dict[str, Any] | None = None,
        params: dict[str, Any] | str | None = None,
    ) -> _Answer:
        """Call until an answer is accepted, the deadline is near, or trying again cannot help.

        Parameters
        ----------
        endpoint
            "quote", "instruments", "candles" or "profile".
        accept
            Returns what the answer means, or raises `BadAnswer`.
        deadline
            Market time; by default the retry budget from now. One attempt is always made, unless the calls before
            have left no second for it.
        url_args, params
            Parts of the address, and its query; a text is one that is encoded already.

        Raises
        ------
        TokenDead
            If the session is not accepted; until the token file changes, Kite is not asked again.
        SourceError
            If no answer was accepted.
        """
        route, family = _ENDPOINTS[endpoint]
        deadline = deadline or self._clock.now() + timedelta(seconds=self._retry.budget_seconds)
        attempts = 0
        while True:
            token_file = self._use_token()
            self._acquire(family, deadline)
            if self.beat is not None:
                self.beat()
            attempts += 1
            if attempts > 1:
                self.retries[endpoint] += 1
            self._kite.timeout = min(self._timeout, max((deadline - self._clock.now()).total_seconds(), 1.0))
            outcome = self._attempt(endpoint, accept, route, url_args, params)
            if not isinstance(outcome, Failure):
                return cast(_Answer, outcome)
            self._failed = deadline, outcome.cause
            if outcome.cause == "token dead":
                self._refused_file = token_file
                raise TokenDead(f"Kite does not accept the session token ({outcome.text}); run `g6 login`")
            pause = self._pause_after(attempts)
            if not outcome.retry or self._clock.now() + timedelta(seconds=pause) >= deadline:
                times = "once" if attempts == 1 else f"{attempts} times"
                raise SourceError(
                    f"Kite's {endpoint} call at {self.root_url} failed {times}, last with: {outcome.text}. "
                    f"{_REMEDIES.get(outcome.cause, _REMEDY)}",
                    outcome.cause,
                )
            self._clock.pause(pause, self.beat)

    def _acquire(self, family: str, deadline: datetime) -> None:
        try:
            self._limiter.acquire(family, deadline=deadline, beat=self.beat)
        except SourceError as error:
            if self._failed is None or self._failed[0] != deadline:
                raise
            # Calls of one snapshot have one deadline. The seconds before it were used up by calls that failed and were
            # tried again, answered in the end or not: theirs is the cause, no other client.
            raise SourceError(str(error), self._failed[1]) from error

    def _attempt(
        self,
        endpoint: str,
        accept: Callable[[object], _Answer],
        route: str,
        url_args: dict[str, Any] | None,
        params: dict[str, Any] | str | None,
    ) -> _Answer | Failure:
        from kiteconnect.exceptions import KiteException

        began = self._system.monotonic()
        result = "ok"
        try:
            return accept(self._kite._get(route, url_args=url_args, params=params))
        except (
            KiteException,
            requests.RequestException,
            BadAnswer,
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
        ) as error:
            # Returned, not raised: an exception in a chain would show what the answer held.
            credentials = self._credentials
            failure = failure_of(error, (self._kite.access_token, credentials.api_key, credentials.api_secret))
            result = failure.cause
            return failure
        finally:
            self.stats.setdefault((endpoint, result), CallStats()).add(self._system.monotonic() - began)

    def _pause_after(self, attempts: int) -> float:
        pause = min(self._retry.first_seconds * 2 ** (attempts - 1), self._retry.most_seconds)
        return pause * self._rng.uniform(0.5, 1.5)

    def _use_token(self) -> tuple[int, int] | None:
        """Give the client the stored token, and return which version of the file it is from."""
        version = None
        if self._token_file.exists():
            status = self._token_file.stat()
            version = (status.st_ino, status.st_mtime_ns)
        if version is not None and version == self._refused_file:
            raise TokenDead(f"Kite refused the session token in {self._token_file}; run `g6 login`")
        token = live_token(self._token_file, self._credentials.api_key, self._clock.now())
        if self._kite is None:
            self._kite = make_client(self._credentials, self.root_url, self._timeout)
        self._kite.set_access_token(token.access_token)
        return version


def make_client(credentials: Credentials, root_url: str, timeout_seconds: float) -> Any:
    """Return a kiteconnect client; never in its debug mode, which logs the token."""
    from kiteconnect import KiteConnect  # costs 0.3 to 0.9 s

    kite = KiteConnect(credentials.api_key, root=root_url, timeout=timeout_seconds)
    kite.reqsession = KiteSession()
    # A proxy or .netrc of the environment is for the internet; on loopback it would get in the way.
    kite.reqsession.trust_env = urlsplit(root_url).hostname not in _LOOPBACK
    return kite
