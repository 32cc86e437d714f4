"""Healing: the minutes of a day that were not captured are filled from the broker's minute candles. Plain Python.

One call a contract brings its whole day, the nearest to the money first, a few a second. What came of each missing leg
is recorded, so a run that was stopped goes on where it stood and no minute without a trade is asked for twice. Captured
rows are never touched: what is healed are further rows of `quotes`, in live files until the next seal takes them in.
"""

import fcntl
import itertools
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_assets.capture.interrupted import record_interrupted
from g6_market.calendar import IST, TradingCalendar
from g6_market.candles import (
    EXPIRED,
    HEALED,
    NO_CANDLE,
    ContractCandles,
    healed_quotes,
    healing_rows,
    unrecorded_healing,
)
from g6_market.day import TradingDay, wall_clock
from g6_market.missing import DayLegs, asking_order, marked
from g6_market.schema import EXPIRY_OVERVIEW, HEALING, QUOTES, SNAPSHOTS, Table
from g6_resources.clock import MarketClock
from g6_resources.files import private
from g6_resources.lake import Lake
from g6_resources.sealing import trading_day
from g6_resources.seams import QuoteSource, SourceError, TokenDead

logger = logging.getLogger(__name__)

# What is fetched and not yet stored when a process is killed is asked for again: half a minute's calls at most.
CALLS_PER_FILE = 50
# After so many contracts in a row that failed the broker is taken to be away; a later run goes on.
FAILURES_IN_A_ROW = 3
# A candle is asked for once its minute has certainly been closed.
AFTER_CLOSE = timedelta(minutes=1)

Progress = Callable[[int, int, int], None]
"""Told after each contract: contracts done, contracts in all, rows healed so far."""


@dataclass(frozen=True, slots=True)
class HealLimit:
    """Where a healing stops although more is missing; a later one goes on.

    Parameters
    ----------
    calls
        Most calls.
    until
        Market time after which no call is made.
    """

    calls: int | None = None
    until: datetime | None = None

    def reached(self, calls: int, now: datetime) -> bool:
        """Whether no further call may be made."""
        return (self.calls is not None and calls >= self.calls) or (self.until is not None and now >= self.until)


@dataclass(slots=True)
class HealReport:
    """What a healing did.

    Parameters
    ----------
    trade_date
        The day.
    missing
        Legs, a contract at a due instant each, that could be asked for at the start.
    contracts
        Contracts they belong to.
    calls
        Answered calls.
    healed, without_candle, expired
        Legs stored; without a trade in their minute; of contracts that the broker no longer knows.
    left
        Contracts not asked for yet.
    trouble
        Why it stopped early, other than by its limit; None where nothing was in the way.
    """

    trade_date: date
    missing: int = 0
    contracts: int = 0
    calls: int = 0
    healed: int = 0
    without_candle: int = 0
    expired: int = 0
    left: int = 0
    trouble: str | None = None

    def __str__(self) -> str:
        if not self.missing:
            return f"{self.trade_date}: no leg is missing that candles were not asked for"
        parts = [f"{self.healed:,} healed", f"{self.without_candle:,} without a candle"]
        parts += [f"{self.expired:,} of expired contracts"] if self.expired else []
        parts += [f"{self.left} contracts left"] if self.left else []
        parts += [self.trouble] if self.trouble else []
        return f"{self.trade_date}: of {self.missing:,} missing legs {', '.join(parts)}"


