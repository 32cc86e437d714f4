"""The HTTP side: Kite Connect's endpoints over a feed, with limits, faults and a control door under /sim.

What is answered comes from `feed` or `replay`; how a quote looks is `wire`'s. Starting and stopping is `server`'s.
"""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from g6_market.calendar import IST, TradingCalendar
from g6_sim.accounts import Accounts
from g6_sim.candles import INTERVAL_MINUTES, MAX_DAYS
from g6_sim.clock import ClockError, SimClock
from g6_sim.config import API_KEY, SimConfig
from g6_sim.dump import HEADER
from g6_sim.faults import Fault, FaultError, FaultPlan, parse_faults
from g6_sim.feed import Feed, MarketFeed
from g6_sim.limits import Family, RateLimits, RequestLog, Served
from g6_sim.replay import ReplayFeed
from g6_sim.replies import ApiError, broken, failure, json_response, no_route, success
from g6_sim.wire import QuoteForm, stamp

MAX_SYMBOLS: dict[QuoteForm, int] = {"full": 500, "ohlc": 1000, "ltp": 1000}
"""Instruments a call of each quote endpoint may ask for. What Kite does beyond is not documented; here it is a 400."""

EXCHANGES = ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX")

_PROFILE = {
    "user_id": "SIM001",
    "user_type": "individual",
    "email": "sim@example.com",
    "user_name": "Simulated User",
    "user_shortname": "Simulated",
    "broker": "ZERODHA",
    "exchanges": list(EXCHANGES),
    "products": ["CNC", "NRML", "MIS", "BO", "CO"],
    "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
    "avatar_url": None,
    "meta": {"demat_consent": "consent"},
}

