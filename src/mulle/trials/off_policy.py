"""What another policy would have earned, from the log of this one: only as far as the log can tell.

Sources: Horvitz, Thompson, JASA 47, 1952 (IPS); Swaminathan, Joachims, *The self-normalized estimator for counterfactual
learning*, NeurIPS 2015 (SNIPS); Dudík, Langford, Li, *Doubly robust policy evaluation and learning*, ICML 2011; Kong, *A note
on importance sampling using standardized weights*, 1992 (effective sample size).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mulle.core.check import Interval
from mulle.core.errors import DataError
from mulle.trials.bootstrap import numbered, unit_weights

Floats = NDArray[np.float64]
Method = Literal["ips", "snips", "doubly robust"]

CLIP = 10.0
LEAST_EFFECTIVE = 100.0
OFF = 4.0
"""Standard errors by which the mean weight may differ from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPolicy:
    """What another policy is worth, or why that cannot be said.

    Parameters
    ----------
    method
        How it was estimated.
    value, interval, se
        The mean reward; NaN where refused.
    effective
        How many units of the other policy's own the log is worth.
    n_units
        In the log.
    clipped
        The share of rows whose weight was cut; it draws the value towards what the log holds.
    mean_weight
        Before cutting: 1, up to chance, if the logged propensities are true and nothing that the other policy would do is
        impossible.
    refused
        Whether nothing is said.
    says
        One sentence.
    """

    method: Method
    value: float
    interval: Interval
    se: float
    effective: float
    n_units: int
    clipped: float
    mean_weight: float
    refused: bool
    says: str


def off_policy(
    reward: ArrayLike,
    propensity: ArrayLike,
    target: ArrayLike,
    *,
    method: Method = "snips",
    predicted: ArrayLike | None = None,
    predicted_target: ArrayLike | None = None,
    units: NDArray[np.generic] | None = None,
    clip: float = CLIP,
    least: float = LEAST_EFFECTIVE,
    confidence: float = 0.95,
    rng: np.random.Generator | None = None,
    n_draws: int = 1000,
) -> OffPolicy:
    """Estimate the mean reward of a policy from decisions that another one made and logged.

    Parameters
    ----------
    reward
        ``[rows]``: what came of the decision.
    propensity
        ``[rows]``: the logged chance of the decision that was made, above 0.
    target
        ``[rows]``: the chance with which the other policy would have made that same decision, 0..1.
    method
        ``"ips"``: unbiased but for clipping, wide. ``"snips"``: nearly so, narrower, indifferent to a constant added to all
        rewards. ``"doubly robust"``: with a model of the reward, right if either the model or the propensities are.
    predicted, predicted_target
        ``[rows]``, for doubly robust: the model's reward of the decision made, and its mean over what the other policy would
        do. The model must not have been fitted on these rows.
    units
        ``[rows]``: rows of one unit are not independent. None: each row alone.
    clip
        No weight is larger.
    least
        Below this effective sample size nothing is said.
    confidence
        Of the interval, 0..1.
    rng
        Given: the interval is taken from a bootstrap by unit instead of the normal.
    n_draws
        Of that bootstrap.

    Returns
    -------
    OffPolicy
        Refused below `least`, and when the mean weight differs from 1 by more than chance.

    Raises
    ------
    DataError
        When there is no row, lengths differ, a number is missing, a propensity is not in (0, 1], or doubly robust lacks its
        model.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> action = rng.random(5000) < 0.3  # logged with a chance of 30 %
    >>> reward = np.where(action, 2.0, 1.0) + rng.normal(size=5000)
    >>> found = off_policy(reward, np.where(action, 0.3, 0.7), action)  # what if always?
    >>> abs(found.value - 2) < 0.1, round(found.effective)
    (True, 1499)
    """
    r, p, t = (np.asarray(v, np.float64).reshape(-1) for v in (reward, propensity, target))
    _sound(r, p, t)
    q, v = _model(method, predicted, predicted_target, len(r))
    raw = t / p
    w = np.minimum(raw, clip)
    unit = numbered(units, len(r))
    value, influence = _estimate(method, r, w, q, v)
    by_unit = np.bincount(unit, weights=influence)
    n_units = len(by_unit)
    se = math.sqrt(n_units / max(n_units - 1, 1) * float(by_unit @ by_unit)) / len(r)
    interval = _normal(value, se, confidence)
    if rng is not None and w.sum() > 0:
        interval = _bootstrap(method, (r, w, q, v), unit, confidence, rng=rng, n_draws=n_draws)
    why, effective = _refusal(raw, w, unit, least), _effective(w, unit)
    if why:
        value, se, interval = math.nan, math.nan, Interval(low=math.nan, high=math.nan, confidence=confidence)
    clipped = float((raw > clip).mean())
    return OffPolicy(
        method=method,
        value=value,
        interval=interval,
        se=se,
        effective=effective,
        n_units=n_units,
        clipped=clipped,
        mean_weight=float(raw.mean()),
        refused=bool(why),
        says=why
        or f"{value:.4g} ({interval.low:.4g} to {interval.high:.4g}) by {method}, worth {effective:,.0f} units of its own"
        + (f", {100 * clipped:.2g} % of weights cut at {clip:g}" if clipped else ""),
    )


