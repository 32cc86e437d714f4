"""Files in the shapes of the predecessor, made of a small priced market: no recorded row is copied."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from g6_market.predecessor.layout import GENERATIONS
from g6_market.pricing.black76 import price

MONDAY = date(2025, 9, 29)
TUESDAY = date(2025, 9, 30)
STEP = {"NIFTY": 50, "SENSEX": 100}
SPOT = {"NIFTY": 24648.95, "SENSEX": 80364.9}
RATE = 0.065
"""What the shipped settings price with."""


@dataclass
class Tree:
    """A predecessor's folder under construction."""

    folder: Path
    day: date = MONDAY
    stamps: Sequence[str] = ("12:22:30", "12:23:30", "12:24:30")
    files: list[Path] = field(default_factory=list[Path])

    def options(
        self,
        index: str,
        label: str,
        expiry: date,
        *,
        written: date | None = None,
        generation: int = -1,
        strikes_each_side: int = 3,
        repeat: bool = False,
        changes: Mapping[str, str] | None = None,
    ) -> None:
        """Write the files of a label: one per offset; `written` is the expiry date that the rows claim.

        `repeat` writes the last row twice; `changes` replace cells by column.
        """
        columns = GENERATIONS["option"][generation]
        atm = round(SPOT[index] / STEP[index]) * STEP[index]
        for rank in range(-strikes_each_side, strikes_each_side + 1):
            offset = rank * STEP[index]
            rows = [
                self._row(index, label, expiry, written or expiry, stamp, atm, offset, number) | dict(changes or {})
                for number, stamp in enumerate(self.stamps)
            ]
            lines = [",".join(row[column] for column in columns) for row in rows]
            path = self.folder / index / label / (f"{offset:+d}" if offset else "0") / f"{self.day}.csv"
            self.write(path, [",".join(columns), *lines, *(lines[-1:] if repeat else [])])

    def overview(self, index: str, generation: int) -> None:
        """Write an overview file."""
        columns = GENERATIONS["overview"][generation]
        rows = [
            dict.fromkeys(columns, "0.5")
            | {"timestamp": self._stamp(stamp), "index": index, "index_price": str(SPOT[index]), "VIX": "0.0"}
            for stamp in self.stamps
        ]
        lines = [",".join(row[column] for column in columns) for row in rows]
        self.write(self.folder / "overview" / index / f"{self.day}.csv", [",".join(columns), *lines])

    def write(self, path: Path, lines: Iterable[str]) -> Path:
        """Write a file of these lines."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
        self.files.append(path)
        return path

    def dump(self, day: date, exchange: str, expiries: dict[str, Sequence[date]]) -> None:
        """Write an instrument dump as the predecessor cached it."""
        entries = [
            {"name": name, "instrument_type": "CE", "expiry": expiry.isoformat(), "strike": 81700.0, "lot_size": 20}
            for name, listed in expiries.items()
            for expiry in listed
        ]
        target = self.folder / "cache" / f"instruments_universe_{day}_{exchange}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(entries))

    def _stamp(self, stamp: str) -> str:
        return f"{self.day:%d-%m-%Y} {stamp}"

    def _row(
        self, index: str, label: str, expiry: date, written: date, stamp: str, atm: int, offset: int, number: int
    ) -> dict[str, str]:
        spot = SPOT[index] + number
        at = datetime.combine(self.day, datetime.strptime(stamp, "%H:%M:%S").time())  # noqa: DTZ007
        years = (
            datetime.combine(expiry, datetime.min.time()) + timedelta(hours=15.5) - at
        ).total_seconds() / 31_536_000
        strike = float(atm + offset)
        discount = math.exp(-RATE * years)
        call, put = (round(price(spot, strike, years, discount, 0.12, side).item(), 2) for side in (True, False))
        cells = {
            "timestamp": self._stamp(stamp), "index": index, "expiry_tag": label, "expiry_date": str(written),
            "offset": str(offset), "index_price": str(spot), "atm": str(atm), "strike": str(atm + offset),
            "ce": str(call), "pe": str(put), "tp": str(call + put), "avg_ce": str(call + 0.4), "avg_pe": str(put + 0.4),
            "avg_tp": str(call + put + 0.8), "ce_vol": "74160600", "pe_vol": "283879350", "ce_oi": "6146625",
            "pe_oi": "13106400",
        }  # fmt: skip
        return {column: cells.get(column, "0.0") for column in GENERATIONS["option"][-1]}
