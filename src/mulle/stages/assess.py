"""Assess: does it hold on rows that nobody has seen?

The opening is recorded before a row is read. The very bundle that would ship scores the sealed rows as they came. The same
bundle on the same seal gives the same answer, uncounted; each further bundle widens the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.compute.turn import Turn
from mulle.core.check import Check, Interval, Outcome, Status
from mulle.core.errors import DataError, ProjectError
from mulle.core.figure import Axis, Figure, Mark
from mulle.core.jsonable import from_json, to_json
from mulle.core.loss import Loss
from mulle.core.schema import Feature, Schema
from mulle.core.work import Job, Ref, unit
from mulle.kinds.preparation import canonical
from mulle.policies.graph import decide, policy_graph
from mulle.policies.money import money, worth
from mulle.runtime.bundle import Bundle
from mulle.splits.opening import Permit, open_seal
from mulle.stages.base import Baselines, Evaluated, Framed, Packaged, Prepared, settle
from mulle.stages.fairness import Groupable, fairness_checks, judge_fairness, unmeasured
from mulle.stages.gain import Compared, gain_check
from mulle.stages.slices import Judged, SliceResult, judge_slices, slice_checks, slices_figure
from mulle.stages.weights import weights_of
from mulle.tasks import Target, tasks
from mulle.training.assembly import Member, answer
from mulle.training.fold import as_columns, features_of
from mulle.trials.estimate import estimate
from mulle.trials.paired import Gain, paired_gain
from mulle.trials.surprise import Difference, difference

QUESTION = "Does it hold on rows that nobody has seen?"
CHECKS: tuple[str, ...] = (
    "assess.as_promised",
    "assess.gain",
    "assess.rejected",
    "assess.unknown",
    "assess.new_class",
    "assess.slice.",
    "assess.fairness.",
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the sealed rows gave, and by what leave they were read."""

    permit: Permit
    target: Floats
    weight: Floats | None
    prediction: Floats
    baseline: Floats
    units: NDArray[np.uint64]
    table: pl.DataFrame
    counts: Mapping[str, int]
    value: float
    interval: Interval
    gain: Gain
    surprise: Difference
    slices: Sequence[SliceResult]


def run(
    turn: Turn,
    framed: Framed,
    prepared: Prepared,
    baselines: Baselines,
    evaluated: Evaluated,
    packaged: Packaged,
) -> tuple[Outcome, Held]:
    """Open the seal for this bundle and judge it."""
    if framed.sides.sealed is None:
        raise ProjectError(
            'there is no sealed test: test = "none"',
            where="mulle.toml, [data] test",
            fix="remove the key, then mulle run",
        )
    now = (turn.now or datetime.now(UTC)).isoformat(timespec="seconds")
    permit = open_seal(
        turn.folder,
        bundle=packaged.bundle.hash,
        run=turn.run_id,
        now=now,
        reason=turn.memo.get("again", ""),
        seal=framed.sides.seal,
    )
    scored = turn.work(
        "assess.score", _params(turn, framed, prepared), **_inputs(framed, prepared, baselines, packaged)
    )
    held = _held(turn, framed, evaluated, permit, scored)
    checks = settle(turn, list(_checks(turn, framed, evaluated, held)))
    return _outcome(framed, evaluated, held, checks), held


# ------------------------------------------------------------------------------------------ scoring


def _params(turn: Turn, framed: Framed, prepared: Prepared) -> dict[str, Any]:
    return {
        "features": list(prepared.features),
        "loss": to_json(framed.loss),
        "n_folds": prepared.n_folds,
        "weight": turn.page.data.weight,
    }


def _inputs(framed: Framed, prepared: Prepared, baselines: Baselines, packaged: Packaged) -> dict[str, Ref]:
    assert framed.sides.sealed is not None  # noqa: S101  # checked by the caller
    inputs = {"built": packaged.bundle, "side": framed.sides.sealed, "schema": framed.guessed}
    baseline = baselines.scored[0]
    inputs["rows"] = prepared.rows
    if baseline.prepared is not None:
        inputs["prepared"] = baseline.prepared
        inputs |= {f"fold_{k}": ref for k, ref in enumerate(baseline.folds)}
    return inputs


@unit("assess.score")
def score(job: Job) -> None:
    """Score the sealed rows, as they came, by the bundle and by the baseline."""
    schema = from_json(Schema, job.inputs["schema"].json("schema.json"))
    raw = pl.read_parquet(job.inputs["side"].path / "raw.parquet")
    settled = _of_known_classes(raw[schema.target], schema)
    units = np.asarray(job.inputs["side"].array("unit.npy"))[settled]
    raw = raw.filter(pl.Series(settled))
    values = tasks.get(schema.task).read(raw[schema.target], classes=schema.classes).values
    known = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
    raw, values = raw.filter(pl.Series(known)), values[known]
    found = Bundle.load(job.inputs["built"].path / "bundle").predict(raw)
    kept = ~found.rejected
    every, _ = canonical(_every(job), raw)
    every.filter(pl.Series(kept)).write_parquet(job.out / "rows.parquet")
    arrays = {
        "target": values[kept],
        "prediction": found.prediction[kept],
        "baseline": _baseline(job, every, values)[kept],
        "unit": units[known][kept],
    }
    if job.params["weight"]:
        arrays["weight"] = weights_of(raw[job.params["weight"]])[kept]
    for name, array in arrays.items():
        np.save(job.out / f"{name}.npy", array, allow_pickle=False)
    counts = {"rejected": int(found.n_rejected), "unknown": int((~known).sum()), "new_class": int((~settled).sum())}
    job.write("counts.json", counts)


