"""Fairness between groups, by the measure that the page names.

Source of the measures: M. Hardt, E. Price, N. Srebro: *Equality of Opportunity in Supervised Learning*, NeurIPS 2016;
demographic parity as in C. Dwork et al.: *Fairness Through Awareness*, ITCS 2012.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check, Interval, Status
from mulle.core.errors import DataError
from mulle.core.figure import Axis, Cell, Figure, Mark, Table
from mulle.core.project import FairnessPart
from mulle.trials.bootstrap import unit_weights

Floats = NDArray[np.float64]
LEAST_ROWS = 30
DRAWS = 500
Rate = Callable[[Floats, Floats, Floats], float]
"""From target (0/1), decision (0/1) and weights to a rate."""


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


def _rate(over: Callable[[Floats], Floats]) -> Rate:
    def rate(target: Floats, decision: Floats, weight: Floats) -> float:
        held = over(target) * weight
        total = held.sum()
        return float((held * decision).sum() / total) if total > 0 else np.nan

    return rate


RATES: Mapping[str, Mapping[str, Rate]] = {
    "equal_opportunity": {"found of those it should find": _rate(lambda t: t)},
    "demographic_parity": {"acted on": _rate(np.ones_like)},
    "equalised_odds": {
        "found of those it should find": _rate(lambda t: t),
        "acted on without need": _rate(lambda t: 1 - t),
    },
    "error": {"wrong": lambda t, d, w: float((w * (t != d)).sum() / w.sum()) if w.sum() > 0 else np.nan},
}


def judge_fairness(
    part: FairnessPart,
    table: pl.DataFrame,
    target: Floats,
    decision: Floats,
    units: NDArray[np.uint64],
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
    target, decision
        ``[rows]``: 0/1 for two classes; codes for more (then only ``error`` is measured).
    units
        The unit of each row.
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
    DataError
        When a column is not there, or the measure needs two classes.
    """
    measure = part.measure or "equal_opportunity"
    classes = set(np.unique(target))
    if measure != "error" and not classes <= {0.0, 1.0}:
        raise DataError(
            f"'{measure}' needs a target of two classes",
            where="mulle.toml, [fairness] measure",
            fix='write measure = "error"',
        )
    alpha = (1 - confidence) / max(1, len(part.columns))
    return [_column(name, measure, table, (target, decision, units), rng, alpha) for name in part.columns]


def _column(
    name: str,
    measure: str,
    table: pl.DataFrame,
    known: tuple[Floats, Floats, NDArray[np.uint64]],
    rng: np.random.Generator,
    alpha: float,
) -> Fairness:
    if name not in table.columns:
        raise DataError(
            f"column '{name}' is not there",
            where="mulle.toml, [fairness] columns",
            fix=f"columns: {', '.join(table.columns[:20])}",
        )
    target, decision, units = known
    labels = table[name].cast(pl.String).fill_null("(missing)").to_numpy()
    names, counts = np.unique(labels, return_counts=True)
    kept = [str(n) for n, c in zip(names, counts, strict=True) if c >= LEAST_ROWS]
    rates = RATES[measure]
    weights = unit_weights(units, len(target), DRAWS, rng=rng)
    drawn = np.array([_matrix(rates, labels, kept, target, decision, w) for w in weights])
    at = _matrix(rates, labels, kept, target, decision, np.ones(len(target)))
    gaps = _gap(drawn)
    low, high = np.nanquantile(gaps, [alpha / 2, 1 - alpha / 2]) if len(kept) > 1 else (np.nan, np.nan)
    groups = [
        Group(
            name=g,
            n_rows=int((labels == g).sum()),
            rates=dict(zip(rates, at[:, i], strict=True)),
            low=float(np.nanquantile(drawn[:, 0, i], alpha / 2)),
            high=float(np.nanquantile(drawn[:, 0, i], 1 - alpha / 2)),
        )
        for i, g in enumerate(kept)
    ]
    left_out = [str(n) for n in names if str(n) not in kept]
    gap = float(_gap(at[None])[0]) if len(kept) > 1 else np.nan
    return Fairness(
        column=name,
        measure=measure,
        groups=groups,
        left_out=left_out,
        gap=gap,
        low=float(low),
        high=float(high),
    )


def _matrix(
    rates: Mapping[str, Rate],
    labels: NDArray[np.object_],
    kept: Sequence[str],
    target: Floats,
    decision: Floats,
    weight: Floats,
) -> Floats:
    """Return the rates ``[measures, groups]``."""
    masks = [labels == g for g in kept]
    return np.array([[rate(target[m], decision[m], weight[m]) for m in masks] for rate in rates.values()])


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
    each = ", ".join(f"{g.name} {next(iter(g.rates.values())):.0%}" for g in one.groups[:6])
    what = " and ".join(RATES[one.measure])
    says = f"By '{one.column}', {what}: {each}. The largest gap is {one.gap:.3f} ({one.low:.3f} to {one.high:.3f})."
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
            fix=f"mulle set fairness.measure={one.measure} fairness.max_gap=0.1",
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
    """Say of each declared column that it was not measured, where the task has no classes to decide on."""
    for column in () if measured else part.columns:
        yield Check(
            name=f"{stage}.fairness.{column}",
            status=Status.UNANSWERED,
            says=f"'{column}' was not compared between groups: for a predicted number no measure is built yet.",
            fix="compare groups as slices: [[slices]] where = \"sex = 'F'\", max_drop = …; then override this check by name",
        )


def fairness_figure(one: Fairness) -> Figure:
    """Draw the rate of each group with its interval."""
    what = next(iter(RATES[one.measure]))
    mark = Mark(
        kind="intervals",
        x=[next(iter(g.rates.values())) for g in one.groups],
        y=[f"{g.name} ({g.n_rows:,})" for g in one.groups],
        low=[g.low for g in one.groups],
        high=[g.high for g in one.groups],
    )
    columns = ("group", "rows", *RATES[one.measure], "from", "to")
    rows: list[list[Cell]] = [
        [g.name, g.n_rows, *(round(r, 4) for r in g.rates.values()), round(g.low, 4), round(g.high, 4)]
        for g in one.groups
    ]
    return Figure(
        name=f"fairness_{one.column}",
        title=f"Between groups: {one.column}",
        says=f"Share of rows {what}, by '{one.column}'; the largest gap is {one.gap:.3f}.",
        x=Axis(label=what, percent=True),
        y=Axis(label="", scale="category"),
        marks=[mark],
        table=Table(title=f"Groups of {one.column}", columns=columns, rows=rows),
    )
