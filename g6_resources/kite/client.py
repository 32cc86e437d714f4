"""Kite Connect as a `QuoteSource`: what is asked, what the answers hold, and what counts as no answer.

The client's own parsing of quotes and instruments is passed by (two thirds of its time), so answers are as received.
Limits, retries and the session are in `calls`, the dump's rules in `instruments`.
"""

import logging
import os
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self, cast

import pandas as pd

from g6_market.calendar import IST
from g6_resources.clock import Beat, MarketClock
from g6_resources.kite.calls import CallStats, KiteCalls, Retry
from g6_resources.kite.failures import BadAnswer
from g6_resources.kite.figures import figures_of
from g6_resources.kite.http import quote_query
from g6_resources.kite.instruments import InstrumentCache, validate_dump
from g6_resources.kite.limiter import Limiter
from g6_resources.kite.token import Credentials, credentials_from
from g6_resources.metrics_state import Figures
from g6_resources.seams import QuoteAnswer, SourceError, TokenDead
from g6_resources.settings import Secrets
from g6_resources.world import DataRoot, WorldError
from g6_resources.world_state import read_simulator

QUOTE_BATCH = 500
"""Most instruments in one quote call (Kite Connect changelog)."""

YESTERDAYS_DUMP_DAYS = 5
"""Oldest dump that `allow_yesterdays_instruments` accepts: a long weekend."""

DEFAULT_LIMITS: Mapping[str, float] = {"quote": 1, "historical": 3, "other": 10}
"""Kite's limits: calls a second by family (forum 11404 and staff answer of April 2026)."""

_log = logging.getLogger(__name__)


