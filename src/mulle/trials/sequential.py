"""Look at a trial several times and still be wrong as rarely as promised: boundaries that rise while little is known.

The chance of a false alarm, α, is spent over the trial: next to nothing at first, the rest at the end (O'Brien–Fleming).
Looks may come at any time and in any number, as long as what is seen does not decide when the next one is. The size must
be fixed before.

Sources: Lan, DeMets, *Discrete sequential boundaries for clinical trials*, Biometrika 70, 1983 (spending); Armitage,
McPherson, Rowe, *Repeated significance tests on accumulating data*, JRSS A 132, 1969 (the recursion); Jennison, Turnbull,
*Group sequential methods with applications to clinical trials*, 2000, chapters 7 (spending), 8 (analysis on stopping), 9
(repeated intervals) and 19 (the grid).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mulle.core.check import Interval
from mulle.core.errors import DataError
from mulle.trials.effect import Effect

Floats = NDArray[np.float64]
Spend = Callable[[float, float], float]

ALPHA = 0.05
FINE = 24
"""Grid points per standard error and tail; see `_grid`."""
FAR = 8.5
"""No statistic lies farther out: beyond, a double holds no probability that matters."""
FINEST = 0.002
LEAST_STEP = 0.005
"""A look after fewer of the planned units than this decides nothing: its share of α is kept for the next."""
FULL = 1 - 1e-12


def obrien_fleming(t: float, alpha: float) -> float:
    """Return how much of `alpha` (of one side) is spent when a share `t` of the units has been seen.

    Examples
    --------
    >>> round(obrien_fleming(0.5, 0.025), 5), obrien_fleming(1.0, 0.025)
    (0.00153, 0.025)

    Notes
    -----
    Source: Lan, DeMets, 1983, α*₁: 2 - 2Φ(z(α/2) / √t).
    """
    from scipy.special import ndtr, ndtri  # not at start-up

    if t >= 1:
        return alpha
    return 2 * float(ndtr(ndtri(alpha / 2) / math.sqrt(t))) if t > 0 else 0.0


def pocock(t: float, alpha: float) -> float:
    """Return what is spent by time `t` when every look shall have about the same boundary: α ln(1 + (e - 1) t).

    Examples
    --------
    >>> round(pocock(0.5, 0.025), 4)
    0.0155
    """
    return alpha * math.log1p((math.e - 1) * min(t, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a trial.

    Parameters
    ----------
    t
        The share of the planned units that have been seen; above 1 where more came.
    bound
        The statistic, in standard errors, from which the trial stops; infinite where nothing is left to spend.
    spent
        Of α, over both sides where there are two, up to this look.
    """

    t: float
    bound: float
    spent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Where a trial that goes on may stand after a look: values of the statistic and their weight."""

    t: float
    z: Floats
    mass: Floats

    def beyond(self, t: float, z: float, drift: float) -> tuple[float, float]:
        """Return the chance to stand at time `t` above `z`, and below ``-z``."""
        from scipy.special import ndtr  # not at start-up

        step = math.sqrt(t - self.t)
        here, far = self.z * math.sqrt(self.t) + drift * (t - self.t), z * math.sqrt(t)
        return float(self.mass @ ndtr((here - far) / step)), float(self.mass @ ndtr((-far - here) / step))

    def on(self, look: Look, drift: float, then: float, *, sides: int = 2) -> _Step:
        """Return where a trial that went on at a look stands; `then` is the time of the next one."""
        t, high = look.t, min(look.bound, FAR)
        low = -high if sides == 2 else -2 * FAR  # noqa: PLR2004
        # a short step blurs little, so that the points before it must lie close
        z, weight = _grid(drift * math.sqrt(t), low, high, max(math.sqrt((then - t) / then), FINEST))
        step = math.sqrt(t - self.t)
        here = self.z * math.sqrt(self.t) + drift * (t - self.t)
        away = (z[:, None] * math.sqrt(t) - here[None, :]) / step
        density = np.exp(-0.5 * away**2) / math.sqrt(2 * math.pi) * (math.sqrt(t) / step)
        return _Step(t=t, z=z, mass=weight * (density @ self.mass))


START = _Step(t=0.0, z=np.zeros(1), mass=np.ones(1))


def _grid(middle: float, low: float, high: float, widest: float, fine: int = FINE) -> tuple[Floats, Floats]:
    """Return points between two ends, dense near the middle, no panel wider than `widest`, and their Simpson weights.

    Source: Jennison, Turnbull, 2000, section 19.2.2: x = middle - 3 - 4 ln(r/i) in the tails, even steps of 1/(2r) within 3.
    """
    r = fine
    tail = 3 + 4 * np.log(r / np.arange(1, r))
    inner = np.linspace(-3, 3, 4 * r + 1)
    even = np.linspace(low, high, math.ceil((high - low) / widest) + 1)
    points = np.unique(np.concatenate([middle - tail, middle + inner, middle + tail, even]))
    points = np.concatenate([[low], points[(points > low) & (points < high)], [high]])
    z = np.empty(2 * len(points) - 1)
    z[::2], z[1::2] = points, (points[1:] + points[:-1]) / 2
    width = np.diff(points) / 6
    weight = np.zeros(len(z))
    weight[1::2] = 4 * width
    weight[:-1:2] += width
    weight[2::2] += width
    return z, weight


def looks(
    fractions: Sequence[float],
    *,
    alpha: float = ALPHA,
    sides: Literal[1, 2] = 2,
    spend: Spend = obrien_fleming,
    final: bool = False,
) -> tuple[Look, ...]:
    """Return the boundary of each look.

    Parameters
    ----------
    fractions
        The shares of the planned units (strictly: of the information) at each look so far, rising; the first at or above 1
        ends the trial, and later ones can find nothing more. A look after less than .005 decides nothing.
    alpha
        The chance of a false alarm over all looks and sides.
    sides
        2: better or worse. 1: better only.
    spend
        How much of α is spent by when: `obrien_fleming` or `pocock`.
    final
        The last look ends the trial, whatever was planned: it spends all that is left. Only where the reason has nothing to
        do with what was seen.

    Returns
    -------
    tuple of Look
        In order.

    Raises
    ------
    DataError
        When the fractions are not above 0 and rising.

    Examples
    --------
    >>> [round(look.bound, 3) for look in looks([0.2, 0.4, 0.6, 0.8, 1.0])]
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    _rising(fractions)
    times = tuple(float(t) for t in fractions)
    return _looks(times, alpha, sides, spend, last=len(times) - 1 if final else None)


