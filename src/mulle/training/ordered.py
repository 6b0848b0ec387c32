"""Quantiles of numbers that are in order already, as numpy gives them, at a tenth of its price for a short column."""

from __future__ import annotations

from math import floor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def quantile(ordered: Floats, share: float) -> float:
    """Return one quantile, by linear interpolation.

    Parameters
    ----------
    ordered
        Numbers in ascending order, ``[n]``, at least one, without NaN.
    share
        From 0 to 1.

    Returns
    -------
    float
        To the last digit what `numpy.quantile` gives.

    Examples
    --------
    >>> quantile(np.array([1.0, 2.0, 4.0]), 0.75)
    3.0
    """
    at = share * (len(ordered) - 1)
    low = floor(at)
    below, above = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)])
    part, step = at - low, above - below
    return below + step * part if part < 0.5 else above - step * (1 - part)  # noqa: PLR2004


def median(ordered: Floats) -> float:
    """Return the middle, or the mean of the two in the middle.

    Parameters
    ----------
    ordered
        As for `quantile`.

    Returns
    -------
    float
        To the last digit what `numpy.median` gives.

    Examples
    --------
    >>> median(np.array([1.0, 2.0, 4.0, 9.0]))
    3.0
    """
    high = len(ordered) // 2
    return float(ordered[high] if len(ordered) % 2 else (ordered[high - 1] + ordered[high]) / 2)


def is_whole(values: Floats) -> bool:
    """Return whether all are whole numbers.

    Examples
    --------
    >>> is_whole(np.array([1.0, 2.0])), is_whole(np.array([1.0, 2.5]))
    (True, False)
    """
    return bool((values == np.rint(values)).all())
