"""The units that every fit goes through: prepare the views once, then fit and score one fold.

`model.prepare` fits the views that don't look at the target on all development rows, once for each set of views.
`model.fold` fits the views that do (within the fold), trains one configuration and predicts the fold's validation rows
through the very graph that would ship. Both leave plain files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.jsonable import from_json, to_json
from mulle.core.loss import Loss
from mulle.core.schema import Feature, Schema
from mulle.core.work import Job, Order, Ref, unit
from mulle.export.graph import Graph
from mulle.export.links import emit_link
from mulle.export.scorer import Scorer
from mulle.kinds import preparation as prepare_
from mulle.kinds.base import MatrixColumn, seen_as
from mulle.kinds.preparation import Preparation
from mulle.models.base import Column, Config, Family, Fitted, Rows, Training, families
from mulle.models.fit import fit_loss
from mulle.runtime.session import Session

Floats = NDArray[np.float64]
TARGET_VIEWS = frozenset({"target"})
SCORE_CHUNK = 8192


def features_of(schema: Ref, names: Sequence[str]) -> list[Feature]:
    """Return the named features of a schema artifact, in the schema's order."""
    whole = from_json(Schema, schema.json("schema.json"))
    wanted = set(names)
    return [feature for feature in whole.features if feature.name in wanted]


def read_wires(rows: Ref, features: Sequence[Feature]) -> dict[str, NDArray[Any]]:
    """Read the wire values of some features from an artifact of rows."""
    columns = [column for feature in features for column in feature.stored]
    table = pl.read_parquet(rows.path / "rows.parquet", columns=list(dict.fromkeys(columns)))
    return prepare_.wires(features, table)


def as_columns(values: Floats, loss: Loss) -> Floats:
    """Return the target as one column an output: one-hot for softmax, else as it is, ``[rows, outputs]``."""
    if loss.link == "softmax":
        return np.asarray(values[:, None] == np.arange(loss.n_outputs)[None, :], dtype=np.float64)
    return values if values.ndim == 2 else values[:, None]  # noqa: PLR2004


@unit("model.prepare")
def prepare(job: Job) -> None:
    """Fit the views that don't look at the target and apply them to all development rows."""
    features = features_of(job.inputs["schema"], job.params["features"])
    wires = read_wires(job.inputs["rows"], features)
    fitted = Preparation.fit(features, wires, job.params["views"], target=None, rng=job.rng("views"))
    matrix = fitted.run(wires)
    if not len(matrix):
        matrix = np.zeros((len(next(iter(wires.values()))), 0), np.float32)
    np.save(job.out / "matrix.npy", matrix, allow_pickle=False)
    job.write("preparation.json", fitted.to_json())
    job.write("columns.json", [to_json(column) for column in fitted.columns])


def columns_of(columns: Sequence[MatrixColumn]) -> tuple[Column, ...]:
    """Return the matrix columns of a preparation as families know them."""
    return tuple(Column(name=c.name, feature=c.feature, n_levels=c.n_levels) for c in columns)


def predict(scorer: Scorer, loss: Loss, matrix: NDArray[np.float32]) -> Floats:
    """Score a matrix through the scorer's own graph, link included.

    Parameters
    ----------
    scorer
        A fitted scorer.
    loss
        Whose link turns raw scores into predictions.
    matrix
        float32 ``[rows, columns]``.

    Returns
    -------
    numpy.ndarray
        Predictions, float64 ``[rows, outputs]``.
    """
    return _run(matrix, loss.n_outputs, lambda g, source: emit_prediction(g, scorer, loss, source))


def native(scorer: Scorer, matrix: NDArray[np.float32]) -> Floats:
    """Score a matrix through the scorer's own graph, in the scorer's own space: no link, float64 ``[rows, outputs]``."""
    return _run(matrix, scorer.n_outputs, scorer.emit)


def _run(matrix: NDArray[np.float32], n_outputs: int, emit: Callable[[Graph, str], str]) -> Floats:
    g = Graph()
    source = g.input("matrix", "float", [None, matrix.shape[1]])
    g.output(emit(g, source), "scores", "double", [None, n_outputs])
    session = Session(g.to_bytes(), where="a fitted model")
    chunks = range(0, max(len(matrix), 1), SCORE_CHUNK)
    parts = [session.run(["scores"], {"matrix": matrix[i : i + SCORE_CHUNK]})[0] for i in chunks]
    return np.concatenate(parts).reshape(len(matrix), n_outputs)


def emit_prediction(g: Graph, scorer: Scorer, loss: Loss, matrix: str) -> str:
    """Append a scorer and, where it leaves raw scores, the link; return predictions in float64."""
    value = scorer.emit(g, matrix)
    return emit_link(g, value, loss) if scorer.space == "raw" else value


