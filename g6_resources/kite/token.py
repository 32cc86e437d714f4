"""The session token on disk: private, bound to its API key, dead at 6 the next morning.

How a token is obtained belongs to `login`.
"""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path

from g6_market.calendar import IST
from g6_resources.files import read_json, write_json
from g6_resources.kite.limiter import key_mark
from g6_resources.seams import TokenDead
from g6_resources.settings import Secrets, SettingsError

EXPIRES_AT = time(6, 0)
"""Access tokens expire at 6 AM on the day after the login (Kite Connect documentation, "regulatory requirement")."""


class TokenMissing(TokenDead):
    """There is no token to use: no file, an unsafe or unreadable one, or one of another API key."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The app registered with Kite Connect; `repr` shows neither part.

    Parameters
    ----------
    api_key
        Public part, sent with each call.
    api_secret
        Secret part, needed only to log in.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A session token; `repr` does not show it.

    Parameters
    ----------
    access_token
        What is sent with each call.
    user_id
        Whose session it is.
    made_at
        Market time of the login, aware IST.
    key_mark
        Mark of the API key it belongs to (`limiter.key_mark`).
    """

    access_token: str = field(repr=False)
    user_id: str
    made_at: datetime
    key_mark: str

    @property
    def expires_at(self) -> datetime:
        """Market time from which it is dead."""
        return datetime.combine(self.made_at.date() + timedelta(days=1), EXPIRES_AT, IST)


def credentials_from(secrets: Secrets) -> Credentials:
    """Return the credentials of the environment.

    Raises
    ------
    SettingsError
        If KITE_API_KEY is not set.
    """
    key, secret = secrets.kite_api_key, secrets.kite_api_secret
    if key is None:
        raise SettingsError(
            "KITE_API_KEY is not set, so Kite cannot be asked; set it in the environment (see "
            "config/environment.template), or use the simulator: `make demo`"
        )
    return Credentials(key.get_secret_value(), secret.get_secret_value() if secret else "")


def write_token(path: Path, *, access_token: str, user_id: str, api_key: str, made_at: datetime) -> Token:
    """Store a token, readable by its owner only, and return it."""
    token = Token(access_token, user_id, made_at.astimezone(IST), key_mark(api_key))
    write_json(
        path,
        {
            "access_token": access_token,
            "user_id": user_id,
            "made_at": token.made_at.isoformat(),
            "key_mark": token.key_mark,
        },
        durable=True,
    )
    return token


def read_token(path: Path) -> Token:
    """Return the stored token, dead or alive.

    Raises
    ------
    TokenMissing
        If there is none that may be used, with what to do.
    """
    try:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise TokenMissing(
                f"token file {path} can be read by others (mode {mode:03o}, allowed 600); run `chmod 600 {path}`, and "
                "`g6 login` again if others may have seen it"
            )
        content = read_json(path)
        made_at = datetime.fromisoformat(content["made_at"]).astimezone(IST)
        token = Token(str(content["access_token"]), str(content["user_id"]), made_at, str(content["key_mark"]))
    except FileNotFoundError:
        raise TokenMissing(f"there is no session token in {path}; run `g6 login`") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        # The cause is told by kind only: its text may quote the file.
        raise TokenMissing(
            f"token file {path} cannot be read ({type(error).__name__}); run `g6 login`, which writes it anew"
        ) from None
    if not token.access_token:
        raise TokenMissing(f"token file {path} holds an empty token; run `g6 login`")
    return token


def live_token(path: Path, api_key: str, now: datetime) -> Token:
    """Return the stored token of an API key, if it has not expired by the market time `now`.

    Raises
    ------
    TokenMissing
        If there is none that may be used.
    TokenDead
        If it has expired.
    """
    token = read_token(path)
    if token.key_mark != key_mark(api_key):
        raise TokenMissing(f"the token in {path} was made with another API key; run `g6 login`")
    if now >= token.expires_at:
        raise TokenDead(
            f"the session token in {path} expired at {token.expires_at:%Y-%m-%d %H:%M} IST; run `g6 login` once a day"
        )
    return token
