"""Take the predicted number as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mulle.export.graph import Graph
from mulle.policies.base import Chosen, Costs, Policy, policy


@policy
class Value(Policy):
    """Hand on the predicted number.

    Examples
    --------
    >>> Value().says({}, ())
    'The predicted number is used as it is.'
    """

    name: ClassVar[str] = "value"
    title: ClassVar[str] = "The number itself"
    tasks: ClassVar[frozenset[str]] = frozenset({"regression"})
    decides: ClassVar[Literal["class", "value"]] = "value"

    def choose(
        self,
        target: NDArray[np.float64],  # noqa: ARG002
        prediction: NDArray[np.float64],  # noqa: ARG002
        costs: Costs,  # noqa: ARG002
        weight: NDArray[np.float64] | None = None,  # noqa: ARG002
    ) -> Chosen:
        """Return no parameters: there is nothing to choose."""
        return Chosen(parameters={}, why="A predicted number needs no decision of its own.")

    def emit(self, g: Graph, scores: Mapping[str, str], parameters: Mapping[str, str]) -> str:  # noqa: ARG002
        """Append the prediction as one value a row."""
        (score,) = scores.values()
        return g.node("Reshape", score, g.const([-1], np.int64))

    def says(self, parameters: Mapping[str, float], classes: Sequence[str]) -> str:  # noqa: ARG002
        """Say what is decided."""
        return "The predicted number is used as it is."
