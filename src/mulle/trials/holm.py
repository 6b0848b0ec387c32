"""Several questions that gate together: Holm's way to keep the chance of any false answer down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for how many questions were asked; compare each with the level as it is.

    Parameters
    ----------
    p_values
        One a question, 0..1; NaN stays NaN and does not count.

    Returns
    -------
    list of float
        In the same order.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]

    Notes
    -----
    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    p = np.asarray(p_values, np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else steps
    return [float(value) for value in adjusted]


def holm_confidence(p_values: Sequence[float], confidence: float = 0.95) -> list[float]:
    """Return the confidence that each question's own bound must have, so that all hold together.

    The smallest p-value is judged at the level over the number of questions, the next at one less, and so on; from the
    first that is not answered on, none is judged more mildly than that one.

    Parameters
    ----------
    p_values
        One a question.
    confidence
        That all bounds hold together.

    Returns
    -------
    list of float
        In the same order.

    Examples
    --------
    >>> [round(c, 4) for c in holm_confidence([0.01, 0.5, 0.03])]
    [0.9833, 0.975, 0.975]
    """
    alpha = 1 - confidence
    p = np.nan_to_num(np.asarray(p_values, np.float64), nan=1.0)
    order = np.argsort(p, kind="stable")
    found = np.empty(len(p))
    level, stopped = alpha, False
    for rank, at in enumerate(order):
        level = level if stopped else alpha / (len(p) - rank)
        stopped = stopped or p[at] > level
        found[at] = 1 - level
    return [float(value) for value in found]
