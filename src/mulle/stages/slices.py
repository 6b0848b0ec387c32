"""Declared slices: does the model hold its own against the baseline on rows that matter by themselves?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import erfc, sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check, Interval, Status
from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.core.project import SlicePart
from mulle.kinds.expression import evaluate_sql
from mulle.metrics import Metric
from mulle.trials.estimate import quantile_t
from mulle.trials.holm import holm_confidence
from mulle.trials.paired import Gain, paired_gain

Floats = NDArray[np.float64]
LEAST_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Rows with known targets, ours and the baseline's predictions, and the unit of each."""

    metric: Metric
    target: Floats
    ours: Floats
    baseline: Floats
    units: NDArray[np.uint64]
    weight: Floats | None = None
    """How much each row counts; None: all alike."""
    protocol: str = "holdout"
    """Of the folds: where folds train on each other's rows, intervals are wider."""
    confidence: float = 0.95
    """That all slices together hold."""


@dataclass(frozen=True, kw_only=True)
class SliceResult:
    """One slice: how both do on it, and the paired gain at the confidence that all slices together allow."""

    part: SlicePart
    n_rows: int
    ours: float
    baseline: float
    gain: Gain | None


def judge_slices(
    parts: Sequence[SlicePart], table: pl.DataFrame, judged: Judged, *, rng: np.random.Generator
) -> list[SliceResult]:
    """Judge each declared slice; by Holm's method all intervals together hold with the judged confidence.

    Parameters
    ----------
    parts
        ``[[slices]]`` of the page.
    table
        Canonical rows.
    judged
        Both predictions of the same rows.
    rng
        For the bootstraps.

    Returns
    -------
    list of SliceResult
        One a slice, in order.
    """
    found = [_one(part, table, judged, rng) for part in parts]
    each = holm_confidence([_p_of_dropping(result) for result in found], judged.confidence)
    return [_at(result, confidence) for result, confidence in zip(found, each, strict=True)]


def _one(part: SlicePart, table: pl.DataFrame, judged: Judged, rng: np.random.Generator) -> SliceResult:
    mask = evaluate_sql(table, part.where, where=f"mulle.toml, [[slices]] {part.name}").fill_null(value=False)
    rows = mask.cast(pl.Boolean).to_numpy()
    n = int(rows.sum())
    if n < 2:  # noqa: PLR2004
        return SliceResult(part=part, n_rows=n, ours=np.nan, baseline=np.nan, gain=None)
    target, ours, theirs = judged.target[rows], judged.ours[rows], judged.baseline[rows]
    weight = None if judged.weight is None else judged.weight[rows]
    value, before = judged.metric(target, ours, weight), judged.metric(target, theirs, weight)
    gain = None
    if n >= LEAST_ROWS and np.isfinite(value):
        gain = paired_gain(
            judged.metric,
            target,
            [ours],
            [theirs],
            rng=rng,
            units=judged.units[rows],
            weight=weight,
            protocol=judged.protocol,
        )
    return SliceResult(part=part, n_rows=n, ours=value, baseline=before, gain=gain)


def _p_of_dropping(result: SliceResult) -> float:
    """Return how probable such a gain is on a slice that drops by just as much as is allowed."""
    if result.gain is None or result.gain.sd <= 0:
        return np.nan
    away = result.gain.value + (result.part.max_drop or 0.0)
    return 0.5 * erfc(away / result.gain.sd / sqrt(2.0))


def _at(result: SliceResult, confidence: float) -> SliceResult:
    """Return the result with its interval at another confidence."""
    gain = result.gain
    if gain is None:
        return result
    half = gain.sd * quantile_t(confidence, max(2, gain.n_units - 1))
    interval = Interval(low=gain.value - half, high=gain.value + half, confidence=confidence)
    return replace(result, gain=replace(gain, interval=interval))


def slice_checks(results: Sequence[SliceResult], metric: Metric, *, stage: str) -> Iterator[Check]:
    """Answer for each slice whether it drops by more than the page allows."""
    for result in results:
        yield _check(result, metric, stage)


def _check(result: SliceResult, metric: Metric, stage: str) -> Check:
    name, part, gain = f"{stage}.slice.{result.part.name}", result.part, result.gain
    if gain is None:
        says = f"'{part.name}' has {result.n_rows} rows: too few to tell anything."
        return Check(name=name, status=Status.UNANSWERED, says=says, fix="bring more of them", n_rows=result.n_rows)
    says = (
        f"On '{part.name}' ({result.n_rows:,} rows) {metric.title} is {result.ours:.4f}, the baseline's "
        f"{result.baseline:.4f}: a gain of {gain.value:+.4f} ({gain.interval.low:+.4f} to {gain.interval.high:+.4f})."
    )
    if part.max_drop is None:
        return Check(
            name=name,
            status=Status.UNANSWERED,
            says=says,
            fix="say how far it may fall behind: max_drop = 0.05",
            value=gain.value,
            interval=gain.interval,
            n_rows=result.n_rows,
        )
    ok, bad = gain.interval.low >= -part.max_drop, gain.interval.high < -part.max_drop
    status = Status.PASS if ok else Status.FAIL if bad else Status.UNANSWERED
    fix = "" if ok else "look at these rows: missing columns, other habits, too few of them in training"
    return Check(
        name=name,
        status=status,
        says=says,
        fix=fix,
        value=gain.value,
        bar=f"≥ -{part.max_drop:g} ([[slices]] max_drop), by the lower end",
        interval=gain.interval,
        n_rows=result.n_rows,
    )


def slices_figure(results: Sequence[SliceResult], metric: Metric) -> Figure | None:
    """Draw the gain over the baseline on each slice, with its interval."""
    held = [(r.part.name, r.gain) for r in results if r.gain is not None]
    if not held:
        return None
    names, gains = [name for name, _ in held], [gain for _, gain in held]
    worst = min(zip(gains, names, strict=True), key=lambda pair: pair[0].value)
    mark = Mark(
        kind="intervals",
        x=[g.value for g in gains],
        y=names,
        low=[g.interval.low for g in gains],
        high=[g.interval.high for g in gains],
    )
    return Figure(
        name="slices",
        title="Rows that matter by themselves",
        says=f"The gain over the best baseline on each declared slice; the least is on '{worst[1]}', {worst[0].value:+.4f}.",
        x=Axis(label=f"gain in {metric.title} over the baseline"),
        y=Axis(label="", scale="category"),
        marks=[Mark(kind="rule", x=[0.0], name="no gain", role="reference"), mark],
        table=_table(results, metric),
    )


def _table(results: Sequence[SliceResult], metric: Metric) -> Table:
    rows = [
        (
            r.part.name,
            r.n_rows,
            round(r.ours, 4),
            round(r.baseline, 4),
            round(r.gain.interval.low, 4) if r.gain else None,
            round(r.gain.interval.high, 4) if r.gain else None,
        )
        for r in results
    ]
    columns = ("slice", "rows", metric.title, "baseline", "gain from", "gain to")
    return Table(title="Slices", columns=columns, rows=rows)
