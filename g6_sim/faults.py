"""What goes wrong, when, and for whom: faults on a schedule in simulated time.

Pure decisions; what a fault does to an answer is `server`'s.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from g6_market.calendar import IST
from g6_market.indices import INDICES
from g6_sim.noise import uniform

KINDS: dict[str, str] = {
    "rate_limit": "429 NetworkException",
    "token": "403 TokenException, whatever the token",
    "token_expired": "403 TokenException for tokens issued before `from`; a new login works",
    "server_error": "JSON error of the given status (500, 502, 503, 504)",
    "html": "an HTML page with status 502",
    "slow": "the answer comes `seconds` of real time later",
    "reset": "the connection is reset",
    "absent": "the matching symbols are missing from quotes",
    "empty_dump": "the instruments dump has a header and no rows",
    "truncated_dump": "the instruments dump ends after the share `keep` of its text, in the middle of a row",
    "stale": "the matching symbols are frozen at `from`",
}
"""Every kind of fault, and what it does."""

_FIELDS = ("kind", "from", "to", "match", "probability", "count", "seconds", "status", "keep")
_STREAM = 60  # noise stream


class FaultError(ValueError):
    """A fault does not exist or is written wrongly."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    start, end
        Simulated window [start, end); written `from` and `to`, ISO, IST if no zone is given. None is unbounded.
    match
        A path such as "/quote" (and all below it), an exchange, an underlying or a symbol such as "NSE:NIFTY 50".
        Empty matches everything.
    probability
        Share of the requests hit (of the symbols, for `absent`), drawn from the seed.
    count
        At most so many requests; None is unlimited.
    seconds, status, keep
        For `slow`, `server_error` and `truncated_dump`.
    """

    kind: str
    start: datetime | None = None
    end: datetime | None = None
    match: str = ""
    probability: float = 1.0
    count: int | None = None
    seconds: float = 8.0
    status: int = 503
    keep: float = 0.5

    def active(self, now: datetime) -> bool:
        """Whether simulated time is within the window."""
        return (self.start is None or now >= self.start) and (self.end is None or now < self.end)

    def concerns(self, path: str, keys: Sequence[str]) -> bool:
        """Whether a request for these symbols is meant."""
        if not self.match or path == self.match or path.startswith(f"{self.match}/"):
            return True
        if self.match.startswith("/"):
            return False  # another path; its symbols do not matter
        return path.endswith(f"/{self.match}") or any(self.concerns_key(key) for key in keys)

    def concerns_key(self, key: str) -> bool:
        """Whether one symbol is meant."""
        if not self.match or self.match.startswith("/") or key == self.match:
            return True
        exchange, _, symbol = key.partition(":")
        if exchange == self.match:
            return True
        spec = INDICES.get(self.match)
        of_index = symbol.startswith(self.match) and symbol[len(self.match) :][:1].isdigit()
        return spec is not None and (key == spec.spot_key or of_index)


def parse_faults(entries: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Read faults as they are written in JSON.

    Raises
    ------
    FaultError
        Naming the entry, the field and what is allowed.
    """
    return [_parse(number, entry) for number, entry in enumerate(entries, start=1)]


class FaultPlan:
    """The faults in force, and how often each has struck."""

    def __init__(self, seed: int, faults: Sequence[Fault]) -> None:
        self._seed = seed
        self.replace(faults)

    def replace(self, faults: Sequence[Fault]) -> None:
        """Take other faults, with fresh counts."""
        self.faults = list(faults)
        self._seen = [0] * len(self.faults)
        self._struck = [0] * len(self.faults)

    def strike(self, kinds: Collection[str], path: str, keys: Sequence[str], now: datetime) -> Fault | None:
        """Return the first fault of these kinds that hits a request, and count it."""
        for number, fault in enumerate(self.faults):
            if fault.kind not in kinds or not fault.active(now) or not fault.concerns(path, keys):
                continue
            if fault.count is not None and self._struck[number] >= fault.count:
                continue
            self._seen[number] += 1
            # For `absent` the draw is per symbol, see `missing`.
            if fault.kind != "absent" and self._draw(number, self._seen[number]) >= fault.probability:
                continue
            self._struck[number] += 1
            return fault
        return None

    def missing(self, fault: Fault, key: str) -> bool:
        """Whether an `absent` fault drops a symbol."""
        return fault.concerns_key(key) and self._draw(crc32(key.encode()), 0) < fault.probability

    def _draw(self, *keys: int) -> float:
        return float(uniform(self._seed, _STREAM, *keys)[0])


def _parse(number: int, entry: Mapping[str, Any]) -> Fault:
    where = f"fault {number}"
    unknown = [name for name in entry if name not in _FIELDS]
    if unknown:
        raise FaultError(f"{where}: unknown field {', '.join(unknown)}; allowed are {', '.join(_FIELDS)}")
    kind = entry.get("kind")
    if kind not in KINDS:
        raise FaultError(f"{where}: kind is {kind!r}; allowed are {', '.join(KINDS)}")
    try:
        fault = Fault(
            kind=str(kind),
            start=_instant(entry.get("from")),
            end=_instant(entry.get("to")),
            match=str(entry.get("match", "")),
            probability=float(entry.get("probability", 1.0)),
            count=None if entry.get("count") is None else int(entry["count"]),
            seconds=float(entry.get("seconds", 8.0)),
            status=int(entry.get("status", 503)),
            keep=float(entry.get("keep", 0.5)),
        )
    except (TypeError, ValueError) as error:
        raise FaultError(f"{where} ({kind}): {error}; instants are written like 2026-11-20T10:00:00") from error
    if not 0.0 <= fault.probability <= 1.0 or not 0.0 <= fault.keep <= 1.0:
        raise FaultError(f"{where} ({kind}): probability and keep lie between 0 and 1")
    if fault.status not in (500, 502, 503, 504):
        raise FaultError(f"{where} ({kind}): status is {fault.status}; allowed are 500, 502, 503, 504")
    if fault.start is None and kind in ("stale", "token_expired"):
        raise FaultError(f"{where} ({kind}): needs `from`, the instant at which it happens")
    return fault


def _instant(text: object) -> datetime | None:
    if text is None:
        return None
    instant = datetime.fromisoformat(str(text))
    return instant.replace(tzinfo=IST) if instant.tzinfo is None else instant.astimezone(IST)
