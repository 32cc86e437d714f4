"""Rows of the predecessor's files as typed values: stamps, numbers, and what of them cannot be believed.

Stamps are day first, Asia/Kolkata, rounded to 30 seconds by their writer. A zero meant "missing" or zero, which only
its neighbours tell. Which contract a row is of is judged later (`expiry_repair`).
"""

import numpy as np
import pandas as pd

from g6_market.calendar import Session
from g6_market.predecessor.findings import Findings, Verdict

STAMP = "%d-%m-%Y %H:%M:%S"
ROUNDING = pd.Timedelta(seconds=15)
_SIDES = ("ce", "pe")
_NUMBERS = (
    "index_price",
    "strike",
    *(f"{s}{part}" for s in _SIDES for part in ("", "_vol", "_oi")),
    "avg_ce",
    "avg_pe",
)
# What it wrote when the broker gave nothing: each index's constant, and a thousand rupees for every option.
_INVENTED_SPOT = {"NIFTY": 24800.0, "BANKNIFTY": 54000.0, "FINNIFTY": 26000.0, "SENSEX": 81000.0}
_INVENTED_PRICE = 1000.0
_LARGEST = 1e15  # of any number in a file: beyond it even turnover is none
_LARGEST_STRIKE = 1e6
_NO_STRIKE = "strike is no positive number below a million"


def option_rows(text: pd.DataFrame, session: Session, findings: Findings) -> pd.DataFrame:
    """Return the believable rows of a day's option files.

    Parameters
    ----------
    text
        Cells as text, columns of the newest generation (absent ones null) and `where`, `file_index`.

    Returns
    -------
    DataFrame
        `where`, `underlying`, `label`, `expiry` (as written), `stamp` (IST wall clock), `strike`, `index_price`, and
        per side `ce`/`pe`, `avg_ce`/`avg_pe`, `ce_vol`/`pe_vol`, `ce_oi`/`pe_oi`; NaN for missing.
    """
    rows = _stamped(text, session, findings)
    rows = _without(rows, rows["index"] != rows["file_index"], "of another index than its folder's", findings)
    numbers = {name: _finite(rows[name]) for name in _NUMBERS}
    rows = rows.assign(**numbers, expiry=pd.to_datetime(rows["expiry_date"], format="%Y-%m-%d", errors="coerce"))
    rows = _without(rows, ~rows["strike"].between(0, _LARGEST_STRIKE, inclusive="neither"), _NO_STRIKE, findings)
    rows = _without(rows, rows["expiry"].isna(), "expiry_date is no date", findings)
    rows = _without_repeats(rows, findings)
    rows = _without_invented(rows, findings)
    rows = _zeros_as_missing(rows)
    empty = rows["ce"].isna() & rows["pe"].isna()
    rows = _without(rows, empty, "zero where nothing was received: neither call nor put has a price", findings)
    return rows.rename(columns={"index": "underlying", "expiry_tag": "label"})


def overview_rows(text: pd.DataFrame, session: Session, findings: Findings) -> pd.DataFrame:
    """Return the index values of a day's overview files: `where`, `underlying`, `stamp`, `index_price`.

    Only the newest generation has an index value. Everything else in these files was derived, and is derived again.
    """
    rows = _stamped(text, session, findings)
    rows = rows.assign(index_price=_finite(rows["index_price"]))
    rows = _spots_believed(rows.rename(columns={"index": "underlying"}), findings)
    return rows[rows["index_price"] > 0]


def _finite(cells: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    return numbers.where(numbers.abs() < _LARGEST)


def _stamped(text: pd.DataFrame, session: Session, findings: Findings) -> pd.DataFrame:
    rows = text.assign(stamp=pd.to_datetime(text["timestamp"], format=STAMP, errors="coerce").astype("datetime64[us]"))
    rows = _without(rows, rows["stamp"].isna(), "timestamp is not DD-MM-YYYY HH:MM:SS", findings)
    other = rows["stamp"].dt.date != session.trade_date
    rows = _without(rows, other, "timestamp is of another day than the file", findings)
    opens, closes = (pd.Timestamp(at.replace(tzinfo=None)) for at in (session.open, session.close))
    early = rows["stamp"] <= opens
    rows = _without(
        rows, early, "before the first interval of the session, so of the day before or of the pre-open", findings
    )
    return _without(rows, rows["stamp"] > closes + ROUNDING, "after the close", findings)


def _without_repeats(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    key = ["underlying_key", "expiry_tag", "expiry", "strike", "stamp"]
    rows = rows.assign(underlying_key=rows["index"])
    again = rows.duplicated([*key, *_NUMBERS])
    rows = _without(rows, again, "the same row twice, as a restart wrote it", findings, "noted")
    twice = rows.duplicated(key)
    return _without(rows, twice, "another row of the same stamp came first", findings).drop(columns="underlying_key")


def _without_invented(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    invented = (rows["ce"] == _INVENTED_PRICE) & (rows["pe"] == _INVENTED_PRICE)
    rows = _without(rows, invented, "invented: 1000.0 for call and put is what was written without an answer", findings)
    return _spots_believed(rows.rename(columns={"index": "underlying"}), findings).rename(
        columns={"underlying": "index"}
    )


def _spots_believed(rows: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    invented = rows["index_price"] == rows["underlying"].map(_INVENTED_SPOT)
    findings.add("repaired", "index value is the constant written without an answer: null", rows.loc[invented, "where"])
    return rows.assign(index_price=rows["index_price"].where(~invented & (rows["index_price"] > 0)))


def _zeros_as_missing(rows: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    for side in _SIDES:
        price = rows[side].where(rows[side] > 0)
        volume, interest = rows[f"{side}_vol"], rows[f"{side}_oi"]
        # Neither volume nor open interest of a leg that has a price: the answer had no such fields.
        unknown = price.isna() | ((volume == 0) & (interest == 0))
        columns |= {
            side: price,
            f"avg_{side}": rows[f"avg_{side}"].where((rows[f"avg_{side}"] > 0) & price.notna()),
            f"{side}_vol": volume.where(~unknown & (volume >= 0)),
            f"{side}_oi": interest.where(~unknown & (interest >= 0)),
        }
    return rows.assign(**columns)


def _without(
    rows: pd.DataFrame, wrong: "pd.Series", reason: str, findings: Findings, verdict: Verdict = "rejected"
) -> pd.DataFrame:
    mask = wrong.to_numpy(dtype=bool)
    if not np.any(mask):
        return rows
    findings.add(verdict, reason, rows.loc[mask, "where"])
    return rows[~mask]
