"""A training that was photographed at times: what a family leaves whose later states don't hold the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from mulle.export.forms import pack, unpack
from mulle.export.graph import Graph
from mulle.export.scorer import Scorer

_AT = "at"


@dataclass(frozen=True, eq=False)
class Snapshots(Scorer):
    """The states of one model after some of its iterations. On its own it scores as the last of them.

    Parameters
    ----------
    at
        After how many iterations each was taken, ascending.
    states
        As many scorers, of equal space and number of outputs.

    Examples
    --------
    >>> from mulle.export.layers import Layers
    >>> states = [Layers.constant([float(n)], space="raw") for n in (1, 4, 9)]
    >>> path = Snapshots((1, 4, 9), tuple(states))
    >>> [path.first(n) is states[i] for n, i in ((1, 0), (3, 0), (4, 1), (100, 2))]
    [True, True, True, True]
    """

    form: ClassVar[str] = "snapshots"

    at: tuple[int, ...]
    states: tuple[Scorer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", self.end.space)
        object.__setattr__(self, "n_outputs", self.end.n_outputs)

    @property
    def end(self) -> Scorer:
        """The last state."""
        return self.states[-1]

    @property
    def cuts(self) -> Sequence[int]:
        """Where it was photographed; see `Scorer.cuts`."""
        return self.at

    def first(self, n: int) -> Scorer:
        """Return the latest state at or before iteration ``n``, at least the first; see `Scorer.first`.

        Returns
        -------
        Scorer
            The state itself, without a path.
        """
        return self.states[max(int(np.searchsorted(self.at, n, side="right")) - 1, 0)]

    def emit(self, g: Graph, matrix: str) -> str:
        """Append the last state; see `Scorer.emit`.

        Returns
        -------
        str
            A float64 value ``[rows, n_outputs]``.
        """
        return self.end.emit(g, matrix)

    def save(self, path: Path) -> None:
        """Write each state's own ``.npz`` as bytes within one ``.npz`` without objects."""
        np.savez(path, **{_AT: np.array(self.at, np.int64)}, **pack(self.states))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read back what `save` wrote.

        Returns
        -------
        Snapshots
            Equal to what was saved, bit for bit.
        """
        with np.load(path, allow_pickle=False) as held:
            arrays = dict(held)
        return cls(tuple(arrays.pop(_AT).tolist()), unpack(arrays))

    @classmethod
    def merge(cls, scorers: Sequence[Self], columns: Sequence[Sequence[int]]) -> Self:
        """Average the last states; see `Scorer.merge`. A bag has no path: cut its members first.

        Returns
        -------
        Snapshots
            Of one state.
        """
        ends = [scorer.end for scorer in scorers]
        return cls((max(scorer.at[-1] for scorer in scorers),), (type(ends[0]).merge(ends, columns),))

    def n_parameters(self) -> int:
        """Return the number of stored numbers of all states.

        Returns
        -------
        int
            A count.
        """
        return sum(state.n_parameters() for state in self.states)
