"""Metrics of numbers: how far off, in the target's own unit or as a share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.metrics.base import Floats, Metric, Weighted, metric
from mulle.metrics.loss_of_rows import RowLoss
from mulle.metrics.shapes import matrix, product, ratio, vector

REGRESSION = frozenset({"regression"})


@metric
class RootMeanSquaredError(RowLoss):
    """The root of the mean squared error, in the target's unit; large errors weigh most.

    Examples
    --------
    >>> RootMeanSquaredError()(np.array([1.0, 2.0]), np.array([[4.0], [6.0]]))
    3.5355
    """

    name = "rmse"
    title = "root mean squared error"
    explains = (
        "A typical distance between prediction and truth, in the target's unit; large misses weigh more. 0 is perfect."
    )
    tasks = REGRESSION
    in_units = "target"

    def loss(self, target: NDArray[Any], prediction: Floats) -> Floats:
        """Return the squared error of each row, averaged over several outputs."""
        squared: Floats = np.mean((matrix(target) - matrix(prediction)) ** 2, axis=1)
        return squared

    def finish(self, mean: float) -> float:
        """Return the root."""
        return float(np.sqrt(mean))


@metric
class MeanAbsoluteError(RowLoss):
    """The mean distance from the truth, in the target's unit.

    Examples
    --------
    >>> MeanAbsoluteError()(np.array([1.0, 2.0]), np.array([[4.0], [6.0]]))
    3.5
    """

    name = "mae"
    title = "mean absolute error"
    explains = "The mean distance between prediction and truth, in the target's unit. 0 is perfect."
    tasks = REGRESSION
    in_units = "target"

    def loss(self, target: NDArray[Any], prediction: Floats) -> Floats:
        """Return the absolute error of each row, averaged over several outputs."""
        off: Floats = np.mean(np.abs(matrix(target) - matrix(prediction)), axis=1)
        return off


@metric
class MeanAbsolutePercentageError(RowLoss):
    """The mean error as a share of the true value; of no use where true values come near zero.

    Examples
    --------
    >>> MeanAbsolutePercentageError()(np.array([10.0, 20.0]), np.array([[11.0], [18.0]]))
    0.1
    """

    name = "mape"
    title = "mean absolute percentage error"
    explains = "The mean distance between prediction and truth, as a share of the truth. 0 is perfect."
    tasks = REGRESSION

    def loss(self, target: NDArray[Any], prediction: Floats) -> Floats:
        """Return the error of each row over its true size."""
        true = vector(target)
        size = np.maximum(np.abs(true), np.finfo(np.float64).eps)
        return np.abs(true - vector(prediction)) / size


@metric
class RSquared(Metric):
    """The share of the target's variance that predictions explain: 1 perfect, 0 no better than the mean.

    Examples
    --------
    >>> RSquared()(np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [2.0]]))
    0.5
    """

    name = "r2"
    title = "R²"
    explains = (
        "The share of the target's ups and downs that the predictions follow. 0 is no better than always the "
        "mean, 1 is perfect."
    )
    tasks = REGRESSION

    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Square once; a weighting is then three dot products."""
        # centred first: the variance of large numbers would drown in their squares
        true = vector(target) - np.mean(vector(target)) if len(target) else vector(target)
        off = (vector(target) - vector(prediction)) ** 2
        squared = true**2

        def value(weight: Floats | None) -> float:
            held = np.ones(len(off)) if weight is None else weight
            n = float(np.sum(held))
            spread = product(held, squared) - product(held, true) ** 2 / n if n else 0.0
            # what is left of a constant target is rounding, not variance
            tiny = 1e-14 * product(held, squared)
            return 1 - ratio(product(held, off), spread if spread > tiny else 0.0)

        return value


@metric
class MedianAbsoluteError(Metric):
    """The error that half of the rows stay below, in the target's unit; outliers do not move it.

    Examples
    --------
    >>> MedianAbsoluteError()(np.array([1.0, 2.0, 3.0]), np.array([[1.0], [3.0], [9.0]]))
    1.0
    """

    name = "median_absolute_error"
    title = "median absolute error"
    explains = "Half of the predictions are nearer to the truth than this, in the target's unit. 0 is perfect."
    tasks = REGRESSION
    greater_is_better = False
    best = 0.0
    in_units = "target"

    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Sort the errors once; a weighting is then one running sum."""
        off = np.abs(vector(target) - vector(prediction))
        order = np.argsort(off, kind="stable")
        ordered = off[order]

        def value(weight: Floats | None) -> float:
            held = np.ones(len(off)) if weight is None else weight[order]
            return _median(ordered[held > 0], held[held > 0])

        return value


def _median(ordered: Floats, held: Floats) -> float:
    """Return the weighted median of sorted values: the mean of two where the half falls between them."""
    if not len(ordered):
        return float("nan")
    running = np.cumsum(held)
    half = running[-1] / 2
    i = int(np.searchsorted(running, half * (1 - 1e-12)))
    between = i + 1 < len(ordered) and abs(running[i] - half) <= 1e-12 * half
    return float((ordered[i] + ordered[i + 1]) / 2 if between else ordered[i])


@metric
class Spearman(Metric):
    """The correlation of ranks: whether larger predictions mean larger values, whatever their scale.

    Examples
    --------
    >>> Spearman()(np.array([1.0, 2.0, 3.0]), np.array([[10.0], [20.0], [15.0]]))
    0.5
    """

    name = "spearman"
    title = "rank correlation"
    explains = "How well the order of the predictions goes with that of the truth. 0 is guessing, 1 is the same order."
    tasks = REGRESSION
    worst = -1.0

    def prepare(self, target: NDArray[Any], prediction: Floats) -> Weighted:
        """Group equal values once; a weighting is then two running sums over the groups."""
        groups = [np.unique(vector(v), return_inverse=True)[1] for v in (target, prediction)]

        def value(weight: Floats | None) -> float:
            held = np.ones(len(groups[0])) if weight is None else weight
            a, b = (_ranks(group, held) for group in groups)
            bottom = np.sqrt(product(held, a * a) * product(held, b * b))
            return ratio(product(held, a * b), float(bottom))

        return value


def _ranks(group: NDArray[np.int64], held: Floats) -> Floats:
    """Return centred mid-ranks, as if each row stood there as often as its weight."""
    size = np.bincount(group, weights=held)
    middle = np.cumsum(size) - size / 2
    total = float(np.sum(held))
    centred: Floats = (middle - total / 2)[group]
    return centred
