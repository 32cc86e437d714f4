"""All compiled code of option pricing: normalised Black prices, their inversion, greeks, in blocks that vectorise.

Everything a compiled function calls lives in this one file because numba's disk cache watches only the file of the
function it stored: spread over modules, an edit of a helper would leave an outdated kernel in use. The public
functions, with their conventions and null rules, are in `black76`, `implied` and `legs`; the forward's kernel is in
`parity`. Import this module inside functions: importing numba takes 0.2 s that a process which prices nothing saves.

Notation: s is the total volatility sigma * sqrt(t), x = ln(F/K), h = |x| / s, u = s / 2. With Mills' ratio
R(z) = (1 - N(z)) / n(z) the out-of-the-money Black price divided by discount * sqrt(F * K) is

    b = v * (R(h - u) - R(h + u)),    v = db/ds = exp(-(h * h + u * u) / 2) / sqrt(2 * pi).

R is one polynomial in 1 / (z + 6), so the difference comes from a divided difference of that polynomial: no
cancellation however small s is. Hence one minute to expiry is as exact as five years.
"""

import math
from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic
from numpy.typing import NDArray

from g6_market.pricing.reasons import Reason

BLOCK = 256
"""Rows worked on at a time: the scratch columns then stay in the first-level cache."""

# Chebyshev fits of R(z) * (z + 6) over -1 <= z, in the variable 1 - 10 / (z + 6), highest power first; made with 60
# digits. The errors of value and slope are below 1e-15 for the long one and 1e-7 for the short one.
_MILLS = np.array(
    [
        3.616380073673359e-09,
        2.4483708200904276e-09,
        -4.2228567690256014e-08,
        -3.029133133035836e-08,
        2.839296440743083e-07,
        2.0184195678307147e-07,
        -1.6047932781694678e-06,
        -8.857667623936246e-07,
        9.0236016323523e-06,
        1.0204738616827235e-06,
        -5.2035514043178465e-05,
        3.6816669699128063e-05,
        0.00027811908054276745,
        -0.0006034848189695695,
        -0.0008512434531984701,
        0.005908319528178514,
        -0.008182485720589161,
        -0.021832097179341016,
        0.1469714418282709,
        -0.44928390880594055,
        0.9819817195348837,
        -1.7079824834759718,
        2.472267594992111,
        -3.046349994442861,
        3.2336849252498414,
        -2.972523005440125,
        2.3665238291356068,
    ]
)
_MILLS_COARSE = np.array(
    [
        -0.0001773547631658944,
        0.004189371047750608,
        -0.008989731371315703,
        -0.01978354375502446,
        0.147484468253496,
        -0.4504832594490592,
        0.9818095748652803,
        -1.7076378468967488,
        2.472295494495098,
        -3.046392645397043,
        3.233683215809233,
        -2.972521493072938,
        2.366523846322573,
    ]
)

_INVERSE_FACTORIALS = np.array([1.0 / math.factorial(k) for k in range(13, -1, -1)])

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
_LOG2_E = 1.0 / math.log(2.0)
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in a double's low bits
_SMALLEST = 1e-290  # the block logarithm cannot read subnormal numbers, so smaller values take the row-wise path
_LAST_STEP = 3e-4  # a fourth-order step of this relative size leaves an error of about its fourth power, 1e-14

# Columns of a block's scratch memory: one array, so that constant offsets prove to the compiler they do not overlap.
_PRICE, _FORWARD, _STRIKE, _YEARS, _DISCOUNT, _CALL = (BLOCK * i for i in range(6))
_ROOT, _DISTANCE, _TIME_VALUE, _TOTAL, _STEP = (BLOCK * i for i in range(6, 11))
_TICK, _BID, _ASK, _LAST, _SANE, _RATE = (BLOCK * i for i in range(11, 17))
_VOLATILITY = _TOTAL
_DELTA, _GAMMA, _THETA, _VEGA, _RHO = (BLOCK * i for i in range(11, 16))
_SCRATCH = BLOCK * 17

