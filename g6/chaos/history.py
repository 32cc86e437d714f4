"""What happened to a day as its runner saw it: the attempts, and what each left behind."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from g6.chaos.process import Outcome
from g6.chaos.script import Death, Window


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of the session.

    Parameters
    ----------
    began, ended
        Market time of its launch and of its end.
    """

    number: int
    began: datetime
    ended: datetime
    outcome: Outcome
    death: Death | None

    @property
    def opened(self) -> datetime | None:
        """From when it captured; None when it did not get so far."""
        told = self.outcome.told.get("opened")
        return datetime.fromisoformat(told) if told else None

    @property
    def capturing(self) -> Window | None:
        """While it captured."""
        return Window(self.opened, self.ended) if self.opened else None


@dataclass
class History:
    """All that befell a day."""

    attempts: list[Attempt] = field(default_factory=list)
    closings: list[Outcome] = field(default_factory=list)
    views_asked: int = 0
    struck: Counter[str] = field(default_factory=Counter)

    def add(self, attempt: Attempt) -> None:
        """Note an attempt."""
        self.attempts.append(attempt)
        self._count(attempt.outcome, attempt.death)

    def close(self, outcome: Outcome, death: Death | None) -> None:
        """Note an attempt to heal and seal."""
        self.closings.append(outcome)
        self._count(outcome, death)

    def _count(self, outcome: Outcome, death: Death | None) -> None:
        self.struck.update(outcome.told.get("struck", {}))
        if outcome.killed and death is not None:
            self.struck["power cut" if death.power_cut else "kill -9"] += 1
