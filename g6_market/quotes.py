"""Raw broker answers made into the `quotes` table: nothing computed, nothing invented.

Asking for them belongs to `g6_resources.kite`; what is derived from them, to `derive`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.contracts import Contracts
from g6_market.day import TradingDay, wall_clock
from g6_market.frames import assemble, text, text_array
from g6_market.schema import QUOTES, empty_frame

Entry = Mapping[str, Any]

# Kite sends 1970-01-01 05:30 for a stamp it does not have.
_NO_STAMP_BEFORE = np.datetime64("1980-01-01", "us")
_NOTHING: Entry = {}
_QUOTE = text_array(["quote"])


class Answer(Protocol):
    """What is needed of an answered quote call (`g6_resources.seams.QuoteAnswer`)."""

    @property
    def quotes(self) -> Mapping[str, Entry]:
        """Raw entries by the key asked for."""
        ...

    @property
    def received_at(self) -> datetime:
        """When the answer arrived, aware."""
        ...


def quotes_frame(
    answers: Sequence[Answer], day: TradingDay, snapshot_at: datetime, attempt: int, *, depth: bool = False
) -> pd.DataFrame:
    """Build the `quotes` rows of one snapshot.

    A price of 0 or less becomes null (never traded, an empty side of the book); a volume, an open interest or a
    quantity of 0 stays 0. An index value that is not positive is no row. Stamps are IST wall clock; one before 1980 is
    null, and so is one that cannot be read.

    Parameters
    ----------
    answers
        In the order of arrival. A contract that several of them hold is taken from the first; index values (spot, India
        VIX) are taken from each, because they belong to the legs they travelled with.
    snapshot_at
        Due time, aware.
    attempt
        Which session attempt of the day this is.
    depth
        Whether to keep the five levels of the book, as JSON.

    Raises
    ------
    ValueError
        If an answer holds a key that is no contract of the day: it was asked with another day's dump.
    """
    contracts = day.contracts
    numbers: list[int] = []
    entries: list[Entry] = []
    call: list[int] = []
    seen: set[int] = set()
    for position, answer in enumerate(answers):
        for key, entry in answer.quotes.items():
            number = contracts.number_of_key.get(key)
            if number is None:
                raise ValueError(
                    f"quote of {key} at {snapshot_at}: it is no contract of {day.trade_date}; build the trading day "
                    "from the dump that the universe was made of"
                )
            if contracts.is_index[number]:
                if not (entry.get("last_price") or 0) > 0:
                    continue
            elif number in seen:
                continue
            seen.add(number)
            numbers.append(number)
            entries.append(entry)
            call.append(position)
    if not entries:
        return empty_frame(QUOTES)
    received = np.array([wall_clock(answer.received_at) for answer in answers])[call]
    return assemble(
        QUOTES,
        _of_contract(contracts, np.array(numbers, dtype=np.int64))
        | _of_entries(entries, contracts.is_index[numbers])
        | {
            "snapshot_at": np.full(len(entries), wall_clock(snapshot_at)),
            "received_at": received,
            "known_at": received,
            "depth": _books(entries) if depth else text(np.full(len(entries), -1), _QUOTE),
            "attempt": np.full(len(entries), attempt),
            "source": text(np.zeros(len(entries), dtype=np.int64), _QUOTE),
        },
    )


def newest_exchange_stamp(quotes: pd.DataFrame) -> dict[str, np.datetime64]:
    """Return the newest exchange stamp of each underlying in a `quotes` frame; one without any stamp is left out."""
    stamps = quotes["exchange_at"].groupby(quotes["underlying"], observed=True).max().dropna()
    return dict(zip(map(str, stamps.index), stamps.to_numpy(dtype="datetime64[us]"), strict=True))


def _of_contract(contracts: Contracts, numbers: NDArray[np.int64]) -> dict[str, Any]:
    names = ("underlying", "contract_type", "exchange", "tradingsymbol", "option_type")
    words = {name: contracts.columns[name].take(numbers) for name in names}
    return words | {"expiry": contracts.expiry[numbers], "strike": contracts.strike[numbers]}


def _of_entries(entries: list[Entry], is_index: NDArray[np.bool_]) -> dict[str, Any]:
    books = [entry.get("depth") or _NOTHING for entry in entries]
    bids = [_touch(book.get("buy")) for book in books]
    asks = [_touch(book.get("sell")) for book in books]
    days = [entry.get("ohlc") or _NOTHING for entry in entries]
    return {
        "exchange_at": _stamps(entries, "timestamp"),
        "last_price": _prices(entries, "last_price"),
        "last_trade_at": _stamps(entries, "last_trade_time"),
        "last_quantity": _counts(entries, "last_quantity"),
        "average_price": _prices(entries, "average_price"),
        "volume": _counts(entries, "volume"),
        "buy_quantity": _counts(entries, "buy_quantity"),
        "sell_quantity": _counts(entries, "sell_quantity"),
        # An index has no open interest, whatever is sent for it.
        "oi": np.where(is_index, np.nan, _counts(entries, "oi")),
        "oi_day_high": np.where(is_index, np.nan, _counts(entries, "oi_day_high")),
        "oi_day_low": np.where(is_index, np.nan, _counts(entries, "oi_day_low")),
        "open": _prices(days, "open"),
        "high": _prices(days, "high"),
        "low": _prices(days, "low"),
        "previous_close": _prices(days, "close"),
        "bid_price": _prices(bids, "price"),
        "bid_quantity": _counts(bids, "quantity"),
        "ask_price": _prices(asks, "price"),
        "ask_quantity": _counts(asks, "quantity"),
    }


def _books(entries: list[Entry]) -> Any:
    return text_array(json.dumps(entry["depth"]) if entry.get("depth") else None for entry in entries)


def _touch(side: Sequence[Entry] | None) -> Entry:
    return side[0] if side else _NOTHING


def _prices(entries: list[Entry], name: str) -> NDArray[np.float64]:
    values = np.array([entry.get(name) for entry in entries], dtype=np.float64)
    return np.where(values > 0, values, np.nan)


def _counts(entries: list[Entry], name: str) -> NDArray[np.float64]:
    return np.array([entry.get(name) for entry in entries], dtype=np.float64)


def _stamps(entries: list[Entry], name: str) -> NDArray[np.datetime64]:
    sent = [entry.get(name) for entry in entries]
    try:
        stamps = np.array(sent, dtype="datetime64[us]")
    except ValueError:
        # One stamp that cannot be read must not cost the others.
        each = pd.to_datetime(pd.Series(sent, dtype="object"), format="%Y-%m-%d %H:%M:%S", errors="coerce")
        stamps = each.to_numpy(dtype="datetime64[us]")
    return np.where(stamps < _NO_STAMP_BEFORE, np.datetime64("NaT", "us"), stamps)
