"""Give each arm as much traffic as it is likely to be the best, and still measure honestly.

For many arms and one metric that is known soon. Units that come back may get another arm in the next batch, so let the unit
be something that comes once: a session, a query.

Sources: Thompson, *On the likelihood that one unknown probability exceeds another*, Biometrika 25, 1933; Zhang, Janson,
Murphy, *Inference for batched bandits*, NeurIPS 2020 (the estimate by batch).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import DataError, ProjectError
from mulle.trials.assign import N_BUCKETS
from mulle.trials.effect import Effect
from mulle.trials.moments import Moments

Floats = NDArray[np.float64]

FLOOR = 0.01
N_POINTS = 1001
"""Points at which the chance to be the best is summed up: the error stays below a bucket's 1/10,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaBelief:
    """What is believed of an arm's share of yes, after `yes` and `no` (with the flat prior's one of each)."""

    yes: float = 1.0
    no: float = 1.0

    def after(self, n_yes: float, n: float) -> BetaBelief:
        """Return the belief after seeing `n_yes` of `n`; effective counts need not be whole.

        Examples
        --------
        >>> BetaBelief().after(3, 10)
        BetaBelief(yes=4.0, no=8.0)
        """
        return BetaBelief(yes=self.yes + n_yes, no=self.no + n - n_yes)

    def below(self, x: Floats) -> Floats:
        """Return the chance that the share is below each value."""
        from scipy.special import betainc  # not at start-up

        found: Floats = betainc(self.yes, self.no, np.clip(x, 0, 1))
        return found

    def at(self, chance: Floats) -> Floats:
        """Return the value below which the share is with each chance."""
        from scipy.special import betaincinv  # not at start-up

        found: Floats = betaincinv(self.yes, self.no, chance)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalBelief:
    """What is believed of an arm's mean: a middle and its standard deviation."""

    mean: float
    sd: float

    def after(self, seen: Moments) -> NormalBelief:
        """Return the belief after seeing units; of fewer than two, or all alike, it stays as it is.

        Examples
        --------
        >>> NormalBelief(mean=0.0, sd=10.0).after(Moments(n=100, mean=4.0, variance=400.0))
        NormalBelief(mean=3.85, sd=1.96)
        """
        if seen.n < 2 or not seen.se > 0:  # noqa: PLR2004  # no variance
            return self
        prior, data = self.sd**-2, seen.se**-2
        return NormalBelief(mean=(prior * self.mean + data * seen.mean) / (prior + data), sd=(prior + data) ** -0.5)

    def below(self, x: Floats) -> Floats:
        """Return the chance that the mean is below each value."""
        from scipy.special import ndtr  # not at start-up

        found: Floats = ndtr((x - self.mean) / self.sd)
        return found

    def at(self, chance: Floats) -> Floats:
        """Return the value below which the mean is with each chance."""
        from scipy.special import ndtri  # not at start-up

        found: Floats = self.mean + self.sd * ndtri(chance)
        return found


Belief = BetaBelief | NormalBelief


def chances(beliefs: Mapping[str, Belief]) -> dict[str, float]:
    """Return the chance of each arm to be the best, larger being better.

    Parameters
    ----------
    beliefs
        By arm, of one kind.

    Returns
    -------
    dict
        Summing to 1. Computed by sums over quantiles, not drawn: equal beliefs give equal numbers.

    Examples
    --------
    >>> found = chances({"a": BetaBelief().after(10, 100), "b": BetaBelief().after(15, 100)})
    >>> round(found["b"], 3)
    0.853

    Notes
    -----
    P(arm is best) = ∫ f(x) Π F_other(x) dx, taken at the arm's own evenly spaced quantiles.
    """
    middles = (np.arange(N_POINTS) + 0.5) / N_POINTS
    found = {}
    for name, belief in beliefs.items():
        x = belief.at(middles)
        others = [other.below(x) for key, other in beliefs.items() if key != name]
        found[name] = float(np.prod(others, axis=0).mean()) if others else 1.0
    total = sum(found.values())
    return {name: chance / total for name, chance in found.items()}


