"""Scaling of columns and of a numeric target, for families to which the size of a number matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mulle.core.loss import Loss
from mulle.models.base import Rows

Doubles = NDArray[np.float64]
_LEAST_SPREAD = 1e-6
_BLOCK = 4_000_000
"""Values that are looked at together."""
_MOST_SPREADS = 8.0
"""How far from 0 a scaled training value may lie: a column that hardly ever varies must not shout when it does."""


def scaling(matrix: NDArray[np.float32]) -> tuple[Doubles, Doubles]:
    """Return what to take off each column and what to divide it by.

    Columns that are mostly 0 and never beyond ±1 (one-hot, hashed text, pixels) are left as they are: a
    rare level must not get more freedom than a common one.

    Parameters
    ----------
    matrix
        float32 ``[rows, columns]`` without NaN.

    Returns
    -------
    tuple of NDArray
        Mean and scale, float64 ``[columns]``.

    Examples
    --------
    >>> scaling(np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 1.0]], np.float32))[0].tolist()
    [3.0, 0.0]
    """
    size = max(1, _BLOCK // max(len(matrix), 1))
    parts = [_scaling(matrix[:, i : i + size]) for i in range(0, max(matrix.shape[1], 1), size)]
    return np.concatenate([mean for mean, _ in parts]), np.concatenate([scale for _, scale in parts])


def _scaling(matrix: NDArray[np.float32]) -> tuple[Doubles, Doubles]:
    """Return the same for a block of columns: in one go, the doubles of a wide matrix would be many gigabytes."""
    least, most = matrix.min(axis=0), matrix.max(axis=0)
    sparse = (np.maximum(np.abs(least), np.abs(most)) <= 1) & ((matrix == 0).mean(axis=0) >= 0.5)  # noqa: PLR2004
    if sparse.all():  # most blocks of a wide matrix of words; their moments would take three times as long
        return np.zeros(len(sparse)), np.ones(len(sparse))
    mean, spread = matrix.mean(axis=0, dtype=np.float64), matrix.std(axis=0, dtype=np.float64)
    reach = np.maximum(most - mean, mean - least)
    spread = np.maximum(spread, reach / _MOST_SPREADS)
    still = spread <= _LEAST_SPREAD * np.maximum(np.abs(mean), 1e-30)
    return np.where(sparse, 0.0, mean), np.where(sparse | still, 1.0, spread)


def target_scaling(rows: Rows, loss: Loss) -> tuple[float, float]:
    """Return the weighted mean and spread of a numeric target; 0 and 1 for classes.

    Returns
    -------
    tuple of float
        What to take off the target and what to divide it by.
    """
    if loss.link != "identity":
        return 0.0, 1.0
    middle = float(np.average(rows.target, weights=rows.weight))
    return middle, float(np.sqrt(np.average((rows.target - middle) ** 2, weights=rows.weight))) or 1.0


def as_outputs(target: Doubles, loss: Loss, unit: tuple[float, float]) -> Doubles:
    """Return the target as one column an output: 0/1, one-hot, or scaled by ``unit``.

    Returns
    -------
    NDArray
        float64 ``[rows, loss.n_outputs]``.
    """
    if loss.link == "softmax":
        return np.asarray(target[:, None] == np.arange(loss.n_outputs), np.float64)
    return ((target - unit[0]) / unit[1])[:, None]
