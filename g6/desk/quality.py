"""What the page asks of a day's quality: what became of each due snapshot, what is healed, what is stale.

SQL like that of `questions`; apart because it reads the tables of outcomes, not the chains.
"""

# ruff: noqa: S608 - every part is text of this module; what a browser sends travels as parameters

from datetime import date
from typing import Any

from g6.desk.store import Columns, Store

_SECOND = "(epoch(snapshot_at)::BIGINT % 86400)::INTEGER AS second"

_SNAPSHOTS = f"""
SELECT {_SECOND}, CAST(expiry AS VARCHAR) AS expiry, outcome, full_chain, requested, returned,
  round(latency_ms) AS latency_ms, attempt
FROM snapshots WHERE trade_date = $day AND underlying = $index ORDER BY expiry, 1"""

_GAPS = f"""
SELECT {_SECOND}, CAST(expiry AS VARCHAR) AS expiry, outcome, cause, missing_legs,
  healed_legs, unfillable_legs
FROM gaps_on($day) WHERE underlying = $index ORDER BY 1, 2"""

_LEGS = f"""
SELECT {_SECOND}, CAST(expiry AS VARCHAR) AS expiry, count(*) AS legs,
  count(*) FILTER (WHERE abs(strike_offset) <= 10) AS near,
  count(*) FILTER (WHERE abs(strike_offset) <= 10 AND iv_reason = 'stale') AS stale
FROM option_chain WHERE trade_date = $day AND underlying = $index
GROUP BY snapshot_at, expiry ORDER BY 2, 1"""


_HEALED = f"""
SELECT {_SECOND}, CAST(expiry AS VARCHAR) AS expiry
FROM expiry_overview WHERE trade_date = $day AND underlying = $index AND source = 'candle'"""


def healed(store: Store, index: str, on: date) -> Columns:
    """Return the snapshots of a day's expiries behind which there are rows healed from candles."""
    return store.ask(_HEALED, day=on, index=index)


def quality(store: Store, index: str, on: date) -> dict[str, Any]:
    """Return a day's snapshots by expiry, its gaps with their causes, and its legs without a price of the minute."""
    return {
        "snapshots": store.ask(_SNAPSHOTS, day=on, index=index),
        "gaps": store.ask(_GAPS, day=on, index=index),
        "legs": store.ask(_LEGS, day=on, index=index),
    }
