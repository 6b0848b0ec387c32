"""Baselines that need no search: a constant, one rule, and scores that somebody already has.

They are no families: nothing of theirs is searched or shipped. Each gives out-of-fold predictions on the same folds as
all models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import from_json
from mulle.core.loss import Loss
from mulle.core.work import Job, unit
from mulle.training.fold import as_columns

Floats = NDArray[np.float64]
N_BINS = 20


@unit("baseline.rule")
def one_rule(job: Job) -> None:
    """Find the best single question with at most three answers, within each fold.

    Source: R. C. Holte: *Very simple classification rules perform well on most commonly used datasets*,
    Machine Learning 11, 1993; here a tree of three leaves over one column.
    """
    loss = from_json(Loss, job.params["loss"])
    targets = np.asarray(job.inputs["rows"].array("target.npy"))
    matrix = np.nan_to_num(np.asarray(job.inputs["prepared"].array("matrix.npy")), posinf=0.0, neginf=0.0)
    names = [column["name"] for column in job.inputs["prepared"].json("columns.json")]
    with np.load(job.inputs["folds"].path / "folds.npz", allow_pickle=False) as held:
        folds = [(held[f"train_{k}"], held[f"valid_{k}"]) for k in range(int(job.params["n_folds"]))]
    wanted = as_columns(targets, loss)
    prediction = over_folds(folds, wanted, lambda train, valid: _rule(matrix, wanted, train, valid)[0])
    np.save(job.out / "prediction.npy", prediction, allow_pickle=False)
    everything = np.arange(len(targets))
    job.write("rule.json", {"words": _rule(matrix, wanted, everything, everything[:0], names)[1]})


def _rule(
    matrix: NDArray[np.float32],
    target: Floats,
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
    names: Sequence[str] = (),
) -> tuple[Floats, str]:
    from sklearn.tree import DecisionTreeRegressor

    column = _best_column(matrix[train], target[train])
    if column is None:
        return np.repeat(target[train].mean(axis=0)[None, :], len(valid), axis=0), "no column helps"
    tree = DecisionTreeRegressor(max_leaf_nodes=3, min_samples_leaf=max(1, len(train) // 100), random_state=0)
    tree.fit(matrix[train][:, [column]], target[train])
    found = cast("Floats", tree.predict(matrix[valid][:, [column]])) if len(valid) else np.zeros((0, target.shape[1]))
    cuts = sorted(float(t) for t, f in zip(tree.tree_.threshold, tree.tree_.feature, strict=True) if f >= 0)
    return found.reshape(len(valid), target.shape[1]), _in_words(names[column], cuts) if names else ""


def _in_words(name: str, cuts: Sequence[float]) -> str:
    """Say a rule: a column of zeros and ones is asked, any other is cut."""
    if list(cuts) == [0.5]:
        return f"is {name}?"
    return f"{name}, cut at {' and at '.join(f'{cut:.6g}' for cut in cuts)}"


def _best_column(matrix: NDArray[np.float32], target: Floats) -> int | None:
    """Return the column whose best cuts explain most variance, by 16 quantile bins; None when none explains any."""
    gains = [_explained(matrix[:, j], target) for j in range(matrix.shape[1])]
    if not gains or max(gains) <= 0:
        return None
    return int(np.argmax(gains))


def _explained(values: NDArray[np.float32], target: Floats) -> float:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, 17)[1:-1]))
    bins = np.searchsorted(edges, values, side="left")
    counts = np.bincount(bins, minlength=len(edges) + 1).astype(float)
    held = counts > 0
    sums = np.stack([np.bincount(bins, weights=t, minlength=len(edges) + 1) for t in target.T])
    between = (sums[:, held] ** 2 / counts[held]).sum() - (target.sum(axis=0) ** 2 / len(target)).sum()
    return float(between) - int(held.sum()) * float(target.var(axis=0).sum())


def over_folds(
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    target: Floats,
    predict: Callable[[NDArray[np.int64], NDArray[np.int64]], Floats],
) -> Floats:
    """Predict each fold's validation rows from its training rows; average repeats; NaN where nothing was predicted.

    Parameters
    ----------
    folds
        Positions of training and validation rows, a pair a fold.
    target
        ``[rows, outputs]``; only its shape is used.
    predict
        From both positions to predictions of the validation rows.

    Returns
    -------
    numpy.ndarray
        ``[rows, outputs]``.
    """
    total, count = np.zeros_like(target), np.zeros((len(target), 1))
    for train, valid in folds:
        total[valid] += predict(train, valid)
        count[valid] += 1
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan)


def calibrated_score(score: Floats, target: Floats, train: NDArray[np.int64], valid: NDArray[np.int64]) -> Floats:
    """Turn somebody's score into predictions: the mean target of training rows with about the same score.

    Scores with up to 20 distinct values are taken as they are, others are cut at 20 quantiles. Missing scores are a
    group of their own; an empty group takes the overall mean.
    """
    edges = np.unique(score[train][np.isfinite(score[train])])
    if len(edges) > N_BINS:
        edges = np.unique(np.quantile(edges, np.linspace(0, 1, N_BINS + 1)))
    bins = np.where(np.isfinite(score), np.searchsorted(edges, score), len(edges) + 1)
    mean = target[train].mean(axis=0)
    means = np.stack([_mean_of(target[train][bins[train] == b], mean) for b in range(len(edges) + 2)])
    return means[bins[valid]]


def _mean_of(rows: Floats, otherwise: Floats) -> Floats:
    return cast("Floats", rows.mean(axis=0)) if len(rows) else otherwise
