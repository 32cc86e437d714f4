"""Columns as the compiled kernels take them, so that each kernel is compiled for one set of types and never again."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


def aligned(*values: ArrayLike) -> tuple[NDArray[Any], ...]:
    """Give every value the same length.

    Parameters
    ----------
    *values : array_like of float or bool
        Scalars and columns of one length.

    Returns
    -------
    tuple of ndarray, shape (n,)
        One `column` per value, bool where the value is, float64 otherwise.

    Raises
    ------
    ValueError
        If two columns differ in length.
    """
    arrays = [np.atleast_1d(np.asarray(value)) for value in values]
    shapes = {array.shape for array in arrays if array.shape != (1,)} or {(1,)}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ValueError(f"pricing columns: shapes {sorted(shapes)}; give scalars and columns of one length")
    (shape,) = shapes
    return tuple(
        column(np.broadcast_to(array, shape), np.bool_ if array.dtype == np.bool_ else np.float64) for array in arrays
    )


def column(values: ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    """View values as one contiguous read-only column, copied only where type or layout demand it.

    Parameters
    ----------
    values : array_like, shape (n,)
        Any column.
    dtype : dtype
        Type wanted.

    Returns
    -------
    ndarray of `dtype`, shape (n,)
        Read-only, because pandas hands out read-only arrays and numba compiles anew for each kind.
    """
    view = np.ascontiguousarray(values, dtype=dtype).view()
    view.flags.writeable = False
    return view
