"""The units that every fit goes through: prepare the views once, then fit and score one fold.

`model.prepare` fits the views that don't look at the target on all development rows, once for each set of views.
`model.fold` fits the views that do (within the fold) and trains one configuration until it has long stopped getting
better. Which of its iterations is kept is not for the fold's own validation rows to say: `mulle.training.stop` asks the
other folds, and where there are none `mulle.training.halves` lets one half of these rows say it for the other. All leave
plain files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.jsonable import from_json, to_json
from mulle.core.loss import Loss
from mulle.core.schema import Column, Feature, Schema
from mulle.core.work import Job, Order, Ref, unit
from mulle.export.scorer import Scorer
from mulle.kinds import preparation as prepare_
from mulle.kinds.base import seen_as
from mulle.kinds.preparation import Preparation
from mulle.models.base import Config, Family, Fitted, Rows, Training, families
from mulle.models.fit import fit_loss
from mulle.models.stopping import best_iteration
from mulle.training.halves import crosswise
from mulle.training.scoring import predict

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
TARGET_VIEWS = frozenset({"target"})
_COPIED = 256
"""Rows that are copied together."""


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
    shape = (len(next(iter(wires.values()))), len(fitted.columns))
    write_matrix(job.out / "matrix.npy", shape, (part for _, part in fitted.parts(wires)))
    job.write("preparation.json", fitted.to_json())
    job.write("columns.json", [to_json(column) for column in fitted.columns])


def write_matrix(path: Path, shape: tuple[int, int], parts: Iterable[Matrix]) -> None:
    """Write a float32 matrix as ``.npy``, part by part: a wide one is gigabytes.

    Parameters
    ----------
    path
        The file.
    shape
        Of the whole matrix.
    parts
        Its rows, in order.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, np.float32).data)


def _target_views(job: Job) -> dict[str, list[str]]:
    return {kind: [v for v in views if v in TARGET_VIEWS] for kind, views in seen_as(job.params["views"]).items()}


def target_features(job: Job) -> list[Feature]:
    """Return the features of which a family wants a view that looks at the target."""
    wanted = _target_views(job)
    return [f for f in features_of(job.inputs["schema"], job.params["features"]) if wanted.get(f.kind)]


class FoldData:
    """The rows of one fold, with the columns that depend on the target fitted on its training rows only.

    ``half`` is one half of the validation rows of a fold alone, None where there are others to say when to stop.
    """

    def __init__(self, job: Job, loss: Loss, targets: Floats) -> None:
        folds = np.load(job.inputs["folds"].path / "folds.npz", allow_pickle=False)
        k = int(job.params["fold"])
        self.train, self.valid = folds[f"train_{k}"], folds[f"valid_{k}"]
        self.half: NDArray[np.int64] | None = folds.get(f"half_{k}")
        if "take" in job.params:  # a part of the training rows, each smaller part within the next
            order = job.rng("take").permutation(len(self.train))
            self.train = self.train[np.sort(order[: int(job.params["take"] * len(order))])]
        self.shared = job.inputs["prepared"].array("matrix.npy")
        self.columns = list(_columns(job.inputs["prepared"]))
        self.preparation: Preparation | None = None
        self._extra(job, loss, targets)

    def _extra(self, job: Job, loss: Loss, targets: Floats) -> None:
        features = target_features(job)
        self.extra: dict[str, Matrix] = {}
        if not features:
            return
        wires = read_wires(job.inputs["rows"], features)
        of_train = _some(wires, self.train)
        target = as_columns(targets[self.train], loss)
        fitted = Preparation.fit(features, of_train, _target_views(job), target=target, rng=job.rng("target views"))
        if not fitted.columns:
            return
        self.extra["train"] = fitted.out_of_fold(of_train, target, rng=job.rng("out of fold"))
        self.extra["valid"] = fitted.run(_some(wires, self.valid))
        self.preparation = fitted
        self.columns += fitted.columns

    def matrices(self) -> tuple[Matrix, Matrix]:
        """Return the matrices of the training and of the validation rows."""
        return self._matrix("train", self.train), self._matrix("valid", self.valid)

    def _matrix(self, part: str, rows: NDArray[np.int64]) -> Matrix:
        return beside(self.shared, rows, self.extra.get(part))


