"""On which weekday index options expired when, and how their symbols are built: for days without a dump.

Only the simulated exchange and imported history use these rules. For every captured day the dump decides (`expiries`):
exchanges move expiries, and a rule does not know.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from g6_market.calendar import TradingCalendar
from g6_market.indices import INDICES

_MON, _TUE, _WED, _THU, _FRI = range(5)

_WEEKDAYS_2024 = {
    "NIFTY": _THU,
    "BANKNIFTY": _WED,
    "FINNIFTY": _TUE,
    "MIDCPNIFTY": _MON,
    "SENSEX": _FRI,
    "BANKEX": _MON,
}
_ONE_WEEKLY_EACH = frozenset({"NIFTY", "SENSEX"})
_MONTHS = "123456789OND"


def _by_exchange(nse: int, bse: int) -> dict[str, int]:
    return {name: nse if spec.derivative_exchange == "NFO" else bse for name, spec in INDICES.items()}


# From (trade date): expiry weekday per index, indices with weeklies. SEBI 2024-10-01 left one weekly per exchange;
# BSE moved on 2025-01-01; both on 2025-08-29, when running contracts were re-dated overnight.
_RULES: tuple[tuple[date, dict[str, int], frozenset[str]], ...] = (
    (date.min, _WEEKDAYS_2024, frozenset(INDICES)),
    (date(2024, 11, 20), _WEEKDAYS_2024, _ONE_WEEKLY_EACH),
    (date(2025, 1, 1), _by_exchange(nse=_THU, bse=_TUE), _ONE_WEEKLY_EACH),
    (date(2025, 8, 29), _by_exchange(nse=_TUE, bse=_THU), _ONE_WEEKLY_EACH),
)


def expiry_weekday(underlying: str, day: date) -> int:
    """Return the weekday (Monday 0) on which an index's contracts of a trade date expire."""
    return _rule(day)[0][underlying]


def lists_weeklies(underlying: str, day: date) -> bool:
    """Tell whether an index listed weekly expiries on a trade date."""
    return underlying in _rule(day)[1]


def expiries_by_rule(
    underlying: str, day: date, calendar: TradingCalendar, *, weeks: int = 8, months: int = 4
) -> dict[date, bool]:
    """Return the next expiries of an index by the rule of a trade date, and whether each is the monthly one.

    A day on which the exchange is closed makes the expiry the trading day before.
    """
    weekday = expiry_weekday(underlying, day)
    monthly = [last for _, last in monthly_expiries(day, weekday, calendar, months)]
    first = day + timedelta((weekday - day.weekday()) % 7)
    nominal = [first + timedelta(7 * week) for week in range(weeks)] if lists_weeklies(underlying, day) else []
    weekly = {on_or_before(at, calendar) for at in nominal}
    return {at: at in monthly for at in sorted({*monthly, *weekly}) if at >= day}


def monthly_expiries(day: date, weekday: int, calendar: TradingCalendar, months: int) -> Iterator[tuple[int, date]]:
    """Yield month number and last expiry, on or after the day, of this month and the following ones."""
    for offset in range(months):
        year, month = divmod(day.year * 12 + day.month - 1 + offset, 12)
        first_of_next = date(year + (month == 11), (month + 1) % 12 + 1, 1)
        last = first_of_next - timedelta(1)
        expiry = on_or_before(last - timedelta((last.weekday() - weekday) % 7), calendar)
        if expiry >= day:
            yield month + 1, expiry


def on_or_before(day: date, calendar: TradingCalendar) -> date:
    """Return a day, or the trading day before it where the exchange is closed."""
    return day if calendar.is_open_day(day) else calendar.previous_session(day).trade_date


def option_symbol(underlying: str, expiry: date, monthly: bool, option_type: str, strike: float) -> str:
    """Return Kite's symbol: `NIFTY26AUG24350CE` for the last expiry of a month, else `NIFTY2681824350CE`."""
    when = f"{expiry:%b}".upper() if monthly else f"{_MONTHS[expiry.month - 1]}{expiry:%d}"
    return f"{underlying}{expiry:%y}{when}{strike:g}{option_type}"


def _rule(day: date) -> tuple[dict[str, int], frozenset[str]]:
    _, weekdays, weeklies = [rule for rule in _RULES if rule[0] <= day][-1]
    return weekdays, weeklies
