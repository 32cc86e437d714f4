"""Deterministic randomness: a number for every (seed, who, when), whatever was asked before.

No generator with a state is shared, because then the answer of one request would depend on the others.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_MULTIPLIERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_TO_UNIT = 2.0**-53


def uniform(seed: int, stream: int, *keys: Array | int) -> Array:
    """Hash integer keys to numbers in [0, 1), elementwise and broadcast.

    Parameters
    ----------
    seed, stream
        The world, and which of its random quantities this is.
    keys
        Integer arrays or numbers, such as instrument token and second.
    """
    state = _mix(np.atleast_1d(np.asarray((seed << 8) + stream, dtype=np.uint64)))
    for key in keys:
        state = _mix(state ^ (np.asarray(key).astype(np.uint64) * _MULTIPLIERS[0]))
    return (state >> np.uint64(11)).astype(np.float64) * _TO_UNIT


def normals(seed: int, stream: int, *keys: int, size: int | tuple[int, ...]) -> Array:
    """Draw standard normal numbers that belong to these keys alone."""
    return np.random.default_rng([seed, stream, *keys]).standard_normal(size)


def _mix(x: Array) -> Array:
    # splitmix64: three multiplications are enough for pictures of a market, and they vectorise.
    x = x + _MULTIPLIERS[0]
    x = (x ^ (x >> np.uint64(30))) * _MULTIPLIERS[1]
    x = (x ^ (x >> np.uint64(27))) * _MULTIPLIERS[2]
    return x ^ (x >> np.uint64(31))
