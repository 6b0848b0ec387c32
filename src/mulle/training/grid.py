"""A grid over any family's search space: a few values of each parameter, each combination once, in a seeded order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mulle.core.jsonable import Json
from mulle.models.base import Params, Suggest

N_VALUES = 3
"""How many values of a range are on the grid: its two ends and its middle."""
MOST = 10_000
"""More combinations than any budget tries; those beyond are never asked for."""

Space = Callable[[Suggest], dict[str, Json]]


class Grid:
    """The combinations of a search space, one after the other.

    Parameters
    ----------
    space
        A family's search space.
    rng
        Shuffles the combinations, so that a part of the grid shows all parameters.

    Examples
    --------
    >>> grid = Grid(lambda s: {"depth": s.suggest_int("depth", 1, 9)}, rng=np.random.default_rng(0))
    >>> sorted(grid.ask()["depth"] for _ in range(3)), grid.ask()
    ([1, 5, 9], None)
    """

    def __init__(self, space: Space, *, rng: np.random.Generator) -> None:
        first = Cell(number=0)
        space(first)
        n = min(first.n_cells, 2**62)
        self._space = space
        self._left = rng.choice(n, size=min(n, MOST), replace=False).tolist()

    def ask(self) -> Params | None:
        """Return the next combination, None when all were asked for."""
        return self._space(Cell(number=self._left.pop())) if self._left else None


@dataclass(slots=True)
class Cell:
    """One cell of the grid, for a search space to draw from as if it were a trial.

    Parameters
    ----------
    number
        Which cell: its digits, to the base of each parameter's number of values, choose the values.
    n_cells
        How many cells there are, as far as the space has drawn.
    """

    number: int
    n_cells: int = 1

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Choose among the ends of a range and its middle."""
        chosen: float = self.suggest_categorical(name, spread(low, high, log=log))
        return chosen

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Choose among the ends of a range and its middle, rounded."""
        chosen: int = self.suggest_categorical(name, sorted({int(x + 0.5) for x in spread(low, high, log=log)}))
        return chosen

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # a trial's signature  # noqa: ARG002
        """Choose one of several by the next digit."""
        self.number, digit = divmod(self.number, len(choices))
        self.n_cells *= len(choices)
        return choices[digit]


def spread(low: float, high: float, *, log: bool) -> list[float]:
    """Return a few values spread evenly over a range, ends included.

    Parameters
    ----------
    low, high
        The ends.
    log
        Evenly in the logarithm.

    Returns
    -------
    list of float
        Ascending, each once.

    Examples
    --------
    >>> spread(0.1, 10.0, log=True)
    [0.1, 1.0, 10.0]
    """
    inner = [float(f"{x:.12g}") for x in (np.geomspace if log else np.linspace)(low, high, N_VALUES)[1:-1]]
    return [float(low), *(x for x in inner if low < x < high), *([float(high)] if high > low else [])]
