"""Each kind of fault as the unmodified client sees it, and the schedule it keeps."""

from datetime import datetime, timedelta

import pytest
import requests
from kiteconnect import exceptions

from g6_sim.control import SimControlError
from g6_sim.faults import FaultError, FaultPlan, parse_faults
from tests.sim.conftest import Sim

CALL, PUT, SENSEX = "NFO:NIFTY26D0124400CE", "NFO:NIFTY26D0124400PE", "BFO:SENSEX26NOV78000CE"


@pytest.fixture
def faulty(sim: Sim):
    """The shared simulator, healed afterwards."""
    sim.at("11:00:00")
    sim.control.clear_log()
    yield sim
    sim.control.faults([])


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ({"kind": "rate_limit"}, exceptions.NetworkException, 429),
        ({"kind": "token"}, exceptions.TokenException, 403),
        ({"kind": "server_error", "status": 500}, exceptions.GeneralException, 500),
        ({"kind": "server_error", "status": 502}, exceptions.DataException, 502),
        ({"kind": "server_error", "status": 503}, exceptions.NetworkException, 503),
        ({"kind": "server_error", "status": 504}, exceptions.NetworkException, 504),
    ],
)
def test_an_error_arrives_as_its_exception(
    faulty: Sim, fault: dict[str, object], error: type[exceptions.KiteException], code: int
) -> None:
    faulty.control.faults([fault])
    with pytest.raises(error) as raised:
        faulty.kite.quote(CALL)
    assert raised.value.code == code
    assert faulty.control.log()[-1] == {
        "path": "/quote",
        "family": "quote",
        "at": "2026-11-20T11:00:00+05:30",
        "status": code,
        "symbols": 1,
        "fault": fault["kind"],
    }


def test_an_html_page_is_an_unknown_content_type(faulty: Sim) -> None:
    faulty.control.faults([{"kind": "html"}])
    with pytest.raises(exceptions.DataException, match="Unknown Content-Type"):
        faulty.kite.quote(CALL)


def test_a_reset_is_a_connection_error(faulty: Sim) -> None:
    faulty.control.faults([{"kind": "reset", "count": 1}])
    with pytest.raises(requests.ConnectionError):
        faulty.kite.quote(CALL)
    assert faulty.control.log()[-1]["status"] == 0
    assert CALL in faulty.kite.quote(CALL)


def test_a_slow_answer_runs_into_the_clients_time_out(faulty: Sim) -> None:
    faulty.control.faults([{"kind": "slow", "seconds": 0.6, "count": 1}])
    faulty.kite.timeout = 0.2
    try:
        with pytest.raises(requests.ReadTimeout):
            faulty.kite.quote(CALL)
    finally:
        faulty.kite.timeout = 7
    assert CALL in faulty.kite.quote(CALL)


@pytest.mark.parametrize(
    ("match", "left"),
    [
        (CALL, {PUT, SENSEX}),
        ("NIFTY", {SENSEX}),
        ("BFO", {CALL, PUT}),
        ("/quote", set()),
        ("BANKNIFTY", {CALL, PUT, SENSEX}),
    ],
)
def test_absent_symbols_are_chosen_by_symbol_underlying_exchange_or_path(
    faulty: Sim, match: str, left: set[str]
) -> None:
    faulty.control.faults([{"kind": "absent", "match": match}])
    assert set(faulty.kite.quote(CALL, PUT, SENSEX)) == left


def test_a_share_of_the_symbols_is_absent_and_always_the_same_ones(faulty: Sim) -> None:
    keys = [f"NFO:{row['tradingsymbol']}" for row in faulty.listed("NFO", "NIFTY")][:400]
    faulty.control.faults([{"kind": "absent", "probability": 0.25}])
    first, second = faulty.raw("11:00:00", keys), faulty.raw("11:05:00", keys)
    assert 270 < len(first) < 330
    assert first.keys() == second.keys()


def test_the_spot_goes_with_its_underlying(faulty: Sim) -> None:
    faulty.control.faults([{"kind": "absent", "match": "NIFTY"}])
    assert set(faulty.kite.quote("NSE:NIFTY 50", "NSE:NIFTY BANK")) == {"NSE:NIFTY BANK"}


def test_an_empty_dump_has_a_header_and_no_rows(faulty: Sim) -> None:
    faulty.control.faults([{"kind": "empty_dump", "match": "NFO"}])
    assert faulty.kite.instruments("NFO") == []
    assert faulty.kite.instruments("BFO")


