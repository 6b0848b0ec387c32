"""Baseline: what do cheap answers already reach?

A constant, one rule, a regularised linear model; the user's own rule and the old system where the page names them. All
are scored out of fold on the folds that the models will use. Two hypotheses are tested: can the target be predicted from
the inputs at all, and would more rows help?
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.compute.turn import Turn
from mulle.core.check import Check, Interval, Outcome, Status
from mulle.core.errors import DataError
from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.core.jsonable import to_json
from mulle.kinds.expression import evaluate_sql
from mulle.models.base import Config, families
from mulle.stages.base import QUICK_LEARNER, Baselines, Framed, Prepared, Scored, problem_of, settle
from mulle.stages.reserve import for_a_baseline
from mulle.training.fold import as_columns, fold_order
from mulle.training.search import Candidate, Search
from mulle.training.simple import calibrated_score, over_folds
from mulle.trials.estimate import Estimate, estimate
from mulle.trials.learning import still_rises
from mulle.trials.paired import paired_gain

QUESTION = "What do cheap answers already reach?"
CHECKS: tuple[str, ...] = ("baseline.predictable", "baseline.more_rows")

LINEAR = "linear"
SIZES = (0.25, 0.5, 1.0)
CURVE_DRAWS = 200
CURVE_SHARE = 0.15
"""Of the budget, at most."""

Floats = NDArray[np.float64]
FoldPair = tuple[NDArray[np.int64], NDArray[np.int64]]


def run(turn: Turn, framed: Framed, prepared: Prepared) -> tuple[Outcome, Baselines]:
    """Score the baselines."""
    folds = [(prepared.train(k), prepared.valid(k)) for k in range(prepared.n_folds)]
    scored = [_constant(framed, prepared, folds)]
    fit_s = for_a_baseline(turn, n_folds=prepared.n_folds)
    search = Search(problem=problem_of(framed, prepared), workshop=turn.workshop, fit_s=fit_s)
    linear = _linear(search)
    rule, words = _rule(turn, framed, prepared, search)
    scored += [rule, linear, *_given(turn, framed, prepared, folds)]
    baselines = Baselines(scored=scored)
    curve = _learning_curve(turn, framed, prepared, search)
    checks = settle(turn, [_predictable(turn, framed, prepared, baselines), *_enough(framed, curve)])
    return _outcome(framed, baselines, checks, curve, words), baselines


def _baseline(framed: Framed, prepared: Prepared, name: str, title: str, prediction: Floats) -> Scored:
    rows = np.isfinite(prediction).all(axis=1)
    return Scored(
        name=name,
        family=name,
        title=title,
        config=Config(name=name),
        prepared=None,
        folds=(),
        prediction=prediction,
        value=framed.metric(prepared.target[rows], prediction[rows], prepared.weight_of(rows)),
        seconds=0.0,
        baseline=True,
    )


def _constant(framed: Framed, prepared: Prepared, folds: Sequence[FoldPair]) -> Scored:
    """Give all rows one constant: with one a fold, the folds' means would rank rows backwards."""
    target = as_columns(prepared.target, framed.loss)
    best = np.asarray(framed.task.constant(prepared.target, prepared.weight))
    prediction = over_folds(folds, target, lambda _, valid: np.repeat(best[None, :], len(valid), axis=0))
    return _baseline(framed, prepared, "constant", "Constant", prediction)


def _rule(turn: Turn, framed: Framed, prepared: Prepared, search: Search) -> tuple[Scored, str]:
    params = {"loss": to_json(framed.loss), "n_folds": prepared.n_folds}
    shared = search.prepared(families.get(LINEAR))
    found = turn.work("baseline.rule", params, rows=prepared.rows, prepared=shared, folds=prepared.folds)
    words = found.json("rule.json")["words"]
    return _baseline(framed, prepared, "rule", "One rule", np.asarray(found.array("prediction.npy"))), words


def _linear(search: Search) -> Scored:
    family = families.get(LINEAR)
    config = min(family.configs, key=lambda c: c.rank)
    found = search.score([Candidate(family=family, config=config)])
    if not found and search.faults:
        raise search.faults[0]
    if not found:
        raise DataError(
            "the linear baseline could not be fitted in the time that is left",
            where="mulle.toml, [objective] budget",
            fix="give more time: mulle set objective.budget=5m",
        )
    result = found[0]
    return Scored(
        name="linear",
        family=LINEAR,
        title="Linear",
        config=config,
        prepared=result.prepared,
        folds=result.folds,
        prediction=result.prediction,
        value=result.value,
        seconds=result.seconds,
        baseline=True,
    )


