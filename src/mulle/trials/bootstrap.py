"""Draw rows again with replacement, by unit: all rows of a customer come together or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def numbered(units: NDArray[np.generic] | None, n_rows: int) -> Ints:
    """Return the number of each row's unit, 0 and up; each row is its own when no units are given.

    Examples
    --------
    >>> numbered(np.array([7, 9, 7]), 3).tolist()
    [0, 1, 0]
    """
    if units is None:
        return np.arange(n_rows)
    numbers: Ints = np.unique(units, return_inverse=True)[1].astype(np.int64)
    return numbers


def unit_weights(
    units: NDArray[np.generic] | None, n_rows: int, n_draws: int, *, rng: np.random.Generator
) -> Iterator[Floats]:
    """Yield, for each draw, how often each row stands in it.

    As many units are drawn as there are, with replacement; about 37 % of them stand in no given draw.

    Parameters
    ----------
    units
        ``[rows]``, equal for rows that belong together; None: each row alone.
    n_rows
        How many rows there are.
    n_draws
        How many draws.
    rng
        Equal states give equal draws.

    Yields
    ------
    ndarray
        float64 ``[rows]``, whole numbers.

    Examples
    --------
    >>> counts = next(unit_weights(np.array([1, 1, 2]), 3, 1, rng=np.random.default_rng(0)))
    >>> bool(counts[0] == counts[1])
    True
    """
    unit = numbered(units, n_rows)
    n_units = int(unit.max(initial=-1)) + 1
    alone = n_units == n_rows
    for _ in range(n_draws):
        counts = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units).astype(np.float64)
        yield counts if alone and units is None else counts[unit]
