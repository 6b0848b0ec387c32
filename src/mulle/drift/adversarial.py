"""Can a model tell two sets of rows apart? If so, they do not come from one source.

Source: D. Lopez-Paz and M. Oquab, Revisiting classifier two-sample tests (ICLR 2017), section 3; here with
the area under the ROC curve in place of accuracy, cross-fitted, so that each row is judged by a model that
has not seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.check import Interval
from mulle.kinds.numeric import blocks

Floats = NDArray[np.float64]

MOST_ROWS = 10_000
CELLS = 1_000_000
LEAST_ROWS = 1_000
FOLDS = 3
SMALL = 100
"""Rows of the smaller set below which nothing is said."""
LEVELS = 200
WIDE = 100
"""Columns that a model looks at."""
ROUNDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How well two sets of rows are told apart.

    Parameters
    ----------
    auc
        0.5: not at all. 1: perfectly.
    interval
        Of the area, 95 %, by rows (Hanley and McNeil 1982).
    columns
        Columns that tell them apart, with their share of the model's gain and the area that each reaches
        alone; the most telling first.
    n_rows
        Rows compared, of both sets.
    """

    auc: float
    interval: Interval
    columns: Sequence[tuple[str, float, float]]
    n_rows: int


def tell_apart(first: pl.DataFrame, second: pl.DataFrame, *, rng: np.random.Generator) -> Told | None:
    """Train a model to tell two sets of rows apart.

    Parameters
    ----------
    first, second
        Canonical rows. Columns that both have are compared; lists and images are not.
    rng
        Draws at most 10,000 rows of each (fewer of wide tables) and deals the folds.

    Returns
    -------
    Told | None
        None when a set has fewer than 100 rows, or no column can be compared.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> old, new = (pl.DataFrame({"x": rng.normal(size=2000) + shift}) for shift in (0, 0))
    >>> told = tell_apart(old, new, rng=rng)
    >>> told.interval.low < 0.5 < told.interval.high
    True
    """
    other = second.schema
    names = [n for n, dtype in first.schema.items() if n in other and _plain(dtype, other[n])]
    most = max(LEAST_ROWS, min(MOST_ROWS, CELLS // max(len(names), 1)))
    old, new = (_drawn(table.select(names), most, rng) for table in (first, second))
    if not names or min(old.height, new.height) < SMALL:
        return None
    both = pl.concat([old, new], how="vertical_relaxed")
    matrix = np.column_stack([_numbers(both[name]) for name in names])
    side = np.concatenate([np.zeros(old.height), np.ones(new.height)])
    score, gain = _cross_fit(matrix, side, rng)
    area = auc(side, score)
    order = np.argsort(-gain, kind="stable")[:10].tolist()
    told = [(names[i], float(gain[i]), _alone(matrix[:, i], side)) for i in order if gain[i] > 0]
    return Told(auc=area, interval=_interval(area, old.height, new.height), columns=told, n_rows=len(side))


def _plain(one: pl.DataType, other: pl.DataType) -> bool:
    return one == other and not one.is_nested() and one != pl.Binary


def _drawn(table: pl.DataFrame, most: int, rng: np.random.Generator) -> pl.DataFrame:
    if table.height <= most:
        return table
    return table[np.sort(rng.choice(table.height, most, replace=False))]


def _numbers(series: pl.Series) -> Floats:
    """Return a column as numbers: values, seconds, or the rank of a text by how frequent it is."""
    if series.dtype == pl.String:
        counts = series.value_counts(sort=True)
        names = counts[series.name].cast(pl.String).fill_null("\0")
        ranks = pl.DataFrame({"v": names, "r": np.minimum(np.arange(len(names)), LEVELS).astype(np.float64)})
        asked = pl.DataFrame({"v": series.fill_null("\0")})
        return asked.join(ranks, on="v", how="left", maintain_order="left")["r"].to_numpy()
    if series.dtype.is_temporal():
        series = series.to_physical()
    return series.cast(pl.Float64).to_numpy()


def _cross_fit(matrix: Floats, side: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return each row's score by a model that has not seen it, and each column's share of the gain."""
    import lightgbm  # half a second that most commands do not need

    params = {
        "objective": "binary",
        "num_leaves": 15,
        "learning_rate": 0.1,
        "min_data_in_leaf": 40,
        "feature_fraction": 0.8,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "seed": int(rng.integers(2**31)),
        "verbosity": -1,
        "max_bin": 127,
    }
    fold = _dealt(matrix, side, rng)
    score, gain = np.empty(len(side)), np.zeros(matrix.shape[1])
    for k in range(FOLDS):
        fit, held = fold != k, fold == k
        taken = _promising(matrix, side, fit)
        data = lightgbm.Dataset(matrix[np.ix_(fit, taken)], side[fit])
        booster = lightgbm.train(params, data, num_boost_round=ROUNDS)
        raw = np.asarray(booster.predict(matrix[np.ix_(held, taken)], raw_score=True, num_threads=1), np.float64)
        # folds are pooled by rank within each, since their models differ in level
        score[held] = (np.argsort(np.argsort(raw, kind="stable"), kind="stable") + 0.5) / len(raw)
        gain[taken] += booster.feature_importance("gain")
    return score, gain / gain.sum() if gain.sum() else gain


def _dealt(matrix: Floats, side: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return each row's fold.

    Where all rows that are alike stand on one side, as when rows are sealed by content, they share a fold: a model would
    else remember on which side their twins stand, and call that a difference. Where they stand on both sides, how often
    they do is what is asked, and each row has a fold of its own.
    """
    alike = np.unique(np.where(np.isnan(matrix), np.inf, matrix), axis=0, return_inverse=True)[1].ravel()
    n = int(alike.max()) + 1
    shared = np.bincount(alike, side == 0, n) * np.bincount(alike, side == 1, n)
    if n < SMALL or n == len(side) or shared.any():
        return rng.permutation(len(side)) % FOLDS
    return (rng.permutation(n) % FOLDS)[alike]


def _promising(matrix: Floats, side: Floats, fit: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return at most 100 columns, those whose means or gaps differ most; chosen within the fold, so no row is seen."""
    if matrix.shape[1] <= WIDE:
        return np.arange(matrix.shape[1])
    moved = np.concatenate([_moved(matrix[fit, block], side[fit]) for block in blocks(matrix)])
    return np.sort(np.argsort(-moved, kind="stable")[:WIDE])


def _moved(matrix: Floats, side: Floats) -> Floats:
    """Return how far each column's mean moved, in its own spreads, and how many more gaps it has."""
    there = np.isfinite(matrix)
    filled = np.where(there, matrix, 0.0)
    old, new = side == 0, side == 1
    means = [filled[part].sum(axis=0) / np.maximum(there[part].sum(axis=0), 1) for part in (old, new)]
    middle = filled.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    spread = np.sqrt((np.where(there, matrix - middle, 0.0) ** 2).mean(axis=0))
    gaps = np.abs(there[old].mean(axis=0) - there[new].mean(axis=0))
    return np.asarray(np.abs(means[0] - means[1]) / np.maximum(spread, 1e-300) + gaps)


def auc(side: Floats, score: Floats) -> float:
    """Return the area under the ROC curve, ties counting half.

    Parameters
    ----------
    side
        0 or 1, ``[rows]``.
    score
        ``[rows]``.

    Returns
    -------
    float
        Of Mann and Whitney's statistic.

    Examples
    --------
    >>> auc(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.1, 0.4]))
    0.75
    """
    _, place, n = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(n) - (n - 1) / 2
    positive = float(side.sum())
    negative = len(side) - positive
    return (float(rank[place][side == 1].sum()) - positive * (positive + 1) / 2) / (positive * negative)


def _alone(column: Floats, side: Floats) -> float:
    """Return the area that a column's values reach alone, gaps lowest, in the better direction."""
    area = auc(side, np.nan_to_num(column, nan=-np.inf, neginf=-np.inf))
    return max(area, 1 - area)


def _interval(area: float, n_first: int, n_second: int) -> Interval:
    a = min(max(area, 1e-6), 1 - 1e-6)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = a * (1 - a) + (n_second - 1) * (q1 - a * a) + (n_first - 1) * (q2 - a * a)
    half = 1.96 * float(np.sqrt(max(variance, 0.0) / (n_first * n_second)))
    return Interval(low=max(area - half, 0.0), high=min(area + half, 1.0))
