"""Greedy ensemble selection over out-of-fold predictions, with replacement.

Source: Caruana, Niculescu-Mizil, Crew, Ksikes: *Ensemble Selection from Libraries of Models*, ICML 2004.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def select(
    predictions: Sequence[Floats], error: Callable[[Floats], float], *, steps: int = 25, at_most: int = 4
) -> list[tuple[int, float]]:
    """Choose members and weights whose average has the least error.

    Parameters
    ----------
    predictions
        Out-of-fold predictions of each configuration, all ``[rows, outputs]`` over the same rows.
    error
        The error of one such array; less is better.
    steps
        How many members are drawn, with replacement.
    at_most
        Distinct members at most, so that what ships stays small.

    Returns
    -------
    list of (int, float)
        Positions with weights that sum to 1, the heaviest first. The best point of the whole path is returned, so
        the result is never worse on these rows than the best single member.

    Examples
    --------
    >>> truth = np.array([[0.0], [1.0], [1.0]])
    >>> low, high = truth - 0.2, truth + 0.2
    >>> select([low, high], lambda p: float(np.square(p - truth).mean()), steps=4)
    [(0, 0.5), (1, 0.5)]
    """
    drawn: list[int] = []
    total = np.zeros_like(predictions[0])
    best, best_error = [0], np.inf
    for _ in range(steps):
        i, total, reached = _draw(predictions, error, total, drawn, at_most)
        drawn.append(i)
        if reached < best_error - 1e-12:
            best, best_error = list(drawn), reached
    counts = Counter(best)
    return [(i, n / len(best)) for i, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _draw(
    predictions: Sequence[Floats],
    error: Callable[[Floats], float],
    total: Floats,
    drawn: Sequence[int],
    at_most: int,
) -> tuple[int, Floats, float]:
    allowed = sorted(set(drawn)) if len(set(drawn)) >= at_most else range(len(predictions))
    n = len(drawn) + 1
    errors = {i: error((total + predictions[i]) / n) for i in allowed}
    # Ties go to members that are in already: fewer members ship.
    chosen = min(errors, key=lambda i: (errors[i], i not in drawn, i))
    return chosen, total + predictions[chosen], errors[chosen]
