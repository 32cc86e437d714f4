"""The compiled kernel of the put-call-parity forward. The rule and its reasons are documented in `forward`.

Like `kernels`, imported by `native` only. Columns are pointers to their first value; rows of a chain are first..end.
"""

import math
from typing import Any

import numba as nb

from g6_market.pricing import kernels

_SIDE = 6  # strikes taken on each side of the centre, by rank
_WINDOW = 2 * _SIDE + 1
_LEAST_PAIRS = 3
_NO_FORWARD, _MIDS, _LASTS = 0, 1, 2

_inner: Any = nb.njit(error_model="numpy")


def compiled() -> dict[str, Any]:
    """Compile the kernel; as `kernels.compiled`."""
    return kernels.compiled(parity=_parity)


@_inner
def _is_sane(mid: float, spread: float, vega: float, tick: float) -> bool:
    # The millionth absorbs binary rounding of decimal prices.
    narrow = spread <= 2.0 * vega or spread <= 0.02 * mid or spread <= 2.0 * tick + 1e-6
    return math.isfinite(mid) and spread > 0.0 and narrow


@_inner
def _nearest(strike: Any, first: int, end: int, forward: float) -> int:
    best = first
    for i in range(first, end):
        if abs(strike[i] - forward) < abs(strike[best] - forward):
            best = i
    return best


@_inner
def _weighted_median(values: Any, count: int) -> float:
    # Values with their weights _WINDOW places further; sorted here by insertion.
    total = 0.0
    for i in range(count):
        value, weight = values[i], values[_WINDOW + i]
        total += weight
        place = i
        while place > 0 and values[place - 1] > value:
            values[place], values[_WINDOW + place] = values[place - 1], values[_WINDOW + place - 1]
            place -= 1
        values[place], values[_WINDOW + place] = value, weight
    reached = 0.0
    for i in range(count):
        reached += values[_WINDOW + i]
        if reached > 0.5 * total * (1.0 + 1e-12):
            return values[i]
        if reached >= 0.5 * total * (1.0 - 1e-12):  # exactly between two values
            return 0.5 * (values[i] + values[min(i + 1, count - 1)])
    return math.nan


@_inner
def _forward_and_mad(values: Any, count: int) -> tuple[float, float]:
    if count < _LEAST_PAIRS:
        return math.nan, math.nan
    forward = _weighted_median(values, count)
    for i in range(count):
        values[i] = abs(values[i] - forward)
    return forward, _weighted_median(values, count)


def _parity(
    chains: int,
    chain_start: Any,
    strike: Any,
    call_mid: Any,
    put_mid: Any,
    call_spread: Any,
    put_spread: Any,
    call_last: Any,
    put_last: Any,
    years: Any,
    rate: Any,
    tick: Any,
    forward: Any,
    source: Any,
    pairs: Any,
    mad: Any,
    values: Any,
) -> None:
    for chain in range(chains):
        first, end = chain_start[chain], chain_start[chain + 1]
        forward[chain], source[chain], pairs[chain], mad[chain] = math.nan, _NO_FORWARD, 0, math.nan
        if not (years[chain] >= 0.0 and math.isfinite(rate[chain])):
            continue
        carry, vega_per_strike = math.exp(rate[chain] * years[chain]), 0.004 * math.sqrt(years[chain])
        if not carry < math.inf:
            continue

        # The centre: least |C - P| of sane mids, else of any, else of last prices. Sane ones first because a wide book
        # far from the money can have equal mids by chance.
        centre, best = -1, (3, math.inf)
        for i in range(first, end):
            vega = vega_per_strike * strike[i]
            if _is_sane(call_mid[i], call_spread[i], vega, tick[0]) and _is_sane(
                put_mid[i], put_spread[i], vega, tick[0]
            ):
                this = (0, abs(call_mid[i] - put_mid[i]))
            elif math.isfinite(call_mid[i] - put_mid[i]):
                this = (1, abs(call_mid[i] - put_mid[i]))
            elif math.isfinite(call_last[i] - put_last[i]):
                this = (2, abs(call_last[i] - put_last[i]))
            else:
                continue
            if this < best:
                centre, best = i, this
        if centre < 0:
            continue

        for _ in range(2):
            low, high = max(centre - _SIDE, first), min(centre + _SIDE + 1, end)
            vega = vega_per_strike * strike[centre]
            found_source, count = _MIDS, 0
            for i in range(low, high):
                if _is_sane(call_mid[i], call_spread[i], vega, tick[0]) and _is_sane(
                    put_mid[i], put_spread[i], vega, tick[0]
                ):
                    values[count] = strike[i] + carry * (call_mid[i] - put_mid[i])
                    values[_WINDOW + count] = (call_spread[i] + put_spread[i]) ** -2.0
                    count += 1
            found, spread = _forward_and_mad(values, count)
            if math.isnan(found):
                found_source, count = _LASTS, 0
                for i in range(low, high):
                    if math.isfinite(call_last[i] - put_last[i]):
                        values[count] = strike[i] + carry * (call_last[i] - put_last[i])
                        values[_WINDOW + count] = 1.0
                        count += 1
                found, spread = _forward_and_mad(values, count)
            if math.isnan(found) or 0 < source[chain] < found_source:
                break
            forward[chain], source[chain], pairs[chain], mad[chain] = found, found_source, count, spread
            centre = _nearest(strike, first, end, found)
