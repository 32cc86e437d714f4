"""Columns as the compiled kernels take them, so that each kernel is compiled for one set of types and never again."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


def aligned(*values: ArrayLike) -> tuple[NDArray[Any], ...]:
    """Give every value the same length.

    Parameters
    ----------
    *values : array_like of float or bool
        Scalars and columns of one length. What a masked array hides is unknown.

    Returns
    -------
    tuple of ndarray, shape (n,)
        One `column` per value, bool where the value is, float64 otherwise.

    Raises
    ------
    TypeError
        If a column holds no numbers: text, times, complex numbers.
    ValueError
        If two columns differ in length.
    """
    arrays = [np.atleast_1d(_plain(value)) for value in values]
    shapes = {array.shape for array in arrays if array.shape != (1,)} or {(1,)}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ValueError(f"pricing columns: shapes {sorted(shapes)}; give scalars and columns of one length")
    (shape,) = shapes
    return tuple(
        column(np.broadcast_to(array, shape), np.bool_ if array.dtype == np.bool_ else np.float64) for array in arrays
    )


def flags(name: str, values: ArrayLike) -> NDArray[np.bool_]:
    """View values that are true or false.

    Parameters
    ----------
    name : str
        What the caller calls them.
    values : array_like of bool, shape (n,) or scalar
        Also objects that are all True or False, as pandas hands out.

    Returns
    -------
    ndarray of bool

    Raises
    ------
    TypeError
        If they are anything else: 1 and 0, "CE" and "PE", or unknown.
    """
    array = np.asarray(values)
    known = array.dtype == np.bool_ or all(isinstance(value, bool | np.bool_) for value in array.ravel())
    if not known or np.ma.is_masked(values):
        raise TypeError(f"{name}: {array.ravel()[:3].tolist()} ...; give True or False, for each row or for all")
    return array.astype(np.bool_, copy=False)


def row_numbers(values: ArrayLike) -> NDArray[np.int64]:
    """View whole numbers as one contiguous read-only column.

    Raises
    ------
    ValueError
        If one is no whole number, or unknown.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and not np.array_equal(array, np.round(array)):
        raise ValueError("pricing columns: row numbers must be whole numbers, all of them known")
    return column(array, np.int64)


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


def _plain(values: ArrayLike) -> NDArray[Any]:
    # numpy would convert text, count units of times, drop imaginary parts and look behind masks without a word.
    if isinstance(values, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(values)
        values = np.where(hidden, np.nan, values.data) if hidden.any() else values.data
    array = np.asarray(values)
    if array.dtype.kind not in "bifuO":
        raise TypeError(f"pricing columns: a column is {array.dtype}; give numbers, with NaN for unknown ones")
    return array
