"""Login of the simulated broker: request tokens, the checksum, access tokens and their end."""

import hashlib
from datetime import datetime

from g6_sim.config import API_KEY, API_SECRET
from g6_sim.faults import Fault


class Accounts:
    """The one user of the simulated broker, and the tokens given out.

    Parameters
    ----------
    access_token
        A token valid from the start; empty for none.
    """

    def __init__(self, access_token: str) -> None:
        self._request_tokens: set[str] = set()
        self._issued: dict[str, datetime | None] = {access_token: None} if access_token else {}
        self._count = 0

    def request_token(self) -> str:
        """Return a fresh request token, good for one exchange."""
        token = self._fresh("request")
        self._request_tokens.add(token)
        return token

    def exchange(self, api_key: str, request_token: str, checksum: str, now: datetime) -> str | None:
        """Return an access token for a request token, or None if the token is used up or the checksum is wrong."""
        expected = hashlib.sha256(f"{api_key}{request_token}{API_SECRET}".encode()).hexdigest()
        if api_key != API_KEY or checksum != expected or request_token not in self._request_tokens:
            return None
        self._request_tokens.remove(request_token)
        token = self._fresh("access")
        self._issued[token] = now
        return token

    def revoke(self, access_token: str) -> None:
        """End a session."""
        self._issued.pop(access_token, None)

    def accepts(self, authorization: str, expiries: list[Fault], now: datetime) -> bool:
        """Whether an Authorization header is valid now, given the token expiries on schedule."""
        scheme, _, credentials = authorization.partition(" ")
        api_key, _, access_token = credentials.partition(":")
        if scheme != "token" or api_key != API_KEY or access_token not in self._issued:
            return False
        issued = self._issued[access_token]
        ends = [fault.start for fault in expiries if fault.start is not None and fault.active(now)]
        return all(issued is not None and issued >= end for end in ends)

    def _fresh(self, purpose: str) -> str:
        self._count += 1
        return hashlib.sha256(f"{purpose} {self._count}".encode()).hexdigest()[:32]