def heal_day(
    lake: Lake,
    source: QuoteSource,
    day: TradingDay,
    clock: MarketClock,
    *,
    limit: HealLimit | None = None,
    all_strikes: bool = False,
    again: bool = False,
    progress: Progress | None = None,
) -> HealReport:
    """Fill what is missing of a day, sealed or not, from minute candles; stops at trouble and says so.

    Rows are stored live. Of a day that is not sealed readers see them in `quotes` and `gaps` at once; a sealed day must
    be sealed again to take them in, and either way the seal derives from them.

    Parameters
    ----------
    day
        As it was captured: `sealing.trading_day`.
    clock
        The market's.
    limit
        Bounds it; none by default.
    all_strikes
        Where a full chain was lost, ask for every listed strike instead of the window.
    again
        Ask again for legs that had no candle or had expired when they were asked for.
    progress
        Told after each contract.

    Raises
    ------
    DiskFull
        The disk is full; what was stored before stays.
    """
    healer = _Healer(lake, source, day, clock, limit or HealLimit(), progress, HealReport(day.trade_date))
    record_healed(lake, day.trade_date)
    # Spots come first: where nothing else tells where an index stood, its own candles do.
    healer.heal(lambda legs: legs.index_values, again=again)
    if healer.report.trouble is None:
        healer.heal(lambda legs: legs.options(all_strikes=all_strikes), again=again)
    return healer.report


def healable(lake: Lake, day: TradingDay, now: datetime) -> int:
    """Return how many missing legs of a day that is over candles may still fill: not asked for yet, and not expired."""
    legs = stored_legs(lake, day)
    missing = (legs.index_values | legs.options()) & ~legs.stored
    missing &= ~marked(lake.gather(HEALING, day.trade_date), day)
    expired = day.contracts.expiry < np.datetime64(now.date(), "us")
    return int(missing[:, ~expired].sum())


def completed(store: Lake, day: date, calendar: TradingCalendar, state_file: Path) -> list[datetime]:
    """Record the snapshots of a day that is over, sealed or not, that its session died in and no attempt completed.

    Parameters
    ----------
    state_file
        `DataRoot.session_state_file`.

    Returns
    -------
    list
        Their due instants.
    """
    if not store.live_names(QUOTES, day):
        return []
    return record_interrupted(store, trading_day(store, day, calendar), state_file)


class HealingRuns(Exception):
    """Another process heals this world: two would ask for the same and store it twice."""


