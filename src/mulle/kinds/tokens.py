"""Wire values of a tokenised feature: a sparse matrix that stands where an array of wire values would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mulle.runtime import tokenise

_CHUNK = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Hashed tokens by rows. Index it by rows as an array; `dense` gives float32 ``[rows, width]``.

    Examples
    --------
    >>> step = {"op": "tokenise", "version": 1, "analyzer": "list", "width": 8}
    >>> tokens = Tokens.of(step, np.array([["a"], ["b"], [""]], dtype=object))
    >>> tokens.shape, len(tokens[[0, 2]]), tokens[1:].dense().sum(axis=1).tolist()
    ((3, 8), 2, [1.0, 0.0])
    """

    starts: NDArray[np.int64]
    buckets: NDArray[np.int32]
    weights: NDArray[np.float32]
    width: int

    @classmethod
    def of(cls, step: Mapping[str, Any], strings: NDArray[Any]) -> Self:
        """Run the step on wire values ``[rows, 1]``, chunk by chunk."""
        flat = strings.ravel()
        parts = [tokenise.sparse(step, flat[i : i + _CHUNK]) for i in range(0, max(len(flat), 1), _CHUNK)]
        counts = np.concatenate([np.diff(starts) for starts, _, _ in parts])
        return cls(
            starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            buckets=np.concatenate([b for _, b, _ in parts]),
            weights=np.concatenate([w for _, _, w in parts]),
            width=int(step["width"]),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and width."""
        return len(self), self.width

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, rows: Any) -> Tokens:
        at = np.arange(len(self))[rows]
        counts = np.diff(self.starts)[at]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        entries = np.repeat(self.starts[at] - starts[:-1], counts) + np.arange(starts[-1])
        return Tokens(starts=starts, buckets=self.buckets[entries], weights=self.weights[entries], width=self.width)

    def dense(self) -> NDArray[np.float32]:
        """Return the rows as float32 ``[rows, width]``."""
        out = np.zeros(self.shape, np.float32)
        out[np.repeat(np.arange(len(self)), np.diff(self.starts)), self.buckets] = self.weights
        return out
