"""The three atomic losses in numpy: their mean over rows for the curves, their slopes, the best constant."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mulle.core.loss import Loss
from mulle.export.layers import Layers
from mulle.export.links import apply_link
from mulle.export.scorer import Space
from mulle.export.trees import Trees
from mulle.models.base import Fitted, Rows, Training

Doubles = NDArray[np.float64]
_LEAST = 1e-15


def mean_loss(loss: Loss, rows: Rows, prediction: NDArray[Any]) -> float:
    """Return the weighted mean loss of predictions, as it stands in the curves.

    Parameters
    ----------
    loss
        An atomic loss.
    rows
        Their target and weight.
    prediction
        Probabilities or means ``[rows, outputs]``.

    Returns
    -------
    float
        Log loss in nats for logistic and softmax; the root of the mean squared error, in units of the
        target, for squared.

    Examples
    --------
    >>> from mulle.core.loss import squared
    >>> rows = Rows(matrix=np.zeros((2, 1), np.float32), target=np.array([0.0, 2.0]))
    >>> mean_loss(squared(), rows, np.array([[1.0], [1.0]]))
    1.0
    """
    if loss.link == "identity":
        return float(np.sqrt(np.average((prediction[:, 0] - rows.target) ** 2, weights=rows.weight)))
    if loss.link == "sigmoid":
        chance = np.where(rows.target > 0, prediction[:, 0], 1.0 - prediction[:, 0])
    else:
        chance = prediction[np.arange(len(prediction)), rows.target.astype(np.intp)]
    return float(np.average(-np.log(np.maximum(chance, _LEAST)), weights=rows.weight))


def raw_loss(loss: Loss, rows: Rows, raw: NDArray[Any]) -> float:
    """Return the weighted mean loss of raw scores; see `mean_loss`.

    Returns
    -------
    float
        Nats, or units of the target.
    """
    return mean_loss(loss, rows, apply_link(raw, loss))


def slopes(raw: Doubles, target: Doubles, loss: Loss) -> tuple[Doubles, Doubles]:
    """Return each row's loss and its slope against the raw scores; squared error is halved.

    Parameters
    ----------
    raw, target
        ``[rows, outputs]``; the target 0/1, one-hot, or a number.
    loss
        Atomic.

    Returns
    -------
    tuple of NDArray
        ``[rows]`` and ``[rows, outputs]``.
    """
    if loss.link == "identity":
        slope = raw - target
        return 0.5 * (slope * slope)[:, 0], slope
    slope = apply_link(raw, loss) - target
    if loss.link == "sigmoid":
        return (np.logaddexp(0.0, raw) - target * raw)[:, 0], slope
    top = raw.max(axis=1)
    return np.log(np.exp(raw - top[:, None]).sum(axis=1)) + top - (raw * target).sum(axis=1), slope


def prior(loss: Loss, rows: Rows) -> Doubles:
    """Return the raw score of the best constant, half a row of each class added so that no chance is 0.

    Parameters
    ----------
    loss
        An atomic loss.
    rows
        Training rows.

    Returns
    -------
    NDArray
        ``[loss.n_outputs]``.

    Examples
    --------
    >>> from mulle.core.loss import logistic
    >>> rows = Rows(matrix=np.zeros((3, 1), np.float32), target=np.array([1.0, 1.0, 0.0]))
    >>> prior(logistic(), rows).round(3).tolist()
    [0.511]
    """
    weight = np.ones(len(rows.target)) if rows.weight is None else rows.weight
    if loss.link == "identity":
        return np.array([np.average(rows.target, weights=rows.weight)])
    classes = max(loss.n_outputs, 2)
    mass = np.bincount(rows.target.astype(np.intp), weights=weight / weight.mean(), minlength=classes) + 0.5
    log = np.log(mass / mass.sum())
    return np.array([log[1] - log[0]]) if loss.link == "sigmoid" else log


def constant(training: Training, form: Literal["trees", "layers"] = "trees", space: Space = "raw") -> Fitted | None:
    """Return a fitted constant when there is nothing to learn: the target, or every column, does not vary.

    Families call this first, so that each library's own way of failing here is never met. The form and the
    space are the family's own, so that the members of a bag can be merged.

    Returns
    -------
    Fitted or None
        None when there is something to learn.
    """
    rows, loss = training.rows, training.loss
    if np.ptp(rows.target) > 0 and _varies(rows.matrix):
        return None
    raw = prior(loss, rows)
    score = raw if space == "raw" else apply_link(raw[None, :], loss)[0]
    scorer = Trees.of([], bias=score, space=space) if form == "trees" else Layers.constant(score, space=space)
    curves = [[raw_loss(loss, r, np.tile(raw, (len(r.target), 1)))] for r in (rows, training.valid) if r]
    return Fitted(scorer=scorer, train_curve=curves[0], valid_curve=curves[1] if len(curves) > 1 else (), iterations=1)


def _varies(matrix: NDArray[np.float32]) -> bool:
    if not matrix.shape[1]:
        return False
    head = matrix[:1]
    return any(bool(((part != head) & ~(np.isnan(part) & np.isnan(head))).any()) for part in np.array_split(matrix, 8))
