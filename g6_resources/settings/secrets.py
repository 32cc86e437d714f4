"""Secrets: read from the environment, refused in the configuration file, never shown."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, SecretStr

SECRET_KEY = re.compile(r"(?:.*_)?(?:api_?key|secret|token|password|passwd)", re.IGNORECASE)


class Secrets(BaseModel):
    """Secrets of the environment; None where a variable is unset or blank. `repr` and dumps hide them.

    Parameters
    ----------
    kite_api_key, kite_api_secret
        KITE_API_KEY and KITE_API_SECRET: the app registered with Kite Connect.
    influx_token
        INFLUX_TOKEN.
    redis_password
        REDIS_PASSWORD.
    g6_alert_urls
        G6_ALERT_URLS: where alerts are sent, with the passwords and tokens that such addresses hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kite_api_key: SecretStr | None = None
    kite_api_secret: SecretStr | None = None
    influx_token: SecretStr | None = None
    redis_password: SecretStr | None = None
    g6_alert_urls: SecretStr | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Return the secrets of an environment."""
        values = {name: environ.get(name.upper(), "").strip() for name in cls.model_fields}
        return cls(**{name: SecretStr(value) for name, value in values.items() if value})


def take_out_secrets(content: dict[str, Any]) -> Iterator[str]:
    """Remove every secret from a parsed file, yielding for each where it stood and where it belongs."""
    for path, holder, key in list(_walk(content)):
        del holder[key]
        yield f"{path}: a secret does not belong in this file. Delete it here, renew it if seen. {_remedy(path)}"


def _walk(holder: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    for key, value in holder.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _walk(cast(dict[str, Any], value), here)
        elif isinstance(value, list):
            for place, item in enumerate(cast(list[Any], value)):
                if isinstance(item, dict):
                    yield from _walk(cast(dict[str, Any], item), f"{here}.{place}")
        elif isinstance(value, str) and value.strip() and SECRET_KEY.fullmatch(key):
            yield here, holder, key


def _remedy(path: str) -> str:
    lowered = path.lower()
    if "influx" in lowered:
        return "Set the environment variable INFLUX_TOKEN (see config/environment.template)"
    if "redis" in lowered:
        return "Set the environment variable REDIS_PASSWORD (see config/environment.template)"
    if lowered.endswith(("access_token", "request_token")):
        return "Run `g6 login`, which keeps the session token in a file of its own"
    if lowered.endswith(("api_key", "apikey")):
        return "Set the environment variable KITE_API_KEY (see config/environment.template)"
    return "Set the environment variable KITE_API_SECRET (see config/environment.template)"
