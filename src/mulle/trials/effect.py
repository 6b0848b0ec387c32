"""The difference between two arms, absolute and relative, with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mulle.core.check import Interval
from mulle.trials.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Candidate less control, a unit.

    Parameters
    ----------
    value
        In the metric's own unit.
    se
        The standard error of the value.
    base
        The control's mean.
    n_units
        Of both arms.
    """

    value: float
    se: float
    base: float
    n_units: int

    @property
    def z(self) -> float:
        """The value in standard errors; 0 where both arms are constant and alike, NaN where nothing is known."""
        if self.se == 0:
            return 0.0 if self.value == 0 else math.copysign(math.inf, self.value)
        return self.value / self.se

    @property
    def known(self) -> bool:
        """Whether there is a value with an error that can be trusted: not from constant or empty arms."""
        return math.isfinite(self.value) and math.isfinite(self.se) and self.se > 0

    def p(self) -> float:
        """Return the two-sided p-value of no difference, for one look alone (normal)."""
        return math.erfc(abs(self.z) / math.sqrt(2))

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the interval for one look alone (normal)."""
        from scipy.special import ndtri  # not at start-up

        half = float(ndtri((1 + confidence) / 2)) * self.se
        return Interval(low=self.value - half, high=self.value + half, confidence=confidence)

    def minus(self, bar: float) -> Effect:
        """Return the effect beyond a bar."""
        return Effect(value=self.value - bar, se=self.se, base=self.base, n_units=self.n_units)

    def flipped(self) -> Effect:
        """Return the effect with its sign turned, for a metric where less is better."""
        return Effect(value=-self.value, se=self.se, base=self.base, n_units=self.n_units)


def effect(control: Moments, candidate: Moments) -> Effect:
    """Return the candidate's mean less the control's.

    Examples
    --------
    >>> found = effect(Moments.share(1000, 10_000), Moments.share(1100, 10_000))
    >>> found.value, found.se
    (0.01, 0.00433)
    >>> found.p()
    0.021

    Notes
    -----
    Variances are not pooled: Welch, The generalization of Student's problem, 1947. Units are many: the normal stands for t.
    """
    se = math.hypot(control.se, candidate.se)
    return Effect(value=candidate.mean - control.mean, se=se, base=control.mean, n_units=control.n + candidate.n)


def relative_effect(control: Moments, candidate: Moments) -> Effect:
    """Return the candidate's mean over the control's, less 1, with the delta method's standard error.

    Returns
    -------
    Effect
        With NaN where the control's mean is 0, or within three standard errors of it: a ratio then has no useful error.

    Examples
    --------
    >>> relative_effect(Moments.share(1000, 10_000), Moments.share(1100, 10_000)).value
    0.1

    Notes
    -----
    Source: Deng, Knoblich, Lu, Applying the delta method in metric analytics, KDD 2018, equation 3.
    """
    near_zero = 3.0
    n_units = control.n + candidate.n
    if not control.n or not candidate.n or not abs(control.mean) > near_zero * control.se:
        return Effect(value=math.nan, se=math.nan, base=control.mean, n_units=n_units)
    ratio = candidate.mean / control.mean
    variance = (candidate.variance / candidate.n + ratio**2 * control.variance / control.n) / control.mean**2
    return Effect(value=ratio - 1, se=math.sqrt(variance), base=control.mean, n_units=n_units)
