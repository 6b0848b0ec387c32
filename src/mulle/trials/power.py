"""How many units a trial needs, and how many days, to find the smallest effect worth having.

Source: Jennison, Turnbull, *Group sequential methods with applications to clinical trials*, 2000, sections 3.1 and 2.3
(normal approximation; looks as a factor on the size). Deng et al., WSDM 2013 (what CUPED leaves of the variance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mulle.core.errors import DataError, ProjectError
from mulle.trials.moments import Moments
from mulle.trials.sequential import ALPHA, inflation

WEEK = 7
LONGEST_DAYS = 3650
POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many units a trial needs.

    Parameters
    ----------
    n_control, n_candidate
        Units of each arm.
    effect
        The smallest worth having, in the metric's unit.
    alpha, power
        The chances to see what is not there, and to see the effect when it is.
    n_looks
        For which it is enough.
    """

    n_control: int
    n_candidate: int
    effect: float
    alpha: float
    power: float
    n_looks: int

    @property
    def n_units(self) -> int:
        """Units of both arms."""
        return self.n_control + self.n_candidate


def size(
    control: Moments,
    effect: float,
    *,
    candidate: Moments | None = None,
    share: float = 0.5,
    alpha: float = ALPHA,
    power: float = POWER,
    n_looks: int = 1,
    sides: Literal[1, 2] = 2,
    variance_left: float = 1.0,
) -> Size:
    """Return the size of a trial of a mean or a ratio metric.

    Parameters
    ----------
    control
        Of the metric before the trial, from the log: `Moments.of`, or `mulle.trials.delta.ratio`. Its `n` does not matter.
    effect
        The smallest worth having, in the metric's unit, not 0.
    candidate
        Its variance, where the effect changes it. None: as the control's.
    share
        Of the candidate among the trial's units, 0..1.
    alpha
        Over all looks and sides. Of several primary metrics: divide it by their number (Holm is never worse).
    power, n_looks, sides
        See `Size`; looks are evenly spaced, with O'Brien-Fleming boundaries.
    variance_left
        By CUPED; `Cuped.variance_left`.

    Returns
    -------
    Size
        Rounded up by arm.

    Raises
    ------
    ProjectError
        When the effect is 0, or a share or chance lies outside 0..1.
    DataError
        When the variance is unknown.

    Examples
    --------
    >>> size(Moments(n=1000, mean=20.0, variance=30.0**2), 1.0).n_units
    28256
    >>> size(Moments(n=1000, mean=20.0, variance=30.0**2), 1.0, variance_left=0.5, n_looks=5).n_units
    14478
    """
    from scipy.special import ndtri  # not at start-up

    for name, value in {"share": share, "alpha": alpha, "power": power}.items():
        if not 0 < value < 1:
            raise ProjectError(f"{name} is {value!r}", fix="give a number between 0 and 1")
    if not (math.isfinite(effect) and effect):
        raise ProjectError(f"the smallest effect worth having is {effect!r}", fix="give a number other than 0")
    other = candidate or control
    if not (control.variance >= 0 and other.variance >= 0):
        raise DataError("the variance of the metric is not known", fix="log the metric of at least two units first")
    needed = (float(ndtri(1 - alpha / sides) + ndtri(power)) / effect) ** 2
    needed *= (control.variance / (1 - share) + other.variance / share) * variance_left
    needed *= inflation(n_looks, alpha=alpha, power=power, sides=sides)
    return Size(
        n_control=max(math.ceil(needed * (1 - share) - 1e-6), 1),
        n_candidate=max(math.ceil(needed * share - 1e-6), 1),
        effect=effect,
        alpha=alpha,
        power=power,
        n_looks=n_looks,
    )


