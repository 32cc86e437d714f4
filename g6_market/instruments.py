"""The broker's daily dump, normalised and checked.

The strike ladder of each (index, expiry) is in `contracts`; what an expiry is called (`this_week`, ...) belongs to
`expiries`.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from g6_market.expiries import is_monthly_symbol
from g6_market.indices import INDICES, VIX_KEY, VIX_TOKEN, VIX_UNDERLYING
from g6_market.schema import INSTRUMENTS, conform

_COLUMNS = {
    "instrument_token": "int64",
    "exchange_token": "int64",
    "tradingsymbol": "str",
    "name": "str",
    "expiry": "str",
    "strike": "float64",
    "tick_size": "float64",
    "lot_size": "float64",
    "instrument_type": "str",
    "segment": "str",
    "exchange": "str",
}
_SEGMENTS = {"NFO-OPT": "option", "NFO-FUT": "future", "BFO-OPT": "option", "BFO-FUT": "future"}
_REMEDY = "fetch the instruments dump again"


class DumpError(ValueError):
    """An instruments dump is unusable: what is wrong with it, in which exchange's dump, and what to do."""


def normalise_dump(raw: Mapping[str, bytes], underlyings: Sequence[str]) -> pd.DataFrame:
    """Turn raw instruments CSV into the `instruments` table of the given indices.

    Parameters
    ----------
    raw
        Exchange ("NFO", "BFO", and, where asked for, "NSE", "BSE") to the bytes the broker sent.
    underlyings
        Index codes; contracts are theirs by exact `name`, so that SENSEX never takes SENSEX50.

    Returns
    -------
    DataFrame
        Table `instruments`, sorted by its sort columns: options and futures of the indices, each index's spot and India
        VIX. Spot tokens are those of the NSE and BSE dumps where these are given, else the fixed ones of `indices`.

    Raises
    ------
    DumpError
        If a dump is missing, is no CSV, lacks columns or ends in the middle of a row; if an index has no options; if a
        contract is listed twice; if a lot, tick or strike is not positive, or an expiry is no date.
    """
    parsed = {exchange: _parse(exchange, data) for exchange, data in raw.items()}
    parts = [_derivatives(name, parsed) for name in underlyings]
    return _table([*parts, _spots(underlyings, parsed)])


def monthly_forms(instruments: pd.DataFrame, underlying: str) -> dict[date, bool]:
    """Return for each listed option expiry of an index whether its symbols have the monthly form (26AUG, not 26818)."""
    options = instruments[(instruments["underlying"] == underlying) & (instruments["contract_type"] == "option")]
    firsts = options.drop_duplicates("expiry")
    return {
        at.date(): is_monthly_symbol(symbol, underlying)
        for at, symbol in zip(firsts["expiry"], firsts["tradingsymbol"], strict=True)
    }


def _parse(exchange: str, data: bytes) -> pd.DataFrame:
    header = data[:4096].split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")
    absent = [name for name in _COLUMNS if name not in header]
    if len(absent) == len(_COLUMNS):
        raise DumpError(f"instruments dump of {exchange} is no CSV: it begins with {data[:60]!r}; {_REMEDY}")
    if absent:
        raise DumpError(f"instruments dump of {exchange} has no column {', '.join(absent)}; {_REMEDY}")
    try:
        frame = pd.read_csv(io.BytesIO(data), usecols=list(_COLUMNS), dtype="str", keep_default_na=False)
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DumpError(f"instruments dump of {exchange} is broken: {str(error).strip()}; {_REMEDY}") from error
    if frame.empty:
        raise DumpError(f"instruments dump of {exchange} has no rows; {_REMEDY}")
    if bool((frame["exchange"] != exchange).any()):
        wrong = frame.loc[frame["exchange"] != exchange, ["tradingsymbol", "exchange"]].iloc[0]
        raise DumpError(
            f"instruments dump of {exchange} is cut off or mixed: {wrong['tradingsymbol']!r} has exchange "
            f"{wrong['exchange']!r}; {_REMEDY}"
        )
    return frame


