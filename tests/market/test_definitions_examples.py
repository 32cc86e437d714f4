"""The worked examples of docs/definitions.md, read from the page and computed by the platform's own functions."""

import ast
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import examples_of_a_day
import numpy as np
import pandas as pd
import pytest
from examples_of_a_day import day_of, derived, instant
from market_data import index_entry, small_day

from g6_market.daily import Standing, parkinson, standing, volatility
from g6_market.day import wall_clock
from g6_market.exposure import gamma_exposure, gamma_flip
from g6_market.overlay import moving_average
from g6_market.pricing import black76
from g6_market.pricing.forward import FORWARD_SOURCES, ForwardEstimate, parity_forward, sane_mid
from g6_market.pricing.implied import implied_volatility, reason_names
from g6_market.schema import DAILY_SUMMARY, EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, Table
from g6_market.schema.columns import Kind
from g6_market.smile import Smile, expected_move, iv_at_delta
from g6_market.term import box_rate, forward_volatility, iv30
from g6_market.totals import change_since, max_pain, ratio
from g6_resources.warehouse_analytics import build_up_class

PAGE = Path(__file__).parents[2] / "docs" / "definitions.md"
_BLOCK = re.compile(r"## Worked examples.*?```text\n(.*?)```", re.DOTALL)
_LINE = re.compile(r"(?P<name>\w+)\((?P<given>.*)\) = (?P<result>\S+)")

EXAMPLES = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))[0].splitlines()


def row(*values: Any) -> np.ndarray:
    return np.array([values], dtype=float)


def price(option_type, forward, strike, t_years, rate, sigma) -> Any:
    return black76.price(forward, strike, t_years, np.exp(-rate * t_years), sigma, option_type == "CE")[0]


def greek(name: str) -> Callable[..., Any]:
    def of(option_type, forward, strike, t_years, rate, sigma) -> Any:
        return getattr(black76.greeks(forward, strike, t_years, rate, sigma, option_type == "CE"), name)

    return of


def implied(price, option_type, forward, strike, t_years, rate) -> Any:
    """Volatility and reason, by the usual tick."""
    discount = np.exp(-rate * t_years)
    return implied_volatility(price, forward, strike, t_years, discount, option_type == "CE", tick=0.05)


def parity(strikes, call, put, spread) -> ForwardEstimate:
    """A week before the settlement, at the rate 0; `spread` is that of each leg of a strike."""
    unknown = np.full(len(strikes), np.nan)
    return parity_forward([0, len(strikes)], strikes, call, put, spread, spread, unknown, unknown, 7 / 365, 0.0)


def iv_trading(atm_iv, snapshot_at, expiry) -> Any:
    due = instant(snapshot_at)
    day = day_of([24600], due.date(), date.fromisoformat(expiry))
    t_years = day.t_years(np.array([wall_clock(due)]), 0)[0]
    mid = price("CE", 24600, 24600, t_years, day.conventions.risk_free_rate, atm_iv)
    book = (mid - 0.05, mid + 0.05)
    quoted = derived(day, due, 24600, {(24600, True): book, (24600, False): book}, index_entry(24600))
    return quoted.expiry_overview["iv_trading"].iloc[0]


def flip(strikes, call_oi, put_oi, iv, t_years, forward) -> Any:
    net = row(*call_oi) - row(*put_oi)
    return gamma_flip(row(*strikes), net, row(*[iv] * len(strikes)), np.array([forward]), np.array([t_years]))


def rate(days, discounts, spreads) -> Any:
    """Boxes 500 points wide that cost these shares of what they pay; `spreads` is each strike's."""
    n = len(discounts)
    strikes = row(*(24000 + 500 / n * np.arange(2 * n)))
    difference = row(*(500 * d for d in discounts), *[0] * n)
    return box_rate(strikes, difference, row(*spreads, *spreads), np.array([days / 365]))


def thirty(atm_iv, days) -> Any:
    # BANKNIFTY is the first index of the small day and has two expiries; NIFTY's four are none of this.
    return iv30(row(*atm_iv, *[0.2] * 4), row(*days, *[400] * 4) / 365, small_day())[0, 0]


def forward_vol(atm_iv, days) -> Any:
    return forward_volatility(row(*atm_iv), row(*days) / 365, np.array([True, False]))[0, 1]


def build_up(price_change, oi_change, tick_size, lot_size) -> Any:
    query = f"""SELECT {build_up_class("price_change", "oi_change")} FROM (SELECT ?::DOUBLE AS price_change,
      ?::BIGINT AS oi_change, ?::DOUBLE AS tick_size, ?::INTEGER AS lot_size)"""
    return duckdb.execute(query, [price_change, oi_change, tick_size, lot_size]).fetchall()[0][0]


def smile(call_iv_25, put_iv_25, atm_iv) -> Smile:
    return Smile(np.array([atm_iv]), np.array([call_iv_25]), np.array([put_iv_25]))


def stands(x, earlier_from, to, days) -> Standing:
    return standing(x, np.linspace(earlier_from, to, days))


