"""What a metric is: prepared once for a set of rows, then asked for many weightings of them.

Honest intervals ask a metric thousands of times for the same rows with other weights (bootstrap counts), so a
metric first does all that does not depend on the weights (sorting), and hands back a function of the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mulle.core.registry import Registry

Floats = NDArray[np.float64]
Weighted = Callable[[Floats | None], float]


class Metric(ABC):
    """A number that says how good predictions are.

    ``target`` is float64 ``[rows]`` (or ``[rows, outputs]``), as `mulle.tasks` read it; ``prediction`` is
    float64 ``[rows, outputs]``: the probability of the positive class, one probability a class, or the
    predicted value.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    explains: ClassVar[str] = ""
    """What its number means, for a reader who never met it; shown where the number first appears."""
    tasks: ClassVar[frozenset[str]]
    greater_is_better: ClassVar[bool] = True
    best: ClassVar[float] = 1.0
    """The value of perfect predictions; the *error* is the distance from it."""
    worst: ClassVar[float | None] = None
    """The value that nothing falls below (or above, for errors), where there is one: 0 for an accuracy. Intervals
    keep inside it."""
    in_units: ClassVar[Literal["", "target"]] = ""
    """``"target"`` when the value carries the unit of the target."""

    @abstractmethod
    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Return the function from row weights (None: all equal) to the metric's value.

        It returns NaN where the metric has no value, as when the weighted rows hold one class.
        """

    def __call__(self, target: NDArray[Any], prediction: Floats, weight: Floats | None = None) -> float:
        """Return the metric's value."""
        return self.prepare(target, prediction)(weight)

    def gain(self, value: float, over: float) -> float:
        """Return how much better ``value`` is than ``over``: positive is better, whatever the direction."""
        return value - over if self.greater_is_better else over - value

    def error(self, value: float) -> float:
        """Return the distance from perfect: 1 - AUC, or the RMSE itself."""
        return abs(self.best - value)


MetricT = TypeVar("MetricT", bound=Metric)
metrics: Registry[Metric] = Registry(noun="metric", package="mulle.metrics")


def metric(cls: type[MetricT]) -> type[MetricT]:
    """Register a metric of your own: a class with a ``name`` and no arguments.

    Parameters
    ----------
    cls
        A `Metric`.

    Returns
    -------
    type
        The class itself, so that this is a decorator.

    Examples
    --------
    >>> @metric
    ... class WithinTen(Metric):
    ...     name, title = "within_ten", "share within 10"
    ...     tasks = frozenset({"regression"})
    ...
    ...     def prepare(self, target, prediction):
    ...         right = np.abs(target - prediction[:, 0]) <= 10
    ...         return lambda weight: float(np.average(right, weights=weight))
    >>> metrics.get("within_ten")(np.array([0.0, 100.0]), np.array([[9.0], [120.0]]))
    0.5
    >>> metrics.remove("within_ten")
    """
    return metrics.take(cls)
