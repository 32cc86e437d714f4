"""Recorded days: NSE option chains collected from its site, and G6's own `quotes` tables, read into one form.

Serving them is `replay`'s. Only what was recorded is in here: no spot is derived, no future invented.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from g6_market.indices import INDICES
from g6_sim.listing import CALL, FUTURE, KIND_NAMES, OPTION_TICK, PUT, SEGMENT_BYTES, lot_size, trading_symbol
from g6_sim.noise import Array

_FIRST_TOKEN = 35_000
_NSE_FIELDS = {
    "OI": "oi",
    "Volume": "volume",
    "LTP": "last_price",
    "Net_Chng": "net_change",
    "Bid_Qty": "bid_quantity",
    "Bid_Price": "bid_price",
    "Ask_Price": "ask_price",
    "Ask_Qty": "ask_quantity",
}
_G6_KINDS = {"CE": CALL, "PE": PUT}

PRICES = ("last_price", "average_price", "open", "high", "low", "previous_close", "bid_price", "ask_price")
"""Event columns in rupees; 0 where not recorded."""

COUNTS = (
    "last_quantity",
    "buy_quantity",
    "sell_quantity",
    "volume",
    "oi",
    "oi_day_high",
    "oi_day_low",
    "bid_quantity",
    "ask_quantity",
)
"""Event columns in units; 0 where not recorded."""


class RecordingError(ValueError):
    """A folder holds no recording of that day, or not in a known layout."""


@dataclass(frozen=True)
class Recording:
    """A recorded day.

    Attributes
    ----------
    contracts
        One row per instrument: key, underlying, exchange, symbol, expiry (None for an index), strike, kind, lot, tick,
        token, exchange_token.
    events
        One row per instrument and recorded instant, sorted by `contract` (a position in `contracts`) and `at`
        (naive IST). `stamp` is the exchange's own, `last_trade_at` NaT where unknown; then `PRICES` and `COUNTS`.
    unrecorded
        Keys of a Kite quote that this layout does not know.
    """

    contracts: pd.DataFrame
    events: pd.DataFrame
    unrecorded: tuple[str, ...]


def load_recording(folder: Path, day: date, names: tuple[str, ...]) -> Recording:
    """Read a recorded day from a folder, in whichever of the two layouts it is.

    Parameters
    ----------
    folder
        Holds `NIFTY_20250829.parquet` and the like, or is a G6 lake with `quotes/closed/trade_date=2025-08-29`.
    day, names
        Trade date, and the underlyings wanted; those not recorded are simply absent.

    Raises
    ------
    RecordingError
        If nothing is recorded there for that day, naming the days that are.
    """
    chains = [path for name in names if (path := folder / f"{name}_{day:%Y%m%d}.parquet").is_file()]
    if chains:
        return _nse_recording(chains, day)
    quotes = sorted((folder / "quotes").glob(f"*/trade_date={day.isoformat()}/*.parquet"))
    if quotes:
        return _g6_recording(quotes, folder, day, names)
    days = {path.stem.split("_")[-1] for path in folder.glob("*_????????.parquet")}
    days |= {path.name.partition("=")[2] for path in folder.glob("quotes/*/trade_date=*")}
    raise RecordingError(
        f"{folder}: nothing recorded for {day.isoformat()} and {', '.join(names)}; "
        f"it has {', '.join(sorted(days)) or 'no recording'}. "
        f"Give a folder of <INDEX>_<YYYYMMDD>.parquet files or of G6's lake (with quotes/ in it)."
    )


def _nse_recording(paths: list[Path], day: date) -> Recording:
    """Read NSE's chains: open interest and volume in contracts, possibly fractional; quantities in units."""
    sides: list[pd.DataFrame] = []
    for path in paths:
        name = path.stem.split("_")[0]
        frame = pd.read_parquet(path)
        frame = frame[frame["Symbol"].astype(str) == name].sort_values("collection_timestamp", kind="stable")
        shared = pd.DataFrame(
            {
                "underlying": name,
                "at": _parsed(frame["Fetch_Time"], "%d-%b-%Y %H:%M:%S"),
                "expiry": _parsed(frame["Expiry_Date"], "%d-%b-%Y"),
                "strike": frame["Strike_Price"].astype(float),
            }
        )
        for prefix, kind in (("CALLS", CALL), ("PUTS", PUT)):
            renamed = {f"{prefix}_{theirs}": ours for theirs, ours in _NSE_FIELDS.items()}
            values = frame[list(renamed)].rename(columns=renamed)
            lot = lot_size(name, day)
            units = {column: np.rint(values[column] * lot).astype("int64") for column in ("oi", "volume")}
            sides.append(pd.concat([shared, values.assign(**units, kind=kind, lot=lot)], axis=1))
    rows = pd.concat(sides, ignore_index=True)
    # A stamp collected twice counts as it was collected last.
    identity = ["underlying", "expiry", "strike", "kind"]
    rows = rows.drop_duplicates([*identity, "at"], keep="last")
    traded = rows["last_price"] > 0
    rows["previous_close"] = np.where(traded, np.round(rows["last_price"] - rows["net_change"], 2), 0.0)
    rows["stamp"] = rows["at"]
    rows["last_trade_at"] = pd.NaT
    contracts = rows[[*identity, "lot"]].drop_duplicates(identity).sort_values(identity, ignore_index=True)
    contracts["exchange"] = contracts["underlying"].map({name: INDICES[name].derivative_exchange for name in INDICES})
    contracts["expiry"] = contracts["expiry"].dt.date
    contracts["symbol"] = _symbols(contracts)
    contracts["key"] = contracts["exchange"] + ":" + contracts["symbol"]
    joined = rows.assign(expiry=rows["expiry"].dt.date).merge(
        contracts[identity].reset_index(names="contract"), on=identity, how="left", validate="m:1"
    )
    unrecorded = ("last_quantity", "buy_quantity", "sell_quantity", "oi_day_high", "oi_day_low")
    return Recording(_with_tokens(contracts), _events(joined), unrecorded)