_NONE, _BELOW_INTRINSIC, _UNDER_TICK = int(Reason.NONE), int(Reason.BELOW_INTRINSIC), int(Reason.UNDER_TICK)
_WIDE_SPREAD, _NO_FORWARD, _STALE = int(Reason.WIDE_SPREAD), int(Reason.NO_FORWARD), int(Reason.STALE)
_SETTLED, _NOT_CONVERGED = int(Reason.SETTLED), int(Reason.NOT_CONVERGED)
_FROM_NONE, _FROM_MID, _FROM_LAST = 0, 1, 2

# Fused multiply-add is the only liberty given: the other fast-math flags break NaN and the rounding trick of _exp.
_inner: Any = nb.njit(error_model="numpy", fastmath={"contract"}, forceinline=True)
_block: Any = nb.njit(error_model="numpy", fastmath={"contract"})
_kernel: Any = nb.njit(error_model="numpy", cache=True, nogil=True)
_intrinsic: Any = intrinsic


@_intrinsic
def _bits(_context: Any, _value: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return nb.int64(nb.float64), generate


@_intrinsic
def _double(_context: Any, _value: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return nb.float64(nb.int64), generate


@_inner
def _log(y: float) -> float:
    bits = _bits(y)
    exponent = (bits - _SQRT_HALF_BITS) >> 52
    f = _double(bits - (exponent << 52)) - 1.0
    n = float(exponent)
    z = f / (2.0 + f)
    w = z * z
    tail = 1.818357216161805012e-01 + w * (1.531383769920937332e-01 + w * 1.479819860511658591e-01)
    tail = 3.999999999940941908e-01 + w * (2.857142874366239149e-01 + w * (2.222219843214978396e-01 + w * tail))
    tail = w * (6.666666666666735130e-01 + w * tail)
    half = 0.5 * f * f
    return n * _LN2_HIGH - ((half - (z * (half + tail) + n * _LN2_LOW)) - f)


@_inner
def _exp(y: float) -> float:
    y = -708.0 if y < -708.0 else y
    shifted = y * _LOG2_E + _ROUND
    n = shifted - _ROUND
    r = y - n * _LN2_HIGH - n * _LN2_LOW
    p = 0.0
    for k in range(_INVERSE_FACTORIALS.size):
        p = p * r + _INVERSE_FACTORIALS[k]
    return _double(_bits(p) + (_bits(shifted) << 52))


@_inner
def _mills(z: float) -> float:
    i = 1.0 / (z + 6.0)
    w = 1.0 - 10.0 * i
    p = 0.0
    for k in range(_MILLS.size):
        p = p * w + _MILLS[k]
    return i * p


def _mills_and_difference(coefficients: NDArray[np.float64]) -> Any:
    # The coefficients must be constants of the compiled function: as an argument they keep its loop from vectorising.
    terms = coefficients.size

    @_inner
    def mills_and_difference(z: float, gap: float) -> tuple[float, float]:
        a = z + 6.0
        b = a + gap
        inverse = 1.0 / (a * b)
        i, j = b * inverse, a * inverse
        w1, w2 = 1.0 - 10.0 * i, 1.0 - 10.0 * j
        p = 0.0
        d = 0.0
        for k in range(terms):
            d = d * w2 + p
            p = p * w1 + coefficients[k]
        return i * p, gap * inverse * (p - 10.0 * j * d)

    return mills_and_difference


_mills_pair = _mills_and_difference(_MILLS)
_mills_pair_coarse = _mills_and_difference(_MILLS_COARSE)


@_inner
def _next(s: float, h: float, residual: float, q: float) -> float:
    # Householder's third-order step towards ln(target / value) = 0, where value = v * q and v is its derivative by s.
    b2 = h * h / s - 0.25 * s
    b3 = b2 * b2 - 3.0 * (h / s) * (h / s) - 0.25
    newton = residual * q
    second = residual * (q * b2 - 1.0)
    third = residual * residual * (q * q * b3 - 3.0 * q * b2 + 2.0)
    return s + newton * (1.0 + 0.5 * second) / (1.0 + second + third / 6.0)


@_inner
def _first_guess(distance: float, value: float, log_value: float) -> float:
    # The normal (Bachelier) model's answer, within 1 %, fitted in time value per distance near the money and in its
    # logarithm further out.
    centred = value + 0.5 * distance
    z = distance / centred
    near = 0.3986308 + z * (0.01198839 + z * (-0.04053377 + z * (0.15131442 + z * (-0.12554323 + z * 0.04082393))))
    w = math.sqrt(-2.0 * (log_value - _log(distance)))
    far_h = w * (0.64604116 + w * (-0.47532581 + w * (0.18684743 + w * 0.01020557)))
    far = distance * (1.0 + w * (-0.28457894 + w * (0.18532529 + w * 0.01023097)))
    close = value > 0.0833 * distance
    return (centred if close else far) / (near if close else far_h)


@nb.njit(error_model="numpy")
def _solve_row(distance: float, value: float) -> float:
    # The rare rows that two block steps do not finish: same step, kept inside a bracket; NaN when there is no solution.
    most = math.exp(-0.5 * distance)
    if not 0.0 < value < most:
        return math.nan
    log_value = math.log(value) + _LOG_SQRT_2PI
    log_rest = math.log(most - value) + _LOG_SQRT_2PI
    low, high = 0.0, math.inf
    s = max(math.sqrt(2.0 * distance), 1e-9)
    for _ in range(200):
        h, u = distance / s, 0.5 * s
        if h - u >= -1.0:
            q = _mills_pair(h - u, s)[1]
            residual = log_value + 0.5 * (h * h + u * u) - math.log(q)
        else:  # past the shoulder the distance to the largest possible price carries the information
            q = -(_mills(u - h) + _mills(u + h))
            residual = log_rest + 0.5 * (h * h + u * u) - math.log(-q)
        if residual * q > 0.0:
            low = s
        else:
            high = s
        improved = _next(s, h, residual, q)
        if low < improved < high and abs(improved - s) <= 1e-5 * s:
            return improved
        if not low < improved < high:
            improved = 2.0 * s if math.isinf(high) else 0.5 * (low + high) if low > 0.0 else 0.5 * s
        if improved == s:
            return s
        s = improved
    return math.nan


@_block
def _load(w: Any, column: int, values: Any, start: int, rows: int) -> None:
    for i in range(rows):
        w[column + i] = values[start + i]
    for i in range(rows, BLOCK):
        w[column + i] = math.nan


@_block
def _load_contracts(
    w: Any, forward: Any, strike: Any, years: Any, rate: Any, is_call: Any, start: int, rows: int
) -> None:
    _load(w, _FORWARD, forward, start, rows)
    _load(w, _STRIKE, strike, start, rows)
    _load(w, _YEARS, years, start, rows)
    _load(w, _RATE, rate, start, rows)
    _load(w, _CALL, is_call, start, rows)


@_block
def _normalise(w: Any) -> None:
    for i in range(BLOCK):
        forward, strike = w[_FORWARD + i], w[_STRIKE + i]
        root = math.sqrt(forward * strike)
        away = forward - strike if w[_CALL + i] > 0.0 else strike - forward
        intrinsic = away if away > 0.0 else 0.0
        w[_ROOT + i] = root
        w[_DISTANCE + i] = abs(_log(forward / strike))
        w[_TIME_VALUE + i] = (w[_PRICE + i] / w[_DISCOUNT + i] - intrinsic) / root


@_block
def _solve(w: Any, rows: int) -> None:
    # Total volatility of each row, NaN where there is none.
    for i in range(BLOCK):
        distance, value = w[_DISTANCE + i], w[_TIME_VALUE + i]
        log_value = _log(value)
        s = _first_guess(distance, value, log_value)
        target = log_value + _LOG_SQRT_2PI
        h, u = distance / s, 0.5 * s
        q = _mills_pair_coarse(h - u, s)[1]
        s = _next(s, h, target + 0.5 * (h * h + u * u) - _log(q), q)
        h, u = distance / s, 0.5 * s
        q = _mills_pair(h - u, s)[1]
        total = _next(s, h, target + 0.5 * (h * h + u * u) - _log(q), q)
        w[_TOTAL + i] = total
        w[_STEP + i] = abs(total - s) / total
    for i in range(rows):
        distance, value, total = w[_DISTANCE + i], w[_TIME_VALUE + i], w[_TOTAL + i]
        inside = value > _SMALLEST and total > 0.0 and distance / total - 0.5 * total >= -1.0
        if not (inside and w[_STEP + i] <= _LAST_STEP):
            w[_TOTAL + i] = _solve_row(distance, value)


@_inner
def _null_reason(price: float, forward: float, years: float, value: float, tick: float, missing: int) -> int:
    if years <= 0.0:
        return _SETTLED
    if not (forward > 0.0 and years > 0.0):
        return _NO_FORWARD
    if math.isnan(price):
        return missing
    if price < tick:
        return _UNDER_TICK
    return _BELOW_INTRINSIC if value <= 0.0 else _NOT_CONVERGED


@_block
def _report(w: Any, i: int, missing: int) -> tuple[float, int]:
    # Implied volatility of a solved row, or NaN with its reason.
    price, years, tick, total = w[_PRICE + i], w[_YEARS + i], w[_TICK + i], w[_TOTAL + i]
    if total > 0.0 and years > 0.0 and price >= tick:
        return total / math.sqrt(years), _NONE
    return math.nan, _null_reason(price, w[_FORWARD + i], years, w[_TIME_VALUE + i], tick, missing)


@_block
def _greeks(w: Any) -> None:
    for i in range(BLOCK):
        forward, strike, years, rate, sigma = (
            w[_FORWARD + i],
            w[_STRIKE + i],
            w[_YEARS + i],
            w[_RATE + i],
            w[_VOLATILITY + i],
        )
        is_call, call_is_out = w[_CALL + i] > 0.0, strike >= forward
        root_years, root = math.sqrt(years), math.sqrt(forward * strike)
        s = sigma * root_years
        h, u = abs(_log(forward / strike)) / s, 0.5 * s
        deep = h >= u
        near, spread = _mills_pair(h - u if deep else u - h, s if deep else 2.0 * h)
        far = near - spread
        v = _exp(-0.5 * (h * h + u * u)) * _INV_SQRT_2PI
        discount = _exp(-rate * years)
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
        w[_DELTA + i] = side if is_call else -side
        w[_GAMMA + i] = scale / (forward * forward * s)
        w[_VEGA + i] = 0.01 * scale * root_years
        w[_THETA + i] = (rate * price - 0.5 * scale * sigma / root_years) / 365.0
        w[_RHO + i] = -0.01 * years * price


@_kernel
def price_kernel(forward: Any, strike: Any, years: Any, discount: Any, sigma: Any, is_call: Any, price: Any) -> None:
    """Fill `price`; see `black76.price`."""
    for i in range(price.size):
        away = forward[i] - strike[i] if is_call[i] else strike[i] - forward[i]
        intrinsic = max(away, 0.0)
        s = sigma[i] * math.sqrt(years[i])
        if s == 0.0:
            price[i] = discount[i] * intrinsic
            continue
        distance = abs(_log(forward[i] / strike[i]))
        h, u = distance / s, 0.5 * s
        v = math.exp(-0.5 * (h * h + u * u)) * _INV_SQRT_2PI
        if h - u >= -1.0:
            value = v * _mills_pair(h - u, s)[1]
        else:
            value = math.exp(-0.5 * distance) - v * (_mills(u - h) + _mills(u + h))
        price[i] = discount[i] * (intrinsic + math.sqrt(forward[i] * strike[i]) * value)


@_kernel
def greeks_kernel(
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
) -> None:
    """Fill the five greeks; see `black76.greeks`."""
    w = np.empty(_SCRATCH)
    for start in range(0, delta.size, BLOCK):
        rows = min(BLOCK, delta.size - start)
        _load_contracts(w, forward, strike, years, rate, is_call, start, rows)
        _load(w, _VOLATILITY, sigma, start, rows)
        _greeks(w)
        delta[start : start + rows] = w[_DELTA : _DELTA + rows]
        gamma[start : start + rows] = w[_GAMMA : _GAMMA + rows]
        theta[start : start + rows] = w[_THETA : _THETA + rows]
        vega[start : start + rows] = w[_VEGA : _VEGA + rows]
        rho[start : start + rows] = w[_RHO : _RHO + rows]


@_kernel
def implied_kernel(
    price: Any,
    forward: Any,
    strike: Any,
    years: Any,
    discount: Any,
    is_call: Any,
    tick: Any,
    volatility: Any,
    reason: Any,
) -> None:
    """Fill `volatility` and `reason`; see `implied.implied_volatility`."""
    w = np.empty(_SCRATCH)
    for start in range(0, price.size, BLOCK):
        rows = min(BLOCK, price.size - start)
        _load_contracts(w, forward, strike, years, discount, is_call, start, rows)
        _load(w, _PRICE, price, start, rows)
        _load(w, _DISCOUNT, discount, start, rows)
        _load(w, _TICK, tick, start, rows)
        _normalise(w)
        _solve(w, rows)
        for i in range(rows):
            volatility[start + i], reason[start + i] = _report(w, i, _STALE)


@_block
def _choose_price(w: Any) -> None:
    # Mid where the book has two sides in order, else the last price (NaN already where it did not trade).
    for i in range(BLOCK):
        bid, ask = w[_BID + i], w[_ASK + i]
        w[_PRICE + i] = 0.5 * (bid + ask) if 0.0 < bid < ask else w[_LAST + i]
        w[_DISCOUNT + i] = _exp(-w[_RATE + i] * w[_YEARS + i])


@_block
def _test_spreads(w: Any) -> None:
    for i in range(BLOCK):
        total, years = w[_TOTAL + i], w[_YEARS + i]
        h, u = w[_DISTANCE + i] / total, 0.5 * total
        density = _exp(-0.5 * (h * h + u * u)) * _INV_SQRT_2PI
        vega = 0.01 * w[_DISCOUNT + i] * w[_ROOT + i] * density * math.sqrt(years)
        bid, ask = w[_BID + i], w[_ASK + i]
        spread = ask - bid
        sane = (spread <= 2.0 * vega) | (spread <= 0.01 * (bid + ask)) | (spread <= 2.0 * w[_TICK + i] + 1e-6)
        w[_SANE + i] = 1.0 if sane else 0.0


@_kernel
def legs_kernel(
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
) -> None:
    """Fill the columns of `legs.LegPricing`: each leg's own volatility first, then its strike's, then the greeks."""
    w = np.empty(_SCRATCH)
    own_reason = np.empty(strike.size, np.int8)
    for start in range(0, strike.size, BLOCK):
        rows = min(BLOCK, strike.size - start)
        _load_contracts(w, forward, strike, years, rate, is_call, start, rows)
        _load(w, _BID, bid, start, rows)
        _load(w, _ASK, ask, start, rows)
        _load(w, _LAST, last, start, rows)
        _load(w, _TICK, tick, start, rows)
        for i in range(rows):
            if not traded[start + i]:
                w[_LAST + i] = math.nan
        _choose_price(w)
        _normalise(w)
        _solve(w, rows)
        _test_spreads(w)
        too_wide = False
        for i in range(rows):
            if w[_BID + i] > 0.0 and w[_ASK + i] > 0.0:
                if w[_SANE + i] > 0.0:
                    source[start + i] = _FROM_MID
                    continue
                w[_PRICE + i] = w[_LAST + i]
                too_wide = True
            source[start + i] = _FROM_NONE if math.isnan(w[_PRICE + i]) else _FROM_LAST
        if too_wide:
            _normalise(w)
            _solve(w, rows)
        for i in range(rows):
            two_sided = w[_BID + i] > 0.0 and w[_ASK + i] > 0.0
            own[start + i], own_reason[start + i] = _report(w, i, _WIDE_SPREAD if two_sided else _STALE)
            price[start + i] = w[_PRICE + i]
    for start in range(0, strike.size, BLOCK):
        rows = min(BLOCK, strike.size - start)
        _load_contracts(w, forward, strike, years, rate, is_call, start, rows)
        for i in range(rows):
            row = start + i
            out = row if is_call[row] == (strike[row] >= forward[row]) else pair[row]
            shared[row] = own[out] if out >= 0 else math.nan
            reason[row] = (
                own_reason[out] if out >= 0 else _null_reason(math.nan, forward[row], years[row], 0.0, 0.0, _STALE)
            )
        _load(w, _VOLATILITY, shared, start, rows)
        _greeks(w)
        delta[start : start + rows] = w[_DELTA : _DELTA + rows]
        gamma[start : start + rows] = w[_GAMMA : _GAMMA + rows]
        theta[start : start + rows] = w[_THETA : _THETA + rows]
        vega[start : start + rows] = w[_VEGA : _VEGA + rows]
