"""The conventions of a day: what its numbers were derived with, and are derived with again.

Their meaning is in docs/definitions.md.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self, cast

import pandas as pd

from g6_market.schema import CONVENTIONS, conform

CODE_VERSION = "3"
"""Version of the derivations; raised whenever one of them gives other numbers for the same quotes."""

ATM_REFERENCES = ("forward", "spot")
TIME_RULE = "ACT/365 to the instant at which the settlement value is fixed"
SPREAD_RULE = "two-sided, bid < ask, and ask - bid <= 2 vol points, or 2 % of the mid, or 2 ticks"


@dataclass(frozen=True)
class Conventions:
    """What a day's numbers were derived with; stored with the day and used again when it is derived again.

    Parameters
    ----------
    risk_free_rate
        Continuously compounded, 0.065 for 6.5 %.
    atm_reference
        "forward" or "spot": what the labels of offset series mean.
    interval_seconds, full_chain_every_seconds
        Time between snapshots and between full chains.
    strikes_each_side
        N of the captured ATM +- N.

    Raises
    ------
    ValueError
        If `atm_reference` is neither.
    """

    risk_free_rate: float = 0.065
    atm_reference: str = "forward"
    interval_seconds: int = 60
    full_chain_every_seconds: int = 180
    strikes_each_side: int = 10
    calendar_version: str = ""
    code_version: str = CODE_VERSION

    def __post_init__(self) -> None:
        if self.atm_reference not in ATM_REFERENCES:
            raise ValueError(
                f"atm_reference is {self.atm_reference!r}; allowed are {', '.join(ATM_REFERENCES)}: correct the setting"
            )

    def to_frame(self) -> pd.DataFrame:
        """Return the one row of table `conventions`."""
        return conform(pd.DataFrame([asdict(self) | {"time_rule": TIME_RULE, "spread_rule": SPREAD_RULE}]), CONVENTIONS)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        """Read a day's row back.

        The rules for time and spread are not read: they are those of the code.

        Raises
        ------
        ValueError
            If the table has no row.
        """
        if frame.empty:
            raise ValueError("table conventions has no row for the day; store the day's conventions before deriving it")
        row = cast("dict[str, Any]", frame.iloc[-1].to_dict())
        return cls(
            risk_free_rate=float(row["risk_free_rate"]),
            atm_reference=str(row["atm_reference"]),
            interval_seconds=int(row["interval_seconds"]),
            full_chain_every_seconds=int(row["full_chain_every_seconds"]),
            strikes_each_side=int(row["strikes_each_side"]),
            calendar_version=str(row["calendar_version"]),
            code_version=str(row["code_version"]),
        )
