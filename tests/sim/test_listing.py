"""Expiries, ladders, symbols and tokens, against the rules and the real dump."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from g6_market.calendar import TradingCalendar
from g6_market.indices import INDICES
from g6_sim.listing import CALL, FUTURE, PUT, Contracts, listed_expiries, lot_size, trading_symbol

CALENDAR = TradingCalendar.load()
SIX = tuple(INDICES)


@pytest.mark.reference
def test_the_listing_is_that_of_the_real_dump(reference_data: Path) -> None:
    """All contracts of 2026-08-18 but a dozen leftovers whose other side is not listed, and none besides."""
    dump = pd.read_csv(reference_data / "kite-instruments-2026-08-18" / "instruments_nfo_bfo.csv.gz")
    dump = dump[dump["name"].isin(SIX)]
    real = dict(zip(dump["exchange"] + ":" + dump["tradingsymbol"], dump["lot_size"], strict=True))
    ours = Contracts(date(2026, 8, 18), CALENDAR, SIX)
    assert set(ours.keys) <= set(real)
    assert len(set(real) - set(ours.keys)) == 12
    assert dict(zip(ours.keys, ours.lot.tolist(), strict=True)) == {key: real[key] for key in ours.keys}
    ticks = dict(zip(dump["exchange"] + ":" + dump["tradingsymbol"], dump["tick_size"], strict=True))
    assert dict(zip(ours.keys, ours.tick.tolist(), strict=True)) == {key: ticks[key] for key in ours.keys}


def test_the_tagged_expiries_of_the_six_are_eight_calls() -> None:
    contracts = Contracts(date(2026, 8, 18), CALENDAR, SIX)
    assert len(contracts) == 7_226
    tagged = {"NIFTY": ("08-18", "08-25", "09-29"), "SENSEX": ("08-20", "08-27", "09-24"), "BANKEX": ("08-27", "09-24")}
    wanted = {
        position
        for position, expiry in enumerate(contracts.expiries)
        if f"{expiry.day:%m-%d}" in tagged.get(expiry.underlying, ("08-25", "09-29")) and expiry.day.year == 2026
    }
    options = [e for e, kind in zip(contracts.expiry, contracts.kind, strict=True) if e in wanted and kind != FUTURE]
    assert len(options) == 3_864


@pytest.mark.parametrize(
    ("name", "day", "nearest"),
    [
        ("NIFTY", date(2026, 11, 20), ["2026-11-23", "2026-12-01"]),  # 24 November is a holiday
        ("NIFTY", date(2026, 3, 2), ["2026-03-02", "2026-03-10"]),
        ("SENSEX", date(2026, 3, 20), ["2026-03-25", "2026-04-02"]),
        ("BANKNIFTY", date(2026, 11, 20), ["2026-11-23", "2026-12-29"]),
        ("NIFTY", date(2025, 8, 29), ["2025-09-02", "2025-09-09"]),
        ("NIFTY", date(2025, 8, 28), ["2025-08-28", "2025-09-04"]),
        ("SENSEX", date(2025, 6, 5), ["2025-06-10", "2025-06-17"]),
        ("BANKNIFTY", date(2024, 7, 1), ["2024-07-03", "2024-07-10"]),
    ],
)
def test_expiries_follow_the_rules_of_the_date(name: str, day: date, nearest: list[str]) -> None:
    assert [expiry.day.isoformat() for expiry in listed_expiries(name, day, CALENDAR)][:2] == nearest


def test_only_nifty_and_sensex_list_weeklies_and_long_dated_options() -> None:
    listed = {name: listed_expiries(name, date(2026, 11, 20), CALENDAR) for name in SIX}
    assert {name for name, expiries in listed.items() if not all(e.monthly for e in expiries)} == {"NIFTY", "SENSEX"}
    assert {name for name, expiries in listed.items() if expiries[-1].day.year > 2027} == {"NIFTY", "SENSEX"}


@pytest.mark.parametrize("name", SIX)
def test_the_last_expiry_of_a_month_has_the_monthly_symbol(name: str) -> None:
    for expiry in listed_expiries(name, date(2026, 11, 20), CALENDAR):
        same_month = [
            other.day
            for other in listed_expiries(name, date(2026, 11, 20), CALENDAR)
            if (other.day.year, other.day.month) == (expiry.day.year, expiry.day.month)
        ]
        assert expiry.monthly == (expiry.day == max(same_month))


def test_symbols_have_kites_forms() -> None:
    assert trading_symbol("NIFTY", date(2026, 8, 25), True, CALL, 24350) == "NIFTY26AUG24350CE"
    assert trading_symbol("NIFTY", date(2026, 8, 18), False, PUT, 24350) == "NIFTY2681824350PE"
    assert trading_symbol("SENSEX", date(2026, 10, 1), False, CALL, 76200) == "SENSEX26O0176200CE"
    assert trading_symbol("NIFTY", date(2026, 8, 25), True, FUTURE, 0) == "NIFTY26AUGFUT"


def test_a_contract_keeps_its_token_for_life() -> None:
    earlier, later = Contracts(date(2026, 11, 16), CALENDAR, SIX), Contracts(date(2026, 11, 20), CALENDAR, SIX)
    shared = earlier.row_of.keys() & later.row_of.keys()
    assert len(shared) > 6_000
    assert all(earlier.token[earlier.row_of[key]] == later.token[later.row_of[key]] for key in shared)


@pytest.mark.parametrize(
    ("day", "lots"),
    [
        (date(2024, 3, 1), [50, 15, 40, 75, 10, 15]),
        (date(2025, 8, 29), [75, 35, 65, 140, 20, 30]),
        (date(2026, 11, 20), [65, 30, 60, 120, 20, 30]),
    ],
)
def test_lots_are_those_of_the_date(day: date, lots: list[int]) -> None:
    assert [lot_size(name, day) for name in SIX] == lots
