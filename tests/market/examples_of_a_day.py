"""Worked examples that need a chain, a day or a store: each number is read from the table or macro that holds it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from market_data import FRIDAY, Answer, at, calendar, dump, entry, index_entry, snapshots_of

from g6_market.daily import HISTORY, daily_summary
from g6_market.day import Conventions, TradingDay, make_day, wall_clock
from g6_market.derive import Derived, derive
from g6_market.indices import TAGS
from g6_market.instruments import normalise_dump
from g6_market.overlay import MEASURES, weekday_overlay
from g6_market.pricing.legs import price_legs
from g6_market.quotes import quotes_frame
from g6_market.schema import (
    EXPIRY_OVERVIEW,
    OPTION_CHAIN,
    OVERVIEW,
    QUOTES,
    Table,
    conform,
)
from g6_market.series import last_strikes, offset_series
from g6_market.totals import Totals
from g6_resources.lake import Lake, LocalStore
from g6_resources.warehouse import Warehouse
from tests.resources.lake_frames import root_at

MONTH = date(2025, 9, 30)


def day_of(
    strikes: Sequence[float], trade_date: date = FRIDAY, expiry: date = MONTH, labels: Sequence[str] = TAGS
) -> TradingDay:
    weekly = {} if labels == TAGS else {date(2025, 9, 2): strikes}
    instruments = normalise_dump(dump({"NIFTY": {expiry: strikes, **weekly}}, {"NIFTY": [expiry]}), ["NIFTY"])
    return make_day(calendar().session(trade_date), Conventions(), instruments, {"NIFTY": labels}, calendar())


def derived(
    day: TradingDay,
    due: datetime,
    forward: float,
    legs: Mapping[tuple, Any],
    index: Mapping[str, Any],
    full: bool = True,
) -> Derived:
    """One snapshot of a chain with too few pairs for parity, so that the future is its forward.

    `legs` are entries, or bid and ask, by strike and whether it is a call.
    """
    contracts = day.contracts
    asked = {
        (contracts.strike[n], contracts.is_call[n]): contracts.keys[n] for n in np.flatnonzero(contracts.chain >= 0)
    }
    quotes = {asked[leg]: q if isinstance(q, dict) else entry(sum(q) / 2, *q) for leg, q in legs.items()}
    futures = contracts.future_numbers("NIFTY")
    quotes |= {contracts.keys[number]: entry(forward) for number in futures} | {"NSE:NIFTY 50": index}
    frame = quotes_frame([Answer(quotes, due - timedelta(seconds=1))], day, due, 1)
    return derive(frame, snapshots_of(frame, day, full=[due] if full else []), day)


def of_chain(name: str) -> Callable[..., Any]:
    def of(strikes, forward, spot=24500, quoted=None, call=(100, 101), put=(100, 101)) -> Any:
        legs = {(quoted or strikes[0], True): call, (quoted or strikes[0], False): put}
        found = derived(day_of(strikes), at("10:00:00"), forward, legs, index_entry(spot))
        table = found.expiry_overview if name in EXPIRY_OVERVIEW.names else found.option_chain
        return table[name].iloc[0]

    return of


def of_index(name: str) -> Callable[..., Any]:
    def of(high=24650, low=24480, spot=24600, previous_close=24500, future=24600) -> Any:
        index = index_entry(spot) | {"ohlc": {"open": spot, "high": high, "low": low, "close": previous_close}}
        return (
            derived(day_of([24600]), at("10:00:00"), future, {(24600, True): (100, 101)}, index).overview[name].iloc[0]
        )

    return of


def of_totals(name: str) -> Callable[..., Any]:
    """Open interest and volume of each strike; without a full chain nothing is known of all strikes."""

    def of(strikes, call, put, full=True) -> Any:
        column = "volume" if "volume" in name else "oi"
        legs = {(k, True): entry(100, **{column: n}) for k, n in zip(strikes, call, strict=True)}
        legs |= {(k, False): entry(100, **{column: n}) for k, n in zip(strikes, put, strict=True)}
        found = derived(day_of(strikes), at("10:00:00"), strikes[0], legs, index_entry(24600), full)
        return found.expiry_overview[name].iloc[0]

    return of


def of_near(name: str) -> Callable[..., Any]:
    """A ladder of which each call and put has the same open interest and volume."""

    def of(first, last, step, forward, each_call, each_put) -> Any:
        strikes = list(np.arange(first, last + step, float(step)))
        sides = ((True, each_call), (False, each_put))
        legs = {(k, side): entry(100, oi=n, volume=n) for k in strikes for side, n in sides}
        found = derived(day_of(strikes), at("10:00:00"), forward, legs, index_entry(24600))
        return found.expiry_overview[name].iloc[0]

    return of


def of_masks(name: str) -> Callable[..., Any]:
    def of(labels, captured) -> Any:
        day = day_of([24600], labels=labels)
        contracts = day.contracts
        numbers = [n for n in np.flatnonzero(contracts.chain >= 0) if contracts.chains[contracts.chain[n]].expiry in
                   {day.tags("NIFTY")[label] for label in captured}]  # fmt: skip
        answer = Answer({contracts.keys[n]: entry(100, 99, 101) for n in numbers}, at("09:59:59"))
        frame = quotes_frame([answer], day, at("10:00:00"), 1)
        return derive(frame, snapshots_of(frame, day), day).overview[name].iloc[0]

    return of


def of_sums(name: str) -> Callable[..., Any]:
    def of(call_gex, put_gex) -> Any:
        unknown = {field.name: np.array([np.nan]) for field in fields(Totals)}
        return getattr(Totals(**unknown | {"call_gex": np.array([call_gex]), "put_gex": np.array([put_gex])}), name)

    return of


def priced(bid, ask, last, traded) -> Any:
    """A call 100 points out of the money, a point of volatility being worth 13.5 rupees."""
    return price_legs(
        strike=24700, is_call=True, bid=bid, ask=ask, last=last, traded=traded,
        forward=24600, t_years=0.02, rate=0.065, tick=0.05, pair=[-1],
    )  # fmt: skip


def strike_iv(option_type, call, put) -> Any:
    """IV that both legs of a strike 100 points below the forward share, from mids of books two ticks wide."""
    mids = np.array([call, put])
    return price_legs(
        strike=24500, is_call=[True, False], bid=mids - 0.05, ask=mids + 0.05, last=np.nan, traded=False,
        forward=24600, t_years=0.02, rate=0.065, tick=0.05, pair=[1, 0],
    ).iv[0 if option_type == "CE" else 1]  # fmt: skip


def instant(text: str) -> datetime:
    day, clock = text.split()
    return at(clock, date.fromisoformat(day))


def settlement_window(snapshot_at, expiry) -> str:
    due = instant(snapshot_at)
    day = day_of([24600], due.date(), date.fromisoformat(expiry))
    found = derived(day, due, 24600, {(24600, True): (100, 101)}, index_entry(24600))
    return str(bool(found.expiry_overview["settlement_window"].iloc[0])).lower()


def spot_unreliable(snapshot_at) -> str:
    due = instant(snapshot_at)
    found = derived(
        day_of([24600], due.date(), date(2026, 11, 24)), due, 24600, {(24600, True): (1, 2)}, index_entry(1)
    )
    return str(bool(found.overview["spot_unreliable"].iloc[0])).lower()


def trading_days_to_expiry(trade_date, expiry) -> Any:
    day = day_of([24600], date.fromisoformat(trade_date), date.fromisoformat(expiry))
    return day.expiries["trading_days_to_expiry"].iloc[0]


def rolled(strikes, forward_before, forward) -> str:
    day, previous, table = day_of(strikes), {}, pd.DataFrame()
    for clock, level in (("09:59:00", forward_before), ("10:00:00", forward)):
        legs = {(k, True): entry(100) for k in strikes}
        found = derived(day, at(clock), level, legs, index_entry(24600))
        table = offset_series(found.option_chain, found.expiry_overview, day, previous)
        previous = last_strikes(table, previous)
    return str(bool(table.loc[table["strike_offset"] == 0, "rolled"].iloc[0])).lower()


def clocks(words: Sequence[str]) -> list[pd.Timestamp]:
    return [pd.Timestamp(f"{FRIDAY} {word}") for word in words]


def rows_of(table: Table, rows: int, **columns: Any) -> pd.DataFrame:
    """Rows of NIFTY's month on the day; what is not given and may not be null is 0 or false."""
    frame = {"underlying": "NIFTY", "expiry": pd.Timestamp(MONTH)} | columns
    absent = [c for c in table.columns if not c.nullable and c.name not in frame]
    frame |= {c.name: "" if c.kind in ("text", "string") else 0 for c in absent}
    known = {name: value for name, value in frame.items() if name in table.names}
    return conform(pd.DataFrame(known, index=range(rows)), table)


