"""Evaluate: how good is it honestly, for whom, and what is it worth?

The estimate counts in that the winner was chosen on the same rows (BBC-CV); the gain over the best baseline is paired and
gated on its bound; the threshold comes from the costs; declared slices and groups are judged; permutation importance says
what the model looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import mulle.training.importance  # noqa: F401  # its unit of work is asked for by name
from mulle.compute.turn import Turn
from mulle.core.check import Check, Outcome, Status
from mulle.core.count import count
from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.core.jsonable import to_json
from mulle.core.work import Order
from mulle.models.base import families
from mulle.policies import Chosen
from mulle.policies.graph import decide, policy_graph
from mulle.policies.money import Worth, money, money_figure, worth
from mulle.stages.base import Baselines, Evaluated, Framed, Prepared, Scored, Searched, settle
from mulle.stages.fairness import Fairness, Groupable, fairness_checks, fairness_figure, judge_fairness, unmeasured
from mulle.stages.gain import Compared, gain_check
from mulle.stages.reserve import for_importance
from mulle.stages.slices import Judged, SliceResult, judge_slices, slice_checks, slices_figure
from mulle.tasks import Decided
from mulle.trials.bbc import honest
from mulle.trials.calibration import calibrate
from mulle.trials.estimate import Estimate
from mulle.trials.paired import Gain, paired_gain

QUESTION = "How good is it honestly, for whom, and what is it worth?"
CHECKS: tuple[str, ...] = ("evaluate.gain", "evaluate.worth", "evaluate.slice.", "evaluate.fairness.")

MOST_IMPORTANT = 20
SAME = 5e-5
"""Numbers that differ by less are told by the same four digits."""
MOST_SECONDS = 6.0
"""For each of the two bootstraps, when the budget is in time."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What is lost when a feature is shuffled, the most first; of how many; and whether time cut it short."""

    lost: Mapping[str, float]
    n_features: int
    late: bool

    @property
    def says(self) -> str:
        """What was left out, and why; empty when nothing was."""
        n = len(self.lost)
        if n >= self.n_features:
            return ""
        why = "the budget left no time for more" if self.late else "the others tell less"
        most = f"the {n:,} that go most with the target" if n else "none"
        return f"Of {count(self.n_features, 'column')} {most} were shuffled to see what the model looks at: {why}."


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """All that was computed, before it is put into words."""

    rows: NDArray[np.int64]
    target: Floats
    weight: Floats | None
    prediction: Floats
    decision: Floats
    baseline: Scored
    estimate: Estimate
    gain: Gain
    chosen: Chosen
    worth: Worth | None
    slices: Sequence[SliceResult]
    fairness: Sequence[Fairness]
    importance: Importance

    def decided(self, framed: Framed) -> Decided:
        """Return the rows with what was decided on each, for the task to put into words."""
        return Decided(values=self.target, decision=self.decision, classes=framed.schema.classes, weight=self.weight)


def run(
    turn: Turn, framed: Framed, prepared: Prepared, baselines: Baselines, searched: Searched
) -> tuple[Outcome, Evaluated]:
    """Evaluate what would ship."""
    rows = np.flatnonzero(np.isfinite(searched.prediction).all(axis=1))
    weight = prepared.weight_of(rows)
    calibration = calibrate(
        searched.prediction[rows],
        prepared.target[rows],
        framed.loss,
        prepared.units[rows],
        rng=turn.rng("calibration"),
        weight=weight,
    )
    chosen = framed.policy.choose(prepared.target[rows], calibration.prediction, framed.costs, weight)
    numbers = _numbers(turn, framed, prepared, baselines, searched, (rows, calibration.prediction, chosen))
    checks = settle(turn, list(_checks(turn, framed, searched, numbers)))
    facts = _facts(framed, numbers) | {"is_baseline": _is_baseline(searched, numbers)}
    evaluated = Evaluated(
        calibration=to_json(calibration.steps),
        parameters=chosen.parameters,
        policy_says=framed.policy.says(chosen.parameters, framed.schema.classes),
        facts=facts,
        estimate=numbers.estimate,
        words=tuple(_words(framed, numbers, itself=facts["is_baseline"])),
        failures=tuple(_failures(framed, numbers)),
        prediction=calibration.prediction,
    )
    return _outcome(framed, numbers, checks, (facts, calibration.says), evaluated), evaluated


