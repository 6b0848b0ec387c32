"""A scaled matrix as a linear model uses it: multiplied from both sides, never written out where it is mostly zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

MOST_DOUBLES = 50_000_000
"""Values up to which a matrix is kept in double precision."""
SPARSE = 0.1
"""Share of values other than zero below which a larger one is kept as those alone."""
SAMPLE = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scaled:
    """The matrix ``(X - mean) / scale``, ``[rows, columns]``.

    A large one of zeros and ones (words, one column a level) stays sparse: ``X / scale`` is kept, and the means are
    taken off in each product, so that a pass over a hundred million values reads one million.

    Examples
    --------
    >>> X = np.array([[1.0, 4.0], [3.0, 8.0]], dtype=np.float32)
    >>> scaled = Scaled.of(X, mean=np.array([2.0, 6.0]), scale=np.array([1.0, 2.0]))
    >>> scaled.times(np.array([[1.0], [1.0]])).tolist(), scaled.back(np.array([[1.0], [0.0]])).tolist()
    ([[-2.0], [2.0]], [[-1.0], [-1.0]])
    """

    held: Any
    """Dense and centred, or sparse (``scipy.sparse``, rows first) and not."""
    shift: Doubles | None = None
    """``mean / scale``, ``[columns]``; None when the matrix is centred."""

    @classmethod
    def of(cls, matrix: NDArray[np.float32], *, mean: Doubles, scale: Doubles) -> Self:
        """Scale a matrix; whether it is kept sparse hangs on its size and on a sample of its rows."""
        if matrix.size <= MOST_DOUBLES or not _mostly_zeros(matrix):
            dtype = np.float64 if matrix.size <= MOST_DOUBLES else np.float32
            return cls(held=((matrix - mean.astype(np.float32)) / scale.astype(np.float32)).astype(dtype))
        return cls(held=_sparse(matrix, scale), shift=mean / scale)

    def like(self, matrix: NDArray[np.float32], *, mean: Doubles, scale: Doubles) -> Scaled:
        """Scale other rows, kept in the same way; dense ones in double precision."""
        if self.shift is None:
            return Scaled(held=(matrix - mean) / scale)
        return Scaled(held=_sparse(matrix, scale), shift=mean / scale)

    def __len__(self) -> int:
        return int(self.held.shape[0])

    @property
    def width(self) -> int:
        """How many columns there are."""
        return int(self.held.shape[1])

    def times(self, weights: Doubles) -> Doubles:
        """Return the matrix times weights ``[columns, outputs]``: ``[rows, outputs]``."""
        product = np.asarray(self.held @ weights.astype(self.held.dtype), np.float64)
        return product if self.shift is None else product - self.shift @ weights

    def back(self, slope: Doubles) -> Doubles:
        """Return the transposed matrix times ``[rows, outputs]``: ``[columns, outputs]``."""
        product = np.asarray(self.held.T @ slope.astype(self.held.dtype), np.float64)
        return product if self.shift is None else product - np.outer(self.shift, slope.sum(axis=0))


def _mostly_zeros(matrix: NDArray[np.float32]) -> bool:
    step = -(-len(matrix) // SAMPLE)
    return float((matrix[::step] != 0).mean()) < SPARSE


def _sparse(matrix: NDArray[np.float32], scale: Doubles) -> Any:
    """Keep the values that are not zero, divided by their column's scale; a block of rows at a time."""
    from scipy import sparse

    size = max(1, MOST_DOUBLES // matrix.shape[1])
    blocks = [_there(matrix[i : i + size]) for i in range(0, len(matrix), size)]
    indices = np.concatenate([columns for _, columns, _ in blocks])
    data = np.concatenate([values for _, _, values in blocks]) / scale[indices]
    ends = np.concatenate([[0], *[n for n, _, _ in blocks]]).cumsum()
    return sparse.csr_array((data, indices, ends), shape=matrix.shape)


def _there(block: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int32], Doubles]:
    """Return how many values of each row aren't zero, their columns, and the values, row by row."""
    mask = block != 0
    at = np.flatnonzero(mask)
    columns = (at % block.shape[1]).astype(np.int32)
    return np.count_nonzero(mask, axis=1), columns, block.ravel()[at].astype(np.float64)
