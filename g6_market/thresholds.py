"""A trader's own thresholds on the numbers of `overview`: which of them are crossed by a snapshot.

Who hears of it, and how often, belongs to `g6_resources.notify`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound on one number of one index.

    Parameters
    ----------
    column
        Numeric column of `overview`.
    above, below
        Crossed when the number is greater, or smaller; None for no such bound.
    """

    underlying: str
    column: str
    above: float | None = None
    below: float | None = None

    def crossed_by(self, value: float) -> str | None:
        """Return which bound a number crosses, as text; None if neither. An unknown number (NaN) crosses none."""
        if self.above is not None and value > self.above:
            return f"above {self.above:g}"
        if self.below is not None and value < self.below:
            return f"below {self.below:g}"
        return None


@dataclass(frozen=True, slots=True)
class Crossing:
    """A number beyond its bound."""

    threshold: Threshold
    bound: str
    value: float

    def __str__(self) -> str:
        return f"{self.threshold.underlying} {self.threshold.column} is {self.value:g}, {self.bound}"


def crossings(thresholds: Iterable[Threshold], overview: pd.DataFrame) -> list[Crossing]:
    """Return the thresholds that a snapshot's `overview` rows cross, in the order given."""
    rows = {str(row["underlying"]): row for row in overview.to_dict("records")}
    found: list[Crossing] = []
    for threshold in thresholds:
        value = rows.get(threshold.underlying, {}).get(threshold.column)
        if value is None or pd.isna(value):
            continue
        if (bound := threshold.crossed_by(float(value))) is not None:
            found.append(Crossing(threshold, bound, float(value)))
    return found