def _given(turn: Turn, framed: Framed, prepared: Prepared, folds: Sequence[FoldPair]) -> Iterator[Scored]:
    """Score the user's rule and the old system, where the page names them."""
    page = turn.page.baseline
    target = as_columns(prepared.target, framed.loss)
    for name, title, score in (
        ("your rule", "Your rule", _rule_score(prepared, page.rule)),
        ("old system", "Old system", _column_score(prepared, page.old_system)),
    ):
        if score is not None:
            prediction = over_folds(folds, target, lambda t, v, s=score: calibrated_score(s, target, t, v))  # type: ignore[misc]
            yield _baseline(framed, prepared, name, title, prediction)


def _rule_score(prepared: Prepared, rule: str | None) -> Floats | None:
    if rule is None:
        return None
    table = pl.read_parquet(prepared.rows.path / "rows.parquet")
    return as_score(evaluate_sql(table, rule, where="mulle.toml, [baseline] rule"))


def _column_score(prepared: Prepared, column: str | None) -> Floats | None:
    if column is None:
        return None
    return as_score(pl.read_parquet(prepared.rows.path / "rows.parquet", columns=[column])[column])


def as_score(column: pl.Series) -> Floats:
    """Return a column as numbers; text becomes the position of its value in the alphabet, missing becomes NaN."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return np.asarray(column.cast(pl.Float64).to_numpy(), dtype=np.float64)
    ordered = column.cast(pl.String).rank("dense")
    return np.asarray(ordered.cast(pl.Float64).to_numpy(), dtype=np.float64)


# ------------------------------------------------------------------------------------------ hypotheses


def _predictable(turn: Turn, framed: Framed, prepared: Prepared, baselines: Baselines) -> Check:
    """Test the first hypothesis: some cheap model beats the constant."""
    constant_, others = baselines.scored[0], baselines.scored[1:]
    best = min(others, key=lambda s: framed.metric.error(s.value))
    rows = constant_.rows & best.rows
    gain = paired_gain(
        framed.metric,
        prepared.target[rows],
        [best.prediction[rows]],
        [constant_.prediction[rows]],
        rng=turn.rng("predictable"),
        units=prepared.units[rows],
        weight=prepared.weight_of(rows),
        protocol=prepared.protocol,
    )
    ok = gain.interval.low > 0
    return Check(
        name="baseline.predictable",
        status=Status.PASS if ok else Status.FAIL if gain.interval.high <= 0 else Status.UNANSWERED,
        says=f"{best.title} beats the constant by {gain.value:.4f} in {framed.metric.title}: the target can be "
        "predicted from the inputs."
        if ok
        else f"No cheap model clearly beats the constant (the best, {best.title}, by {gain.value:.4f}).",
        fix="" if ok else "bring inputs that know more about the target, or more rows",
        value=gain.value,
        bar="> 0, by the lower end of the interval",
        interval=gain.interval,
        n_rows=int(rows.sum()),
    )


def _learning_curve(turn: Turn, framed: Framed, prepared: Prepared, search: Search) -> list[tuple[int, Estimate]]:
    """Fit a quick learner on a part of the first fold's training rows, each part within the next.

    All do the same few iterations: nothing is stopped, so nothing looks at the rows that they are judged on.
    """
    family = families.get(QUICK_LEARNER)
    config = Config(name="learning curve", params={"iterations": 60})
    inputs = {
        "schema": framed.guessed,
        "rows": prepared.rows,
        "folds": prepared.folds,
        "prepared": search.prepared(family),
    }
    orders = [
        fold_order(
            family, config, 0, loss=framed.loss, features=prepared.features, inputs=inputs, take=size, stops=False
        )
        for size in SIZES
    ]
    valid, points = prepared.valid(0), []
    for done in search.workshop.work_all(orders, deadline=_curve_deadline(turn)):
        if done.ref is not None and not done.late:
            size = float(done.order.params.get("take", 1.0))  # type: ignore[arg-type]
            found = estimate(
                framed.metric,
                prepared.target[valid],
                np.asarray(done.ref.array("valid.npy")),
                rng=turn.rng("learning curve"),
                units=prepared.units[valid],
                weight=prepared.weight_of(valid),
                n_draws=CURVE_DRAWS,
            )
            points.append((int(size * len(prepared.train(0))), found))
    return sorted(points, key=lambda point: point[0])


def _curve_deadline(turn: Turn) -> float | None:
    """Return when the learning curve must be done: on a very wide table it would eat the search's time."""
    if turn.deadline is None:
        return None
    now = perf_counter()
    return float(min(turn.deadline, now + CURVE_SHARE * (turn.deadline - turn.memo.get("began", now))))


