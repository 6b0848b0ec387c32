"""Fairness between groups, by the measure that the page names.

Source of the measures: M. Hardt, E. Price, N. Srebro: *Equality of Opportunity in Supervised Learning*, NeurIPS 2016;
demographic parity as in C. Dwork et al.: *Fairness Through Awareness*, ITCS 2012. For a predicted number: the mean signed
error of each group (balanced residuals) as in T. Calders et al.: *Controlling Attribute Effect in Linear Regression*, ICDM
2013; the mean loss of each group, here the absolute error, as in A. Agarwal, M. Dudík, Z. S. Wu: *Fair Regression:
Quantitative Definitions and Reduction-Based Algorithms*, ICML 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check, Interval, Status
from mulle.core.errors import UnknownName
from mulle.core.figure import Axis, Cell, Figure, Mark, Table
from mulle.core.project import FairnessPart
from mulle.trials.bootstrap import unit_weights

Floats = NDArray[np.float64]
LEAST_ROWS = 30
DRAWS = 500
Rate = Callable[[Floats, Floats, Floats], float]
"""From target, decision (both 0/1, or numbers) and weights to a rate."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group: its rows, its rate by the measure, and the interval of that rate."""

    name: str
    n_rows: int
    rates: Mapping[str, float]
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Fairness:
    """One column: its groups, the largest gap between two of them, and the interval of that gap."""

    column: str
    measure: str
    groups: Sequence[Group]
    left_out: Sequence[str]
    gap: float
    low: float
    high: float
    numbers: bool = False

    @property
    def words(self) -> list[str]:
        """What was measured, in words."""
        return list(self.groups[0].rates) if self.groups else []


def _rate(over: Callable[[Floats], Floats]) -> Rate:
    def rate(target: Floats, decision: Floats, weight: Floats) -> float:
        held = over(target) * weight
        total = held.sum()
        return float((held * decision).sum() / total) if total > 0 else np.nan

    return rate


def _mean(of: Callable[[Floats, Floats], Floats]) -> Rate:
    def mean(target: Floats, decision: Floats, weight: Floats) -> float:
        total = weight.sum()
        return float((weight * of(target, decision)).sum() / total) if total > 0 else np.nan

    return mean


RATES: Mapping[str, Mapping[str, Rate]] = {
    "equal_opportunity": {"found of those it should find": _rate(lambda t: t)},
    "demographic_parity": {"acted on": _rate(np.ones_like)},
    "equalised_odds": {
        "found of those it should find": _rate(lambda t: t),
        "acted on without need": _rate(lambda t: 1 - t),
    },
    "error": {"wrong": _mean(lambda t, d: t != d)},
}
"""For classes: what must be alike, each by its words."""

OF_NUMBERS: Mapping[str, Mapping[str, Rate]] = {
    "mean_error": {"predicted less true, on average": _mean(lambda t, d: d - t)},
    "mean_absolute_error": {"off by, on average": _mean(lambda t, d: np.abs(d - t))},
}
"""For a predicted number, in the target's unit."""

DEFAULT = {False: "equal_opportunity", True: "mean_error"}
"""The measure when the page names none: for classes, and for numbers."""


def measures(*, numbers: bool, n_classes: int = 2) -> Mapping[str, Mapping[str, Rate]]:
    """Return the measures that suit a target.

    Examples
    --------
    >>> list(measures(numbers=True)), list(measures(numbers=False, n_classes=3))
    (['mean_error', 'mean_absolute_error', 'error'], ['error'])
    """
    if numbers:
        return {**OF_NUMBERS, "error": OF_NUMBERS["mean_absolute_error"]}
    return RATES if n_classes <= 2 else {"error": RATES["error"]}  # noqa: PLR2004


@dataclass(frozen=True, kw_only=True)
class Groupable:
    """Rows to compare between groups.

    Parameters
    ----------
    target, decision
        ``[rows]``: class codes, or numbers.
    units
        The unit of each row.
    weight
        How much each row counts; None: all alike.
    numbers
        Whether a number is predicted.
    """

    target: Floats
    decision: Floats
    units: NDArray[np.uint64]
    weight: Floats | None = None
    numbers: bool = False


