"""What stages hand on to one another: names for artifacts, never computed values.

Each stage is one function. It takes the turn and what earlier stages left, and returns its outcome (for people) and
what it leaves (for the next stage). `mulle.loop` is the only place that knows the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.compute.turn import Turn
from mulle.core.check import Check, overridden
from mulle.core.jsonable import from_json
from mulle.core.loss import Loss
from mulle.core.project import CostsPart
from mulle.core.schema import Schema
from mulle.core.work import Ref
from mulle.metrics import Metric, metrics
from mulle.models.base import Config
from mulle.policies import Costs, Policy, policies
from mulle.splits.folds import Folds
from mulle.stages.sealing import Sealed
from mulle.tasks import Task, tasks
from mulle.training.search import FoldRows, Problem
from mulle.trials.estimate import Estimate

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_] | NDArray[np.int64] | np.bool_

QUICK_LEARNER = "lightgbm"
"""The family that learns fast on any table: for the learning curve and the sanity checks."""


@dataclass(frozen=True, kw_only=True)
class Framed:
    """What *problem* leaves: the source as it was read, the schema, and the question in the field's nouns."""

    source: Ref
    sides: Sealed
    guessed: Ref
    metric_name: str
    metric_why: str
    policy_name: str
    costs: Costs

    @cached_property
    def schema(self) -> Schema:
        """The schema: features, target, task, classes."""
        return from_json(Schema, self.guessed.json("schema.json"))

    @property
    def task(self) -> Task:
        """What is asked."""
        return tasks.get(self.schema.task)

    @property
    def metric(self) -> Metric:
        """What is made as good as possible."""
        return metrics.get(self.metric_name)

    @property
    def policy(self) -> Policy:
        """From predictions to decisions."""
        return policies.get(self.policy_name)

    @property
    def loss(self) -> Loss:
        """What families minimise."""
        return self.task.loss(self.schema.classes)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What *data* leaves: development rows, how they are folded, the features in use, and the sealed side's inputs."""

    rows: Ref
    folds: Ref
    features: tuple[str, ...]
    protocol: str
    n_folds: int

    @cached_property
    def target(self) -> Floats:
        """Targets of the development rows."""
        return np.asarray(self.rows.array("target.npy"))

    @cached_property
    def units(self) -> NDArray[np.uint64]:
        """The unit of each development row: what is split and resampled together."""
        return np.asarray(self.rows.array("unit.npy"))

    @cached_property
    def weight(self) -> Floats | None:
        """How much each development row counts, or None where the page names no weight."""
        there = (self.rows.path / "weight.npy").exists()
        return np.asarray(self.rows.array("weight.npy")) if there else None

    def weight_of(self, rows: Mask) -> Floats | None:
        """How much some of the rows count, by mask or position."""
        return None if self.weight is None else self.weight[rows]

    @cached_property
    def _folds(self) -> Folds:
        return Folds.load(self.folds.path / "folds.npz")

    def train(self, k: int) -> NDArray[np.int64]:
        """Positions of the training rows of fold ``k``."""
        return self._folds.train[k]

    @property
    def halves(self) -> bool:
        """Whether either half of the validation rows says for the other when a fit should have stopped."""
        return any(len(half) for half in self._folds.half)

    def valid(self, k: int) -> NDArray[np.int64]:
        """Positions of the validation rows of fold ``k``."""
        return self._folds.valid[k]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One configuration after it was scored: its folds' work and its out-of-fold predictions, NaN where none."""

    name: str
    family: str
    title: str
    config: Config
    prepared: Ref | None
    folds: Sequence[Ref]
    prediction: Floats
    value: float
    seconds: float
    baseline: bool = False

    @property
    def rows(self) -> NDArray[np.bool_]:
        """Which rows have an out-of-fold prediction."""
        return np.asarray(np.isfinite(self.prediction).all(axis=1))


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """What *baseline* leaves: the cheap models, scored like all others."""

    scored: Sequence[Scored]

    def best(self, metric: Metric) -> Scored:
        """Return the baseline with the least error."""
        return min(self.scored, key=lambda s: metric.error(s.value))


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What *model* leaves: all configurations that were scored, and the members of the one that would ship."""

    scored: Sequence[Scored]
    members: Sequence[tuple[int, float]]
    """Positions in `scored` with their weights, which sum to 1."""
    prediction: Floats
    """Out-of-fold predictions of the choice, before calibration."""

    @property
    def fitted(self) -> Sequence[Scored]:
        """The configurations among which the choice was made: all but the constant and rules, which nothing fits."""
        return [scored for scored in self.scored if scored.folds]

    @property
    def names(self) -> str:
        """The members in words."""
        return " + ".join(self.scored[i].title for i, _ in self.members)


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What *evaluate* leaves: how predictions are calibrated, the policy's parameters, and the honest numbers."""

    calibration: Mapping[str, Any]
    parameters: Mapping[str, float]
    policy_says: str
    facts: Mapping[str, Any]
    estimate: Estimate
    """The honest estimate, which *assess* holds the sealed result against."""
    words: Sequence[str]
    """How well, in sentences for a reader who does no machine learning."""
    failures: Sequence[str]
    """How it fails, a sentence each."""
    prediction: Floats
    """Calibrated out-of-fold predictions; each fold calibrated by the others."""


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """What *package* leaves: the artifact in whose folder ``bundle`` lies, and what was measured on it."""

    bundle: Ref
    measured: Mapping[str, Any]


def costs_of(costs: CostsPart | str) -> Costs:
    """Return the page's costs as policies know them; all None when they are unknown."""
    if isinstance(costs, str):
        return Costs()
    return Costs(false_positive=costs.false_positive, false_negative=costs.false_negative, currency=costs.currency)


def settle(turn: Turn, checks: Sequence[Check]) -> list[Check]:
    """Apply the page's overrides to the checks, and show each to whoever watches."""
    settled = overridden(checks, turn.page.reasons)
    for check in settled:
        turn.watch.check(check)
    return settled


def problem_of(framed: Framed, prepared: Prepared) -> Problem:
    """Return what the search needs to know of earlier stages."""
    valid = [prepared.valid(k) for k in range(prepared.n_folds)]
    return Problem(
        loss=framed.loss,
        metric=framed.metric,
        features=prepared.features,
        schema=framed.guessed,
        rows=prepared.rows,
        folds_ref=prepared.folds,
        folds=FoldRows(valid=valid, target=prepared.target, weight=prepared.weight),
    )
