"""Price, implied volatility and greeks of the legs of option chains in one pass over their columns.

The forward comes from `forward`; which strike gets which offset, and what is stored, is the chain's business.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g6_market.pricing import native
from g6_market.pricing.columns import aligned, flags, row_numbers


@dataclass(frozen=True, slots=True)
class LegPricing:
    """What a leg's quote says, each of shape (n,); NaN where unknown.

    Attributes
    ----------
    price : ndarray of float64
        The price used, in rupees.
    price_source : ndarray of int8
        0 no price, 1 mid of a sane book, 2 last price traded in the interval.
    iv_own : ndarray of float64
        Implied volatility of the leg's own price, as a fraction.
    iv : ndarray of float64
        That of the strike: of its out-of-the-money leg (the call at a strike equal to the forward).
    reason : ndarray of int8
        `Reason` why `iv` is NaN, 0 where it is not.
    delta, gamma, theta, vega : ndarray of float64
        From `iv`, in the units of `black76.Greeks`. Rho is -t_years * model price * 0.01 (`black76.greeks`).
    """

    price: NDArray[np.float64]
    price_source: NDArray[np.int8]
    iv_own: NDArray[np.float64]
    iv: NDArray[np.float64]
    reason: NDArray[np.int8]
    delta: NDArray[np.float64]
    gamma: NDArray[np.float64]
    theta: NDArray[np.float64]
    vega: NDArray[np.float64]


def price_legs(
    *,
    strike: ArrayLike,
    is_call: ArrayLike,
    bid: ArrayLike,
    ask: ArrayLike,
    last: ArrayLike,
    traded: ArrayLike,
    forward: ArrayLike,
    t_years: ArrayLike,
    rate: ArrayLike,
    tick: ArrayLike,
    pair: ArrayLike,
) -> LegPricing:
    """Price legs of any number of chains and snapshots.

    A leg's price is the mid of a sane book (`forward.sane_mid`, with the vega of the volatility implied by that mid),
    else the last price if it traded in the interval, else unknown.

    Parameters
    ----------
    strike : array_like of float, shape (n,)
        In points.
    is_call : array_like of bool, shape (n,)
        True for a call.
    bid, ask, last : array_like of float, shape (n,)
        Best prices and last traded price in rupees; NaN where unknown, as are those not above 0 and infinite ones.
    traded : array_like of bool, shape (n,)
        Whether `last` was traded in the interval of the snapshot.
    forward, t_years, rate, tick : array_like of float, shape (n,) or scalar
        Forward of the leg's expiry (NaN where unknown), time to the fixing of its settlement (ACT/365), continuously
        compounded rate as a fraction, smallest price step.
    pair : array_like of int, shape (n,)
        Row of the other leg of the same strike, -1 where it was not captured.

    Returns
    -------
    LegPricing
        `reason` is that of the strike's out-of-the-money leg: `WIDE_SPREAD` if its book had two sides and was not
        sane (locked and crossed ones included), `STALE` if it had no price or was not captured, the others as in
        `implied.implied_volatility`. One leg's `iv_own` may exist where `iv` does not.

    Raises
    ------
    TypeError
        If a column holds no numbers, or `is_call` or `traded` other than True and False.
    ValueError
        If columns differ in length, or a pair points outside them.
    """
    columns = aligned(
        strike, flags("is_call", is_call), bid, ask, last, flags("traded", traded), forward, t_years, rate, tick
    )
    n, pairs = columns[0].size, row_numbers(pair)
    if pairs.shape != (n,) or (n and not -1 <= pairs.min() <= pairs.max() < n):
        raise ValueError(f"price_legs: pair must hold {n} row numbers from -1 to {n - 1}, one per leg")
    result = LegPricing(
        price=np.empty(n),
        price_source=np.empty(n, np.int8),
        iv_own=np.empty(n),
        iv=np.empty(n),
        reason=np.empty(n, np.int8),
        delta=np.empty(n),
        gamma=np.empty(n),
        theta=np.empty(n),
        vega=np.empty(n),
    )
    outputs = (getattr(result, field.name) for field in fields(result))
    native.run("legs", n, *columns, pairs, *outputs, np.empty(n, np.int8), np.empty(native.SCRATCH))
    return result
