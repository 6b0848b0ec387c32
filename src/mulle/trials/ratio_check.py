"""Whether the arms got the shares that they should have: if not, something is broken, and no number of the trial counts.

Source: Fabijan et al., *Diagnosing sample ratio mismatch in online controlled experiments*, KDD 2019 (χ², α well below .05);
Lindon, Malek, *Anytime-valid inference for multinomial count data*, NeurIPS 2022 (the test that holds at all looks together).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import DataError

ALPHA = 0.001
LOSS = 0.02
LEAST_EXPECTED = 5
"""Units expected in the smallest arm, below which χ² is no good."""
CONCENTRATION = 10_000.0
"""How far from the plan the always-valid test looks: as if so many units had been seen at the planned shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioCheck:
    """The counts of a trial against its plan.

    Parameters
    ----------
    counts, expected
        Units by arm.
    p
        Of the χ² test, for one look; NaN with too few units.
    always_p
        Of a test that may be asked at every look; never above the smallest so far if that is handed in.
    alpha
        Below which the counts do not fit.
    blocks
        Whether no verdict may be given: the counts do not fit, or there are too few to tell.
    power
        The chance to notice that the smallest arm has 2 % fewer units than planned, 0..1.
    says
        One sentence.
    """

    counts: dict[str, int]
    expected: dict[str, float]
    p: float
    always_p: float
    alpha: float
    blocks: bool
    power: float
    says: str


def check_ratio(
    counts: Mapping[str, int],
    shares: Mapping[str, float],
    *,
    alpha: float = ALPHA,
    loss: float = LOSS,
    before: float = 1.0,
) -> RatioCheck:
    """Check the units that each arm exposed against the shares that it was to get.

    Parameters
    ----------
    counts
        Units exposed, by arm. An arm without any counts 0; leave none out.
    shares
        Planned, by arm; a share of 0 is left out of both. Of several ramps: check each stretch of equal shares alone.
    alpha
        The chance of a false alarm.
    loss
        The share of its units that the smallest arm would have lost to the others, for `power`.
    before
        The `always_p` of the look before, so that an alarm once raised stays.

    Returns
    -------
    RatioCheck
        It blocks on either test: χ² at `alpha` at this look, or the always-valid one at any.

    Raises
    ------
    DataError
        When counts and shares name other arms, a count is negative, or there are fewer than two arms.

    Examples
    --------
    >>> check_ratio({"champion": 50_000, "candidate": 48_900}, {"champion": 0.5, "candidate": 0.5}).says
    'champion 50,000 and candidate 48,900 of 98,900 do not fit 50 % and 50 % (p = 0.00047): ...'
    """
    planned = _planned(counts, shares)
    n = sum(counts[arm] for arm in planned)
    expected = {arm: n * share for arm, share in planned.items()}
    few = min(expected.values()) < LEAST_EXPECTED
    seen, ideal = np.array([counts[a] for a in planned], np.float64), np.array(list(expected.values()))
    p = math.nan if few else _p(float(((seen - ideal) ** 2 / ideal).sum()), len(planned))
    always_p = min(before, always_ratio_p(seen, np.array(list(planned.values()))))
    wrong = always_p < alpha or (not few and p < alpha)
    power = power_of_ratio(n, planned, alpha=alpha, loss=loss)
    return RatioCheck(
        counts={arm: counts[arm] for arm in planned},
        expected=expected,
        p=p,
        always_p=always_p,
        alpha=alpha,
        blocks=wrong or few,
        power=power,
        says=_says(counts, planned, p, wrong=wrong, few=few, power=power, loss=loss),
    )


def check_ratio_over(
    batches: Sequence[tuple[Mapping[str, int], Mapping[str, float]]],
    *,
    alpha: float = ALPHA,
    loss: float = LOSS,
    before: float = 1.0,
) -> RatioCheck:
    """Check the units of two arms against shares that changed on the way, each unit by the share of its own batch.

    Parameters
    ----------
    batches
        Units exposed and shares planned, both by arm, the control first, of each stretch of equal shares.
    alpha, loss, before
        As of `check_ratio`.

    Returns
    -------
    RatioCheck
        Of one batch the same as `check_ratio`. Its sentence names the shares that all units together were to get.

    Raises
    ------
    DataError
        When there is no batch, or one has other than two arms.

    Examples
    --------
    >>> halves, most = {"champion": 0.5, "candidate": 0.5}, {"champion": 0.1, "candidate": 0.9}
    >>> batches = [({"champion": 490, "candidate": 510}, halves), ({"champion": 105, "candidate": 895}, most)]
    >>> check_ratio_over(batches).says
    'champion 595 and candidate 1,405 of 2,000 fit 30 % and 70 % (p = 0.79); ...'

    Notes
    -----
    Given what came before, each unit meets the candidate with its batch's share p, whatever that share was chosen by; so
    (Σ met - Σ p)² / Σ p (1 - p) is χ² of one degree (martingale central limit: Hall, Heyde, Martingale limit theory, 1980,
    theorem 3.2). Bayes factors of the batches multiply: Lindon, Malek, 2022, section 3.
    """
    planned = [(counts, _planned(counts, shares)) for counts, shares in batches]
    if not planned or any(len(shares) != 2 for _, shares in planned):  # noqa: PLR2004
        raise DataError("a ratio over batches is one of two arms", fix="give counts and shares of both in each batch")
    names = list(planned[0][1])
    seen = np.array([[counts[name] for name in names] for counts, _ in planned], np.float64)
    share = np.array([[shares[name] for name in names] for _, shares in planned])
    n = seen.sum(axis=1)
    ideal = n @ share
    few = float(ideal.min()) < LEAST_EXPECTED
    p = math.nan if few else _p(float((seen[:, 1].sum() - ideal[1]) ** 2 / (n @ share.prod(axis=1))), 2)
    log_factor = sum(_log_factor(*one) for one in zip(seen, share, strict=True))
    always_p = min(before, math.exp(min(-log_factor, 0.0)))
    wrong = always_p < alpha or (not few and p < alpha)
    counts = {name: int(k) for name, k in zip(names, seen.sum(axis=0), strict=True)}
    overall = {name: float(k) for name, k in zip(names, ideal / n.sum() if n.sum() else share[-1], strict=True)}
    power = power_of_ratio(int(n.sum()), overall, alpha=alpha, loss=loss)
    return RatioCheck(
        counts=counts,
        expected=dict(zip(names, ideal.tolist(), strict=True)),
        p=p,
        always_p=always_p,
        alpha=alpha,
        blocks=wrong or few,
        power=power,
        says=_says(counts, overall, p, wrong=wrong, few=few, power=power, loss=loss),
    )


