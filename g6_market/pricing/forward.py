"""Forward of an expiry from put-call parity, and the test of a spread that prices have to pass.

The fall-back on the future of the same expiry is the chain's business: it knows the futures.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g6_market.pricing import native
from g6_market.pricing.columns import aligned, row_numbers

FORWARD_SOURCES: tuple[str | None, ...] = (None, "parity_mid", "parity_last", "future")
"""Stored name of each code of `ForwardEstimate.source`; `future` is only ever set by the chain."""


@dataclass(frozen=True, slots=True)
class ForwardEstimate:
    """One row per chain.

    Attributes
    ----------
    forward : ndarray of float64, shape (n_chains,)
        In points; NaN where fewer than three pairs may be used.
    source : ndarray of int8, shape (n_chains,)
        0 none, 1 mids, 2 last prices: positions in `FORWARD_SOURCES`.
    pairs : ndarray of int32, shape (n_chains,)
        Strikes used; 0 without a forward.
    mad : ndarray of float64, shape (n_chains,)
        Weighted median of |K + exp(r t) (C - P) - forward| over the pairs used, with the weights of the forward itself
        and no scaling to a standard deviation, in points.
    """

    forward: NDArray[np.float64]
    source: NDArray[np.int8]
    pairs: NDArray[np.int32]
    mad: NDArray[np.float64]


def parity_forward(
    chain_start: ArrayLike,
    strike: ArrayLike,
    call_mid: ArrayLike,
    put_mid: ArrayLike,
    call_spread: ArrayLike,
    put_spread: ArrayLike,
    call_last: ArrayLike,
    put_last: ArrayLike,
    t_years: ArrayLike,
    rate: ArrayLike,
    tick: float = 0.05,
) -> ForwardEstimate:
    """Estimate the forward of each chain, a chain being one expiry in one snapshot.

    K0 is the strike with the least |C - P|. Over K0 and the six listed strikes on each side of it, by rank among the
    rows given, the forward is the median of K + exp(r t) (C - P), weighted by 1 / (call spread + put spread)^2; then
    once more around the strike nearest to it (the lower on a tie). A mid takes part only where both its legs' spreads
    are sane (as in `sane_mid`, vega per point being 0.004 K0 sqrt(t), the at-the-money approximation). Where fewer
    than three such pairs exist, last prices are used with equal weights. K0 itself is sought among sane mids, else
    all mids, else last prices. Where the median falls exactly between two values it is their mean.

    Weights and seed are measured: weighting cut the jitter (p99) of BANKNIFTY's second month from 71 to 7 points,
    seeding by spot instead of |C - P| made MIDCPNIFTY's dispersion 202 instead of 1.8.

    Parameters
    ----------
    chain_start : array_like of int, shape (n_chains + 1,)
        Chain i owns rows chain_start[i]:chain_start[i + 1].
    strike : array_like of float, shape (n,)
        Every listed strike captured, ascending within its chain.
    call_mid, put_mid, call_spread, put_spread : array_like of float, shape (n,)
        (bid + ask) / 2 and ask - bid of each leg in rupees; NaN where a side is missing.
    call_last, put_last : array_like of float, shape (n,)
        Last prices; NaN where the leg did not trade in the interval or may not be used.
    t_years, rate : array_like of float, shape (n_chains,) or scalar
        Time to the fixing of the settlement (ACT/365) and continuously compounded rate.
    tick : float
        Smallest price step.

    Returns
    -------
    ForwardEstimate
        No forward where t_years is negative or unknown, or the rate unknown.

    Raises
    ------
    TypeError
        If a column holds no numbers.
    ValueError
        If columns differ in length, chain_start does not run from 0 to n without falling, or the strikes of a chain
        are not positive and rising.
    """
    starts = row_numbers(chain_start)
    columns = aligned(strike, call_mid, put_mid, call_spread, put_spread, call_last, put_last)
    n, n_chains = columns[0].size, starts.size - 1
    if starts.ndim != 1 or n_chains < 0 or starts[0] != 0 or starts[-1] != n or np.any(np.diff(starts) < 0):
        raise ValueError(f"parity_forward: chain_start must rise from 0 to {n}, the number of pairs")
    if not _rise(columns[0], starts):
        raise ValueError("parity_forward: the strikes of each chain must be positive, rising and all known: sort them")
    years, rates, _ = aligned(t_years, rate, np.empty(n_chains))
    if years.size != n_chains:
        raise ValueError(f"parity_forward: t_years and rate have {years.size} rows, chain_start has {n_chains} chains")
    result = ForwardEstimate(
        forward=np.empty(n_chains),
        source=np.empty(n_chains, np.int8),
        pairs=np.empty(n_chains, np.int32),
        mad=np.empty(n_chains),
    )
    outputs = (getattr(result, field.name) for field in fields(result))
    native.run("parity", n_chains, starts, *columns, years, rates, np.full(1, tick), *outputs, np.empty(native.SCRATCH))
    return result


def sane_mid(bid: ArrayLike, ask: ArrayLike, tick: ArrayLike, vega_per_vol_point: ArrayLike) -> NDArray[np.float64]:
    """Mid of each book whose spread says something about the price.

    A spread is sane where 0 < bid < ask and ask - bid is at most 2 volatility points, 2 % of the mid, or 2 ticks.

    Parameters
    ----------
    bid, ask : array_like of float, shape (n,) or scalar
        Best prices in rupees; NaN where a side is missing.
    tick : array_like of float
        Smallest price step.
    vega_per_vol_point : array_like of float
        Change of the leg's price per volatility point; NaN where unknown, which leaves the other two limits.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN where the spread is not sane.

    Raises
    ------
    TypeError
        If a column holds no numbers.
    ValueError
        If two columns differ in length.
    """
    bids, asks, ticks, vegas = aligned(bid, ask, tick, vega_per_vol_point)
    spread, mid = asks - bids, 0.5 * (bids + asks)
    # The millionth absorbs binary rounding of decimal prices: 100.15 - 100.05 exceeds 0.1.
    limit = np.fmax(np.fmax(2.0 * vegas, 0.02 * mid), 2.0 * ticks + 1e-6)
    return np.where((bids > 0.0) & (bids < asks) & (asks < np.inf) & (spread <= limit), mid, np.nan)


def _rise(strike: NDArray[np.float64], starts: NDArray[np.int64]) -> bool:
    begins = np.zeros(strike.size + 1, dtype=bool)
    begins[starts] = True
    rising = (strike[1:] > strike[:-1]) | begins[1:-1]
    return bool(rising.all() and ((strike > 0.0) & (strike < np.inf)).all())
