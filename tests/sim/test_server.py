"""Limits, login, clocks, and how a simulator is started."""

from datetime import date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from kiteconnect import KiteConnect, exceptions

from g6_market.calendar import IST
from g6_sim.__main__ import main
from g6_sim.config import ConfigError, SimConfig
from g6_sim.control import SimControl, SimControlError
from g6_sim.faults import FaultError
from g6_sim.limits import RateLimits
from g6_sim.server import SimServer, SimServerError
from tests.sim.conftest import DAY, Sim, Start

CALL = "NFO:NIFTY26D0124400CE"
NOON = datetime(2026, 11, 20, 12, tzinfo=IST)


def test_limits_count_in_simulated_time(start: Start) -> None:
    sim = start()
    assert CALL in sim.quote("11:00:00", CALL)
    for ask in (sim.kite.quote, sim.kite.ltp, sim.kite.ohlc):
        with pytest.raises(exceptions.NetworkException, match="Too many requests") as error:
            ask(CALL)
        assert error.value.code == 429
    assert CALL in sim.quote("11:00:01", CALL)
    assert [(entry["status"], entry["at"][11:19]) for entry in sim.control.log()] == [
        (200, "11:00:00"),
        (429, "11:00:00"),
        (429, "11:00:00"),
        (429, "11:00:00"),
        (200, "11:00:01"),
    ]


@pytest.mark.parametrize(("family", "allowed"), [("quote", 1), ("historical", 3), ("other", 10)])
def test_each_family_has_its_own_limit(family, allowed: int) -> None:
    limits = RateLimits()
    assert [limits.allows(family, NOON) for _ in range(allowed + 2)] == [True] * allowed + [False] * 2
    assert limits.allows(family, NOON + timedelta(seconds=1))


def test_families_do_not_use_up_each_others_share() -> None:
    limits = RateLimits()
    assert limits.allows("quote", NOON)
    assert limits.allows("historical", NOON)
    assert limits.allows("other", NOON)


def test_a_clock_set_back_forgets_what_never_happened() -> None:
    limits = RateLimits()
    assert limits.allows("quote", NOON)
    assert limits.allows("quote", NOON - timedelta(hours=1))


def test_limits_can_be_left_out(sim: Sim) -> None:
    sim.at("11:00:00")
    assert all(CALL in sim.kite.quote(CALL) for _ in range(3))


def test_login_goes_by_redirect_checksum_and_token(start: Start) -> None:
    sim = start(redirect_url="http://127.0.0.1:9/callback")
    sim.at("09:05:00")
    page = requests.get(f"{sim.url}/connect/login?api_key=simkey&v=3", allow_redirects=False, timeout=7)
    target = urlsplit(page.headers["location"])
    query = parse_qs(target.query)
    assert (page.status_code, target.path, query["status"]) == (302, "/callback", ["success"])

    kite = KiteConnect("simkey", root=sim.url)
    session = kite.generate_session(query["request_token"][0], "simsecret")
    assert session["login_time"] == datetime.fromisoformat("2026-11-20 09:05")
    assert kite.profile()["user_id"] == session["user_id"]
    with pytest.raises(exceptions.TokenException):
        KiteConnect("simkey", root=sim.url).generate_session(query["request_token"][0], "simsecret")
    kite.invalidate_access_token(session["access_token"])
    with pytest.raises(exceptions.TokenException):
        kite.profile()


def test_a_wrong_secret_gives_no_session(sim: Sim) -> None:
    page = requests.get(f"{sim.url}/connect/login?api_key=simkey&v=3", timeout=7)
    request_token = page.text.partition("<code>")[2].partition("</code>")[0]
    assert len(request_token) == 32
    with pytest.raises(exceptions.TokenException):
        KiteConnect("simkey", root=sim.url).generate_session(request_token, "guessed")


def test_the_login_page_redirects_to_this_machine_only(sim: Sim) -> None:
    url = f"{sim.url}/connect/login?api_key=simkey&redirect_url=https://example.com/"
    assert requests.get(url, allow_redirects=False, timeout=7).status_code == 400


def test_a_shifted_clock_runs_by_itself_and_cannot_be_set(start: Start) -> None:
    shift = (NOON - datetime.now(IST)).total_seconds()
    sim = start(mode="shifted", shift_seconds=shift)
    assert abs(sim.control.clock() - NOON) < timedelta(minutes=1)
    assert sim.kite.quote(CALL)[CALL]["timestamp"].date() == DAY
    with pytest.raises(SimControlError, match="shifted clock"):
        sim.control.set_clock(NOON)


def test_an_instant_without_a_zone_is_refused(sim: Sim) -> None:
    with pytest.raises(SimControlError, match="has no zone"):
        sim.control.set_clock(datetime.fromisoformat("2026-11-20 11:00"))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.10", "example.com"])
def test_only_loopback_is_bound(host: str) -> None:
    with pytest.raises(SimServerError, match="loopback only"):
        SimServer(SimConfig(DAY), host=host).start()


def test_a_taken_port_is_said(sim: Sim) -> None:
    port = urlsplit(sim.url).port
    assert port is not None
    with pytest.raises(SimServerError, match=f"port {port}"):
        SimServer(SimConfig(DAY), port=port).start()


@pytest.mark.slow
def test_it_runs_in_a_process_of_its_own() -> None:
    with SimServer(SimConfig(DAY), own_process=True) as server:
        control = SimControl(server.url)
        control.set_clock(NOON)
        assert CALL in KiteConnect("simkey", "simtoken", root=server.url).quote(CALL)
    with pytest.raises(SimControlError, match="does not answer"):
        control.clock()


@pytest.mark.slow
def test_a_process_of_its_own_says_why_it_cannot_start(sim: Sim) -> None:
    port = urlsplit(sim.url).port
    assert port is not None
    with pytest.raises(SimServerError, match=f"port {port}"):
        SimServer(SimConfig(DAY), port=port, own_process=True).start()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"indices": ("NIFTY", "DAX")}, "DAX; allowed are NIFTY, BANKNIFTY"),
        ({"mode": "fast"}, "'driven' and 'shifted'"),
        ({"padding_rows": -1}, "0 or more"),
        ({"seed": -1}, "between 0 and"),
    ],
)
def test_a_wrong_configuration_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SimConfig(trade_date=date(2026, 11, 20), **settings)
    with pytest.raises(FaultError):
        SimConfig(trade_date=DAY, faults=[{"kind": "explode"}])


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--date", "2026-11-20", "--indices", "DAX", "--port", "0"]) == 2
    assert "DAX; allowed are NIFTY" in capsys.readouterr().err


def test_fewer_indices_can_be_listed(start: Start) -> None:
    sim = start(indices=("BANKEX",))
    sim.at("11:00:00")
    assert set(sim.kite.ohlc("BSE:BANKEX", "NSE:NIFTY 50", "NSE:INDIA VIX")) == {"BSE:BANKEX", "NSE:INDIA VIX"}
    assert {row["name"] for row in sim.kite.instruments("BFO")} == {"BANKEX"}