def judge_fairness(
    part: FairnessPart,
    table: pl.DataFrame,
    rows: Groupable,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> list[Fairness]:
    """Measure the gap between the groups of each declared column.

    Parameters
    ----------
    part
        ``[fairness]`` of the page.
    table
        Canonical rows, with the columns.
    rows
        The same rows: their targets and what was decided.
    rng
        For the bootstrap.
    confidence
        Of the intervals; shared between the columns.

    Returns
    -------
    list of Fairness
        One a column.

    Raises
    ------
    UnknownName
        When a column is not there, or the measure does not suit the target.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=200)
    >>> side = np.repeat(["left", "right"], 100)
    >>> rows = Groupable(
    ...     target=truth, decision=truth + (side == "left"), units=np.arange(200, dtype=np.uint64), numbers=True
    ... )
    >>> found = judge_fairness(FairnessPart(columns=["side"]), pl.DataFrame({"side": side}), rows, rng=rng)
    >>> found[0].measure, found[0].gap
    ('mean_error', 1.0)
    """
    able = measures(numbers=rows.numbers, n_classes=len(np.unique(rows.target)))
    measure = part.measure or (DEFAULT[rows.numbers] if DEFAULT[rows.numbers] in able else "error")
    if measure not in able:
        raise UnknownName.among(measure, able, noun="measure for this target", where="mulle.toml, [fairness] measure")
    alpha = (1 - confidence) / max(1, len(part.columns))
    return [_column(name, (measure, able[measure]), table, rows, rng, alpha) for name in part.columns]


def _column(
    name: str,
    asked: tuple[str, Mapping[str, Rate]],
    table: pl.DataFrame,
    rows: Groupable,
    rng: np.random.Generator,
    alpha: float,
) -> Fairness:
    if name not in table.columns:
        raise UnknownName.among(name, table.columns, noun="column", where="mulle.toml, [fairness] columns")
    measure, rates = asked
    labels = table[name].cast(pl.String).fill_null("(missing)").to_numpy()
    names, counts = np.unique(labels, return_counts=True)
    kept = [str(n) for n, c in zip(names, counts, strict=True) if c >= LEAST_ROWS]
    own = np.ones(len(labels)) if rows.weight is None else rows.weight
    draws = unit_weights(rows.units, len(labels), DRAWS, rng=rng)
    drawn = np.array([_matrix(rates, labels, kept, rows, own * counts) for counts in draws])
    at = _matrix(rates, labels, kept, rows, own)
    ends = [alpha / 2, 1 - alpha / 2]
    low, high = np.nanquantile(_gap(drawn), ends) if len(kept) > 1 else (np.nan, np.nan)
    return Fairness(
        column=name,
        measure=measure,
        groups=[
            Group(
                name=g,
                n_rows=int((labels == g).sum()),
                rates=dict(zip(rates, at[:, i], strict=True)),
                low=float(np.nanquantile(drawn[:, 0, i], ends[0])),
                high=float(np.nanquantile(drawn[:, 0, i], ends[1])),
            )
            for i, g in enumerate(kept)
        ],
        left_out=[str(n) for n in names if str(n) not in kept],
        gap=float(_gap(at[None])[0]) if len(kept) > 1 else np.nan,
        low=float(low),
        high=float(high),
        numbers=rows.numbers,
    )


def _matrix(
    rates: Mapping[str, Rate],
    labels: NDArray[np.object_],
    kept: Sequence[str],
    rows: Groupable,
    weight: Floats,
) -> Floats:
    """Return the rates ``[measures, groups]``."""
    masks = [labels == g for g in kept]
    return np.array([[rate(rows.target[m], rows.decision[m], weight[m]) for m in masks] for rate in rates.values()])


def _gap(drawn: Floats) -> Floats:
    """Return the largest gap between two groups over all measures, for each draw."""
    if drawn.shape[2] == 0:
        return np.full(len(drawn), np.nan)
    return np.asarray((np.nanmax(drawn, axis=2) - np.nanmin(drawn, axis=2)).max(axis=1))


def fairness_checks(found: Sequence[Fairness], part: FairnessPart, *, stage: str) -> Iterator[Check]:
    """Answer for each column whether the gap is within what the page allows."""
    for one in found:
        yield _check(one, part, stage)


def _check(one: Fairness, part: FairnessPart, stage: str) -> Check:
    name = f"{stage}.fairness.{one.column}"
    if not np.isfinite(one.gap):
        says = f"'{one.column}' has fewer than two groups of {LEAST_ROWS} rows: nothing can be compared."
        return Check(name=name, status=Status.UNANSWERED, says=says, fix="bring more rows of the small groups")
    shown = "{:+.4g}" if one.measure == "mean_error" else "{:.4g}" if one.numbers else "{:.0%}"
    each = ", ".join(f"{g.name} {shown.format(next(iter(g.rates.values())))}" for g in one.groups[:6])
    what = " and ".join(one.words)
    gap = "{:.4g}" if one.numbers else "{:.3f}"
    ends = f"{gap.format(one.low)} to {gap.format(one.high)}"
    says = f"By '{one.column}', {what}: {each}. The largest gap is {gap.format(one.gap)} ({ends})."
    if one.left_out:
        says += f" Left out as too small: {', '.join(one.left_out[:5])}."
    interval = Interval(low=one.low, high=one.high)
    if part.max_gap is None:
        return Check(
            name=name,
            status=Status.UNANSWERED,
            says=says,
            value=one.gap,
            interval=interval,
            fix=f"mulle set fairness.measure={one.measure} fairness.max_gap={f'{one.gap:.1g}' if one.numbers else '0.1'}",
        )
    ok, bad = one.high <= part.max_gap, one.low > part.max_gap
    status = Status.PASS if ok else Status.FAIL if bad else Status.UNANSWERED
    fix = "" if ok else "look at the rows of the lowest group; more of them in training, or a threshold of their own"
    return Check(
        name=name,
        status=status,
        says=says,
        fix=fix,
        value=one.gap,
        bar=f"≤ {part.max_gap:g} ([fairness] max_gap), by the upper end",
        interval=interval,
        n_rows=sum(g.n_rows for g in one.groups),
    )


def unmeasured(part: FairnessPart, *, measured: bool, stage: str) -> Iterator[Check]:
    """Say of each declared column that it was not measured, where a row has more than one target."""
    for column in () if measured else part.columns:
        yield Check(
            name=f"{stage}.fairness.{column}",
            status=Status.UNANSWERED,
            says=f"'{column}' was not compared between groups: for several targets at once no measure is built yet.",
            fix="compare groups as slices: [[slices]] where = \"sex = 'F'\", max_drop = …; then override this check by name",
        )


def fairness_figure(one: Fairness) -> Figure:
    """Draw the rate of each group with its interval."""
    what = one.words[0]
    mark = Mark(
        kind="intervals",
        x=[next(iter(g.rates.values())) for g in one.groups],
        y=[f"{g.name} ({g.n_rows:,})" for g in one.groups],
        low=[g.low for g in one.groups],
        high=[g.high for g in one.groups],
    )
    columns = ("group", "rows", *one.words, "from", "to")
    rows: list[list[Cell]] = [
        [g.name, g.n_rows, *(round(r, 4) for r in g.rates.values()), round(g.low, 4), round(g.high, 4)]
        for g in one.groups
    ]
    return Figure(
        name=f"fairness_{one.column}",
        title=f"Between groups: {one.column}",
        says=f"{'Mean of ' if one.numbers else 'Share of rows '}{what.removesuffix(', on average')}, by '{one.column}'; the "
        f"largest gap is {one.gap:.4g}.",
        x=Axis(label=what, percent=not one.numbers),
        y=Axis(label="", scale="category"),
        marks=[mark],
        table=Table(title=f"Groups of {one.column}", columns=columns, rows=rows),
    )
