"""What must hold after healing: every healed row is a candle, and no candle near the money was left out."""

from bisect import bisect
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd

from g6.chaos.invariants import CHAIN, Stored, dues, some
from g6.chaos.truth import Truth
from g6.chaos.world import ChaosWorld
from g6_market.indices import INDICES


def healed_rows_are_candles(stored: Stored, truth: Truth, after: datetime) -> Iterator[str]:
    """Each healed row is its contract's candle of the minute before, nothing else, and lies over no captured one."""
    yield from some(_unlike_candles(stored.healed, truth, after))
    names = ["snapshot_at", "exchange", "tradingsymbol"]
    both = stored.healed[names].merge(stored.captured[names].drop_duplicates(), on=names)
    yield from some(
        f"{row.tradingsymbol} of {row.snapshot_at:%H:%M} was captured and healed" for row in both.itertuples()
    )


def _unlike_candles(healed: pd.DataFrame, truth: Truth, after: datetime) -> Iterator[str]:
    keys = healed["exchange"].astype(str) + ":" + healed["tradingsymbol"].astype(str)
    for key, rows in healed.groupby(keys):
        candles = truth.candles(str(key), after)
        row: Any
        for row in rows[["snapshot_at", "last_price", "oi", "bid_price", "ask_price", "contract_type"]].itertuples():
            wanted = candles.get(row.snapshot_at)
            if wanted is None:
                yield f"{key} of {row.snapshot_at:%H:%M} was healed without a candle"
            elif abs(row.last_price - wanted[0]) > 1e-6 or (row.contract_type != "index" and row.oi != wanted[1]):
                yield f"{key} of {row.snapshot_at:%H:%M} is {row.last_price}, {row.oi}; the candle says {wanted}"
            if not pd.isna(row.bid_price) or not pd.isna(row.ask_price):
                yield f"{key} of {row.snapshot_at:%H:%M} has a bid or ask, which no candle has"


def no_gap_is_left_that_candles_fill(world: ChaosWorld, stored: Stored, truth: Truth, after: datetime) -> Iterator[str]:
    """Legs that stand near the money before and after a gap, and traded within it, are healed."""
    yield from some(_unhealed(world, stored, truth, after))


def _unhealed(world: ChaosWorld, stored: Stored, truth: Truth, after: datetime) -> Iterator[str]:
    captured = stored.chain[stored.chain["source"] == "quote"]
    near = captured[captured["strike_offset"].abs() <= world.size.strikes_each_side]
    held = set(zip(stored.quotes["snapshot_at"], stored.quotes["tradingsymbol"].astype(str), strict=True))
    whole = stored.snapshots[stored.snapshots["outcome"] == "stored"]
    for (underlying, expiry), rows in near.groupby(CHAIN):
        exchange = INDICES[str(underlying)].derivative_exchange
        legs = {at: set(names) for at, names in rows.groupby("snapshot_at")["tradingsymbol"]}
        fine = set(whole.loc[(whole["underlying"] == underlying) & (whole["expiry"] == expiry), "snapshot_at"])
        times: list[Any] = sorted(set(legs) & fine)
        for due in dues(world):
            at = pd.Timestamp(due.replace(tzinfo=None))
            if at in fine:
                continue
            place = bisect(times, at)
            if place == 0:
                continue  # where the window stood before anything was captured, nobody can say
            around = [legs[time] for time in times[place - 1 : place + 1]]
            for symbol in sorted(set.intersection(*around)):
                if (at, symbol) not in held and at in truth.candles(f"{exchange}:{symbol}", after):
                    yield f"{symbol} of {at:%H:%M} has a candle and is not healed"
