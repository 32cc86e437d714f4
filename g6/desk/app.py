"""The desk's application: the page, its files, and the questions that the page asks as JSON."""

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from g6.connection import ConnectError
from g6.desk import questions
from g6.desk.asked import Asked, BadQuestion
from g6.desk.guard import Guard
from g6.desk.pulse import pulse
from g6.desk.quality import healed, quality
from g6.desk.store import Store
from g6_market.calendar import TradingCalendar
from g6_market.indices import INDICES, TAGS
from g6_resources.world import DataRoot

STATIC = Path(__file__).parent / "static"
_KEPT_ANSWERS = 256  # of some 40 KB

Answer = Callable[[Store, Asked], dict[str, Any]]

ANSWERS: dict[str, Answer] = {
    "days": lambda store, _: questions.days(store),
    "day": lambda store, asked: questions.day(store, asked.day),
    "chain": lambda store, asked: questions.chain(store, asked.index, asked.expiry, asked.instant),
    "smiles": lambda store, asked: questions.smiles(store, asked.index, asked.instant),
    "course": lambda store, asked: questions.course(store, asked.index, asked.expiry, asked.day),
    "overlay": lambda store, asked: questions.overlay(store, asked.index, asked.label, asked.day),
    "healed": lambda store, asked: healed(store, asked.index, asked.day),
    "quality": lambda store, asked: quality(store, asked.index, asked.day),
}
"""What the page can ask of the store, by the last part of its address."""


def create_app(root: DataRoot, calendar: TradingCalendar) -> Starlette:
    """Put the desk of one world together.

    Parameters
    ----------
    root
        The data root of the world.
    calendar
        Says whether the market is open.
    """
    store = Store(root)
    kept = _Kept(_KEPT_ANSWERS)

    def answer(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ANSWERS:
            raise BadQuestion(f"the desk has no answer called {name}; it has {', '.join(ANSWERS)} and pulse")
        # The version is read first: a snapshot that comes meanwhile makes the answer outdated, never wrong.
        key = (store.version, str(request.url.query), name)
        body = kept.get(key)
        if body is None:
            content = ANSWERS[name](store, Asked(request.query_params))
            body = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
            kept.put(key, body)
        return _json(body)

    def state(_: Request) -> Response:
        world = {"world": root.world.name, "indices": list(INDICES), "tags": list(TAGS), "version": store.version}
        return _json(json.dumps(world | pulse(root, calendar)).encode())

    def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/pulse", state),
            Route("/api/{name}", answer),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard), Middleware(GZipMiddleware, minimum_size=4096, compresslevel=1)],
        exception_handlers={
            BadQuestion: _bad_question,
            HTTPException: _refused,
            duckdb.Error: _not_answered,
            ConnectError: _not_answered,
            Exception: _defect,
        },
    )


class _Kept:
    """The latest answers, by version and question."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, ...]) -> bytes | None:
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def put(self, key: tuple[str, ...], body: bytes) -> None:
        with self._lock:
            self._answers[key] = body
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status, headers={"Cache-Control": "no-store"})


def _bad_question(_: Request, error: Exception) -> Response:
    return _error(400, str(error))


def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        return _error(405, f"the desk only shows: {request.method} is not allowed, use GET")
    return _error(status, f"there is no {request.url.path} here; open /")


def _not_answered(_: Request, error: Exception) -> Response:
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip(" ^"))
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        return _error(503, f"the views are older than this program: run `g6 warehouse rebuild` ({text})")
    return _error(503, text)


def _defect(_: Request, __: Exception) -> Response:
    return _error(500, "the desk failed on this question; the terminal that it runs in says why")
