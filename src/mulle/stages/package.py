"""Package: does the very artifact that ships keep its limits?

Builds the bundle from the parts that were evaluated, holds its answers against the trainer's, measures the limits on it in
a fresh process, and writes the card for a reader who does no machine learning.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl

from mulle.compute.turn import Turn
from mulle.core.check import Check, Outcome, Status
from mulle.core.errors import WorkError
from mulle.core.figure import Table
from mulle.core.jsonable import from_json, to_json
from mulle.core.loss import Loss
from mulle.core.project import LimitsPart
from mulle.core.schema import Feature, Schema
from mulle.core.work import Job, Ref, unit
from mulle.export.bundle import Golden, GraphPart, Parts, PolicyPart, write_bundle
from mulle.kinds.preparation import canonical, request
from mulle.policies import Policy, policies
from mulle.policies.graph import decide, policy_graph
from mulle.runtime.bundle import Bundle, verified
from mulle.runtime.layout import Layout
from mulle.runtime.manifest import prediction_columns
from mulle.runtime.selftest import row_to_json
from mulle.stages.base import Evaluated, Framed, Packaged, Prepared, Searched, settle
from mulle.stages.card import card
from mulle.training.assembly import Member, answer, assemble
from mulle.training.fold import features_of
from mulle.training.golden import golden_rows
from mulle.training.profile import profile, spread

QUESTION = "Does the very artifact that ships keep its limits?"
CHECKS: tuple[str, ...] = (
    "package.parity",
    "package.latency_ms_p95",
    "package.rows_per_second",
    "package.size_mb",
    "package.memory_mb",
)

N_GOLDEN = 100
N_PARITY = 2000
LEAST_ROWS = 20
MOST_CELLS = 200_000
"""Values in golden rows, and in those that the bundle is measured on, at most: a wide table needs fewer rows."""
MOST_PARITY_CELLS = 2_000_000
TOLERANCE = 1e-5
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""A bundle bears no moment of its own: equal parts give equal bytes, and the run that made it is in the ledger."""


def run(
    turn: Turn, framed: Framed, prepared: Prepared, searched: Searched, evaluated: Evaluated
) -> tuple[Outcome, Packaged]:
    """Build the bundle and measure it."""
    built = turn.work(
        "package.bundle",
        _params(turn, framed, prepared, searched, evaluated),
        **_inputs(framed, prepared, searched),
    )
    measured = turn.work(
        "package.measure", {"n_rows": N_PARITY, "run": turn.run_id}, built=built, side=framed.sides.development
    )
    found = measured.json("measured.json") | built.json("parity.json")
    checks = settle(turn, [parity_check(found), *limit_checks(turn.page.limits, found)])
    packaged = Packaged(bundle=built, measured=found)
    return _outcome(checks, searched, found), packaged


# ------------------------------------------------------------------------------------------ building


def _params(turn: Turn, framed: Framed, prepared: Prepared, searched: Searched, evaluated: Evaluated) -> dict[str, Any]:
    return {
        "name": turn.page.project.name,
        "features": list(prepared.features),
        "loss": to_json(framed.loss),
        "weights": [weight for _, weight in searched.members],
        "n_folds": prepared.n_folds,
        "calibration": evaluated.calibration,
        "policy": framed.policy_name,
        "parameters": dict(evaluated.parameters),
        "page": turn.page.model_dump(mode="json", exclude_defaults=True),
        "question": question_hash(turn, framed),
        "metrics": to_json(evaluated.facts),
        "card": card(turn.page, framed, prepared, searched, evaluated),
        "spread": spread(
            evaluated.prediction, prediction_columns(framed.schema.classes, evaluated.prediction.shape[1])
        ),
    }


