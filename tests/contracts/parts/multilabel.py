"""A toy task of several labels a row, and its policy: one file, nothing else touched."""

# ruff: noqa: ARG002

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from mulle.core.check import Check
from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.core.loss import Loss, each, logistic
from mulle.export.graph import Graph
from mulle.kinds.base import Facts, Guess
from mulle.policies import Chosen, Costs, Policy, policy
from mulle.tasks import DefaultMetric, Target, Task, task


@task
class Multilabel(Task):
    """Tell which of several labels a row carries: "a;b", "b", "-" for none of them."""

    name: ClassVar[str] = "toy_multilabel"
    title: ClassVar[str] = "Several labels a row"
    policy: ClassVar[str] = "toy_each_half"

    def recognise(self, facts: Facts) -> Guess | None:
        texts = facts.values if facts.values.dtype == pl.String else pl.Series([], dtype=pl.String)
        found = int(texts.str.contains(";", literal=True).sum() or 0)
        return Guess(sure=0.97, why="it holds several labels a row, parted by ';'") if found else None

    def read(self, column: pl.Series, *, positive: str | None = None, classes: Sequence[str] = ()) -> Target:
        held = column.str.split(";").to_list()
        names = list(classes) or sorted({label for row in held for label in row or () if label != "-"})
        rows = [[np.nan] * len(names) if row is None else [float(n in row) for n in names] for row in held]
        return Target(values=np.array(rows).reshape(len(held), len(names)), classes=tuple(names))

    def loss(self, classes: Sequence[str]) -> Loss:
        return each(logistic(), len(classes))

    def default_metric(self, target: Target) -> DefaultMetric:
        return DefaultMetric(name="log_loss", why="a toy")

    def constant(self, values: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        kept = np.isfinite(values).all(axis=1)
        return np.average(values[kept], axis=0, weights=None if weight is None else weight[kept])

    def framing(self, target: Target) -> Sequence[Check]:
        return []

    def figures(
        self,
        values: np.ndarray,
        prediction: np.ndarray,
        classes: Sequence[str],
        decision: np.ndarray | None = None,
    ) -> Sequence[Figure]:
        kept = np.isfinite(values).all(axis=1)
        hit = ((prediction[kept] >= 0.5) == values[kept]).mean(axis=0)
        axis = Axis(label="right", percent=True)
        marks = [Mark(kind="bars", x=hit.tolist(), y=list(classes))]
        says = f"{hit.mean():.0%} of the labels are right."
        return [Figure(name="labels", title="Labels", says=says, x=axis, y=Axis(label=""), marks=marks)]

    def errors(
        self,
        values: np.ndarray,
        prediction: np.ndarray,
        classes: Sequence[str],
        decision: np.ndarray | None = None,
    ) -> Sequence[Table]:
        return []


@policy
class EachHalf(Policy):
    """Carry each label whose probability is a half or more; the decision counts in binary: label k adds 2**k."""

    name: ClassVar[str] = "toy_each_half"
    title: ClassVar[str] = "Each label on its own"
    tasks: ClassVar[frozenset[str]] = frozenset({"toy_multilabel"})
    decides: ClassVar[Literal["class", "value"]] = "value"

    def choose(
        self, target: np.ndarray, prediction: np.ndarray, costs: Costs, weight: np.ndarray | None = None
    ) -> Chosen:
        return Chosen(parameters={"half": 0.5, "n_labels": float(prediction.shape[1])}, why="a toy")

    def emit(self, g: Graph, scores: Mapping[str, str], parameters: Mapping[str, str]) -> str:
        (score,) = scores.values()
        carried = g.cast(g.node("GreaterOrEqual", score, parameters["half"]), "double")
        places = g.node("Range", g.const(0.0), parameters["n_labels"], g.const(1.0))
        worth = g.node("Pow", g.const(2.0), places)
        return g.node("ReduceSum", g.node("Mul", carried, worth), g.const([1], np.int64), keepdims=0)

    def says(self, parameters: Mapping[str, float], classes: Sequence[str]) -> str:
        return "A row carries each label that is more likely than not."
