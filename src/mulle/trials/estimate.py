"""A number with its interval: how it was estimated, on how much, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.check import Interval
from mulle.metrics.base import Metric
from mulle.trials.bootstrap import Floats, Ints, numbered, unit_weights
from mulle.trials.scale import Scale

N_DRAWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number and how sure it is.

    Parameters
    ----------
    value
        The estimate.
    interval
        Of the truth.
    raw
        What the rows say before any correction. Equal to `value` where nothing was chosen on them.
    n_rows, n_units
        On how much it rests.
    n_draws
        Of the bootstrap.
    n_configs
        Among how many the choice was made.
    sd
        The standard error, on the metric's own scale.
    says
        How it was done, in words.
    """

    value: float
    interval: Interval
    raw: float
    n_rows: int
    n_units: int
    n_draws: int
    n_configs: int = 1
    sd: float = 0.0
    says: str = ""


def estimate(
    metric: Metric,
    target: NDArray[Any],
    prediction: Floats,
    *,
    rng: np.random.Generator,
    units: NDArray[np.generic] | None = None,
    weight: Floats | None = None,
    confidence: float = 0.95,
    n_draws: int = N_DRAWS,
) -> Estimate:
    """Return a metric with its interval for predictions that were not chosen on these rows: a sealed test, a slice.

    Parameters
    ----------
    metric
        What to compute.
    target, prediction
        ``[rows]`` and ``[rows, outputs]``.
    rng
        For the draws.
    units
        ``[rows]``, equal for rows that are drawn together.
    weight
        ``[rows]``, of the rows themselves.
    confidence
        Of the interval, 0..1.
    n_draws
        Of the bootstrap.

    Returns
    -------
    Estimate
        With NaN, and an interval from NaN to NaN, where the metric has no value on these rows.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> y, p = np.array([0.0, 1.0] * 50), np.array([[0.2], [0.9]] * 45 + [[0.7], [0.4]] * 5)
    >>> found = estimate(metrics.get("accuracy"), y, p, rng=np.random.default_rng(0))
    >>> found.value, 0.8 < found.interval.low < 0.86 and 0.93 < found.interval.high < 0.96
    (0.9, True)
    """
    value_of = metric.prepare(target, prediction)
    unit = numbered(units, len(target))
    drawn = unit_weights(units, len(target), n_draws, rng=rng)
    values = np.array([value_of(counts if weight is None else counts * weight) for counts in drawn])
    value, n_units = value_of(weight), int(unit.max(initial=-1)) + 1
    interval, sd = spread(metric, value, values, target=target, unit=unit, confidence=confidence)
    says = f"bootstrap of {n_units:,} units, {n_draws} draws"
    return Estimate(
        value=value,
        interval=interval,
        raw=value,
        n_rows=len(target),
        n_units=n_units,
        n_draws=n_draws,
        sd=sd,
        says=says,
    )


def spread(
    metric: Metric,
    value: float,
    values: Floats,
    *,
    target: NDArray[Any],
    unit: Ints,
    confidence: float,
    widen: float = 1.0,
) -> tuple[Interval, float]:
    """Return the interval round a value, from bootstrap values of the metric, and their standard deviation.

    The bootstrap gives the standard error on the metric's `Scale`; Student's t with the degrees of freedom of the
    rarest class gives how many of them. Percentiles of the draws hold too little on few rows: see the decision page
    ``intervals``.

    Parameters
    ----------
    metric
        Its scale counts.
    value
        The middle.
    values
        Of the metric, one a draw; NaN ones are left out.
    target, unit
        ``[rows]``, for the degrees of freedom.
    confidence
        0..1.
    widen
        A factor on the standard error.

    Returns
    -------
    Interval
        Within the metric's bounds.
    float
        The standard error: the standard deviation of the values, widened.
    """
    values = values[np.isfinite(values)]
    if not np.isfinite(value) or len(values) < 2:  # noqa: PLR2004
        return Interval(low=float("nan"), high=float("nan"), confidence=confidence), float("nan")
    n_units = int(unit.max()) + 1
    scale = Scale.of(metric, np.append(values, value), middle=value, n_units=n_units)
    if float(np.ptp(values)) == 0:
        return _all_alike(metric, value, n_units, confidence), 0.0
    half = widen * float(np.std(scale.to(values), ddof=1)) * quantile_t(confidence, freedom(metric, target, unit))
    middle = float(scale.to(value))
    low, high = (float(end) for end in scale.back([middle - half, middle + half]))
    return Interval(low=low, high=high, confidence=confidence), widen * float(np.std(values, ddof=1))


def _all_alike(metric: Metric, value: float, n_units: int, confidence: float) -> Interval:
    """Return the exact bound for a rate of which no exception was seen: 1 - (α/2)^(1/n) away from the value."""
    away = 1 - ((1 - confidence) / 2) ** (1 / n_units)
    if metric.worst is None:
        return Interval(low=value, high=value, confidence=confidence)
    ends = sorted((metric.best, metric.worst))
    off = away * (ends[1] - ends[0])
    return Interval(low=max(value - off, ends[0]), high=min(value + off, ends[1]), confidence=confidence)


def freedom(metric: Metric, target: NDArray[Any], unit: Ints) -> int:
    """Return the degrees of freedom of an estimate: units less one, or for two classes those of the rarer.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> freedom(metrics.get("roc_auc"), np.array([0, 0, 0, 0, 1, 1, 1]), np.arange(7))
    2
    """
    n_units = int(unit.max()) + 1
    if "binary" not in metric.tasks or np.ndim(target) > 1:
        return max(n_units - 1, 2)
    flat = np.asarray(target).reshape(-1)
    classes = np.unique(flat)
    if len(classes) != 2:  # noqa: PLR2004  # of many classes no single one decides
        return max(n_units - len(classes), 2)
    return max(min(len(np.unique(unit[flat == c])) for c in classes) - 1, 2)


def quantile_t(confidence: float, degrees: int) -> float:
    """Return how many standard errors an interval reaches to each side, by Student's t.

    Examples
    --------
    >>> quantile_t(0.95, 10)
    2.228
    """
    from scipy.special import stdtrit  # not at start-up

    return float(stdtrit(degrees, (1 + confidence) / 2))
