"""Volatility and interest across expiries: forward volatility, 30-day volatility, the rate that box prices imply.

Volatility across the strikes of one expiry is in `smile`.
"""

import numpy as np
from numpy.typing import NDArray

from g6_market.chain import Chain
from g6_market.day import TradingDay
from g6_market.frames import pick
from g6_market.received import Floats, Ints

YEAR_DAYS = 365
CONSTANT_DAYS = 30
"""Days to maturity of `iv30`."""
LEAST_DAYS = 2
"""Days to an expiry below which its volatility says nothing about 30 days."""
RATE_LEAST_DAYS = 20
"""Days to an expiry below which a tick in a box price moves its rate by more than the rate is worth."""

# Strikes each side of the money whose boxes give the rate: fewer leave +-1 % of jitter, books beyond are wide and lean
# one way (NIFTY 2025-08-29: 9.5 % with 20, 10.5 % with all 77).
_RATE_SIDE = 20
_LEAST_PAIRS = 5
_MID = 1


def by_chain(values: Floats, chain: Chain) -> Floats:
    """Return what is known by moment as (snapshots, chains); NaN for chains that a snapshot lacks."""
    legs = chain.legs
    spread = np.full((len(legs.received.at), len(legs.received.day.chains)), np.nan)
    spread[legs.snapshot, legs.chain] = values
    return spread


def forward_volatility(atm_iv: Floats, t_years: Floats, first: NDArray[np.bool_]) -> Floats:
    """Return the volatility between each expiry and the one before it.

    Parameters
    ----------
    atm_iv, t_years
        Shape (snapshots, chains), chains by index and expiry.
    first
        Whether a chain is the first of its index.

    Returns
    -------
    array
        sqrt((atm_iv^2 t - atm_iv'^2 t') / (t - t')), with ' the expiry before; NaN for the first expiry, where either
        volatility is unknown, and where total variance falls.
    """
    variance = atm_iv**2 * t_years
    step = np.diff(variance, axis=1, prepend=np.nan)
    time = np.diff(t_years, axis=1, prepend=np.nan)
    known = ~first & (step >= 0) & (time > 0)
    return np.sqrt(np.divide(step, time, out=np.full(step.shape, np.nan), where=known))


def iv30(atm_iv: Floats, t_years: Floats, day: TradingDay) -> Floats:
    """Return the 30-day volatility of each index, linear in total variance between the two expiries around it.

    Parameters
    ----------
    atm_iv, t_years
        Shape (snapshots, chains).

    Returns
    -------
    array
        Shape (snapshots, indices). NaN where no configured expiry lies on one of the sides, where the nearer one is
        less than 2 days away, or where the volatility of one of the two is unknown: an expiry farther out never stands
        in for it.
    """
    wanted = CONSTANT_DAYS / YEAR_DAYS
    first = day.first_chains
    last = np.append(first[1:], len(day.chains)) - 1
    near = first + np.add.reduceat(t_years < wanted, first, axis=1, dtype=np.int64) - 1
    rows = np.arange(len(t_years))[:, None]
    lower, upper = np.maximum(near, first), np.minimum(near + 1, last)
    t_lower, t_upper = t_years[rows, lower], t_years[rows, upper]
    bracketed = (near >= first) & (near < last) & (t_lower >= LEAST_DAYS / YEAR_DAYS)
    share = np.divide(wanted - t_lower, t_upper - t_lower, out=np.full(t_lower.shape, np.nan), where=bracketed)
    variance = atm_iv**2 * t_years
    between = variance[rows, lower] + share * (variance[rows, upper] - variance[rows, lower])
    return np.sqrt(between / wanted)


def implied_rate(chain: Chain, moments: Ints) -> Floats:
    """Return the rate that the boxes of some moments imply, by `box_rate`; NaN for expiries of less than 20 days.

    Over the strikes of ATM +- 20 by rank whose call and put both have the mid of a sane book; last prices are of
    different instants, which a box does not forgive.
    """
    legs = chain.legs
    usable = (chain.t_years[moments] >= RATE_LEAST_DAYS / YEAR_DAYS) & (chain.atm[moments] >= 0)
    chosen = moments[usable]
    ranks = chain.atm[chosen][:, None] + np.arange(-_RATE_SIDE, _RATE_SIDE + 1)
    inside = (ranks >= 0) & (ranks < legs.ladder.shape[1])
    ranks = np.where(inside, ranks, 0)
    call, put = (np.where(inside, legs.grid[side, chosen[:, None], ranks], -1) for side in (0, 1))
    mid = np.where(chain.pricing.price_source == _MID, chain.pricing.price, np.nan)
    spread = legs.numbers("ask_price") - legs.numbers("bid_price")
    rates = np.full(len(moments), np.nan)
    rates[usable] = box_rate(
        legs.ladder[chosen[:, None], ranks],
        pick(mid, call) - pick(mid, put),
        pick(spread, call) + pick(spread, put),
        chain.t_years[chosen],
    )
    return rates


def box_rate(strike: Floats, difference: Floats, spread: Floats, t_years: Floats) -> Floats:
    """Return the continuously compounded rate at which box prices discount what the boxes pay.

    The box of strikes K < K' costs (C - P) - (C' - P') and pays K' - K at the expiry, so its price over its payment
    is e^(-rate t): the slope of C - P against K. Of the n usable strikes in order, the k-th is paired with the
    (n - n/2 + k)-th, which makes n/2 wide boxes without a strike in common. The slope is their lower weighted median
    with the weights ((K' - K) / (spread + spread'))^2, since the error of a box is its spreads over its width.

    Parameters
    ----------
    strike, difference, spread
        Strikes in order, call less put price, call plus put spread; shape (chains, strikes), NaN where unusable.
    t_years
        Shape (chains,).

    Returns
    -------
    array
        By chain; NaN with fewer than five boxes.
    """
    known = ~np.isnan(difference) & (spread > 0)
    count = known.sum(axis=1)
    boxes = count // 2
    pairs = np.arange(strike.shape[1] // 2)
    exists = pairs < boxes[:, None]
    in_order = np.argsort(~known, axis=1, kind="stable")
    low = np.take_along_axis(in_order, np.broadcast_to(pairs, exists.shape), axis=1)
    high = np.take_along_axis(in_order, np.where(exists, pairs + (count - boxes)[:, None], 0), axis=1)

    def both(values: Floats) -> tuple[Floats, Floats]:
        return np.take_along_axis(values, low, axis=1), np.take_along_axis(values, high, axis=1)

    (k_low, k_high), (y_low, y_high), (s_low, s_high) = both(strike), both(difference), both(spread)
    width = np.where(exists, k_high - k_low, np.nan)
    slope = (y_low - y_high) / width
    weight = np.where(exists, (width / (s_low + s_high)) ** 2, 0.0)
    order = np.argsort(slope, axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    middle = np.argmax(reached >= reached[:, -1:] / 2, axis=1)[:, None]
    discount = np.take_along_axis(np.take_along_axis(slope, order, axis=1), middle, axis=1)[:, 0]
    usable = (boxes >= _LEAST_PAIRS) & (discount > 0)
    return np.where(usable, -np.log(np.where(usable, discount, 1.0)) / t_years, np.nan)
