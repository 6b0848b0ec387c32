"""Model: what is the best model that the budget finds?

Sanity first: two equal fits agree, a tiny batch can be learned by heart, a shuffled target gives chance. Then a
portfolio out of fold, cheap ones first, then a search in what is left. An ensemble is kept only where its paired gain
over the best single configuration is clear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import mulle.training.sanity  # noqa: F401  # its unit of work is asked for by name
from mulle.compute.turn import Turn
from mulle.core.check import Check, Outcome, Status
from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.core.jsonable import to_json
from mulle.core.project import TrialsBudget
from mulle.stages.base import QUICK_LEARNER, Baselines, Framed, Prepared, Scored, Searched, problem_of, settle
from mulle.stages.choice import choose
from mulle.stages.gain import longer
from mulle.stages.reserve import after_search
from mulle.training.fold import HALVES, OTHERS
from mulle.training.search import FoldRows, Result, Search, allowed, portfolio, proposals

QUESTION = "What is the best model that the budget finds?"
CHECKS: tuple[str, ...] = (
    "model.same_twice",
    "model.learns_by_heart",
    "model.shuffled_target_is_chance",
    "model.overfit",
    "model.searched",
)

Floats = NDArray[np.float64]


def run(turn: Turn, framed: Framed, prepared: Prepared, baselines: Baselines) -> tuple[Outcome, Searched]:
    """Search for the best configuration."""
    checks = settle(turn, list(_sanity(turn, framed, prepared)))
    search = _search(turn, framed, prepared)
    searched, note = choose(turn, framed, prepared, _everything(baselines, search))
    checks += settle(turn, list(_after(turn, searched, search)))
    return _outcome(framed, searched, search, checks, note), searched


def _everything(baselines: Baselines, search: Search) -> list[Scored]:
    """Join baselines and configurations; one that is a baseline already stands there once."""
    known = {ref.hash for scored in baselines.scored for ref in scored.folds}
    fresh = [_scored(r) for r in search.results if not {ref.hash for ref in r.folds} <= known]
    return [*baselines.scored, *fresh]


# ------------------------------------------------------------------------------------------ sanity


def _sanity(turn: Turn, framed: Framed, prepared: Prepared) -> Iterator[Check]:
    chosen = _families(turn)
    family = next((one for one in chosen if one.name == QUICK_LEARNER), chosen[0])
    search = Search(problem=problem_of(framed, prepared), workshop=turn.workshop)
    params = {"family": family.name, "loss": to_json(framed.loss), "metric": framed.metric_name}
    found = turn.work("model.sanity", params, rows=prepared.rows, prepared=search.prepared(family)).json("sanity.json")
    yield Check(
        name="model.same_twice",
        status=Status.PASS if found["same"] else Status.FAIL,
        says="Two fits with the same seed gave the same predictions."
        if found["same"]
        else f"Two fits with the same seed differ by up to {found['difference']:.3g}.",
        fix="" if found["same"] else "this is a fault of ours: mulle doctor, then report it",
        value=found["difference"],
        bar="= 0",
    )
    yield Check(
        name="model.learns_by_heart",
        status=Status.PASS if found["by_heart"] <= found["by_heart_bar"] else Status.FAIL,
        says=f"{found['n_tiny']} rows could be learned by heart: the loss fell from {found['tiny_constant']:.3g} "
        f"to {found['by_heart']:.3g}.",
        fix=""
        if found["by_heart"] <= found["by_heart_bar"]
        else "rows with equal inputs have different targets, or the inputs hold nothing: see the data stage",
        value=found["by_heart"],
        bar=f"≤ {found['by_heart_bar']:.3g} (half of the constant's loss; mulle default)",
    )
    yield _shuffled(found)


def _shuffled(found: dict[str, Any]) -> Check:
    ok = found["shuffled_p"] >= 0.001  # noqa: PLR2004
    return Check(
        name="model.shuffled_target_is_chance",
        status=Status.PASS if ok else Status.FAIL,
        says="With a shuffled target the model finds nothing, as it should."
        if ok
        else "With a shuffled target the model still seems to predict: something leaks between the sides of a fold.",
        fix="" if ok else 'look for twins and groups across folds: mulle set data.group="…"',
        value=found["shuffled_gain"],
        bar="no gain over the constant beyond chance (p ≥ 0.001)",
        n_rows=found["n_shuffled"],
    )


# ------------------------------------------------------------------------------------------ search


def _families(turn: Turn) -> list[Any]:
    return allowed(turn.page.objective.families)


def _search(turn: Turn, framed: Framed, prepared: Prepared) -> Search:
    budget = turn.page.objective.budget
    deadline, trials = None, None
    if turn.deadline is None and isinstance(budget, TrialsBudget):
        trials = budget.trials
    elif turn.deadline is not None:  # also one that was given for this once, beside a page's budget in trials
        deadline = turn.deadline - after_search(turn)
    search = Search(
        problem=problem_of(framed, prepared),
        workshop=turn.workshop,
        deadline=deadline,
        trials=trials,
        watch=_Teller(turn, framed),
    )
    chosen = _families(turn)
    sampler = turn.page.objective.search
    search.run(
        portfolio(chosen, len(prepared.target), n_outputs=framed.loss.n_outputs),
        proposals(search, chosen, how=sampler, seed=turn.seed),
    )
    return search


class _Teller:
    """Tells whoever watches each time that there is a new best configuration."""

    def __init__(self, turn: Turn, framed: Framed) -> None:
        self.turn, self.framed = turn, framed
        self.best = np.inf
        self.count = 0
        self.began = perf_counter()

    def _tell_progress(self) -> None:
        """Tell how far the search has come: in trials, or in seconds."""
        budget = self.turn.page.objective.budget
        if self.turn.deadline is None and isinstance(budget, TrialsBudget):
            self.turn.watch.progress("configurations", self.count, budget.trials)
        elif self.turn.deadline is not None:
            began = self.turn.memo.get("began", self.began)
            self.turn.watch.progress("seconds", perf_counter() - began, self.turn.deadline - began)

    def __call__(self, result: Result) -> None:
        self.count += 1
        error = self.framed.metric.error(result.value)
        self._tell_progress()
        if error < self.best:
            self.best = error
            title = result.candidate.family.title
            self.turn.watch.best(
                f"{title} ({result.candidate.config.name}): {self.framed.metric.title} {result.value:.4f}"
            )


def _scored(result: Result) -> Scored:
    family, config = result.candidate.family, result.candidate.config
    return Scored(
        name=f"{family.name}/{config.name}",
        family=family.name,
        title=f"{family.title} ({config.name})",
        config=config,
        prepared=result.prepared,
        folds=result.folds,
        prediction=result.prediction,
        value=result.value,
        seconds=result.seconds,
    )


# ------------------------------------------------------------------------------------------ outcome


def _after(turn: Turn, searched: Searched, search: Search) -> Iterator[Check]:
    best = searched.scored[searched.members[0][0]]
    record = best.folds[0].json("fold.json")
    if record["train_curve"] and record["valid_curve"]:
        ours, theirs = _where_kept(record["train_curve"], record), _where_kept(record["valid_curve"], record)
        yield Check(
            name="model.overfit",
            status=Status.NOTE,
            says=f"At the iteration that was kept, {best.title} has a loss of {theirs:.4g} on {_WATCHED[_by(record)]} "
            f"and {ours:.4g} on its own training rows.",
            value=theirs - ours,
        )
    yield _searched(len(searched.fitted), len(search.dropped), alone=len(_families(turn)) == 1, turn=turn)


def _searched(n: int, n_dropped: int, *, alone: bool, turn: Turn) -> Check:
    """Say what the choice was made from. With nothing but the baseline, when more was allowed, it was never made."""
    was = "was" if n_dropped == 1 else "were"
    says = f"{_counted(n)} scored on the same folds; {n_dropped} {was} dropped early or for time."
    if n > 1 or alone:
        return Check(name="model.searched", status=Status.PASS, says=says, value=float(n))
    return Check(
        name="model.searched",
        status=Status.UNANSWERED,
        says=f"Nothing but the baseline was scored, so whether another model is better was not asked: {says}",
        value=float(n),
        fix=f"give more time: {longer(turn.page.objective.budget)}",
    )


_WATCHED = {OTHERS: "validation rows", HALVES: "validation rows", "": "validation rows"}
"""The rows of the validation curve, by what said which iteration is kept."""
_KEPT = {
    OTHERS: "the model was kept at iteration {n}, where the mean loss of the other folds is least: the fold's own "
    "validation rows had no say",
    HALVES: "the model was kept at iteration {n}, where the loss on the validation rows is least; to be judged, each half "
    "of them was predicted by the model as it stood where the other half's loss is least",
    "": "nothing was stopped: all {n} iterations were kept",
}


def _by(record: Mapping[str, Any]) -> str:
    """Return what said which iteration of a fold is kept."""
    return str(record["chosen_on"])


def _where_kept(curve: Sequence[float], record: Mapping[str, Any]) -> float:
    """Return a curve's value at the iteration that was kept."""
    return float(curve[min(int(record["iterations"]), len(curve)) - 1])


