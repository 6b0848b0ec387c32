"""A toy policy of two objectives whose weights change without retraining: one file, nothing else touched."""

# ruff: noqa: ARG002

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from mulle.export.graph import Graph
from mulle.policies import Chosen, Costs, Policy, policy


@policy
class Blend(Policy):
    """Rank by a weighted sum of quality and clicks."""

    name: ClassVar[str] = "toy_blend"
    title: ClassVar[str] = "A blend of two objectives"
    tasks: ClassVar[frozenset[str]] = frozenset({"ranking"})
    decides: ClassVar[Literal["class", "value"]] = "value"

    def choose(
        self, target: np.ndarray, prediction: np.ndarray, costs: Costs, weight: np.ndarray | None = None
    ) -> Chosen:
        return Chosen(parameters={"quality": 0.5, "clicks": 0.5}, why="Both count the same until somebody says more.")

    def emit(self, g: Graph, scores: Mapping[str, str], parameters: Mapping[str, str]) -> str:
        parts = [g.node("Mul", scores[name], parameters[name]) for name in sorted(scores)]
        return g.node("Reshape", g.node("Add", *parts), g.const([-1], np.int64))

    def says(self, parameters: Mapping[str, float], classes: Sequence[str]) -> str:
        return f"Quality counts {parameters['quality']:g}, clicks {parameters['clicks']:g}."