# ------------------------------------------------------------------------------------------ numbers


def _numbers(
    turn: Turn,
    framed: Framed,
    prepared: Prepared,
    baselines: Baselines,
    searched: Searched,
    chosen: tuple[NDArray[np.int64], Floats, Chosen],
) -> Numbers:
    rows, prediction, policy = chosen
    shuffles = _importance_orders(turn, framed, prepared, searched)
    turn.workshop.ahead(shuffles)  # workers would be idle while rows are drawn again and again here
    target, units, weight = prepared.target[rows], prepared.units[rows], prepared.weight_of(rows)
    baseline = baselines.best(framed.metric)
    able = [i for i, s in enumerate(searched.scored) if s.folds and s.rows[rows].all()]
    every = [searched.scored[i].prediction[rows] for i in able]
    if len(searched.members) > 1:  # an ensemble is one more configuration among which the choice was made
        every.append(searched.prediction[rows])
    decision = decided(framed, policy.parameters, prediction)
    table = pl.read_parquet(prepared.rows.path / "rows.parquet")[rows]
    judged = Judged(
        metric=framed.metric,
        target=target,
        ours=prediction,
        baseline=baseline.prediction[rows],
        units=units,
        weight=weight,
        protocol=prepared.protocol,
    )
    ships = len(every) - 1 if len(searched.members) > 1 else able.index(searched.members[0][0])
    every[ships] = prediction  # what ships is calibrated, each row by rows it was not fitted on
    how: dict[str, Any] = {
        "units": units,
        "weight": weight,
        "protocol": prepared.protocol,
        "seconds": None if turn.deadline is None else MOST_SECONDS,
        "ships": ships,
    }
    known = framed.costs.false_positive is not None and framed.costs.false_negative is not None
    return Numbers(
        rows=rows,
        target=target,
        weight=weight,
        prediction=prediction,
        decision=decision,
        baseline=baseline,
        estimate=honest(framed.metric, target, every, rng=turn.rng("estimate"), **how),
        gain=paired_gain(framed.metric, target, every, [baseline.prediction[rows]], rng=turn.rng("gain"), **how),
        chosen=policy,
        worth=worth(target, prediction, policy.parameters["threshold"], framed.costs, weight=weight)
        if known and "threshold" in policy.parameters
        else None,
        slices=judge_slices(turn.page.slices, table, judged, rng=turn.rng("slices")),
        fairness=judge_fairness(
            turn.page.fairness,
            table,
            Groupable(target=target, decision=decision, units=units, weight=weight, numbers=not framed.schema.classes),
            rng=turn.rng("fairness"),
        )
        if target.ndim == 1
        else [],
        importance=_importance(turn, prepared, shuffles),
    )


def decided(framed: Framed, parameters: Mapping[str, float], prediction: Floats) -> Floats:
    """Return the policy's decision for each row, through its own graph: class codes, or values."""
    graph = policy_graph(framed.policy, parameters, prediction.shape[1])
    return np.asarray(decide(graph, parameters, prediction), dtype=np.float64)


def _importance_orders(turn: Turn, framed: Framed, prepared: Prepared, searched: Searched) -> list[Order]:
    """Return the orders that shuffle the columns of the first member's first folds."""
    best = searched.scored[searched.members[0][0]]
    family, seconds = families.get(best.family), for_importance(turn)
    orders = []
    for k, fold in enumerate(best.folds[:2]):
        params = {
            "features": list(prepared.features),
            "views": {kind: list(views) for kind, views in sorted(family.views.items())},
            "loss": to_json(framed.loss),
            "metric": framed.metric_name,
            "fold": k,
        }
        assert best.prepared is not None  # noqa: S101  # it was fitted
        inputs = {
            "schema": framed.guessed,
            "rows": prepared.rows,
            "folds": prepared.folds,
            "prepared": best.prepared,
            "fold_work": fold,
        }
        orders.append(Order(unit="evaluate.importance", params=params, inputs=inputs, seconds=seconds))
    return orders


