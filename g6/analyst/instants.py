"""Questions about one moment: the chain, its smile and surface, open interest by strike."""

from datetime import date
from typing import Generic, TypeVar

from g6.analyst.asking import Asking
from g6.analyst.words import Instant

F = TypeVar("F")


class AtAnInstant(Asking[F], Generic[F]):
    """Answers as of the last snapshot at or before a moment.

    `underlying` is an index such as "NIFTY"; `expiry` a label (front, this_week, next_week, this_month, next_month) or
    a date; `at` as `words.Instant` says, by default the last snapshot stored. All raise `QuestionError` when that is
    not stored, naming the nearest that is. What the columns mean is in `docs/definitions.md`.
    """

    def chain(self, underlying: str, expiry: date | str = "front", at: Instant = None) -> F:
        """Return the option chain of one expiry: a row per contract, by strike, with price, OI, IV and greeks."""
        return self._at("chain($index, $tag, $instant)", underlying, at, expiry)

    def smile(self, underlying: str, expiry: date | str = "front", at: Instant = None) -> F:
        """Return volatility by strike of one expiry: of the out-of-the-money leg, and of call and put."""
        return self._at("iv_smile($index, $tag, $instant)", underlying, at, expiry)

    def surface(self, underlying: str, at: Instant = None) -> F:
        """Return volatility by expiry and strike, a row for each strike that has one."""
        return self._at("iv_surface($index, $instant)", underlying, at)

    def term_structure(self, underlying: str, at: Instant = None) -> F:
        """Return volatility, straddle, skew and rate by expiry."""
        return self._at("term_structure($index, $instant)", underlying, at)

    def oi_by_strike(self, underlying: str, expiry: date | str = "front", at: Instant = None) -> F:
        """Return open interest by strike, calls and puts, and its change over 5, 15, 60 minutes and since the open."""
        return self._at("oi_by_strike($index, $tag, $instant)", underlying, at, expiry)

    def build_up(self, underlying: str, expiry: date | str = "front", at: Instant = None) -> F:
        """Return who builds up what, a row per contract: against the previous close, and over 15 minutes."""
        return self._at("build_up($index, $tag, $instant)", underlying, at, expiry)
