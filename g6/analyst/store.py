"""Questions about the store itself: what there is, which days, what is missing."""

from datetime import date
from typing import Generic, TypeVar

from g6.analyst.asking import Asking
from g6.analyst.words import Day, index_of

F = TypeVar("F")


class InTheStore(Asking[F], Generic[F]):
    """What is stored, and what of it is missing."""

    def catalog(self) -> F:
        """Return a line for each series: first and last day, days, snapshots, rows, snapshots missing."""
        return self.sql("FROM data_catalog")

    def days(self, underlying: str | None = None) -> list[date]:
        """Return the trading days stored, oldest first, of one index or of any."""
        index = None if underlying is None else index_of(underlying)
        query = "SELECT DISTINCT trade_date FROM stored_days WHERE $index IS NULL OR underlying = $index ORDER BY 1"
        return [day for (day,) in self.rows(query, {"index": index})]

    def expiries(self, underlying: str, day: Day = None) -> F:
        """Return what each expiry label of an index meant on a day."""
        labels = "expiries WHERE trade_date = $day AND underlying = $index ORDER BY expiry, expiry_tag"
        return self._through(labels, day, underlying)

    def gaps(self, day: Day = None) -> F:
        """Return what is missing of a day, with its cause; no row where nothing is.

        Raises
        ------
        QuestionError
            Nothing of the day is stored.
        """
        return self._through("gaps_on($day)", day)

    def daily_summary(self, underlying: str, first: Day = None, last: Day = None) -> F:
        """Return a row per sealed day: its bars, realised and implied volatility, and their rank among earlier days.

        Parameters
        ----------
        first, last
            Days to begin and end with, both included; None for no bound.
        """
        bounds = {"index": index_of(underlying), "first": first, "last": last}
        return self.sql(
            "FROM daily_summary WHERE underlying = $index AND trade_date >= coalesce(CAST($first AS DATE), trade_date) "
            "AND trade_date <= coalesce(CAST($last AS DATE), trade_date) ORDER BY trade_date",
            bounds,
        )