COMPUTED: dict[str, Callable[..., Any]] = {
    **examples_of_a_day.COMPUTED,
    "price": price,
    "iv": lambda **given: implied(**given)[0],
    "iv_reason": lambda **given: reason_names(implied(**given)[1])[0],
    **{name: greek(name) for name in ("delta", "gamma", "theta", "vega", "rho")},
    "sane_mid": lambda bid, ask, vega: sane_mid(bid, ask, 0.05, vega),
    "forward": lambda **given: parity(**given).forward,
    "forward_source": lambda **given: FORWARD_SOURCES[parity(**given).source[0]],
    "forward_pairs": lambda **given: parity(**given).pairs,
    "forward_mad": lambda **given: parity(**given).mad,
    "iv_trading": iv_trading,
    "expected_move": expected_move,
    "wing_iv": lambda delta, iv: iv_at_delta(np.zeros(len(iv), dtype=np.int64), np.array(delta), np.array(iv), 1),
    "risk_reversal_25": lambda **given: smile(**given).risk_reversal_25,
    "butterfly_25": lambda **given: smile(**given).butterfly_25,
    "forward_vol": forward_vol,
    "iv30": thirty,
    "implied_rate": rate,
    "call_gex": gamma_exposure,
    "gamma_flip": flip,
    "oi_change": lambda oi, before: change_since(row(*oi), row(*before)),
    "build_up": build_up,
    "pcr": lambda put_oi, call_oi: ratio(np.array(put_oi), np.array(call_oi)),
    "max_pain": lambda strikes, call_oi, put_oi: max_pain(row(*strikes), row(*call_oi), row(*put_oi)),
    "realised_vol": lambda closes, sessions: volatility(np.array(closes, dtype=float), sessions / 252),
    "parkinson_vol": parkinson,
    "rank": lambda **given: stands(**given).rank,
    "percentile": lambda **given: stands(**given).percentile,
    "ema": lambda days, alpha: moving_average(row(*days).T, alpha),
}


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_of_the_page_is_what_the_platform_computes(line: str) -> None:
    match = _LINE.fullmatch(line)
    assert match, f"an example reads name(input=value, ...) = result, not {line!r}"
    call = ast.parse(f"f({match['given'].replace('null', 'None')})", mode="eval").body
    assert isinstance(call, ast.Call)
    given = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    result = COMPUTED[match["name"]](**given)
    value = result.item() if isinstance(result, np.ndarray | np.generic) else result
    expected = match["result"]
    if expected == "null":
        assert pd.isna(value)
    elif isinstance(value, str):
        assert value == expected
    else:
        # As many digits as the page shows.
        decimals = len(expected.partition(".")[2])
        assert value == pytest.approx(float(expected), abs=0.5 * 10**-decimals + 1e-12)


def test_every_new_number_has_an_example() -> None:
    assert {_LINE.fullmatch(line)["name"] for line in EXAMPLES} == set(COMPUTED)


_NO_NUMBERS = {Kind.TEXT, Kind.DATE, Kind.TIMESTAMP, Kind.BOOL}
# What has its example under another name: the other side, label or time of day of the same formula.
SAME = {
    r"(call|put)_iv_25": "wing_iv",
    r"(call|put)_oi_change(_close)?": "oi_change",
    r"put_gex": "call_gex",
    r"(put_oi|call_volume|put_volume)_near": "call_oi_near",
    r"pcr_volume_near": "pcr_oi_near",
    r"pcr_oi.*": "pcr",
    r"pcr_volume_.*": "pcr_volume",
    r"basis_next": "basis_near",
    r"basis_next_annualised": "basis_near_annualised",
    r"spot_(open|low)": "spot_high",
    r"straddle_(high|close)": "straddle_low",
    r"fixed_straddle_.*": "fixed_straddle_close",
    r"iv30_1[02]00": "iv30_1500",
    r"atm_iv_1[02]00": "atm_iv_1500",
    r"(iv30|vix)_rank": "rank",
    r"(iv30|vix)_percentile": "percentile",
    r"(iv30|vix)_days_used": "realised_days_used",
    r"largest_put_oi_strike": "largest_call_oi_strike",
    r"front_(call|put)_oi": "call_oi",
    r"iv_own": "iv",
    r"future_(near|next)_oi": "rollover",
    r"price": "leg_price",
}
# Passed on as received, or counted: the data dictionary says of what.
RECEIVED = {
    *("strike", "last_price", "average_price", "bid_price", "ask_price", "bid_quantity", "ask_quantity", "volume"),
    *("oi", "spot", "open", "high", "low", "previous_close", "india_vix", "future_near", "future_next", "vix_close"),
    *("legs", "listed_legs", "snapshots", "expiries_expected", "expiries_collected"),
}


@pytest.mark.parametrize(
    "table", [OPTION_CHAIN, EXPIRY_OVERVIEW, OVERVIEW, DAILY_SUMMARY], ids=lambda table: table.name
)
def test_every_number_of_the_derived_tables_has_an_example(table: Table) -> None:
    numbers = {column.name for column in table.columns if column.kind not in _NO_NUMBERS} - RECEIVED
    without = {name for name in numbers if name not in COMPUTED and not any(re.fullmatch(p, name) for p in SAME)}
    assert not without
    assert set(SAME.values()) <= set(COMPUTED)
