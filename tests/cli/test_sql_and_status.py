"""`g6 sql` and `g6 status`: what people read."""

import csv
import io
import json
from datetime import date

import pytest

from g6_resources.clock import SystemTime
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.world import World, make_root
from tests.cli.conftest import FRIDAY, SNAPSHOTS, Command

COUNTS = "select underlying, count(distinct snapshot_at) as n from overview group by 1 order by 1"


def test_csv_is_what_a_spreadsheet_reads(demo: Command):
    rows = list(csv.DictReader(io.StringIO(demo.says("sql", COUNTS, "--format", "csv"))))
    assert rows == [{"underlying": name, "n": str(SNAPSHOTS)} for name in ("BANKNIFTY", "NIFTY")]


def test_json_keeps_types_and_nulls(demo: Command):
    query = "select 1 as a, 'x,y' as b, null as c, timestamp '2026-11-20 09:16:00' as t"
    assert json.loads(demo.says("sql", query, "--format", "json")) == [
        {"a": 1, "b": "x,y", "c": None, "t": "2026-11-20T09:16:00.000"}
    ]


def test_a_table_shows_lists_brackets_and_unknown_values_as_they_are(demo: Command):
    shown = demo.says("sql", "select [1, 2] as pair, '[red]' as word, null::double as unknown")
    cells = [cell.strip() for cell in shown.splitlines()[3].strip("│").split("│")]
    assert cells == ["[1 2]", "[red]", ""]


def test_a_long_table_says_how_much_it_left_out(demo: Command):
    assert "50 more rows; --format csv prints all" in demo.says("sql", "from range(250)")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("selec 1", 'Parser Error: syntax error at or near "selec"'),
        ("select nope from overview", 'Referenced column "nope" not found'),
        ("from chain", "Table with name chain does not exist"),
        ("create table mine (n int)", "read-only"),
    ],
)
def test_bad_sql_gets_duckdbs_message_in_one_line(demo: Command, query: str, message: str):
    assert message in demo.refuses("sql", query)


def test_an_unknown_format_is_told_the_known_ones(demo: Command):
    assert "allowed are table, csv, json" in demo.refuses("sql", "select 1", "--format", "xml")


def test_status_of_a_session_that_ended_counts_what_is_stored(demo: Command):
    said = demo.says("status")
    assert "world sim:42 in " in said
    assert f"market time Fri {FRIDAY} 15:46:00 IST; indices NIFTY, BANKNIFTY" in said
    assert f"session of {FRIDAY}: ended" in said
    assert f"({SNAPSHOTS} of {SNAPSHOTS} snapshots stored; attempt 1)" in said
    row = next(line for line in said.splitlines() if line.startswith("│") and "BANKNIFTY" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [FRIDAY, "BANKNIFTY", str(SNAPSHOTS), "0"]


def test_status_of_a_world_that_never_ran_says_so(g6: Command):
    make_root(g6.data, World("sim:3"))
    said = g6.says("status")
    assert "session: none has run" in said
    assert "snapshots: none are stored" in said


def test_status_tells_a_running_session_from_one_without_a_heartbeat(g6: Command):
    root = make_root(g6.data, World("sim:3"))
    beats = HeartbeatFile(root.heartbeat_file, SystemTime())
    now = SystemTime().now()
    beats.write(
        market_time=now, run_id="r", trade_date=date(2026, 11, 20), attempt=2, state="capturing", detail="last 10:00"
    )
    said = g6.says("status")
    assert f"session of {FRIDAY}: runs, capturing (last 10:00; attempt 2, heartbeat" in said
    content = json.loads(root.heartbeat_file.read_text())
    earlier = now.replace(year=now.year - 1)
    root.heartbeat_file.write_text(json.dumps(content | {"system_time": earlier.isoformat(), "boot": None}))
    said = g6.says("status")
    assert f"session of {FRIDAY}: does not run, no heartbeat for" in said
    assert "relaunches it while the market is open" in said


def test_a_torn_heartbeat_is_told_and_the_rest_is_shown(g6: Command):
    root = make_root(g6.data, World("sim:3"))
    root.heartbeat_file.write_text('{"market_')
    said = g6.says("status")
    assert "session: " in said
    assert "heartbeat.json" in said
    assert "snapshots: none are stored" in said
