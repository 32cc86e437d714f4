import io
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from g6_market.calendar import IST
from g6_market.indices import INDICES, VIX_KEY
from g6_resources.clock import DrivenClock, MarketClock, clock_from, write_clock
from g6_resources.kite.client import KiteSource
from g6_resources.kite.limiter import Limiter
from g6_resources.kite.token import Credentials, write_token
from g6_resources.seams import QuoteSource, SourceError, TokenDead
from g6_resources.settings import SettingsError
from g6_resources.world import DataRoot, WorldError, make_root
from g6_resources.world_state import Simulator, write_simulator
from g6_sim.config import SimConfig
from g6_sim.control import SimControl
from g6_sim.server import SimServer

DAY = date(2026, 11, 20)
TEN = datetime(2026, 11, 20, 10, 0, tzinfo=IST)
SPOTS = [spec.spot_key for spec in INDICES.values()]
TOKEN = "simtoken"
KEY = "simkey"
_minutes = itertools.count(step=3)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimServer]:
    with SimServer(SimConfig(trade_date=DAY)) as server:
        yield server


@dataclass
class Desk:
    """A world on the simulator, in a minute after ten that no other test has used: the simulator counts calls."""

    start: datetime
    root: DataRoot
    clock: MarketClock
    source: KiteSource
    control: SimControl

    def relaunched(self) -> KiteSource:
        return KiteSource.for_root(self.root, clock=self.clock)

    def requests(self, path: str) -> list[dict[str, Any]]:
        return [served for served in self.control.log() if served["path"].startswith(path)]


@pytest.fixture
def desk(simulator: SimServer, tmp_path: Path) -> Desk:
    start = TEN + timedelta(minutes=next(_minutes))
    control = SimControl(simulator.url)
    control.faults([])
    control.set_clock(start)
    control.clear_log()
    root = make_root(tmp_path, "sim:42")
    write_clock(root.clock_file, "driven", now=start)
    write_simulator(root, Simulator(simulator.url, KEY))
    write_token(root.token_file, access_token=TOKEN, user_id="SIM001", api_key=KEY, made_at=start)
    clock = clock_from(root, simulator.url)
    return Desk(start, root, clock, KiteSource.for_root(root, clock=clock), control)


# ---- quotes


def test_it_is_a_quote_source(desk: Desk):
    source: QuoteSource = desk.source
    assert source.batch_size == 500


def test_quotes_come_as_received_with_the_market_time_of_arrival(desk: Desk):
    answer = desk.source.quotes([*SPOTS, VIX_KEY])
    assert set(answer.quotes) == {*SPOTS, VIX_KEY}
    assert answer.missing == ()
    assert answer.received_at == desk.clock.now() == desk.start
    assert answer.quotes["NSE:NIFTY 50"]["last_price"] > 0


def test_what_kite_leaves_out_is_missing_in_the_order_asked(desk: Desk):
    desk.control.faults([{"kind": "absent", "match": "NSE:NIFTY BANK"}])
    answer = desk.source.quotes(["NFO:NO1", "NSE:NIFTY 50", "NSE:NIFTY BANK", "NFO:NO2"])
    assert list(answer.quotes) == ["NSE:NIFTY 50"]
    assert answer.missing == ("NFO:NO1", "NSE:NIFTY BANK", "NFO:NO2")


def test_an_answer_without_any_key_asked_for_is_a_failure(desk: Desk):
    with pytest.raises(SourceError, match="an empty answer to 2 keys from NFO:NO1 to NFO:NO2") as raised:
        desk.source.quotes(["NFO:NO1", "NFO:NO2"])
    assert raised.value.cause == "bad answer"


@pytest.mark.parametrize("count", [0, 501])
def test_a_call_of_too_many_keys_or_none_is_refused_before_it_goes(desk: Desk, count: int):
    with pytest.raises(ValueError, match="give 1 to 500"):
        desk.source.quotes([f"NFO:X{n}" for n in range(count)])
    assert desk.requests("/") == []


def test_full_batches_go_once_a_second_and_never_meet_a_429(desk: Desk):
    keys = [f"NSE:NO{n}" for n in range(499)]
    for _ in range(8):
        assert len(desk.source.quotes(["NSE:NIFTY 50", *keys]).missing) == 499
    served = desk.requests("/quote")
    assert [row["status"] for row in served] == [200] * 8
    assert timedelta(seconds=7) < desk.clock.now() - desk.start < timedelta(seconds=7.5)
    assert desk.control.clock() == desk.clock.now()
    assert desk.source.stats["quote", "ok"].calls == 8


