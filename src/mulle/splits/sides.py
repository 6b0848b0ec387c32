"""Which side a unit stands on: decided for ever by a keyed hash of the unit alone."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from mulle.splits.content import Hashes

Mask = NDArray[np.bool_]


def sides(units: Hashes | Sequence[str], *, salt: str, fraction: float) -> Mask:
    """Return which units are in the sealed test.

    A unit's side depends on nothing but the unit, the salt and the fraction: not on the other rows, their order or
    their number. A larger fraction keeps all that a smaller one sealed.

    Parameters
    ----------
    units
        uint64 ``[rows]`` (see `mulle.splits.content`), or words.
    salt
        The project's own, from ``mulle.lock``.
    fraction
        The share of units to seal, between 0 and 1.

    Returns
    -------
    ndarray
        bool ``[rows]``, true for the sealed test.

    Examples
    --------
    >>> first = sides(["ann", "bob", "cyd", "dan"], salt="5eed", fraction=0.5)
    >>> then = sides(["eve", "dan", "cyd", "bob", "ann"], salt="5eed", fraction=0.5)
    >>> bool((first == then[:0:-1]).all())
    True
    """
    return positions(units, salt=salt) < np.uint64(min(int(fraction * 2.0**64), 2**64 - 1))


def positions(units: Hashes | Sequence[str], *, salt: str) -> Hashes:
    """Return for each unit a uint64 that looks random and never changes: blake2b of the unit, keyed by the salt."""
    for asked, answered, found in _ANSWERED:
        if asked == salt and np.array_equal(answered, units):
            return found.copy()
    found = _positions(units, salt)
    if isinstance(units, np.ndarray):
        _ANSWERED[:] = [(salt, units.copy(), found)]
    return found.copy()


_ANSWERED: list[tuple[str, Hashes, Hashes]] = []
"""The last answer: making a seal and applying it ask for the same, and it takes a second on a million rows."""


def _positions(units: Hashes | Sequence[str], salt: str) -> Hashes:
    begun = blake2b(digest_size=8, key=salt.encode())

    def place(unit: bytes) -> bytes:
        state = begun.copy()
        state.update(unit)
        return state.digest()

    if isinstance(units, np.ndarray) and units.dtype == np.uint64:
        distinct, back = np.unique(units, return_inverse=True)
        data = distinct.astype("<u8").tobytes()
        places = [place(data[i : i + 8]) for i in range(0, len(data), 8)]
    else:
        words, back = np.unique(np.asarray(units, dtype=np.str_), return_inverse=True)
        places = [place(str(word).encode()) for word in words]
    found = np.frombuffer(b"".join(places), "<u8").astype(np.uint64)
    return found[back]


def across(units: Hashes, test: Mask) -> Mask:
    """Return which rows of the working side have a twin (the same unit) in the sealed test.

    Only inputs are compared. The sealer takes these rows out of training.

    Parameters
    ----------
    units
        uint64 ``[rows]``: the content of the inputs, or a group.
    test
        bool ``[rows]``, true for the sealed test.

    Returns
    -------
    ndarray
        bool ``[rows]``, never true for a sealed row.

    Examples
    --------
    >>> across(np.array([7, 7, 8], np.uint64), np.array([True, False, False])).tolist()
    [False, True, False]
    """
    return ~test & np.isin(units, np.unique(units[test]))
