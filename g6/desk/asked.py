"""What a browser may ask: the parameters of a question, checked at the door."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time

from g6_market.indices import FRONT, INDICES, TAGS

LABELS = (FRONT, *TAGS)
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2})?", re.ASCII)


class BadQuestion(ValueError):
    """A parameter is missing or cannot be used; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of one question.

    Parameters
    ----------
    given
        As they stand in the address.
    """

    given: Mapping[str, str]

    @property
    def index(self) -> str:
        """Name of an index."""
        name = self._required("index", "one of " + ", ".join(INDICES))
        if name not in INDICES:
            raise BadQuestion(f"index={name} is not known; use one of {', '.join(INDICES)}")
        return name

    @property
    def expiry(self) -> str:
        """An expiry label, or an expiry date as text."""
        text = self._required("expiry", f"one of {', '.join(LABELS)}, or a date such as 2026-11-24")
        if text not in LABELS and _date(text) is None:
            raise BadQuestion(f"expiry={text} is not known; use one of {', '.join(LABELS)}, or a date as YYYY-MM-DD")
        return text

    @property
    def label(self) -> str:
        """An expiry label; days are compared by label, so that a date will not do."""
        text = self._required("expiry", f"one of {', '.join(LABELS)}")
        if text not in LABELS:
            raise BadQuestion(f"expiry={text} is no label; days are compared by one of {', '.join(LABELS)}")
        return text

    @property
    def day(self) -> date:
        """A trading day."""
        text = self._required("day", "a date such as 2026-11-20")
        day = _date(text)
        if day is None:
            raise BadQuestion(f"day={text} is no date; write it as YYYY-MM-DD, e.g. 2026-11-20")
        return day

    @property
    def instant(self) -> str:
        """Day and time of day as the macros take them."""
        text = self._required("at", "a time such as 10:15")
        if not _TIME.fullmatch(text) or not _is_time(text):
            raise BadQuestion(f"at={text} is no time of day; write it as HH:MM, e.g. 10:15")
        return f"{self.day} {text}"

    def _required(self, name: str, allowed: str) -> str:
        value = self.given.get(name)
        if not value:
            raise BadQuestion(f"{name} is missing; add {name}= with {allowed}")
        return value


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-11-20") else None
    except ValueError:
        return None


def _is_time(text: str) -> bool:
    try:
        time.fromisoformat(text)
    except ValueError:
        return False
    return True
