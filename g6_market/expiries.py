"""What `this_week`, `next_week`, `this_month` and `next_month` mean on a day: the one resolver.

A pure function of the trade date and the expiries listed in that day's dump. No weekday rule and no calendar enters:
exchanges move expiries for holidays and change their weekday, and only the dump knows. The words themselves are in
`indices`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import pandas as pd

from g6_market.calendar import TradingCalendar
from g6_market.indices import TAGS
from g6_market.schema import EXPIRIES, conform

# After the underlying, 26AUG24350CE and 26AUGFUT are monthly. 2681824350CE and 26O0176200CE (1 October) are not: a
# year, one character for the month, a day.
_MONTH = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_CONTRACT = re.compile(rf"\d\d(?:(?P<monthly>{_MONTH})|[1-9OND]\d\d)(?:\d+(?:\.\d+)?(?:CE|PE)|FUT)")

# A holiday moves an expiry back to the previous trading day: at most over a weekend and two days.
_LONGEST_SHIFT = timedelta(days=4)


class ExpiryError(ValueError):
    """The listed expiries and the symbols of a day do not make sense together."""


@dataclass(frozen=True, slots=True)
class ExpiryTags:
    """The labels of one index on one day.

    Parameters
    ----------
    mapping
        Label to expiry. Only what the listing resolves: an index that lists monthly expiries alone has no
        `this_week` and no `next_week`.
    """

    mapping: Mapping[str, date]

    def of(self, expiry: date) -> tuple[str, ...]:
        """Return the labels of an expiry in the order of `TAGS`; none where it has no label."""
        return tuple(tag for tag in TAGS if self.mapping.get(tag) == expiry)

    @property
    def expiries(self) -> tuple[date, ...]:
        """The labelled expiries, ascending, each once."""
        return tuple(sorted(set(self.mapping.values())))

    @property
    def front(self) -> date:
        """The nearest listed expiry, which always has a label."""
        return min(self.mapping.values())

    def is_monthly(self, expiry: date) -> bool:
        """Whether a labelled expiry is a monthly one."""
        return expiry in (self.mapping.get("this_month"), self.mapping.get("next_month"))


def resolve_expiries(
    trade_date: date,
    listed: Iterable[date],
    *,
    monthly_symbols: Mapping[date, bool] | None = None,
    underlying: str = "index",
) -> ExpiryTags:
    """Resolve the labels of one index for a whole trading day.

    `this_month` and `next_month` are the first and second expiry, on or after the date, that is the last one listed in
    its calendar month. `this_week` and `next_week` are the first and second of all, only where the index lists any
    expiry that is not monthly. The expiring contract keeps its labels through its last day.

    Where symbols are given, one correction to "last of its month": a weekly expiry of the first days of a month that a
    holiday moves back into the month before comes after that month's monthly one. So it was with NIFTY on
    2025-04-30 (NIFTY25430.., Maharashtra Day) after the monthly 2025-04-24 (NIFTY25APR..).

    Parameters
    ----------
    trade_date
        The day whose labels are asked for.
    listed
        Option expiries of the index in that day's dump, any order; those before the date are left out.
    monthly_symbols
        Expiry to whether its symbols have the monthly form (`is_monthly_symbol`); checked against the listing.
    underlying
        The index, for error messages.

    Raises
    ------
    ExpiryError
        If nothing is listed on or after the date, or if the symbols contradict the listing, which is what an
        incomplete dump looks like.
    """
    alive = sorted({expiry for expiry in listed if expiry >= trade_date})
    if not alive:
        raise ExpiryError(
            f"{underlying}: no expiry on or after {trade_date} is listed; fetch the instruments dump again"
        )
    symbols = monthly_symbols or {}
    moved = {early for early, following in pairwise(alive) if _moved_from_next_month(early, following, symbols)}
    monthly = sorted({expiry.replace(day=1): expiry for expiry in alive if expiry not in moved}.values())
    wrong = [expiry for expiry in alive if symbols.get(expiry, expiry in monthly) != (expiry in monthly)]
    if wrong:
        raise ExpiryError(
            f"{underlying} on {trade_date}: the symbols contradict the listed expiries at "
            f"{', '.join(f'{expiry} ({_form(symbols[expiry])} symbols)' for expiry in wrong)}; monthly, as the last of "
            f"their month, are {', '.join(map(str, monthly[:4]))}. An expiry is missing from the dump or the rule has "
            "changed: compare with the exchange's contract list and fetch the dump again"
        )
    weekly = alive if len(monthly) < len(alive) else []
    first_two = [*zip(TAGS[:2], weekly, strict=False), *zip(TAGS[2:], monthly, strict=False)]
    return ExpiryTags(dict(first_two))


def is_monthly_symbol(tradingsymbol: str, underlying: str) -> bool:
    """Whether an option's or future's symbol has the monthly form (NIFTY26AUG24350CE, not NIFTY2681824350CE).

    Raises
    ------
    ExpiryError
        If it is no derivative symbol of that underlying. The date in a symbol is not read: strikes run into it, and
        the dump has it.
    """
    match = _CONTRACT.fullmatch(tradingsymbol.removeprefix(underlying))
    if match is None or not tradingsymbol.startswith(underlying):
        raise ExpiryError(
            f"{tradingsymbol!r} is no derivative symbol of {underlying}; expected {underlying}26AUG24350CE, "
            f"{underlying}2681824350CE or {underlying}26AUGFUT"
        )
    return match["monthly"] is not None


def expiries_table(trade_date: date, tags: Mapping[str, ExpiryTags], calendar: TradingCalendar) -> pd.DataFrame:
    """Build the `expiries` table of a day: a row per underlying and label, columns and types of `schema.EXPIRIES`.

    Parameters
    ----------
    tags
        Underlying to its labels.
    """
    rows = [
        {
            "underlying": underlying,
            "expiry_tag": tag,
            "expiry": pd.Timestamp(expiry),
            "is_monthly": labels.is_monthly(expiry),
            "trading_days_to_expiry": calendar.trading_days_between(trade_date, expiry),
            "settlement_fixed_at": calendar.settlement_fixed_at(expiry).replace(tzinfo=None),
        }
        for underlying, labels in tags.items()
        for tag, expiry in labels.mapping.items()
    ]
    return conform(pd.DataFrame(rows, columns=list(EXPIRIES.names)), EXPIRIES)


def _moved_from_next_month(early: date, following: date, symbols: Mapping[date, bool]) -> bool:
    # A weekly expiry whose own day, a week before the following one, lies in the next month.
    own_day = following - timedelta(days=7)
    weekly = symbols.get(early) is False
    return weekly and early < own_day <= early + _LONGEST_SHIFT and own_day.month != early.month


def _form(monthly: bool) -> str:
    return "monthly" if monthly else "weekly"
