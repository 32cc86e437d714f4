"""Black-76 prices for the simulated market, vectorised.

The platform's own pricing lives in `g6_market.pricing`. It is not used here, so that a mistake in it cannot hide behind
prices made by the same code.
"""

import numpy as np

from g6_sim.noise import Array


def option_price(forward: Array, strike: Array, sign: Array, years: Array, volatility: Array, rate: float) -> Array:
    """Price calls (sign 1) and puts (sign -1) elementwise, in rupees.

    The out-of-the-money side is computed and the other follows by put-call parity, which therefore holds exactly. With
    no time left the price is the intrinsic value.
    """
    discount = np.exp(-rate * years)
    deviation = np.maximum(volatility * np.sqrt(years), 1e-9)
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    side = np.where(strike >= forward, 1.0, -1.0)
    worth = side * (forward * _normal_cdf(side * d1) - strike * _normal_cdf(side * (d1 - deviation)))
    in_the_money = np.maximum(sign * (forward - strike), 0.0)
    return discount * (np.maximum(worth, 0.0) + in_the_money)


def _normal_cdf(x: Array) -> Array:
    # Abramowitz and Stegun 26.2.17: within 7.5e-8, far below a tick.
    t = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    poly = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = 0.3989422804014327 * np.exp(-0.5 * x * x) * poly
    return np.where(x >= 0.0, 1.0 - tail, tail)
