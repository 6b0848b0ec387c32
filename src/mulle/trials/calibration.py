"""Calibration: does a probability of 20 % come true in 20 of 100 rows? Mended only where that is clearly better.

Source: J. Platt, *Probabilistic outputs for support vector machines*, 1999; B. Zadrozny, C. Elkan, *Transforming classifier
scores into accurate multiclass probability estimates*, KDD 2002 (isotonic).

A calibration is plain JSON, so that it can be shipped: ``{"kind": "platt", "a": …, "b": …}``, a line on the logit, or
``{"kind": "isotonic", "x": […], "y": […]}``, points joined by lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.loss import Loss
from mulle.trials.bootstrap import numbered

Floats = NDArray[np.float64]
Steps = Mapping[str, Any]
Fit = Callable[[Floats, Floats, Floats], Steps]
"""From predictions, targets and how much each row counts to a calibration."""

EDGE = 1e-12
N_PARTS = 5
LEAST_POSITIVES = 1000
"""Isotonic steps need many rows of the rarer class; with fewer only Platt's line is tried."""
CLEAR = 2.0
"""Standard errors by which a calibration must beat none."""
MOST_KNOTS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was fitted (None: probabilities stay as they are), predictions calibrated by other rows, and why."""

    steps: Steps | None
    prediction: Floats
    says: str


def calibrate(
    prediction: Floats,
    target: Floats,
    loss: Loss,
    units: NDArray[Any] | None,
    *,
    rng: np.random.Generator,
    weight: Floats | None = None,
) -> Calibration:
    """Fit a calibration on out-of-fold predictions, if one clearly helps.

    Parameters
    ----------
    prediction
        Out-of-fold predictions, float64 ``[rows, outputs]``.
    target
        ``[rows]``, 0 or 1.
    loss
        Only one probability (logistic) is calibrated; anything else is returned as it is.
    units
        ``[rows]``: rows of one unit are calibrated by the same part.
    rng
        Deals units to parts.
    weight
        ``[rows]``: how much each row counts; None: all alike.

    Returns
    -------
    Calibration
        Its predictions are each calibrated by the four parts that do not hold the row.

    Examples
    --------
    >>> from mulle.core.loss import logistic
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.random((4000, 1))
    >>> y = (rng.random(4000) < truth[:, 0]).astype(float)
    >>> squeezed = 0.25 + truth / 2
    >>> calibrate(squeezed, y, logistic(), None, rng=rng).steps["kind"]
    'platt'
    """
    if loss.name != "logistic":
        return Calibration(steps=None, prediction=prediction, says="Only the probability of two classes is calibrated.")
    part = rng.integers(0, N_PARTS, int(numbered(units, len(target)).max()) + 1)[numbered(units, len(target))]
    rare = min(target.sum(), len(target) - target.sum())
    counts = np.ones(len(target)) if weight is None else weight / weight.mean()
    ways: dict[str, Fit] = {"platt": _platt}
    if rare >= LEAST_POSITIVES:
        ways["isotonic"] = _isotonic
    before = _log_loss(prediction, target)
    best, kept = None, prediction
    gain_of_best = 0.0
    for name, fit in ways.items():
        found = _crossed((prediction, target, counts), part, fit)
        gain, error = _mean(before - _log_loss(found, target), counts)
        if gain > CLEAR * error and gain > gain_of_best:
            best, kept, gain_of_best = name, found, gain
    if best is None:
        return Calibration(steps=None, prediction=prediction, says="Probabilities were well calibrated as they came.")
    says = f"Probabilities were calibrated ({best}): the log loss fell by {gain_of_best:.4f}, on rows it was not fitted on."
    return Calibration(steps=ways[best](prediction, target, counts), prediction=kept, says=says)


def _mean(gain: Floats, counts: Floats) -> tuple[float, float]:
    """Return the weighted mean and its standard error."""
    mean = float(np.average(gain, weights=counts))
    n = len(gain)
    return mean, float(np.sqrt(np.square(counts * (gain - mean)).sum() * n / (n - 1)) / counts.sum())


def _crossed(rows: tuple[Floats, Floats, Floats], part: NDArray[Any], fit: Fit) -> Floats:
    prediction, target, counts = rows
    found = prediction.copy()
    for k in range(N_PARTS):
        held = part == k
        if held.any() and len(np.unique(target[~held & (counts > 0)])) > 1:
            found[held] = calibrated(prediction[held], fit(prediction[~held], target[~held], counts[~held]))
    return found


def _log_loss(prediction: Floats, target: Floats) -> Floats:
    p = np.clip(prediction[:, 0], EDGE, 1 - EDGE)
    return np.asarray(-np.where(target > 0, np.log(p), np.log(1 - p)))


def _platt(prediction: Floats, target: Floats, counts: Floats) -> Steps:
    """Fit the line on the logit by Newton's method; targets are smoothed as Platt does."""
    p = np.clip(prediction[:, 0], EDGE, 1 - EDGE)
    x = np.column_stack([np.log(p / (1 - p)), np.ones(len(p))])
    n1, n0 = (counts * target).sum(), (counts * (1 - target)).sum()
    wanted = np.where(target > 0, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    line = np.array([1.0, 0.0])
    for _ in range(50):
        at = 1 / (1 + np.exp(-np.clip(x @ line, -35, 35)))
        weight = counts * np.maximum(at * (1 - at), 1e-9)
        step = np.linalg.solve((x.T * weight) @ x + 1e-9 * np.eye(2), x.T @ (counts * (wanted - at)))
        line = line + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-10:  # noqa: PLR2004
            break
    return {"kind": "platt", "a": float(max(line[0], 1e-3)), "b": float(line[1])}


def _isotonic(prediction: Floats, target: Floats, counts: Floats) -> Steps:
    """Fit isotonic steps, then join their middles by lines, so that different probabilities stay different."""
    from sklearn.isotonic import IsotonicRegression  # 1 s to import

    held = counts > 0
    p, w = prediction[held, 0], counts[held]
    steps = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(p, target[held], sample_weight=w)
    levels, level_of = np.unique(steps, return_inverse=True)
    count = np.bincount(level_of, weights=w)
    x = np.bincount(level_of, weights=w * p) / count
    before = np.cumsum(count)[:-1]  # where rows pass on to the next level; the last has no next
    chosen = np.unique(np.searchsorted(before, np.linspace(0, w.sum() - 1, MOST_KNOTS), side="right"))
    chosen = chosen[np.concatenate([[True], np.diff(x[chosen]) > 1e-9])]  # noqa: PLR2004
    knots_x = np.concatenate([[0.0], x[chosen], [1.0]])
    knots_y = np.concatenate([[min(levels[chosen[0]], x[chosen[0]])], levels[chosen], [max(levels[chosen[-1]], 0.999)]])
    keep = np.concatenate([[True], np.diff(knots_x) > 1e-9])  # noqa: PLR2004
    return {"kind": "isotonic", "x": knots_x[keep].tolist(), "y": np.maximum.accumulate(knots_y[keep]).tolist()}


def calibrated(prediction: Floats, calibration: Mapping[str, Any]) -> Floats:
    """Apply a calibration in numpy.

    Parameters
    ----------
    prediction
        Probabilities, float64 ``[rows, 1]``.
    calibration
        Its steps.

    Returns
    -------
    numpy.ndarray
        float64 ``[rows, 1]``.

    Examples
    --------
    >>> calibrated(np.array([[0.2], [0.7]]), {"kind": "isotonic", "x": [0.0, 1.0], "y": [0.1, 0.9]}).round(2).tolist()
    [[0.26], [0.66]]
    """
    if calibration["kind"] == "platt":
        p = np.clip(prediction, EDGE, 1 - EDGE)
        logit = np.log(p / (1 - p))
        return np.asarray(1 / (1 + np.exp(-(calibration["a"] * logit + calibration["b"]))))
    return np.asarray(np.interp(prediction, calibration["x"], calibration["y"]))