def size_of_share(
    base: float,
    effect: float,
    *,
    share: float = 0.5,
    alpha: float = ALPHA,
    power: float = POWER,
    n_looks: int = 1,
    sides: Literal[1, 2] = 2,
    variance_left: float = 1.0,
) -> Size:
    """Return the size of a trial of a yes or no a unit.

    Parameters
    ----------
    base
        The control's share of yes, 0..1.
    effect
        The smallest change worth having, in points of that share: .01 from .10 to .11.
    share, alpha, power, n_looks, sides, variance_left
        See `size`.

    Returns
    -------
    Size
        With each arm's own variance.

    Raises
    ------
    ProjectError
        When a share of yes lies outside 0..1.

    Examples
    --------
    >>> size_of_share(0.10, 0.01).n_units
    29498
    """
    arms = [Moments(n=0, mean=p, variance=p * (1 - p)) for p in (base, base + effect)]
    if not all(0 <= arm.mean <= 1 for arm in arms):
        raise ProjectError(
            f"shares of {base:g} and {base + effect:g}", fix="keep base and base + effect within 0 and 1"
        )
    return size(
        arms[0],
        effect,
        candidate=arms[1],
        share=share,
        alpha=alpha,
        power=power,
        n_looks=n_looks,
        sides=sides,
        variance_left=variance_left,
    )


def detectable(
    control: Moments, n_units: int, *, share: float = 0.5, alpha: float = ALPHA, power: float = POWER, n_looks: int = 1
) -> float:
    """Return the smallest effect that so many units find, in the metric's unit.

    Examples
    --------
    >>> detectable(Moments(n=1000, mean=20.0, variance=30.0**2), 28_256)
    1.0
    """
    from scipy.special import ndtri  # not at start-up

    spread = control.variance * (1 / (1 - share) + 1 / share) * inflation(n_looks, alpha=alpha, power=power)
    return float(ndtri(1 - alpha / 2) + ndtri(power)) * math.sqrt(spread / n_units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long a trial takes.

    Parameters
    ----------
    days
        Whole weeks, unless that was waived.
    needed_days
        After which the units are there.
    n_expected
        Units by then.
    says
        One sentence.
    """

    days: int
    needed_days: int
    n_expected: int
    says: str


def duration(
    n_units: int, arrivals: Sequence[float], *, taking_part: float = 1.0, whole_weeks: bool = True
) -> Duration:
    """Return how long it takes until so many units have been seen for the first time.

    Parameters
    ----------
    n_units
        Of both arms: `Size.n_units`.
    arrivals
        Units not seen before, by day, from the log: the first entry those of day 1. After its end its last week goes on.
        Visitors who come back are not new, so that this falls from day to day.
    taking_part
        The share of the units in the trial: less than 1 with a holdback, or with further arms.
    whole_weeks
        Round up to whole weeks, as a Sunday is no Monday.

    Returns
    -------
    Duration
        In days.

    Raises
    ------
    DataError
        When no units arrive, or they would take more than ten years.

    Examples
    --------
    >>> duration(29_498, [3000.0]).says
    '29,498 units arrive in 10 days: 14 days, to end on a whole week'
    >>> duration(29_498, [3000.0], whole_weeks=False).days
    10
    """
    if not arrivals or any(not math.isfinite(a) or a < 0 for a in arrivals):
        raise DataError(f"arrivals of {list(arrivals)[:7]} units", fix="give the new units of each day, 0 or more")
    week = list(arrivals)[-WEEK:]
    seen, day = 0.0, 0
    by_day: list[float] = []
    while seen < n_units or (whole_weeks and day % WEEK):
        today = arrivals[day] if day < len(arrivals) else week[(day - len(arrivals)) % len(week)]
        seen, day = seen + taking_part * today, day + 1
        by_day.append(seen)
        if day > LONGEST_DAYS:
            raise DataError(
                f"{n_units:,} units would take more than ten years",
                fix="look for a larger effect, take a metric that varies less, or give the trial more of the traffic",
            )
    needed = next((i + 1 for i, total in enumerate(by_day) if total >= n_units), day)
    plan = f"{n_units:,} units arrive in {needed} days"
    says = f"{plan}: {day} days, to end on a whole week" if day != needed else plan
    return Duration(days=day, needed_days=needed, n_expected=round(seen), says=says)