def thompson(beliefs: Mapping[str, Belief], *, floor: float = FLOOR) -> dict[str, float]:
    """Return each arm's share of the next batch: its propensity, in whole 10,000ths, ready for `Arms.of`.

    Parameters
    ----------
    beliefs
        By arm, after the batches so far.
    floor
        No arm gets less, so that what the policy learns from can always be measured.

    Returns
    -------
    dict
        floor + (1 - arms × floor) × chance to be the best; sums to 1.

    Raises
    ------
    ProjectError
        When the floors alone are more than there is.

    Examples
    --------
    >>> shares = thompson({"a": BetaBelief().after(10, 1000), "b": BetaBelief().after(80, 1000)})
    >>> shares
    {'a': 0.01, 'b': 0.99}
    """
    if not 0 <= floor * len(beliefs) <= 1:
        raise ProjectError(f"a floor of {floor:g} for {len(beliefs)} arms", fix="give a lower floor, or fewer arms")
    best = chances(beliefs)
    ideal = {name: (floor + (1 - floor * len(best)) * chance) * N_BUCKETS for name, chance in best.items()}
    parts = {name: math.floor(share + 1e-9) for name, share in ideal.items()}
    by_rest = sorted(ideal, key=lambda name: parts[name] - ideal[name])
    for name in by_rest[: N_BUCKETS - sum(parts.values())]:
        parts[name] += 1
    return {name: n / N_BUCKETS for name, n in parts.items()}


def batch_effect(batches: Sequence[tuple[Moments, Moments]]) -> Effect:
    """Return the effect of an arm over another when shares changed from batch to batch.

    The plain difference of means is biased: an arm that was unlucky early gets few units and cannot recover; and it mixes
    days on which everything was better. Within a batch shares are fixed, so each batch's own difference is sound;
    they are weighed by one over their standard errors.

    Parameters
    ----------
    batches
        Control and candidate, in each batch. Those in which an arm has no unit, or all units
        are alike, are left out.

    Returns
    -------
    Effect
        Normal, whatever the shares were.

    Raises
    ------
    DataError
        When no batch can be used.

    Examples
    --------
    >>> early = (Moments.share(50, 500), Moments.share(60, 500))
    >>> late = (Moments.share(10, 100), Moments.share(117, 900))
    >>> found = batch_effect([early, late])
    >>> found.value, found.se
    (0.0236, 0.018)

    Notes
    -----
    Source: Zhang, Janson, Murphy, 2020, section 4: Σ Δ_t / σ_t over √T is standard normal; inverted for a constant effect.
    Batches there are alike in size; here each counts by √n_t, so that Σ √n_t Δ_t / σ_t over √Σ n_t grows with the units as
    the statistic of a trial with looks does, and group-sequential boundaries hold for it. For the variances see `_spread`.
    """
    used = [batch for batch in batches if min(arm.n for arm in batch) > 0]
    n = np.array([[arm.n for arm in batch] for batch in used], np.float64).reshape(-1, 2)
    spread = _spread([[arm.variance if arm.n > 1 else 0.0 for arm in batch] for batch in used], n)
    some = spread.sum(axis=1) > 0
    kept = [batch for batch, counts in zip(used, some.tolist(), strict=True) if counts]
    if not kept:
        raise DataError(
            "no batch has units in both arms that differ", fix="make the batches longer, or raise the floor"
        )
    n_units = n[some].sum(axis=1)
    weight = np.sqrt(n_units) / np.sqrt((spread / n).sum(axis=1)[some])
    return Effect(
        value=float(weight @ [candidate.mean - control.mean for control, candidate in kept] / weight.sum()),
        se=math.sqrt(float(n_units.sum())) / float(weight.sum()),
        base=float(weight @ [control.mean for control, _ in kept] / weight.sum()),
        n_units=sum(control.n + candidate.n for control, candidate in kept),
    )


