"""When a fit should have stopped, as the other folds say.

A fold that stops where its own validation rows like it best, and is then judged on those very rows, flatters itself:
on noise it seems to know something. So a fold's fit leaves its whole path, and here, when all folds of a configuration
are fitted, it is cut where the mean validation curve of the *other* folds is lowest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import from_json
from mulle.core.loss import Loss
from mulle.core.work import Job, Order, Ref, unit
from mulle.export.forms import load_scorer
from mulle.kinds.preparation import Preparation
from mulle.models.stopping import best_iteration, mean_curve
from mulle.training.fold import OTHERS, OWN, Matrix, beside, leave, read_wires, target_features, weight_of
from mulle.training.scoring import predict

COPIED = ("train_curve", "valid_curve", "stopped", "columns")


@unit("model.stop")
def stop(job: Job) -> None:
    """Cut one fold's fit where the other folds say, and predict its validation rows."""
    fold, loss = job.inputs["fold"], from_json(Loss, job.params["loss"])
    folds = np.load(job.inputs["folds"].path / "folds.npz", allow_pickle=False)
    record, others = fold.json("fold.json"), [int(k) for k in job.params["others"]]
    curves = [job.inputs[f"other_{k}"].json("fold.json")["valid_curve"] for k in others]
    weights = _weights(job.inputs["rows"], [folds[f"valid_{k}"] for k in others])
    whole = load_scorer(record["form"], fold.path / "scorer.npz")
    n = best_iteration(curves, weights, cuts=whole.cuts, reached=len(record["valid_curve"]))
    kept = whole.first(n)
    preparation = _preparation(fold)
    matrix = _matrix(job, preparation, folds[f"valid_{job.params['fold']}"])
    leave(job, kept, predict(kept, loss, matrix), preparation)
    found = {"form": kept.form, "n_parameters": kept.n_parameters(), "iterations": n, "chosen_on": OTHERS}
    job.write(
        "fold.json", {name: record[name] for name in COPIED} | found | {"stop_curve": mean_curve(curves, weights)}
    )


def _weights(rows: Ref, valid: Sequence[NDArray[np.int64]]) -> list[float] | None:
    """Return how much each fold's validation rows count together; None, all alike, when none counts anything."""
    weight = weight_of(rows)
    sums = [float(len(v)) if weight is None else float(weight[v].sum()) for v in valid]
    return sums if any(sums) else None


def _preparation(fold: Ref) -> Preparation | None:
    if not (fold.path / "preparation.json").exists():
        return None
    return Preparation.from_json(fold.json("preparation.json"))


def _matrix(job: Job, preparation: Preparation | None, rows: NDArray[np.int64]) -> Matrix:
    """Return the matrix of some rows, the fold's own columns included."""
    shared = job.inputs["prepared"].array("matrix.npy")
    if preparation is None:
        return beside(shared, rows, None)
    wires = read_wires(job.inputs["rows"], target_features(job))
    return beside(shared, rows, preparation.run({name: values[rows] for name, values in wires.items()}))


def stop_orders(orders: Sequence[Order], fits: Sequence[Ref], peers: Sequence[Sequence[int]]) -> list[Order | None]:
    """Return for each fold of a configuration the order that cuts it, None where there is nothing to cut.

    Parameters
    ----------
    orders
        Those of `model.fold`, one a fold, in order.
    fits
        What they left.
    peers
        For each fold, the folds that may say when it stops; see `mulle.splits.folds.Folds.peers`.

    Returns
    -------
    list of Order or None
        One a fold.
    """
    cut = [fit.json("fold.json")["chosen_on"] == OWN for fit in fits]
    return [_order(order, k, fits, peers[k]) if cut[k] else None for k, order in enumerate(orders)]


def _order(order: Order, k: int, fits: Sequence[Ref], others: Sequence[int]) -> Order:
    params: dict[str, Any] = {name: order.params[name] for name in ("fold", "loss", "features", "views")}
    inputs: Mapping[str, Ref] = {**order.inputs, "fold": fits[k], **{f"other_{i}": fits[i] for i in others}}
    return Order(unit="model.stop", params={**params, "others": list(others)}, inputs=inputs)
