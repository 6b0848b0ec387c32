"""What a family leaves behind when it is fitted: a neutral form that no training library is needed to read.

`Trees` and `Layers` are the two forms. Each can be saved as plain arrays, merged over the folds of a bag, and
emitted into a graph. A family that fits neither brings its own subclass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

from mulle.export.graph import Graph

Space = Literal["raw", "prediction"]


class Scorer(ABC):
    """From a matrix of features to scores.

    ``space`` says what comes out: *raw* scores, to which the loss's link is still to be applied, or *predictions*
    (probabilities, means) already. Both are ``[rows, n_outputs]`` in float64.
    """

    form: ClassVar[str]
    space: Space
    n_outputs: int

    @abstractmethod
    def emit(self, g: Graph, matrix: str) -> str:
        """Append the nodes that score ``matrix`` (float32, ``[rows, columns]``); return a float64 value's name."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the scorer as one ``.npz`` without objects."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> Self:
        """Read back what `save` wrote."""

    @classmethod
    @abstractmethod
    def merge(cls, scorers: Sequence[Self], columns: Sequence[Sequence[int]]) -> Self:
        """Average several scorers of this form into one.

        Parameters
        ----------
        scorers
            The members of a bag, of equal space and number of outputs.
        columns
            For each member, where its columns stand in the joint matrix, so that columns which differ between
            folds (target encoding) stand side by side.
        """

    @abstractmethod
    def n_parameters(self) -> int:
        """Return the number of stored numbers: nodes of all trees, or weights."""