def _rising(fractions: Sequence[float]) -> None:
    steps = np.diff([0.0, *fractions])
    if not np.isfinite(steps).all() or (steps <= 0).any():
        raise DataError(
            f"looks at shares {list(fractions)} of the units",
            fix="give shares above 0, each larger than the one before",
        )


@lru_cache(maxsize=256)
def _looks(times: tuple[float, ...], alpha: float, sides: int, spend: Spend, last: int | None) -> tuple[Look, ...]:
    """Solve for one boundary after the other: each look's chance of a first alarm is what it may spend."""
    found: list[Look] = []
    at, before, side, spent = START, None, alpha / sides, 0.0
    for number, t in enumerate(times):
        ends = number == last or t >= FULL
        if spent >= side or (not ends and t - (before.t if before else 0.0) < LEAST_STEP - 1e-9):
            found.append(Look(t=t, bound=math.inf, spent=spent * sides))
            continue
        at = at.on(before, 0.0, t, sides=sides) if before else at
        by_now = side if ends else spend(t, side)
        before = Look(t=t, bound=_solve(at, t, by_now - spent), spent=by_now * sides)
        spent = by_now
        found.append(before)
    return tuple(found)


def _solve(at: _Step, t: float, chance: float) -> float:
    """Return the boundary that is crossed upward for the first time at `t` with this chance."""
    from scipy.optimize import brentq  # not at start-up

    if chance <= at.beyond(t, FAR, 0.0)[0] or chance <= 0:
        return math.inf
    return float(brentq(lambda z: at.beyond(t, z, 0.0)[0] - chance, -FAR, FAR, xtol=1e-10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """The chance to stop for the first time at each look, above and below the boundary."""

    up: tuple[float, ...]
    down: tuple[float, ...]


def crossing(plan: Sequence[Look], drift: float = 0.0, *, sides: Literal[1, 2] = 2) -> Crossing:
    """Return when a trial with these boundaries stops.

    Parameters
    ----------
    plan
        From `looks`.
    drift
        The expected statistic, in standard errors, when all planned units are in: 0 when there is no effect.
    sides
        1: falling below stops nothing.

    Returns
    -------
    Crossing
        By look.

    Examples
    --------
    >>> plan = looks([0.5, 1.0])
    >>> round(sum(crossing(plan).up), 4), round(sum(crossing(plan, 2.8).up), 3)
    (0.025, 0.798)
    """
    up, down = [], []
    at, before = START, None
    for look in plan:
        if math.isinf(look.bound):
            up.append(0.0)
            down.append(0.0)
            continue
        at = at.on(before, drift, look.t, sides=sides) if before else at
        above, below = at.beyond(look.t, look.bound, drift)
        up.append(above)
        down.append(below if sides == 2 else 0.0)  # noqa: PLR2004
        before = look
    return Crossing(up=tuple(up), down=tuple(down))


@lru_cache(maxsize=256)
def inflation(
    n_looks: int, *, alpha: float = ALPHA, power: float = 0.8, sides: Literal[1, 2] = 2, spend: Spend = obrien_fleming
) -> float:
    """Return by what factor more units a trial with evenly spaced looks needs than one with a single look.

    It is what stopping early costs where one does not; on average fewer are needed.

    Examples
    --------
    >>> round(inflation(5), 3), round(inflation(1), 3)
    (1.025, 1.0)
    """
    from scipy.optimize import brentq  # not at start-up
    from scipy.special import ndtri

    plan = looks([(i + 1) / n_looks for i in range(n_looks)], alpha=alpha, sides=sides, spend=spend)
    single = float(ndtri(1 - alpha / sides) + ndtri(power))
    drift = brentq(lambda d: sum(crossing(plan, d, sides=sides).up) - power, single * 0.9, single * 2, xtol=1e-8)
    return float(drift / single) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequential:
    """What the looks so far say of one metric.

    Parameters
    ----------
    crossed
        ``"better"`` or ``"worse"`` when a look crossed the boundary (the first one counts), else ``"no"``.
    over
        Whether the trial is at its end: crossed, or all that could be spent is spent.
    look
        The number of the look that decides, 1 and up: the first that crossed, else the last.
    effect
        At the look that estimate and interval are of: that one, or the newest where more were taken after a crossing.
    z, bound
        The statistic against the bar, and the boundary, at `look`.
    p
        Adjusted for the looks; two-sided, of `look`. NaN while the trial goes on, as then there is none.
    interval
        Adjusted for the looks. At the end: the one that agrees with `p`. Before, and where looks were taken after a crossing:
        a repeated interval, which holds at all looks together, whenever one stops.
    estimate
        At the end the median-unbiased estimate, as the effect of a trial that stopped early is too large; else the effect.
    plan
        All looks.
    says
        One sentence.
    """

    crossed: Literal["better", "worse", "no"]
    over: bool
    look: int
    effect: Effect
    z: float
    bound: float
    p: float
    interval: Interval
    estimate: float
    plan: tuple[Look, ...]
    says: str


def judge(
    effects: Sequence[Effect],
    n_planned: int,
    *,
    bar: float = 0.0,
    alpha: float = ALPHA,
    spend: Spend = obrien_fleming,
    final: bool = False,
) -> Sequential:
    """Judge a metric at the looks so far; two-sided.

    Parameters
    ----------
    effects
        At each look, of all units up to then, positive is better. A look that was taken stays in the list.
    n_planned
        Units of both arms, fixed before the first look.
    bar
        What the effect must exceed; negative: by how much the candidate may be worse.
    alpha, spend, final
        See `looks`.

    Returns
    -------
    Sequential
        With a sentence.

    Raises
    ------
    DataError
        When there is no look, no unit was planned, units do not rise from look to look, or an effect has no error.

    Examples
    --------
    >>> from mulle.trials.moments import Moments
    >>> from mulle.trials.effect import effect
    >>> half = effect(Moments.share(500, 5000), Moments.share(560, 5000))
    >>> full = effect(Moments.share(1000, 10_000), Moments.share(1140, 10_000))
    >>> judge([half], n_planned=20_000).says
    'goes on at look 1, with 50% of the planned units: 1.95 standard errors, the boundary is 2.96'
    >>> found = judge([half, full], n_planned=20_000)
    >>> found.crossed, found.p, found.interval.low > 0
    ('better', 0.00408, True)
    """
    if n_planned < 1:
        raise DataError(f"{n_planned} planned units", fix="plan the size first, with mulle.trials.power.size")
    if not effects or not all(e.known for e in effects):
        raise DataError("a look without a known effect and error", fix="look when both arms have units that differ")
    plan = looks([e.n_units / n_planned for e in effects], alpha=alpha, spend=spend, final=final)
    beyond = [e.minus(bar) for e in effects]
    at = next(
        (i for i, (e, look) in enumerate(zip(beyond, plan, strict=True)) if abs(e.z) >= look.bound), len(plan) - 1
    )
    found, bound = beyond[at], plan[at].bound
    crossed: Literal["better", "worse", "no"] = "no"
    if abs(found.z) >= bound:
        crossed = "better" if found.z > 0 else "worse"
    over = crossed != "no" or final or plan[-1].t >= FULL
    at = next((i for i, look in enumerate(plan) if look.t >= FULL), at) if crossed == "no" else at
    p, interval, estimate = (
        _at_end(beyond[at], plan[: at + 1], alpha) if over else _on_the_way(beyond[at], plan[at], alpha)
    )
    newest = at if crossed == "no" else _newest(plan, at)
    if newest > at:  # the first look decided; what came after it tells more of how large the effect is
        _, interval, estimate = _on_the_way(beyond[newest], plan[newest], alpha)
    return Sequential(
        crossed=crossed,
        over=over,
        look=at + 1,
        effect=effects[newest],
        z=beyond[at].z,
        bound=plan[at].bound,
        p=p,
        interval=Interval(low=interval.low + bar, high=interval.high + bar, confidence=1 - alpha),
        estimate=estimate + bar,
        plan=plan,
        says=_says(crossed, over=over, z=beyond[at].z, look=plan[at], number=at + 1)
        + (f"; how large it is was seen at look {newest + 1}" if newest > at else ""),
    )


def _newest(plan: Sequence[Look], at: int) -> int:
    """Return the newest look of which there is an interval, from one on."""
    return max(i for i, look in enumerate(plan) if i == at or (i > at and math.isfinite(look.bound)))


def _says(crossed: str, *, over: bool, z: float, look: Look, number: int) -> str:
    seen = f"at look {number}, with {look.t:.0%} of the planned units"
    if crossed != "no":
        return f"{crossed} {seen}: {abs(z):.2f} standard errors, the boundary is {look.bound:.2f}"
    if over:
        return f"no difference shown at the end: {abs(z):.2f} standard errors, the boundary is {look.bound:.2f}"
    bound = f"{look.bound:.2f}" if math.isfinite(look.bound) else "out of reach"
    return f"goes on {seen}: {abs(z):.2f} standard errors, the boundary is {bound}"


def _on_the_way(found: Effect, look: Look, alpha: float) -> tuple[float, Interval, float]:
    """Return the repeated interval: the effect plus and minus boundary times standard error."""
    half = look.bound * found.se
    return math.nan, Interval(low=found.value - half, high=found.value + half, confidence=1 - alpha), found.value


def stagewise_p(plan: Sequence[Look], z: float, drift: float = 0.0) -> float:
    """Return the chance to stop above at an earlier look, or to stand at the last one at or above `z`.

    Source: Jennison, Turnbull, 2000, section 8.4 (stagewise ordering); Tsiatis, Rosner, Mehta, Exact confidence intervals
    following a group sequential test, Biometrics 40, 1984.

    Examples
    --------
    >>> round(stagewise_p(looks([1.0]), 1.96), 4)
    0.025
    """
    crossed, at, before = 0.0, START, None
    stops = [look for look in plan[:-1] if math.isfinite(look.bound)]
    for look in (*stops, plan[-1]):
        at = at.on(before, drift, look.t) if before else at
        crossed += at.beyond(look.t, z if look is plan[-1] else look.bound, drift)[0]
        before = look
    return crossed


def _at_end(found: Effect, plan: Sequence[Look], alpha: float) -> tuple[float, Interval, float]:
    """Return the adjusted p-value, interval and median of the effect, by the stagewise order."""
    up = stagewise_p(plan, found.z)
    # one unit of drift is the standard error that all planned units would have
    unit = found.se * math.sqrt(plan[-1].t)
    low, middle, high = (unit * _drift_at(plan, found.z, chance) for chance in (alpha / 2, 0.5, 1 - alpha / 2))
    return min(2 * min(up, 1 - up), 1.0), Interval(low=low, high=high, confidence=1 - alpha), middle


def _drift_at(plan: Sequence[Look], z: float, chance: float) -> float:
    """Return the drift under which so much or more would be seen with this chance."""
    from scipy.optimize import brentq  # not at start-up

    middle, reach = z / math.sqrt(plan[-1].t), 3 * FAR / math.sqrt(plan[0].t)
    return float(brentq(lambda d: stagewise_p(plan, z, d) - chance, middle - reach, middle + reach, xtol=1e-7))