def question_hash(turn: Turn, framed: Framed) -> str:
    """Return the hash of what was asked: target, unit, metric, costs. Bundles of one question can be compared."""
    page, schema = turn.page, framed.schema
    asked = [
        schema.target,
        schema.task,
        schema.classes,
        schema.key,
        schema.group,
        framed.metric_name,
        framed.costs,
    ]
    text = json.dumps(to_json([*asked, page.data.positive]), sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _inputs(framed: Framed, prepared: Prepared, searched: Searched) -> dict[str, Ref]:
    inputs = {"schema": framed.guessed, "rows": prepared.rows, "side": framed.sides.development}
    for m, (i, _) in enumerate(searched.members):
        scored = searched.scored[i]
        assert scored.prepared is not None  # noqa: S101  # members were fitted
        inputs[f"prepared_{m}"] = scored.prepared
        inputs |= {f"fold_{m}_{k}": ref for k, ref in enumerate(scored.folds)}
    return inputs


@unit("package.bundle")
def build(job: Job) -> None:
    """Write the bundle and hold it against the trainer on golden rows and on development rows as they came."""
    params = job.params
    schema = from_json(Schema, job.inputs["schema"].json("schema.json"))
    features = features_of(job.inputs["schema"], params["features"])
    loss, members = from_json(Loss, params["loss"]), _members(job)
    entries = request(features)
    graph = assemble(members, layout=Layout.of(entries), loss=loss, calibration=params["calibration"])
    policy = policies.get(params["policy"])
    graph_of_policy = policy_graph(policy, params["parameters"], loss.n_outputs)

    def trainer(raw: pl.DataFrame) -> np.ndarray[Any, Any]:
        table, _ = canonical(features, raw)
        return answer(members, features=features, table=table, loss=loss, calibration=params["calibration"])

    golden = _golden(job, features, trainer, (policy, graph_of_policy, schema.classes))
    raw = pl.read_parquet(job.inputs["side"].path / "raw.parquet")
    parts = Parts(
        name=params["name"],
        task=schema.task,
        request=entries,
        graphs=[GraphPart(content=graph)],
        policy=PolicyPart(
            name=policy.name, content=graph_of_policy, decides=policy.decides, parameters=params["parameters"]
        ),
        card=params["card"],
        golden=golden,
        classes=schema.classes,
        key=schema.key,
        page=params["page"],
        question=params["question"],
        metrics=params["metrics"],
        created=EPOCH,
        profile=_profile(job, entries, schema, raw),
    )
    bundle = write_bundle(job.out / "bundle", parts)
    job.write("parity.json", _parity(job, bundle, (trainer, graph_of_policy), raw))


def _profile(job: Job, entries: Sequence[Mapping[str, Any]], schema: Schema, raw: pl.DataFrame) -> dict[str, Any]:
    """Tell what is usual in development rows; the sealed ones are never looked at."""
    return profile(
        entries,
        raw,
        target=np.asarray(job.inputs["rows"].array("target.npy"), np.float64),
        classes=schema.classes,
        prediction=job.params["spread"],
        rng=job.rng("profile"),
    )


def _members(job: Job) -> list[Member]:
    return [
        Member(
            weight=float(weight),
            prepared=job.inputs[f"prepared_{m}"],
            folds=[job.inputs[f"fold_{m}_{k}"] for k in range(int(job.params["n_folds"]))],
        )
        for m, weight in enumerate(job.params["weights"])
    ]


def _golden(job: Job, features: Sequence[Feature], trainer: Any, policy: tuple[Policy, bytes, Sequence[str]]) -> Golden:
    columns = [column for feature in features for column in feature.columns]
    table = pl.read_parquet(job.inputs["rows"].path / "rows.parquet", columns=list(dict.fromkeys(columns)))
    rows = golden_rows(features, table, n=_rows_for(N_GOLDEN, len(columns), MOST_CELLS), rng=job.rng("golden"))
    prediction = trainer(pl.DataFrame(rows, infer_schema_length=None))
    decided = decide(policy[1], job.params["parameters"], prediction)
    named = [policy[2][int(d)] for d in decided] if policy[0].decides == "class" else [float(d) for d in decided]
    return Golden(rows=rows, prediction=prediction, decision=named)


def _parity(job: Job, bundle: Bundle, asked: tuple[Any, bytes], raw: pl.DataFrame) -> dict[str, Any]:
    trainer, graph = asked
    n = _rows_for(N_PARITY, raw.width, MOST_PARITY_CELLS)
    chosen = np.sort(job.rng("parity").permutation(len(raw))[:n])
    raw = raw[chosen]
    theirs, ours = trainer(raw), bundle.predict(raw)
    kept = ~ours.rejected
    excess = np.abs(ours.prediction - theirs)[kept] / np.maximum(1.0, np.abs(theirs[kept]))
    decided = decide(graph, job.params["parameters"], theirs)
    own = decide(graph, job.params["parameters"], ours.prediction)
    return {
        "n_parity": int(kept.sum()),
        "n_rejected": int(ours.n_rejected),
        "worst": float(excess.max(initial=0.0)),
        # codes of classes differ by one at least; a number that is decided on has the tolerance of any other
        "n_decisions_differ": int((np.abs(own - decided) > TOLERANCE * np.maximum(1.0, np.abs(decided)))[kept].sum()),
    }


def _rows_for(most: int, n_columns: int, cells: int) -> int:
    """Return how many rows to look at: ``most``, or of a wide table as many as hold that many values."""
    return max(LEAST_ROWS, min(most, cells // max(n_columns, 1)))


# ------------------------------------------------------------------------------------------ measuring


@unit("package.measure")
def measure(job: Job) -> None:
    """Measure the bundle in a fresh process that imports nothing but the runtime."""
    folder = job.inputs["built"].path / "bundle"
    columns = list(dict.fromkeys(name for entry in verified(folder).request for name in entry["columns"]))
    n = _rows_for(int(job.params["n_rows"]), len(columns), MOST_CELLS)
    raw = pl.read_parquet(job.inputs["side"].path / "raw.parquet", columns=columns, n_rows=n)
    sample = job.out / "rows.json"
    sample.write_text(json.dumps([row_to_json(row) for row in raw.to_dicts()]), "utf-8")
    done = subprocess.run(  # noqa: S603  # our own module, our own paths
        [sys.executable, "-m", "mulle.runtime.measure", str(folder), str(sample)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise WorkError("the bundle could not be measured", where=str(folder), fix=done.stderr[-800:])
    sample.unlink()
    job.write("measured.json", json.loads(done.stdout))


# ------------------------------------------------------------------------------------------ checks


def parity_check(found: Mapping[str, Any]) -> Check:
    """Answer whether the bundle and its trainer agree."""
    ok = found["worst"] <= TOLERANCE and not found["n_decisions_differ"]
    return Check(
        name="package.parity",
        status=Status.PASS if ok else Status.FAIL,
        says=f"On {found['n_parity']:,} rows as they came, the bundle and its trainer differ by at most "
        f"{found['worst']:.2g} and on {found['n_decisions_differ']} decisions.",
        fix="" if ok else "this is a fault of ours: mulle doctor, then report it",
        value=found["worst"],
        bar=f"≤ {TOLERANCE:g} × max(1, |ŷ|), and no decision differs",
        n_rows=found["n_parity"],
    )


LIMITS: tuple[tuple[str, str, str, str], ...] = (
    ("latency_ms_p95", "latency_ms_p95", "One row takes {value:.3g} ms (95th percentile)", "≤ {bar:g} ms"),
    ("rows_per_second", "rows_per_second", "{value:,.0f} rows a second on one core", "≥ {bar:,.0f}"),
    ("size_mb", "size_mb", "The bundle is {value:.2f} MB", "≤ {bar:g} MB"),
    ("memory_mb", "memory_mb", "A process that serves it holds {value:.0f} MB", "≤ {bar:g} MB"),
)


def limit_checks(limits: LimitsPart, found: Mapping[str, Any]) -> Iterator[Check]:
    """Hold what was measured against the limits of the page."""
    for key, measured, says, bar in LIMITS:
        limit, value = getattr(limits, key), float(found[measured])
        words = says.format(value=value)
        if limit is None:
            yield Check(name=f"package.{key}", status=Status.NOTE, says=f"{words}; no limit was set.", value=value)
            continue
        ok = value >= limit if key == "rows_per_second" else value <= limit
        yield Check(
            name=f"package.{key}",
            status=Status.PASS if ok else Status.FAIL,
            says=f"{words}.",
            fix="" if ok else f"try a smaller family (mulle set objective.families='[\"linear\"]') or another {key}",
            value=value,
            bar=bar.format(bar=limit) + " ([limits])",
        )


def _outcome(checks: Sequence[Check], searched: Searched, found: Mapping[str, Any]) -> Outcome:
    rows = [
        ("one row, median", f"{1000 * found['latency_ms_p50']:.0f} µs"),
        ("one row, 95th percentile", f"{1000 * found['latency_ms_p95']:.0f} µs"),
        ("many rows, one core", f"{found['rows_per_second']:,.0f} rows/s"),
        ("size on disk", f"{found['size_mb']:.2f} MB"),
        ("memory of a fresh process", f"{found['memory_mb']:.0f} MB"),
        ("opening it", f"{found['open_ms']:.0f} ms"),
    ]
    answer_ = (
        f"The bundle holds {searched.names}: {found['size_mb']:.2f} MB, {1000 * found['latency_ms_p50']:.0f} µs for "
        f"one row, {found['rows_per_second']:,.0f} rows a second on one core."
    )
    return Outcome(
        stage="package",
        question=QUESTION,
        answer=answer_,
        checks=checks,
        tables=[Table(title="Measured on the bundle itself", columns=("what", "value"), rows=rows)],
        facts=dict(found),
    )