def standardised(batches: Sequence[tuple[Moments, Moments]]) -> tuple[Moments, Moments]:
    """Return each arm's moments as if both had met the same mixture of batches.

    Thrown together, an arm that got most of its units on good days would look better. Each batch counts by its harmonic
    number of units: what a difference within it is worth.

    Parameters
    ----------
    batches
        Control and candidate, in each batch. Those in which an arm has no unit are left out.

    Returns
    -------
    tuple of Moments
        Control and candidate. ``n`` is the effective number of units, rounded down, ``variance`` that within batches; of a
        single batch both are its own. ``n`` of 0 where no batch has both arms.

    Examples
    --------
    >>> early = (Moments.share(30, 100), Moments.share(270, 900))
    >>> late = (Moments.share(450, 900), Moments.share(50, 100))
    >>> [(arm.mean, arm.n) for arm in standardised([early, late])]
    [(0.4, 360), (0.4, 360)]

    Notes
    -----
    Source: direct standardisation with Mantel-Haenszel weights, n_1 n_0 / (n_1 + n_0); Kish, Survey sampling, 1965, for the
    effective number: (Σ w)² / Σ (w² / n).
    """
    used = [batch for batch in batches if min(arm.n for arm in batch) > 0]
    if not used:
        nothing = Moments(n=0, mean=math.nan, variance=math.nan)
        return nothing, nothing
    n = np.array([[arm.n for arm in batch] for batch in used], np.float64)
    weight = n.prod(axis=1) / n.sum(axis=1)
    control, candidate = (_mixed([batch[i] for batch in used], weight) for i in range(2))
    return control, candidate


def _mixed(arm: Sequence[Moments], weight: Floats) -> Moments:
    n = np.array([one.n for one in arm], np.float64)
    freedom = n - 1
    squares = float(sum((one.n - 1) * one.variance for one in arm if one.n > 1))
    return Moments(
        n=math.floor(weight.sum() ** 2 / float((weight**2 / n).sum()) + 1e-9),
        mean=float(weight @ [one.mean for one in arm] / weight.sum()),
        variance=squares / float(freedom.sum()) if freedom.sum() else math.nan,
    )


def believed(control: Moments, candidate: Moments, *, yes_or_no: bool) -> tuple[Belief, Belief]:
    """Return what is believed of both arms after their moments, nothing having been believed before.

    Parameters
    ----------
    control, candidate
        From `standardised`, or of one batch.
    yes_or_no
        Whether each unit's metric is 0 or 1: a Beta belief with the flat prior; else a normal one, in which the larger of
        both variances stands for both: an arm of a few units that are all alike is not certain.

    Returns
    -------
    tuple
        Of control and candidate.

    Raises
    ------
    DataError
        When an arm has no unit, or no unit differs from another where the metric is a number.

    Examples
    --------
    >>> believed(Moments.share(10, 100), Moments.share(15, 100), yes_or_no=True)
    (BetaBelief(yes=11.0, no=91.0), BetaBelief(yes=16.0, no=86.0))
    """
    arms = control, candidate
    variance = max((arm.variance for arm in arms if arm.n > 1), default=0.0)
    if not (control.n and candidate.n) or not (yes_or_no or variance > 0):
        raise DataError("both arms need units that differ, to believe anything", fix="wait for feedback of both arms")
    if yes_or_no:
        one, other = (BetaBelief().after(arm.mean * arm.n, arm.n) for arm in arms)
        return one, other
    first, second = (NormalBelief(mean=arm.mean, sd=math.sqrt(variance / arm.n)) for arm in arms)
    return first, second


def _spread(variances: Sequence[Sequence[float]], n: Floats) -> Floats:
    """Return the variance of a unit, ``[batches, arms]``: the batch's own, times how much more the arm varies than the other.

    Ten units of an arm in a batch tell too little of their own variance: chance would say how much the batch counts. And an
    arm is never taken to vary less than both together: where few say yes, the arm that was unlucky would be too sure of it.
    """
    own, freedom = np.asarray(variances, np.float64).reshape(-1, 2), np.maximum(n - 1, 0)
    batch = (own * freedom).sum(axis=1, keepdims=True) / np.maximum(freedom.sum(axis=1, keepdims=True), 1)
    expected = (batch * freedom).sum(axis=0)
    factor = np.divide((own * freedom).sum(axis=0), expected, out=np.ones_like(expected), where=expected > 0)
    found: Floats = batch * np.maximum(factor, 1.0)
    return found
