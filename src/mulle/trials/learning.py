"""The learning curve: whether more rows would still help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mulle.core.check import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """What a learning curve says about more rows.

    Parameters
    ----------
    verdict
        *rises*: the last doubling helped, beyond chance. *flat*: it did not, by less than `worth`, beyond chance.
        *unclear*: the intervals are too wide to tell.
    per_doubling
        By how much the error falls when the rows double, from the fitted curve, in the metric's unit.
    at_double
        The error that the curve promises at twice the rows.
    says
        One sentence.
    """

    verdict: Literal["rises", "flat", "unclear"]
    per_doubling: float
    at_double: float
    says: str


def still_rises(
    sizes: Sequence[int], errors: Sequence[float], intervals: Sequence[Interval], *, worth: float = 0.01
) -> Rise:
    """Say whether a learning curve still rises at its end.

    A power law ``error = floor + scale · rows^-rate`` is fitted, each point weighed by its interval, and read at twice
    the rows. The verdict rests on the slope over the points and its standard error, not on the law.

    Parameters
    ----------
    sizes
        Rows trained on, ascending; at least three.
    errors
        The distance from perfect (`Metric.error`) at each size.
    intervals
        Of the errors.
    worth
        What share of the present error a doubling must save to be worth the rows.

    Returns
    -------
    Rise
        *unclear* with fewer than three sizes.

    Examples
    --------
    >>> sizes = [250, 500, 1000, 2000]
    >>> errors = [0.40, 0.30, 0.23, 0.18]
    >>> intervals = [Interval(low=e - 0.01, high=e + 0.01) for e in errors]
    >>> still_rises(sizes, errors, intervals).verdict
    'rises'
    """
    if len(sizes) < 3:  # noqa: PLR2004  # two points lie on any line
        nan = float("nan")
        return Rise(verdict="unclear", per_doubling=nan, at_double=nan, says="too few sizes to see a curve")
    x, y = np.log2(np.asarray(sizes, np.float64)), np.asarray(errors, np.float64)
    sd = np.array([max((i.high - i.low) / 3.92, 1e-12) for i in intervals])
    at_double = _power_law(np.asarray(sizes, np.float64), y, 1 / sd**2, 2.0 * sizes[-1])
    # over the last three sizes, where the present slope shows
    slope, error = _line(x[-3:], y[-3:], sd[-3:])
    bar, saved = worth * float(y[-1]), float(y[-1]) - at_double
    if -slope - 1.645 * error > bar:
        says = f"more rows would help: twice as many would cut the error by about {saved:.3g}"
        return Rise(verdict="rises", per_doubling=-slope, at_double=at_double, says=says)
    if -slope + 1.645 * error < max(bar, 1e-12):
        says = "more rows of the same kind would hardly help; better features might"
        return Rise(verdict="flat", per_doubling=-slope, at_double=at_double, says=says)
    says = "the curve is too uncertain to say whether more rows would help"
    return Rise(verdict="unclear", per_doubling=-slope, at_double=at_double, says=says)


def _line(
    x: np.ndarray[tuple[int], np.dtype[np.float64]],
    y: np.ndarray[tuple[int], np.dtype[np.float64]],
    sd: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> tuple[float, float]:
    """Return the slope of a weighted line and its standard error."""
    w = 1 / sd**2
    middle = float(w @ x / w.sum())
    spread = float(w @ (x - middle) ** 2)
    return float(w @ ((x - middle) * y) / spread), spread**-0.5


def _power_law(
    n: np.ndarray[tuple[int], np.dtype[np.float64]],
    y: np.ndarray[tuple[int], np.dtype[np.float64]],
    w: np.ndarray[tuple[int], np.dtype[np.float64]],
    at: float,
) -> float:
    """Return the error at a size, by the best of a row of rates: for each, floor and scale are a weighted line."""
    best, found = np.inf, float(y[-1])
    for rate in np.linspace(0.05, 1.5, 30):
        z = n**-rate
        middle, level = float(w @ z / w.sum()), float(w @ y / w.sum())
        scale = max(float(w @ ((z - middle) * (y - level)) / (w @ (z - middle) ** 2)), 0.0)
        floor = max(level - scale * middle, 0.0)
        off = float(w @ (y - floor - scale * z) ** 2)
        if off < best:
            best, found = off, floor + scale * at**-rate
    return min(found, float(y[-1]))
