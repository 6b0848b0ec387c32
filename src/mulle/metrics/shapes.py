"""Targets and predictions as every metric reads them: a vector, a matrix, class codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.metrics.base import Floats

Codes = NDArray[np.int64]


def vector(values: NDArray[Any]) -> Floats:
    """Return one number a row, whether it came as ``[rows]`` or as ``[rows, 1]``.

    Returns
    -------
    ndarray
        float64 ``[rows]``.

    Raises
    ------
    ValueError
        When there are several outputs a row: a metric of another task was asked, a fault of ours.

    Examples
    --------
    >>> vector(np.array([[1], [0]]))
    array([1., 0.])
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim > 1 and array.shape[1] != 1:
        raise ValueError(f"one output a row was expected, not {array.shape[1]}")
    return array.reshape(-1)


def matrix(values: NDArray[Any]) -> Floats:
    """Return ``[rows, outputs]``, whether it came so or as ``[rows]``."""
    array = np.asarray(values, dtype=np.float64)
    return array.reshape(len(array), -1)


def codes(target: NDArray[Any]) -> Codes:
    """Return the class of each row as int64 ``[rows]``."""
    return vector(target).astype(np.int64)


def decided(prediction: NDArray[Any]) -> Codes:
    """Return the class that is called for each row: at least one half, or the most probable.

    Decisions themselves pass unchanged: 0 and 1 as one output, or one-hot as one output a class. So a metric
    of decisions is asked for another threshold by handing it the decisions in place of the probabilities.

    Returns
    -------
    ndarray
        int64 ``[rows]``.

    Examples
    --------
    >>> decided(np.array([[0.5], [0.49], [1.0]]))
    array([1, 0, 1])
    >>> decided(np.array([[0.2, 0.5, 0.3]]))
    array([1])
    """
    scores = matrix(prediction)
    if scores.shape[1] == 1:
        positive: Codes = (scores[:, 0] >= 0.5).astype(np.int64)  # noqa: PLR2004  # the middle
        return positive
    called: Codes = np.argmax(scores, axis=1).astype(np.int64)
    return called


def product(a: Floats, b: Floats) -> float:
    """Return the sum of ``a * b``, on the calling thread alone.

    BLAS would wake its threads for forty thousand numbers, and on a busy machine wait for them a thousand times longer
    than the sum takes.

    Examples
    --------
    >>> product(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    11.0
    """
    return float(np.einsum("i,i->", a, b))


def ratio(top: float, bottom: float, otherwise: float = float("nan")) -> float:
    """Return ``top / bottom``, or something else where the bottom is zero."""
    return float(top / bottom) if bottom else otherwise