class KiteSource:
    """Zerodha Kite Connect, or whatever speaks its protocol at another address.

    Parameters
    ----------
    credentials
        The app's key; its secret is not needed here.
    root_url
        Scheme, host and port of the API.
    clock
        The market's clock: deadlines, back-off, age of the cache.
    limiter
        Shared by all processes that use the key.
    token_file
        Read anew whenever a call is made, so that a login needs no restart.
    cache_dir
        Where instruments dumps are kept.
    retry, timeout_seconds, rng
        See `KiteCalls`.
    instruments_ttl_hours, allow_yesterdays_instruments
        See `KiteSettings`.
    beat
        Called while waiting and before each attempt; may be set later.
    """

    def __init__(
        self,
        credentials: Credentials,
        root_url: str,
        clock: MarketClock,
        limiter: Limiter,
        *,
        token_file: Path,
        cache_dir: Path,
        retry: Retry | None = None,
        timeout_seconds: float = 7.0,
        instruments_ttl_hours: float = 6.0,
        allow_yesterdays_instruments: bool = False,
        beat: Beat | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._calls = KiteCalls(
            credentials, root_url, clock, limiter, token_file, retry=retry, timeout_seconds=timeout_seconds, rng=rng
        )
        self._calls.beat = beat
        self._limiter = limiter
        self._clock = clock
        self._cache = InstrumentCache(cache_dir)
        self._ttl_hours = instruments_ttl_hours
        self._allow_yesterdays = allow_yesterdays_instruments

    @classmethod
    def for_root(
        cls,
        root: DataRoot,
        *,
        clock: MarketClock,
        root_url: str = "https://api.kite.trade",
        limits: Mapping[str, float] = DEFAULT_LIMITS,
        timeout_seconds: float = 7.0,
        instruments_ttl_hours: float = 6.0,
        allow_yesterdays_instruments: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the source of a world: Kite for the live one, else the simulator that serves it.

        Parameters
        ----------
        root_url
            Address of Kite; a simulated world never calls it.
        limits
            Calls a second by family.
        environ
            Where KITE_API_KEY is read from for the live world; by default this process's environment.

        Raises
        ------
        SettingsError
            If the live world has no KITE_API_KEY.
        WorldError
            If no simulator was started for a simulated world.
        """
        if root.world.kind == "live":
            credentials = credentials_from(Secrets.from_environ(os.environ if environ is None else environ))
            rng = random.Random()
        else:
            simulator = read_simulator(root)
            if simulator is None:
                raise WorldError(f"no simulator serves {root.path}; start one with `make demo` or `make dev`")
            credentials, root_url = Credentials(simulator.api_key), simulator.url
            # One seed gives one result, back-offs included.
            rng = random.Random(root.world.name)
        return cls(
            credentials,
            root_url,
            clock,
            Limiter(root.state, credentials.api_key, limits, clock),
            token_file=root.token_file,
            cache_dir=root.cache,
            timeout_seconds=timeout_seconds,
            instruments_ttl_hours=instruments_ttl_hours,
            allow_yesterdays_instruments=allow_yesterdays_instruments,
            rng=rng,
        )

    def __repr__(self) -> str:
        return f"KiteSource({self._calls.root_url!r})"

    @property
    def beat(self) -> Beat | None:
        """Called while waiting and before each attempt, so that a heartbeat goes on."""
        return self._calls.beat

    @beat.setter
    def beat(self, beat: Beat | None) -> None:
        self._calls.beat = beat

    @property
    def stats(self) -> Mapping[tuple[str, str], CallStats]:
        """Attempts so far by endpoint and result ("ok" or a cause)."""
        return self._calls.stats

    def figures(self) -> Figures:
        """Return what was counted so far, as the metrics hand it on; see `kite.figures`."""
        return figures_of(self._calls.stats, self._calls.retries, self._limiter)

    @property
    def batch_size(self) -> int:
        """Most keys in one quote call."""
        return QUOTE_BATCH

    def quotes(self, keys: Sequence[str], *, deadline: datetime | None = None) -> QuoteAnswer:
        """Ask for quotes in one call, retrying until the deadline.

        Parameters
        ----------
        keys
            At most `batch_size` of them, such as "NSE:NIFTY 50".
        deadline
            Market time, aware; by default the retry budget from now. One attempt is always made.

        Returns
        -------
        QuoteAnswer
            Entries as received (stamps are IST wall clock texts); keys Kite left out are in `missing`.

        Raises
        ------
        TokenDead
            If the session is not accepted.
        SourceError
            If Kite did not answer in time, or with nothing at all.
        """
        if not 0 < len(keys) <= QUOTE_BATCH:
            raise ValueError(f"{len(keys)} keys in one quote call; give 1 to {QUOTE_BATCH}, see batch_size")
        entries = self._calls.ask("quote", lambda data: _entries(data, keys), deadline, params=quote_query(tuple(keys)))
        missing = tuple(key for key in keys if key not in entries)
        return QuoteAnswer(entries, missing, self._clock.now())

    def instruments(self, exchanges: Sequence[str], *, max_age_hours: float | None = None) -> dict[str, bytes]:
        """Return the raw instruments CSV of each exchange, from the cache while it is fresh.

        Parameters
        ----------
        max_age_hours
            Instead of the settings' age; 0 fetches anew.

        Raises
        ------
        TokenDead
            If the session is not accepted.
        SourceError
            If a dump cannot be had, is empty or truncated, and the settings allow no older one.
        """
        max_age = timedelta(hours=self._ttl_hours if max_age_hours is None else max_age_hours)
        return {exchange: self._dump(exchange, max_age) for exchange in exchanges}

    def candles(self, token: int, start: datetime, end: datetime) -> pd.DataFrame:
        """Return the minute candles that begin in [start, end).

        Returns
        -------
        DataFrame
            start (aware IST), open, high, low, close (DOUBLE), volume, oi (Int64; oi null where Kite sends none). A
            minute without a trade has no candle, so the frame may be empty.

        Raises
        ------
        TokenDead
            If the session is not accepted.
        SourceError
            If Kite did not answer within the retry budget.
        """
        wall = "%Y-%m-%d %H:%M:%S"
        frame = self._calls.ask(
            "candles",
            _candle_frame,
            None,
            url_args={"instrument_token": token, "interval": "minute"},
            params={
                "from": start.astimezone(IST).strftime(wall),
                "to": end.astimezone(IST).strftime(wall),
                "interval": "minute",
                "continuous": 0,
                "oi": 1,
            },
        )
        # Whether Kite's own range includes its end is not documented.
        return frame[(frame["start"] >= start) & (frame["start"] < end)].reset_index(drop=True)

    def check(self) -> None:
        """Raise `TokenDead` unless Kite accepts the session, `SourceError` when that cannot be told.

        After a refusal Kite is not asked again until the token file changes.
        """
        self._calls.ask("profile", lambda data: data, None)

    def _dump(self, exchange: str, max_age: timedelta) -> bytes:
        cached = self._cache.get(exchange)
        if cached is not None and cached.is_fresh(self._clock.now(), max_age):
            return cached.path.read_bytes()

        def accept(data: object) -> bytes:
            if not isinstance(data, bytes):
                raise BadAnswer(f"the {exchange} instruments dump is no CSV but JSON")
            validate_dump(data, exchange, cached)
            return data

        try:
            dump = self._calls.ask("instruments", accept, None, url_args={"exchange": exchange})
        except SourceError as error:
            oldest = self._clock.now() - timedelta(days=YESTERDAYS_DUMP_DAYS)
            if (
                not self._allow_yesterdays
                or isinstance(error, TokenDead)
                or cached is None
                or cached.fetched_at < oldest
            ):
                raise
            _log.warning(
                "%s; the dump of %s is used, as the settings allow", error, f"{cached.fetched_at:%Y-%m-%d %H:%M}"
            )
            return cached.path.read_bytes()
        self._cache.put(exchange, dump, self._clock.now())
        return dump


def _entries(data: object, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not isinstance(data, dict):
        raise BadAnswer(f"quotes came as {type(data).__name__}, not as an object")
    answered = cast(dict[str, Any], data)
    entries = {key: answered[key] for key in keys if key in answered}
    if not entries:
        raise BadAnswer(f"an empty answer to {len(keys)} keys from {keys[0]} to {keys[-1]}")
    if not all(isinstance(entry, dict) for entry in entries.values()):
        raise BadAnswer("a quote that is no object")
    return entries


def _candle_frame(data: object) -> pd.DataFrame:
    if not isinstance(data, dict) or not isinstance(candles := cast(dict[str, Any], data).get("candles"), list):
        raise BadAnswer("candles came without their list")
    rows = [(*candle, None)[:7] for candle in cast(list[list[Any]], candles)]
    frame = pd.DataFrame(rows, columns=["start", "open", "high", "low", "close", "volume", "oi"])
    frame["start"] = pd.to_datetime(frame["start"], format="%Y-%m-%dT%H:%M:%S%z", utc=True).dt.tz_convert(IST)
    prices = dict.fromkeys(["open", "high", "low", "close"], "float64")
    return frame.astype(prices | {"volume": "Int64", "oi": "Int64"})
