"""The feed of a recorded day: the answer at an instant is the recording as of that instant.

Reading the two recorded layouts is `recording`'s.
"""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from g6_market.indices import INDICES, VIX_KEY, VIX_TOKEN
from g6_sim.dump import Dump, contract_line, index_lines, merged
from g6_sim.noise import Array
from g6_sim.recording import load_recording
from g6_sim.wire import LEVELS, ContractQuotes, Depth, QuoteForm, index_entry

_SECONDS = 1 << 34  # more seconds than any instant, so that contract x this + instant sorts by both


class ReplayFeed:
    """A recorded day.

    Before a contract's first recorded instant it is absent from answers, and so are the instruments that were not
    recorded (spot, India VIX and futures of an NSE recording). `timestamp` is the recorded stamp of the row served.
    A recording is no series of trades, so there are no candles.

    Parameters
    ----------
    folder, day, names
        As for `recording.load_recording`, whose errors it raises.
    """

    def __init__(self, folder: Path, day: date, names: tuple[str, ...]) -> None:
        recording = load_recording(folder, day, names)
        contracts, events = recording.contracts, recording.events
        self._unrecorded = recording.unrecorded
        self._row_of: dict[str, int] = {key: row for row, key in enumerate(contracts["key"])}
        self._tokens: Array = contracts["token"].to_numpy()
        self._tokens = np.where(contracts["key"] == VIX_KEY, VIX_TOKEN, self._tokens)
        self._is_index: Array = contracts["expiry"].isna().to_numpy()
        self._columns: dict[str, Array] = {name: events[name].to_numpy() for name in events.columns}
        self._order: Array = self._columns["contract"] * _SECONDS + self._columns["at"].astype(np.int64)
        # A broker lists the index values whether or not the recording has quotes of them.
        listed = [name for name in INDICES if name in set(contracts["underlying"])]
        self._dump = merged(
            _dump(cast("list[dict[str, Any]]", contracts[~self._is_index].to_dict("records"))), index_lines(listed)
        )
        self._listed_tokens = {int(line.partition(",")[0]) for lines in self._dump.values() for line in lines}

    def dump(self, now: datetime) -> Dump:  # noqa: ARG002 - one day, one dump
        """Return the dump synthesised from the recorded contracts."""
        return self._dump

    def quotes(self, keys: Sequence[str], now: datetime, form: QuoteForm) -> dict[str, dict[str, Any]]:
        """Return the last recorded row of each contract at or before now."""
        known = [(key, self._row_of[key]) for key in keys if key in self._row_of]
        rows: Array = np.array([row for _, row in known], dtype=np.int64)
        instant = np.datetime64(now.replace(tzinfo=None), "s").astype(np.int64)
        events: Array = np.searchsorted(self._order, rows * _SECONDS + instant, side="right") - 1
        there = (events >= 0) & (self._columns["contract"][events] == rows)
        wanted = there & ~self._is_index[rows]
        names = [key for (key, _), kept in zip(known, wanted.tolist(), strict=True) if kept]
        entries = self._contracts(names, rows[wanted], events[wanted]).entries(form) if names else {}
        for position in np.flatnonzero(there & self._is_index[rows]).tolist():
            key, row = known[position]
            entries[key] = self._index(form, int(self._tokens[row]), int(events[position]))
        return entries

    def candles(
        self, token: int, minutes: int, first: datetime, last: datetime, now: datetime
    ) -> list[list[Any]] | None:
        """Return no candles for what is listed, and None for an unknown token."""
        del minutes, first, last, now
        return [] if token in self._listed_tokens else None

    def _contracts(self, keys: list[str], rows: Array, events: Array) -> ContractQuotes:
        column = {name: values[events] for name, values in self._columns.items()}
        nothing = np.zeros(len(rows))
        return ContractQuotes(
            keys=keys,
            token=self._tokens[rows],
            timestamp=[_text(instant) or "" for instant in column["stamp"].tolist()],
            last_trade_time=[_text(instant) for instant in column["last_trade_at"].tolist()],
            last_price=column["last_price"],
            last_quantity=column["last_quantity"],
            buy_quantity=column["buy_quantity"],
            sell_quantity=column["sell_quantity"],
            volume=column["volume"],
            average_price=column["average_price"],
            oi=column["oi"],
            oi_day_high=column["oi_day_high"],
            oi_day_low=column["oi_day_low"],
            lower_circuit_limit=nothing,
            upper_circuit_limit=nothing,
            open=column["open"],
            high=column["high"],
            low=column["low"],
            previous_close=column["previous_close"],
            buy=_touch(column["bid_price"], column["bid_quantity"]),
            sell=_touch(column["ask_price"], column["ask_quantity"]),
            unrecorded=self._unrecorded,
        )

    def _index(self, form: QuoteForm, token: int, event: int) -> dict[str, Any]:
        open_, high, low, close = (
            float(self._columns[name][event]) for name in ("open", "high", "low", "previous_close")
        )
        stamp = _text(self._columns["stamp"][event].tolist()) or ""
        last = float(self._columns["last_price"][event])
        return index_entry(form, token, stamp, last, (open_, high, low, close), long_form=False)


def _touch(price: Array, quantity: Array) -> Depth:
    shape = (len(price), LEVELS)
    prices, quantities, orders = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    prices[:, 0], quantities[:, 0], orders[:, 0] = price, quantity, quantity > 0
    return Depth(prices, quantities, orders)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"


def _dump(contracts: list[dict[str, Any]]) -> Dump:
    dump: Dump = {}
    for contract in contracts:
        line = contract_line(
            contract["token"],
            contract["exchange_token"],
            contract["symbol"],
            contract["underlying"],
            contract["expiry"],
            contract["strike"],
            contract["tick"],
            contract["lot"],
            contract["kind"],
            contract["exchange"],
        )
        dump.setdefault(contract["exchange"], []).append(line)
    return dump
