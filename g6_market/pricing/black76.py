"""Black-76 on the forward: price and greeks. The inverse, implied volatility, is in `implied`.

With F the forward, K the strike, t in years, D = exp(-r t) and sigma the volatility (Black, "The pricing of commodity
contracts", 1976):

    call = D (F N(d1) - K N(d2)),   put = D (K N(-d2) - F N(-d1)),
    d1 = ln(F/K) / (sigma sqrt(t)) + sigma sqrt(t) / 2,   d2 = d1 - sigma sqrt(t).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g6_market.pricing import native
from g6_market.pricing.columns import aligned, flags


@dataclass(frozen=True, slots=True)
class Greeks:
    """Sensitivities of the option price in rupees, each of shape (n,).

    Attributes
    ----------
    delta : ndarray of float64
        Per point of the forward; negative for puts.
    gamma : ndarray of float64
        Change of delta per point of the forward.
    theta : ndarray of float64
        Per calendar day that passes, forward and rate held: (r * price - D F n(d1) sigma / (2 sqrt(t))) / 365.
    vega : ndarray of float64
        Per 1 % (one volatility point).
    rho : ndarray of float64
        Per 1 % of the rate, forward held: -t * price * 0.01.
    """

    delta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    theta: NDArray[np.float64]
    vega: NDArray[np.float64]
    rho: NDArray[np.float64]


def price(
    forward: ArrayLike,
    strike: ArrayLike,
    t_years: ArrayLike,
    discount: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> NDArray[np.float64]:
    """Price options.

    Parameters
    ----------
    forward, strike : array_like of float, shape (n,) or scalar
        In points, above 0.
    t_years : array_like of float
        Time to the fixing of the settlement, ACT/365.
    discount : array_like of float
        exp(-rate * t_years).
    volatility : array_like of float
        A year's, as a fraction (0.12 for 12 %). At 0, or with no time left, the price is the discounted intrinsic
        value.
    is_call : array_like of bool
        True for a call.

    Returns
    -------
    ndarray of float64, shape (n,)
        Relative error a few units of the last digit also far out of the money; NaN where an input is NaN, infinite or
        out of its range.

    Raises
    ------
    TypeError
        If a column holds no numbers, or `is_call` other than True and False.
    ValueError
        If two columns differ in length.
    """
    columns = aligned(forward, strike, t_years, discount, volatility, flags("is_call", is_call))
    result = np.empty(columns[0].size)
    native.run("price", result.size, *columns, result)
    return result


def greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    t_years: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> Greeks:
    """Compute the five greeks; discount = exp(-rate * t_years).

    Parameters
    ----------
    forward, strike, t_years, volatility, is_call : array_like, shape (n,) or scalar
        As in `price`.
    rate : array_like of float
        Continuously compounded, as a fraction.

    Returns
    -------
    Greeks
        NaN where an input is NaN or infinite, or where forward, strike, time or volatility is not above 0.

    Raises
    ------
    TypeError
        If a column holds no numbers, or `is_call` other than True and False.
    ValueError
        If two columns differ in length.
    """
    columns = aligned(forward, strike, t_years, rate, volatility, flags("is_call", is_call))
    results = [np.empty(columns[0].size) for _ in range(5)]
    native.run("greeks", columns[0].size, *columns, *results, np.empty(native.SCRATCH))
    return Greeks(*results)