def _outcome(framed: Framed, searched: Searched, search: Search, checks: Sequence[Check], note: str) -> Outcome:
    best = searched.scored[searched.members[0][0]]
    value = framed.metric(*_judged(searched, search.problem.folds))
    figures = [f for f in (_curves(best), _progress(framed, searched)) if f is not None]
    facts: dict[str, Any] = {
        "chosen": searched.names,
        "selection_score": value,
        "metric": framed.metric_name,
        "configurations": len(searched.fitted),
        "dropped": len(search.dropped),
    }
    answer = f"{searched.names}, chosen from {_counted(len(searched.fitted))} (selection score {value:.4f})."
    return Outcome(
        stage="model",
        question=QUESTION,
        answer=answer,
        checks=checks,
        figures=figures,
        tables=[_board(framed, searched)],
        notes=[
            note,
            "The selection score flatters the winner a little; the evaluate stage gives the honest estimate.",
        ],
        facts=facts,
    )


def _judged(searched: Searched, folds: FoldRows) -> tuple[Floats, Floats, Floats | None]:
    """Return targets, predictions and weights of the rows that were predicted."""
    rows = np.isfinite(searched.prediction).all(axis=1)
    return folds.target[rows], searched.prediction[rows], folds.weight_of(rows)


def _counted(n: int) -> str:
    return "1 configuration" if n == 1 else f"{n} configurations"