@contextmanager
def alone(state: Path) -> Generator[None]:
    """Heal with no other process beside.

    Parameters
    ----------
    state
        The world's state folder.

    Raises
    ------
    HealingRuns
        Another one is at it.
    """
    with open(state / "healing.lock", "a", opener=private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HealingRuns("another process heals this world at the moment; let it end, then try again") from None
        yield


def record_healed(lake: Lake, trade_date: date) -> int:
    """Record healed rows whose process died before it could, and return how many those were."""
    names = [name for name in HEALING.names if name != "outcome"]
    quotes = _stored(lake, QUOTES, trade_date, [*names, "source"])
    rows = unrecorded_healing(quotes, lake.gather(HEALING, trade_date))
    if len(rows):
        _write(lake, HEALING, trade_date, pd.Timestamp(rows["known_at"].max()).to_pydatetime(), rows)
    return len(rows)


@dataclass
class _Healer:
    lake: Lake
    source: QuoteSource
    day: TradingDay
    clock: MarketClock
    limit: HealLimit
    progress: Progress | None
    report: HealReport
    _pending: list[ContractCandles] = field(default_factory=list[ContractCandles])
    _done: int = 0
    _failed: int = 0

    def heal(self, wanted: Callable[[DayLegs], NDArray[np.bool_]], *, again: bool) -> None:
        legs = stored_legs(self.lake, self.day)
        missing = wanted(legs) & ~legs.stored & self._over()[:, None]
        if not again:
            missing &= ~marked(self.lake.gather(HEALING, self.day.trade_date), self.day)
        order = asking_order(missing, legs)
        self.report.missing += int(missing.sum())
        self.report.contracts += len(order)
        try:
            for place, number in enumerate(order):
                if self._stops():
                    self.report.left += len(order) - place
                    break
                self._ask(number, self.day.due[missing[:, number]])
                self._done += 1
                if self.progress is not None:
                    self.progress(self._done, self.report.contracts, self.report.healed)
        finally:
            # Also on a cancel: what was fetched is stored before the process goes.
            self._flush()

    def _over(self) -> NDArray[np.bool_]:
        now, session = self.clock.now(), self.day.session
        if now >= session.close + AFTER_CLOSE:
            return np.ones(len(self.day.due), dtype=bool)
        # While it runs the session itself may still be at work on the last instant.
        interval = np.timedelta64(self.day.conventions.interval_seconds, "s")
        return self.day.due + interval + np.timedelta64(AFTER_CLOSE) <= wall_clock(now)

    def _stops(self) -> bool:
        return self.report.trouble is not None or self.limit.reached(self.report.calls, self.clock.now())

    def _ask(self, number: int, dues: NDArray[np.datetime64]) -> None:
        contract = self.day.contracts.table.iloc[number]
        expiry = contract["expiry"]
        expired = not pd.isna(expiry) and expiry.date() < self.clock.now().date()
        if expired or pd.isna(contract["instrument_token"]):
            # Its token may be another contract's by now, or was never known (imported history).
            self._keep(ContractCandles(number, dues, None))
            return
        start = self.day.session.open.replace(hour=0, minute=0)
        end = pd.Timestamp(dues[-1]).to_pydatetime().replace(tzinfo=IST)
        try:
            candles = self.source.candles(int(contract["instrument_token"]), start, end)
        except (TokenDead, OSError) as error:
            # The latter from a clock that cannot tell its simulator the time: none runs.
            self.report.trouble = str(error)
            self.report.left += 1
        except SourceError as error:
            logger.warning("%s: %s", contract["tradingsymbol"], error)
            self._failed += 1
            self.report.left += 1
            if self._failed >= FAILURES_IN_A_ROW:
                self.report.trouble = str(error)
        else:
            self._failed = 0
            self.report.calls += 1
            self._keep(ContractCandles(number, dues, candles))

    def _keep(self, asked: ContractCandles) -> None:
        self._pending.append(asked)
        if len(self._pending) >= CALLS_PER_FILE:
            self._flush()

    def _flush(self) -> None:
        asked, self._pending = self._pending, []
        if not asked:
            return
        known_at = self.clock.now()
        quotes = healed_quotes(asked, self.day, known_at)
        rows = healing_rows(asked, quotes, self.day, known_at)
        if len(quotes):
            _write(self.lake, QUOTES, self.day.trade_date, known_at, quotes)
        _write(self.lake, HEALING, self.day.trade_date, known_at, rows)
        outcomes = rows["outcome"].value_counts()
        self.report.healed += int(outcomes.get(HEALED, 0))
        self.report.without_candle += int(outcomes.get(NO_CANDLE, 0))
        self.report.expired += int(outcomes.get(EXPIRED, 0))


def stored_legs(lake: Lake, day: TradingDay) -> DayLegs:
    """Return what is known of a day's legs, healed ones that no seal has taken in yet included."""
    return DayLegs(
        day,
        _stored(lake, QUOTES, day.trade_date, ["snapshot_at", "tradingsymbol", "last_price"]),
        lake.gather(SNAPSHOTS, day.trade_date),
        lake.read(EXPIRY_OVERVIEW, day.trade_date, columns=["snapshot_at", "underlying", "expiry", "forward"]),
    )


def _stored(lake: Lake, table: Table, trade_date: date, columns: list[str]) -> pd.DataFrame:
    rows = lake.read(table, trade_date, columns=columns)
    if lake.seal_record(trade_date) is None:
        return rows
    return pd.concat([rows, lake.read_live(table, trade_date, columns=columns)], ignore_index=True)


def _write(lake: Lake, table: Table, trade_date: date, known_at: datetime, rows: pd.DataFrame) -> None:
    # By the time it is known, so that the last word on a leg is the last by name too; two may fall into one instant.
    taken = set(lake.live_names(table, trade_date))
    stem = f"candles-{known_at:%Y%m%dT%H%M%S}"
    name = next(name for number in itertools.count() if (name := f"{stem}-{number:04}") not in taken)
    lake.write_live(table, trade_date, name, rows)
