"""Metrics of classes, two or more: of probabilities (log loss) and of the class that is called."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.metrics.base import Floats, metric
from mulle.metrics.confusion import Confusion
from mulle.metrics.loss_of_rows import RowLoss
from mulle.metrics.shapes import codes, matrix, ratio

CLASSES = frozenset({"binary", "multiclass"})


@metric
class LogLoss(RowLoss):
    """The mean surprise at what happened, in nats: minus the log of the probability that was given to it.

    Examples
    --------
    >>> LogLoss()(np.array([1.0, 0.0]), np.array([[0.8], [0.2]]))
    0.2231
    """

    name = "log_loss"
    title = "log loss"
    explains = "How surprising what came was, given the stated chances: sure and wrong costs most. 0 is perfect."
    tasks = CLASSES

    def loss(self, target: NDArray[Any], prediction: Floats) -> Floats:
        """Return minus the log of the probability of the true class, kept away from zero."""
        p = matrix(prediction)
        if p.shape[1] == 1:
            p = np.hstack([1 - p, p])
        eps = np.finfo(np.float64).eps
        return -np.log(np.clip(p[np.arange(len(p)), codes(target)], eps, 1 - eps))


@metric
class Accuracy(Confusion):
    """The share of rows whose class was called right.

    Examples
    --------
    >>> Accuracy()(np.array([1.0, 0.0]), np.array([[0.8], [0.7]]))
    0.5
    """

    name = "accuracy"
    title = "accuracy"
    explains = "The share of rows that are put into the right class."
    tasks = CLASSES
    worst = 0.0

    def of(self, table: Floats) -> float:
        """Return the diagonal's share."""
        return float(np.trace(table) / table.sum())


@metric
class BalancedAccuracy(Confusion):
    """The mean over the classes of the share called right, so that a rare class counts as much as any.

    Examples
    --------
    >>> BalancedAccuracy()(np.array([1.0, 0.0, 0.0, 0.0]), np.array([[0.1], [0.1], [0.1], [0.1]]))
    0.5
    """

    name = "balanced_accuracy"
    title = "balanced accuracy"
    explains = "The share of rows that are put into the right class, each class counting the same however rare it is."
    tasks = CLASSES
    worst = 0.0

    def of(self, table: Floats) -> float:
        """Return the mean recall of the classes that occur."""
        n = table.sum(axis=1)
        there = n > 0
        return float(np.mean(np.diag(table)[there] / n[there]))


@metric
class MatthewsCorrelation(Confusion):
    """The correlation of true and called classes: 1 perfect, 0 chance, fair under imbalance.

    Examples
    --------
    >>> MatthewsCorrelation()(np.array([1.0, 0.0]), np.array([[0.8], [0.2]]))
    1.0

    Notes
    -----
    Source: Gorodkin, Comparing two K-category assignments by a K-category correlation
    coefficient, 2004, eq. 8.
    """

    name = "mcc"
    title = "Matthews correlation"
    explains = (
        "How well the called classes go with the true ones: 0 is guessing, 1 is perfect, rare classes counted fairly."
    )
    tasks = CLASSES
    worst = -1.0

    def of(self, table: Floats) -> float:
        """Return the correlation, 0 where either side knows one class only."""
        true, called, n = table.sum(axis=1), table.sum(axis=0), table.sum()
        top = np.trace(table) * n - true @ called
        bottom = np.sqrt(n**2 - called @ called) * np.sqrt(n**2 - true @ true)
        return ratio(float(top), float(bottom), 0.0)
