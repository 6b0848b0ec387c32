"""Metrics that need no more than the table of true against called classes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.metrics.base import Floats, Metric, Weighted
from mulle.metrics.shapes import codes, decided, matrix


class Confusion(Metric):
    """A function of the confusion table. Called is what has at least one half, or is most probable.

    To ask for another threshold, hand in the decisions (0 and 1) in place of the probabilities.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> p = np.array([[0.2], [0.4], [0.9]])
    >>> metrics.get("recall")(np.array([0.0, 1.0, 1.0]), p)
    0.5
    >>> metrics.get("recall")(np.array([0.0, 1.0, 1.0]), (p >= 0.3).astype(float))
    1.0
    """

    @abstractmethod
    def of(self, table: Floats) -> float:
        """Return the metric of a table ``[true class, called class]`` of summed weights."""

    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Find the cell of each row once; a weighting is then one count."""
        true, called = codes(target), decided(prediction)
        widest = max(int(true.max(initial=0)), int(called.max(initial=0))) + 1
        n = max(matrix(prediction).shape[1], widest, 2)
        cell = true * n + called

        def value(weight: Floats | None) -> float:
            table = np.bincount(cell, weights=weight, minlength=n * n).astype(np.float64)
            return self.of(table.reshape(n, n)) if table.any() else float("nan")

        return value
