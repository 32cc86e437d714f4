"""One snapshot: ask, judge, store. The order of the writes is the promise that nothing is lost.

Quotes are on disk before their `snapshots` rows, and both before anything derived; a sink hears of a snapshot last.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from g6_assets.capture.opening import DayPlan
from g6_assets.capture.state import SessionState
from g6_market.contracts import ChainKey
from g6_market.day import TradingDay, wall_clock
from g6_market.derive import Derived, derive
from g6_market.quality import is_stale
from g6_market.quotes import newest_exchange_stamp, quotes_frame
from g6_market.schema import (
    EXPIRY_OVERVIEW,
    OPTION_CHAIN,
    OVERVIEW,
    QUOTES,
    SNAPSHOTS,
    conform,
    empty_frame,
)
from g6_market.series import last_strikes, offset_series
from g6_market.universe import Batch, StickyWindow, full_chain_batches, window_batches
from g6_resources.lake import Lake, snapshot_name
from g6_resources.lock import Fence
from g6_resources.seams import QuoteAnswer, QuoteSource, Snapshot, SourceError, TokenDead

# A full chain with fewer of its listed legs answered is not one: totals then keep the last whole chain (`oi_as_of`).
FULL_CHAIN_SHARE = 0.95


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


class SnapshotTaker:
    """Takes snapshots of one trading day for one session attempt."""

    def __init__(self, *, day: TradingDay, plan: DayPlan, source: QuoteSource, lake: Lake, fence: Fence) -> None:
        self._day = day
        self._plan = plan
        self._source = source
        self._lake = lake
        self._fence = fence
        self._attempt = fence.owner.attempt
        self._full = full_chain_batches(day, source.batch_size)
        self._chains = _chains_of(day)
        self._listed = Counter(self._chains.values())

    @property
    def full_chain_calls(self) -> int:
        """Calls that a full chain takes."""
        return len(self._full)

    def take(self, due: datetime, state: SessionState, *, full: bool, deadline: datetime) -> Taken:
        """Ask for the snapshot due at `due`, store it and bring `state` up to it.

        Raises
        ------
        FencedOut
            A newer attempt owns the day; nothing is written.
        """
        full = full or state.window is None
        batches = (
            self._full
            if full or state.window is None
            else window_batches(self._day, state.window, self._source.batch_size)
        )
        answers, failed, dead = self._ask(batches, deadline)
        quotes = quotes_frame(answers, self._day, due, attempt=self._attempt, depth=self._plan.depth)
        stale = self._stale(quotes, state)
        if stale:
            quotes = quotes[~quotes["underlying"].isin(stale)]
        rows = self._rows(due, batches, answers, failed, stale, full=full)
        name = snapshot_name(due)
        has_legs = bool((quotes["contract_type"] == "option").any())
        self._fence.check()
        if has_legs:
            self._lake.write_live(QUOTES, due.date(), name, quotes)
        self._lake.write_live(SNAPSHOTS, due.date(), name, rows)
        if not has_legs:
            return Taken(due, None, rows, dead)
        derived = derive(quotes, rows, self._day, state.totals)
        self._store_derived(due, name, derived)
        widths = self._plan.strikes_each_side
        series = offset_series(derived.option_chain, derived.expiry_overview, self._day, state.strikes, widths)
        self._remember(state, quotes, derived, series)
        snapshot = Snapshot(
            trade_date=due.date(),
            due=due,
            quotes=quotes,
            snapshots=rows,
            option_chain=derived.option_chain,
            expiry_overview=derived.expiry_overview,
            overview=derived.overview,
            offset_series=series,
        )
        return Taken(due, snapshot, rows, dead)

    def _ask(
        self, batches: Sequence[Batch], deadline: datetime
    ) -> tuple[list[QuoteAnswer], dict[str, str], TokenDead | None]:
        answers: list[QuoteAnswer] = []
        failed: dict[str, str] = {}
        for place, batch in enumerate(batches):
            try:
                answers.append(self._source.quotes(batch.keys, deadline=deadline))
            except TokenDead as error:
                for rest in batches[place:]:
                    failed |= dict.fromkeys(rest.keys, error.cause)
                return answers, failed, error
            except SourceError as error:
                failed |= dict.fromkeys(batch.keys, error.cause)
        return answers, failed, None

    def _stale(self, quotes: pd.DataFrame, state: SessionState) -> list[str]:
        stamps = newest_exchange_stamp(quotes)
        opens = wall_clock(self._day.session.open)
        return [name for name, stamp in stamps.items() if is_stale(stamp, state.stamps.get(name), opens)]

    def _rows(
        self,
        due: datetime,
        batches: Sequence[Batch],
        answers: Sequence[QuoteAnswer],
        failed: Mapping[str, str],
        stale: Sequence[str],
        *,
        full: bool,
    ) -> pd.DataFrame:
        asked = Counter(self._chains[key] for batch in batches for key in batch.keys if key in self._chains)
        came: Counter[ChainKey] = Counter()
        arrived: dict[ChainKey, datetime] = {}
        for answer in answers:
            for key in answer.quotes:
                chain = self._chains.get(key)
                if chain is not None:
                    came[chain] += 1
                    arrived[chain] = answer.received_at
        causes = {self._chains[key]: cause for key, cause in failed.items() if key in self._chains}
        records: list[dict[str, Any]] = []
        for chain, requested in asked.items():
            returned = came[chain]
            received = arrived.get(chain)
            cause = causes.get(chain, "absent in answer")
            outcome = "stored" if returned == requested else "partial" if returned else "failed"
            if chain.underlying in stale:
                outcome, cause = "stale", "stale"
            records.append(
                {
                    "snapshot_at": due.replace(tzinfo=None),
                    "underlying": chain.underlying,
                    "expiry": chain.expiry,
                    "outcome": outcome,
                    "cause": None if outcome == "stored" else cause,
                    "full_chain": full
                    and chain not in causes
                    and outcome in ("stored", "partial")
                    and returned >= FULL_CHAIN_SHARE * self._listed[chain],
                    "requested": requested,
                    "returned": 0 if outcome == "stale" else returned,
                    "missing_legs": requested - returned,
                    "received_at": received.replace(tzinfo=None) if received else None,
                    "latency_ms": (received - due).total_seconds() * 1000 if received else None,
                    "attempt": self._attempt,
                }
            )
        frame = pd.DataFrame.from_records(records, columns=list(SNAPSHOTS.names)) if records else empty_frame(SNAPSHOTS)
        return conform(frame, SNAPSHOTS)

    def _store_derived(self, due: datetime, name: str, derived: Derived) -> None:
        self._lake.write_live(OPTION_CHAIN, due.date(), name, derived.option_chain)
        self._lake.write_live(EXPIRY_OVERVIEW, due.date(), name, derived.expiry_overview)
        self._lake.write_live(OVERVIEW, due.date(), name, derived.overview)
        self._lake.write_current(derived.option_chain)

    def _remember(self, state: SessionState, quotes: pd.DataFrame, derived: Derived, series: pd.DataFrame) -> None:
        state.totals = derived.totals
        state.stamps |= newest_exchange_stamp(quotes)
        state.strikes = last_strikes(series, state.strikes)
        state.window = _window(self._day, self._plan, state.window, derived.expiry_overview)


def _window(day: TradingDay, plan: DayPlan, window: StickyWindow | None, overview: pd.DataFrame) -> StickyWindow:
    window = window or StickyWindow()
    levels = overview["forward"].where(overview["forward"].notna(), overview["spot"])
    for underlying, strikes_each_side in plan.strikes_each_side.items():
        mine = (overview["underlying"] == underlying) & levels.notna()
        known = {
            ChainKey(underlying, expiry.date()): float(level)
            for expiry, level in zip(overview["expiry"][mine], levels[mine], strict=True)
        }
        window = window.widened(day, known, strikes_each_side, plan.room_strikes)
    return window


def _chains_of(day: TradingDay) -> dict[str, ChainKey]:
    contracts = day.contracts
    return {key: day.chains[number] for key, number in zip(contracts.keys, contracts.chain, strict=True) if number >= 0}
