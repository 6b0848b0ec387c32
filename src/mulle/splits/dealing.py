"""Deal units into parts of about equal size, with about equal shares of each stratum in each part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
N_BINS = 10


def strata(target: NDArray[np.float64] | None, n_rows: int, *, classes: bool) -> Ints:
    """Return what is to be spread evenly: the class, the tenth of a number's range, or nothing.

    Parameters
    ----------
    target
        float64 ``[rows]``, or None.
    n_rows
        How many rows there are.
    classes
        True when the target is a class code, false for a number.

    Returns
    -------
    ndarray
        int64 ``[rows]``, 0 and up.

    Examples
    --------
    >>> strata(np.array([3.0, 1.0, 3.0]), 3, classes=True).tolist()
    [1, 0, 1]
    """
    if target is None or target.ndim > 1:
        return np.zeros(n_rows, np.int64)
    if classes:
        return np.unique(target, return_inverse=True)[1].astype(np.int64)
    edges = np.quantile(target, np.arange(1, N_BINS) / N_BINS) if n_rows >= 5 * N_BINS else np.empty(0)
    return np.searchsorted(np.unique(edges), target, side="right").astype(np.int64)


def deal(units: Ints, strata: Ints, n_parts: int, *, rng: np.random.Generator) -> Ints:
    """Deal whole units into parts.

    Units of several rows go first, the largest first, each to the part where it does least harm to the balance;
    units of one row then fill up what is missing.

    Parameters
    ----------
    units
        int64 ``[rows]``, 0 to the number of units.
    strata
        int64 ``[rows]``, see `strata`.
    n_parts
        At most as many as there are units.
    rng
        Decides ties and the order.

    Returns
    -------
    ndarray
        The part of each row, int64 ``[rows]``. No part is empty.

    Examples
    --------
    >>> part = deal(np.array([0, 0, 1, 2]), np.zeros(4, int), 2, rng=np.random.default_rng(0))
    >>> bool(part[0] == part[1]), np.bincount(part).tolist()
    (True, [2, 2])
    """
    size = np.bincount(units)
    part = np.full(len(size), -1, np.int64)
    counts = np.zeros((n_parts, int(strata.max(initial=0)) + 1))
    _deal_large(part, counts, units=units, strata=strata, rng=rng)
    # single rows: their unit has one stratum
    single = np.flatnonzero(size[units] == 1)
    for s in np.unique(strata[single]):
        mine = units[single[strata[single] == s]]
        quota = _fill(counts[:, s], len(mine), counts.sum(axis=1), rng=rng)
        part[mine] = rng.permutation(np.repeat(np.arange(n_parts), quota))
        counts[:, s] += quota
    _no_empty(part, n_parts, size)
    return part[units]


def _deal_large(
    part: Ints, counts: NDArray[np.float64], *, units: Ints, strata: Ints, rng: np.random.Generator
) -> None:
    """Give each unit of several rows to the part where the squared shares of the strata grow least."""
    size = np.bincount(units)
    large = np.flatnonzero(size > 1)
    if not len(large):
        return
    large = rng.permutation(large)
    large = large[np.argsort(-size[large], kind="stable")]
    held = np.flatnonzero(size[units] > 1)
    order = held[np.argsort(units[held], kind="stable")]
    starts = np.searchsorted(units[order], np.arange(len(size) + 1))
    total = np.bincount(strata, minlength=counts.shape[1]).astype(np.float64)
    scale = 1 / np.maximum(total, 1) ** 2
    for unit in large:
        own = np.bincount(strata[order[starts[unit] : starts[unit + 1]]], minlength=len(total))
        chosen = int(np.argmin((2 * counts + own) @ (own * scale)))
        part[unit] = chosen
        counts[chosen] += own


def _fill(
    held: NDArray[np.float64], n: int, whole: NDArray[np.float64], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return how many of ``n`` rows each part gets, so that the emptiest are filled to one level first."""
    ordered = np.sort(held)
    levels = (n + np.cumsum(ordered)) / np.arange(1, len(held) + 1)
    above = np.append(ordered[1:], np.inf)
    level = levels[np.argmax(levels <= above)]
    wanted = np.maximum(level - held, 0)
    quota: Ints = np.floor(wanted + 1e-9).astype(np.int64)
    # what is left over goes to the parts that are short of most, then to those with the fewest rows
    rank = np.lexsort((rng.random(len(held)), whole, -(wanted - quota).round(6)))
    quota[rank[: n - int(quota.sum())]] += 1
    return quota


def _no_empty(part: Ints, n_parts: int, size: Ints) -> None:
    """Move the smallest unit of the part with most units into each part that got none."""
    for empty in np.setdiff1d(np.arange(n_parts), part):
        richest = int(np.argmax(np.bincount(part, minlength=n_parts)))
        mine = np.flatnonzero(part == richest)
        part[mine[np.argmin(size[mine])]] = empty
