"""The compiled kernels: columns in, columns out, a block of rows at a time.

Only `native` imports this module, and only to compile it; what runs is the machine code it keeps. Columns are pointers
to their first value, with the types and in the order of `native.SIGNATURES`; `w` is scratch memory. The public
functions, with their conventions and null rules, are in `black76`, `implied` and `legs`; the forward's kernel is in
`parity`.
"""

import math
from collections.abc import Callable
from typing import Any

import numba as nb

from g6_market.pricing import blocks as b
from g6_market.pricing.arithmetic import INV_SQRT_2PI, log, mills, mills_pair
from g6_market.pricing.native import BLOCK, SIGNATURES

_TYPES = {"d": nb.float64, "q": nb.int64, "i": nb.int32, "b": nb.int8, "?": nb.int8}
_NO_PRICE, _FROM_MID, _FROM_LAST = 0, 1, 2


def compiled(**functions: Callable[..., None]) -> dict[str, Any]:
    """Compile kernels, those of this module by default.

    Parameters
    ----------
    **functions : callable
        By their names in `native.SIGNATURES`.

    Returns
    -------
    dict of str to numba.cfunc
        The same names.
    """
    functions = functions or {"price": _price, "greeks": _greeks, "implied": _implied, "legs": _legs}
    return {name: nb.cfunc(_signature(name), error_model="numpy")(function) for name, function in functions.items()}


def _signature(name: str) -> Any:
    return nb.void(nb.int64, *(nb.types.CPointer(_TYPES[letter]) for letter in SIGNATURES[name]))


def _price(
    rows: int, forward: Any, strike: Any, years: Any, discount: Any, sigma: Any, is_call: Any, price: Any
) -> None:
    for i in range(rows):
        s = sigma[i] * math.sqrt(years[i])
        known = 0.0 < forward[i] < math.inf and 0.0 < strike[i] < math.inf and 0.0 < discount[i] < math.inf
        if not (known and sigma[i] >= 0.0 and s < math.inf):
            price[i] = math.nan
            continue
        away = forward[i] - strike[i] if is_call[i] != 0 else strike[i] - forward[i]
        intrinsic = max(away, 0.0)
        if s == 0.0:
            price[i] = discount[i] * intrinsic
            continue
        distance = abs(log(forward[i] / strike[i]))
        h, u = distance / s, 0.5 * s
        v = math.exp(-0.5 * (h * h + u * u)) * INV_SQRT_2PI
        if h - u >= -1.0:
            value = v * mills_pair(h - u, s)[1]
        else:
            value = math.exp(-0.5 * distance) - v * (mills(u - h) + mills(u + h))
        price[i] = discount[i] * (intrinsic + math.sqrt(forward[i] * strike[i]) * value)


def _greeks(
    rows: int,
    forward: Any,
    strike: Any,
    years: Any,
    rate: Any,
    sigma: Any,
    is_call: Any,
    delta: Any,
    gamma: Any,
    theta: Any,
    vega: Any,
    rho: Any,
    w: Any,
) -> None:
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        b.load_contracts(w, forward, strike, years, rate, is_call, start, count)
        b.load_positive(w, b.VOLATILITY, sigma, start, count)
        b.greeks(w)
        b.store(delta, w, b.DELTA, start, count)
        b.store(gamma, w, b.GAMMA, start, count)
        b.store(theta, w, b.THETA, start, count)
        b.store(vega, w, b.VEGA, start, count)
        b.store(rho, w, b.RHO, start, count)


def _implied(
    rows: int,
    price: Any,
    forward: Any,
    strike: Any,
    years: Any,
    discount: Any,
    is_call: Any,
    tick: Any,
    volatility: Any,
    reason: Any,
    w: Any,
) -> None:
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        b.load_contracts(w, forward, strike, years, discount, is_call, start, count)
        b.load(w, b.PRICE, price, start, count)
        b.load_positive(w, b.DISCOUNT, discount, start, count)
        b.load(w, b.TICK, tick, start, count)
        b.normalise(w)
        b.solve(w, count)
        for i in range(count):
            volatility[start + i], reason[start + i] = b.report(w, i, b.STALE)


def _legs(
    rows: int,
    strike: Any,
    is_call: Any,
    bid: Any,
    ask: Any,
    last: Any,
    traded: Any,
    forward: Any,
    years: Any,
    rate: Any,
    tick: Any,
    pair: Any,
    price: Any,
    source: Any,
    own: Any,
    shared: Any,
    reason: Any,
    delta: Any,
    gamma: Any,
    theta: Any,
    vega: Any,
    own_reason: Any,
    w: Any,
) -> None:
    # Each leg's own volatility first, then its strike's from the leg out of the money, wherever that row is.
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        b.load_contracts(w, forward, strike, years, rate, is_call, start, count)
        b.load_positive(w, b.BID, bid, start, count)
        b.load_positive(w, b.ASK, ask, start, count)
        b.load_positive(w, b.LAST, last, start, count)
        b.load(w, b.TICK, tick, start, count)
        for i in range(count):
            if traded[start + i] == 0:
                w[b.LAST + i] = math.nan
        b.choose_price(w)
        b.normalise(w)
        b.solve(w, count)
        b.mark_sane_spreads(w)
        refused = False
        for i in range(count):
            if w[b.SANE + i] > 0.0:
                source[start + i] = _FROM_MID
                continue
            if w[b.BID + i] < w[b.ASK + i]:
                w[b.PRICE + i] = w[b.LAST + i]
                refused = True
            source[start + i] = _NO_PRICE if math.isnan(w[b.PRICE + i]) else _FROM_LAST
        if refused:
            b.normalise(w)
            b.solve(w, count)
        for i in range(count):
            two_sided = w[b.BID + i] > 0.0 and w[b.ASK + i] > 0.0
            own[start + i], own_reason[start + i] = b.report(w, i, b.WIDE_SPREAD if two_sided else b.STALE)
            price[start + i] = w[b.PRICE + i]
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        b.load_contracts(w, forward, strike, years, rate, is_call, start, count)
        for row in range(start, start + count):
            out = row if (is_call[row] != 0) == (strike[row] >= forward[row]) else pair[row]
            if out >= 0:
                shared[row], reason[row] = own[out], own_reason[out]
            else:
                shared[row] = math.nan
                at = row - start
                reason[row] = b.null_reason(math.nan, w[b.FORWARD + at], w[b.YEARS + at], 0.0, 0.0, b.STALE)
        b.load(w, b.VOLATILITY, shared, start, count)
        b.greeks(w)
        b.store(delta, w, b.DELTA, start, count)
        b.store(gamma, w, b.GAMMA, start, count)
        b.store(theta, w, b.THETA, start, count)
        b.store(vega, w, b.VEGA, start, count)
