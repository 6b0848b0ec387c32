"""Metrics of yes or no: how well scores rank, how true probabilities are, how good the calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.metrics.base import Floats, Metric, Weighted, metric
from mulle.metrics.confusion import Confusion
from mulle.metrics.loss_of_rows import RowLoss
from mulle.metrics.shapes import product, ratio, vector

BINARY = frozenset({"binary"})


class Ranked:
    """Rows in order of their score, highest first, with the ends of runs of equal scores.

    Parameters
    ----------
    target
        0 or 1, ``[rows]``.
    score
        Any number, ``[rows]``.
    """

    def __init__(self, target: Floats, score: Floats) -> None:
        self.order = np.argsort(-score, kind="stable")
        ordered = score[self.order]
        self.positive = target[self.order]
        ends = np.flatnonzero(np.diff(ordered, append=np.nan) != 0)
        self.ends = None if len(ends) == len(score) else ends

    def counts(self, weight: Floats | None) -> tuple[Floats, Floats]:
        """Return the weight of positives, and of all rows, at or above each distinct score, highest first."""
        if weight is None:
            above, all_ = np.cumsum(self.positive), np.arange(1.0, len(self.order) + 1)
        else:
            held = weight[self.order]
            above, all_ = np.cumsum(held * self.positive), np.cumsum(held)
        return (above, all_) if self.ends is None else (above[self.ends], all_[self.ends])


@metric
class RocAuc(Metric):
    """How often a positive row is scored above a negative one: 1 always, 0.5 by chance.

    Examples
    --------
    >>> RocAuc()(np.array([0.0, 1.0, 0.0, 1.0]), np.array([[0.1], [0.9], [0.5], [0.5]]))
    0.875
    """

    name = "roc_auc"
    title = "ROC AUC"
    explains = (
        "Of one row of each class, how often the right one is given the higher chance. 0.5 is guessing, 1 is "
        "never wrong."
    )
    tasks = BINARY
    worst = 0.0

    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Sort once; a weighting is then two running sums and the area under them."""
        return auc(vector(target), vector(prediction))


def auc(target: Floats, score: Floats) -> Weighted:
    """Return the function from weights to the area under the ROC curve, NaN where one class is absent.

    Parameters
    ----------
    target
        0 or 1, ``[rows]``.
    score
        Higher for positives, ``[rows]``.

    Returns
    -------
    Weighted
        Sorted once; each call is two running sums.

    Examples
    --------
    >>> auc(np.array([0.0, 1.0]), np.array([0.2, 0.7]))(None)
    1.0
    """
    ranked = Ranked(target, score)

    def value(weight: Floats | None) -> float:
        if not len(score):
            return float("nan")
        above, all_ = ranked.counts(weight)
        false = all_ - above
        # the trapezoid over distinct scores: ties count one half
        area = product(np.diff(false), above[1:] + above[:-1]) / 2 + float(false[0] * above[0]) / 2
        return ratio(area, float(above[-1] * false[-1]))

    return value


@metric
class AveragePrecision(Metric):
    """The precision that a reader meets on the way down the ranking, averaged over the positives.

    Chance gives the share of positives, so that it suits rare ones.

    Examples
    --------
    >>> AveragePrecision()(np.array([0.0, 0.0, 1.0, 1.0]), np.array([[0.1], [0.4], [0.35], [0.8]]))
    0.8333
    """

    name = "average_precision"
    title = "average precision"
    explains = (
        "Rows are taken from the highest chance down. It is the mean share of right ones among those taken, at "
        "each right one that is found. Guessing gives the share of the class, 1 is perfect."
    )
    tasks = BINARY
    worst = 0.0

    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Sort once; a weighting is then two running sums."""
        ranked = Ranked(vector(target), vector(prediction))

        def value(weight: Floats | None) -> float:
            if not len(ranked.order):
                return float("nan")
            above, all_ = ranked.counts(weight)
            precision = np.divide(above, all_, out=np.zeros_like(above), where=all_ > 0)
            steps = np.diff(above, prepend=0.0)
            return ratio(product(steps, precision), float(above[-1]))

        return value


@metric
class Brier(RowLoss):
    """The mean squared distance of the probability from what happened.

    Examples
    --------
    >>> Brier()(np.array([1.0, 0.0]), np.array([[0.8], [0.4]]))
    0.1
    """

    name = "brier"
    title = "Brier score"
    explains = "The mean squared distance between the stated chance and what came, which is 0 or 1. 0 is perfect."
    tasks = BINARY
    worst = 1.0

    def loss(self, target: NDArray[Any], prediction: Floats) -> Floats:
        """Return the squared distance of each row."""
        return (vector(prediction) - vector(target)) ** 2


@metric
class CalibrationError(Metric):
    """How far probabilities are from what happens: the mean gap over ten bins of equally many rows.

    Bins are set once from all rows, so that a bootstrap moves the gaps, not the bins. Small data give a gap
    to a perfect model too: judge it with its interval.

    Examples
    --------
    >>> CalibrationError()(np.array([1.0, 0.0]), np.array([[0.5], [0.5]]))
    0.0

    Notes
    -----
    Source: Naeini, Cooper, Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015.
    """

    name = "calibration_error"
    title = "expected calibration error"
    explains = "How far stated chances are from how often it came to pass, on average. 0 is perfect."
    tasks = BINARY
    worst = 1.0
    greater_is_better = False
    best = 0.0
    n_bins = 10

    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Put each row into its bin once."""
        p = vector(prediction)
        gap = p - vector(target)
        edges = np.unique(np.quantile(p, np.arange(1, self.n_bins) / self.n_bins)) if len(p) else p
        bins = np.searchsorted(edges, p, side="right")

        def value(weight: Floats | None) -> float:
            held = np.ones(len(gap)) if weight is None else weight
            gaps = np.bincount(bins, weights=held * gap)
            return ratio(float(np.abs(gaps).sum()), float(np.sum(held)))

        return value


@metric
class Precision(Confusion):
    """Of the rows that were called, the share that is positive; 0 when none was called.

    Examples
    --------
    >>> Precision()(np.array([1.0, 0.0]), np.array([[0.8], [0.7]]))
    0.5
    """

    name = "precision"
    title = "precision"
    explains = "Of the rows that are called so, the share that is."
    tasks = BINARY
    worst = 0.0

    def of(self, table: Floats) -> float:
        """Return true calls over calls."""
        return ratio(float(table[1, 1]), float(table[:, 1].sum()), 0.0)


@metric
class Recall(Confusion):
    """Of the positive rows, the share that was called.

    Examples
    --------
    >>> Recall()(np.array([1.0, 1.0]), np.array([[0.8], [0.3]]))
    0.5
    """

    name = "recall"
    title = "recall"
    explains = "Of the rows that are so, the share that is found."
    tasks = BINARY
    worst = 0.0

    def of(self, table: Floats) -> float:
        """Return true calls over positives."""
        return ratio(float(table[1, 1]), float(table[1].sum()))


@metric
class F1(Confusion):
    """The harmonic mean of precision and recall.

    Examples
    --------
    >>> F1()(np.array([1.0, 0.0, 1.0]), np.array([[0.8], [0.7], [0.6]]))
    0.8
    """

    name = "f1"
    title = "F1"
    explains = (
        "One number for precision (of what is called so, how much is) and recall (of what is so, how much is "
        "found): their harmonic mean. 1 is perfect."
    )
    tasks = BINARY
    worst = 0.0

    def of(self, table: Floats) -> float:
        """Return twice the true calls over calls and positives."""
        return ratio(float(2 * table[1, 1]), float(table[1].sum() + table[:, 1].sum()))