def _g6_recording(paths: list[Path], folder: Path, day: date, names: tuple[str, ...]) -> Recording:
    """Read G6's own quotes: null prices were zeros on the wire; healed rows are not answers and stay out."""
    rows = pd.concat([pd.read_parquet(path, partitioning=None) for path in paths], ignore_index=True)
    of_interest = rows["underlying"].isin(names) | (rows["contract_type"] == "index")
    rows = rows[of_interest & (rows["source"] != "candle")].drop_duplicates(
        ["snapshot_at", "exchange", "tradingsymbol"], keep="last"
    )
    rows["stamp"] = rows["exchange_at"].fillna(rows["snapshot_at"])
    # Known from its due time on; the day's last snapshot is asked a little earlier, and its stamp tells.
    rows["at"] = rows[["snapshot_at", "stamp"]].min(axis=1)
    rows["kind"] = rows["option_type"].map(_G6_KINDS).fillna(FUTURE).astype(int)
    rows["symbol"], rows["key"] = rows["tradingsymbol"], rows["exchange"] + ":" + rows["tradingsymbol"]
    columns = ["key", "underlying", "exchange", "symbol", "expiry", "strike", "kind"]
    contracts = rows.drop_duplicates("key")[columns].sort_values("key", ignore_index=True)
    contracts["expiry"] = [None if pd.isna(expiry) else pd.Timestamp(expiry).date() for expiry in contracts["expiry"]]
    contracts["strike"] = contracts["strike"].fillna(0.0)
    listed = _g6_instruments(folder, day)
    lots = {name: lot_size(name, day) for name in names}
    contracts["lot"] = contracts["key"].map(listed).fillna(contracts["underlying"].map(lots)).fillna(0).astype(int)
    rows["contract"] = rows["key"].map({key: row for row, key in enumerate(contracts["key"])})
    return Recording(_with_tokens(contracts), _events(rows), ())


def _g6_instruments(folder: Path, day: date) -> dict[str, int]:
    """Lots by key from the lake's own dump of that day, where it was kept."""
    paths = sorted((folder / "instruments").glob(f"*/trade_date={day.isoformat()}/*.parquet"))
    if not paths:
        return {}
    frame = pd.concat([pd.read_parquet(path, partitioning=None) for path in paths], ignore_index=True)
    frame = frame[frame["lot_size"].notna()]
    return dict(zip(frame["exchange"] + ":" + frame["tradingsymbol"], frame["lot_size"].astype(int), strict=True))


def _symbols(contracts: pd.DataFrame) -> list[str]:
    listed = set(zip(contracts["underlying"], contracts["expiry"], strict=True))
    last_of_month: dict[tuple[str, int, int], date] = {}
    for name, expiry in listed:
        month = (name, expiry.year, expiry.month)
        last_of_month[month] = max(expiry, last_of_month.get(month, expiry))
    columns = (contracts[name] for name in ("underlying", "expiry", "kind", "strike"))
    return [
        trading_symbol(name, expiry, last_of_month[name, expiry.year, expiry.month] == expiry, kind, strike)
        for name, expiry, kind, strike in zip(*columns, strict=True)
    ]


def _with_tokens(contracts: pd.DataFrame) -> pd.DataFrame:
    is_index = contracts["expiry"].isna()
    contracts["tick"] = np.where(is_index, 0.0, OPTION_TICK)
    spot = {spec.spot_key: spec.spot_token // 256 for spec in INDICES.values()}
    own = pd.Series(_FIRST_TOKEN + np.arange(len(contracts)))
    contracts["exchange_token"] = contracts["key"].map(spot).fillna(own).astype("int64")
    segment = contracts["exchange"].map(SEGMENT_BYTES).mask(is_index, SEGMENT_BYTES["INDICES"])
    contracts["token"] = contracts["exchange_token"] * 256 + segment.astype("int64")
    contracts["instrument_type"] = contracts["kind"].map(KIND_NAMES)
    return contracts


def _events(rows: pd.DataFrame) -> pd.DataFrame:
    events = rows.sort_values(["contract", "at"], kind="stable", ignore_index=True)
    for column in PRICES:
        events[column] = events[column].fillna(0.0).astype(float) if column in events else 0.0
    for column in COUNTS:
        events[column] = events[column].fillna(0).astype("int64") if column in events else 0
    for column in ("at", "stamp", "last_trade_at"):
        events[column] = events[column].astype("datetime64[s]")
    return events[["contract", "at", "stamp", "last_trade_at", *PRICES, *COUNTS]]


def _parsed(column: pd.Series, form: str) -> pd.Series:
    # Few distinct values: parse each once.
    texts = column.astype(str)
    parsed = {text: pd.to_datetime(text, format=form) for text in cast("Array", texts.unique())}
    return cast("pd.Series", texts.map(parsed)).astype("datetime64[s]")
