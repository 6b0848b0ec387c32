"""The reliability table: how often it happens when the model says so."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mulle.core.check import Interval

Floats = NDArray[np.float64]
N_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Rows of about equal probability: what was said on average, what happened, and the interval of that."""

    low: float
    high: float
    said: float
    happened: float
    interval: Interval
    n_rows: int


def wilson(successes: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Return the interval of a rate, by Wilson's score.

    Parameters
    ----------
    successes
        Of the `n`.
    n
        Independent trials.
    confidence
        0..1.

    Returns
    -------
    Interval
        0 to 1 when there was no trial.

    Examples
    --------
    >>> interval = wilson(8, 10)
    >>> interval.low, interval.high
    (0.4902, 0.9433)

    Notes
    -----
    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    if n <= 0:
        return Interval(low=0.0, high=1.0, confidence=confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, square = successes / n, z * z
    middle = (rate + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * (rate * (1 - rate) / n + square / (4 * n * n)) ** 0.5
    return Interval(low=max(middle - half, 0.0), high=min(middle + half, 1.0), confidence=confidence)


def reliability(target: Floats, p: Floats, *, weight: Floats | None = None, n_bins: int = N_BINS) -> list[Bin]:
    """Return the reliability table, in bins of about equally many rows.

    Parameters
    ----------
    target
        0 or 1, ``[rows]``.
    p
        The probability of 1, ``[rows]``.
    weight
        ``[rows]``; intervals then rest on the effective number of rows, (Σw)² / Σw².
    n_bins
        At most so many: equal probabilities are never parted.

    Returns
    -------
    list of Bin
        By rising probability; none is empty.

    Examples
    --------
    >>> bins = reliability(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.1, 0.8, 0.8]), n_bins=2)
    >>> [(b.said, b.happened, b.n_rows) for b in bins]
    [(0.1, 0.0, 2), (0.8, 1.0, 2)]
    """
    y, p = np.asarray(target, np.float64).reshape(-1), np.asarray(p, np.float64).reshape(-1)
    w = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    edges = np.unique(np.quantile(p, np.arange(1, n_bins) / n_bins)) if len(p) else np.empty(0)
    place = np.searchsorted(edges, p, side="right")
    return [_bin(y[mine], p[mine], w[mine]) for k in np.unique(place) if w[mine := place == k].sum() > 0]


def _bin(y: Floats, p: Floats, w: Floats) -> Bin:
    total = float(w.sum())
    effective = total**2 / float(w @ w)
    happened = float(w @ y) / total
    return Bin(
        low=float(p.min()),
        high=float(p.max()),
        said=float(w @ p) / total,
        happened=happened,
        interval=wilson(happened * effective, effective),
        n_rows=len(y),
    )
