"""Volatility across the strikes of one chain: at the money, at 25 delta on each side, and the move it expects.

Volatility across expiries is in `term`. All of it starts from IV and delta as table `option_chain` stores them, so that
whoever has the table can compute it again to the last digit.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from g6_market.chain import Chain
from g6_market.frames import first_rows, pick
from g6_market.received import Floats, Ints

WING_DELTA = 0.25
"""Delta, without its sign, of the options whose volatilities are compared."""


@dataclass(frozen=True)
class Smile:
    """Volatilities of each moment; NaN where unknown.

    Parameters
    ----------
    atm_iv
        IV at the forward's ATM strike.
    call_iv_25, put_iv_25
        IV where the call's delta is 0.25, and the put's -0.25.
    """

    atm_iv: Floats
    call_iv_25: Floats
    put_iv_25: Floats

    @cached_property
    def risk_reversal_25(self) -> Floats:
        """IV of the call less that of the put: negative where falls are paid for more dearly than rises."""
        return self.call_iv_25 - self.put_iv_25

    @cached_property
    def butterfly_25(self) -> Floats:
        """Mean of both less the IV at the money: how much the smile is bent."""
        return (self.call_iv_25 + self.put_iv_25) / 2 - self.atm_iv


def smile_of(chain: Chain) -> Smile:
    """Return the volatilities of each moment from the legs captured then."""
    legs = chain.legs
    moments = np.arange(len(chain.atm))
    call, put = (np.where(chain.atm >= 0, legs.grid[side, moments, chain.atm], -1) for side in (0, 1))
    by_call, by_put = pick(chain.iv, call), pick(chain.iv, put)
    known = ~np.isnan(chain.iv)
    calls = np.flatnonzero(known & legs.is_call)
    # Away from the money, a call's delta falls as strikes rise and a put's as they fall.
    puts = np.flatnonzero(known & ~legs.is_call)[::-1]
    wings = [
        iv_at_delta(legs.moment[rows], np.abs(chain.delta[rows]), chain.iv[rows], len(moments))
        for rows in (calls, puts)
    ]
    return Smile(np.where(np.isnan(by_call), by_put, by_call), *wings)


def iv_at_delta(moment: Ints, delta: Floats, iv: Floats, moments: int, wanted: float = WING_DELTA) -> Floats:
    """Return the IV at a delta, linear in delta between the two neighbouring strikes that have it between them.

    Parameters
    ----------
    moment, delta, iv
        Legs of one side with a known IV, those of a moment together and ordered from in to out of the money; delta
        without its sign.
    moments
        Count of moments.
    wanted
        The delta, without its sign.

    Returns
    -------
    array
        By moment; NaN where no two neighbours have the delta between them. Where several do, those nearest the money.
    """
    between = (moment[1:] == moment[:-1]) & (delta[:-1] >= wanted) & (delta[1:] < wanted)
    inner = np.flatnonzero(between)
    first = first_rows(moment[inner], moments)
    inner = np.append(inner, -1)[first]
    near, far = np.where(first >= 0, inner, -1), np.where(first >= 0, inner + 1, -1)
    weight = (pick(delta, near) - wanted) / (pick(delta, near) - pick(delta, far))
    return pick(iv, near) + weight * (pick(iv, far) - pick(iv, near))


def expected_move(forward: Floats, atm_iv: Floats, t_years: Floats) -> Floats:
    """Return one standard deviation of the index value at the expiry, in points: forward * atm_iv * sqrt(t_years)."""
    return forward * atm_iv * np.sqrt(t_years)