def _importance(turn: Turn, prepared: Prepared, orders: Sequence[Order]) -> Importance:
    """Return what is lost, by feature, averaged over the folds."""
    ended = list(turn.workshop.work_all(orders))
    found = [done.ref.json("importance.json") for done in ended if done.ref]
    values: dict[str, list[float]] = {}
    for name, lost in (pair for one in found for pair in one["lost"].items()):
        if lost is not None:  # a fold with one class alone has no ROC AUC to lose
            values.setdefault(name, []).append(lost)
    mean = {name: float(np.mean(held)) for name, held in values.items()}
    return Importance(
        lost=dict(sorted(mean.items(), key=lambda item: (-item[1], item[0]))),
        n_features=max((one["n_features"] for one in found), default=len(prepared.features)),
        late=any(done.late for done in ended),
    )


# ------------------------------------------------------------------------------------------ checks


def _checks(turn: Turn, framed: Framed, searched: Searched, numbers: Numbers) -> Iterator[Check]:
    yield _gain_check(turn, framed, searched, numbers)
    if numbers.worth is not None:
        ok = numbers.worth.saves_over_best > 0
        yield Check(
            name="evaluate.worth",
            status=Status.PASS if ok else Status.FAIL,
            says=numbers.worth.says,
            fix="" if ok else "the model costs more than doing without: look at the costs, or at better inputs",
            value=numbers.worth.saves_over_best,
            bar="> 0 per 1,000 rows, against the cheaper way to do without a model",
        )
    yield from slice_checks(numbers.slices, framed.metric, stage="evaluate")
    yield from fairness_checks(numbers.fairness, turn.page.fairness, stage="evaluate")
    yield from unmeasured(turn.page.fairness, measured=numbers.target.ndim == 1, stage="evaluate")


def _is_baseline(searched: Searched, numbers: Numbers) -> bool:
    return [searched.scored[i] for i, _ in searched.members] == [numbers.baseline]


def _gain_check(turn: Turn, framed: Framed, searched: Searched, numbers: Numbers) -> Check:
    return gain_check(
        "evaluate",
        numbers.gain,
        Compared(
            metric=framed.metric.title,
            over=numbers.baseline.title,
            min_gain=turn.page.objective.min_gain,
            n_rows=len(numbers.rows),
            itself=_is_baseline(searched, numbers),
            searched=not all(scored.baseline for scored in searched.scored),
            budget=turn.page.objective.budget,
        ),
    )


# ------------------------------------------------------------------------------------------ words


def _facts(framed: Framed, numbers: Numbers) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "metric": framed.metric_name,
        "metric_title": framed.metric.title,
        "metric_explains": framed.metric.explains,
        "estimate": numbers.estimate.value,
        "low": numbers.estimate.interval.low,
        "high": numbers.estimate.interval.high,
        "baseline": numbers.baseline.title,
        "baseline_value": numbers.baseline.value,
        "gain": numbers.gain.value,
        "gain_low": numbers.gain.interval.low,
        "gain_high": numbers.gain.interval.high,
        "n_rows": len(numbers.rows),
        "parameters": dict(numbers.chosen.parameters),
        "policy_why": numbers.chosen.why,
    }
    if numbers.worth is not None:
        held = numbers.worth
        facts["worth"] = money(held.saves_over_best, held.currency)
        facts["worth_note"] = "saved against the cheaper way to do without a model"
        facts["worth_says"] = held.says
    return facts


