"""The scale on which a metric's chance errors look alike to both sides, so that intervals keep inside bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.metrics.base import Metric

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From a metric's values to a line without ends, and back. Larger values stay larger.

    With a best and a worst value: the log odds. With a best value alone: the log of the distance from it. With neither,
    the values themselves.

    Parameters
    ----------
    best, worst
        Ends of the range; None where there is none.
    up
        Whether larger values are better.
    near
        No value is taken to be nearer to an end than this share of the range, or this distance.

    Examples
    --------
    >>> scale = Scale(best=1.0, worst=0.0, near=1e-4)
    >>> scale.back(scale.to([0.8])).round(6)
    array([0.8])
    >>> scale = Scale(best=0.0, up=False)
    >>> scale.back(scale.to([2.5])).round(6)
    array([2.5])
    """

    best: float | None = None
    worst: float | None = None
    up: bool = True
    near: float = 1e-12

    def to(self, values: Any) -> Floats:
        """Return values on the line."""
        v = np.asarray(values, np.float64)
        if self.best is None:
            return v
        away = np.abs(self.best - v)
        if self.worst is None:
            line = np.log(np.maximum(away, self.near))
        else:
            share = np.clip(away / abs(self.best - self.worst), self.near, 1 - self.near)
            line = np.log(share / (1 - share))
        return np.asarray(-line if self.up else line)

    def back(self, line: Any) -> Floats:
        """Return the metric's values of points on the line."""
        z = np.asarray(line, np.float64)
        if self.best is None:
            return z
        z = -z if self.up else z
        away = np.exp(z) if self.worst is None else abs(self.best - self.worst) / (1 + np.exp(-z))
        return np.asarray(self.best - away if self.up else self.best + away)

    @classmethod
    def of(cls, metric: Metric, values: Floats, *, middle: float, n_units: int) -> Scale:
        """Return a metric's scale for draws round a middle; the values themselves where some lie beyond its best.

        A draw without one mistake would lie infinitely far out: it counts as one with a quarter of a unit's, or a
        quarter of the middle's where that is less.
        """
        up, best, worst = metric.greater_is_better, metric.best, metric.worst
        beyond = values > best if up else values < best
        if not np.isfinite(best) or bool(np.any(beyond)):
            return cls()
        away = abs(best - middle)
        if worst is None:
            return cls(best=best, up=up, near=max(away / 100, 1e-12))
        share = away / abs(best - worst)
        near = min(1 / (4 * n_units), share / 4, (1 - share) / 4)
        return cls(best=best, worst=worst, up=up, near=max(near, 1e-12))
