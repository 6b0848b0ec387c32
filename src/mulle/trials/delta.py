"""Metrics that are a ratio of two sums (clicks per view, revenue per order), where the unit is neither of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mulle.core.errors import DataError
from mulle.trials.moments import Moments, by_unit


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Moments:
    """Return the moments of a ratio of sums over units, by the delta method.

    Parameters
    ----------
    numerator, denominator
        ``[units]``: each unit's own sums.

    Returns
    -------
    Moments
        `mean` is the ratio, `variance` that of ``(numerator - ratio · denominator) / mean denominator``; NaN where the
        denominators sum to 0.

    Raises
    ------
    DataError
        When the two differ in length, or hold what is no number, or a denominator is negative.

    Examples
    --------
    >>> clicks, views = [1, 0, 3, 2], [4, 5, 6, 5]
    >>> found = ratio(clicks, views)
    >>> found.mean, found.se
    (0.3, 0.115)

    Notes
    -----
    Source: Deng, Knoblich, Lu, Applying the delta method in metric analytics, KDD 2018, equation 7.
    """
    y, x = np.asarray(numerator, np.float64).reshape(-1), np.asarray(denominator, np.float64).reshape(-1)
    if len(y) != len(x):
        raise DataError(f"{len(y):,} numerators for {len(x):,} denominators", fix="give both for every unit")
    if (x < 0).any():
        raise DataError("a denominator is negative", fix="a denominator counts something: give 0 or more")
    Moments.of(x)  # refuses what is no number
    if not x.sum() > 0:
        return Moments(n=len(x), mean=math.nan, variance=math.nan)
    value = float(y.sum() / x.sum())
    linear = Moments.of((y - value * x) / x.mean())
    return Moments(n=len(x), mean=value, variance=linear.variance)


def ratio_by_unit(units: NDArray[np.generic], numerator: ArrayLike, denominator: ArrayLike) -> Moments:
    """Return `ratio` from rows: those of one unit count together, as they are not independent.

    Parameters
    ----------
    units, numerator, denominator
        ``[rows]``.

    Returns
    -------
    Moments
        With the number of units.

    Examples
    --------
    >>> ratio_by_unit(np.array([1, 1, 2, 2]), [1, 1, 0, 0], [1, 1, 1, 1]).n
    2
    """
    _, (y, x) = by_unit(units, numerator, denominator)
    return ratio(y, x)
