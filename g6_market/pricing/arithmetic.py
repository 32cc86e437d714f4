"""Exponential, logarithm and Mills' ratio in plain arithmetic, so that the compiler turns loops over them into vectors.

Compiled by numba as parts of the kernels. Mills' ratio R(z) = (1 - N(z)) / n(z) is what stays of the normal tail once
its exponential is taken out, so prices never underflow on the way. `solver` and `kernels` build on it.
"""

import math
from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic
from numpy.typing import NDArray

inner: Any = nb.njit(error_model="numpy", fastmath={"contract"}, forceinline=True)
"""Decorator of functions inside vector loops. Fused multiply-add is the only liberty given to the compiler: the other
fast-math flags break NaN and the rounding in `exp`."""

INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)

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

_LOG2_E = 1.0 / math.log(2.0)
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in a double's low bits

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


@inner
def log(y: float) -> float:
    """Natural logarithm of a positive normal number (fdlibm's method); anything else gives a meaningless number."""
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


@inner
def exp(y: float) -> float:
    """Exponential of y <= 709, NaN kept; below -708 it stays at exp(-708)."""
    y = -708.0 if y < -708.0 else y
    shifted = y * _LOG2_E + _ROUND
    n = shifted - _ROUND
    r = y - n * _LN2_HIGH - n * _LN2_LOW
    p = 0.0
    for k in range(_INVERSE_FACTORIALS.size):
        p = p * r + _INVERSE_FACTORIALS[k]
    return _double(_bits(p) + (_bits(shifted) << 52))


@inner
def mills(z: float) -> float:
    """Mills' ratio of z >= -1."""
    i = 1.0 / (z + 6.0)
    w = 1.0 - 10.0 * i
    p = 0.0
    for k in range(_MILLS.size):
        p = p * w + _MILLS[k]
    return i * p


def _mills_and_difference(coefficients: NDArray[np.float64]) -> Any:
    # A constant of the compiled function each: coefficients passed as an argument keep the loop from vectorising.
    terms = coefficients.size

    @inner
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


mills_pair = _mills_and_difference(_MILLS)
"""R(z) and R(z) - R(z + gap) for z >= -1, gap >= 0: a divided difference, exact to the last digits for any gap."""
mills_pair_coarse = _mills_and_difference(_MILLS_COARSE)
"""The same to 1e-7, at half the cost."""
