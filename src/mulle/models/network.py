"""A small network: two hidden layers of rectifiers, trained by Adam with decoupled weight decay, in numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import Json
from mulle.core.loss import Loss
from mulle.export.layers import Layers
from mulle.models.album import Album
from mulle.models.base import Config, Family, Fitted, Params, Suggest, Training, model
from mulle.models.losses import constant, raw_loss, slopes
from mulle.models.scaling import as_outputs, scaling, target_scaling
from mulle.models.stopping import Deadline, best, stalled

Floats = NDArray[np.float32]
Weights = list[Floats]

_DEFAULTS: Mapping[str, Json] = {"width": 64, "learning_rate": 3e-3, "decay": 0.1, "dropout": 0.3}
_STEPS = 2_500
"""Steps of the optimiser that a schedule aims at; epochs follow from it and the rows."""
_LEAST_EPOCHS, _MOST_EPOCHS = 20, 120
_BETA1, _BETA2, _TINY = 0.9, 0.98, 1e-8


@model
class Network(Family):
    """A multi-layer perceptron on scaled columns.

    ``params``: ``width`` of both hidden layers, ``learning_rate`` (falls to nothing along half a cosine
    over the planned epochs), ``decay`` of weights, ``dropout`` of hidden units, ``iterations`` (epochs of
    the plan that are done).

    Source: Kingma and Ba, *Adam* (2015); Loshchilov and Hutter, *Decoupled weight decay regularization*
    (2019); He et al., *Delving deep into rectifiers* (2015), equation 10, for the first weights.
    """

    name: ClassVar[str] = "network"
    title: ClassVar[str] = "Small network"
    losses: ClassVar[frozenset[str]] = frozenset({"logistic", "softmax", "squared"})
    views: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "number": ("scaled",),
        "category": ("onehot", "target"),
        "boolean": ("filled",),
        "datetime": ("cycle",),
        "place": ("scaled",),
        "list": ("onehot",),
        "text": ("topics",),
        "image": ("scaled",),
    }
    configs: ClassVar[tuple[Config, ...]] = (
        Config(name="default", rank=9, max_rows=50_000),
        Config(name="free", rank=11, params={"width": 128, "decay": 0.02, "dropout": 0.15}, max_rows=20_000),
    )

    def space(self, suggest: Suggest) -> dict[str, Json]:
        """Draw width, learning rate and regularisation.

        Returns
        -------
        dict
            Parameters for `fit`.
        """
        return {
            "width": suggest.suggest_categorical("width", [32, 64, 128, 256]),
            "learning_rate": suggest.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
            "decay": suggest.suggest_float("decay", 1e-3, 0.5, log=True),
            "dropout": suggest.suggest_float("dropout", 0.0, 0.5),
        }

    def fit(self, training: Training, params: Params) -> Fitted:
        """Train epoch by epoch until the validation loss stalls, the plan ends, or time is over.

        Returns
        -------
        Fitted
            The weights after some of the epochs; see `mulle.models.album`.
        """
        deadline = Deadline(training.seconds)
        if (fitted := constant(training, "layers")) is not None:
            return fitted
        run = _Run.of(training, {**_DEFAULTS, **params})
        limit = run.epochs
        if training.valid is None:
            limit = min(int(params.get("iterations", limit)), limit)  # type: ignore[arg-type]
        return _train(run, training, limit, deadline)


def _train(run: _Run, training: Training, limit: int, deadline: Deadline) -> Fitted:
    curves: dict[str, list[float]] = {"train": [], "valid": []}
    album, stopped = Album[Floats](run.epochs), _end(late=False, stalls=False)
    while len(curves["train"]) < limit and stopped == "done":
        run.epoch(len(curves["train"]), deadline)
        for side, rows in (("train", training.rows), ("valid", training.valid)):
            if rows is not None:
                curves[side].append(raw_loss(training.loss, rows, run.raw(rows.matrix)))
        album.add(run.flat.copy())
        stalls = stalled(curves["valid"], max(12, run.epochs // 5))
        stopped = _end(late=deadline.passed and len(curves["train"]) < limit, stalls=stalls)
    return Fitted(
        scorer=run.scorer(run.flat) if training.valid is None else album.scorer(run.scorer),
        train_curve=curves["train"],
        valid_curve=curves["valid"],
        iterations=best(curves["valid"]) or len(curves["train"]),
        stopped=stopped,
    )


def _end(*, late: bool, stalls: bool) -> Literal["early", "done", "time"]:
    return "time" if late else "early" if stalls else "done"


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    """A training under way. Weights and biases alternate, layer by layer."""

    loss: Loss
    matrix: Floats
    target: Floats
    weight: Floats
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    unit: tuple[float, float]
    weights: Weights
    """Views into one vector, so that a step of the optimiser is a few operations on it."""
    flat: Floats
    momentum: Floats
    power: Floats
    decaying: Floats
    """1 for a weight, 0 for a bias."""
    params: Mapping[str, Any]
    rng: np.random.Generator
    steps: int = 0

    @classmethod
    def of(cls, training: Training, params: Mapping[str, Any]) -> _Run:
        rows, loss, rng = training.rows, training.loss, np.random.default_rng(training.rng.integers(2**63))
        mean, scale = scaling(rows.matrix)
        unit = target_scaling(rows, loss)
        weight = np.ones(len(rows.target)) if rows.weight is None else rows.weight / rows.weight.mean()
        width = int(params["width"])
        first = _first([rows.matrix.shape[1], width, width, loss.n_outputs], rng)
        flat = np.concatenate([w.ravel() for w in first])
        return cls(
            loss=loss,
            matrix=((rows.matrix - mean) / scale).astype(np.float32),
            target=as_outputs(rows.target, loss, unit).astype(np.float32),
            weight=weight.astype(np.float32),
            mean=mean,
            scale=scale,
            unit=unit,
            weights=_views(flat, [w.shape for w in first]),
            flat=flat,
            momentum=np.zeros_like(flat),
            power=np.zeros_like(flat),
            decaying=np.concatenate([np.full(w.size, w.ndim == 2, np.float32) for w in first]),  # noqa: PLR2004
            params=params,
            rng=rng,
        )

    @property
    def batch(self) -> int:
        return int(np.clip(len(self.matrix) // 24, 32, 256))

    @property
    def epochs(self) -> int:
        return int(np.clip(_STEPS * self.batch // len(self.matrix), _LEAST_EPOCHS, _MOST_EPOCHS))

    def epoch(self, i: int, deadline: Deadline) -> None:
        n_batches = -(-len(self.matrix) // self.batch)
        for j, some in enumerate(self._batches()):
            done = (i + j / n_batches) / self.epochs
            rate = float(self.params["learning_rate"]) * 0.5 * (1.0 + np.cos(np.pi * done))
            self._step(some, rate)
            if deadline.passed:
                return

    def _batches(self) -> Iterator[NDArray[np.int64]]:
        order = self.rng.permutation(len(self.matrix))
        for begin in range(0, len(order), self.batch):
            yield order[begin : begin + self.batch]

    def _step(self, some: NDArray[np.int64], rate: float) -> None:
        """Take one step of Adam on a batch; weights, not biases, decay apart from the gradient."""
        gradient = self._gradient(self.matrix[some], self.target[some], self.weight[some])
        slope = np.concatenate([each.ravel() for each in gradient])
        self.steps += 1
        lift = np.sqrt(1.0 - _BETA2**self.steps) / (1.0 - _BETA1**self.steps)
        self.momentum += np.float32(1 - _BETA1) * (slope - self.momentum)
        self.power += np.float32(1 - _BETA2) * (slope * slope - self.power)
        self.flat *= 1.0 - np.float32(rate * float(self.params["decay"])) * self.decaying
        self.flat -= np.float32(rate * lift) * self.momentum / (np.sqrt(self.power) + np.float32(_TINY))

    def _gradient(self, matrix: Floats, target: Floats, weight: Floats) -> Weights:
        w1, b1, w2, b2, w3, b3 = self.weights
        first, keep1 = self._hidden(matrix @ w1 + b1)
        second, keep2 = self._hidden(first @ w2 + b2)
        raw = (second @ w3 + b3).astype(np.float64)
        back3 = slopes(raw, target.astype(np.float64), self.loss)[1].astype(np.float32)
        back3 *= weight[:, None] / len(matrix)
        back2 = (back3 @ w3.T) * keep2
        back1 = (back2 @ w2.T) * keep1
        return [
            *(matrix.T @ back1, back1.sum(axis=0)),
            *(first.T @ back2, back2.sum(axis=0)),
            *(second.T @ back3, back3.sum(axis=0)),
        ]

    def _hidden(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the rectified units that are kept in this step, and what their gradient is multiplied by."""
        dropout = float(self.params["dropout"])
        keep = (value > 0).astype(np.float32)
        if dropout:
            keep *= (self.rng.random(value.shape, np.float32) >= dropout) / np.float32(1.0 - dropout)
        return value * keep, keep

    def raw(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        value = ((matrix - self.mean) / self.scale).astype(np.float32)
        w1, b1, w2, b2, w3, b3 = self.weights
        value = np.maximum(np.maximum(value @ w1 + b1, 0) @ w2 + b2, 0) @ w3 + b3
        raw: NDArray[np.float64] = value.astype(np.float64) * self.unit[1] + self.unit[0]
        return raw

    def scorer(self, flat: Floats) -> Layers:
        middle, spread = self.unit
        weights = _views(flat, [w.shape for w in self.weights])
        w, b = [x.astype(np.float64) for x in weights[0::2]], [x.astype(np.float64) for x in weights[1::2]]
        w[-1], b[-1] = w[-1] * spread, b[-1] * spread + middle
        return Layers.of(w, b, space="raw", mean=self.mean, scale=self.scale)


def _first(widths: Sequence[int], rng: np.random.Generator) -> Weights:
    weights: Weights = []
    for fan_in, fan_out in pairwise(widths):
        last = len(weights) == 2 * (len(widths) - 2)
        spread = np.sqrt((0.1 if last else 2.0) / fan_in)
        weights.append((rng.normal(size=(fan_in, fan_out)) * spread).astype(np.float32))
        weights.append(np.zeros(fan_out, np.float32))
    return weights


def _views(flat: Floats, shapes: Sequence[tuple[int, ...]]) -> Weights:
    stops = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(flat, stops[:-1]), shapes, strict=True)]
