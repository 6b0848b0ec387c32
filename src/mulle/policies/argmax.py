"""Decide for the most likely class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mulle.export.graph import Graph
from mulle.policies.base import Chosen, Costs, Policy, policy


@policy
class Argmax(Policy):
    """Decide for the class with the highest probability; of equal ones the first.

    Examples
    --------
    >>> Argmax().choose(np.array([0.0]), np.array([[0.7, 0.2, 0.1]]), Costs()).parameters
    {}
    """

    name: ClassVar[str] = "argmax"
    title: ClassVar[str] = "The most likely class"
    tasks: ClassVar[frozenset[str]] = frozenset({"multiclass"})
    decides: ClassVar[Literal["class", "value"]] = "class"

    def choose(
        self,
        target: NDArray[np.float64],  # noqa: ARG002
        prediction: NDArray[np.float64],  # noqa: ARG002
        costs: Costs,  # noqa: ARG002
        weight: NDArray[np.float64] | None = None,  # noqa: ARG002
    ) -> Chosen:
        """Return no parameters: there is nothing to choose."""
        why = "The most likely class is right most often, as long as each mistake costs the same."
        return Chosen(parameters={}, why=why)

    def emit(self, g: Graph, scores: Mapping[str, str], parameters: Mapping[str, str]) -> str:  # noqa: ARG002
        """Append the position of the highest probability."""
        (score,) = scores.values()
        return g.node("ArgMax", score, axis=1, keepdims=0)

    def says(self, parameters: Mapping[str, float], classes: Sequence[str]) -> str:  # noqa: ARG002
        """Say what is decided."""
        return f"A row is given the most likely of {len(classes)} classes."