class FoldData:
    """The rows of one fold, with the columns that depend on the target fitted on its training rows only."""

    def __init__(self, job: Job, loss: Loss, targets: Floats) -> None:
        folds = np.load(job.inputs["folds"].path / "folds.npz", allow_pickle=False)
        k = int(job.params["fold"])
        self.train, self.valid = folds[f"train_{k}"], folds[f"valid_{k}"]
        if "take" in job.params:  # a part of the training rows, each smaller part within the next
            order = job.rng("take").permutation(len(self.train))
            self.train = self.train[np.sort(order[: int(job.params["take"] * len(order))])]
        self.shared = job.inputs["prepared"].array("matrix.npy")
        self.columns = list(_columns(job.inputs["prepared"]))
        self.preparation: Preparation | None = None
        self._extra(job, loss, targets)

    def _extra(self, job: Job, loss: Loss, targets: Floats) -> None:
        views = seen_as(job.params["views"])
        wanted = {k: [v for v in vs if v in TARGET_VIEWS] for k, vs in views.items()}
        kinds = {kind for kind, views in wanted.items() if views}
        features = features_of(job.inputs["schema"], job.params["features"])
        features = [feature for feature in features if feature.kind in kinds]
        self.extra: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        if not features:
            return
        wires = read_wires(job.inputs["rows"], features)
        of_train = {name: values[self.train] for name, values in wires.items()}
        target = as_columns(targets[self.train], loss)
        fitted = Preparation.fit(features, of_train, wanted, target=target, rng=job.rng("target views"))
        if not fitted.columns:
            return
        train = fitted.out_of_fold(of_train, target, rng=job.rng("out of fold"))
        valid = fitted.run({name: values[self.valid] for name, values in wires.items()})
        self.extra, self.preparation = (train, valid), fitted
        self.columns += columns_of(fitted.columns)

    def matrices(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the matrices of the training and of the validation rows."""
        train, valid = np.asarray(self.shared[self.train]), np.asarray(self.shared[self.valid])
        if self.extra is None:
            return train, valid
        return np.hstack([train, self.extra[0]]), np.hstack([valid, self.extra[1]])


def _columns(prepared: Ref) -> tuple[Column, ...]:
    return tuple(from_json(Column, c) for c in prepared.json("columns.json"))


@unit("model.fold")
def fold(job: Job) -> None:
    """Train one configuration on one fold and predict the fold's validation rows."""
    loss = from_json(Loss, job.params["loss"])
    targets = job.inputs["rows"].array("target.npy")
    data = FoldData(job, loss, targets)
    train, valid = data.matrices()
    weight = _weight(job.inputs["rows"])
    fitted = _fit(
        job,
        data,
        loss,
        (_rows(train, targets, data.train, weight), _rows(valid, targets, data.valid, weight)),
    )
    prediction = predict(fitted.scorer, loss, valid)
    fitted.scorer.save(job.out / "scorer.npz")
    np.save(job.out / "valid.npy", prediction, allow_pickle=False)
    if data.preparation is not None:
        job.write("preparation.json", data.preparation.to_json())
    job.write("fold.json", _record(fitted, data.columns))
    if fitted.stopped == "time":
        job.cut_short()


def _rows(matrix: NDArray[np.float32], targets: Floats, index: NDArray[np.int64], weight: Floats | None) -> Rows:
    return Rows(matrix=matrix, target=targets[index], weight=None if weight is None else weight[index])


def _weight(rows: Ref) -> Floats | None:
    return rows.array("weight.npy") if (rows.path / "weight.npy").exists() else None


def _fit(job: Job, data: FoldData, loss: Loss, rows: tuple[Rows, Rows]) -> Fitted:
    training = Training(
        rows=rows[0],
        valid=rows[1],
        columns=data.columns,
        loss=loss,
        rng=job.rng("fit"),
        seconds=job.left(),
    )
    return fit_loss(families.get(job.params["family"]), training, job.params["config"])


def _record(fitted: Fitted, columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "form": fitted.scorer.form,
        "n_parameters": fitted.scorer.n_parameters(),
        "train_curve": fitted.train_curve,
        "valid_curve": fitted.valid_curve,
        "iterations": fitted.iterations,
        "stopped": fitted.stopped,
        "columns": [to_json(column) for column in columns],
    }


def prepare_order(schema: Ref, rows: Ref, features: Sequence[str], family: Family) -> Order:
    """Return the order for a family's shared matrix. Families that want the same views share it."""
    views = {kind: [v for v in wanted if v not in TARGET_VIEWS] for kind, wanted in family.views.items()}
    params: dict[str, Any] = {"features": list(features), "views": {k: list(v) for k, v in sorted(views.items())}}
    return Order(unit="model.prepare", params=params, inputs={"schema": schema, "rows": rows})


def fold_order(  # every keyword is an input of the unit
    family: Family,
    config: Config,
    k: int,
    *,
    loss: Loss,
    features: Sequence[str],
    inputs: Mapping[str, Ref],
    seconds: float | None = None,
    take: float = 1.0,
) -> Order:
    """Return the order that fits one configuration on fold ``k``, or on a share ``take`` of its training rows.

    ``inputs`` are the artifacts *schema*, *rows*, *folds* and *prepared*.
    """
    params: dict[str, Any] = {
        "family": family.name,
        "config": dict(config.params),
        "fold": k,
        "loss": to_json(loss),
        "features": list(features),
        "views": {kind: list(views) for kind, views in sorted(family.views.items())},
    }
    if take < 1.0:
        params["take"] = take
    return Order(unit="model.fold", params=params, inputs=cast("dict[str, Ref]", dict(inputs)), seconds=seconds)