# ---- failures and retries


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"kind": "rate_limit"}, "rate limited"),
        ({"kind": "server_error", "status": 500}, "server error"),
        ({"kind": "server_error", "status": 502}, "bad answer"),
        ({"kind": "server_error", "status": 503}, "server error"),
        ({"kind": "server_error", "status": 504}, "server error"),
        ({"kind": "html"}, "bad answer"),
        ({"kind": "reset"}, "network"),
    ],
)
def test_a_passing_failure_is_retried_and_counted(desk: Desk, fault: dict[str, Any], cause: str):
    desk.control.faults([fault | {"count": 2}])
    beats: list[datetime] = []
    desk.source.beat = lambda: beats.append(desk.clock.now())
    answer = desk.source.quotes(SPOTS, deadline=desk.start + timedelta(seconds=30))
    assert answer.missing == ()
    assert answer.received_at > desk.start
    assert desk.source.stats["quote", cause].calls == 2
    assert desk.source.stats["quote", "ok"].calls == 1
    assert len(beats) >= 3


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"kind": "rate_limit"}, "rate limited"),
        ({"kind": "server_error", "status": 503}, "server error"),
        ({"kind": "html"}, "bad answer"),
        ({"kind": "reset"}, "network"),
    ],
)
def test_a_lasting_failure_ends_before_the_deadline_with_its_cause(desk: Desk, fault: dict[str, Any], cause: str):
    desk.control.faults([fault])
    deadline = desk.start + timedelta(seconds=20)
    with pytest.raises(SourceError, match=r"Kite's quote call at http://.* failed \d+ times, last with: ") as raised:
        desk.source.quotes(SPOTS, deadline=deadline)
    assert raised.value.cause == cause
    assert desk.clock.now() < deadline
    assert len(desk.requests("/quote")) >= 3
    assert len(str(raised.value)) < 500
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize("budget_seconds", [0.1, 5], ids=["that failed", "that was answered in the end"])
def test_a_call_for_which_a_failing_one_leaves_no_second_shares_its_cause(desk: Desk, budget_seconds: float):
    desk.control.faults([{"kind": "reset", "count": 1}])
    deadline = desk.start + timedelta(seconds=budget_seconds)
    ways: list[str] = []
    for _ in range(9):
        try:
            desk.source.quotes(SPOTS, deadline=deadline)
            ways.append("answered")
        except SourceError as error:
            ways.append(error.cause)
    assert ways == sorted(ways)
    assert set(ways) == ({"network"} if budget_seconds < 1 else {"answered", "network"})
    assert desk.clock.now() <= deadline
    with pytest.raises(SourceError) as raised:
        desk.source.quotes(SPOTS, deadline=desk.clock.now() + timedelta(milliseconds=50))
    assert raised.value.cause == "late"
    assert len(desk.requests("/quote")) == 1 + ways.count("answered")


def test_a_slow_answer_is_not_waited_for_beyond_the_timeout(desk: Desk):
    desk.control.faults([{"kind": "slow", "seconds": 3, "count": 1}])
    impatient = KiteSource.for_root(desk.root, clock=desk.clock, timeout_seconds=0.5)
    impatient.quotes(SPOTS, deadline=desk.start + timedelta(seconds=30))
    assert impatient.stats["quote", "network"].calls == 1
    assert impatient.stats["quote", "network"].seconds < 2.5


def test_back_off_is_the_same_for_the_same_seed(desk: Desk):
    def seconds_after(pause: float) -> float:
        desk.clock.pause(pause)
        began = desk.clock.now()
        desk.control.faults([{"kind": "server_error", "count": 3}])
        desk.relaunched().quotes(SPOTS, deadline=began + timedelta(seconds=60))
        return (desk.clock.now() - began).total_seconds()

    assert seconds_after(30) == seconds_after(30) > 3


# ---- the session


def test_an_accepted_session_passes_the_check(desk: Desk):
    desk.source.check()
    assert len(desk.requests("/user/profile")) == 1


def test_a_refused_session_is_not_asked_about_again_until_somebody_logs_in(desk: Desk):
    desk.control.faults([{"kind": "token", "count": 1}])
    with pytest.raises(TokenDead, match=r"Kite does not accept the session token .*; run `g6 login`"):
        desk.source.quotes(SPOTS)
    for call in (desk.source.check, lambda: desk.source.quotes(SPOTS), lambda: desk.source.instruments(["NFO"])):
        with pytest.raises(TokenDead, match="Kite refused the session token"):
            call()
    assert len(desk.requests("/")) == 1
    write_token(desk.root.token_file, access_token=TOKEN, user_id="SIM001", api_key=KEY, made_at=desk.start)
    desk.source.check()
    assert desk.source.quotes(SPOTS).missing == ()


def test_a_wrong_token_is_dead_and_shown_nowhere(desk: Desk, caplog: pytest.LogCaptureFixture):
    secret = "token-nobody-may-see"  # pragma: allowlist secret
    write_token(desk.root.token_file, access_token=secret, user_id="SIM001", api_key=KEY, made_at=desk.start)
    caplog.set_level(0)
    with pytest.raises(TokenDead) as raised:
        desk.source.check()
    assert secret not in f"{raised.value!r} {raised.value} {desk.source!r} {caplog.text}"


