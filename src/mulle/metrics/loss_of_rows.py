"""Metrics that are a weighted mean of one loss a row."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.metrics.base import Floats, Metric, Weighted
from mulle.metrics.shapes import product, ratio


class RowLoss(Metric):
    """A weighted mean of one loss a row. A subclass says the loss, and what becomes of the mean.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> metrics.get("mae")(np.array([1.0, 2.0]), np.array([[2.0], [2.0]]))
    0.5
    """

    greater_is_better = False
    best = 0.0

    @abstractmethod
    def loss(self, target: NDArray[Any], prediction: Floats) -> Floats:
        """Return the loss of each row, float64 ``[rows]``."""

    def finish(self, mean: float) -> float:
        """Return the metric from the mean loss."""
        return mean

    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Compute the losses once; a weighting is then one dot product."""
        loss = self.loss(target, prediction)

        def value(weight: Floats | None) -> float:
            if weight is None:
                return self.finish(float(loss.mean())) if len(loss) else float("nan")
            return self.finish(ratio(product(weight, loss), float(np.sum(weight))))

        return value
