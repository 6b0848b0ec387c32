"""Problem: is the question well put, and can the page be read one way only?

Reads the source once, guesses what each column is, settles the task, the metric and the policy, and says what only a
person can answer (costs, groups to protect, the smallest gain worth having).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any

import numpy as np
import polars as pl

from mulle.checks.base import keep_command
from mulle.compute.turn import Turn
from mulle.core.check import Check, Outcome, Status
from mulle.core.count import count
from mulle.core.errors import MulleError, ProjectError, UnknownName
from mulle.core.figure import Table
from mulle.core.jsonable import from_json
from mulle.core.project import Page
from mulle.core.schema import Feature, LeftOut, Schema
from mulle.core.work import Job, Ref, unit
from mulle.kinds import kinds
from mulle.kinds.base import seen_as
from mulle.kinds.formula import derive
from mulle.kinds.preparation import request
from mulle.kinds.recognise import facts, guess
from mulle.metrics import metrics
from mulle.models import families
from mulle.policies import policies
from mulle.stages.answerable import need_answer
from mulle.stages.base import Framed, costs_of, settle
from mulle.stages.fairness import measures
from mulle.stages.sealing import Sealed, input_columns, keep_seal, listed, seal, snapshot
from mulle.tasks import Task, tasks
from mulle.tasks.base import Target
from mulle.tasks.recognise import recognise

QUESTION = "Is the question well put, and can the page be read one way only?"
CHECKS: tuple[str, ...] = ("problem.goal", "problem.costs", "problem.min_gain", "problem.groups", "problem.target")

PAGE_KEYS = (
    "target",
    "task",
    "positive",
    "key",
    "group",
    "time",
    "weight",
    "ignore",
    "kinds",
    "places",
    "keep",
)


def run(turn: Turn) -> tuple[Outcome, Framed]:
    """Frame the project."""
    page = turn.page
    source = snapshot(turn, page.data.source)
    _columns_exist(list(pl.read_parquet_schema(source.path / "raw.parquet")), schema_params(page))
    _answer_exists(page, source)
    sealed = seal(turn, source)
    guessed = turn.work("problem.schema", schema_params(page), source=sealed.development)
    target = _target(guessed)
    schema = from_json(Schema, guessed.json("schema.json"))
    _can_be_used(schema.features)
    task = tasks.get(schema.task)
    _every_key_is_read(page, task, target)
    framed = _framed(page, (source, sealed), guessed, task, target)
    keep_seal(turn, sealed)
    checks = settle(turn, [*_page_checks(page, framed), *_how_read(target), *task.framing(target)])
    return _outcome(turn, framed, checks), framed


def _can_be_used(features: Sequence[Feature]) -> None:
    """Refuse what no bundle could read or no family would see: now, not when everything was fitted."""
    request(features)
    seen = {kind for family in families for kind, views in seen_as(family.views).items() if views}
    for feature in features:
        if not kinds.get(feature.kind).views:
            raise ProjectError(
                f"no model sees a column of the kind '{feature.kind}', so '{feature.name}' would go unused",
                where="mulle.toml, [data] keep",
                fix=f"take it for something else, too: {_undo(feature)}; or take it out of keep",
            )
        if feature.kind not in seen:
            raise ProjectError(
                f"no model family sees a column of the kind '{feature.kind}', so '{feature.name}' would go unused",
                where=f"class {type(kinds.get(feature.kind)).__qualname__}, like",
                fix='name a kind with the same views, as in like = "number"; or bring a family that names views for it',
            )


def schema_params(page: Page) -> dict[str, Any]:
    """Return the part of the page that the schema depends on."""
    data = page.data.model_dump(mode="json")
    return {key: data[key] for key in PAGE_KEYS} | {
        "old_system": page.baseline.old_system,
        "features": [list(pair) for pair in page.features.items()],
    }


@unit("problem.schema")
def settle_schema(job: Job) -> None:
    """Guess the kind of each column, settle the task, read the target."""
    raw = pl.read_parquet(job.inputs["source"].path / "raw.parquet")
    params = job.params
    need_answer(raw[params["target"]], where="the rows that are not sealed", inputs=raw.columns)
    features = guess(raw, ignore=[params["target"]], overrides=params["kinds"], places=params["places"])
    task = _task(raw, params)
    target = task.read(raw[params["target"]], positive=params["positive"])
    derived = derive(dict(params["features"]), features, raw.schema, refused=_unread(params))
    used, left_out = _choose(features, params)
    schema = Schema(
        features=[*used, *derived],
        target=params["target"],
        task=task.name,
        classes=target.classes,
        key=listed(params["key"]),
        group=params["group"] or "",
        time=params["time"] or "",
        left_out=left_out,
    )
    job.write("schema.json", schema)
    job.write("columns.json", [*features, *derived])
    job.write("target.json", {"notes": target.notes})
    np.save(job.out / "target.npy", target.values, allow_pickle=False)


def _answer_exists(page: Page, source: Ref) -> None:
    file = source.path / "raw.parquet"
    need_answer(
        pl.read_parquet(file, columns=[page.data.target])[page.data.target],
        where=page.data.source,
        inputs=[*input_columns(page, list(pl.read_parquet_schema(file))), *page.data.keep],
        positive=page.data.positive,
    )


def _columns_exist(columns: Sequence[str], params: dict[str, Any] | Any) -> None:
    named = [("target", params["target"]), *(("key", k) for k in listed(params["key"]))]
    named += [(key, params[key]) for key in ("group", "time", "weight", "old_system") if params[key]]
    named += [("ignore", c) for c in params["ignore"]] + [("keep", c) for c in params["keep"]]
    named += [("kinds", c) for c in params["kinds"]] + [("places", c) for pair in params["places"] for c in pair]
    derived = {name for name, _ in params["features"]}
    faults: list[MulleError] = []
    for key, column in named:
        if column not in columns and not (key == "keep" and column in derived):
            table = "baseline" if key == "old_system" else "data"
            faults.append(UnknownName.among(column, columns, noun="column", where=f"mulle.toml, [{table}] {key}"))
    if faults:
        raise ProjectError.together(faults)


def _task(raw: pl.DataFrame, params: Any) -> Task:
    if params["task"]:
        return tasks.get(params["task"], where="mulle.toml, [data] task")
    return recognise(facts(raw, params["target"]))[0]


def _choose(features: Sequence[Feature], params: Any) -> tuple[list[Feature], list[LeftOut]]:
    special = {column: f"it is the {what}" for what, column in _special(params)}
    used, left_out = [], []
    for feature in features:
        why = _why_left_out(feature, params, special)
        if why:
            left_out.append(LeftOut(column=feature.name, why=why, undo=_undo(feature)))
        else:
            used.append(feature)
    return used, left_out


def _undo(feature: Feature) -> str:
    """Return the command that brings a column back; an id has to be taken for something that a model can see."""
    if kinds.get(feature.kind).views:
        return keep_command(feature.columns[0])
    return f"mulle set {quote(f'data.kinds.{feature.columns[0]}=category')}"


def _special(params: Any) -> Iterator[tuple[str, str]]:
    yield from (("key", column) for column in listed(params["key"]))
    for what in ("group", "time", "weight", "old_system"):
        if params[what]:
            yield what.replace("_", " "), params[what]


def _unread(params: Any) -> dict[str, str]:
    """Return the columns that no formula may read, and why."""
    unread = {params["target"]: "it is the target"}
    for what in ("weight", "old_system"):
        if params[what]:
            unread[params[what]] = f"it is the {what.replace('_', ' ')}"
    return unread


def _why_left_out(feature: Feature, params: Any, special: dict[str, str]) -> str:
    columns = set(feature.columns)
    if columns & set(params["keep"]):
        return ""
    if columns & set(params["ignore"]):
        return "the page says so ([data] ignore)"
    for column in feature.columns:
        if column in special:
            return special[column]
    if not kinds.get(feature.kind).views:
        return f"it is an id: {feature.why}"
    return ""


def _target(guessed: Ref) -> Target:
    values = np.asarray(guessed.array("target.npy"))
    schema = guessed.json("schema.json")
    return Target(values=values, classes=tuple(schema["classes"]), notes=tuple(guessed.json("target.json")["notes"]))


def _every_key_is_read(page: Page, task: Task, target: Target) -> None:
    """Refuse keys that mean nothing for this task: nobody shall believe that they were heard; all faults at once."""
    costs, measure = page.objective.costs, page.fairness.measure
    policy = policies.get(page.objective.policy or task.policy, where="mulle.toml, [objective] policy")
    faults: list[MulleError] = []
    if page.data.positive is not None and not task.looks_for_one:
        faults.append(_unread_key("positive", "[data] positive", task, "data.positive"))
    if not isinstance(costs, str) and not policy.weighs_costs:
        told = [key for key in ("false_positive", "false_negative") if getattr(costs, key) is not None]
        faults += [_unread_key(key, "[objective] costs", task, "objective.costs") for key in told[:1]]
    able = measures(numbers=not target.classes, n_classes=len(target.classes))
    if measure is not None and measure not in able:
        where = "mulle.toml, [fairness] measure"
        faults.append(UnknownName.among(measure, able, noun=f"measure for a {task.name} task", where=where))
    if faults:
        raise ProjectError.together(faults)


def _unread_key(key: str, where: str, task: Task, path: str) -> ProjectError:
    return ProjectError(
        f"{key} means nothing for a {task.name} task: nothing would read it",
        where=f"mulle.toml, {where}",
        fix=f"remove the key ({path}), or name another [data] task",
    )


def _framed(page: Page, sides: tuple[Ref, Sealed], guessed: Ref, task: Task, target: Target) -> Framed:
    known = task.default_metric(target)
    name, why = known.name, known.why
    if page.objective.metric:
        name, why = page.objective.metric, "as the page asks"
        _suits(name, task)
    policy = page.objective.policy or task.policy
    if task.name not in policies.get(policy, where="mulle.toml, [objective] policy").tasks:
        suited = [p.name for p in policies if task.name in p.tasks]
        where = "mulle.toml, [objective] policy"
        raise UnknownName.among(policy, suited, noun=f"policy for a {task.name} task", where=where)
    return Framed(
        source=sides[0],
        sides=sides[1],
        guessed=guessed,
        metric_name=name,
        metric_why=why,
        policy_name=policy,
        costs=costs_of(page.objective.costs),
    )


def _suits(name: str, task: Task) -> None:
    where = "mulle.toml, [objective] metric"
    metric = metrics.get(name, where=where)
    if task.name not in metric.tasks:
        suited = [m.name for m in metrics if task.name in m.tasks]
        raise UnknownName.among(name, suited, noun=f"metric for a {task.name} task", where=where)


def _page_checks(page: Page, framed: Framed) -> Iterator[Check]:
    yield _open_question(
        "problem.goal",
        bool(page.project.goal.strip(" .…")),
        "The goal is written down.",
        "The page does not say what it is for.",
        'mulle set project.goal="…"',
    )
    if framed.policy.weighs_costs:
        known = framed.costs.false_positive is not None and framed.costs.false_negative is not None
        yield _open_question(
            "problem.costs",
            known,
            "The costs of both mistakes are known.",
            "Nobody has said what a false positive and a false negative cost, so the threshold is not chosen by cost.",
            "mulle set costs.false_positive=1 costs.false_negative=10",
        )
    yield _open_question(
        "problem.min_gain",
        page.objective.min_gain is not None,
        f"A gain of {page.objective.min_gain} in {framed.metric.title} is worth having.",
        "Nobody has said how much better than the baseline is worth having; any clear gain counts as enough.",
        "mulle set objective.min_gain=0.01",
    )
    stated = bool(page.fairness.columns) or "fairness" in page.model_fields_set
    yield _open_question(
        "problem.groups",
        stated,
        "Which groups to protect has been answered.",
        "Nobody has said which groups must be treated alike.",
        "mulle set fairness.columns='[\"sex\"]' fairness.measure=equal_opportunity fairness.max_gap=0.1 "
        "(or fairness.columns='[]' when there are none)",
    )


def _how_read(target: Target) -> Iterator[Check]:
    """Say what was done to read the target: spellings that were taken as one, words that mean *not known yet*."""
    if target.notes:
        yield Check(name="problem.target", status=Status.NOTE, says="; ".join(target.notes) + ".")


def _open_question(name: str, known: bool, yes: str, no: str, fix: str) -> Check:  # noqa: FBT001
    if known:
        return Check(name=name, status=Status.PASS, says=yes)
    return Check(name=name, status=Status.UNANSWERED, says=no, fix=fix)


def _outcome(turn: Turn, framed: Framed, checks: Sequence[Check]) -> Outcome:
    schema, read_ = framed.schema, framed.source.json("read.json")
    notes = [*read_["notes"], *framed.guessed.json("target.json")["notes"]]
    answer = (
        f"{framed.task.title} of '{schema.target}' from {count(len(schema.features), 'column')}, "
        f"judged by {framed.metric.title}: {framed.metric_why}."
    )
    facts_ = {
        "rows": read_["n_rows"],
        "target": schema.target,
        "task": schema.task,
        "classes": list(schema.classes)[:50],
        "metric": framed.metric_name,
        "goal": turn.page.project.goal,
    }
    tables = [_columns_table(framed), *_left_out_table(schema)]
    return Outcome(
        stage="problem",
        question=QUESTION,
        answer=answer,
        checks=checks,
        tables=tables,
        notes=notes,
        facts=facts_,
    )


def _columns_table(framed: Framed) -> Table:
    rows = [(f.name, f.kind, f.why) for f in framed.schema.features]
    shown = rows[:200]
    note = f"{len(rows) - len(shown)} more" if len(rows) > len(shown) else ""
    return Table(title="What each column was taken for", columns=("column", "kind", "why"), rows=shown, note=note)


def _left_out_table(schema: Schema) -> list[Table]:
    if not schema.left_out:
        return []
    rows = [(c.column, c.why, c.undo) for c in schema.left_out][:200]
    return [Table(title="Columns that are left out", columns=("column", "why", "to use it all the same"), rows=rows)]
