"""What a bundle answers: for one row, or for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mulle.runtime.notebook import table_html

Decision = str | float | None
SHOWN = 10
"""Rows, or classes, that are shown of many."""


class Prediction(NamedTuple):
    """The answer for one row.

    ``prediction`` has one number an output (for two classes one: the probability of the second; for more one
    a class). ``decision`` is the policy's: a class, or a number. ``scores`` has what each graph gave, by
    name. ``n_unknown`` counts the columns that were sent and aren't used.
    """

    prediction: tuple[float, ...]
    decision: Decision
    scores: Mapping[str, tuple[float, ...]]
    n_unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The answer for many rows, in their order. A row that can't be scored keeps its place.

    Parameters
    ----------
    prediction
        Float64 ``[rows, outputs]``; NaN where a row was rejected.
    decision
        ``[rows]``: class names as objects, None where a row was rejected; or float64 with NaN.
    rejected
        Bool ``[rows]``.
    reasons
        Why, by position of the row; one for each that was rejected.
    columns
        How the columns of ``prediction`` are called in a table.
    scores
        What each graph gave, by name, each ``[rows, outputs]``.
    unknown
        Columns that were there and aren't used.
    """

    prediction: NDArray[np.float64]
    decision: NDArray[Any]
    rejected: NDArray[np.bool_]
    reasons: Mapping[int, str]
    columns: Sequence[str]
    scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    unknown: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.prediction)

    def __repr__(self) -> str:
        """Say how many rows, how many of them could not be scored, and how it went for the others."""
        counted = ", ".join(f"{name} {n:,}" for name, n in self._decided())
        rejected = f", {self.n_rejected:,} rejected" if self.n_rejected else ""
        return f"<Predictions of {len(self):,} rows{rejected}{': ' if counted else ''}{counted}>"

    def _repr_html_(self) -> str:
        table = self.table()
        rows = [[i, *(column[i] for column in table.values())] for i in range(min(len(self), SHOWN))]
        return table_html(repr(self).strip("<>"), rows, head=["row", *table])

    def _decided(self) -> list[tuple[str, int]]:
        """Count the decisions by class; nothing for numbers."""
        if self.decision.dtype != object:
            return []
        names, counts = np.unique(self.decision[~self.rejected].astype(str), return_counts=True)
        return list(zip(names.tolist(), counts.tolist(), strict=True))[:SHOWN]

    @property
    def n_rejected(self) -> int:
        """Return how many rows could not be scored."""
        return int(self.rejected.sum())

    def table(self) -> dict[str, NDArray[Any]]:
        """Return the predictions and the decision by column name, as any frame library takes them.

        Returns
        -------
        dict
            One array a column, ``[rows]``: the prediction's columns, then ``decision``.
        """
        columns = {name: self.prediction[:, i] for i, name in enumerate(self.columns)}
        return {**columns, "decision": self.decision}