def _of_known_classes(column: pl.Series, schema: Schema) -> NDArray[np.bool_]:
    """Return which rows have a target that the task can read: a class that no development row had cannot be."""
    read = tasks.get(schema.task).read
    try:
        read(column, classes=schema.classes)
    except DataError:
        readable = {value: _reads(read, value, column, schema) for value in column.unique().to_list()}
        return np.array([readable[value] for value in column.to_list()], dtype=bool)
    return np.ones(len(column), dtype=bool)


def _reads(read: Callable[..., Target], value: object, column: pl.Series, schema: Schema) -> bool:
    try:
        read(pl.Series(column.name, [value], dtype=column.dtype), classes=schema.classes)
    except DataError:
        return False
    return True


def _every(job: Job) -> list[Feature]:
    return [from_json(Feature, f) for f in job.inputs["schema"].json("columns.json")]


def _baseline(job: Job, table: pl.DataFrame, values: Floats) -> Floats:
    """Return the baseline's predictions of the sealed rows: the linear model's, or the development rows' constant."""
    loss = from_json(Loss, job.params["loss"])
    if "prepared" not in job.inputs:
        rows = job.inputs["rows"]
        weight = np.asarray(rows.array("weight.npy")) if (rows.path / "weight.npy").exists() else None
        known = as_columns(np.asarray(rows.array("target.npy")), loss)
        return np.repeat(np.average(known, axis=0, weights=weight)[None, :], len(values), axis=0)
    member = Member(
        weight=1.0,
        prepared=job.inputs["prepared"],
        folds=[job.inputs[f"fold_{k}"] for k in range(int(job.params["n_folds"]))],
    )
    features = features_of(job.inputs["schema"], job.params["features"])
    return answer([member], features=features, table=table, loss=loss, calibration=None)


# ------------------------------------------------------------------------------------------ judging


def _held(turn: Turn, framed: Framed, evaluated: Evaluated, permit: Permit, scored: Ref) -> Held:
    target, prediction, baseline = (
        np.asarray(scored.array(f"{name}.npy")) for name in ("target", "prediction", "baseline")
    )
    units = np.asarray(scored.array("unit.npy"))
    weight = np.asarray(scored.array("weight.npy")) if turn.page.data.weight else None
    found = estimate(
        framed.metric,
        target,
        prediction,
        rng=turn.rng("sealed"),
        units=units,
        weight=weight,
        confidence=permit.confidence,
    )
    gain = paired_gain(
        framed.metric,
        target,
        [prediction],
        [baseline],
        rng=turn.rng("sealed gain"),
        units=units,
        weight=weight,
        protocol="holdout",
        confidence=permit.confidence,
    )
    table = pl.read_parquet(scored.path / "rows.parquet")
    judged = Judged(
        metric=framed.metric,
        target=target,
        ours=prediction,
        baseline=baseline,
        units=units,
        weight=weight,
        confidence=permit.confidence,
    )
    return Held(
        permit=permit,
        target=target,
        weight=weight,
        prediction=prediction,
        baseline=baseline,
        units=units,
        table=table,
        counts=scored.json("counts.json"),
        value=found.value,
        interval=found.interval,
        gain=gain,
        surprise=difference(framed.metric, evaluated.estimate, found, confidence=permit.confidence),
        slices=judge_slices(turn.page.slices, table, judged, rng=turn.rng("sealed slices")),
    )


def _checks(turn: Turn, framed: Framed, evaluated: Evaluated, held: Held) -> Iterator[Check]:
    yield _promise_check(framed, evaluated, held)
    yield _gain_check(turn, framed, evaluated, held)
    yield from _not_judged(held.counts)
    yield from slice_checks(held.slices, framed.metric, stage="assess")
    if held.target.ndim == 1:
        groups = Groupable(
            target=held.target,
            decision=_decision(framed, evaluated, held),
            units=held.units,
            weight=held.weight,
            numbers=not framed.schema.classes,
        )
        found = judge_fairness(
            turn.page.fairness,
            held.table,
            groups,
            rng=turn.rng("sealed fairness"),
            confidence=held.permit.confidence,
        )
        yield from fairness_checks(found, turn.page.fairness, stage="assess")
    yield from unmeasured(turn.page.fairness, measured=held.target.ndim == 1, stage="assess")


def _decision(framed: Framed, evaluated: Evaluated, held: Held) -> Floats:
    graph = policy_graph(framed.policy, evaluated.parameters, held.prediction.shape[1])
    return np.asarray(decide(graph, evaluated.parameters, held.prediction), dtype=np.float64)


