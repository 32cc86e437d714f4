from datetime import datetime, timedelta
from pathlib import Path

import pytest

from g6_market.calendar import IST
from g6_resources.kite.token import Credentials, TokenMissing, credentials_from, live_token, read_token, write_token
from g6_resources.seams import TokenDead
from g6_resources.settings import Secrets, SettingsError

MADE_AT = datetime(2026, 11, 20, 8, 30, tzinfo=IST)
SECRET = "access-token-of-the-test"  # pragma: allowlist secret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kite_token.json"
    write_token(path, access_token=SECRET, user_id="AB1234", api_key="key", made_at=MADE_AT)
    return path


def test_a_token_is_stored_for_its_owner_only_and_read_back(file: Path):
    assert file.stat().st_mode & 0o777 == 0o600
    token = read_token(file)
    assert (token.access_token, token.user_id, token.made_at) == (SECRET, "AB1234", MADE_AT)
    assert live_token(file, "key", MADE_AT) == token


def test_neither_token_nor_credentials_show_what_they_hold(file: Path):
    assert SECRET not in repr(read_token(file))
    shown = repr(Credentials("the-key", "the-secret"))
    assert "the-key" not in shown
    assert "the-secret" not in shown
    assert '"key"' not in file.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_token_others_can_read_is_refused(file: Path, mode: int):
    file.chmod(mode)
    with pytest.raises(TokenMissing, match=rf"\(mode {mode:o}, allowed 600\); run `chmod 600 .*kite_token\.json`"):
        read_token(file)


def test_without_a_file_the_command_that_makes_one_is_named(tmp_path: Path):
    with pytest.raises(TokenMissing, match="run `g6 login`"):
        read_token(tmp_path / "kite_token.json")


@pytest.mark.parametrize("cut", [0, 10, 60])
def test_a_torn_token_is_missing_and_the_message_does_not_quote_it(file: Path, cut: int):
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(TokenMissing, match="cannot be read") as raised:
        read_token(file)
    assert SECRET[:8] not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("now", "alive"),
    [
        (MADE_AT + timedelta(hours=15), True),
        (datetime(2026, 11, 21, 5, 59, 59, tzinfo=IST), True),
        (datetime(2026, 11, 21, 6, 0, tzinfo=IST), False),
        (MADE_AT - timedelta(days=3), True),
    ],
)
def test_a_token_dies_at_six_the_next_morning_by_the_market_clock(file: Path, now: datetime, alive: bool):
    if alive:
        assert live_token(file, "key", now).access_token == SECRET
    else:
        with pytest.raises(TokenDead, match="expired at 2026-11-21 06:00 IST; run `g6 login`"):
            live_token(file, "key", now)


def test_a_token_of_another_api_key_is_refused(file: Path):
    with pytest.raises(TokenMissing, match="made with another API key"):
        live_token(file, "other-key", MADE_AT)


def test_credentials_come_from_the_environment_or_a_message_says_which_variable():
    credentials = credentials_from(Secrets.from_environ({"KITE_API_KEY": "k", "KITE_API_SECRET": "s"}))
    assert (credentials.api_key, credentials.api_secret) == ("k", "s")
    with pytest.raises(SettingsError, match=r"KITE_API_KEY is not set.*`make demo`"):
        credentials_from(Secrets.from_environ({}))
