"""The `snapshots` rows of one due instant: what was asked of each chain, what came, and why not all of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from g6_market.contracts import ChainKey
from g6_market.day import TradingDay, wall_clock
from g6_market.frames import assemble, instants, text_array
from g6_market.schema import SNAPSHOTS
from g6_market.universe import StickyWindow, expected_legs

# A full chain with fewer of its listed legs answered is not one: totals then keep the last whole chain (`oi_as_of`).
FULL_CHAIN_SHARE = 0.95
ABSENT = "absent in answer"
STALE = "stale"
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one chain at one instant.

    Parameters
    ----------
    requested, returned
        Legs asked for, and legs in the answers.
    cause
        Why legs are missing, other than that an answer left them out; `STALE` throws away what came.
    received_at
        Arrival of its last answer, aware; None when none came.
    """

    requested: int
    returned: int
    cause: str | None = None
    received_at: datetime | None = None

    @property
    def outcome(self) -> str:
        """One of stored, partial, stale, failed."""
        if self.cause == STALE:
            return "stale"
        if self.returned == 0:
            return "failed"
        return "stored" if self.returned == self.requested else "partial"


def outcome_rows(
    due: datetime, tallies: Mapping[ChainKey, Tally], day: TradingDay, *, full: bool, attempt: int
) -> pd.DataFrame:
    """Return table `snapshots` of one due instant, a row per chain asked for.

    Parameters
    ----------
    full
        Whether every listed strike was asked for.
    attempt
        Which session attempt of the day asked.
    """
    sizes = np.bincount(day.contracts.chain[day.contracts.chain >= 0], minlength=len(day.chains))
    chains, found = list(tallies), list(tallies.values())
    outcomes = [tally.outcome for tally in found]
    is_full = [
        full
        and outcome in ("stored", "partial")
        and tally.cause is None
        and tally.returned >= FULL_CHAIN_SHARE * sizes[day.chain_number(chain)]
        for chain, tally, outcome in zip(chains, found, outcomes, strict=True)
    ]
    latency = [(t.received_at - due).total_seconds() * 1000 if t.received_at else np.nan for t in found]
    columns = {
        "snapshot_at": np.full(len(found), wall_clock(due)),
        "underlying": text_array(chain.underlying for chain in chains),
        "expiry": np.array([chain.expiry for chain in chains], dtype="datetime64[us]"),
        "outcome": text_array(outcomes),
        "cause": text_array(None if o == "stored" else t.cause or ABSENT for t, o in zip(found, outcomes, strict=True)),
        "full_chain": np.array(is_full, dtype=bool),
        "requested": np.array([tally.requested for tally in found], dtype=np.int64),
        "returned": np.array([0 if tally.cause == STALE else tally.returned for tally in found], dtype=np.int64),
        "missing_legs": np.array([tally.requested - tally.returned for tally in found], dtype=np.int64),
        "received_at": np.array(
            [wall_clock(tally.received_at) if tally.received_at else np.datetime64("NaT") for tally in found],
            dtype="datetime64[us]",
        ),
        "latency_ms": np.array(latency, dtype=np.float64),
        "attempt": np.full(len(found), attempt),
    }
    return assemble(SNAPSHOTS, columns)


def rows_of_quotes(due: datetime, quotes: pd.DataFrame, day: TradingDay, window: StickyWindow | None) -> pd.DataFrame:
    """Return table `snapshots` of an instant of which only the quotes were stored.

    Parameters
    ----------
    quotes
        What is stored of it, with option legs.
    window
        The session's window then; None where it had none, so that it asked for every strike. What was asked is told by
        how much came.
    """
    legs = quotes[quotes["contract_type"] == "option"]
    numbers = day.chain_numbers(legs["underlying"], instants(legs, "expiry"))
    came = Counter(day.chains[number] for number in numbers if number >= 0)
    asked = expected_legs(day, window)
    full = window is None or any(count > asked[chain] for chain, count in came.items())
    # Of a chain without quotes it is not known whether its call failed or was never made.
    received = pd.Timestamp(legs["received_at"].max()).to_pydatetime().replace(tzinfo=due.tzinfo)
    tallies = {
        chain: Tally(requested, came[chain], None, received) if came[chain] else Tally(requested, 0, INTERRUPTED)
        for chain, requested in (expected_legs(day) if full else asked).items()
    }
    return outcome_rows(due, tallies, day, full=full, attempt=int(legs["attempt"].iloc[0]))