def _board(framed: Framed, searched: Searched) -> Table:
    weights = dict(searched.members)
    order = sorted(range(len(searched.scored)), key=lambda i: framed.metric.error(searched.scored[i].value))
    rows = [
        (s.title, round(s.value, 5), round(s.seconds, 1), f"{weights[i]:.0%}" if i in weights else "")
        for i in order
        for s in [searched.scored[i]]
    ]
    columns = ("configuration", framed.metric.title, "seconds of fitting", "part of what ships")
    n, k = len(searched.fitted), len(searched.scored) - len(searched.fitted)
    simple = "1 answer that needs no fit" if k == 1 else f"{k} answers that need no fit"
    title = f"Scored on the same folds: {_counted(n)} and {simple}"
    return Table(title=title, columns=columns, rows=rows)


def _curves(best: Scored) -> Figure | None:
    record = best.folds[0].json("fold.json")
    valid, by, kept = record["valid_curve"], _by(record), int(record["iterations"])
    if len(valid) < 2:  # noqa: PLR2004
        return None
    marks = [
        _curve("training rows", record["train_curve"], len(valid), role="other"),
        _curve(_WATCHED[by], valid, len(valid), role="main"),
    ]
    if by == OTHERS:
        marks.append(_curve("other folds' validation rows", record["stop_curve"], len(valid), role="other"))
    if by:
        marks.append(Mark(kind="rule", name="kept", x=[kept], role="reference"))
    says = f"{best.title}, first fold: {_KEPT[by].format(n=kept)}."
    return Figure(
        name="curves",
        title="How the best model learned",
        says=says,
        x=Axis(label="iteration"),
        y=Axis(label="loss"),
        marks=marks,
    )


def _curve(name: str, curve: Sequence[float], n: int, *, role: Literal["main", "other"]) -> Mark:
    """Draw a loss over ``n`` iterations, held at its last value after its end."""
    steps = np.unique(np.linspace(0, n - 1, 200).astype(int)).tolist()
    values = [curve[min(i, len(curve) - 1)] for i in steps]
    return Mark(kind="line", name=name, x=[i + 1 for i in steps], y=values, role=role)


def _progress(framed: Framed, searched: Searched) -> Figure | None:
    scored = searched.fitted
    if len(scored) < 2:  # noqa: PLR2004
        return None
    errors = [framed.metric.error(s.value) for s in scored]
    best = np.minimum.accumulate(errors)
    x = list(range(1, len(scored) + 1))
    marks = [
        Mark(
            kind="points",
            name="each configuration",
            x=x,
            y=[s.value for s in scored],
            text=[s.title for s in scored],
            role="other",
        ),
        Mark(
            kind="step",
            name="best so far",
            x=x,
            y=[scored[int(np.flatnonzero(errors == b)[0])].value for b in best],
        ),
    ]
    says = f"{len(scored)} configurations in the order in which they were tried; the line is the best so far."
    return Figure(
        name="search",
        title="The search",
        says=says,
        x=Axis(label="configuration"),
        y=Axis(label=framed.metric.title),
        marks=marks,
    )
