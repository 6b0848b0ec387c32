"""What a family leaves behind when it is fitted: a neutral form that no training library is needed to read.

`Trees` and `Layers` are the two forms. Each can be saved as plain arrays, merged over the folds of a bag, and
emitted into a graph. A family that fits neither brings its own subclass.

A fit that is watched on validation rows leaves its whole *path*, so that others than itself can say where it should have
stopped: `Scorer.cuts` are the iterations at which it can be cut, `Scorer.first` cuts it.
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

    @property
    def cuts(self) -> Sequence[int]:
        """Numbers of iterations after which it can be cut, ascending; empty where nothing of its path is held."""
        return ()

    def first(self, n: int) -> Scorer:  # noqa: ARG002  # a scorer without a path has but one state
        """Return the scorer as it was after its first ``n`` iterations.

        Parameters
        ----------
        n
            1 or more. Past the end of the path the end is meant; between two cuts the earlier one; before the first
            cut the first.

        Returns
        -------
        Scorer
            Without a path, so that it can be merged with others; itself, where nothing of the path is held.
        """
        return self

    def step(self, after: int, upto: int) -> Scorer | None:  # noqa: ARG002  # states need not add up
        """Return what the iterations past ``after`` up to ``upto`` add to the scores, in the scorer's own space.

        Parameters
        ----------
        after
            0 for the beginning: then what was there before the first iteration is part of it.
        upto
            Past the end of the path the end is meant.

        Returns
        -------
        Scorer or None
            Summed up, these are `first`; None where later states are not sums on earlier ones.
        """
        return None

    @abstractmethod
    def emit(self, g: Graph, matrix: str) -> str:
        """Append the nodes that score ``matrix`` (float32, ``[rows, columns]``); return a float64 value's name.

        A path is emitted as its end.
        """

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
