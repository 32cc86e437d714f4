"""Why an implied volatility is null: the codes stored beside it, and their names.

The compiled kernels write the codes, the chain stores the names. The rules that lead to each are in `implied` and
`legs`.
"""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Reason(IntEnum):
    """Reason of a null implied volatility; `NONE` where there is a value.

    Attributes
    ----------
    NONE
        A volatility exists.
    BELOW_INTRINSIC
        The price leaves no time value.
    UNDER_TICK
        The price is below the smallest price step, so it carries no information.
    WIDE_SPREAD
        The book has two sides but its spread is not sane, and no last price may be used instead.
    NO_FORWARD
        The forward or the time to expiry is unknown.
    STALE
        No price of this snapshot: the book lacks a side and the contract did not trade in the interval.
    SETTLED
        The settlement price of the expiry is already fixed.
    NOT_CONVERGED
        No volatility gives this price (it exceeds the discounted forward or strike), or another input is unusable.
    """

    NONE = 0
    BELOW_INTRINSIC = 1
    UNDER_TICK = 2
    WIDE_SPREAD = 3
    NO_FORWARD = 4
    STALE = 5
    SETTLED = 6
    NOT_CONVERGED = 7


REASONS: tuple[str, ...] = tuple(reason.name.lower() for reason in Reason)
"""Names by code; position 0 is `none`, which is never stored."""

_STORED = np.array([None, *REASONS[1:]], dtype=object)


def reason_names(codes: ArrayLike) -> NDArray[Any]:
    """Name each code.

    Parameters
    ----------
    codes : array_like of int, shape (n,)
        Codes of `Reason`.

    Returns
    -------
    ndarray of object, shape (n,)
        The lower-case name, None for code 0.
    """
    return _STORED[np.asarray(codes, dtype=np.intp)]
