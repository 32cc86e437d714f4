"""Work on one block of rows in scratch memory: loading, normalising, solving, testing spreads, greeks.

The loops are plain arithmetic of fixed length, so they become vector code. Scratch memory `w` is one array with columns
at constant offsets, which proves to the compiler that they do not overlap. `kernels` strings these steps together.
"""

import math
from typing import Any

import numba as nb

from g6_market.pricing.arithmetic import INV_SQRT_2PI, exp, inner, log, mills_pair
from g6_market.pricing.native import BLOCK
from g6_market.pricing.reasons import Reason
from g6_market.pricing.solver import is_settled, solve_row, two_steps

PRICE, FORWARD, STRIKE, YEARS, DISCOUNT, CALL = (BLOCK * i for i in range(6))
ROOT, DISTANCE, TIME_VALUE, TOTAL, STEP = (BLOCK * i for i in range(6, 11))
TICK, BID, ASK, LAST, SANE, RATE = (BLOCK * i for i in range(11, 17))
VOLATILITY = TOTAL
DELTA, GAMMA, THETA, VEGA, RHO = (BLOCK * i for i in range(11, 16))

NONE, BELOW_INTRINSIC, UNDER_TICK = int(Reason.NONE), int(Reason.BELOW_INTRINSIC), int(Reason.UNDER_TICK)
WIDE_SPREAD, NO_FORWARD, STALE = int(Reason.WIDE_SPREAD), int(Reason.NO_FORWARD), int(Reason.STALE)
SETTLED, NOT_CONVERGED = int(Reason.SETTLED), int(Reason.NOT_CONVERGED)

_block: Any = nb.njit(error_model="numpy", fastmath={"contract"})


@_block
def load(w: Any, column: int, values: Any, start: int, rows: int) -> None:
    """Copy rows of a column into scratch memory; what is missing to a whole block is NaN."""
    for i in range(rows):
        w[column + i] = values[start + i]
    for i in range(rows, BLOCK):
        w[column + i] = math.nan


@_block
def load_finite(w: Any, column: int, values: Any, start: int, rows: int) -> None:
    """Load a column of which infinities are unknown."""
    load(w, column, values, start, rows)
    for i in range(BLOCK):
        w[column + i] = w[column + i] if abs(w[column + i]) < math.inf else math.nan


@_block
def load_positive(w: Any, column: int, values: Any, start: int, rows: int) -> None:
    """Load a column of which only positive finite values mean anything; others are unknown."""
    load(w, column, values, start, rows)
    for i in range(BLOCK):
        w[column + i] = w[column + i] if 0.0 < w[column + i] < math.inf else math.nan


@_block
def store(values: Any, w: Any, column: int, start: int, rows: int) -> None:
    """Copy rows of scratch memory out."""
    for i in range(rows):
        values[start + i] = w[column + i]


@_block
def load_contracts(
    w: Any, forward: Any, strike: Any, years: Any, rate: Any, is_call: Any, start: int, rows: int
) -> None:
    """Load what a contract is and what it is discounted with."""
    load_positive(w, FORWARD, forward, start, rows)
    load_positive(w, STRIKE, strike, start, rows)
    load_finite(w, YEARS, years, start, rows)
    load_finite(w, RATE, rate, start, rows)
    load(w, CALL, is_call, start, rows)


@_block
def normalise(w: Any) -> None:
    """Turn prices into time values per discount * sqrt(F * K), and strikes into distances |ln(F/K)|."""
    for i in range(BLOCK):
        forward, strike = w[FORWARD + i], w[STRIKE + i]
        root = math.sqrt(forward * strike)
        away = forward - strike if w[CALL + i] > 0.0 else strike - forward
        intrinsic = away if away > 0.0 else 0.0
        w[ROOT + i] = root
        w[DISTANCE + i] = abs(log(forward / strike))
        w[TIME_VALUE + i] = (w[PRICE + i] / w[DISCOUNT + i] - intrinsic) / root


@_block
def solve(w: Any, rows: int) -> None:
    """Find each row's total volatility, NaN where there is none."""
    for i in range(BLOCK):
        w[TOTAL + i], w[STEP + i] = two_steps(w[DISTANCE + i], w[TIME_VALUE + i])
    for i in range(rows):
        if not is_settled(w[DISTANCE + i], w[TIME_VALUE + i], w[TOTAL + i], w[STEP + i]):
            w[TOTAL + i] = solve_row(w[DISTANCE + i], w[TIME_VALUE + i])