def _derivatives(underlying: str, parsed: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    if underlying not in INDICES:
        raise DumpError(f"{underlying} is no index that G6 knows; allowed are {', '.join(INDICES)}")
    exchange = INDICES[underlying].derivative_exchange
    if exchange not in parsed:
        raise DumpError(f"{underlying} trades on {exchange}, of which no instruments dump was given; {_REMEDY}")
    dump = parsed[exchange]
    rows = dump[(dump["name"] == underlying) & dump["segment"].isin(_SEGMENTS)]
    contract_type = rows["segment"].map(_SEGMENTS)
    is_option = contract_type == "option"
    if not bool(is_option.any()):
        raise DumpError(f"instruments dump of {exchange} lists no options of {underlying}; {_REMEDY}")
    numbers = {name: _numbers(rows, name, exchange) for name, dtype in _COLUMNS.items() if dtype != "str"}
    expiry = pd.to_datetime(rows["expiry"], format="%Y-%m-%d", errors="coerce").astype("datetime64[us]")
    _refuse(rows, expiry.isna(), "expiry", exchange, "a date such as 2026-08-25")
    _refuse(rows, ~(numbers["lot_size"] > 0), "lot_size", exchange, "positive")
    _refuse(rows, ~(numbers["tick_size"] > 0), "tick_size", exchange, "positive")
    _refuse(rows, is_option & ~(numbers["strike"] > 0), "strike", exchange, "positive for an option")
    _refuse(rows, is_option & ~rows["instrument_type"].isin(["CE", "PE"]), "instrument_type", exchange, "CE or PE")
    return pd.DataFrame(
        {
            "underlying": underlying,
            "contract_type": contract_type,
            "exchange": exchange,
            "tradingsymbol": rows["tradingsymbol"],
            "expiry": expiry,
            "strike": numbers["strike"].where(is_option),
            "option_type": rows["instrument_type"].where(is_option),
            "lot_size": numbers["lot_size"],
            "tick_size": numbers["tick_size"],
            "instrument_token": numbers["instrument_token"],
            "exchange_token": numbers["exchange_token"],
        }
    )


def _spots(underlyings: Iterable[str], parsed: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    wanted = [(name, INDICES[name].spot_key, INDICES[name].spot_token) for name in underlyings]
    rows: list[dict[str, Any]] = []
    for underlying, key, known_token in [*wanted, (VIX_UNDERLYING, VIX_KEY, VIX_TOKEN)]:
        exchange, symbol = key.split(":", 1)
        token = known_token
        if exchange in parsed:
            dump = parsed[exchange]
            found = dump[(dump["segment"] == "INDICES") & (dump["tradingsymbol"] == symbol)]
            if found.empty:
                raise DumpError(f"instruments dump of {exchange} lists no index {symbol!r}; {_REMEDY}")
            token = int(_numbers(found, "instrument_token", exchange).iloc[0])
        rows.append(
            {
                "underlying": underlying,
                "contract_type": "index",
                "exchange": exchange,
                "tradingsymbol": symbol,
                "instrument_token": token,
                # Kite composes its token of the exchange's number and a byte for the segment.
                "exchange_token": token >> 8,
            }
        )
    return pd.DataFrame(rows)


def _table(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat([conform(part, INSTRUMENTS) for part in parts], ignore_index=True)
    for names in (["tradingsymbol"], ["underlying", "expiry", "strike", "option_type"]):
        rows = table if len(names) == 1 else table[table["contract_type"] == "option"]
        twice = rows[rows.duplicated(names)]
        if not twice.empty:
            first = ", ".join(map(str, twice.iloc[0][names]))
            raise DumpError(f"instruments dump lists {len(twice)} contracts twice, such as {first}; {_REMEDY}")
    return table.sort_values(list(INSTRUMENTS.sort), ignore_index=True)


def _numbers(rows: pd.DataFrame, name: str, exchange: str) -> pd.Series:
    numbers = pd.to_numeric(rows[name], errors="coerce")
    _refuse(rows, numbers.isna(), name, exchange, "a number")
    return numbers


def _refuse(rows: pd.DataFrame, wrong: pd.Series, name: str, exchange: str, allowed: str) -> None:
    if bool(wrong.any()):
        first = rows[wrong].iloc[0]
        raise DumpError(
            f"instruments dump of {exchange}: {name} of {first['tradingsymbol']!r} is {first[name]!r}; it must be "
            f"{allowed} ({int(wrong.sum())} such rows); {_REMEDY}"
        )