Answer = Callable[[Request, datetime], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(config: SimConfig) -> Starlette:
    """Build the simulator's application.

    Raises
    ------
    recording.RecordingError
        If a replay was asked for and nothing is recorded there.
    """
    return _Simulator(config).app()


class _Simulator:
    def __init__(self, config: SimConfig) -> None:
        calendar = TradingCalendar.load(override=config.calendar_override)
        start = datetime.combine(config.trade_date, time(9), IST) if config.mode == "driven" else None
        self._config = config
        self._clock = SimClock(start, timedelta(seconds=config.shift_seconds))
        self._feed: Feed = (
            MarketFeed(config.seed, calendar, config.indices, config.padding_rows, config.long_index_form)
            if config.replay is None
            else ReplayFeed(config.replay, config.trade_date, config.indices)
        )
        self._accounts = Accounts(config.access_token)
        self._limits = RateLimits()
        self._log = RequestLog()
        self._plan = FaultPlan(config.seed, parse_faults(config.faults))
        self._compressed: dict[str, tuple[object, bytes]] = {}

    def app(self) -> Starlette:
        routes = [
            Route("/instruments", self._kite("other", self._instruments)),
            Route("/instruments/historical/{token}/{interval}", self._kite("historical", self._historical)),
            Route("/instruments/{exchange}", self._kite("other", self._instruments)),
            Route("/quote", self._kite("quote", self._quotes("full"))),
            Route("/quote/ohlc", self._kite("quote", self._quotes("ohlc"))),
            Route("/quote/ltp", self._kite("quote", self._quotes("ltp"))),
            Route("/user/profile", self._kite("other", lambda _request, _now: success(_PROFILE))),
            Route("/connect/login", self._login),
            Route("/session/token", self._create_session, methods=["POST"]),
            Route("/session/token", self._end_session, methods=["DELETE"]),
            Route("/sim/clock", self._get_clock, methods=["GET"]),
            Route("/sim/clock", self._set_clock, methods=["POST"]),
            Route("/sim/faults", self._set_faults, methods=["POST"]),
            Route("/sim/log", self._get_log, methods=["GET"]),
            Route("/sim/log", self._clear_log, methods=["DELETE"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: no_route})

    # ---------------------------------------------------------------- around every Kite endpoint
    def _kite(self, family: Family, answer: Answer) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            now = self._clock.now()
            path, keys = request.url.path, _symbols(request)
            slow = self._plan.strike(("slow",), path, keys, now)
            if slow is not None:
                await asyncio.sleep(slow.seconds)
            fault = self._plan.strike(("reset", "html", "server_error", "rate_limit", "token"), path, keys, now)
            if fault is not None:
                response = broken(fault, request)
            else:
                try:
                    self._admit(request, family, now)
                    response = answer(request, now)
                except ApiError as error:
                    response = failure(error)
            status = 0 if fault is not None and fault.kind == "reset" else response.status_code
            struck = fault or slow
            name = None if struck is None else struck.kind
            self._log.add(Served(path, family, now.isoformat(), status, len(keys), name))
            return response

        return endpoint

    def _admit(self, request: Request, family: Family, now: datetime) -> None:
        expiries = [fault for fault in self._plan.faults if fault.kind == "token_expired"]
        if not self._accounts.accepts(request.headers.get("authorization", ""), expiries, now):
            raise ApiError(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        if self._config.enforce_limits and not self._limits.allows(family, now):
            raise ApiError(429, "NetworkException", "Too many requests")

    # ---------------------------------------------------------------- market data
    def _quotes(self, form: QuoteForm) -> Answer:
        def answer(request: Request, now: datetime) -> Response:
            path, keys = request.url.path, _symbols(request)
            if not keys or len(keys) > MAX_SYMBOLS[form]:
                wanted = f"1 to {MAX_SYMBOLS[form]} instruments as i=EXCHANGE:TRADINGSYMBOL, got {len(keys)}"
                raise ApiError(400, "InputException", f"{path} takes {wanted}")
            absent = self._plan.strike(("absent",), path, keys, now)
            if absent is not None:
                keys = [key for key in keys if not self._plan.missing(absent, key)]
            stale = self._plan.strike(("stale",), path, keys, now)
            if stale is None or stale.start is None:
                return success(self._feed.quotes(keys, now, form))
            frozen = {key for key in keys if stale.concerns_key(key)}
            data = self._feed.quotes([key for key in keys if key in frozen], stale.start, form)
            return success(data | self._feed.quotes([key for key in keys if key not in frozen], now, form))

        return answer

    def _instruments(self, request: Request, now: datetime) -> Response:
        exchange = cast("str", request.path_params.get("exchange", ""))
        if exchange and exchange not in EXCHANGES:
            raise ApiError(400, "InputException", f"exchange {exchange!r}; allowed are {', '.join(EXCHANGES)}")
        fault = self._plan.strike(("empty_dump", "truncated_dump"), request.url.path, [], now)
        body = _broken_dump(self._csv(exchange, now), fault) if fault else self._gzipped(exchange, now)
        return Response(body, media_type="text/csv", headers={"content-encoding": "gzip"})

    def _csv(self, exchange: str, now: datetime) -> str:
        dump = self._feed.dump(now)
        lines = dump.get(exchange, []) if exchange else [line for part in dump.values() for line in part]
        return "\n".join([HEADER, *lines, ""])

    def _gzipped(self, exchange: str, now: datetime) -> bytes:
        # The dump object changes with the day; as long as it is the same, so are the bytes.
        dump = self._feed.dump(now)
        kept = self._compressed.get(exchange)
        if kept is None or kept[0] is not dump:
            kept = (dump, gzip.compress(self._csv(exchange, now).encode(), compresslevel=3, mtime=0))
            self._compressed[exchange] = kept
        return kept[1]

    def _historical(self, request: Request, now: datetime) -> Response:
        token, interval = request.path_params["token"], request.path_params["interval"]
        query = request.query_params
        minutes = INTERVAL_MINUTES.get(interval)
        if minutes is None:
            raise ApiError(400, "InputException", f"interval {interval!r}; allowed are {', '.join(INTERVAL_MINUTES)}")
        first, last = (
            _instant("from", query.get("from", ""), time()),
            _instant("to", query.get("to", ""), time(23, 59, 59)),
        )
        if last < first:
            raise ApiError(400, "InputException", "from date cannot be after to date")
        if (last - first).days > MAX_DAYS[minutes]:
            raise ApiError(400, "InputException", f"interval exceeds max limit: {MAX_DAYS[minutes]} days")
        candles = self._feed.candles(int(token), minutes, first, last, now) if token.isdigit() else None
        if candles is None:
            raise ApiError(400, "InputException", f"invalid token {token}")
        with_oi = query.get("oi") == "1"
        return success({"candles": candles if with_oi else [candle[:6] for candle in candles]})

    # ---------------------------------------------------------------- login
    async def _login(self, request: Request) -> Response:
        query = request.query_params
        if query.get("api_key") != API_KEY:
            return HTMLResponse("<h1>Invalid `api_key`.</h1>", status_code=400)
        token = self._accounts.request_token()
        target = query.get("redirect_url", self._config.redirect_url)
        if not target:
            return HTMLResponse(f"<h1>Simulated login</h1><p>request_token: <code>{token}</code></p>")
        if urlsplit(target).hostname not in ("127.0.0.1", "localhost", "::1"):
            return HTMLResponse("<h1>The simulator redirects to this machine only.</h1>", status_code=400)
        # What the app put into redirect_params comes back to it, as with Kite (its state travels there).
        own = dict(parse_qsl(query.get("redirect_params", "")))
        answer = urlencode({"action": "login", "type": "login", "status": "success", "request_token": token} | own)
        return RedirectResponse(f"{target}{'&' if urlsplit(target).query else '?'}{answer}", status_code=302)

    async def _create_session(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        now = self._clock.now()
        api_key = form.get("api_key", "")
        token = self._accounts.exchange(api_key, form.get("request_token", ""), form.get("checksum", ""), now)
        if token is None:
            return failure(ApiError(403, "TokenException", "Token is invalid or has expired."))
        session = {"api_key": api_key, "access_token": token, "public_token": token[::-1], "refresh_token": ""}
        return success(_PROFILE | session | {"login_time": stamp(now)})

    async def _end_session(self, request: Request) -> Response:
        self._accounts.revoke(request.query_params.get("access_token", ""))
        return success(True)

    # ---------------------------------------------------------------- control
    async def _get_clock(self, _request: Request) -> Response:
        return json_response({"now": self._clock.now().isoformat(), "mode": self._config.mode})

    async def _set_clock(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        try:
            now = self._clock.set(datetime.fromisoformat(body["now"]))
        except ClockError as error:
            return json_response({"error": str(error)}, 409)
        except (KeyError, TypeError, ValueError) as error:
            expected = '{"now": "2026-11-20T09:16:00+05:30"}'
            return json_response({"error": f"clock: expected {expected}, got {body!r}: {error}"}, 400)
        return json_response({"now": now.isoformat(), "mode": self._config.mode})

    async def _set_faults(self, request: Request) -> Response:
        try:
            faults = parse_faults(orjson.loads(await request.body()))
        except FaultError as error:
            return json_response({"error": str(error)}, 400)
        self._plan.replace(faults)
        return json_response({"faults": len(faults)})

    async def _get_log(self, _request: Request) -> Response:
        return json_response({"log": self._log.rows()})

    async def _clear_log(self, _request: Request) -> Response:
        self._log.clear()
        return json_response({"log": []})


def _symbols(request: Request) -> list[str]:
    return list(_parsed_symbols(cast("bytes", request.scope["query_string"])))


@lru_cache(maxsize=64)
def _parsed_symbols(query: bytes) -> tuple[str, ...]:
    # The same 500 symbols are asked for minute after minute, and parsing them costs as much as pricing them.
    return tuple(value for name, value in parse_qsl(query.decode()) if name == "i")


def _broken_dump(text: str, fault: Fault) -> bytes:
    kept = f"{HEADER}\n" if fault.kind == "empty_dump" else text[: int(len(text) * fault.keep)]
    return gzip.compress(kept.encode(), compresslevel=3, mtime=0)


def _instant(name: str, text: str, at: time) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(400, "InputException", f"`{name}` is {text!r}; expected YYYY-MM-DD HH:MM:SS") from None
    if len(text) == len("YYYY-MM-DD"):
        instant = datetime.combine(instant.date(), at)
    return instant.replace(tzinfo=IST)
