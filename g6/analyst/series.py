"""Questions about the course of a day, or of many: straddles, series at an offset, ratios, the same weekday before."""

from datetime import date, datetime, time
from typing import Generic, TypeVar

from g6.analyst.asking import Asking, is_empty
from g6.analyst.words import Day, QuestionError, clock_of, day_of, expiry_of, index_of

F = TypeVar("F")


class ThroughTime(Asking[F], Generic[F]):
    """Answers with a row per snapshot of a day, or per day.

    `underlying` and `expiry` are as in `AtAnInstant`; `day` is a trading day, by default the last one stored. All raise
    `QuestionError` when that is not stored, naming the nearest that is.
    """

    def straddle(
        self, underlying: str, expiry: date | str = "front", day: Day = None, *, strike_of: str | None = None
    ) -> F:
        """Return the at-the-money straddle of one expiry.

        Parameters
        ----------
        strike_of
            None: the strike floats with the money. A time such as "09:20": the strike at the money then, kept through
            the day as a position would be, beside its session VWAP.
        """
        if strike_of is None:
            return self._through("straddle($index, $tag, $day)", day, underlying, expiry)
        macro = "fixed_straddle($index, $tag, $day, from_time := $strike_of)"
        return self._through(macro, day, underlying, expiry, strike_of=clock_of(strike_of))

    def straddle_at(
        self, underlying: str, expiry: date | str = "front", at: str = "15:00", first: Day = None, last: Day = None
    ) -> F:
        """Return the at-the-money straddle and IV of one expiry at one time of many days, a row for each day.

        Parameters
        ----------
        expiry
            A label means what it meant on each day.
        at
            Time of day: each day's last snapshot at or before it.
        first, last
            Days to begin and end with, both included; None for the first and the last one stored.
        """
        given = {"index": index_of(underlying), "tag": expiry_of(expiry)}
        until = self._trade_date(last)
        days = {"first": date.min if first is None else day_of(first), "last": until}
        answer = self.sql("FROM straddle_at($index, $tag, $at, $first, $last)", given | days | {"at": clock_of(at)})
        return self._explained(answer, until, **given)

    def offset_series(self, underlying: str, expiry: date | str = "front", offset: int = 0, day: Day = None) -> F:
        """Return call and put side by side at a rank from the money: 0 at it, 1 the next strike up, -1 down.

        Raises
        ------
        QuestionError
            Also when no snapshot of the day captured that rank: the message says how far the strikes went.
        """
        macro = "offset_series($index, $tag, $offset, $day)"
        answer = self._through(macro, day, underlying, expiry, offset=int(offset))
        if is_empty(answer):
            raise QuestionError(self._no_rank(underlying, expiry, offset, day))
        return answer

    def overview(self, underlying: str | None = None, day: Day = None) -> F:
        """Return spot, futures, VIX, put-call ratios and completeness, of one index or of all."""
        if underlying is None:
            return self._through("overview_on($day)", day)
        return self._through("overview_on($day) WHERE underlying = $index", day, underlying)

    def pcr(self, underlying: str, expiry: date | str = "front", day: Day = None) -> F:
        """Return the put-call ratios of one expiry, by open interest and by volume, over all strikes and ATM +- 10."""
        return self._through("pcr($index, $tag, $day)", day, underlying, expiry)

    def max_pain(self, underlying: str, expiry: date | str = "front", day: Day = None) -> F:
        """Return max pain of one expiry beside forward and spot."""
        return self._through("max_pain($index, $tag, $day)", day, underlying, expiry)

    def weekday_overlay(self, underlying: str, expiry: str = "front", offset: int = 0, day: Day = None) -> F:
        """Return straddle, IV and open interest of a day beside their means over earlier days of its weekday.

        Parameters
        ----------
        expiry
            A label; only days as many sessions before that label's expiry are behind the means.
        """
        macro = "weekday_overlay($index, $tag, $offset, $day)"
        return self._through(macro, day, underlying, expiry, offset=int(offset))

    def _no_rank(self, underlying: str, expiry: date | str, offset: int, day: Day) -> str:
        index, when = index_of(underlying), self._trade_date(day)
        query = "SELECT min(strike_offset), max(strike_offset) FROM chain($index, $tag, $instant)"
        instant = datetime.combine(when, time.max)
        [(low, high)] = self.rows(query, {"index": index, "tag": expiry_of(expiry), "instant": instant})
        return f"{index} {expiry} has no strike at rank {offset} from the money on {when}; it has {low} to {high}"
