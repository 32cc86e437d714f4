"""The worked examples of docs/definitions.md, read from the page and computed by the platform's own functions."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from market_data import small_day

from g6_market.daily import Standing, parkinson, standing, volatility
from g6_market.exposure import gamma_exposure, gamma_flip
from g6_market.overlay import moving_average
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
    value = result if isinstance(result, str | None) else np.asarray(result, dtype=float).item()
    expected = match["result"]
    if expected == "null":
        assert value is None or np.isnan(value)
    elif isinstance(value, str):
        assert value == expected
    else:
        # As many digits as the page shows.
        decimals = len(expected.partition(".")[2])
        assert value == pytest.approx(float(expected), abs=0.5 * 10**-decimals + 1e-12)


def test_every_new_number_has_an_example() -> None:
    assert {_LINE.fullmatch(line)["name"] for line in EXAMPLES} == set(COMPUTED)
