"""Several scorers side by side: what a loss of several parts leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from mulle.export.forms import pack, unpack
from mulle.export.graph import Graph
from mulle.export.scorer import Scorer


@dataclass(frozen=True, eq=False)
class Joined(Scorer):
    """Scorers that read the same matrix; their outputs stand side by side in order.

    Parameters
    ----------
    parts
        At least one, all of the same space.

    Examples
    --------
    >>> from mulle.export.layers import Layers
    >>> one = Layers.linear([[1.0]], [0.0], space="raw")
    >>> Joined((one, one, one)).n_outputs
    3
    """

    form: ClassVar[str] = "joined"

    parts: tuple[Scorer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", self.parts[0].space)
        object.__setattr__(self, "n_outputs", sum(part.n_outputs for part in self.parts))

    @property
    def cuts(self) -> Sequence[int]:
        """Those of any part; see `Scorer.cuts`."""
        return sorted({n for part in self.parts for n in part.cuts})

    def first(self, n: int) -> Joined:
        """Cut each part after the same number of iterations; see `Scorer.first`.

        Returns
        -------
        Joined
            A part whose path is shorter is taken at its end.
        """
        return Joined(tuple(part.first(n) for part in self.parts))

    def step(self, after: int, upto: int) -> Joined | None:
        """Return what each part adds, None where one doesn't add up; see `Scorer.step`.

        Returns
        -------
        Joined or None
            A part whose path was over adds nothing.
        """
        steps = [part.step(after, upto) for part in self.parts]
        held = tuple(step for step in steps if step is not None)
        return Joined(held) if len(held) == len(steps) else None

    def emit(self, g: Graph, matrix: str) -> str:
        """Append all parts and put their outputs side by side; see `Scorer.emit`.

        Returns
        -------
        str
            A float64 value ``[rows, n_outputs]``.
        """
        return g.concat([part.emit(g, matrix) for part in self.parts])

    def save(self, path: Path) -> None:
        """Write each part's own ``.npz`` as bytes within one ``.npz`` without objects."""
        np.savez(path, **pack(self.parts))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read back what `save` wrote.

        Returns
        -------
        Joined
            Equal to what was saved, bit for bit.
        """
        with np.load(path, allow_pickle=False) as held:
            return cls(unpack(dict(held)))

    @classmethod
    def merge(cls, scorers: Sequence[Self], columns: Sequence[Sequence[int]]) -> Self:
        """Average part by part; see `Scorer.merge`.

        Returns
        -------
        Joined
            With as many parts as each member.
        """
        sides = zip(*(scorer.parts for scorer in scorers), strict=True)
        return cls(tuple(type(side[0]).merge(side, columns) for side in sides))

    def n_parameters(self) -> int:
        """Return the sum over the parts.

        Returns
        -------
        int
            A count.
        """
        return sum(part.n_parameters() for part in self.parts)
