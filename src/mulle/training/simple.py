"""Baselines that need no search: a constant, one rule, and scores that somebody already has.

They are no families: nothing of theirs is searched or shipped. Each gives out-of-fold predictions on the same folds as
all models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.jsonable import from_json
from mulle.core.loss import Loss
from mulle.core.schema import Column
from mulle.core.work import Job, unit
from mulle.training.cut import rule_in_words
from mulle.training.fold import as_columns, features_of

Floats = NDArray[np.float64]
N_BINS = 20
N_EDGES = 16
BLOCK = 2_000_000
"""Values that are looked at together."""


@unit("baseline.rule")
def one_rule(job: Job) -> None:
    """Find the best single question with at most three answers, within each fold.

    Source: R. C. Holte: *Very simple classification rules perform well on most commonly used datasets*,
    Machine Learning 11, 1993; here a tree of three leaves over one column.
    """
    loss = from_json(Loss, job.params["loss"])
    targets = np.asarray(job.inputs["rows"].array("target.npy"))
    matrix = job.inputs["prepared"].array("matrix.npy")
    with np.load(job.inputs["folds"].path / "folds.npz", allow_pickle=False) as held:
        folds = [(held[f"train_{k}"], held[f"valid_{k}"]) for k in range(int(job.params["n_folds"]))]
    wanted = as_columns(targets, loss)
    prediction = over_folds(folds, wanted, lambda train, valid: _rule(matrix, wanted, train, valid).prediction)
    np.save(job.out / "prediction.npy", prediction, allow_pickle=False)
    everything = np.arange(len(targets))
    found = _rule(matrix, wanted, everything, everything[:0])
    job.write("rule.json", {"words": _in_words(job, matrix, found)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """One question: which column of the matrix is cut and where, and what it gives for the validation rows."""

    prediction: Floats
    column: int | None = None
    cuts: Sequence[float] = ()


def _in_words(job: Job, matrix: NDArray[np.float32], found: _Rule) -> str:
    if found.column is None:
        return "no column helps"
    column = from_json(Column, job.inputs["prepared"].json("columns.json")[found.column])
    stored = [name for feature in features_of(job.inputs["schema"], [column.feature]) for name in feature.stored]
    own = pl.read_parquet(job.inputs["rows"].path / "rows.parquet", columns=stored)
    return rule_in_words(column, np.asarray(matrix[:, found.column]), found.cuts, own)


def _rule(
    matrix: NDArray[np.float32],
    target: Floats,
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
) -> _Rule:
    from sklearn.tree import DecisionTreeRegressor

    column = _best_column(matrix, target, train)
    if column is None:
        return _Rule(prediction=np.repeat(target[train].mean(axis=0)[None, :], len(valid), axis=0))
    tree = DecisionTreeRegressor(max_leaf_nodes=3, min_samples_leaf=max(1, len(train) // 100), random_state=0)
    tree.fit(_finite(matrix[train, column])[:, None], target[train])
    found = np.zeros((0, target.shape[1]))
    if len(valid):
        found = cast("Floats", tree.predict(_finite(matrix[valid, column])[:, None]))
    cuts = sorted(float(t) for t, f in zip(tree.tree_.threshold, tree.tree_.feature, strict=True) if f >= 0)
    return _Rule(prediction=found.reshape(len(valid), target.shape[1]), column=column, cuts=cuts)


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put 0 where there is no number: of the values in hand alone, as a whole wide matrix is gigabytes."""
    return values if np.isfinite(values).all() else np.nan_to_num(values, posinf=0.0, neginf=0.0)


def _best_column(matrix: NDArray[np.float32], target: Floats, train: NDArray[np.int64]) -> int | None:
    """Return the column whose best cuts explain most variance, by 16 quantile bins; None when none explains any."""
    if not matrix.shape[1]:
        return None
    gains = explained(matrix, target, train)
    return int(np.argmax(gains)) if gains.max() > 0 else None


