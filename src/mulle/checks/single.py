"""How well one column alone tells the target, on rows that it was not fitted on.

The column is cut into values or up to 128 quantile bins; half of the rows say what the target is in each bin, the
other half judges, and the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

BINS, LEAST_BINS = 128, 8
ROWS_A_BIN = 40
BLOCK = 2_000_000
"""Values that are sorted together."""
FEW = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """What one column tells.

    Parameters
    ----------
    score
        ROC AUC (binary), share of what could be gained over the most frequent class (classes), R² (numbers).
    low
        Lower end of its 95 % interval.
    n_least
        Rows of the rarest class among those judged; all rows for numbers.
    n_values
        Different values, gaps counted as one.
    """

    score: float
    low: float
    n_least: int
    n_values: int


def codes_of(series: pl.Series) -> tuple[Codes, int]:
    """Cut a column into values or quantile bins.

    Parameters
    ----------
    series
        Numbers, text, booleans or moments.

    Returns
    -------
    tuple
        A code for each row, gaps having one of their own, and the number of different values.

    Examples
    --------
    >>> codes_of(pl.Series(["a", None, "b", "a"]))[1]
    3
    """
    n, bins = series.n_unique(), max(LEAST_BINS, min(BINS, len(series) // ROWS_A_BIN))
    if n <= bins or not (series.dtype.is_numeric() or series.dtype.is_temporal()):
        dense = series.rank("dense").fill_null(0).to_numpy().astype(np.int64)
        return dense, n
    values = series.cast(pl.Float64).to_numpy()
    gap = np.isnan(values)
    edges = np.unique(np.quantile(values[~gap], np.linspace(0, 1, bins + 1)[1:-1]))
    return np.where(gap, 0, 1 + np.searchsorted(edges, values, side="right")), n


def score_single(series: pl.Series, target: Floats, n_classes: int, *, rng: np.random.Generator) -> Single:
    """Score one column.

    Parameters
    ----------
    series
        Without list or binary values.
    target
        0/1, codes of classes, or numbers; all known, ``[rows]``.
    n_classes
        0 for numbers.
    rng
        Deals the halves.

    Returns
    -------
    Single
        Its score on rows that it was not fitted on.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = (rng.random(400) < 0.5).astype(float)
    >>> score_single(pl.Series(y * 2 + 1), y, 2, rng=rng).score
    1.0
    """
    codes, n_values = codes_of(series)
    half = rng.permutation(len(target)) % 2 == 0
    sides = [(half, ~half), (~half, half)]
    judge = {0: _explained, 2: _ranked}.get(n_classes, _named)
    found = [judge(codes, target, fit, held) for fit, held in sides]
    direct = {0: _straight, 2: _ordered}.get(n_classes)
    if direct is not None and series.dtype.is_numeric():
        x = series.cast(pl.Float64).fill_null(series.cast(pl.Float64).mean()).to_numpy()
        found = [max(pair) for pair in zip(found, [direct(x, target, *s) for s in sides], strict=True)]
    score = float(np.mean(found))
    counts = np.bincount(target.astype(np.int64), minlength=n_classes) if n_classes else np.array([len(target)])
    least = int(counts[counts > 0].min())
    return Single(score=score, low=_low(score, least, len(target)), n_least=least, n_values=n_values)


def screened(columns: Sequence[Floats], target: Floats, n_classes: int) -> Floats:
    """Return the share of the target's variance that each column's quantile bins explain, on the very rows.

    It flatters, and only ranks: a quick look at thousands of columns, to choose those worth `score_single`.

    Parameters
    ----------
    columns
        Numbers, NaN where missing, ``[rows]`` each.
    target, n_classes
        As for `score_single`.

    Returns
    -------
    numpy.ndarray
        0…1, ``[columns]``; of classes, that of the one that is told best.

    Examples
    --------
    >>> y = np.arange(400.0) % 2
    >>> screened([y, np.arange(400.0)], y, 2).tolist()
    [1.0, 0.0]
    """
    wanted = target[:, None] if n_classes in {0, 2} else (target[:, None] == np.arange(n_classes)).astype(np.float64)
    n, spread = len(target), wanted.var(axis=0)
    bins = max(LEAST_BINS, min(BINS, n // ROWS_A_BIN))
    bounds = (np.arange(bins) * n) // bins
    counts = np.diff(np.append(bounds, n))
    found = np.zeros(len(columns))
    size = max(1, BLOCK // max(n, 1))
    for start in range(0, len(columns), size):
        order = np.argsort(np.stack(columns[start : start + size]), axis=1)
        for k in np.flatnonzero(spread > 0):
            means = np.add.reduceat(wanted[:, k][order], bounds, axis=1) / counts
            told = ((means - wanted[:, k].mean()) ** 2 @ counts) / (n * spread[k])
            found[start : start + size] = np.maximum(found[start : start + size], told)
    return found


def _low(score: float, least: int, n: int) -> float:
    """Return a lower end: Hanley and McNeil (1982) for an area; the rarest class is its smaller group."""
    a, small, large = min(max(score, 0.5), 1.0), max(least, 1), max(n - least, 1)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (small - 1) * (q1 - a * a) + (large - 1) * (q2 - a * a)) / (small * large)
    return score - 1.96 * float(np.sqrt(max(variance, 0.0)))


def _means(codes: Codes, target: Floats, fit: NDArray[np.bool_]) -> Floats:
    """Return the mean target of each code, a little drawn to the mean of all."""
    n = int(codes.max()) + 1
    sums = np.bincount(codes[fit], weights=target[fit], minlength=n)
    return np.asarray((sums + target[fit].mean()) / (np.bincount(codes[fit], minlength=n) + 1), np.float64)


def _ranked(
    codes: Codes,
    target: Floats,
    fit: NDArray[np.bool_],
    held: NDArray[np.bool_],
    *,
    means: Floats | None = None,
) -> float:
    means = _means(codes, target, fit) if means is None else means
    places = np.argsort(np.argsort(means, kind="stable"), kind="stable")[codes[held]]
    n = len(means)
    positive = np.bincount(places, weights=target[held], minlength=n)
    negative = np.bincount(places, weights=1 - target[held], minlength=n)
    pairs = positive.sum() * negative.sum()
    wins = float((positive * (np.cumsum(negative) - negative / 2)).sum())
    return wins / pairs if pairs else 0.5


def _ordered(x: Floats, target: Floats, fit: NDArray[np.bool_], held: NDArray[np.bool_]) -> float:
    """Return the area of the values themselves, in the direction that the other half says."""
    dense = pl.Series(x).rank("dense").to_numpy().astype(np.int64)
    every = np.ones(len(x), np.bool_)
    slope = float(((dense[fit] - dense[fit].mean()) * (target[fit] - target[fit].mean())).sum())
    return _ranked(
        dense if slope >= 0 else dense.max() - dense, target, every, held, means=np.arange(dense.max() + 1.0)
    )


def _named(codes: Codes, target: Floats, fit: NDArray[np.bool_], held: NDArray[np.bool_]) -> float:
    width = int(target.max()) + 1
    pairs, n = np.unique(codes[fit] * width + target[fit].astype(np.int64), return_counts=True)
    most = np.full(int(codes.max()) + 1, int(np.bincount(target[fit].astype(np.int64)).argmax()))
    order = np.argsort(n, kind="stable")
    most[pairs[order] // width] = pairs[order] % width
    right = float((most[codes[held]] == target[held]).mean())
    base = float(np.bincount(target[held].astype(np.int64)).max() / held.sum())
    return (right - base) / (1 - base) if base < 1 else 0.0


def _explained(codes: Codes, target: Floats, fit: NDArray[np.bool_], held: NDArray[np.bool_]) -> float:
    return _r2(target[held], _means(codes, target, fit)[codes[held]])


def _straight(x: Floats, target: Floats, fit: NDArray[np.bool_], held: NDArray[np.bool_]) -> float:
    middle, spread = float(x[fit].mean()), float(x[fit].var())
    if not spread > 0:
        return 0.0
    mean = float(target[fit].mean())
    slope = float(((x[fit] - middle) * (target[fit] - mean)).mean()) / spread
    return _r2(target[held], mean + slope * (x[held] - middle))


def _r2(target: Floats, prediction: Floats) -> float:
    spread = float(((target - target.mean()) ** 2).sum())
    return 1 - float(((target - prediction) ** 2).sum()) / spread if spread else 0.0
