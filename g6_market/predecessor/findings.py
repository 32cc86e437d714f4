"""What an import repaired, rejected and left out: counted by reason, with a few examples each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

EXAMPLES = 3
Verdict = Literal["repaired", "rejected", "noted"]


@dataclass
class Reason:
    """One reason.

    Parameters
    ----------
    verdict
        "repaired": stored otherwise than written; "rejected": not stored; "noted": nothing was lost by it.
    """

    verdict: Verdict
    text: str
    count: int = 0
    examples: list[str] = field(default_factory=list[str])


@dataclass
class Findings:
    """All reasons of an import, in the order first met."""

    reasons: dict[str, Reason] = field(default_factory=dict[str, Reason])

    def add(self, verdict: Verdict, text: str, where: Iterable[str]) -> None:
        """Count every place that a reason was met at."""
        places = list(where)
        if not places:
            return
        reason = self.reasons.setdefault(f"{verdict}: {text}", Reason(verdict, text))
        reason.count += len(places)
        reason.examples += places[: EXAMPLES - len(reason.examples)]

    def count(self, verdict: Verdict) -> int:
        """Return how many places a verdict was given."""
        return sum(reason.count for reason in self.reasons.values() if reason.verdict == verdict)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the reasons as JSON objects."""
        return [
            {"verdict": reason.verdict, "reason": reason.text, "count": reason.count, "examples": reason.examples}
            for reason in self.reasons.values()
        ]
