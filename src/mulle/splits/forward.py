"""Folds along time: training lies strictly before validation, and no unit stands on both sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import DataError
from mulle.splits.dealing import Ints

Pair = tuple[Ints, Ints]
"""Row numbers to train on and to validate on."""
_N_PARTS = 3
_HOLDOUT = 0.2


def forward(unit: Ints, time: NDArray[np.float64], *, n_blocks: int, gap: float = 0.0) -> tuple[list[Pair], str]:
    """Cut time into blocks of about equally many rows and validate each on what was known before it.

    Where units come back over time (the same customers each month), those that validate are taken out of training. If
    that would cost more than half of it, units are dealt into thirds instead, and each block validates one third of the
    units, trained on the others.

    Parameters
    ----------
    unit
        int64 ``[rows]``.
    time
        float64 ``[rows]``. Rows whose time is NaN are left out.
    n_blocks
        How many blocks validate. 1: the newest fifth does.
    gap
        How long before a block training must end, in the unit of `time`.

    Returns
    -------
    list
        Pairs of row numbers, in the order of time.
    str
        What was done, in words.

    Raises
    ------
    DataError
        When no moment comes before another.

    Examples
    --------
    >>> pairs, why = forward(np.arange(6), np.arange(6.0), n_blocks=2)
    >>> [(train.tolist(), valid.tolist()) for train, valid in pairs]
    [([0, 1], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """
    edges = _edges(time[~np.isnan(time)], n_blocks)
    blocks = [_block(time, low, high, gap) for low, high in zip(edges, [*edges[1:], np.inf], strict=True)]
    blocks = [(train, valid) for train, valid in blocks if len(train) and len(valid)]
    whole = [_without_units(train, valid, unit) for train, valid in blocks]
    said = f"along time: {len(blocks)} {'blocks' if len(blocks) > 1 else 'block'}, each trained on what lies before"
    if sum(len(t) for t, _ in whole) * 2 < sum(len(t) for t, _ in blocks):
        whole = [_by_thirds(train, valid, unit, i) for i, (train, valid) in enumerate(blocks)]
        said += "; units come back, so each block validates one third of them and trains on the others"
    whole = [(train, valid) for train, valid in whole if len(train) and len(valid)]
    if not whole:
        fix = "bring rows of more moments, shorten label_delay, or remove the key"
        raise DataError("no row comes early enough to train for another", where="[data] time", fix=fix)
    return whole, said


def _edges(known: NDArray[np.float64], n_blocks: int) -> list[float]:
    """Return the first moment of each block; rows of one moment stay together."""
    shares = [1 - _HOLDOUT] if n_blocks == 1 else [i / (n_blocks + 1) for i in range(1, n_blocks + 1)]
    ordered = np.sort(known)
    first = [float(ordered[int(share * len(ordered))]) for share in shares] if len(ordered) else []
    return sorted({edge for edge in first if edge > ordered[0]} or set(np.unique(ordered)[-1:].tolist()))


def _block(time: NDArray[np.float64], low: float, high: float, gap: float) -> Pair:
    return np.flatnonzero(time < low - gap), np.flatnonzero((time >= low) & (time < high))


def _without_units(train: Ints, valid: Ints, unit: Ints) -> Pair:
    return train[~np.isin(unit[train], unit[valid])], valid


def _by_thirds(train: Ints, valid: Ints, unit: Ints, i: int) -> Pair:
    third = i % _N_PARTS
    return train[unit[train] % _N_PARTS != third], valid[unit[valid] % _N_PARTS == third]
