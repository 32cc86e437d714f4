"""A day of the predecessor's rows as tables of the store: quotes with their source, and what describes them.

Only what the files say: contracts are those that have a row, tokens, lots and ticks are unknown, the totals of whole
chains too, because only strikes near the money were kept. `received_at` is the stamp as written; `snapshot_at` the end
of the interval that it lies in.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from g6_market.calendar import Session, TradingCalendar
from g6_market.conventions import Conventions
from g6_market.day import wall_clock
from g6_market.expiries import ExpiryError, expiries_table, resolve_expiries
from g6_market.expiry_rules import option_symbol
from g6_market.indices import INDICES
from g6_market.predecessor.findings import Findings
from g6_market.schema import CONVENTIONS, EXPIRIES, INSTRUMENTS, QUOTES, SNAPSHOTS, conform, empty_frame

INTERVALS = (30, 60, 120, 180, 300, 600, 900)
"""Seconds between snapshots that a day of files can have had."""

ZERO = "zero in the file"
_SIDES = {"ce": "CE", "pe": "PE"}


@dataclass(frozen=True, slots=True)
class ImportedDay:
    """What a day's rows are in the store, by table name, and their conventions."""

    quotes: pd.DataFrame
    snapshots: pd.DataFrame
    instruments: pd.DataFrame
    expiries: pd.DataFrame
    conventions: pd.DataFrame

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The frames in the order of writing: what says that the day has snapshots comes last."""
        return {
            CONVENTIONS.name: self.conventions,
            EXPIRIES.name: self.expiries,
            INSTRUMENTS.name: self.instruments,
            QUOTES.name: self.quotes,
            SNAPSHOTS.name: self.snapshots,
        }


def interval_of(stamps: "Sequence[pd.Timestamp] | pd.Series") -> int:
    """Return the seconds between the snapshots of a day: the usual distance of its stamps, as one of `INTERVALS`."""
    distinct = np.unique(np.asarray(stamps, dtype="datetime64[s]"))
    usual = float(np.median(np.diff(distinct) / np.timedelta64(1, "s"))) if len(distinct) > 1 else 60.0
    return min(INTERVALS, key=lambda seconds: abs(seconds - usual))


def in_intervals(
    rows: pd.DataFrame, spots: pd.DataFrame, session: Session, seconds: int, findings: Findings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return option rows and index values with `due`, the end of their interval; of several in one, the latest.

    Stamps were rounded to 30 seconds, so one on the border of two intervals is as true of either. By index, borders
    are read the way by which fewer rows of a contract share an interval: no minute is lost to the rounding.
    """
    kept: list[tuple[pd.DataFrame, pd.DataFrame]] = []
    for name, mine in rows.groupby("underlying", sort=False):
        values = spots[spots["underlying"] == name]
        both = [
            (_one_each(_due(mine, session, seconds, late)), _one_each(_due(values, session, seconds, late)))
            for late in (False, True)
        ]
        chosen = max(both, key=lambda found: len(found[0]))
        earlier = ~mine["where"].isin(chosen[0]["where"])
        findings.add("rejected", "a later row of the same contract is of the same interval", mine["where"][earlier])
        kept.append(chosen)
    return pd.concat([of for of, _ in kept]), pd.concat([values for _, values in kept])


