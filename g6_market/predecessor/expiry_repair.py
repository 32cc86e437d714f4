"""Which contract a row is of, when its expiry date may be wrong.

The predecessor moved the date of a monthly label to the last day of the same weekday in the same month: 2025-12-24, a
Wednesday before a holiday, became 2025-12-31. That is undone where just one listed expiry has the month and weekday.
Nothing else is guessed: a row whose contract is not certain is rejected.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from g6_market.calendar import TradingCalendar
from g6_market.expiry_rules import expiries_by_rule
from g6_market.indices import TAGS
from g6_market.predecessor.findings import Findings

_VALUES = ("ce", "pe", "ce_vol", "pe_vol", "ce_oi", "pe_oi")
# Quotes of one contract for two labels were asked seconds apart; more than this apart they are two contracts.
_SAME_CONTRACT = 0.25
_SAME_RUPEES = 5.0


@dataclass(frozen=True, slots=True)
class Listing:
    """The option expiries of an index in one dump."""

    underlying: str
    dumped_on: date
    expiries: Collection[date]


def listed_on(
    underlying: str, day: date, listings: Collection[Listing], calendar: TradingCalendar
) -> tuple[set[date], str]:
    """Return the expiries that an index had on a day, and what says so.

    The nearest dump of the day or later decides for every expiry that was still to come then; the rule of the weekday
    for the others, and for all where no dump is known.
    """
    by_rule = set(expiries_by_rule(underlying, day, calendar))
    later = [dump for dump in listings if dump.underlying == underlying and dump.dumped_on >= day]
    if not later:
        return by_rule, "the rule of expiry weekdays"
    dump = min(later, key=lambda found: found.dumped_on)
    known = {expiry for expiry in dump.expiries if expiry >= day}
    return known | {at for at in by_rule if at < dump.dumped_on}, f"the dump of {dump.dumped_on}"


def with_right_expiry(
    rows: pd.DataFrame, day: date, listed: Mapping[str, tuple[set[date], str]], findings: Findings
) -> pd.DataFrame:
    """Return the rows whose contract is certain, their `expiry` that of the contract, each contract once a stamp."""
    keep: list[pd.DataFrame] = []
    for (underlying, label, expiry), group in rows.groupby(["underlying", "label", "expiry"], sort=False):
        expiries, why = listed[str(underlying)]
        written = pd.Timestamp(str(expiry)).date()
        right = _right(written, day, expiries, str(label))
        if right is None:
            reason = (
                f"expiry {written} had passed on {day}"
                if written < day
                else f"no expiry {written} of {underlying} by {why}"
            )
            findings.add("rejected", reason, group["where"])
            continue
        if right != written:
            findings.add("repaired", f"{underlying} {label} expiry {written} is {right} by {why}", group["where"])
        keep.append(group.assign(expiry=pd.Timestamp(right).as_unit("us"), moved=right != written))
    return _once(pd.concat(keep), findings) if keep else rows.assign(moved=False).head(0)


def _right(written: date, day: date, listed: set[date], label: str) -> date | None:
    if written < day:
        return None
    if written in listed:
        return written
    same = [
        at
        for at in listed
        if at.weekday() == written.weekday() and (at.year, at.month) == (written.year, written.month)
    ]
    return same[0] if len(same) == 1 and label.endswith("month") else None


def _once(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    # Weekly labels first: their dates were never moved.
    order = rows["label"].map({tag: place for place, tag in enumerate(TAGS)}).fillna(len(TAGS))
    rows = rows.assign(order=order).sort_values(["moved", "order"], kind="stable")
    key = ["underlying", "expiry", "strike", "stamp"]
    again = rows.duplicated(key).to_numpy()
    if not again.any():
        return rows.drop(columns=["order", "moved"])
    first = rows[~again].set_index(key)[list(_VALUES)]
    repeated = rows[again]
    kept = first.reindex(pd.MultiIndex.from_frame(repeated[key]))
    prices = [(repeated[side].to_numpy(), kept[side].to_numpy()) for side in ("ce", "pe")]
    apart = np.any([np.abs(a - b) > np.maximum(_SAME_RUPEES, _SAME_CONTRACT * b) for a, b in prices], axis=0)
    findings.add(
        "rejected",
        "its prices are not those of the contract that its date names: of another expiry",
        repeated.loc[apart, "where"],
    )
    findings.add("noted", "the same contract under a second label, stored once", repeated.loc[~apart, "where"])
    return rows[~again].drop(columns=["order", "moved"])