def explained(matrix: NDArray[np.float32], target: Floats, rows: NDArray[np.int64]) -> Floats:
    """Return for each column how much variance its 16 quantile bins explain, less what chance would, ``[columns]``.

    Columns are looked at in blocks, so that a matrix of ten thousand takes no time a person would notice.

    Examples
    --------
    >>> matrix = np.array([[0, 5], [0, 3], [1, 5], [1, 3]], dtype=np.float32)
    >>> explained(matrix, np.array([[0.0], [0.0], [1.0], [1.0]]), np.arange(4)).tolist()
    [0.5, -0.5]
    """
    wanted = target[rows]
    found = np.empty(matrix.shape[1])
    size = max(1, BLOCK // max(len(rows), 1))
    for start in range(0, matrix.shape[1], size):
        block = np.ascontiguousarray(_finite(matrix[rows, start : start + size]).T)
        found[start : start + size] = _explained(block, wanted)
    return found


def _explained(block: NDArray[np.float32], target: Floats) -> Floats:
    """Return the same for a block of columns, ``[columns, rows]``; one of a single sort is not copied."""
    flags = ((block == 0) | (block == 1)).all(axis=1)
    if flags.all():
        return _by_flag(block, target)
    if not flags.any():
        return _by_bins(block, target)
    part = np.empty(len(block))
    part[flags] = _by_flag(block[flags], target)
    part[~flags] = _by_bins(block[~flags], target)
    return part


def _by_flag(block: NDArray[np.float32], target: Floats) -> Floats:
    """Return the same for columns of zeros and ones, ``[columns, rows]``: their only cut, when a bin's edge makes it."""
    n = block.shape[1]
    ones = np.count_nonzero(block, axis=1).astype(np.float64)
    total = target.sum(axis=0)
    of_ones = block.astype(np.float64) @ target
    counts = np.stack([n - ones, ones])
    sums = np.stack([total - of_ones, of_ones])
    cut = (ones > 0) & ((n - 1) // N_EDGES < n - ones)
    between = (sums**2 / np.maximum(counts, 1.0)[:, :, None]).sum(axis=(0, 2))
    constant = float((total**2).sum()) / n
    gain: Floats = np.where(cut, between, constant) - constant - np.where(cut, 2, 1) * float(target.var(axis=0).sum())
    return gain


def _by_bins(block: NDArray[np.float32], target: Floats) -> Floats:
    """Return the same for columns of numbers, ``[columns, rows]``."""
    n_columns, n = block.shape
    if not n_columns:
        return np.empty(0)
    bins = np.zeros(block.shape, np.uint8)
    for edge in _edges(block):
        bins += block > edge[:, None]
    at = (bins + N_EDGES * np.arange(n_columns)[:, None]).ravel()
    shape, length = (n_columns, N_EDGES), n_columns * N_EDGES
    counts = np.bincount(at, minlength=length).reshape(shape)
    between = np.zeros(n_columns)
    for column in target.T:
        sums = np.bincount(at, weights=np.tile(column, n_columns), minlength=length).reshape(shape)
        between += (sums**2 / np.maximum(counts, 1)).sum(axis=1)
    constant = float((target.sum(axis=0) ** 2).sum()) / n
    gain: Floats = between - constant - (counts > 0).sum(axis=1) * float(target.var(axis=0).sum())
    return gain


def _edges(block: NDArray[np.float32]) -> Floats:
    """Return the inner 16-quantiles of each column, ``[edges, columns]``: those of `numpy.quantile`, by one sort."""
    at = np.linspace(0, 1, N_EDGES + 1)[1:-1] * (block.shape[1] - 1)
    low = np.floor(at).astype(np.int64)
    share = (at - low)[:, None]
    ordered = np.sort(block, axis=1).T
    below, above = ordered[low], ordered[np.minimum(low + 1, block.shape[1] - 1)]
    step = above - below
    edges: Floats = np.where(share < 0.5, below + step * share, above - step * (1 - share))  # noqa: PLR2004
    return edges


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