def of_day(name: str) -> Callable[..., Any]:
    """`daily_summary` of NIFTY from columns of the day's tables at some times of day."""

    def of(at=("15:00",), daily_return=0.0, daily_range=0.0, days=20, near_oi=None, next_oi=None, strikes=(), **given):
        times = clocks(at)
        of_table = [
            {key: pd.array(values, dtype="Float64") for key, values in given.items() if key in table.names}
            for table in (OVERVIEW, EXPIRY_OVERVIEW, OPTION_CHAIN)
        ]
        expiries = {f"future_{which}_expiry": pd.Timestamp(MONTH) for which in ("near", "next")}
        tables = [
            rows_of(OVERVIEW, len(times), snapshot_at=times, **expiries, **of_table[0]),
            rows_of(EXPIRY_OVERVIEW, len(times), snapshot_at=times, oi_as_of=times[-1], **of_table[1]),
            legs_of(times, strikes, given.get("atm", ()), given.get("oi", ())),
        ]
        futures = rows_of(QUOTES, 2, snapshot_at=times[-1], received_at=times[-1], contract_type="future",
                          oi=[near_oi, next_oi])  # fmt: skip
        futures["expiry"] = [pd.Timestamp(MONTH), pd.Timestamp("2025-10-28")]
        tables[0]["future_next_expiry"] = pd.Timestamp("2025-10-28")
        chain, overviews, index = tables[2], tables[1], tables[0]
        row = daily_summary(futures, Derived(chain, overviews, index, None), day_of([24600]),
                            past(days, daily_return, daily_range, given))  # fmt: skip
        return row[name].iloc[0]

    return of


