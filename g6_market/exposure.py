"""Gamma exposure: how many rupees of the index holders of options have to trade when it moves by 1 %.

Over all listed strikes, hence of full chains only; how the numbers are carried to the snapshots between is in `totals`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from g6_market.chain import Chain
from g6_market.frames import pick, sum_known
from g6_market.received import Floats, Ints

CRORE = 1e7
FLIP_REACH = 0.05
"""How far from the forward a flip is looked for."""

# Within a thousandth the sum of bells hardly turns twice; most flips lie near, so the near band goes first.
_STEP = 0.001
_BANDS = ((0, 10), (10, 25), (25, round(FLIP_REACH / _STEP)))
_REFINEMENTS = 9
# Bells worked on at a time: temporaries of a whole day would not fit a cache, nor a small machine.
_BLOCK = 200_000


@dataclass(frozen=True)
class Exposure:
    """Gamma exposure in rupees crore per 1 % move; NaN where unknown.

    Parameters
    ----------
    call_gex, put_gex
        Of all listed calls and puts.
    gamma_flip
        Level of the forward, in points, at which the two are equal.
    """

    call_gex: Floats
    put_gex: Floats
    gamma_flip: Floats


def exposures(chain: Chain, moments: Ints) -> Exposure:
    """Return the exposure of some moments, each a full chain.

    A leg without IV or open interest adds nothing; a side of which no leg has both is NaN.
    """
    legs = chain.legs
    call, put = (np.ascontiguousarray(legs.grid[side, moments]) for side in (0, 1))
    forward = chain.forward[moments]
    leg_gex = gamma_exposure(chain.gamma, legs.numbers("oi"), chain.forward[legs.moment])
    iv, oi = chain.iv, legs.numbers("oi")
    strike_iv = np.where(np.isnan(pick(iv, call)), pick(iv, put), pick(iv, call))
    net_oi = np.nan_to_num(pick(oi, call)) - np.nan_to_num(pick(oi, put))
    flip = gamma_flip(legs.ladder[moments], net_oi, strike_iv, forward, chain.t_years[moments])
    return Exposure(sum_known(pick(leg_gex, call)), sum_known(pick(leg_gex, put)), flip)


def gamma_exposure(gamma: Floats, oi: Floats, forward: Floats) -> Floats:
    """Return gamma * oi * forward^2 * 0.01 / 1e7: rupees crore per 1 % move, open interest in units."""
    return gamma * oi * forward**2 * 0.01 / CRORE


def gamma_flip(strike: Floats, net_oi: Floats, iv: Floats, forward: Floats, t_years: Floats) -> Floats:
    """Return the level nearest the forward at which calls and puts have the same gamma exposure.

    Re-priced with every strike's IV held: with x = ln(level / forward), the net exposure has the sign of
    sum(net_oi / iv * exp(-d1^2 / 2)), what the strikes have in common left out.

    Parameters
    ----------
    strike, net_oi, iv
        Open interest of the call less that of the put in units; shape (chains, strikes). Strikes without a known IV
        are left out.
    forward, t_years
        Shape (chains,).

    Returns
    -------
    array
        In points, by chain; NaN where the sign does not change within 5 % of the forward. Levels are tried in steps of
        0.1 % from the forward outwards, then the change is pinned down; two changes within a step go unseen.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bell = 1.0 / (iv * np.sqrt(t_years)[:, None])
        away = np.log(forward[:, None] / strike) * bell + 0.5 / bell
    usable = np.isfinite(bell) & np.isfinite(away)
    away, bell, weight = (np.where(usable, values, 0.0) for values in (away, bell, net_oi * bell))
    flip = np.full(len(forward), np.nan)
    rows = np.flatnonzero((weight != 0).any(axis=1))
    block = max(1, _BLOCK // max(1, strike.shape[1] * 2 * (_BANDS[0][1] + 1)))
    for start in range(0, len(rows), block):
        some = rows[start : start + block]
        flip[some] = forward[some] * (1.0 + _Bells(away[some], bell[some], weight[some]).nearest_change)
    return flip


@dataclass(frozen=True)
class _Bells:
    """Sums of bells over the strikes, by chain; moves are of the forward, 0.01 being 1 %."""

    away: Floats
    bell: Floats
    weight: Floats

    @cached_property
    def nearest_change(self) -> Floats:
        move = np.full(len(self.away), np.nan)
        left = np.arange(len(move))
        for first, last in _BANDS:
            steps = np.linspace(first * _STEP, last * _STEP, last - first + 1)
            up, down = self._of(left).first_changes(np.stack([steps, -steps]))
            move[left] = np.where(np.isnan(down) | (np.abs(up) <= np.abs(down)), up, down)
            left = left[np.isnan(move[left])]
            if not len(left):
                break
        return move

    def first_changes(self, moves: Floats) -> Floats:
        """Return the move of the first change of sign along each row of `moves`, by row and chain; NaN for none."""
        count, (sides, steps) = len(self.away), moves.shape
        values = self.at(np.repeat(moves.ravel()[None], count, axis=0)).reshape(count, sides, steps)
        # Where the bells have died away to nothing there is no sign, and no change.
        sign = np.sign(values)
        changes = sign[..., 1:] * sign[..., :-1] < 0
        rows, side = np.nonzero(changes.any(axis=2))
        step = np.argmax(changes[rows, side], axis=1)
        ends = (values[rows, side, step], values[rows, side, step + 1])
        change = np.full((sides, count), np.nan)
        change[side, rows] = self._of(rows).root(moves[side, step], moves[side, step + 1], *ends)
        return change

    def _of(self, rows: Ints) -> "_Bells":
        return _Bells(self.away[rows], self.bell[rows], self.weight[rows])

    def at(self, move: Floats) -> Floats:
        """Return the sums at moves of shape (chains, levels)."""
        d = self.away[:, None, :] + np.log1p(move)[:, :, None] * self.bell[:, None, :]
        d *= d
        d *= -0.5
        np.exp(d, out=d)
        d *= self.weight[:, None, :]
        return d.sum(axis=2)

    def root(self, near: Floats, far: Floats, at_near: Floats, at_far: Floats) -> Floats:
        """Return the move between two of different sign, by the Illinois method."""
        # Always the same number of steps, so that a chain's result does not depend on the others'.
        for _ in range(_REFINEMENTS):
            slope = at_far - at_near
            usable = slope != 0
            guess = np.divide(near * at_far - far * at_near, slope, out=0.5 * (near + far), where=usable)
            value = self.at(guess[:, None])[:, 0]
            crossed = np.sign(value) * np.sign(at_far) < 0
            near, at_near = np.where(crossed, far, near), np.where(crossed, at_far, 0.5 * at_near)
            far, at_far = guess, value
        return far
