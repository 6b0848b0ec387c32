"""What a trial needs to know of one arm's metric: how many units, their mean and their variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mulle.core.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """One arm's metric over its units.

    Parameters
    ----------
    n
        Units, not rows: a customer with ten visits is one.
    mean
        Of the metric; of a ratio metric the ratio itself.
    variance
        Of one unit (with n - 1); of a ratio metric that of its linear form, so that ``variance / n`` is the variance of
        `mean` for every kind of metric.

    Examples
    --------
    >>> Moments.of([1.0, 2.0, 6.0])
    Moments(n=3, mean=3.0, variance=7.0)
    >>> Moments.share(30, 100).se
    0.0460
    """

    n: int
    mean: float
    variance: float

    @classmethod
    def of(cls, values: ArrayLike) -> Self:
        """Return the moments of one value a unit.

        Parameters
        ----------
        values
            ``[units]``.

        Returns
        -------
        Moments
            Of no unit: NaN for mean and variance; of one unit: NaN for the variance.

        Raises
        ------
        DataError
            When a value is NaN or infinite: what is missing must be decided before.
        """
        v = np.asarray(values, np.float64).reshape(-1)
        if not np.isfinite(v).all():
            raise DataError(
                f"{int((~np.isfinite(v)).sum()):,} of {len(v):,} values of the metric are missing or infinite",
                fix="leave these units out, or count them as 0, for both arms alike",
            )
        if not len(v):
            return cls(n=0, mean=math.nan, variance=math.nan)
        return cls(n=len(v), mean=float(v.mean()), variance=float(v.var(ddof=1)) if len(v) > 1 else math.nan)

    @classmethod
    def share(cls, n_yes: int, n: int) -> Self:
        """Return the moments of a yes or no a unit: `n_yes` of `n`.

        Raises
        ------
        DataError
            When there are more yes than units.
        """
        if not 0 <= n_yes <= n:
            raise DataError(f"{n_yes} of {n} units say yes", fix="count units, not events, or take a ratio metric")
        if n == 0:
            return cls(n=0, mean=math.nan, variance=math.nan)
        mean = n_yes / n
        return cls(n=n, mean=mean, variance=mean * (1 - mean) * n / (n - 1) if n > 1 else math.nan)

    @property
    def se(self) -> float:
        """The standard error of the mean."""
        return math.sqrt(self.variance / self.n) if self.n else math.nan


def by_unit(units: NDArray[np.generic], *columns: ArrayLike) -> tuple[NDArray[np.generic], tuple[Floats, ...]]:
    """Sum rows by unit, as the unit is what was assigned.

    Parameters
    ----------
    units
        ``[rows]``.
    columns
        ``[rows]`` each.

    Returns
    -------
    ndarray
        The units, ``[units]``, sorted.
    tuple of ndarray
        The sums, ``[units]`` each, in that order.

    Examples
    --------
    >>> by_unit(np.array(["b", "a", "b"]), [1.0, 2.0, 3.0])[1]
    (array([2., 4.]),)
    """
    known, at = np.unique(units, return_inverse=True)
    sums: tuple[Floats, ...] = tuple(
        np.bincount(at, weights=np.asarray(c, np.float64), minlength=len(known)).astype(np.float64) for c in columns
    )
    return known, sums
