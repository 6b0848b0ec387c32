"""Metrics of three and more classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.metrics.base import Floats, Metric, Weighted, metric
from mulle.metrics.binary import auc
from mulle.metrics.confusion import Confusion
from mulle.metrics.shapes import codes, matrix

MULTICLASS = frozenset({"multiclass"})


@metric
class MacroF1(Confusion):
    """The mean over the classes of each one's F1, so that a rare class counts as much as any.

    Examples
    --------
    >>> MacroF1()(np.array([0.0, 1.0, 2.0]), np.eye(3)[[0, 1, 1]])
    0.5556
    """

    name = "macro_f1"
    title = "macro F1"
    explains = (
        "The mean over the classes of F1, which joins how many of the called ones are right and how many of the "
        "right ones are found. 1 is perfect."
    )
    tasks = MULTICLASS
    worst = 0.0

    def of(self, table: Floats) -> float:
        """Return the mean over the classes that occur or were called."""
        size = table.sum(axis=0) + table.sum(axis=1)
        there = size > 0
        return float(np.mean(2 * np.diag(table)[there] / size[there]))


@metric
class RocAucOvr(Metric):
    """The mean over the classes of the ROC AUC of each one against the rest.

    Examples
    --------
    >>> RocAucOvr()(np.array([0.0, 1.0, 2.0]), np.eye(3))
    1.0
    """

    name = "roc_auc_ovr"
    title = "ROC AUC, each class against the rest"
    explains = (
        "Of one row of a class and one of another, how often the right one is given the higher chance, on "
        "average over the classes. 0.5 is guessing, 1 is never wrong."
    )
    tasks = MULTICLASS
    worst = 0.0

    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Sort once a class. Classes without rows, or without others, are left out of the mean."""
        true, p = codes(target), matrix(prediction)
        parts = [auc((true == k).astype(np.float64), p[:, k]) for k in range(p.shape[1])]

        def value(weight: Floats | None) -> float:
            found = [v for part in parts if not np.isnan(v := part(weight))]
            return float(np.mean(found)) if found else float("nan")

        return value