def test_a_truncated_dump_ends_in_the_middle(faulty: Sim) -> None:
    whole = faulty.kite._get("market.instruments", url_args={"exchange": "NFO"})
    faulty.control.faults([{"kind": "truncated_dump", "keep": 0.3}])
    cut = faulty.kite._get("market.instruments", url_args={"exchange": "NFO"})
    assert whole.startswith(cut)
    assert len(cut) == pytest.approx(0.3 * len(whole), rel=0.001)


def test_stale_quotes_stand_where_the_fault_began_and_only_the_matching_ones(faulty: Sim) -> None:
    frozen = faulty.raw("11:00:00", [CALL, SENSEX])
    faulty.control.faults([{"kind": "stale", "from": "2026-11-20T11:00:00", "match": "NFO"}])
    later = faulty.raw("11:10:00", [CALL, SENSEX])
    assert later[CALL] == frozen[CALL]
    assert later[SENSEX]["timestamp"] == "2026-11-20 11:10:00"


def test_a_fault_keeps_to_its_simulated_window(faulty: Sim) -> None:
    faulty.control.faults([{"kind": "rate_limit", "from": "2026-11-20T11:05:00", "to": "2026-11-20T11:06:00"}])
    assert CALL in faulty.quote("11:04:59", CALL)
    with pytest.raises(exceptions.NetworkException):
        faulty.quote("11:05:00", CALL)
    assert CALL in faulty.quote("11:06:00", CALL)


def test_a_fault_strikes_as_often_as_it_may(faulty: Sim) -> None:
    faulty.control.faults([{"kind": "server_error", "count": 2}])
    for _ in range(2):
        with pytest.raises(exceptions.NetworkException):
            faulty.kite.quote(CALL)
    assert CALL in faulty.kite.quote(CALL)


def test_a_fault_strikes_only_the_path_it_names(faulty: Sim) -> None:
    faulty.control.faults([{"kind": "server_error", "match": "/quote"}])
    assert faulty.kite.profile()
    for ask in (faulty.kite.quote, faulty.kite.ltp):
        with pytest.raises(exceptions.NetworkException):
            ask(CALL)
    faulty.control.faults([{"kind": "server_error", "match": "/user/profile"}])
    assert CALL in faulty.kite.quote(CALL)
    with pytest.raises(exceptions.NetworkException):
        faulty.kite.profile()


def test_chance_is_drawn_from_the_seed() -> None:
    faults = parse_faults([{"kind": "rate_limit", "probability": 0.3}])
    now = datetime.fromisoformat("2026-11-20T11:00:00+05:30")

    def struck(seed: int) -> list[bool]:
        plan = FaultPlan(seed, faults)
        return [plan.strike(("rate_limit",), "/quote", [], now) is not None for _ in range(400)]

    assert struck(42) == struck(42)
    assert struck(42) != struck(43)
    assert 80 < sum(struck(42)) < 160


def test_a_token_expires_at_its_instant_and_a_new_login_works(faulty: Sim) -> None:
    faulty.control.faults([{"kind": "token_expired", "from": "2026-11-20T11:30:00"}])
    assert CALL in faulty.quote("11:29:59", CALL)
    with pytest.raises(exceptions.TokenException):
        faulty.quote("11:30:00", CALL)
    page = requests.get(
        f"{faulty.url}/connect/login?api_key=simkey&v=3&redirect_url=http://127.0.0.1:1/",
        allow_redirects=False,
        timeout=7,
    )
    request_token = page.headers["location"].rpartition("request_token=")[2]
    try:
        faulty.kite.generate_session(request_token, "simsecret")
        assert CALL in faulty.kite.quote(CALL)
    finally:
        faulty.kite.set_access_token("simtoken")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "explode"}, "kind is 'explode'; allowed are rate_limit, token"),
        ({"kind": "html", "when": "now"}, "unknown field when; allowed are kind, from, to"),
        ({"kind": "html", "from": "ten"}, "instants are written like"),
        ({"kind": "html", "probability": 2}, "between 0 and 1"),
        ({"kind": "server_error", "status": 418}, "allowed are 500, 502, 503, 504"),
        ({"kind": "stale"}, "needs `from`"),
    ],
)
def test_a_wrong_fault_is_refused_with_what_is_allowed(faulty: Sim, entry: dict[str, object], message: str) -> None:
    with pytest.raises(FaultError, match=message):
        parse_faults([entry])
    with pytest.raises(SimControlError, match=message):
        faulty.control.faults([entry])


def test_the_shared_clock_can_be_read_back(faulty: Sim) -> None:
    now = faulty.at("12:34:56") + timedelta(milliseconds=250)
    faulty.control.set_clock(now)
    assert faulty.control.clock() == now