def _promise_check(framed: Framed, evaluated: Evaluated, held: Held) -> Check:
    found = held.surprise
    worse = found.surprise and found.value < 0
    return Check(
        name="assess.as_promised",
        status=Status.FAIL if worse else Status.PASS,
        says=f"Validation promised {framed.metric.title} {evaluated.facts['estimate']:.4f}; the sealed rows gave "
        f"{held.value:.4f} ({held.interval.low:.4f} to {held.interval.high:.4f}): {found.says}.",
        fix="" if not worse else "look for a leak, or for rows that differ: mulle report, stage data",
        value=found.value,
        bar="not clearly worse than promised (the interval of the difference)",
        interval=found.interval,
        n_rows=len(held.target),
    )


def _not_judged(counts: Mapping[str, int]) -> Iterator[Check]:
    """Say how many sealed rows are not in the numbers, and why."""
    why = {
        "rejected": (Status.NOTE, "could not be scored"),
        "unknown": (Status.NOTE, "have a target that is not known yet"),
        "new_class": (Status.FAIL, "are of a class that no development row has, so the model can't name it"),
    }
    for name, (status, words) in why.items():
        if counts[name]:
            yield Check(
                name=f"assess.{name}",
                status=status,
                says=f"{counts[name]:,} sealed rows {words}; they are not in these numbers.",
                fix="bring rows of every class, then mulle run" if status is Status.FAIL else "",
                value=float(counts[name]),
            )


def _gain_check(turn: Turn, framed: Framed, evaluated: Evaluated, held: Held) -> Check:
    best, over = str(evaluated.facts["baseline"]), str(evaluated.facts["compared"])
    return gain_check(
        "assess",
        held.gain,
        Compared(
            metric=framed.metric.title,
            over=over,
            min_gain=turn.page.objective.min_gain,
            n_rows=len(held.target),
            itself=bool(evaluated.facts.get("is_baseline")),
            instead_of="" if over == best else best,
            budget=turn.page.objective.budget,
        ),
    )


# ------------------------------------------------------------------------------------------ outcome


def _outcome(framed: Framed, evaluated: Evaluated, held: Held, checks: Sequence[Check]) -> Outcome:
    number = held.permit.opening.number
    words = f"{held.interval.low:.4f} to {held.interval.high:.4f} with {100 * held.interval.confidence:g} % confidence"
    again = " (this bundle was opened before: the stored answer, not counted again)" if held.permit.again else ""
    facts: dict[str, Any] = {
        "value": held.value,
        "low": held.interval.low,
        "high": held.interval.high,
        "confidence": held.interval.confidence,
        "opening": number,
        "n_rows": len(held.target),
        "words": words,
        "promised": evaluated.facts["estimate"],
        "metric_title": framed.metric.title,
    }
    notes = [f"Sealed test, opening {number}{again}."]
    threshold = evaluated.parameters.get("threshold")
    if threshold is not None and framed.costs.false_positive is not None and framed.costs.false_negative is not None:
        found = worth(held.target, held.prediction, threshold, framed.costs, weight=held.weight)
        facts["worth"] = money(found.saves_over_best, found.currency)
        notes.append(f"On the sealed rows: {found.says}")
    if held.permit.opening.reason:
        notes.append(f"Opened again because: {held.permit.opening.reason}")
    classes = framed.schema.classes
    decision = _decision(framed, evaluated, held) if framed.policy.decides == "class" else None
    figures = [_promise_figure(framed, evaluated, held)]
    figures += list(framed.task.figures(held.target, held.prediction, classes, decision))
    drawn = slices_figure(held.slices, framed.metric)
    figures += [drawn] if drawn is not None else []
    on = f"on {len(held.target):,} sealed rows ({words})"
    answer_ = f"{framed.metric.title} {held.value:.4f} {on}; opening {number}{again}."
    return Outcome(
        stage="assess",
        question=QUESTION,
        answer=answer_,
        checks=checks,
        figures=figures,
        tables=list(framed.task.errors(held.target, held.prediction, classes, decision)),
        notes=notes,
        facts=facts,
    )


def _promise_figure(framed: Framed, evaluated: Evaluated, held: Held) -> Figure:
    facts = evaluated.facts
    mark = Mark(
        kind="intervals",
        x=[held.value, facts["estimate"]],
        y=["sealed test", "promised by validation"],
        low=[held.interval.low, facts["low"]],
        high=[held.interval.high, facts["high"]],
    )
    rule = Mark(kind="rule", name=facts["baseline"], x=[facts["baseline_value"]], role="reference")
    return Figure(
        name="promise",
        title="What was promised, and what came",
        says=f"Validation promised {facts['estimate']:.4f}; rows that nobody had seen gave {held.value:.4f}: "
        f"{held.surprise.says}.",
        x=Axis(label=framed.metric.title),
        y=Axis(label="", scale="category"),
        marks=[rule, mark],
    )
