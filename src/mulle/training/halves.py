"""When the fit of a fold alone should have stopped: each half of its validation rows says it for the other.

A hold-out has no other folds to ask. Rows that were held back from training to stop on would be missed there; so the
validation rows themselves are parted in two, and either half is predicted by the model as it stood when the *other* half
liked it best. No row has a say in how it is predicted itself, and none is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mulle.core.loss import Loss
from mulle.export.links import apply_link
from mulle.export.scorer import Scorer
from mulle.models.base import Fitted, Rows
from mulle.models.losses import mean_loss
from mulle.training.scoring import native

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
LOOKS = 48
"""At about how many iterations of a long path the halves are asked: each look costs, and the loss is flat at its least."""


def crosswise(fitted: Fitted, loss: Loss, rows: Rows, first: Mask) -> tuple[Floats, list[int]]:
    """Predict each half of some rows by the fit as it stood when the other half liked it best.

    Parameters
    ----------
    fitted
        With its whole path.
    loss
        What was minimised, and whose link gives predictions.
    rows
        Validation rows.
    first
        Which of them are the first half; there are rows in both.

    Returns
    -------
    numpy.ndarray
        Predictions of all the rows, float64 ``[rows, outputs]``.
    list of int
        After how many iterations the first half and the second were predicted.
    """
    halves = (first, ~first)
    judges = [_rows(rows, half) for half in reversed(halves)]
    prediction = np.full((len(first), loss.n_outputs), np.nan)
    least, kept = [np.inf, np.inf], [0, 0]
    for n, found in _states(fitted, loss, rows.matrix):
        for k, (half, judge) in enumerate(zip(halves, judges, strict=True)):
            lost = _loss(loss, judge, found[~half])
            if lost < least[k] or not kept[k]:
                least[k], kept[k] = lost if lost == lost else np.inf, n  # noqa: PLR0124  # NaN is no least
                prediction[half] = found[half]
    return prediction, kept


def _states(fitted: Fitted, loss: Loss, matrix: NDArray[np.float32]) -> Iterator[tuple[int, Floats]]:
    """Yield predictions along the path, with the numbers of iterations; what adds up is scored once, bit by bit."""
    scorer, total = fitted.scorer, np.zeros((len(matrix), loss.n_outputs))
    for before, n in pairwise([0, *looks(scorer.cuts, reached=len(fitted.valid_curve))]):
        step = scorer.step(before, n)
        total = native(scorer.first(n), matrix) if step is None else total + native(step, matrix)
        yield n, _prediction(scorer, loss, total)


def _prediction(scorer: Scorer, loss: Loss, scores: Floats) -> Floats:
    return apply_link(scores, loss) if scorer.space == "raw" else scores


def looks(cuts: Sequence[int], *, reached: int) -> list[int]:
    """Return at which iterations the halves are asked: all of a short path; of a long one evenly, and closer at its start.

    Parameters
    ----------
    cuts
        Iterations at which the fit can be cut, ascending.
    reached
        How many iterations there were.

    Returns
    -------
    list of int
        Ascending; at least the first cut.

    Examples
    --------
    >>> looks([1, 2, 5, 9], reached=5)
    [1, 2, 5]
    >>> found = looks(range(1, 1001), reached=1000)
    >>> found[:6], found[-2:], len(found)
    ([1, 2, 3, 4, 6, 8], [979, 1000], 68)
    """
    able = [n for n in cuts if n <= reached] or list(cuts[:1])
    if len(able) <= LOOKS:
        return able
    even, early = np.linspace(1, len(able), LOOKS), np.geomspace(1, len(able), LOOKS // 2)
    return [able[int(i) - 1] for i in np.unique(np.concatenate([even, early]).round())]


def _rows(rows: Rows, some: Mask) -> Rows:
    """Return some of the rows; where they all weigh nothing, they count alike."""
    weight = None if rows.weight is None else rows.weight[some]
    return Rows(
        matrix=rows.matrix[:0], target=rows.target[some], weight=weight if weight is not None and weight.any() else None
    )


def _loss(loss: Loss, rows: Rows, prediction: Floats) -> float:
    """Return the mean loss; over the parts of a loss that has some, as in its curve."""
    if not loss.parts:
        return mean_loss(loss, rows, prediction)
    ends = np.cumsum([part.n_outputs for part in loss.parts])[:-1]
    sides = np.split(prediction, ends, axis=1)
    parts = enumerate(zip(loss.parts, sides, strict=True))
    return float(np.mean([_loss(part, _column(rows, i), side) for i, (part, side) in parts]))


def _column(rows: Rows, i: int) -> Rows:
    return Rows(matrix=rows.matrix, target=rows.target[:, i], weight=rows.weight)
