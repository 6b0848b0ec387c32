"""What ends a fit: time, or a validation loss that has stopped falling."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np


class Deadline:
    """The moment at which a fit has to keep what it has.

    Parameters
    ----------
    seconds
        From now on; None means never.

    Examples
    --------
    >>> Deadline(None).passed, Deadline(0.0).passed
    (False, True)
    """

    def __init__(self, seconds: float | None) -> None:
        self._begun = perf_counter()
        self.seconds = seconds

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.seconds is not None and perf_counter() - self._begun >= self.seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left; infinite when there is no deadline."""
        return float("inf") if self.seconds is None else self.seconds - (perf_counter() - self._begun)


def stalled(curve: Sequence[float], patience: int) -> bool:
    """Return whether the last ``patience`` values brought nothing lower than what stood before them.

    Examples
    --------
    >>> stalled([3.0, 2.0, 2.5, 2.4], 2), stalled([3.0, 2.0, 2.5, 1.9], 2)
    (True, False)
    """
    return len(curve) > patience and min(curve[:-patience]) <= min(curve[-patience:])


def best(curve: Sequence[float]) -> int:
    """Return the number of iterations after which the curve was lowest, the first such.

    Examples
    --------
    >>> best([3.0, 2.0, 2.5])
    2
    """
    return min(range(len(curve)), key=curve.__getitem__) + 1 if curve else 0


def mean_curve(curves: Sequence[Sequence[float]], weights: Sequence[float] | None = None) -> list[float]:
    """Return the mean of several curves, each held at its last value after its end; nothing when one is empty.

    A curve of weight 0 has no say, nor has one where it is no number: a loss over rows that all weigh 0, or of a fit that
    diverged. Where no curve is a number, neither is the mean.

    Examples
    --------
    >>> mean_curve([[4.0, 2.0, 3.0], [2.0]])
    [3.0, 2.0, 2.5]
    >>> mean_curve([[4.0, 2.0, 3.0], [float("nan")]])
    [4.0, 2.0, 3.0]
    """
    longest = max((len(curve) for curve in curves), default=0)
    if not longest or not all(len(curve) for curve in curves):
        return []
    held = np.array([np.pad(np.asarray(curve, float), (0, longest - len(curve)), mode="edge") for curve in curves])
    weight = np.ones(len(curves)) if weights is None else np.asarray(weights, float)
    says = (weight > 0)[:, None] & ~np.isnan(held)
    total = (weight[:, None] * says).sum(axis=0)
    summed = np.where(says, weight[:, None] * np.where(says, held, 0.0), 0.0).sum(axis=0)
    means: list[float] = np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan).tolist()
    return means


def best_iteration(
    curves: Sequence[Sequence[float]], weights: Sequence[float] | None = None, *, cuts: Sequence[int], reached: int
) -> int:
    """Return the iteration to keep of a fit: where the mean of some validation curves is lowest.

    The curves are those of other fits, whose validation rows are not the rows that this fit is judged on. What this fit
    was like has a say only where it did not come as far.

    Parameters
    ----------
    curves
        Validation losses by iteration, one curve a fit; each is held at its last value after its end.
    weights
        Of the curves; the number of validation rows, as a rule.
    cuts
        Iterations at which this fit can be cut, ascending.
    reached
        How many iterations this fit did.

    Returns
    -------
    int
        The first of the lowest among the cuts; ``reached``, when it lies beyond; 0 when there is nothing to choose.

    Examples
    --------
    >>> best_iteration([[4.0, 2.0, 3.0], [5.0, 4.0, 2.0, 6.0]], cuts=range(1, 10), reached=9)
    3
    >>> best_iteration([[4.0, 2.0, 3.0], [5.0, 4.0, 2.0, 6.0]], cuts=range(1, 3), reached=2)
    2
    """
    mean = [np.inf if np.isnan(loss) else loss for loss in mean_curve(curves, weights)]
    if not np.isfinite(mean).any() or not cuts or not reached:
        return 0
    if best(mean) >= reached:
        return reached
    able = [n for n in cuts if n < reached]
    return min(able, key=lambda n: mean[min(n, len(mean)) - 1])
