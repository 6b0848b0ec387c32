"""Declared slices: does the model hold its own against the baseline on rows that matter by themselves?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Check, Interval, Status
from mulle.core.errors import DataError
from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.core.project import SlicePart
from mulle.metrics import Metric
from mulle.trials.paired import Gain, paired_gain

Floats = NDArray[np.float64]
ALPHA = 0.05
LEAST_ROWS = 30


def evaluate_sql(table: pl.DataFrame, expression: str, *, where: str) -> pl.Series:
    """Evaluate one SQL expression over the rows of a table.

    Parameters
    ----------
    table
        Canonical rows.
    expression
        SQL over its columns.
    where
        The place to name when it fails.

    Returns
    -------
    polars.Series
        One value a row.

    Raises
    ------
    DataError
        When it can't be parsed, or names a column that isn't there.

    Examples
    --------
    >>> evaluate_sql(pl.DataFrame({"age": [20, 40]}), "age < 30", where="[[slices]]").to_list()
    [True, False]
    """
    try:
        return table.select(pl.sql_expr(expression).alias("answer"))["answer"]
    except pl.exceptions.PolarsError as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(
            f"the expression {expression!r} can't be used: {first}",
            where=where,
            fix=f"columns: {', '.join(table.columns[:20])}; quote names with a dash: \"hours-per-week\" > 40",
        ) from error


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Rows with known targets, ours and the baseline's predictions, and the unit of each."""

    metric: Metric
    target: Floats
    ours: Floats
    baseline: Floats
    units: NDArray[np.uint64]


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
    """Judge each declared slice; the confidence is raised so that all intervals together hold with 95 %."""
    confidence = 1 - ALPHA / max(1, len(parts))
    return [_one(part, table, judged, confidence, rng) for part in parts]


def _one(
    part: SlicePart, table: pl.DataFrame, judged: Judged, confidence: float, rng: np.random.Generator
) -> SliceResult:
    mask = evaluate_sql(table, part.where, where=f"mulle.toml, [[slices]] {part.name}").fill_null(value=False)
    rows = mask.cast(pl.Boolean).to_numpy()
    n = int(rows.sum())
    if n < 2:  # noqa: PLR2004
        return SliceResult(part=part, n_rows=n, ours=np.nan, baseline=np.nan, gain=None)
    target, ours, theirs = judged.target[rows], judged.ours[rows], judged.baseline[rows]
    value, before = judged.metric(target, ours), judged.metric(target, theirs)
    gain = None
    if n >= LEAST_ROWS and np.isfinite(value):
        gain = paired_gain(judged.metric, target, ours, theirs, judged.units[rows], rng=rng, confidence=confidence)
    return SliceResult(part=part, n_rows=n, ours=value, baseline=before, gain=gain)


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
        f"{result.baseline:.4f}: a gain of {gain.gain:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})."
    )
    interval = Interval(low=gain.low, high=gain.high, confidence=gain.confidence)
    if part.max_drop is None:
        return Check(
            name=name, status=Status.UNANSWERED, says=says, fix="say how far it may fall behind: max_drop = 0.05",
            value=gain.gain, interval=interval, n_rows=result.n_rows,
        )
    ok, bad = gain.low >= -part.max_drop, gain.high < -part.max_drop
    status = Status.PASS if ok else Status.FAIL if bad else Status.UNANSWERED
    fix = "" if ok else "look at these rows: missing columns, other habits, too few of them in training"
    return Check(
        name=name, status=status, says=says, fix=fix, value=gain.gain,
        bar=f"≥ -{part.max_drop:g} ([[slices]] max_drop), by the lower end", interval=interval, n_rows=result.n_rows,
    )


def slices_figure(results: Sequence[SliceResult], metric: Metric) -> Figure | None:
    """Draw the gain over the baseline on each slice, with its interval."""
    held = [(r.part.name, r.gain) for r in results if r.gain is not None]
    if not held:
        return None
    names, gains = [name for name, _ in held], [gain for _, gain in held]
    worst = min(zip(gains, names, strict=True), key=lambda pair: pair[0].gain)
    mark = Mark(
        kind="intervals", x=[g.gain for g in gains], y=names, low=[g.low for g in gains], high=[g.high for g in gains]
    )
    return Figure(
        name="slices",
        title="Rows that matter by themselves",
        says=f"The gain over the best baseline on each declared slice; the least is on '{worst[1]}', {worst[0].gain:+.4f}.",
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
            round(r.gain.low, 4) if r.gain else None,
            round(r.gain.high, 4) if r.gain else None,
        )
        for r in results
    ]
    columns = ("slice", "rows", metric.title, "baseline", "gain from", "gain to")
    return Table(title="Slices", columns=columns, rows=rows)