def _due(rows: pd.DataFrame, session: Session, seconds: int, late: bool) -> pd.DataFrame:
    opens, step = wall_clock(session.open), np.timedelta64(seconds, "s")
    stamps = rows["stamp"].to_numpy(dtype="datetime64[us]") + np.timedelta64(int(late), "us")
    last = len(session.due_times(seconds))
    return rows.assign(due=opens + np.clip(-((opens - stamps) // step), 1, last) * step)


def _one_each(rows: pd.DataFrame) -> pd.DataFrame:
    key = [name for name in ("underlying", "expiry", "strike", "due") if name in rows]
    return rows.sort_values("stamp", kind="stable").drop_duplicates(key, keep="last")


def imported_day(
    rows: pd.DataFrame,
    spots: pd.DataFrame,
    listed: Mapping[str, Collection[date]],
    session: Session,
    conventions: Conventions,
    calendar: TradingCalendar,
    known_at: datetime,
) -> ImportedDay:
    """Return the tables of a day.

    Parameters
    ----------
    rows
        Option rows whose contract is certain (`expiry_repair`), with `due`.
    spots
        Index values of overview files with `due`, for snapshots whose option rows have none.
    listed
        Expiries of each index on that day.
    conventions
        Those of the day. What ATM means is the predecessor's: the spot.
    known_at
        When G6 comes to know the rows, aware.

    Raises
    ------
    ExpiryError
        An index has no listed expiry on or after the day.
    """
    monthly = {name: _monthly(set(expiries) | _expiries_of(rows, name)) for name, expiries in listed.items()}
    rows = rows.assign(
        monthly=[monthly[str(u)][e.date()] for u, e in zip(rows["underlying"], rows["expiry"], strict=True)]
    )
    legs = pd.concat([_side(rows, side) for side in _SIDES], ignore_index=True)
    widths = {str(name): _width(mine) for name, mine in rows.groupby("underlying")}
    conventions = replace(conventions, strikes_each_side=max(widths.values(), default=conventions.strikes_each_side))
    return ImportedDay(
        quotes=_quotes(legs[legs["last_price"].notna()], _spot_rows(rows, spots), known_at),
        snapshots=_snapshots(rows),
        instruments=_instruments(legs),
        expiries=_expiries(rows, listed, session.trade_date, widths, calendar),
        conventions=conventions.to_frame(),
    )


def _side(rows: pd.DataFrame, side: str) -> pd.DataFrame:
    symbols = [
        option_symbol(str(underlying), expiry.date(), bool(monthly), _SIDES[side], float(strike))
        for underlying, expiry, monthly, strike in zip(
            rows["underlying"], rows["expiry"], rows["monthly"], rows["strike"], strict=True
        )
    ]
    return pd.DataFrame(
        {
            "snapshot_at": rows["due"].array,
            "received_at": rows["stamp"].array,
            "underlying": rows["underlying"].array,
            "contract_type": "option",
            "exchange": [INDICES[str(name)].derivative_exchange for name in rows["underlying"]],
            "tradingsymbol": symbols,
            "expiry": rows["expiry"].array,
            "strike": rows["strike"].array,
            "option_type": _SIDES[side],
            "last_price": rows[side].array,
            "average_price": rows[f"avg_{side}"].array,
            "volume": rows[f"{side}_vol"].round().array,
            "oi": rows[f"{side}_oi"].round().array,
        }
    )


def _spot_rows(rows: pd.DataFrame, spots: pd.DataFrame) -> pd.DataFrame:
    names = ["underlying", "due", "stamp", "index_price"]
    known = pd.concat([rows[names], spots[names]])
    known = known[known["index_price"] > 0].sort_values("stamp", kind="stable")
    # The value that travelled with the latest option rows, as it is their snapshot's.
    known = known.drop_duplicates(["underlying", "due"], keep="last")
    specs = [INDICES[str(name)] for name in known["underlying"]]
    return pd.DataFrame(
        {
            "snapshot_at": known["due"].array,
            "received_at": known["stamp"].array,
            "underlying": known["underlying"].array,
            "contract_type": "index",
            "exchange": [spec.spot_exchange for spec in specs],
            "tradingsymbol": [spec.spot_symbol for spec in specs],
            "last_price": known["index_price"].array,
        }
    )


def _quotes(legs: pd.DataFrame, spots: pd.DataFrame, known_at: datetime) -> pd.DataFrame:
    frames = [conform(frame.assign(**_marks(known_at)), QUOTES) for frame in (legs, spots) if len(frame)]
    table = pd.concat(frames, ignore_index=True) if frames else empty_frame(QUOTES)
    return table.sort_values(["snapshot_at", *QUOTES.sort], ignore_index=True)


def _marks(known_at: datetime) -> dict[str, Any]:
    return {"attempt": 0, "source": "import", "known_at": pd.Timestamp(wall_clock(known_at))}


def _snapshots(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(priced=rows["ce"].notna().astype(int) + rows["pe"].notna())
    made = rows.groupby(["due", "underlying", "expiry"], as_index=False).agg(
        requested=("priced", "size"), returned=("priced", "sum"), received_at=("stamp", "max")
    )
    made["requested"] *= len(_SIDES)
    made["missing_legs"] = made["requested"] - made["returned"]
    whole = made["missing_legs"] == 0
    made["outcome"] = np.where(whole, "stored", "partial")
    made["cause"] = pd.Series(ZERO, index=made.index, dtype="str").where(~whole)
    return conform(made.rename(columns={"due": "snapshot_at"}).assign(full_chain=False, attempt=0), SNAPSHOTS)


def _instruments(legs: pd.DataFrame) -> pd.DataFrame:
    names = ["underlying", "contract_type", "exchange", "tradingsymbol", "expiry", "strike", "option_type"]
    options = legs[names].drop_duplicates(["exchange", "tradingsymbol"])
    spots = pd.DataFrame(
        [
            {
                "underlying": spec.name,
                "contract_type": "index",
                "exchange": spec.spot_exchange,
                "tradingsymbol": spec.spot_symbol,
                "instrument_token": spec.spot_token,
                "exchange_token": spec.spot_token >> 8,
            }
            for spec in (INDICES[str(name)] for name in sorted(set(legs["underlying"])))
        ]
    )
    return pd.concat([conform(options, INSTRUMENTS), conform(spots, INSTRUMENTS)], ignore_index=True)


def _expiries(
    rows: pd.DataFrame,
    listed: Mapping[str, Collection[date]],
    day: date,
    widths: Mapping[str, int],
    calendar: TradingCalendar,
) -> pd.DataFrame:
    held = {name: _expiries_of(rows, name) for name in widths}
    labels = {name: resolve_expiries(day, {*listed[name], *held[name]}, underlying=name) for name in widths}
    table = expiries_table(day, labels, calendar)
    keep = [at.date() in held[str(name)] for name, at in zip(table["underlying"], table["expiry"], strict=True)]
    table["strikes_each_side"] = pd.array([widths[str(name)] for name in table["underlying"]], dtype="Int16")
    return table[keep].reset_index(drop=True)


def _expiries_of(rows: pd.DataFrame, underlying: str) -> set[date]:
    return {at.date() for at in rows.loc[rows["underlying"] == underlying, "expiry"].unique()}


def _monthly(expiries: Collection[date]) -> dict[date, bool]:
    last = {at.replace(day=1): at for at in sorted(expiries)}
    return {at: last[at.replace(day=1)] == at for at in expiries}


def _width(rows: pd.DataFrame) -> int:
    strikes = rows.groupby(["due", "expiry"])["strike"].nunique().max()
    return max((int(strikes) - 1) // 2, 1)


__all__ = ["INTERVALS", "ExpiryError", "ImportedDay", "imported_day", "in_intervals", "interval_of"]