def _sound(r: Floats, p: Floats, t: Floats) -> None:
    if not len(r) or not len(r) == len(p) == len(t):
        raise DataError(
            f"{len(r)} rewards, {len(p)} propensities, {len(t)} targets", fix="give all three for every row"
        )
    if not (np.isfinite(r).all() and np.isfinite(p).all() and np.isfinite(t).all()):
        raise DataError("a reward, propensity or target is missing", fix="leave out rows without an outcome yet")
    if (p <= 0).any() or (p > 1).any() or (t < 0).any() or (t > 1).any():
        raise DataError(
            f"propensities from {p.min():g} to {p.max():g}, targets from {t.min():g} to {t.max():g}",
            fix="log the chance of the decision that was made: above 0, and at most 1",
        )


def _model(method: Method, predicted: ArrayLike | None, over: ArrayLike | None, n: int) -> tuple[Floats, Floats]:
    """Return the model's rewards of the decision made and of the other policy; zeros where none is used."""
    if method != "doubly robust":
        return np.zeros(n), np.zeros(n)
    if predicted is None or over is None:
        raise DataError("doubly robust without a model", fix="give predicted and predicted_target, or take snips")
    q, v = np.asarray(predicted, np.float64).reshape(-1), np.asarray(over, np.float64).reshape(-1)
    if len(q) != n or len(v) != n or not (np.isfinite(q).all() and np.isfinite(v).all()):
        raise DataError("the model's rewards are not one number for every row", fix="predict for every row")
    return q, v


def _estimate(method: Method, r: Floats, w: Floats, q: Floats, v: Floats) -> tuple[float, Floats]:
    """Return the value, and by how much each row draws it, times the number of rows."""
    if method == "snips":
        value = float(w @ r / w.sum()) if w.sum() > 0 else math.nan
        return value, w * (r - value) / w.mean() if w.sum() > 0 else np.zeros(len(r))
    each = v + w * (r - q)
    return float(each.mean()), each - each.mean()


def _normal(value: float, se: float, confidence: float) -> Interval:
    from scipy.special import ndtri  # not at start-up

    half = float(ndtri((1 + confidence) / 2)) * se
    return Interval(low=value - half, high=value + half, confidence=confidence)


def _bootstrap(
    method: Method,
    columns: tuple[Floats, Floats, Floats, Floats],
    unit: NDArray[np.int64],
    confidence: float,
    *,
    rng: np.random.Generator,
    n_draws: int,
) -> Interval:
    """Return the percentiles over draws of whole units."""
    r, w, q, v = columns
    values = []
    for counts in unit_weights(unit, len(unit), n_draws, rng=rng):
        if method == "snips":
            weight = counts * w
            values.append(float(weight @ r / weight.sum()) if weight.sum() > 0 else math.nan)
        else:
            values.append(float(counts @ (v + w * (r - q)) / counts.sum()))
    low, high = np.nanquantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(low=float(low), high=float(high), confidence=confidence)


def _effective(w: Floats, unit: NDArray[np.int64]) -> float:
    """Return Kong's (Σw)² / Σw², of the weights summed by unit where units have several rows."""
    by_unit = np.bincount(unit, weights=w)
    square = float(by_unit @ by_unit)
    return float(by_unit.sum()) ** 2 / square if square > 0 else 0.0


def _refusal(raw: Floats, w: Floats, unit: NDArray[np.int64], least: float) -> str:
    """Return why nothing can be said, or nothing."""
    effective = _effective(w, unit)
    if effective < least:
        return f"refused: the log is worth {effective:,.0f} units of the other policy's own, {least:,.0f} are needed"
    by_unit = np.bincount(unit, weights=raw - 1)
    se = math.sqrt(float(by_unit @ by_unit)) / len(raw)
    if abs(raw.mean() - 1) > OFF * se + 1e-9:
        return (
            f"refused: weights average {raw.mean():.3g} where 1 is expected: the logged propensities are wrong, or the other "
            "policy does what the log never did"
        )
    return ""
