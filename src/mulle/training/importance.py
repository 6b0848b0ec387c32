"""Permutation importance: how much the metric falls when one feature's values are shuffled among validation rows.

Source: A. Fisher, C. Rudin, F. Dominici: *All Models are Wrong, but Many are Useful*, JMLR 20(177), 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import from_json
from mulle.core.loss import Loss
from mulle.core.work import Job, unit
from mulle.export.forms import load_scorer
from mulle.metrics import metrics
from mulle.models.base import Column
from mulle.training.fold import FoldData, predict

MOST_ROWS = 2000
MOST_FEATURES = 200
REPEATS = 3

Floats = NDArray[np.float64]


@unit("evaluate.importance")
def importance(job: Job) -> None:
    """Shuffle each feature of one fold's validation rows in turn, and write how much was lost by it."""
    loss = from_json(Loss, job.params["loss"])
    targets = job.inputs["rows"].array("target.npy")
    data = FoldData(job, loss, targets)
    scorer = load_scorer(job.inputs["fold_work"].json("fold.json")["form"], job.inputs["fold_work"].path / "scorer.npz")
    chosen = np.sort(job.rng("rows").permutation(len(data.valid))[:MOST_ROWS])
    matrix, target = data.matrices()[1][chosen], np.asarray(targets)[data.valid][chosen]
    metric = metrics.get(job.params["metric"])
    whole = metric(target, predict(scorer, loss, matrix))
    lost: dict[str, float] = {}
    for name, columns in _features(data.columns, matrix, target).items():
        values = [metric(target, predict(scorer, loss, _shuffled(matrix, columns, job, i))) for i in range(REPEATS)]
        lost[name] = metric.gain(whole, float(np.mean(values)))
        left = job.left()
        if left is not None and left <= 0:
            job.cut_short()
            break
    job.write("importance.json", {"lost": lost, "whole": whole, "n_rows": len(chosen)})


def _features(columns: Sequence[Column], matrix: NDArray[np.float32], target: Floats) -> Mapping[str, list[int]]:
    """Return the columns of each feature; of very many features only those most correlated with the target."""
    found: dict[str, list[int]] = {}
    for i, column in enumerate(columns):
        found.setdefault(column.feature, []).append(i)
    if len(found) <= MOST_FEATURES:
        return found
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


def _shuffled(matrix: NDArray[np.float32], columns: Sequence[int], job: Job, repeat: int) -> NDArray[Any]:
    order = job.rng(f"shuffle {repeat}").permutation(len(matrix))
    other = matrix.copy()
    other[:, list(columns)] = matrix[order][:, list(columns)]
    return other
