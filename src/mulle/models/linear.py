"""Linear models: logistic, multinomial and ridge regression, along a path from strong to weak shrinkage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import Json
from mulle.core.loss import Loss
from mulle.export.layers import Layers
from mulle.export.scorer import Scorer
from mulle.export.snapshots import Snapshots
from mulle.models.base import Config, Family, Fitted, Params, Rows, Suggest, Training, model
from mulle.models.losses import constant, prior, raw_loss, slopes
from mulle.models.scaled import Scaled
from mulle.models.scaling import as_outputs, scaling, target_scaling
from mulle.models.stopping import Deadline, best

Doubles = NDArray[np.float64]

_PATH = tuple(float(c) for c in 10.0 ** np.arange(-4.0, 2.01, 0.5))
"""Inverse strengths C, as scikit-learn counts them: strong shrinkage first, so that freedom grows."""
_PLAIN = _PATH.index(1.0) + 1
_PATIENCE = 3


@model
class Linear(Family):
    """A linear model on scaled columns, fitted by L-BFGS.

    It minimises ``Σ loss + |w|² / 2C`` (or with a share ``l1_ratio`` of ``|w|₁``) for C along a path, each
    start from the last, until the validation loss has long risen. ``params``: ``c`` (one value
    instead of the path), ``l1_ratio``, ``iterations`` (how far along the path; by default, without
    validation rows, to C = 1).
    """

    name: ClassVar[str] = "linear"
    title: ClassVar[str] = "Linear model"
    losses: ClassVar[frozenset[str]] = frozenset({"logistic", "softmax", "squared"})
    views: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "number": ("scaled",),
        "category": ("onehot", "target"),
        "boolean": ("filled",),
        "datetime": ("cycle",),
        "place": ("scaled",),
        "list": ("onehot",),
        "text": ("hashed",),
        "image": ("scaled",),
    }
    configs: ClassVar[tuple[Config, ...]] = (
        Config(name="path", rank=4),
        Config(name="sparse", rank=12, params={"l1_ratio": 0.9}, max_rows=3_000),
    )

    def space(self, suggest: Suggest) -> dict[str, Json]:
        """Draw the share of the absolute penalty; the strength is found along the path.

        Returns
        -------
        dict
            Parameters for `fit`.
        """
        return {"l1_ratio": suggest.suggest_float("l1_ratio", 0.0, 1.0)}

    def fit(self, training: Training, params: Params) -> Fitted:
        """Walk the path until the validation loss stalls, the path ends, or time is over.

        Returns
        -------
        Fitted
            One layer for each step of the path; ``iterations`` counts them.
        """
        deadline = Deadline(training.seconds)
        if (fitted := constant(training, "layers")) is not None:
            return fitted
        problem = _Problem.of(training, float(params.get("l1_ratio", 0.0)))  # type: ignore[arg-type]
        strengths = [float(params["c"])] if "c" in params else _PATH  # type: ignore[arg-type]
        limit = len(strengths)
        if training.valid is None:
            limit = int(params.get("iterations", min(_PLAIN, limit)))  # type: ignore[arg-type]
        return _walk(problem, training, strengths[:limit], deadline)


def _walk(problem: _Problem, training: Training, strengths: Sequence[float], deadline: Deadline) -> Fitted:
    curves: dict[str, list[float]] = {"train": [], "valid": []}
    kept: list[Doubles] = []
    stopped: Literal["early", "done", "time"] = "done"
    at = problem.start()
    watched = None if training.valid is None else problem.scaled(training.valid)
    for c in strengths:
        at = problem.solve(at, c, deadline)
        kept.append(at)
        curves["train"].append(raw_loss(training.loss, training.rows, problem.raw(at)))
        if training.valid is not None and watched is not None:
            curves["valid"].append(raw_loss(training.loss, training.valid, problem.raw(at, watched)))
        if deadline.passed or _rises(curves["valid"]):
            stopped = "time" if deadline.passed else "early"
            break
    scorer: Scorer = problem.scorer(kept[-1])
    if training.valid is not None:
        scorer = Snapshots(tuple(range(1, len(kept) + 1)), tuple(problem.scorer(each) for each in kept))
    return Fitted(
        scorer=scorer,
        train_curve=curves["train"],
        valid_curve=curves["valid"],
        iterations=best(curves["valid"]) or len(kept),
        stopped=stopped,
    )


def _rises(curve: Sequence[float]) -> bool:
    """Return whether the last values all lie above the lowest; a flat beginning does not count."""
    return len(curve) > _PATIENCE and min(curve[-_PATIENCE:]) > min(curve) * 1.001


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Problem:
    """Scaled columns and target; a solution is one vector: weights ``[columns, outputs]``, then biases."""

    loss: Loss
    matrix: Scaled
    target: Doubles
    """``[rows, outputs]``: 0/1, one-hot, or scaled."""
    weight: Doubles
    """Mean 1."""
    mean: Doubles
    scale: Doubles
    unit: tuple[float, float]
    """Mean and spread of a numeric target."""
    l1_ratio: float

    @classmethod
    def of(cls, training: Training, l1_ratio: float) -> _Problem:
        rows, loss = training.rows, training.loss
        weight = np.ones(len(rows.target)) if rows.weight is None else rows.weight / rows.weight.mean()
        mean, scale = scaling(rows.matrix)
        unit = target_scaling(rows, loss)
        return cls(
            loss=loss,
            matrix=Scaled.of(rows.matrix, mean=mean, scale=scale),
            target=as_outputs(rows.target, loss, unit),
            weight=weight,
            mean=mean.astype(np.float32).astype(np.float64),
            scale=scale.astype(np.float32).astype(np.float64),
            unit=unit,
            l1_ratio=l1_ratio,
        )

    def start(self) -> Doubles:
        none = np.empty((len(self.matrix), 0), np.float32)  # a prior looks at the target alone
        rows = Rows(matrix=none, target=self._codes(), weight=self.weight)
        bias = np.zeros(1) if self.loss.link == "identity" else prior(self.loss, rows)
        return np.concatenate([np.zeros(self.matrix.width * len(bias)), bias])

    def _codes(self) -> Doubles:
        return self.target.argmax(axis=1).astype(np.float64) if self.loss.link == "softmax" else self.target[:, 0]

    def split(self, at: Doubles) -> tuple[Doubles, Doubles]:
        n = self.loss.n_outputs
        return at[:-n].reshape(-1, n), at[-n:]

    def cost(self, at: Doubles, ridge: float) -> tuple[float, Doubles]:
        """Return the mean loss with its quadratic penalty, and the gradient."""
        w, b = self.split(at)
        raw = self.matrix.times(w) + b
        value, slope = slopes(raw, self.target, self.loss)
        n_rows = len(raw)
        slope *= self.weight[:, None] / n_rows
        back = self.matrix.back(slope) + ridge * w
        gradient = np.concatenate([back.ravel(), slope.sum(axis=0)])
        return float(value @ self.weight) / n_rows + 0.5 * ridge * float((w * w).sum()), gradient

    def solve(self, at: Doubles, c: float, deadline: Deadline) -> Doubles:
        strength = 1.0 / (c * len(self.matrix))
        ridge, lasso = strength * (1.0 - self.l1_ratio), strength * self.l1_ratio
        if not lasso:
            return _descend(lambda x: self.cost(x, ridge), at, None, deadline)
        n = len(at) - self.loss.n_outputs
        cost = _both_signs(lambda x: self.cost(x, ridge), n, lasso)
        both = np.concatenate([np.maximum(at[:n], 0), np.maximum(-at[:n], 0), at[n:]])
        bounds: Bounds = [(0.0, None)] * (2 * n) + [(None, None)] * self.loss.n_outputs
        found = _descend(cost, both, bounds, deadline)
        return np.concatenate([found[:n] - found[n : 2 * n], found[2 * n :]])

    def scaled(self, rows: Rows) -> Scaled:
        """Return other rows, scaled as the training rows are: once for all steps of a path."""
        return self.matrix.like(rows.matrix, mean=self.mean, scale=self.scale)

    def raw(self, at: Doubles, rows: Scaled | None = None) -> Doubles:
        """Return the raw scores of some rows, of the training rows when absent."""
        w, b = self.split(at)
        held = self.matrix if rows is None else rows
        raw: Doubles = (held.times(w) + b) * self.unit[1] + self.unit[0]
        return raw

    def scorer(self, at: Doubles) -> Layers:
        w, b = self.split(at)
        middle, spread = self.unit
        return Layers.linear(w * spread, b * spread + middle, space="raw", mean=self.mean, scale=self.scale)


Cost = Callable[[Doubles], tuple[float, Doubles]]
Bounds = Sequence[tuple[float | None, float | None]] | None


def _both_signs(cost: Cost, n: int, lasso: float) -> Cost:
    """Return the cost over positive and negative parts of the first ``n`` numbers, their size fined."""

    def split(both: Doubles) -> tuple[float, Doubles]:
        value, slope = cost(np.concatenate([both[:n] - both[n : 2 * n], both[2 * n :]]))
        gradient = np.concatenate([slope[:n] + lasso, lasso - slope[:n], slope[n:]])
        return value + lasso * float(both[: 2 * n].sum()), gradient

    return split


def _descend(cost: Cost, at: Doubles, bounds: Bounds, deadline: Deadline) -> Doubles:
    from scipy.optimize import minimize

    def watch(intermediate_result: object) -> None:  # noqa: ARG001  # scipy calls it by this name
        if deadline.passed:
            raise StopIteration

    options = {
        "maxiter": 150 if bounds is None else 60,
        "ftol": 1e-8 if bounds is None else 1e-6,
        "gtol": 1e-5,
    }
    found = minimize(cost, at, jac=True, method="L-BFGS-B", bounds=bounds, callback=watch, options=options)
    return np.asarray(found.x, np.float64)