def legs_of(
    times: list[pd.Timestamp], strikes: Sequence[float], atm: Sequence[float], oi: Sequence[int]
) -> pd.DataFrame:
    """Call and put of the strikes at each time, worth 100 and 60, the strike at the money as told."""
    keys = [(t, k, side, n) for n, t in enumerate(times) for k in strikes for side in ("CE", "PE")]
    frame = pd.DataFrame(keys, columns=["snapshot_at", "strike", "option_type", "n"])
    money = np.array([*atm, *[np.nan] * len(times)])[frame["n"].to_numpy(dtype=int)]
    open_interest = dict(zip(strikes, oi, strict=False))
    return rows_of(
        OPTION_CHAIN,
        len(frame),
        snapshot_at=frame["snapshot_at"],
        strike=frame["strike"],
        option_type=frame["option_type"],
        strike_offset=pd.array(np.where(frame["strike"] == money, 0, 1), dtype="Int64"),
        price=np.where(frame["option_type"] == "CE", 100.0, 60.0) + frame["n"],
        oi=pd.array([open_interest.get(k) for k in frame["strike"]], dtype="Int64"),
    )


def past(days: int, daily_return: float, daily_range: float, given: Mapping[str, Any]) -> pd.DataFrame:
    """Sessions before the day, their closes rising to that of the day by the same return each."""
    dates = [s.trade_date for s in calendar().sessions(date(2025, 6, 1), FRIDAY)][:-1][-days:]
    back = np.arange(len(dates), 0, -1)
    closes = given.get("spot", [24600])[0] * np.exp(-daily_return * back)
    frame = pd.DataFrame({"trade_date": pd.to_datetime(pd.Series(dates)), "underlying": "NIFTY", "spot_close": closes})
    frame = frame.assign(spot_low=24600.0, spot_high=24600.0 * np.exp(daily_range))
    return frame.reindex(columns=["trade_date", *HISTORY])


def of_overlay(name: str) -> Callable[..., Any]:
    """One time of day: earlier days of the same weekday and distance to expiry, oldest first, and today."""

    def of(days, alpha=0.5, today=100) -> Any:
        weeks = [pd.Timestamp(FRIDAY) - pd.Timedelta(weeks=len(days) - n) for n in range(len(days) + 1)]
        values = pd.array([*days, today], dtype="Float64")
        frame = pd.DataFrame({"trade_date": weeks, "snapshot_at": [w + pd.Timedelta(hours=10) for w in weeks]})
        frame = frame.assign(trading_days_to_expiry=2, **dict.fromkeys(MEASURES, values))
        return weekday_overlay(frame.tail(1), frame, alpha)[name].iloc[0]

    return of