def test_without_a_token_kite_is_not_asked(desk: Desk):
    desk.root.token_file.unlink()
    with pytest.raises(TokenDead, match="run `g6 login`"):
        desk.source.check()
    assert desk.requests("/") == []


def test_the_token_of_yesterday_is_dead_without_asking(desk: Desk):
    write_token(
        desk.root.token_file, access_token=TOKEN, user_id="SIM001", api_key=KEY, made_at=desk.start - timedelta(days=1)
    )
    with pytest.raises(TokenDead, match="expired at 2026-11-20 06:00"):
        desk.source.check()
    assert desk.requests("/") == []


# ---- instruments


def test_dumps_are_raw_and_cached_across_restarts(desk: Desk):
    dumps = desk.source.instruments(["NFO", "BFO"])
    assert dumps["NFO"].startswith(b"instrument_token,")
    assert desk.relaunched().instruments(["NFO", "BFO"]) == dumps
    assert len(desk.requests("/instruments")) == 2
    desk.source.instruments(["NFO"], max_age_hours=0)
    assert len(desk.requests("/instruments")) == 3


def test_a_dump_of_six_hours_ago_is_fetched_anew(desk: Desk):
    desk.source.instruments(["NFO"])
    desk.clock.pause(6 * 3600 - 10)
    desk.source.instruments(["NFO"])
    assert len(desk.requests("/instruments")) == 1
    desk.clock.pause(11)
    desk.source.instruments(["NFO"])
    assert len(desk.requests("/instruments")) == 2


@pytest.mark.parametrize("fault", [{"kind": "empty_dump"}, {"kind": "truncated_dump", "keep": 0.7}])
def test_a_dump_that_is_empty_or_truncated_fails_and_is_not_cached(desk: Desk, fault: dict[str, Any]):
    desk.control.faults([fault])
    with pytest.raises(SourceError, match=r"the NFO instruments dump is (empty|truncated)") as raised:
        desk.source.instruments(["NFO"])
    assert raised.value.cause == "bad answer"
    assert list(desk.root.cache.iterdir()) == []
    desk.control.faults([])
    assert desk.source.instruments(["NFO"])["NFO"].count(b"\n") > 1000


def test_yesterdays_dump_serves_only_where_the_settings_allow_it(desk: Desk):
    dumps = desk.source.instruments(["NFO"])
    desk.clock.wait_until(desk.start + timedelta(days=3))
    write_token(desk.root.token_file, access_token=TOKEN, user_id="S", api_key=KEY, made_at=desk.clock.now())
    desk.control.faults([{"kind": "empty_dump"}])
    with pytest.raises(SourceError, match="is empty"):
        desk.source.instruments(["NFO"])
    lenient = KiteSource.for_root(desk.root, clock=desk.clock, allow_yesterdays_instruments=True)
    assert lenient.instruments(["NFO"]) == dumps


# ---- candles


def test_candles_are_those_that_begin_in_the_range(desk: Desk):
    dump = pd.read_csv(io.BytesIO(desk.source.instruments(["NFO"])["NFO"]))
    future = int(dump.loc[dump["tradingsymbol"] == "NIFTY26NOVFUT", "instrument_token"].iloc[0])
    start, end = desk.start - timedelta(minutes=30), desk.start - timedelta(minutes=20)
    candles = desk.source.candles(future, start, end)
    assert list(candles.columns) == ["start", "open", "high", "low", "close", "volume", "oi"]
    assert list(candles["start"]) == [start + timedelta(minutes=n) for n in range(10)]
    assert str(candles["start"].dt.tz) == "Asia/Kolkata"
    assert candles["oi"].dtype == "Int64"
    assert (candles["low"] <= candles[["open", "close"]].min(axis=1)).all()


def test_no_trades_are_an_empty_frame_of_the_same_kind(desk: Desk):
    candles = desk.source.candles(INDICES["NIFTY"].spot_token, desk.start.replace(hour=3), desk.start.replace(hour=4))
    assert candles.empty
    assert str(candles["start"].dt.tz) == "Asia/Kolkata"


def test_a_bad_request_is_not_tried_again(desk: Desk):
    with pytest.raises(SourceError, match=r"failed once, last with: HTTP 400: .*It is not tried again") as raised:
        desk.source.candles(1, desk.start - timedelta(hours=1), desk.start)
    assert raised.value.cause == "bad request"
    assert len(desk.requests("/instruments/historical")) == 1


# ---- which world asks whom


