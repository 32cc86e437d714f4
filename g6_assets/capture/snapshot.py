"""One snapshot: ask, judge, store. The order of the writes is the promise that nothing is lost.

Quotes are on disk before their `snapshots` rows, and both before anything derived; a sink hears of a snapshot last. So
a session that died in between left quotes without the rest, which `interrupted` completes from them.
"""

import gc
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from g6_assets.capture.interrupts import Interrupts
from g6_assets.capture.opening import DayPlan
from g6_assets.capture.outcomes import STALE, Tally, outcome_rows, rows_of_quotes
from g6_assets.capture.state import SessionState
from g6_market.contracts import ChainKey
from g6_market.day import TradingDay, wall_clock
from g6_market.derive import derive
from g6_market.frames import floats, instants
from g6_market.quality import is_stale
from g6_market.quotes import newest_exchange_stamp, quotes_frame
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, QUOTES, SNAPSHOTS, Table
from g6_market.series import last_strikes, offset_series
from g6_market.universe import Batch, StickyWindow, full_chain_batches, window_batches
from g6_resources.lake import Lake, snapshot_name
from g6_resources.lock import Fence
from g6_resources.seams import QuoteAnswer, QuoteSource, Snapshot, SourceError, TokenDead


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one due instant.

    Parameters
    ----------
    snapshot
        The stored frames; None when nothing could be stored.
    rows
        The `snapshots` rows of the instant.
    dead_token
        The broker refused the session token.
    """

    due: datetime
    snapshot: Snapshot | None
    rows: pd.DataFrame
    dead_token: TokenDead | None

    @property
    def outcomes(self) -> Mapping[str, int]:
        """Chains by outcome."""
        return Counter(self.rows["outcome"].astype(str))


@dataclass(frozen=True, slots=True)
class _Request:
    """The calls of a snapshot, and the legs they ask for by chain."""

    batches: Sequence[Batch]
    legs: Mapping[ChainKey, int]


@contextmanager
def _no_search_for_cycles() -> Generator[None]:
    # A full chain's answers are 60,000 objects without a cycle. Searching them for cycles again and again while they
    # are made took a third of a snapshot's processor time.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class SnapshotTaker:
    """Takes snapshots of one trading day for one session attempt.

    `day` may be set anew to the same day that knows its reference sweep by now. An interrupt that `interrupts` holds
    back leaves the legs that were not answered in time missing, with the cause "interrupted".
    """

    def __init__(
        self,
        *,
        day: TradingDay,
        plan: DayPlan,
        source: QuoteSource,
        lake: Lake,
        fence: Fence,
        interrupts: Interrupts | None = None,
    ) -> None:
        self.day = day
        self._plan = plan
        self._source = source
        self._lake = lake
        self._fence = fence
        self._interrupts = interrupts or Interrupts()
        self._chains = _chains_of(day)
        self._full = self._request(full_chain_batches(day, source.batch_size))
        self._asked: tuple[StickyWindow, _Request] | None = None

    @property
    def full_chain_calls(self) -> int:
        """Calls that a full chain takes."""
        return len(self._full.batches)

    @_no_search_for_cycles()
    def take(self, due: datetime, state: SessionState, *, full: bool, deadline: datetime) -> Taken:
        """Ask for the snapshot due at `due`, store it and bring `state` up to it.

        Parameters
        ----------
        full
            Ask for every listed strike; a session without a window does so in any case.
        deadline
            Market time after which nothing is tried again.

        Raises
        ------
        FencedOut
            A newer attempt owns the day; nothing is written.
        """
        full = full or state.window is None
        request = self._full if full or state.window is None else self._window_request(state.window)
        answers, failed, dead = self._ask(request.batches, deadline)
        quotes = quotes_frame(answers, self.day, due, attempt=self._fence.attempt, depth=self._plan.depth)
        stamps = newest_exchange_stamp(quotes)
        opens = wall_clock(self.day.session.open)
        stale = [name for name, stamp in stamps.items() if is_stale(stamp, state.stamps.get(name), opens)]
        if stale:
            quotes = quotes[~quotes["underlying"].isin(stale)]
        tallies = self._tallies(request, answers, failed, stale)
        rows = outcome_rows(due, tallies, self.day, full=full, attempt=self._fence.attempt)
        has_legs = bool((quotes["contract_type"] == "option").any())
        if has_legs:
            self._write(QUOTES, due, quotes)
        self._write(SNAPSHOTS, due, rows)
        if not has_legs:
            return Taken(due, None, rows, dead)
        state.stamps |= {name: stamp for name, stamp in stamps.items() if name not in stale}
        return Taken(due, self._derive_and_store(due, quotes, rows, state), rows, dead)

    def miss(self, due: datetime, state: SessionState, cause: str) -> Taken:
        """Store that nothing was asked at `due`, and why."""
        request = self._full if state.window is None else self._window_request(state.window)
        tallies = {chain: Tally(legs, 0, cause) for chain, legs in request.legs.items()}
        rows = outcome_rows(due, tallies, self.day, full=False, attempt=self._fence.attempt)
        self._write(SNAPSHOTS, due, rows)
        return Taken(due, None, rows, None)

    def complete(self, due: datetime, state: SessionState) -> Taken:
        """Store what a session that died within the snapshot left out, from the quotes that it had stored."""
        name = snapshot_name(due)
        quotes = self._lake.read_live(QUOTES, due.date(), names=[name])
        if name in self._lake.live_names(SNAPSHOTS, due.date()):
            rows = self._lake.read_live(SNAPSHOTS, due.date(), names=[name])
        else:
            rows = rows_of_quotes(due, quotes, self.day, state.window)
            self._write(SNAPSHOTS, due, rows)
        state.stamps |= newest_exchange_stamp(quotes)
        return Taken(due, self._derive_and_store(due, quotes, rows, state), rows, None)

    def _derive_and_store(
        self, due: datetime, quotes: pd.DataFrame, rows: pd.DataFrame, state: SessionState
    ) -> Snapshot:
        """Derive a stored snapshot, store that too, and bring `state` up to it."""
        derived = derive(quotes, rows, self.day, state.totals)
        chain = self._write(OPTION_CHAIN, due, derived.option_chain)
        self._write(EXPIRY_OVERVIEW, due, derived.expiry_overview)
        self._write(OVERVIEW, due, derived.overview)
        self._lake.copy_to_current(chain)
        series = offset_series(derived.option_chain, derived.expiry_overview, self.day, state.strikes)
        state.totals = derived.totals
        state.strikes = last_strikes(series, state.strikes)
        state.window = _window(self.day, self._plan, state.window, derived.expiry_overview)
        return Snapshot(
            trade_date=due.date(),
            due=due,
            quotes=quotes,
            snapshots=rows,
            option_chain=derived.option_chain,
            expiry_overview=derived.expiry_overview,
            overview=derived.overview,
            offset_series=series,
        )

    def _write(self, table: Table, due: datetime, frame: pd.DataFrame) -> str:
        # Before each file, because a session may be stopped between two of them and come back after its successor.
        self._fence.check()
        return self._lake.write_live(table, due.date(), snapshot_name(due), frame)

    def _request(self, batches: Sequence[Batch]) -> _Request:
        keys = (key for batch in batches for key in batch.keys)
        return _Request(batches, Counter(self._chains[key] for key in keys if key in self._chains))

    def _window_request(self, window: StickyWindow) -> _Request:
        if self._asked is None or self._asked[0] != window:
            self._asked = window, self._request(window_batches(self.day, window, self._source.batch_size))
        return self._asked[1]

    def _ask(
        self, batches: Sequence[Batch], deadline: datetime
    ) -> tuple[list[QuoteAnswer], dict[str, str], TokenDead | None]:
        answers: list[QuoteAnswer] = []
        failed: dict[str, str] = {}
        for place, batch in enumerate(batches):
            try:
                with self._interrupts.call():
                    answers.append(self._source.quotes(batch.keys, deadline=deadline))
            except TokenDead as error:
                for rest in batches[place:]:
                    failed |= dict.fromkeys(rest.keys, error.cause)
                return answers, failed, error
            except SourceError as error:
                failed |= dict.fromkeys(batch.keys, error.cause)
        return answers, failed, None

    def _tallies(
        self, request: _Request, answers: Sequence[QuoteAnswer], failed: Mapping[str, str], stale: Sequence[str]
    ) -> dict[ChainKey, Tally]:
        came: Counter[ChainKey] = Counter()
        arrived: dict[ChainKey, datetime] = {}
        for answer in answers:
            legs = Counter(self._chains[key] for key in answer.quotes if key in self._chains)
            came += legs
            arrived |= dict.fromkeys(legs, answer.received_at)
        causes = {self._chains[key]: cause for key, cause in failed.items() if key in self._chains}
        return {
            chain: Tally(
                requested, came[chain], STALE if chain.underlying in stale else causes.get(chain), arrived.get(chain)
            )
            for chain, requested in request.legs.items()
        }


def _window(day: TradingDay, plan: DayPlan, window: StickyWindow | None, overview: pd.DataFrame) -> StickyWindow:
    window = window or StickyWindow()
    forward, spot = floats(overview, "forward"), floats(overview, "spot")
    numbers = day.chain_numbers(overview["underlying"], instants(overview, "expiry"))
    levels = {
        day.chains[number]: float(level)
        for number, level in zip(numbers, np.where(np.isnan(forward), spot, forward), strict=True)
        if number >= 0 and not np.isnan(level)
    }
    for underlying, strikes_each_side in plan.strikes_each_side.items():
        mine = {chain: level for chain, level in levels.items() if chain.underlying == underlying}
        window = window.widened(day, mine, strikes_each_side, plan.room_strikes)
    return window


def _chains_of(day: TradingDay) -> dict[str, ChainKey]:
    contracts = day.contracts
    return {key: day.chains[number] for key, number in zip(contracts.keys, contracts.chain, strict=True) if number >= 0}