def _words(framed: Framed, numbers: Numbers, *, itself: bool) -> Iterator[str]:
    estimate = numbers.estimate
    simple = (
        f"That is the best simple answer itself ({numbers.baseline.title})."
        if itself
        else f"The best simple answer ({numbers.baseline.title}) reaches {numbers.baseline.value:.3f}."
    )
    yield (
        f"Judged by {framed.metric.title} it reaches {estimate.value:.3f}; in 95 of 100 such measurements the truth lies "
        f"between {estimate.interval.low:.3f} and {estimate.interval.high:.3f}. {simple}"
    )
    if framed.metric.explains:
        yield f"What {framed.metric.title} is: {framed.metric.explains}"
    if numbers.worth is not None:
        yield numbers.worth.says
    yield from framed.task.right(numbers.decided(framed))


def _failures(framed: Framed, numbers: Numbers) -> Iterator[str]:
    yield from framed.task.wrong(numbers.decided(framed))
    for one in numbers.slices:
        if one.gain is not None and one.gain.value < numbers.gain.value:
            yield f"On '{one.part.name}' it gains less than elsewhere: {one.gain.value:+.3f} over the baseline."
    for group in numbers.fairness:
        yield f"Between groups of '{group.column}' the gap ({group.measure.replace('_', ' ')}) is {group.gap:.3f}."
    yield "On rows unlike those it learned from (other places, other times, other habits) nothing is promised."


# ------------------------------------------------------------------------------------------ outcome


def _outcome(
    framed: Framed,
    numbers: Numbers,
    checks: Sequence[Check],
    facts: tuple[Mapping[str, Any], str],
    evaluated: Evaluated,
) -> Outcome:
    task, classes = framed.task, framed.schema.classes
    decision = numbers.decision if framed.policy.decides == "class" else None
    figures = list(task.figures(numbers.target, numbers.prediction, classes, decision))
    if framed.policy.weighs_costs:
        threshold = numbers.chosen.parameters.get("threshold", 0.5)
        drawn = money_figure(numbers.target, numbers.prediction, threshold, framed.costs, weight=numbers.weight)
        figures.insert(0, drawn)
    figures += [f for f in [slices_figure(numbers.slices, framed.metric)] if f is not None]
    figures += [fairness_figure(one) for one in numbers.fairness if one.groups]
    if numbers.importance.lost:
        figures.append(_importance_figure(framed, numbers.importance))
    estimate = numbers.estimate
    gain = f"{numbers.gain.value:+.4f} over {numbers.baseline.title}"
    answer = (
        f"{framed.metric.title} {estimate.value:.4f} ({estimate.interval.low:.4f} to {estimate.interval.high:.4f}), "
        f"{_itself(numbers) if facts[0]['is_baseline'] else gain}."
    )
    return Outcome(
        stage="evaluate",
        question=QUESTION,
        answer=answer,
        checks=checks,
        figures=figures,
        tables=list(task.errors(numbers.target, numbers.prediction, classes, decision)),
        notes=[note for note in (numbers.chosen.why, evaluated.policy_says, facts[1], numbers.importance.says) if note],
        facts=facts[0],
    )


def _itself(numbers: Numbers) -> str:
    """Say that the baseline ships, and why its number here is not quite that of its own stage."""
    says = f"by the baseline itself, {numbers.baseline.title}"
    if abs(numbers.baseline.value - numbers.estimate.value) < SAME:
        return says
    return f"{says}, whose {numbers.baseline.value:.4f} was measured before its chances were calibrated"


def _importance_figure(framed: Framed, importance: Importance) -> Figure:
    shown = list(importance.lost.items())[:MOST_IMPORTANT]
    first = shown[0][0]
    rows = [(name, round(lost, 6)) for name, lost in importance.lost.items()][:200]
    return Figure(
        name="importance",
        title="What the model looks at",
        says=f"When the values of one column are shuffled among the rows, {framed.metric.title} gets worse by this much; "
        f"most for '{first}' ({shown[0][1]:.4f}). Columns that say the same share their importance. "
        f"{importance.says}".rstrip(),
        x=Axis(label=f"how much worse {framed.metric.title} gets"),
        y=Axis(label="", scale="category"),
        marks=[Mark(kind="bars", x=[lost for _, lost in shown], y=[name for name, _ in shown])],
        table=Table(title="Permutation importance", columns=("column", "how much worse"), rows=rows),
    )
