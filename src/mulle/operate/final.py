"""The final refit: the assessed recipe, fitted once more on every row, those of the sealed test too.

The recipe is what was chosen and assessed: families, parameters, iterations, calibration, policy. Nothing is chosen again.
No row is left on which the result could be judged, so its figures are the recipe's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mulle.compute.turn import Turn
from mulle.core.check import Check, Outcome, Status
from mulle.core.errors import ProjectError
from mulle.core.work import Job, Ref, unit
from mulle.models.base import Config, families
from mulle.splits.folds import Folds
from mulle.stages.base import Framed, Prepared, settle
from mulle.stages.data import fold_params
from mulle.stages.package import N_PARITY, limit_checks, parity_check
from mulle.stages.sealing import seal, snapshot
from mulle.training.fold import fold_order, prepare_order

QUESTION = "Does the assessed recipe, refitted on every row, keep its limits?"
ALONG_TIME = {"forward": "kfold", "forward_holdout": "holdout"}
CARD = "## Whose figures these are"
ABOVE = "What stands above on rows learned from is of the assessed bundle."


def refit(turn: Turn, left: Mapping[str, Any], assessed: Mapping[str, Any]) -> tuple[Outcome, Ref]:
    """Refit what was assessed on all rows and pack it.

    Parameters
    ----------
    turn
        Of the new run.
    left
        What the assessed run handed over, with its *members*.
    assessed
        *run* and *opening*, by which the recipe was assessed, and *params*, from which its bundle was built.

    Returns
    -------
    Outcome
        With the checks of the package on the new bundle.
    Ref
        The artifact in whose folder the bundle lies.

    Raises
    ------
    ProjectError
        When the data is not what was assessed.
    """
    framed, prepared = left["problem"], left["data"]
    everything = _everything(turn, framed)
    rows = turn.work("data.rows", {"weight": turn.page.data.weight}, side=everything, schema=framed.guessed)
    folds = _folds(turn, framed, prepared, rows)
    inputs = {"schema": framed.guessed, "rows": rows, "side": everything}
    for m, member in enumerate(left["members"]):
        inputs |= _member(turn, (framed, prepared), (rows, folds), m, member)
    counts = rows.json("rows.json")
    words = _words(assessed, counts["n_rows"])
    built = turn.work("package.bundle", _params(assessed, prepared, folds, words), **inputs)
    measured = turn.work("package.measure", {"n_rows": N_PARITY, "run": turn.run_id}, built=built, side=everything)
    found = measured.json("measured.json") | built.json("parity.json")
    checks = settle(turn, _gating([parity_check(found), *limit_checks(turn.page.limits, found)]))
    facts = {"rows": counts["n_rows"], "recipe_of": assessed["run"], **found}
    return Outcome(stage="final", question=QUESTION, answer=words, checks=checks, facts=facts), built


def _everything(turn: Turn, framed: Framed) -> Ref:
    source = snapshot(turn, turn.page.data.source)
    if source.hash != framed.source.hash:
        raise ProjectError(
            "the data has changed since it was assessed",
            where=f"mulle.toml, [data] source = {turn.page.data.source!r}",
            fix="mulle run, then mulle assess; or bring the old data back",
        )
    side_of = seal(turn, source).side_of
    assert side_of is not None  # noqa: S101  # a seal that was made knows its sides
    return side_of("everything")


def _folds(turn: Turn, framed: Framed, prepared: Prepared, rows: Ref) -> Ref:
    protocol = ALONG_TIME.get(prepared.protocol, prepared.protocol)
    folds = turn.work("data.folds", fold_params(turn, framed) | {"protocol": protocol}, rows=rows)
    return turn.work("final.folds", folds=folds)


@unit("final.folds")
def whole(job: Job) -> None:
    """Let the one fold of a hold-out train on all rows, as nothing is validated; folds of a bag stay as they are."""
    folds = Folds.load(job.inputs["folds"].path / "folds.npz")
    train = [np.arange(folds.n_rows)] if len(folds) == 1 else folds.train
    Folds(train=train, valid=folds.valid, protocol=folds.protocol, why=folds.why, n_rows=folds.n_rows).save(
        job.out / "folds.npz"
    )
    job.write("protocol.json", {"protocol": folds.protocol, "n_folds": len(folds), "why": folds.why})


def _member(
    turn: Turn, of: tuple[Framed, Prepared], on: tuple[Ref, Ref], m: int, member: Mapping[str, Any]
) -> dict[str, Ref]:
    """Fit one member on each fold, for as many iterations as were assessed."""
    (framed, prepared), (rows, folds) = of, on
    family = families.get(str(member["family"]))
    shared = turn.workshop.work(prepare_order(framed.guessed, rows, prepared.features, family))
    inputs = {"schema": framed.guessed, "rows": rows, "folds": folds, "prepared": shared}
    config = Config(name="final", params=_fixed(member))
    orders = [
        fold_order(family, config, k, loss=framed.loss, features=prepared.features, inputs=inputs, stops=False)
        for k in range(folds.json("protocol.json")["n_folds"])
    ]
    found = {f"prepared_{m}": shared}
    for done in turn.workshop.work_all(orders):
        if done.error is not None:
            raise done.error
        assert done.ref is not None  # noqa: S101  # no deadline, so it is there or it failed
        found[f"fold_{m}_{done.order.params['fold']}"] = done.ref
    return found


def _fixed(member: Mapping[str, Any]) -> dict[str, Any]:
    """Return a member's parameters with the mean number of iterations that its folds were trained for."""
    known = [n for n in member["iterations"] if n > 0]
    return {**member["params"], **({"iterations": round(sum(known) / len(known))} if known else {})}


def _words(assessed: Mapping[str, Any], n_rows: int) -> str:
    return (
        f"It was refitted on all {n_rows:,} rows, those of the sealed test too, by the recipe of run {assessed['run']}, "
        f"which was assessed at opening {assessed['opening']}. No row is left to judge it on: its figures are the recipe's."
    )


def _params(assessed: Mapping[str, Any], prepared: Prepared, folds: Ref, words: str) -> dict[str, Any]:
    """Return what the assessed bundle was built from, but for the rows, and whose figures stand in it."""
    params, note = dict(assessed["params"]), {"figures": "the recipe's", "recipe_of": assessed["run"]}
    return params | {
        "n_folds": folds.json("protocol.json")["n_folds"],
        "features": list(prepared.features),
        "metrics": {**params["metrics"], **note},
        "card": f"{params['card'].rstrip()}\n\n{CARD}\n\n{words} {ABOVE}\n",
    }


def _gating(checks: Sequence[Check]) -> list[Check]:
    """Leave out what is worth knowing and gates nothing: the assessed run has told it of the same recipe."""
    return [check for check in checks if check.status is not Status.NOTE]
