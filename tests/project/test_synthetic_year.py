"""The synthetic year that benchmarks ask: each day is a market that the platform itself takes for one."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from benchmarks.year import sessions
from benchmarks.year_market import LEGS, TICK, listed_day, quotes_of, snapshots_of
from g6_market.calendar import TradingCalendar
from g6_market.day import TradingDay
from g6_market.derive import derive
from tools.performance_page import BEGIN, END, filled


@pytest.fixture(scope="module")
def day() -> TradingDay:
    return listed_day(date(2026, 7, 30), TradingCalendar.load())


@pytest.fixture(scope="module")
def quotes(day: TradingDay) -> pd.DataFrame:
    """Every fortieth minute of the day."""
    rows = pd.concat([rows for _, rows in quotes_of(day)], ignore_index=True)
    return rows[rows["snapshot_at"].isin(day.due[::40])].reset_index(drop=True)


def test_a_year_is_250_regular_sessions_and_the_special_ones_between_them() -> None:
    known = [TradingCalendar.load().session(day) for day in sessions()]
    regular = [session for session in known if session.kind == "regular"]
    assert len(regular) == 250
    assert {session.minutes for session in regular} == {375}
    assert {session.kind for session in known} == {"regular", "muhurat", "special"}


def test_every_minute_has_its_legs_on_the_tick(day: TradingDay, quotes: pd.DataFrame) -> None:
    legs = quotes[quotes["contract_type"] == "option"]
    assert set(legs.groupby("snapshot_at").size()) == {LEGS}
    for name in ("last_price", "bid_price", "ask_price"):
        steps = legs[name].dropna() / TICK
        np.testing.assert_allclose(steps, steps.round(), atol=1e-6)
    assert (legs["bid_price"].dropna() < legs.loc[legs["bid_price"].notna(), "ask_price"]).all()
    assert len(day.underlyings) == 5


def test_the_platform_derives_it_like_any_day(day: TradingDay, quotes: pd.DataFrame) -> None:
    snapshots = snapshots_of(day)
    derived = derive(quotes, snapshots[snapshots["snapshot_at"].isin(day.due[::40])], day)
    assert derived.option_chain["iv"].notna().mean() > 0.9
    assert derived.expiry_overview["pcr_oi"].notna().all()
    assert (derived.expiry_overview["forward_source"] == "parity_mid").mean() > 0.95


def test_the_page_of_figures_is_made_from_the_results() -> None:
    first = {
        "name": "a_ms",
        "value": 4.0,
        "unit": "ms",
        "better": "lower",
        "baseline": 8.0,
        "ratio": 2.0,
        "note": "x | y",
    }
    second = first | {"name": "b", "value": 2_000_000, "unit": "legs/s", "baseline": None, "ratio": None, "note": "z"}
    page = filled(f"before\n{BEGIN}\nold\n{END}\nafter", [first, second])
    assert "| `a_ms` | 4 ms | 8 ms, 2 times | x / y |" in page
    assert "| `b` | 2,000,000 legs/s | - | z |" in page
    assert "old" not in page
    assert page.startswith("before\n")
    assert page.endswith("\nafter")