def _planned(counts: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of the arms that take part, to sum to 1."""
    planned = {arm: share for arm, share in shares.items() if share > 0}
    strange = sorted(arm for arm in counts if arm not in planned and counts[arm])
    if strange or any(arm not in counts for arm in planned) or any(n < 0 for n in counts.values()):
        raise DataError(
            f"counts of arms {sorted(counts)} for shares of arms {sorted(planned)}",
            fix="give the number of exposed units of every arm with a share, 0 where there are none",
        )
    if len(planned) < 2:  # noqa: PLR2004  # one arm has no ratio
        raise DataError("a ratio of fewer than two arms", fix="give the control and a challenger")
    total = sum(planned.values())
    return {arm: share / total for arm, share in planned.items()}


def _p(chi2: float, n_arms: int) -> float:
    from scipy.special import chdtrc  # not at start-up

    return float(chdtrc(n_arms - 1, chi2))


def power_of_ratio(n: int, shares: Mapping[str, float], *, alpha: float = ALPHA, loss: float = LOSS) -> float:
    """Return the chance that χ² notices that the smallest arm lost a share of its units to the others.

    Examples
    --------
    >>> [round(power_of_ratio(n, {"a": 0.5, "b": 0.5}), 2) for n in (10_000, 30_000, 100_000)]
    [0.1, 0.57, 1.0]
    """
    from scipy.special import chdtri, chndtr  # not at start-up

    planned = np.array(list(shares.values()), np.float64)
    lost = planned.copy()
    at = int(np.argmin(planned))
    lost[at] *= 1 - loss
    others = np.arange(len(planned)) != at
    lost[others] *= (1 - lost[at]) / planned[others].sum()
    away = n * float(((lost - planned) ** 2 / planned).sum())
    df = len(planned) - 1
    return float(1 - chndtr(chdtri(df, alpha), df, away)) if n else 0.0


def always_ratio_p(counts: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """Return a p-value that may be asked for at every look: one over the Bayes factor against the planned shares.

    Parameters
    ----------
    counts, shares
        ``[arms]``.

    Returns
    -------
    float
        0..1. The chance that it ever falls below α, without a fault, is at most α.

    Examples
    --------
    >>> always_ratio_p(np.array([5000.0, 5000.0]), np.array([0.5, 0.5]))
    1.0
    >>> always_ratio_p(np.array([5400.0, 4600.0]), np.array([0.5, 0.5])) < 1e-5
    True

    Notes
    -----
    Source: Lindon, Malek, 2022, equation 5: a Dirichlet prior round the planned shares.
    """
    return math.exp(min(-_log_factor(counts, shares), 0.0))


def _log_factor(counts: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    from scipy.special import gammaln  # not at start-up

    prior, n = CONCENTRATION * shares, counts.sum()
    found = gammaln(CONCENTRATION) - gammaln(CONCENTRATION + n) + (gammaln(prior + counts) - gammaln(prior)).sum()
    return float(found - counts @ np.log(shares))


def _says(
    counts: Mapping[str, int],
    planned: Mapping[str, float],
    p: float,
    *,
    wrong: bool,
    few: bool,
    power: float,
    loss: float,
) -> str:
    n = sum(counts[arm] for arm in planned)
    seen = " and ".join(f"{arm} {counts[arm]:,}" for arm in planned) + f" of {n:,}"
    plan = " and ".join(f"{100 * share:.4g} %" for share in planned.values())
    if wrong:
        return f"{seen} do not fit {plan} (p = {p:.2g}): assignment or logging is broken, no result can be trusted"
    if few:
        return f"{seen}: too few to check against {plan}"
    found = f"{100 * loss:g} % fewer in the smallest arm would show with a chance of {100 * power:.0f} %"
    return f"{seen} fit {plan} (p = {p:.2g}); {found}"
