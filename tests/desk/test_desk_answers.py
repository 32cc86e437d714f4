"""The desk's answers over HTTP: the numbers of the macros, one message for what cannot be answered, no strangers."""

import json
import signal
from pathlib import Path

import duckdb
import pytest
import requests

from g6.connection import G6Connection
from g6.desk.serve import served
from tests.cli.conftest import Command
from tests.desk.desk_world import BEFORE, FRIDAY, DeskWorld, empty_world
from tests.resources.lake_frames import CALENDAR

Desk = tuple[DeskWorld, str]
CHAIN = {"index": "NIFTY", "expiry": "this_week", "day": str(FRIDAY), "at": "09:17"}


def get(desk: Desk, name: str, **parameters: str) -> requests.Response:
    return requests.get(f"{desk[1]}/api/{name}", params=parameters, timeout=30)


def answer(desk: Desk, name: str, **parameters: str) -> dict[str, dict[str, list[object]]]:
    response = get(desk, name, **parameters)
    assert response.status_code == 200, response.text
    return response.json()


def test_the_chain_is_that_of_the_macro(still: Desk):
    got = answer(still, "chain", **CHAIN)["chain"]
    with G6Connection(still[0].root) as db:
        want = db.sql(f"from chain('NIFTY', 'this_week', '{FRIDAY} 09:17')")
    for side, kind in (("call", "CE"), ("put", "PE")):
        legs = want[want["option_type"] == kind]
        assert got["strike"] == legs["strike"].tolist()
        assert got[f"{side}_price"] == pytest.approx(legs["price"].round(2).tolist())
        assert got[f"{side}_oi"] == legs["oi"].tolist()
        assert got[f"{side}_ask"][-1] is None, "an empty side of a book is null, never 0"


def test_the_course_of_a_day_is_that_of_the_macros(still: Desk):
    got = answer(still, "course", index="NIFTY", expiry="this_week", day=str(BEFORE))
    with G6Connection(still[0].root) as db:
        want = db.sql(f"from straddle('NIFTY', 'this_week', '{BEFORE}')")
    assert got["straddle"] == want["straddle"].tolist()
    assert got["second"][0] == 9 * 3600 + 16 * 60


def test_a_day_lists_its_indices_expiries_and_due_times(still: Desk):
    got = answer(still, "day", day=str(FRIDAY))
    assert sorted(got["spots"]) == ["BANKNIFTY", "NIFTY"]
    assert got["due"] == {"first": [33_360], "last": [56_400], "step": [60]}
    assert set(got["expiries"]["tags"]) == {"this_week", "next_week"}


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("chain", {"index": "DAX"}, "index=DAX is not known; use one of NIFTY, BANKNIFTY"),
        ("chain", {"expiry": "next_year"}, "expiry=next_year is not known; use one of front, this_week"),
        ("chain", {"day": "20-11-2026"}, "day=20-11-2026 is no date; write it as YYYY-MM-DD"),
        ("chain", {"at": "25:00"}, "at=25:00 is no time of day; write it as HH:MM"),
        ("chain", {"at": "'; drop"}, "is no time of day"),
        ("chain", {"at": ""}, "at is missing; add at="),
        ("overlay", {"expiry": "2026-11-24"}, "days are compared by one of front, this_week"),
        ("secrets", {}, "the desk has no answer called secrets; it has days, day, chain"),
    ],
)
def test_what_cannot_be_asked_gets_one_message(still: Desk, name: str, change: dict[str, str], says: str):
    response = get(still, name, **(CHAIN | change))
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert says in response.json()["error"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8050", "127.0.0.1.evil.example", ""])
def test_a_page_of_the_net_that_points_its_name_here_gets_nothing(still: Desk, host: str):
    response = requests.get(f"{still[1]}/api/days", headers={"Host": host}, timeout=30)
    assert response.status_code == 403
    assert "under the name of this machine only" in response.json()["error"]


@pytest.mark.parametrize("host", ["localhost", "localhost:9999", "127.0.0.1:8050", "[::1]:8050"])
def test_this_machine_is_answered_through_any_tunnel(still: Desk, host: str):
    assert requests.get(f"{still[1]}/api/days", headers={"Host": host}, timeout=30).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/pulse", "/api/nothing", "/static/desk.css", "/elsewhere"])
def test_every_answer_forbids_foreign_scripts_and_frames(still: Desk, path: str):
    headers = requests.get(still[1] + path, timeout=30).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_only_shows(still: Desk, method: str):
    response = requests.request(method, f"{still[1]}/api/days", timeout=30)
    assert response.status_code == 405
    assert response.json() == {"error": f"the desk only shows: {method} is not allowed, use GET"}


def test_files_beside_the_page_are_out_of_reach(still: Desk):
    response = requests.Request("GET", still[1]).prepare()
    response.url = f"{still[1]}/static/../app.py"
    with requests.Session() as session:
        assert session.send(response, timeout=30).status_code == 404


def test_views_older_than_the_program_name_the_remedy(moving: Desk):
    with duckdb.connect(str(moving[0].root.warehouse)) as connection:
        connection.execute("DROP MACRO TABLE oi_by_strike")
    response = get(moving, "chain", **CHAIN)
    assert response.status_code == 503
    assert "run `g6 warehouse rebuild`" in response.json()["error"]


def test_a_heartbeat_that_cannot_be_read_is_said(moving: Desk):
    moving[0].root.heartbeat_file.write_text("{", encoding="utf-8")
    state = requests.get(f"{moving[1]}/api/pulse", timeout=30).json()
    assert state["down"] is True
    assert "cannot be read" in state["session"]


def test_no_answer_of_a_live_day_outlives_its_minute(moving: Desk):
    world, _ = moving
    before = answer(moving, "day", day=str(FRIDAY))["spots"]["NIFTY"]["second"]
    world.capture()
    assert answer(moving, "day", day=str(FRIDAY))["spots"]["NIFTY"]["second"] == [*before, before[-1] + 60]


def test_the_command_serves_a_world_and_refuses_a_taken_port(tmp_path: Path):
    g6 = Command(tmp_path)
    g6.configure()
    world = empty_world(g6.data)
    with served(world.root, CALENDAR) as url:
        port = url.rpartition(":")[2]
        assert f"--port {port} cannot be used" in g6.refuses("desk", "--world", "sim:7", "--port", port)
    process = g6.start("desk", "--world", "sim:7", "--port", "0")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert requests.get(line.split()[3] + "/api/days", timeout=30).json() == {"day": []}
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def test_uplot_lies_beside_its_licence_unchanged(project: Path):
    folder = project / "g6" / "desk" / "static" / "vendor" / "uplot"
    assert "MIT" in (folder / "LICENSE").read_text(encoding="utf-8")
    version = (folder / "VERSION").read_text(encoding="utf-8").split(",")[0]
    assert f"{version.split()[1]})" in (folder / "uPlot.iife.min.js").read_text(encoding="utf-8")[:200]


def test_answers_are_plain_json(still: Desk):
    for name, asked in {
        "days": {},
        "smiles": CHAIN,
        "overlay": CHAIN,
        "quality": CHAIN,
        "healed": CHAIN,
    }.items():
        # No NaN, which is no JSON and which browsers refuse.
        json.loads(get(still, name, **asked).text, parse_constant=pytest.fail)
