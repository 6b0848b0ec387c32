"""A few states of a training, kept so that others can say afterwards where it should have stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from mulle.export.scorer import Scorer
from mulle.export.snapshots import Snapshots

MOST = 16
"""States that are kept, at most, beside the last: each is a whole model, and folds are written to disk."""

State = TypeVar("State")


def moments(planned: int) -> list[int]:
    """Return the iterations after which a state is kept: close together at first, where each one changes most.

    They follow from the plan alone and not from how the training goes, so that equal fits on other rows keep the same.

    Parameters
    ----------
    planned
        How many iterations there will be at most.

    Returns
    -------
    list of int
        Ascending, the first and the last planned among them; all of them when they are few.

    Examples
    --------
    >>> moments(120)
    [1, 2, 4, 8, 12, 17, 23, 30, 38, 47, 57, 68, 79, 92, 105, 120]
    >>> moments(5)
    [1, 2, 3, 4, 5]
    """
    if planned <= MOST:
        return list(range(1, planned + 1))
    spread = np.round(planned * (np.arange(1, MOST + 1) / MOST) ** 2).astype(int)
    return sorted({1, *spread.clip(1, planned).tolist()})


class Album(Generic[State]):
    """Keeps the states of a training at its `moments`, and always the last.

    Parameters
    ----------
    planned
        How many iterations there will be at most.

    Examples
    --------
    >>> album = Album[str](100)
    >>> for state in ("one", "two", "three"):
    ...     album.add(state)
    >>> album.held
    {1: 'one', 2: 'two', 3: 'three'}
    """

    def __init__(self, planned: int) -> None:
        self._moments = frozenset(moments(planned))
        self._n = 0
        self.held: dict[int, State] = {}

    def add(self, state: State) -> None:
        """Show it the state after one more iteration."""
        if self._n not in self._moments:
            self.held.pop(self._n, None)
        self._n += 1
        self.held[self._n] = state

    def scorer(self, made: Callable[[State], Scorer]) -> Snapshots:
        """Return what was kept as one scorer that can be cut."""
        return Snapshots(tuple(self.held), tuple(made(state) for state in self.held.values()))
