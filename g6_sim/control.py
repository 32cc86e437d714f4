"""The control door of a running simulator, for whoever drives the day and for tests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import requests


class SimControlError(RuntimeError):
    """The simulator refused, or does not answer."""


class SimControl:
    """Client of a simulator's `/sim` endpoints.

    Parameters
    ----------
    url
        Where it runs, such as `SimServer.url`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def clock(self) -> datetime:
        """Return the simulated instant, aware."""
        return datetime.fromisoformat(self._ask("GET", "clock")["now"])

    def set_clock(self, now: datetime) -> None:
        """Set a driven clock to an aware instant.

        Raises
        ------
        SimControlError
            If the clock is a shifted one, or the simulator does not answer.
        """
        self._ask("POST", "clock", {"now": now.isoformat()})

    def faults(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Replace the faults (see `faults.Fault`); an empty list ends them all."""
        self._ask("POST", "faults", list(entries))

    def log(self) -> list[dict[str, Any]]:
        """Return the Kite requests served: path, family, at (ISO), status (0: reset), symbols, fault."""
        return cast("list[dict[str, Any]]", self._ask("GET", "log")["log"])

    def clear_log(self) -> None:
        """Forget the requests served so far."""
        self._ask("DELETE", "log")

    def _ask(self, method: str, what: str, body: object = None) -> dict[str, Any]:
        try:
            response = self._session.request(method, f"{self._url}/sim/{what}", json=body, timeout=10)
        except requests.RequestException as error:
            raise SimControlError(f"the simulator at {self._url} does not answer: {error}") from error
        answer = cast("dict[str, Any]", response.json())
        if not response.ok:
            raise SimControlError(str(answer.get("error", answer)))
        return answer
