"""The base of the questions: words become arguments, and an answer without rows an error that says why."""

from abc import ABC, abstractmethod
from datetime import date, datetime, time
from typing import Any, Generic, TypeVar

from g6.analyst.nearest import why_no_rows
from g6.analyst.words import Day, Instant, QuestionError, day_of, expiry_of, index_of, instant_of

F = TypeVar("F")


class Asking(ABC, Generic[F]):
    """Runs the questions' SQL; `F` is the kind of table that answers come as."""

    @abstractmethod
    def sql(self, query: str, params: Any = None) -> F:
        """Return a query's rows."""

    @abstractmethod
    def rows(self, query: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Return a query's rows as tuples."""

    def _at(self, macro: str, underlying: str, at: Instant, expiry: date | str | None = None) -> F:
        instant = self._instant(at)
        given: dict[str, Any] = {"index": index_of(underlying), "instant": instant}
        if expiry is not None:
            given["tag"] = expiry_of(expiry)
        answer = self.sql(f"FROM {macro}", given)
        return self._explained(answer, instant.date(), **given)

    def _through(
        self, macro: str, day: Day, underlying: str | None = None, expiry: date | str | None = None, **more: Any
    ) -> F:
        given: dict[str, Any] = {"day": self._trade_date(day)}
        if underlying is not None:
            given["index"] = index_of(underlying)
        if expiry is not None:
            given["tag"] = expiry_of(expiry)
        return self._explained(self.sql(f"FROM {macro}", given | more), **given)

    def _explained(self, answer: F, day: date, **given: Any) -> F:
        if not is_empty(answer):
            return answer
        reason = why_no_rows(self.rows, day, **given)
        if reason is not None:
            raise QuestionError(reason)
        return answer

    def _trade_date(self, day: Day) -> date:
        return self._last_day() if day is None else day_of(day)

    def _instant(self, at: Instant) -> datetime:
        found = instant_of(self._last_day() if at is None else at)
        return datetime.combine(self._last_day(), found) if isinstance(found, time) else found

    def _last_day(self) -> date:
        [(day,)] = self.rows("SELECT max(trade_date) FROM stored_days")
        if day is None:
            raise QuestionError("nothing is stored yet; `make demo` makes a simulated day, `make dev` captures one")
        return day


def is_empty(answer: Any) -> bool:
    """Return whether a table, of whatever kind, has no rows."""
    return len(answer) == 0