@inner
def null_reason(price: float, forward: float, years: float, value: float, tick: float, missing: int) -> int:
    """Code of the first reason that applies; `missing` is the one for an unknown price."""
    if years <= 0.0:
        return SETTLED
    if not (forward > 0.0 and years > 0.0):
        return NO_FORWARD
    if math.isnan(price):
        return missing
    if price < tick:
        return UNDER_TICK
    return BELOW_INTRINSIC if value <= 0.0 else NOT_CONVERGED


@_block
def report(w: Any, i: int, missing: int) -> tuple[float, int]:
    """Give a solved row's volatility, or NaN with its reason; `missing` is the reason for an unknown price."""
    price, years, tick, total = w[PRICE + i], w[YEARS + i], w[TICK + i], w[TOTAL + i]
    if total > 0.0 and years > 0.0 and price >= tick:
        return total / math.sqrt(years), NONE
    return math.nan, null_reason(price, w[FORWARD + i], years, w[TIME_VALUE + i], tick, missing)


@_block
def greeks(w: Any) -> None:
    """Compute the greeks from `VOLATILITY`, in the units of `black76.Greeks`."""
    for i in range(BLOCK):
        forward, strike, years, rate, sigma = (
            w[FORWARD + i],
            w[STRIKE + i],
            w[YEARS + i],
            w[RATE + i],
            w[VOLATILITY + i],
        )
        sigma = sigma if years > 0.0 else math.nan
        is_call, call_is_out = w[CALL + i] > 0.0, strike >= forward
        root_years, root = math.sqrt(years), math.sqrt(forward * strike)
        s = sigma * root_years
        h, u = abs(log(forward / strike)) / s, 0.5 * s
        deep = h >= u
        near, spread = mills_pair(h - u if deep else u - h, s if deep else 2.0 * h)
        far = near - spread
        v = exp(-0.5 * (h * h + u * u)) * INV_SQRT_2PI
        discount = exp(-rate * years)
        most = root / (strike if call_is_out else forward)  # exp(-|x| / 2)
        value = v * spread if deep else most - v * (near + far)
        tail = v * far
        if call_is_out:
            tail = v * near if deep else most - v * near
        out = discount * tail * root / forward  # |delta| of the out-of-the-money side
        scale = discount * root * v
        away = forward - strike if is_call else strike - forward
        price = discount * (root * value + (away if away > 0.0 else 0.0))
        side = out if is_call == call_is_out else discount - out
        w[DELTA + i] = side if is_call else -side
        w[GAMMA + i] = scale / (forward * forward * s)
        w[VEGA + i] = 0.01 * scale * root_years
        w[THETA + i] = (rate * price - 0.5 * scale * sigma / root_years) / 365.0
        w[RHO + i] = -0.01 * years * price


@_block
def choose_price(w: Any) -> None:
    """Take the mid where the book has two sides in order, else the last price; and the discount."""
    for i in range(BLOCK):
        bid, ask = w[BID + i], w[ASK + i]
        w[PRICE + i] = 0.5 * (bid + ask) if 0.0 < bid < ask else w[LAST + i]
        w[DISCOUNT + i] = exp(-w[RATE + i] * w[YEARS + i])


@_block
def mark_sane_spreads(w: Any) -> None:
    """Mark the sane spreads (the rule of `forward.sane_mid`), with the vega of each row's total volatility."""
    for i in range(BLOCK):
        total, years = w[TOTAL + i], w[YEARS + i]
        h, u = w[DISTANCE + i] / total, 0.5 * total
        density = exp(-0.5 * (h * h + u * u)) * INV_SQRT_2PI
        vega = 0.01 * w[DISCOUNT + i] * w[ROOT + i] * density * math.sqrt(years)
        bid, ask = w[BID + i], w[ASK + i]
        spread = ask - bid
        # The millionth absorbs binary rounding of decimal prices.
        narrow = (spread <= 2.0 * vega) | (spread <= 0.01 * (bid + ask)) | (spread <= 2.0 * w[TICK + i] + 1e-6)
        w[SANE + i] = 1.0 if narrow and spread > 0.0 else 0.0
