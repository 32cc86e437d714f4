"""What a trading day needs before its first snapshot: instruments, expiries, conventions, reference.

Each is written once a day; whoever comes first writes it (the morning schedule is only an early start), everybody else
reads what is stored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from g6_market.calendar import Session, TradingCalendar
from g6_market.day import Conventions, TradingDay, make_day
from g6_market.expiries import ExpiryError
from g6_market.indices import INDICES
from g6_market.instruments import DumpError, normalise_dump
from g6_market.quotes import quotes_frame
from g6_market.schema import CONVENTIONS, EXPIRIES, INSTRUMENTS, QUOTES, REFERENCE, conform
from g6_market.universe import reference_batches
from g6_resources.lake import Lake
from g6_resources.sealing import trading_day
from g6_resources.seams import QuoteSource, SourceError

DUMP_FILE = "dump"
SWEEP_FILE = "sweep"

Check = Callable[[], None]
"""Raises where its caller must not go on."""


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What the configuration wants of a day.

    Parameters
    ----------
    tags
        Expiry tags by index, in the order of the configuration.
    strikes_each_side
        Width N of the window ATM +- N, by index.
    """

    conventions: Conventions
    tags: Mapping[str, Sequence[str]]
    strikes_each_side: Mapping[str, int]
    room_strikes: int = 36
    depth: bool = False

    @property
    def exchanges(self) -> list[str]:
        """Exchanges whose dump is needed: those of the contracts and of the spot values."""
        names = {"NSE"}  # India VIX
        for index in self.tags:
            names |= {INDICES[index].derivative_exchange, INDICES[index].spot_exchange}
        return sorted(names)


def is_opened(lake: Lake, session: Session) -> bool:
    """Tell whether the day's dump is stored."""
    return DUMP_FILE in lake.live_names(INSTRUMENTS, session.trade_date)


def open_day(
    lake: Lake,
    source: QuoteSource,
    plan: DayPlan,
    session: Session,
    calendar: TradingCalendar,
    *,
    refresh: bool = False,
    may_write: Check | None = None,
) -> tuple[TradingDay, bool]:
    """Return the trading day and whether its files were written now.

    Parameters
    ----------
    refresh
        Fetch the dump anew although the day has one.
    may_write
        Asked before each write: `Fence.check` of a session, which may have been replaced while it waited for the dump.

    Raises
    ------
    FencedOut
        A newer attempt owns the day.
    SourceError, DumpError, ExpiryError
        When the dump cannot be had, is empty, truncated or contradicts itself. Nothing is written then.
    """
    day = session.trade_date
    stored = lake.read(INSTRUMENTS, day)
    if len(stored) and not refresh:
        return trading_day(lake, day, calendar), False

    def made_of(max_age_hours: float | None) -> TradingDay:
        dumps = source.instruments(plan.exchanges, max_age_hours=max_age_hours)
        listed = normalise_dump(dumps, list(plan.tags))
        return make_day(session, plan.conventions, listed, plan.tags, calendar, plan.strikes_each_side)

    try:
        made = made_of(0 if refresh else None)
    except (DumpError, ExpiryError):
        # A dump that ends after a whole row passes for whole until it is read, and would be kept for hours.
        made = made_of(0)
    # The dump last, because that it is stored says that the day is opened.
    for table, frame in (
        (CONVENTIONS, made.conventions.to_frame()),
        (EXPIRIES, made.expiries),
        (INSTRUMENTS, made.instruments),
    ):
        if may_write is not None:
            may_write()
        lake.write_live(table, day, DUMP_FILE, frame)
    return made, True


def reference_sweep(
    lake: Lake,
    source: QuoteSource,
    day: TradingDay,
    now: Callable[[], datetime],
    *,
    deadline: datetime | None = None,
    may_write: Check | None = None,
) -> pd.DataFrame | None:
    """Ask once for every listed contract and store previous close, limits and opening open interest.

    Returns None, storing nothing, when the day has its sweep already. A sweep made after the open has a null
    `opening_oi`: what stood before the open cannot be asked for any more.

    Parameters
    ----------
    now
        The market's clock.
    deadline
        Market time after which no call is tried again; by default each has the source's own budget.
    may_write
        See `open_day`.

    Raises
    ------
    SourceError
        When a call fails or nothing at all is answered; nothing is stored then.
    """
    date_ = day.session.trade_date
    if len(lake.read(REFERENCE, date_)):
        return None
    before_open = now() < day.session.open
    answers = [source.quotes(batch.keys, deadline=deadline) for batch in reference_batches(day, source.batch_size)]
    quotes = quotes_frame(answers, day, day.session.open, attempt=0)
    if quotes.empty:
        raise SourceError(f"reference sweep of {date_}: not one of the listed contracts was answered", "bad answer")
    frame = pd.DataFrame({name: quotes[name] for name in REFERENCE.names if name in QUOTES.names})
    limits = _limits(answers)
    keys = quotes["exchange"].astype(str) + ":" + quotes["tradingsymbol"].astype(str)
    frame["lower_circuit_limit"] = [limits.get(key, (None, None))[0] for key in keys]
    frame["upper_circuit_limit"] = [limits.get(key, (None, None))[1] for key in keys]
    frame["opening_oi"] = quotes["oi"] if before_open else None
    frame["previous_oi"] = keys.map(_last_oi(lake, day)).astype("Int64")
    frame = conform(frame.drop_duplicates(["exchange", "tradingsymbol"]), REFERENCE)
    if may_write is not None:
        may_write()
    lake.write_live(REFERENCE, date_, SWEEP_FILE, frame)
    return frame


def _limits(answers: Sequence[object]) -> dict[str, tuple[float | None, float | None]]:
    limits: dict[str, tuple[float | None, float | None]] = {}
    for answer in answers:
        for key, entry in getattr(answer, "quotes").items():  # noqa: B009
            limits[key] = (entry.get("lower_circuit_limit") or None, entry.get("upper_circuit_limit") or None)
    return limits


def _last_oi(lake: Lake, day: TradingDay) -> dict[str, int]:
    before = previous_stored_day(lake, day)
    if before is None:
        return {}
    quotes = lake.read(QUOTES, before, columns=["snapshot_at", "exchange", "tradingsymbol", "oi"])
    quotes = (
        quotes[quotes["oi"].notna()]
        .sort_values("snapshot_at")
        .drop_duplicates(["exchange", "tradingsymbol"], keep="last")
    )
    keys = quotes["exchange"].astype(str) + ":" + quotes["tradingsymbol"].astype(str)
    return dict(zip(keys, quotes["oi"], strict=True))


def previous_stored_day(lake: Lake, day: TradingDay) -> date | None:
    """Return the previous session's date if G6 stored it, else None: an older value would be another fact."""
    before = day.calendar.previous_session(day.session.trade_date).trade_date
    return before if before in lake.days() else None
