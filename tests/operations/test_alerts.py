"""Alerts go out to a real receiver on loopback: once, not too often, again after a failure, without secrets."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from g6_market.calendar import IST
from g6_resources.alerts import Alert, AlertLog
from g6_resources.clock import SystemTime
from g6_resources.notify import Dispatcher, Notifier
from g6_resources.redaction import Redactor
from g6_resources.settings import Secrets, SettingsError
from g6_resources.watchman import concerns
from tests.operations.conftest import PROJECT, Operated, environment

DAY = date(2026, 11, 20)


@dataclass
class Receiver:
    """Takes what Apprise's json:// sends."""

    port: int = 0
    status: int = 200
    got: list[dict[str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook/pass1234"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    mine = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if mine.status == 200:
                mine.got.append(json.loads(body))
            self.send_response(mine.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        mine.port = server.server_port
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield mine
        server.shutdown()


class SetClock(SystemTime):
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 10, 0, tzinfo=IST)

    def now(self) -> datetime:
        return self.at


@dataclass
class Office:
    """The alerts of a world and who sends them on."""

    folder: Path
    receiver: Receiver
    clock: SetClock = field(default_factory=SetClock)

    @property
    def log(self) -> AlertLog:
        return AlertLog(self.folder / "alerts.jsonl")

    def tell(self, kind: str = "run failed", text: str = "it broke") -> None:
        self.log.tell(Alert(self.clock.now(), kind, DAY, text), once=False)

    def dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self.log,
            self.folder / "notified.json",
            Notifier([self.receiver.address]),
            world="live",
            repeat=timedelta(minutes=30),
            redactor=Redactor({"KITE_API_SECRET": "apisecretH3tRz9"}),
            system=self.clock,
        )


@pytest.fixture
def office(tmp_path: Path, receiver: Receiver) -> Office:
    return Office(tmp_path, receiver)


def test_an_alert_is_sent_once_with_its_kind_and_text(office: Office) -> None:
    dispatcher = office.dispatcher()
    office.tell("token dead", "run `g6 login`")
    assert dispatcher.deliver() == 1
    assert dispatcher.deliver() == 0
    assert [(one["title"], one["message"]) for one in office.receiver.got] == [
        ("G6 live: token dead", "run `g6 login`")
    ]


def test_what_was_told_before_anybody_listened_is_history(office: Office) -> None:
    office.tell()
    assert office.dispatcher().deliver() == 0


def test_of_one_kind_only_one_message_goes_out_in_half_an_hour_and_the_next_says_how_many(office: Office) -> None:
    dispatcher = office.dispatcher()
    for minute in range(29):
        office.clock.at = datetime(2026, 11, 20, 10, minute, tzinfo=IST)
        office.tell(text=f"failure {minute}")
        dispatcher.deliver()
    assert len(office.receiver.got) == 1
    office.clock.at += timedelta(minutes=2)
    dispatcher.deliver()
    assert office.receiver.got[1]["message"] == "failure 28 (28 of this kind since 10:01)"


def test_kinds_do_not_hold_each_other_back(office: Office) -> None:
    dispatcher = office.dispatcher()
    office.tell("run failed")
    office.tell("token dead")
    assert dispatcher.deliver() == 2
    assert sorted(office.receiver.titles) == ["G6 live: run failed", "G6 live: token dead"]


def test_what_could_not_be_sent_is_sent_later_also_by_another_process(office: Office) -> None:
    first = office.dispatcher()
    office.tell()
    office.receiver.status = 503
    assert first.deliver() == 0
    office.receiver.status = 200
    assert office.dispatcher().deliver() == 1
    assert office.dispatcher().deliver() == 0


def test_a_message_shows_no_secret(office: Office) -> None:
    dispatcher = office.dispatcher()
    office.tell(text="asked with apisecretH3tRz9 at https://x/?access_token=abcd1234")
    dispatcher.deliver()
    assert office.receiver.got[0]["message"] == "asked with *** at https://x/?access_token=***"


def test_the_memory_of_what_was_sent_is_private(office: Office) -> None:
    office.dispatcher().deliver()
    assert (office.folder / "notified.json").stat().st_mode & 0o777 == 0o600


def test_addresses_are_shown_nowhere_not_even_a_wrong_one() -> None:
    secrets = Secrets.from_environ({"G6_ALERT_URLS": "json://a/pass1234, nonsense-pass1234"})
    assert "pass1234" not in repr(secrets)
    with pytest.raises(SettingsError, match="address 2 of 2") as raised:
        Notifier.from_secrets(secrets)
    assert "pass1234" not in str(raised.value)
    assert repr(Notifier(["json://a/pass1234"])) == "Notifier(1 addresses)"


CALM = {
    "g6_world": {("live",): 1.0}, "g6_market_open": {(): 1.0}, "g6_heartbeat_age_seconds": {(): 4.0},
    "g6_daemon_tick_age_seconds": {(): 8.0}, "g6_token_valid": {(): 1.0}, "g6_disk_free_bytes": {(): 5e10},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({}, []),
        ({"g6_heartbeat_age_seconds": {(): 121.0}}, ["session silent"]),
        ({"g6_heartbeat_age_seconds": {}}, ["session silent"]),
        ({"g6_heartbeat_age_seconds": {(): 121.0}, "g6_market_open": {(): 0.0}}, []),
        ({"g6_daemon_tick_age_seconds": {(): 181.0}}, ["daemon silent"]),
        ({"g6_token_valid": {(): 0.0}}, ["token dead"]),
        ({"g6_token_valid": {(): 0.0}, "g6_market_open": {(): 0.0}}, []),
        ({"g6_disk_free_bytes": {(): 1e9}}, ["disk low"]),
        ({"g6_world": {}, "g6_heartbeat_age_seconds": {}}, ["session silent"]),
    ],
)
def test_what_dagster_cannot_notice_is_noticed(change: dict, kinds: list[str]) -> None:
    assert [one.kind for one in concerns(CALM | change)] == kinds


def test_without_a_world_there_is_nothing_to_be_concerned_about() -> None:
    assert concerns({"g6_disk_free_bytes": {(): 1.0}}) == []


def g6_alerts(operated: Operated, receiver: Receiver, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "g6", "alerts", *arguments],
        cwd=PROJECT,
        env=environment(operated.root.path.parent / "settings.json", G6_ALERT_URLS=receiver.address),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_sends_what_a_session_and_the_watch_told(operated: Operated, receiver: Receiver) -> None:
    operated.root.notified_file.unlink(missing_ok=True)
    assert g6_alerts(operated, receiver, "--once").stdout.strip() == "sent 0"
    AlertLog(operated.root.alerts_file).tell(Alert(SystemTime().now(), "run failed", DAY, "seal_job failed"))
    assert g6_alerts(operated, receiver, "--once").stdout.strip() == "sent 1"
    assert receiver.titles == ["G6 sim:42: run failed"]


def test_the_command_can_try_its_addresses(operated: Operated, receiver: Receiver) -> None:
    assert g6_alerts(operated, receiver, "--test").stdout.strip() == "sent"
    assert receiver.titles == ["G6: test"]
    receiver.status = 500
    refused = g6_alerts(operated, receiver, "--test")
    assert refused.returncode == 2
    assert "pass1234" not in refused.stderr


def test_a_threshold_is_told_when_it_is_crossed_and_not_at_each_snapshot(operated: Operated) -> None:
    told = [one for one in AlertLog(operated.root.alerts_file).recent(500) if one.kind.startswith("threshold")]
    assert [one.kind for one in told] == ["threshold NIFTY spot above 1"]
    assert "at 15:05" in told[0].text
