"""How much better than what is there already: paired on the same rows, with the choice repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.check import Interval
from mulle.metrics.base import Metric
from mulle.trials.bbc import N_DRAWS, WIDEN_GAIN, best_of, pool, repeat_choice, widening
from mulle.trials.bootstrap import Floats
from mulle.trials.estimate import freedom, quantile_t


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """How much better one thing is than another, on the same rows. Positive is better, whatever the metric.

    Parameters
    ----------
    value
        The gain, with the luck of the choice taken out.
    interval
        Two-sided.
    bound
        What the gain exceeds with the confidence of the interval: one-sided, for gates.
    raw
        Before the correction.
    over
        The position of the best baseline, over which the gain is.
    p
        Of no gain at all, one-sided.
    sd
        The standard error.
    n_rows, n_units, n_draws
        On how much it rests.
    """

    value: float
    interval: Interval
    bound: float
    raw: float
    over: int
    p: float
    sd: float
    n_rows: int
    n_units: int
    n_draws: int


def paired_gain(
    metric: Metric,
    target: NDArray[Any],
    predictions: Sequence[Floats] | Floats,
    baselines: Sequence[Floats] | Floats,
    *,
    rng: np.random.Generator,
    units: NDArray[np.generic] | None = None,
    weight: Floats | None = None,
    ships: int | None = None,
    protocol: str = "kfold",
    confidence: float = 0.95,
    n_draws: int = N_DRAWS,
    seconds: float | None = None,
) -> Gain:
    """Return the gain of what was chosen over the best baseline.

    Each draw chooses the model again on the drawn rows, and the baseline too, and compares the two winners on the rows
    that were left out: so a model that owes its place to luck shows no gain.

    Parameters
    ----------
    metric
        By which the choice was made.
    target
        ``[rows]``.
    predictions
        Of all configurations among which the choice was made, ``[configs, rows, outputs]``; one alone when nothing was
        chosen on these rows. NaN where a row was not validated.
    baselines
        ``[baselines, rows, outputs]``. A constant must be one constant for all folds: one a fold ranks rows backwards.
    rng
        For the draws.
    units, weight
        ``[rows]`` or None.
    ships
        The configuration that ships, when something else than the metric chose it.
    protocol
        Of the folds; see `mulle.trials.bbc.honest`.
    confidence
        Of the interval and the bound, 0..1.
    n_draws, seconds
        See `mulle.trials.bbc.repeat_choice`.

    Returns
    -------
    Gain
        Absolute, in the metric's own unit.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=400)
    >>> model, baseline = y + rng.normal(size=400) * 0.5, np.zeros(400)
    >>> gain = paired_gain(metrics.get("rmse"), y, model[None, :, None], baseline[None, :, None], rng=rng)
    >>> 0.35 < gain.bound < gain.value < 0.6
    True
    """
    n_models = len(predictions)
    held = pool(target, [*predictions, *baselines], rng=rng, units=units, weight=weight)
    prepared = [metric.prepare(held.target, prediction) for prediction in held.predictions]
    full = np.array([value_of(held.weight) for value_of in prepared])
    winner, over = best_of(metric, full[:n_models]), best_of(metric, full[n_models:])
    model = winner if ships is None else ships
    done = repeat_choice(metric, prepared, held, rng=rng, n_models=n_models, n_draws=n_draws, seconds=seconds)
    base = float(full[n_models + over])
    raw = metric.gain(float(full[model]), base)
    value = raw
    if len(prepared) > 2:  # noqa: PLR2004  # one model, one baseline: nothing was chosen
        luck = done.luck(metric.gain(float(full[winner]), base))
        value -= luck if model == winner else max(luck, 0.0)
    gains = done.inside[:, model] - done.inside[:, n_models + over]
    sd = widening(protocol, WIDEN_GAIN) * float(np.nanstd(gains, ddof=1))
    degrees = freedom(metric, held.target, held.unit)
    return Gain(
        value=value,
        interval=_two_sided(value, sd, degrees, confidence),
        bound=value - sd * quantile_t(2 * confidence - 1, degrees),
        raw=raw,
        over=over,
        p=_chance(value, sd, degrees),
        sd=sd,
        n_rows=len(held.target),
        n_units=int(held.unit.max()) + 1,
        n_draws=len(done.inside),
    )


def _two_sided(value: float, sd: float, degrees: int, confidence: float) -> Interval:
    half = sd * quantile_t(confidence, degrees)
    return Interval(low=value - half, high=value + half, confidence=confidence)


def _chance(value: float, sd: float, degrees: int) -> float:
    """Return how probable so large a gain is where there is none."""
    from scipy.special import stdtr  # not at start-up

    if sd == 0:
        return 0.0 if value > 0 else 1.0
    return float(stdtr(degrees, -value / sd))
