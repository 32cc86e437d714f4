"""Implied volatility by Black-76, with the reason wherever there is none. Prices and spreads of whole legs: `legs`.

The price less its intrinsic value is the price of the out-of-the-money option of the same strike; how its logarithm is
solved for the volatility is told in `solver`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g6_market.pricing import native
from g6_market.pricing.columns import aligned, flags
from g6_market.pricing.reasons import REASONS, Reason, reason_names

__all__ = ["REASONS", "Reason", "implied_volatility", "reason_names"]


def implied_volatility(
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    t_years: ArrayLike,
    discount: ArrayLike,
    is_call: ArrayLike,
    tick: ArrayLike = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Invert `black76.price`.

    Parameters
    ----------
    price : array_like of float, shape (n,) or scalar
        In rupees; NaN where unknown.
    forward, strike, t_years, discount, is_call : array_like
        As in `black76.price`.
    tick : array_like of float
        Smallest price step. Prices below it are refused; 0 accepts any.

    Returns
    -------
    volatility : ndarray of float64, shape (n,)
        A year's, as a fraction. From an out-of-the-money price it is within 1e-12 of the volatility that gave it; from
        an in-the-money one within 4 units of the price's last digit divided by vega, as the price holds no more.
    reason : ndarray of int8, shape (n,)
        `Reason` of each NaN, the first that applies of `SETTLED` (t_years <= 0), `NO_FORWARD` (forward or t_years
        unknown, as are infinite ones and a forward of 0 or less), `STALE` (price unknown), `UNDER_TICK`,
        `BELOW_INTRINSIC`, `NOT_CONVERGED`; `NONE` elsewhere.

    Raises
    ------
    TypeError
        If a column holds no numbers, or `is_call` other than True and False.
    ValueError
        If two columns differ in length.
    """
    columns = aligned(price, forward, strike, t_years, discount, flags("is_call", is_call), tick)
    volatility, reason = np.empty(columns[0].size), np.empty(columns[0].size, np.int8)
    native.run("implied", reason.size, *columns, volatility, reason, np.empty(native.SCRATCH))
    return volatility, reason
