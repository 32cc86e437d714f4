"""Compiled code of the put-call-parity forward. The rule and its reasons are documented in `forward`.

Import this module inside functions: importing numba takes 0.2 s.
"""

import math
from typing import Any

import numba as nb
import numpy as np

_SIDE = 6  # strikes taken on each side of the centre, by rank
_LEAST_PAIRS = 3
_NONE, _MID, _LAST = 0, 1, 2

_inner: Any = nb.njit(error_model="numpy")
_kernel: Any = nb.njit(error_model="numpy", cache=True, nogil=True)


@_inner
def _is_sane(mid: float, spread: float, vega: float, tick: float) -> bool:
    # The millionth absorbs binary rounding of decimal prices.
    return spread > 0.0 and (spread <= 2.0 * vega or spread <= 0.02 * mid or spread <= 2.0 * tick + 1e-6)


@_inner
def _sane_pairs(call: Any, put: Any, call_spread: Any, put_spread: Any, vega: Any, tick: float) -> Any:
    sane = np.isfinite(call) & np.isfinite(put)
    for i in range(call.size):
        sane[i] = (
            sane[i]
            and _is_sane(call[i], call_spread[i], vega[i], tick)
            and _is_sane(put[i], put_spread[i], vega[i], tick)
        )
    return sane


@_inner
def _weighted_median(values: Any, weights: Any, count: int) -> float:
    order = np.argsort(values[:count])
    half = 0.5 * weights[:count].sum()
    reached = 0.0
    for place in range(count):
        reached += weights[order[place]]
        if reached > half * (1.0 + 1e-12):
            return values[order[place]]
        if reached >= half * (1.0 - 1e-12):  # exactly between two values
            return 0.5 * (values[order[place]] + values[order[min(place + 1, count - 1)]])
    return math.nan


@_inner
def _seed(strike: Any, call: Any, put: Any, usable: Any) -> int:
    best, seed = math.inf, -1
    for i in range(strike.size):
        away = abs(call[i] - put[i])
        if usable[i] and away < best:
            best, seed = away, i
    return seed


@_inner
def _estimate(
    centre: int, strike: Any, call: Any, put: Any, usable: Any, weight: Any, carry: float
) -> tuple[float, int, float]:
    values, weights = np.empty(2 * _SIDE + 1), np.empty(2 * _SIDE + 1)
    count = 0
    for i in range(max(centre - _SIDE, 0), min(centre + _SIDE + 1, strike.size)):
        if usable[i]:
            values[count] = strike[i] + carry * (call[i] - put[i])
            weights[count] = weight[i]
            count += 1
    if count < _LEAST_PAIRS:
        return math.nan, count, math.nan
    forward = _weighted_median(values, weights, count)
    for i in range(count):
        values[i] = abs(values[i] - forward)
    return forward, count, _weighted_median(values, weights, count)


@_inner
def _nearest(strike: Any, forward: float) -> int:
    best = 0
    for i in range(strike.size):
        if abs(strike[i] - forward) < abs(strike[best] - forward):
            best = i
    return best


@_kernel
def parity_kernel(
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
    tick: float,
    forward: Any,
    source: Any,
    pairs: Any,
    mad: Any,
) -> None:
    """Fill the last four columns; see `forward.parity_forward`."""
    for chain in range(years.size):
        rows = slice(chain_start[chain], chain_start[chain + 1])
        forward[chain], source[chain], pairs[chain], mad[chain] = math.nan, _NONE, 0, math.nan
        if not (years[chain] >= 0.0 and math.isfinite(rate[chain])):
            continue
        k, mid_of_call, mid_of_put = strike[rows], call_mid[rows], put_mid[rows]
        last_of_call, last_of_put = call_last[rows], put_last[rows]
        width_of_call, width_of_put = call_spread[rows], put_spread[rows]
        carry, vega_per_strike = math.exp(rate[chain] * years[chain]), 0.004 * math.sqrt(years[chain])
        lasts = np.isfinite(last_of_call) & np.isfinite(last_of_put)
        weight, equal = (width_of_call + width_of_put) ** -2.0, np.ones(k.size)
        # A wide book far from the money can have equal mids by chance, so sane pairs are asked first for the centre.
        sane = _sane_pairs(mid_of_call, mid_of_put, width_of_call, width_of_put, vega_per_strike * k, tick)
        centre = _seed(k, mid_of_call, mid_of_put, sane)
        if centre < 0:
            centre = _seed(k, mid_of_call, mid_of_put, np.isfinite(mid_of_call) & np.isfinite(mid_of_put))
        if centre < 0:
            centre = _seed(k, last_of_call, last_of_put, lasts)
        if centre < 0:
            continue
        for _ in range(2):
            vega = np.full(k.size, vega_per_strike * k[centre])
            sane = _sane_pairs(mid_of_call, mid_of_put, width_of_call, width_of_put, vega, tick)
            found, count, spread = _estimate(centre, k, mid_of_call, mid_of_put, sane, weight, carry)
            found_source = _MID
            if math.isnan(found):
                found, count, spread = _estimate(centre, k, last_of_call, last_of_put, lasts, equal, carry)
                found_source = _LAST
            if math.isnan(found) or 0 < source[chain] < found_source:
                break
            forward[chain], source[chain], pairs[chain], mad[chain] = found, found_source, count, spread
            centre = _nearest(k, found)