def beside(shared: Matrix, rows: NDArray[np.int64], extra: Matrix | None) -> Matrix:
    """Return rows of the shared matrix with a fold's own columns beside them; a wide matrix is copied once."""
    if extra is None:
        return np.asarray(shared[rows])
    width = shared.shape[1]
    whole = np.empty((len(rows), width + extra.shape[1]), np.float32)
    for at in range(0, len(rows), _COPIED):
        whole[at : at + _COPIED, :width] = shared[rows[at : at + _COPIED]]
    whole[:, width:] = extra
    return whole


def _some(wires: Mapping[str, NDArray[Any]], rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    return {name: values[rows] for name, values in wires.items()}


def _columns(prepared: Ref) -> tuple[Column, ...]:
    return tuple(from_json(Column, c) for c in prepared.json("columns.json"))


@unit("model.fold")
def fold(job: Job) -> None:
    """Train one configuration on one fold.

    It leaves the whole path of the fit; ``valid.npy`` holds the predictions of the fold's validation rows at the
    iteration that was best on them, which flatter: they are for dropping configurations early, not for judging any.
    A fold alone is cut at once, where all its validation rows like it best. Each half of them is predicted by the model as
    it stood where the other half liked it best, so these predictions don't flatter.
    """
    loss = from_json(Loss, job.params["loss"])
    targets = job.inputs["rows"].array("target.npy")
    data = FoldData(job, loss, targets)
    train, valid = data.matrices()
    weight = weight_of(job.inputs["rows"])
    says, held = _who_says(job, data), _rows(valid, targets, data.valid, weight)
    fitted = _fit(job, data, loss, _rows(train, targets, data.train, weight), held if says else None)
    n = best_iteration([fitted.valid_curve], cuts=fitted.scorer.cuts, reached=len(fitted.valid_curve))
    cut = fitted.scorer.first(n) if n else fitted.scorer
    record = _record(fitted, data.columns)
    record |= {"chosen_on": says if n else "", "iterations": n or fitted.iterations, "n_parameters": cut.n_parameters()}
    if n and data.half is not None:
        prediction, record["halves"] = crosswise(fitted, loss, held, np.isin(data.valid, data.half))
    else:
        prediction = predict(cut, loss, valid)
    left = fitted.scorer if data.half is None else cut
    leave(job, left, prediction, data.preparation)
    job.write("fold.json", record | {"form": left.form})
    if fitted.stopped == "time":
        job.cut_short()


OWN, HALVES, OTHERS = "own rows", "other half", "other folds"
"""What said which iteration is kept: as ``chosen_on`` stands in ``fold.json``, empty where nothing was chosen."""


def _who_says(job: Job, data: FoldData) -> str:
    """Return what says which iteration is kept: nothing, where the configuration does or validation rows are one unit."""
    if not job.params.get("stops", True) or (data.half is not None and not len(data.half)):
        return ""
    return OWN if data.half is None else HALVES


def leave(job: Job, scorer: Scorer, prediction: Floats, preparation: Preparation | None) -> None:
    """Write what every fold leaves, beside its record: the scorer, predictions, and the views of its own."""
    scorer.save(job.out / "scorer.npz")
    np.save(job.out / "valid.npy", prediction, allow_pickle=False)
    if preparation is not None:
        job.write("preparation.json", preparation.to_json())


def _rows(matrix: NDArray[np.float32], targets: Floats, index: NDArray[np.int64], weight: Floats | None) -> Rows:
    return Rows(matrix=matrix, target=targets[index], weight=None if weight is None else weight[index])


def weight_of(rows: Ref) -> Floats | None:
    """Return how much each row counts, or None where the page names no weight."""
    return rows.array("weight.npy") if (rows.path / "weight.npy").exists() else None


def _fit(job: Job, data: FoldData, loss: Loss, rows: Rows, watched: Rows | None) -> Fitted:
    training = Training(
        rows=rows,
        valid=watched,
        columns=data.columns,
        loss=loss,
        rng=job.rng("fit"),
        seconds=job.left(),
    )
    return fit_loss(families.get(job.params["family"]), training, job.params["config"])


def _record(fitted: Fitted, columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "train_curve": fitted.train_curve,
        "valid_curve": fitted.valid_curve,
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
    stops: bool = True,
) -> Order:
    """Return the order that fits one configuration on fold ``k``, or on a share ``take`` of its training rows.

    ``inputs`` are the artifacts *schema*, *rows*, *folds* and *prepared*. Without ``stops`` the fit does the iterations
    of the configuration, whatever the validation rows would say.
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
    if not stops:
        params["stops"] = False
    return Order(unit="model.fold", params=params, inputs=cast("dict[str, Ref]", dict(inputs)), seconds=seconds)