def _enough(framed: Framed, curve: Sequence[tuple[int, Estimate]]) -> Iterator[Check]:
    """Test the second hypothesis: do the rows hold enough, or does the curve still rise?"""
    metric = framed.metric
    known = [
        (n, found) for n, found in curve if np.isfinite([found.value, found.interval.low, found.interval.high]).all()
    ]
    if len(known) < len(SIZES):
        if len(curve) < len(SIZES):
            yield Check(
                name="baseline.more_rows",
                status=Status.NOTE,
                says=f"Whether more rows would help was not asked to the end: {len(curve)} of {len(SIZES)} fits came "
                f"through within {CURVE_SHARE:.0%} of the budget.",
                fix="give more time: mulle set objective.budget=10m",
            )
        return
    errors = [metric.error(found.value) for _, found in known]
    ends = [sorted((metric.error(f.interval.low), metric.error(f.interval.high))) for _, f in known]
    rise = still_rises([n for n, _ in known], errors, [Interval(low=low, high=high) for low, high in ends])
    yield Check(
        name="baseline.more_rows",
        status=Status.NOTE,
        says=f"On {known[0][0]:,} to {known[-1][0]:,} training rows of a quick learner: {rise.says}.",
        value=rise.per_doubling,
        n_rows=known[-1][0],
    )


# ------------------------------------------------------------------------------------------ outcome


def _outcome(
    framed: Framed,
    baselines: Baselines,
    checks: Sequence[Check],
    curve: Sequence[tuple[int, Estimate]],
    words: str,
) -> Outcome:
    best = baselines.best(framed.metric)
    title = framed.metric.title
    rows = [(s.title, round(s.value, 5)) for s in baselines.scored]
    figures = [_ladder(framed, baselines)]
    if len(curve) > 1:
        figures.append(_curve_figure(framed, curve))
    return Outcome(
        stage="baseline",
        question=QUESTION,
        answer=f"The best cheap answer is {best.title}, with {title} {best.value:.4f}. A model must beat it.",
        checks=checks,
        figures=figures,
        tables=[Table(title="Baselines, out of fold", columns=("baseline", title), rows=rows)],
        notes=[f"The one rule: {words}"],
        facts={"best": best.title, "value": best.value, "constant": baselines.scored[0].value},
    )


def _ladder(framed: Framed, baselines: Baselines) -> Figure:
    ordered = sorted(baselines.scored, key=lambda s: -framed.metric.error(s.value))
    mark = Mark(kind="bars", x=[s.value for s in ordered], y=[s.title for s in ordered])
    return Figure(
        name="baselines",
        title="What cheap answers reach",
        says=f"{ordered[-1].title} is the best of the cheap answers: {framed.metric.title} {ordered[-1].value:.4f}.",
        x=Axis(label=framed.metric.title),
        y=Axis(label="", scale="category"),
        marks=[mark],
    )


def _curve_figure(framed: Framed, curve: Sequence[tuple[int, Estimate]]) -> Figure:
    x, y = [n for n, _ in curve], [found.value for _, found in curve]
    return Figure(
        name="learning_curve",
        title="Would more rows help?",
        says=f"A quick learner on {x[0]:,} to {x[-1]:,} rows: {framed.metric.title} goes from {y[0]:.4f} to {y[-1]:.4f}.",
        x=Axis(label="training rows", scale="log"),
        y=Axis(label=framed.metric.title),
        marks=[Mark(kind="line", name="quick learner", x=x, y=y), Mark(kind="points", x=x, y=y)],
    )
