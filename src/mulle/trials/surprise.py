"""Whether the sealed test says something that validation did not promise."""

from __future__ import annotations

from dataclasses import dataclass

from mulle.core.check import Interval
from mulle.metrics.base import Metric
from mulle.trials.estimate import Estimate, quantile_t


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the sealed result differs from the validation estimate: positive is better than promised.

    ``surprise`` is true when the interval of the difference excludes zero.
    """

    value: float
    interval: Interval
    surprise: bool
    says: str


def difference(metric: Metric, validation: Estimate, sealed: Estimate, *, confidence: float = 0.95) -> Difference:
    """Return the sealed result less the validation estimate, with the interval of the difference.

    The two rest on different units, so that their errors are independent and their squares add up.

    Parameters
    ----------
    metric
        Of both.
    validation
        From `mulle.trials.bbc.honest`.
    sealed
        From `mulle.trials.estimate.estimate`.
    confidence
        Of the interval, 0..1.

    Returns
    -------
    Difference
        With a sentence for the report.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> held = dict(n_rows=900, n_units=900, n_draws=500, interval=Interval(low=0.0, high=1.0))
    >>> promised = Estimate(value=0.90, raw=0.91, sd=0.01, **held)
    >>> found = Estimate(value=0.84, raw=0.84, sd=0.015, **held)
    >>> difference(metrics.get("roc_auc"), promised, found).says
    'the sealed test is worse than validation promised: by 0.06 (0.0246 to 0.0954)'
    """
    value = metric.gain(sealed.value, validation.value)
    sd = (validation.sd**2 + sealed.sd**2) ** 0.5
    half = sd * quantile_t(confidence, max(min(validation.n_units, sealed.n_units) - 1, 2))
    interval = Interval(low=value - half, high=value + half, confidence=confidence)
    surprise = interval.low > 0 or interval.high < 0
    return Difference(value=value, interval=interval, surprise=surprise, says=_says(value, half, surprise=surprise))


def _says(value: float, half: float, *, surprise: bool) -> str:
    if not surprise:
        return f"the sealed test agrees with validation: a difference of {value:.3g} is within ±{half:.3g}"
    off = abs(value)
    word = "better" if value > 0 else "worse"
    span = f"{off - half:.3g} to {off + half:.3g}"
    return f"the sealed test is {word} than validation promised: by {off:.3g} ({span})"
