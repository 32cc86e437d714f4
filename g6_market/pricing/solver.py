"""Total volatility from a normalised Black price.

Notation: s is the total volatility sigma * sqrt(t), x = ln(F/K), distance = |x|, h = |x| / s, u = s / 2. With Mills'
ratio R the out-of-the-money Black price divided by discount * sqrt(F * K) is

    b = v * (R(h - u) - R(h + u)),    v = db/ds = exp(-(h * h + u * u) / 2) / sqrt(2 * pi).

The difference is taken without cancellation however small s is (`arithmetic`), hence one minute to expiry is as exact
as five years. ln b is solved by Householder steps of third order, after P. Jaeckel, "Let's be rational" (2015), from
the normal model's answer: two steps reach the last digits. Compiled by numba as parts of the kernels.
"""

import math
from typing import Any

import numba as nb

from g6_market.pricing.arithmetic import LOG_SQRT_2PI, inner, log, mills, mills_pair, mills_pair_coarse

_SMALLEST = 1e-290  # the block logarithm cannot read subnormal numbers, so smaller values take the row-wise path
_LAST_STEP = 3e-4  # a fourth-order step of this relative size leaves an error of about its fourth power, 1e-14

_row: Any = nb.njit(error_model="numpy")


@inner
def _next(s: float, h: float, residual: float, q: float) -> float:
    # Householder's third-order step towards ln(target / value) = 0, where value = v * q and v is its derivative by s.
    b2 = h * h / s - 0.25 * s
    b3 = b2 * b2 - 3.0 * (h / s) * (h / s) - 0.25
    newton = residual * q
    second = residual * (q * b2 - 1.0)
    third = residual * residual * (q * q * b3 - 3.0 * q * b2 + 2.0)
    return s + newton * (1.0 + 0.5 * second) / (1.0 + second + third / 6.0)


@inner
def _first_guess(distance: float, value: float, log_value: float) -> float:
    # The normal (Bachelier) model's answer, within 1 %, fitted in time value per distance near the money and in its
    # logarithm further out.
    centred = value + 0.5 * distance
    z = distance / centred
    near = 0.3986308 + z * (0.01198839 + z * (-0.04053377 + z * (0.15131442 + z * (-0.12554323 + z * 0.04082393))))
    w = math.sqrt(-2.0 * (log_value - log(distance)))
    far_h = w * (0.64604116 + w * (-0.47532581 + w * (0.18684743 + w * 0.01020557)))
    far = distance * (1.0 + w * (-0.28457894 + w * (0.18532529 + w * 0.01023097)))
    close = value > 0.0833 * distance
    return (centred if close else far) / (near if close else far_h)


@_row
def solve_row(distance: float, value: float) -> float:
    """Total volatility by the same step kept inside a bracket, for any row; NaN when there is none."""
    most = math.exp(-0.5 * distance)
    if not 0.0 < value < most:
        return math.nan
    log_value = math.log(value) + LOG_SQRT_2PI
    log_rest = math.log(most - value) + LOG_SQRT_2PI
    low, high = 0.0, math.inf
    s = max(math.sqrt(2.0 * distance), 1e-9)
    for _ in range(200):
        h, u = distance / s, 0.5 * s
        if h - u >= -1.0:
            q = mills_pair(h - u, s)[1]
            residual = log_value + 0.5 * (h * h + u * u) - math.log(q)
        else:  # past the shoulder the distance to the largest possible price carries the information
            q = -(mills(u - h) + mills(u + h))
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


@inner
def two_steps(distance: float, value: float) -> tuple[float, float]:
    """Total volatility, and the relative size of the step that led to it, for `is_settled` to judge."""
    log_value = log(value)
    target = log_value + LOG_SQRT_2PI
    s = _first_guess(distance, value, log_value)
    h, u = distance / s, 0.5 * s
    q = mills_pair_coarse(h - u, s)[1]
    s = _next(s, h, target + 0.5 * (h * h + u * u) - log(q), q)
    h, u = distance / s, 0.5 * s
    q = mills_pair(h - u, s)[1]
    total = _next(s, h, target + 0.5 * (h * h + u * u) - log(q), q)
    return total, abs(total - s) / total


@inner
def is_settled(distance: float, value: float, total: float, step: float) -> bool:
    """Whether `two_steps` reached the last digits; if not, `solve_row` does."""
    inside = value > _SMALLEST and total > 0.0 and distance / total - 0.5 * total >= -1.0
    return inside and step <= _LAST_STEP
