"""Permutation importance: how much the metric falls when one feature's values are shuffled among validation rows.

Source: A. Fisher, C. Rudin, F. Dominici: *All Models are Wrong, but Many are Useful*, JMLR 20(177), 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import from_json
from mulle.core.loss import Loss
from mulle.core.schema import Column
from mulle.core.work import Job, unit
from mulle.export.forms import load_scorer
from mulle.export.graph import Graph
from mulle.kinds.preparation import Preparation
from mulle.metrics import metrics
from mulle.runtime.session import Session
from mulle.training.fold import read_wires, weight_of
from mulle.training.scoring import emit_prediction

MOST_ROWS, LEAST_ROWS = 2000, 300
MOST_CELLS = 4_000_000
"""Values in the rows that are shuffled, at most: a wide matrix is shuffled on fewer rows."""
MOST_FEATURES = 200
REPEATS = 3

Floats = NDArray[np.float64]
Score = Callable[[NDArray[np.float32]], Floats]


@unit("evaluate.importance")
def importance(job: Job) -> None:
    """Shuffle each feature of one fold's validation rows in turn, and write how much was lost by it.

    Most telling features go first. When time ends before all were shuffled, ``n_features`` says of how many.
    """
    loss = from_json(Loss, job.params["loss"])
    matrix, columns, chosen = _validation_rows(job)
    target = np.asarray(job.inputs["rows"].array("target.npy"))[chosen]
    metric, score = metrics.get(job.params["metric"]), _scorer(job, loss, matrix.shape[1])
    held = weight_of(job.inputs["rows"])
    weight = None if held is None else np.asarray(held)[chosen]
    orders = [job.rng(f"shuffle {i}").permutation(len(matrix)) for i in range(REPEATS)]
    whole = metric(target, score(matrix), weight)
    lost: dict[str, float] = {}
    features = _features(columns, matrix, target)
    for name, at in features.items():
        values = [metric(target, _without(score, matrix, at, order), weight) for order in orders]
        lost[name] = metric.gain(whole, float(np.mean(values)))
        left = job.left()
        if left is not None and left <= 0:
            if len(lost) < len(features):
                job.cut_short()
            break
    n_features = len({column.feature for column in columns})
    job.write("importance.json", {"lost": lost, "whole": whole, "n_rows": len(chosen), "n_features": n_features})


def _validation_rows(job: Job) -> tuple[NDArray[np.float32], list[Column], NDArray[np.int64]]:
    """Return the matrix of some validation rows as the fold's model saw it, its columns, and which rows they are."""
    with np.load(job.inputs["folds"].path / "folds.npz", allow_pickle=False) as folds:
        valid = folds[f"valid_{int(job.params['fold'])}"]
    fold = job.inputs["fold_work"]
    columns = [from_json(Column, c) for c in fold.json("fold.json")["columns"]]
    n = max(LEAST_ROWS, min(MOST_ROWS, MOST_CELLS // max(len(columns), 1)))
    chosen = valid[np.sort(job.rng("rows").permutation(len(valid))[:n])]
    matrix = np.asarray(job.inputs["prepared"].array("matrix.npy")[chosen])
    if (fold.path / "preparation.json").exists():
        extra = Preparation.from_json(fold.json("preparation.json"))
        wires = read_wires(job.inputs["rows"], extra.features)
        matrix = np.hstack([matrix, extra.run({name: values[chosen] for name, values in wires.items()})])
    return matrix, columns, chosen


def _scorer(job: Job, loss: Loss, width: int) -> Score:
    """Open the fold's model once: it is asked hundreds of times."""
    fold, g = job.inputs["fold_work"], Graph()
    scorer = load_scorer(fold.json("fold.json")["form"], fold.path / "scorer.npz")
    source = g.input("matrix", "float", [None, width])
    g.output(emit_prediction(g, scorer, loss, source), "scores", "double", [None, loss.n_outputs])
    session = Session(g.to_bytes(), where="a fitted model")
    return lambda rows: np.asarray(session.run(["scores"], {"matrix": rows})[0]).reshape(len(rows), loss.n_outputs)


def _without(score: Score, matrix: NDArray[np.float32], columns: Sequence[int], order: NDArray[np.int64]) -> Floats:
    """Score with some columns shuffled; they are put back afterwards, as the matrix may be large."""
    at = list(columns)
    held = matrix[:, at].copy()
    matrix[:, at] = held[order]
    found = score(matrix)
    matrix[:, at] = held
    return found


def _features(columns: Sequence[Column], matrix: NDArray[np.float32], target: Floats) -> Mapping[str, list[int]]:
    """Return the columns of each feature, those most correlated with the target first; of very many only some."""
    found: dict[str, list[int]] = {}
    for i, column in enumerate(columns):
        found.setdefault(column.feature, []).append(i)
    flat = target if target.ndim == 1 else target.sum(axis=1)
    strength = _correlations(matrix, flat)
    order = sorted(found, key=lambda name: -max(strength[i] for i in found[name]))
    return {name: found[name] for name in order[:MOST_FEATURES]}


def _correlations(matrix: NDArray[np.float32], target: Floats) -> Floats:
    values = np.nan_to_num(matrix.astype(np.float64))
    values -= values.mean(axis=0)
    centred = target - target.mean()
    scale = np.sqrt((values**2).sum(axis=0) * (centred**2).sum())
    return np.asarray(np.abs(centred @ values) / np.where(scale > 0, scale, np.inf))