def test_a_simulated_world_without_a_simulator_never_asks_kite(tmp_path: Path):
    root = make_root(tmp_path, "sim:7")
    with pytest.raises(WorldError, match="no simulator serves"):
        KiteSource.for_root(root, clock=clock_from(root))


def test_the_live_world_needs_a_key_in_the_environment(tmp_path: Path):
    root = make_root(tmp_path, "live")
    with pytest.raises(SettingsError, match="KITE_API_KEY is not set"):
        KiteSource.for_root(root, clock=clock_from(root), environ={})
    source = KiteSource.for_root(root, clock=clock_from(root), environ={"KITE_API_KEY": "the-key"})
    assert repr(source) == "KiteSource('https://api.kite.trade')"


# ---- answers no simulator of Kite would give

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Odd:
    """A loopback server that answers everything with one reply."""

    reply: Reply = (200, {}, b"")
    served: list[str] = field(default_factory=list)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[tuple[Odd, Callable[..., KiteSource]]]:
    state = Odd()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.served.append(self.headers.get("Authorization", ""))
            status, headers, body = state.reply
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    root = make_root(tmp_path, "sim:1")
    write_clock(root.clock_file, "driven", now=TEN)
    clock = DrivenClock(root.clock_file, lambda _: None)
    write_token(root.token_file, access_token="seen-by-nobody", user_id="U", api_key="odd-key", made_at=TEN)
    limiter = Limiter(root.state, "odd-key", {"quote": 1, "historical": 3, "other": 10}, clock)
    here = f"http://127.0.0.1:{server.server_port}"

    def source(address: str = here) -> KiteSource:
        return KiteSource(
            Credentials("odd-key"), address, clock, limiter, token_file=root.token_file, cache_dir=root.cache
        )

    yield state, source
    server.shutdown()
    server.server_close()
    thread.join()


JSON = {"Content-Type": "application/json"}


def refusal(status: int, kind: str) -> Reply:
    return (status, JSON, json.dumps({"status": "error", "message": "no", "error_type": kind}).encode())


@pytest.mark.parametrize(
    ("reply", "cause", "tries_again"),
    [
        ((200, {}, b"{}"), "bad answer", True),
        ((200, JSON, b"[]"), "bad answer", True),
        ((200, JSON, b"{"), "bad answer", True),
        ((200, JSON, b'{"status": "success"}'), "bad answer", True),
        ((200, JSON, b'{"status": "success", "data": [1]}'), "bad answer", True),
        ((200, JSON, b'{"status": "success", "data": {"NSE:X": null}}'), "bad answer", True),
        ((200, {"Content-Type": "text/csv"}, b"a,b"), "bad answer", True),
        ((500, JSON, b'{"status": "error", "message": "oops"}'), "bad answer", True),
        (refusal(418, "New"), "bad request", False),
        (refusal(404, "GeneralException"), "bad request", False),
        (
            (403, JSON, b'{"status": "error", "message": "plan", "error_type": "PermissionException"}'),
            "bad request",
            False,
        ),
        (refusal(502, "NetworkException"), "server error", True),
        (
            (429, JSON, b'{"status": "error", "message": "slow", "error_type": "NetworkException"}'),
            "rate limited",
            True,
        ),
    ],
)
def test_an_odd_answer_has_a_cause_and_is_tried_again_only_where_that_helps(
    odd: tuple[Odd, Callable[..., KiteSource]], reply: Reply, cause: str, tries_again: bool
):
    state, source = odd
    state.reply = reply
    with pytest.raises(SourceError) as raised:
        source().quotes(["NSE:X"], deadline=TEN + timedelta(seconds=10))
    assert raised.value.cause == cause
    assert (len(state.served) > 1) is tries_again


def test_an_error_that_repeats_the_token_is_told_without_it(odd: tuple[Odd, Callable[..., KiteSource]]):
    state, source = odd
    for error in ("InputException", "TokenException", "GeneralException"):
        told = {"status": "error", "message": "bad token odd-key:seen-by-nobody, " + "x" * 5000, "error_type": error}
        state.reply = (400, JSON, json.dumps(told).encode())
        with pytest.raises(SourceError) as raised:
            source().quotes(["NSE:X"], deadline=TEN + timedelta(seconds=3))
        assert "bad token ***:***" in str(raised.value)
        assert len(str(raised.value)) < 500
    assert state.served[0] == "token odd-key:seen-by-nobody"


def test_nobody_listening_is_a_network_failure_told_shortly(odd: tuple[Odd, Callable[..., KiteSource]]):
    _, source = odd
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        alone = source(f"http://127.0.0.1:{unheard.getsockname()[1]}")
        with pytest.raises(SourceError, match="Check the connection") as raised:
            alone.quotes([f"NSE:X{n}" for n in range(500)], deadline=TEN + timedelta(seconds=3))
    assert raised.value.cause == "network"
    assert len(str(raised.value)) < 500
