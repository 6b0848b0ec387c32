"""Intervals that hold at all times together, however often one looks and whenever one stops: for guardrails.

They need no planned size, and pay for it: at any one moment they are wider than those of `mulle.trials.sequential`.

Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, *Time-uniform central limit theory and asymptotic confidence sequences*,
Annals of Statistics 52, 2024 (arXiv 2103.06476): theorem 2.2 (two-sided), proposition B.1 (one-sided), appendix B.2 (tuning).
They are asymptotic: with very few units they promise too much; see `LEAST_UNITS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mulle.core.check import Interval
from mulle.trials.effect import Effect
from mulle.trials.moments import Moments

ALPHA = 0.05
TUNED = 5000
"""Units of both arms at which the interval is as narrow as it can be."""
LEAST_UNITS = 50
"""Of each arm, before anything is said."""

Sides = Literal[1, 2]


def scale(alpha: float = ALPHA, tuned: int = TUNED, *, sides: Sides = 2) -> float:
    """Return ρ of the sequence that is narrowest at `tuned` units.

    Examples
    --------
    >>> round(scale(0.05, 5000), 5)
    0.03984

    Notes
    -----
    Source: as above, equation B.8 (an approximation): ρ² = (-2 ln α + ln(1 - 2 ln α)) / n; one-sided with 2α for α.
    """
    a = alpha * (2 if sides == 1 else 1)
    return math.sqrt((-2 * math.log(a) + math.log(1 - 2 * math.log(a))) / tuned)


def reach(n: int, *, alpha: float = ALPHA, tuned: int = TUNED, sides: Sides = 2) -> float:
    """Return how many standard errors the interval reaches at `n` units: what 1.96 is for a single look.

    Parameters
    ----------
    n
        Units of both arms.
    alpha
        The chance that the interval ever misses the truth.
    tuned
        Where it is narrowest.
    sides
        1: only one end is used, and all of α is for it.

    Returns
    -------
    float
        √(2 (nρ² + 1) / (nρ²) · ln(√(nρ² + 1) / α)), and for one side ln(1 + √(nρ² + 1) / (2α)).

    Examples
    --------
    >>> [round(reach(n), 2) for n in (100, 5000, 1_000_000)]
    [6.69, 3.04, 3.66]
    """
    v = n * scale(alpha, tuned, sides=sides) ** 2
    room = math.log1p(math.sqrt(v + 1) / (2 * alpha)) if sides == 1 else math.log(math.sqrt(v + 1) / alpha)
    return math.sqrt(2 * (v + 1) / v * room)


def always_interval(effect: Effect, *, alpha: float = ALPHA, tuned: int = TUNED) -> Interval:
    """Return the two-sided interval of an effect that holds at all looks together.

    Examples
    --------
    >>> from mulle.trials.effect import effect
    >>> found = always_interval(effect(Moments.share(500, 5000), Moments.share(560, 5000)))
    >>> found.low, found.high
    (-0.00685, 0.0308)
    """
    half = reach(effect.n_units, alpha=alpha, tuned=tuned) * effect.se
    return Interval(low=effect.value - half, high=effect.value + half, confidence=1 - alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """What must not get worse, and whether it did.

    Parameters
    ----------
    name
        Of the metric.
    state
        ``"breached"``: worse than the margin, surely. ``"safe"``: within the margin, surely. ``"open"``: neither yet.
        ``"missing"``: there is nothing to say it from. Only *safe* is a pass.
    worse
        By how much the candidate is worse; negative where it is better.
    interval
        Of `worse`: from the bound for *breached* to the bound for *safe*, each one-sided at all times.
    margin
        By how much it may be worse.
    n_units
        Of both arms.
    more_units
        About how many more would decide, if things stay as they are; None where decided or none would.
    says
        One sentence.
    """

    name: str
    state: Literal["breached", "safe", "open", "missing"]
    worse: float
    interval: Interval
    margin: float
    n_units: int
    more_units: int | None
    says: str


def missing(name: str, margin: float) -> Guardrail:
    """Return the guardrail of a metric that nobody sent.

    Examples
    --------
    >>> missing("latency", 5.0).state
    'missing'
    """
    nan = math.nan
    return Guardrail(
        name=name,
        state="missing",
        worse=nan,
        interval=Interval(low=nan, high=nan),
        margin=margin,
        n_units=0,
        more_units=None,
        says=f"{name}: nothing was measured",
    )


def guard(
    name: str,
    control: Moments,
    candidate: Moments,
    *,
    margin: float,
    greater_is_better: bool,
    alpha: float = ALPHA,
    n_guardrails: int = 1,
    tuned: int = TUNED,
) -> Guardrail:
    """Watch a guardrail; look as often as you like.

    The larger of both arms' variances stands for both: an arm that has seen no error yet does not count as certain.

    Parameters
    ----------
    name
        Of the metric.
    control, candidate
        Of each arm's units so far.
    margin
        By how much the candidate may be worse, in the metric's unit, above 0: no finite trial shows that it is not worse
        at all.
    greater_is_better
        The metric's direction.
    alpha
        The chance of a false breach over all guardrails and time; and, for each, of a false *safe*.
    n_guardrails
        How many are watched together. Breaches share α (Bonferroni); *safe* needs no share, as all must be safe.
    tuned
        Units at which the intervals are narrowest.

    Returns
    -------
    Guardrail
        *open* below 50 units in either arm. While no unit differs from another it is never *safe*; and *breached* where
        the arms lie further apart than the margin: nothing is left to chance there.

    Examples
    --------
    >>> errors = guard(
    ...     "errors", Moments.share(40, 20_000), Moments.share(30, 1000), margin=0.005, greater_is_better=False
    ... )
    >>> errors.state, errors.says
    ('breached', 'errors: worse by 0.028 (0.0121 to 0.0439), allowed are 0.005')
    """
    sign = -1.0 if greater_is_better else 1.0
    if not (control.n and candidate.n):
        return missing(name, margin)
    worse, variance = sign * (candidate.mean - control.mean), max(control.variance, candidate.variance)
    se, n_units = math.sqrt(variance * (1 / control.n + 1 / candidate.n)), control.n + candidate.n
    if not (math.isfinite(worse) and math.isfinite(se)):
        return missing(name, margin)
    low = worse - reach(n_units, alpha=alpha / n_guardrails, tuned=tuned, sides=1) * se
    high = worse + reach(n_units, alpha=alpha, tuned=tuned, sides=1) * se
    few = min(control.n, candidate.n) < LEAST_UNITS
    state: Literal["breached", "safe", "open"] = (
        "open" if few else "breached" if low > margin else "safe" if high < margin and se > 0 else "open"
    )
    return Guardrail(
        name=name,
        state=state,
        worse=worse,
        interval=Interval(low=low, high=high, confidence=1 - alpha),
        margin=margin,
        n_units=n_units,
        more_units=_more(state, margin - worse, se, n_units, alpha=alpha, tuned=tuned),
        says=f"{name}: {_words(worse)} ({low:.3g} to {high:.3g}), allowed are {margin:g}{', too few units' if few else ''}",
    )


def _words(worse: float) -> str:
    """Say a difference.

    Examples
    --------
    >>> _words(0.02), _words(-0.02), _words(-0.0)
    ('worse by 0.02', 'better by 0.02', 'no difference')
    """
    if worse == 0:
        return "no difference"
    return f"worse by {worse:.3g}" if worse > 0 else f"better by {-worse:.3g}"


def _more(state: str, room: float, se: float, n: int, *, alpha: float, tuned: int) -> int | None:
    """Return how many more units would bring the bound to the margin, by doubling and halving."""
    most = 10_000_000
    if state != "open" or room == 0 or se == 0:
        return None
    needed = 2 * LEAST_UNITS
    while needed <= most and reach(needed, alpha=alpha, tuned=tuned, sides=1) * se * math.sqrt(n / needed) > abs(room):
        needed = math.ceil(needed * 1.1)
    return max(needed - n, 1) if needed <= most else None
