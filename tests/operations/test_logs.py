"""The logs of a session and of a command: shape, one event a snapshot, tied to the run, and without secrets."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from g6_resources.logs import FAMILY, get_logger, logging_of_run, logging_to_terminal
from g6_resources.redaction import Redactor
from g6_resources.settings import Secrets
from g6_resources.settings.models import LoggingSettings
from tests.operations.conftest import HIDDEN, PROJECT, TOKEN, Operated


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_due_instant_has_one_event_that_agrees_with_its_rows(operated: Operated) -> None:
    told = {line["due"]: line for line in operated.log_lines() if line["event"] == "snapshot"}
    rows = operated.desk.snapshots()
    assert sorted(told) == [f"{due:%H:%M:%S}" for due in sorted(rows["snapshot_at"].unique())]
    assert len(told) == sum(line["event"] == "snapshot" for line in operated.log_lines())
    for due, mine in rows.groupby("snapshot_at"):
        line = told[f"{due:%H:%M:%S}"]
        assert line["outcomes"] == mine["outcome"].value_counts().to_dict()
        assert line["legs_expected"] == mine["requested"].sum()
        assert line["legs_collected"] == mine["returned"].sum()
    assert sum(line["calls"] for line in told.values()) <= len(operated.desk.served("/"))
    assert told["15:25:00"]["level"] == "warning"
    assert told["15:25:00"]["causes"] == ["server error"]


def test_every_line_of_a_run_carries_run_attempt_and_day(operated: Operated) -> None:
    lines = operated.log_lines()
    assert len(lines) > 10
    for line in lines:
        assert (line["run_id"], line["attempt"], line["trade_date"]) == ("run-1", 1, str(operated.day))
        assert line["timestamp"].endswith("+05:30")


def test_what_others_log_through_the_standard_library_comes_out_the_same_way(operated: Operated) -> None:
    refused = [line for line in operated.log_lines() if line["event"] == "sink refusing: no server"]
    assert refused[0]["logger"] == "g6_assets.capture.session"
    assert refused[0]["level"] == "warning"


def test_no_secret_is_in_what_a_session_logs(operated: Operated) -> None:
    text = (operated.root.logs / "g6.jsonl").read_text()
    assert not [secret for secret in (*HIDDEN.values(), TOKEN) if secret in text]


def test_the_log_is_its_owners_alone(operated: Operated) -> None:
    assert operated.root.logs.stat().st_mode & 0o777 == 0o700
    assert (operated.root.logs / "g6.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_log_that_was_rotated_away_goes_on_in_a_new_file(tmp_path: Path) -> None:
    with logging_of_run(LoggingSettings(), tmp_path, run_id="a"):
        get_logger("g6_assets.x").info("before")
        (tmp_path / "g6.jsonl").rename(tmp_path / "g6.jsonl.1")
        get_logger("g6_assets.x").info("after")
    assert json.loads((tmp_path / "g6.jsonl.1").read_text())["event"] == "before"
    assert json.loads((tmp_path / "g6.jsonl").read_text())["event"] == "after"


@pytest.mark.parametrize(("form", "stream"), [("auto", Terminal()), ("human", io.StringIO())])
def test_a_person_reads_lines(form: str, stream: io.StringIO) -> None:
    with logging_to_terminal(LoggingSettings.model_validate({"format": form}), stream=stream):
        get_logger("g6.x").warning("snapshot", due="09:16:00", legs=12)
    said = stream.getvalue()
    assert "snapshot" in said
    assert not said.startswith("{")


@pytest.mark.parametrize(("form", "stream"), [("auto", io.StringIO()), ("json", Terminal())])
def test_a_program_reads_json(form: str, stream: io.StringIO) -> None:
    with logging_to_terminal(LoggingSettings.model_validate({"format": form}), stream=stream):
        get_logger("g6.x").warning("snapshot", due="09:16:00", legs=12)
        logging.getLogger("g6_resources.x").warning("%s of %d", "one", 2)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["due"], first["legs"]) == ("snapshot", "09:16:00", 12)
    assert second["event"] == "one of 2"


def test_the_level_is_the_settings_and_nothing_is_left_behind() -> None:
    stream = io.StringIO()
    before = [(logging.getLogger(name).level, logging.getLogger(name).handlers[:]) for name in FAMILY]
    with logging_to_terminal(LoggingSettings(level="warning"), stream=stream):
        get_logger("g6.x").info("quiet")
        get_logger("g6.x").error("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()
    assert [(logging.getLogger(name).level, logging.getLogger(name).handlers[:]) for name in FAMILY] == before


@pytest.mark.parametrize(
    "text",
    [
        "KITE secret apisecretH3tRz9 in the middle",
        "GET /quote?api_key=abcd1234&access_token=efgh5678",
        "{'Authorization': 'token abcd1234:efgh5678'}",
        "Authorization: Bearer efgh5678abcd",
        "https://user:efgh5678@example.com/x",  # pragma: allowlist secret
        '{"access_token": "efgh5678"}',
        "mailto://user:pass1234@example.com",  # pragma: allowlist secret
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    secrets = Redactor({**HIDDEN, "G6_ALERT_URLS": "json://a mailto://user:pass1234@example.com"})
    shown = secrets.text(text)
    assert not [part for part in ("apisecretH3tRz9", "abcd1234", "efgh5678", "pass1234") if part in shown]
    assert "***" in shown


@pytest.mark.parametrize("name", [*(name.upper() for name in Secrets.model_fields), "AWS_SECRET_ACCESS_KEY"])
def test_the_value_of_every_secret_variable_is_taken_out(name: str) -> None:
    assert Redactor({name: "hidden-5kWc1", "HOME": "/home/ann"}).text("at hidden-5kWc1 of /home/ann") == (
        "at *** of /home/ann"
    )


def test_what_is_no_secret_stays() -> None:
    text = "token dead: Kite does not accept the session token (HTTP 403: Incorrect `api_key` or `access_token`.)"
    assert Redactor({}).text(text) == text


def test_a_token_of_the_day_is_hidden_as_soon_as_it_is_there(operated: Operated, tmp_path: Path) -> None:
    redactor = Redactor({}, tmp_path / "token.json")
    assert redactor.text(f"x {TOKEN}") == f"x {TOKEN}"
    (tmp_path / "token.json").write_bytes(operated.root.token_file.read_bytes())
    assert redactor.text(f"x {TOKEN}") == "x ***"


def test_a_trace_of_a_defect_shows_no_secret(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "import g6.commands.query as query\n"
        "def broken(*_): raise RuntimeError('asked with ' + os.environ['KITE_API_SECRET'])\n"
        "query.run_sql = broken\n"
        "sys.argv = ['g6', 'sql', 'select 1']\n"
        "from g6.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env={"PATH": "/usr/bin", **HIDDEN}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "RuntimeError: asked with ***" in done.stderr
    assert "broken" in done.stderr
    assert HIDDEN["KITE_API_SECRET"] not in done.stderr + done.stdout
