"""Figures of scores against two classes: ROC, precision and recall, calibration, distributions.

Sources: T. Fawcett, An introduction to ROC analysis (2006), algorithm 1; J. Davis and M. Goadrich, The
relationship between precision-recall and ROC curves (2006), section 4 (no line between two of its points).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.tasks.shares import share, wilson

Floats = NDArray[np.float64]

POINTS = 200
BINS = 10
SCORE_BINS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """True and false positives as the threshold falls, one entry for each distinct score."""

    true: Floats
    false: Floats

    @property
    def n_positive(self) -> float:
        """All positives."""
        return float(self.true[-1])

    @property
    def n_negative(self) -> float:
        """All negatives."""
        return float(self.false[-1])

    def roc_auc(self) -> float:
        """Return the area under the ROC curve; NaN with one class."""
        if not self.n_positive or not self.n_negative:
            return float("nan")
        true, false = np.append(0.0, self.true), np.append(0.0, self.false)
        return float(np.trapezoid(true, false)) / (self.n_positive * self.n_negative)

    def average_precision(self) -> float:
        """Return the mean precision over the steps in recall; NaN without positives."""
        if not self.n_positive:
            return float("nan")
        steps = np.diff(np.append(0.0, self.true)) / self.n_positive
        return float((steps * self.true / (self.true + self.false)).sum())


def sweep(values: Floats, score: Floats) -> Sweep:
    """Count true and false positives at each distinct score, from the highest down.

    Parameters
    ----------
    values
        0 or 1, ``[rows]``, at least one row.
    score
        ``[rows]``.

    Returns
    -------
    Sweep
        Ties share one entry.

    Examples
    --------
    >>> sweep(np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.8, 0.8])).roc_auc()
    0.75
    """
    order = np.argsort(-score, kind="stable")
    true = np.cumsum(values[order])
    last = np.append(np.diff(score[order]) != 0, True)
    return Sweep(true=true[last], false=(1.0 + np.flatnonzero(last)) - true[last])


def roc_figure(values: Floats, score: Floats, classes: Sequence[str]) -> Figure:
    """Draw the ROC curve with the line of chance.

    Parameters
    ----------
    values
        0 or 1, ``[rows]``.
    score
        Probability of the positive class, ``[rows]``.
    classes
        Negative and positive.

    Returns
    -------
    Figure
        At most 200 points; the area is of the full curve.
    """
    found = sweep(values, score)
    auc = found.roc_auc()
    x = _thin(np.append(0.0, found.false / max(found.n_negative, 1)))
    y = _thin(np.append(0.0, found.true / max(found.n_positive, 1)))
    caught = float(np.interp(0.1, x, y))
    says = (
        f"Of a random '{classes[1]}' row and a random '{classes[0]}' row, the model ranks the right one "
        f"higher in {share(auc)} of the pairs (chance: 50 %). Where it wrongly flags 10 % of the "
        f"'{classes[0]}' rows, it finds {share(caught)} of the '{classes[1]}' rows."
    )
    return Figure(
        name="roc",
        title=f"How well '{classes[1]}' is told from '{classes[0]}'",
        says=says,
        x=Axis(label=f"'{classes[0]}' rows wrongly flagged", low=0, high=1, percent=True),
        y=Axis(label=f"'{classes[1]}' rows found", low=0, high=1, percent=True),
        marks=[
            Mark(kind="line", name="chance", x=[0.0, 1.0], y=[0.0, 1.0], role="reference"),
            Mark(kind="line", name=f"model, area {auc:.3f}", x=x.tolist(), y=y.tolist()),
        ],
    )


def precision_recall_figure(values: Floats, score: Floats, classes: Sequence[str]) -> Figure:
    """Draw precision against recall with the base rate.

    Parameters
    ----------
    values
        0 or 1, ``[rows]``.
    score
        Probability of the positive class, ``[rows]``.
    classes
        Negative and positive.

    Returns
    -------
    Figure
        Steps, not slopes: between two points precision is not linear.
    """
    found = sweep(values, score)
    rate = found.n_positive / len(values)
    recall = _thin(found.true / max(found.n_positive, 1))
    precision = _thin(found.true / (found.true + found.false))
    half = float(precision[np.searchsorted(recall, 0.5)])
    says = (
        f"To find half of the '{classes[1]}' rows, {share(half)} of the flagged rows are right; flagging at "
        f"random, it would be {share(rate)}. Over all thresholds the average precision is "
        f"{found.average_precision():.3f}."
    )
    return Figure(
        name="precision_recall",
        title=f"How many flagged rows really are '{classes[1]}'",
        says=says,
        x=Axis(label=f"'{classes[1]}' rows found (recall)", low=0, high=1, percent=True),
        y=Axis(label="flagged rows that are right (precision)", low=0, high=1, percent=True),
        marks=[
            Mark(kind="rule", name=f"base rate {share(rate)}", y=[rate], role="reference"),
            Mark(
                kind="step",
                name=f"model, average {found.average_precision():.3f}",
                x=recall.tolist(),
                y=precision.tolist(),
            ),
        ],
    )


def calibration_figure(hit: Floats, p: Floats, of: str) -> Figure:
    """Draw promised probabilities against what happened, with Wilson's intervals.

    Parameters
    ----------
    hit
        1 where it happened, ``[rows]``.
    p
        Promised probability, ``[rows]``.
    of
        What was promised, in words.

    Returns
    -------
    Figure
        About ten groups with the same number of rows; rows of equal probability stay together.
    """
    low_p, group = _groups(p)
    n = np.bincount(group).astype(np.float64)
    promised, seen = np.bincount(group, weights=p) / n, np.bincount(group, weights=hit) / n
    low, high = wilson(seen * n, n)
    off = float((n * np.abs(promised - seen)).sum() / n.sum())
    outside = int(((promised < low) | (promised > high)).sum())
    worst = int(np.abs(promised - seen).argmax())
    says = (
        f"On average the promised probability is off by {100 * off:.1f} points. Where it says "
        f"{share(promised[worst])}, it happens in {share(seen[worst])} of {int(n[worst]):,} rows; in "
        f"{outside} of {len(low_p)} groups the promise lies outside the 95 % interval."
    )
    columns = [promised, seen, low, high]
    table = Table(
        title="Promised and seen",
        columns=["promised", "seen", "low", "high", "rows"],
        rows=[[*map(float, row), int(k)] for *row, k in zip(*columns, n, strict=True)],
        note="Intervals: Wilson, 95 %.",
    )
    return Figure(
        name="calibration",
        title="Does a promised 30 % happen in 30 % of the rows?",
        says=says,
        x=Axis(label=f"promised probability of {of}", low=0, high=1, percent=True),
        y=Axis(label="share where it was so", low=0, high=1, percent=True),
        marks=[
            Mark(kind="line", name="perfect", x=[0.0, 1.0], y=[0.0, 1.0], role="reference"),
            Mark(
                kind="intervals",
                name="95 % interval",
                x=promised.tolist(),
                y=seen.tolist(),
                low=low.tolist(),
                high=high.tolist(),
                role="muted",
            ),
            Mark(kind="points", name="seen", x=promised.tolist(), y=seen.tolist()),
        ],
        table=table,
    )


def _groups(p: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Cut rows into about ten groups of equal size; return the lower edges and each row's group."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, BINS + 1)[:-1], method="lower"))
    found = np.searchsorted(edges, p, side="right") - 1
    used, group = np.unique(found, return_inverse=True)
    return edges[used], group.astype(np.int64)


def scores_figure(values: Floats, score: Floats, classes: Sequence[str]) -> Figure:
    """Draw how the scores of both classes are spread.

    Parameters
    ----------
    values
        0 or 1, ``[rows]``.
    score
        Probability of the positive class, ``[rows]``.
    classes
        Negative and positive.

    Returns
    -------
    Figure
        Shares within each class, in bins of 0.05.
    """
    edges = np.linspace(0, 1, SCORE_BINS + 1)
    middle = ((edges[:-1] + edges[1:]) / 2).tolist()
    marks: list[Mark] = []
    told: list[str] = []
    roles: tuple[Literal["other", "main"], ...] = ("other", "main")
    for code, (name, role) in enumerate(zip(classes, roles, strict=True)):
        held = score[values == code]
        if not len(held):
            continue
        label = f"'{name}' ({len(held):,} rows)"
        shares = np.histogram(held, bins=edges)[0] / len(held)
        marks.append(Mark(kind="step", name=label, x=middle, y=shares.tolist(), role=role))
        side = "above" if code else "below"
        told.append(f"half of the '{name}' rows score {side} {float(np.median(held)):.2f}")
    words = ", ".join(reversed(told))
    says = f"{words[0].upper()}{words[1:]}. Where the two curves overlap, the model cannot tell."
    return Figure(
        name="scores",
        title="Scores of both classes",
        says=says,
        x=Axis(label=f"probability of '{classes[1]}'", low=0, high=1, percent=True),
        y=Axis(label="share of the class's rows", low=0, percent=True),
        marks=marks,
    )


def _thin(curve: Floats) -> Floats:
    """Take at most `POINTS` entries, evenly by position, with both ends."""
    if len(curve) <= POINTS:
        return curve
    return curve[np.linspace(0, len(curve) - 1, POINTS).round().astype(np.int64)]
