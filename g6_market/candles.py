"""Minute candles made into rows of `quotes`: what heals a minute that was not captured.

A candle stamped 10:19 covers 10:19:00 to 10:19:59, so it tells the state that a snapshot due at 10:20:00 would have
found. A snapshot of several minutes is healed by the candle that ends when it is due; where there is none, nothing is
made up. Which legs are missing belongs to `missing`, asking for candles to `g6_resources.kite`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.contracts import Contracts
from g6_market.day import TradingDay, wall_clock
from g6_market.frames import assemble, floats, text_array
from g6_market.schema import HEALING, QUOTES, empty_frame

MINUTE = np.timedelta64(1, "m")
HEALED, NO_CANDLE, EXPIRED = "healed", "no candle", "expired"
"""Words of `healing.outcome`."""

_VALUES = ("open", "high", "low", "close", "volume", "oi")
_OF_CONTRACT = ("underlying", "contract_type", "exchange", "tradingsymbol", "option_type")


@dataclass(frozen=True, slots=True)
class ContractCandles:
    """What was asked of one contract, and what came.

    Parameters
    ----------
    number
        Of the contract on the day.
    dues
        Missing due instants, IST wall clock, `datetime64[us]`, ascending.
    candles
        Minute candles from the start of that day on, with columns start (aware), open, high, low, close, volume, oi;
        None where the broker no longer knows the contract.
    """

    number: int
    dues: NDArray[np.datetime64]
    candles: pd.DataFrame | None


def healed_quotes(asked: Sequence[ContractCandles], day: TradingDay, known_at: datetime) -> pd.DataFrame:
    """Return the `quotes` rows that candles give for the missing instants.

    The close is the last price; the day's volume, open, high and low are those of all candles up to then; open
    interest is the candle's own. `last_trade_at` is the start of the candle's minute, null where it has no volume. What
    a candle does not know is null: the book, the average price, the exchange's stamp, the previous close.

    Parameters
    ----------
    known_at
        When they were fetched, aware; their `received_at` too.
    """
    parts = [_rows(one) for one in asked if one.candles is not None and len(one.candles)]
    if not parts:
        return empty_frame(QUOTES)
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    number, at = rows["number"], rows["at"]
    contracts, count = day.contracts, len(number)
    is_index = contracts.is_index[number]
    nothing, never = np.full(count, np.nan), np.full(count, np.datetime64("NaT", "us"))
    known = np.full(count, wall_clock(known_at))
    stored = {
        "snapshot_at": at,
        "received_at": known,
        "known_at": known,
        "exchange_at": never,
        "last_trade_at": np.where(rows["traded"] > 0, at - MINUTE, never),
        "last_price": rows["close"],
        "volume": np.where(is_index, np.nan, rows["volume"]),
        "oi": np.where(is_index, np.nan, rows["oi"]),
        "depth": text_array([None] * count),
        "attempt": np.zeros(count, dtype=np.int64),
        "source": text_array(["candle"] * count),
    } | {name: rows[name] for name in ("open", "high", "low")}
    unknown = {name: nothing for name in QUOTES.names if name not in stored}
    return assemble(QUOTES, unknown | stored | _of_contract(contracts, number))


def healing_rows(
    asked: Sequence[ContractCandles], quotes: pd.DataFrame, day: TradingDay, known_at: datetime
) -> pd.DataFrame:
    """Return the `healing` rows of what was asked: one per missing instant and contract.

    Parameters
    ----------
    quotes
        What `healed_quotes` made of it.
    """
    if not asked:
        return empty_frame(HEALING)
    number = np.concatenate([np.full(len(one.dues), one.number) for one in asked])
    at = np.concatenate([one.dues for one in asked])
    expired = np.concatenate([np.full(len(one.dues), one.candles is None) for one in asked])
    healed = pd.MultiIndex.from_frame(quotes[["snapshot_at", "tradingsymbol"]])
    symbols = day.contracts.table["tradingsymbol"].to_numpy(dtype=object)[number]
    found = pd.MultiIndex.from_arrays([at, symbols]).isin(healed)
    words = np.where(found, HEALED, np.where(expired, EXPIRED, NO_CANDLE))
    return assemble(
        HEALING,
        _of_contract(day.contracts, number)
        | {
            "snapshot_at": at,
            "outcome": text_array(words.tolist()),
            "known_at": np.full(len(at), wall_clock(known_at)),
        },
    )


def unrecorded_healing(quotes: pd.DataFrame, healing: pd.DataFrame) -> pd.DataFrame:
    """Return the `healing` rows of healed `quotes` that have none: a process died between the two."""
    healed = quotes[quotes["source"] == "candle"]
    key = list(HEALING.key)
    recorded = pd.MultiIndex.from_frame(healing[key])
    healed = healed[~pd.MultiIndex.from_frame(healed[key]).isin(recorded)]
    names = [name for name in HEALING.names if name != "outcome"]
    return healed[names].assign(outcome=HEALED)[list(HEALING.names)].drop_duplicates(key, ignore_index=True)


def without_repeats(quotes: pd.DataFrame) -> pd.DataFrame:
    """Return `quotes` without the healed rows of a snapshot and contract that is captured, or healed already."""
    if not bool((quotes["source"] == "candle").any()):
        return quotes
    key = ["snapshot_at", "exchange", "tradingsymbol"]
    healed = quotes["source"] == "candle"
    captured = pd.MultiIndex.from_frame(quotes.loc[~healed, key])
    again = pd.MultiIndex.from_frame(quotes[key]).isin(captured) | quotes.duplicated([*key, "source"]).to_numpy()
    return quotes[~(healed.to_numpy() & again)].reset_index(drop=True)


def _rows(one: ContractCandles) -> dict[str, NDArray[Any]]:
    """Return by column what the candles of one contract say of its missing instants."""
    assert one.candles is not None  # noqa: S101 - asked by the caller
    start = one.candles["start"].dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    # In order of time; of candles sent twice the last.
    start, backwards = np.unique(start[::-1], return_index=True)
    rows = len(one.candles) - 1 - backwards
    priced = floats(one.candles, "close")[rows] > 0
    start, rows = start[priced], rows[priced]
    values = {name: floats(one.candles, name)[rows] for name in _VALUES}
    traded = np.nan_to_num(values["volume"])
    running = values | {
        "number": np.full(len(rows), one.number),
        "at": start + MINUTE,
        "traded": traded,
        "volume": np.cumsum(traded),
        "open": values["open"][:1].repeat(len(rows)),
        "high": np.maximum.accumulate(values["high"]),
        "low": np.minimum.accumulate(values["low"]),
    }
    wanted = np.isin(running["at"], one.dues)
    return {name: column[wanted] for name, column in running.items()}


def _of_contract(contracts: Contracts, number: NDArray[np.int64]) -> dict[str, Any]:
    words = {name: contracts.columns[name].take(number) for name in _OF_CONTRACT}
    return words | {"expiry": contracts.expiry[number], "strike": contracts.strike[number]}