def of_macro(call: str, column: str) -> Callable[..., Any]:
    """A column of a macro over a store of one contract pair, asked at the last of its times."""

    def of(at=("10:00",), oi=(0,), call_average=None, put_average=None) -> Any:
        times, day = clocks(at), day_of([24600])
        legs = legs_of(times, [24600.0], [24600.0] * len(times), ())
        legs["oi"] = pd.array(np.repeat(np.array(oi), 2), dtype="Int64")
        sides = {"CE": call_average, "PE": put_average}
        legs["average_price"] = pd.array([sides[side] for side in legs["option_type"]], dtype="Float64").to_numpy(
            dtype="float64", na_value=np.nan
        )
        legs["tradingsymbol"] = "NIFTY25SEP24600" + legs["option_type"].astype(str)
        with TemporaryDirectory() as folder:
            root = root_at(Path(folder))
            lake = Lake(LocalStore(root.lake), current=root.current)
            for name, frame in {
                "conventions": day.conventions.to_frame(),
                "instruments": day.instruments,
                "expiries": day.expiries,
                "option_chain": legs,
            }.items():
                lake.write_live(name, FRIDAY, "day", frame)
            Warehouse(root, calendar()).rebuild()
            with duckdb.connect(str(root.warehouse), read_only=True) as db:
                value = db.sql(f"SELECT {column} FROM {call}").fetchall()[-1][0]
        return f"{value:%H:%M}" if isinstance(value, datetime) else value

    return of


def years(name: str) -> Callable[..., Any]:
    def of(snapshot_at, expiry) -> Any:
        due = instant(snapshot_at)
        day = day_of([24600], due.date(), date.fromisoformat(expiry))
        return getattr(day, name)(np.array([wall_clock(due)]), 0)[0]

    return of


TEN = f"{FRIDAY} 10:00"
COMPUTED: dict[str, Callable[..., Any]] = {
    **{
        name: of_chain(name)
        for name in ("atm_strike", "spot_atm_strike", "straddle", "spot_straddle", "atm_iv", "strike_offset",
                     "spot_strike_offset")
    },
    **{name: of_index(name) for name in ("day_width", "net_change", "net_change_percent", "basis_near")},
    **{name: of_totals(name) for name in ("call_oi", "put_oi", "call_volume", "put_volume", "pcr_volume")},
    **{name: of_near(name) for name in ("call_oi_near", "pcr_oi_near", "max_pain_near")},
    **{name: of_masks(name) for name in ("expected_mask", "collected_mask", "missing_mask")},
    **{name: of_sums(name) for name in ("net_gex", "gex_dealers_short")},
    **{name: years(name) for name in ("t_years", "t_trading_years")},
    "leg_price": lambda **given: priced(**given).price,
    "price_source": lambda **given: [None, "mid", "last"][priced(**given).price_source[0]],
    "strike_iv": strike_iv,
    "settlement_window": settlement_window,
    "spot_unreliable": spot_unreliable,
    "trading_days_to_expiry": trading_days_to_expiry,
    "rolled": rolled,
    **{
        name: of_day(name)
        for name in ("spot_high", "spot_close", "straddle_open", "straddle_low", "fixed_strike", "fixed_straddle_close",
                     "realised_vol_day", "realised_vol_20", "parkinson_vol_20", "realised_days_used", "iv30_1500",
                     "atm_iv_1500", "iv30_less_realised", "vix_less_realised", "rollover", "basis_near_annualised",
                     "largest_call_oi_strike")
    },
    **{name: of_overlay(name) for name in ("straddle_mean", "straddle_ema", "straddle_days")},
    "vwap": of_macro(f"fixed_straddle('NIFTY', 'this_month', '{FRIDAY}', from_time := '09:15')", "vwap"),
    "oi_change_15m": of_macro(f"build_up('NIFTY', 'this_month', '{TEN}')", "oi_change_15m"),
    **{f"call_oi_change_{m}m": of_macro(f"oi_by_strike('NIFTY', 'this_month', '{TEN}')", f"call_oi_change_{m}m")
       for m in (5, 60)},
    "oi_changed_at": of_macro(f"build_up('NIFTY', 'this_month', '{TEN}')", "oi_changed_at"),
}  # fmt: skip
