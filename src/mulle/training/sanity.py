"""Three questions to ask before any search: same twice, by heart, and chance from a shuffled target."""

from __future__ import annotations

from math import erfc, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import from_json
from mulle.core.loss import Loss
from mulle.core.schema import Column
from mulle.core.work import Job, unit
from mulle.models.base import Family, Rows, Training, families
from mulle.models.fit import fit_loss
from mulle.training.fold import as_columns
from mulle.training.scoring import predict

Floats = NDArray[np.float64]
N_SAMPLE = 3000
N_TINY = 20
MOST_COLUMNS = 200
"""It is the machinery that is asked, not the table: a part of a wide one will do."""


@unit("model.sanity")
def sanity(job: Job) -> None:
    """Ask the three questions of one family on a sample of rows."""
    matrix, target, columns = _sample(job)
    loss = from_json(Loss, job.params["loss"])
    family = families.get(job.params["family"])
    half = len(target) // 2
    first, second = (_fit(family, matrix[:half], target[:half], columns, loss, job) for _ in range(2))
    difference = float(np.abs(first(matrix[half:]) - second(matrix[half:])).max(initial=0.0))
    found: dict[str, Any] = {"same": difference == 0.0, "difference": difference}
    found |= _by_heart(job, family, matrix, target, columns, loss)
    found |= _shuffled(job, family, matrix, target, columns, loss)
    job.write("sanity.json", found)


def _sample(job: Job) -> tuple[NDArray[np.float32], Floats, tuple[Column, ...]]:
    matrix = job.inputs["prepared"].array("matrix.npy")
    target = job.inputs["rows"].array("target.npy")
    columns = tuple(from_json(Column, c) for c in job.inputs["prepared"].json("columns.json"))
    chosen = job.rng("sample").permutation(len(target))[:N_SAMPLE]
    return np.asarray(matrix[chosen][:, :MOST_COLUMNS]), np.asarray(target[chosen]), columns[:MOST_COLUMNS]


def _fit(
    family: Family,
    matrix: NDArray[np.float32],
    target: Floats,
    columns: tuple[Column, ...],
    loss: Loss,
    job: Job,
    **params: Any,
) -> Any:
    rows = Rows(matrix=matrix, target=target)
    training = Training(rows=rows, valid=None, columns=columns, loss=loss, rng=job.rng("sanity fit"))
    fitted = fit_loss(family, training, {"iterations": 60, **params})
    return lambda other: predict(fitted.scorer, loss, other)


def _by_heart(
    job: Job,
    family: Family,
    matrix: NDArray[np.float32],
    target: Floats,
    columns: tuple[Column, ...],
    loss: Loss,
) -> dict[str, Any]:
    """Learn a few rows by heart. Twins among the inputs are left out: no model could tell them apart."""
    _, distinct = np.unique(np.nan_to_num(matrix), axis=0, return_index=True)
    tiny = _varied(np.sort(distinct), target)
    fitted = _fit(family, matrix[tiny], target[tiny], columns, loss, job, iterations=500)
    wanted = as_columns(target[tiny], loss)
    before = float(np.square(wanted - wanted.mean(axis=0)).mean())
    after = float(np.square(wanted - fitted(matrix[tiny])).mean())
    return {"n_tiny": len(tiny), "tiny_constant": before, "by_heart": after, "by_heart_bar": 0.5 * before}


def _varied(distinct: NDArray[np.int64], target: Floats) -> NDArray[np.int64]:
    """Take rows from both ends of the target in turn, so that even a rare class is among them."""
    flat = target if target.ndim == 1 else target.sum(axis=1)
    order = distinct[np.argsort(flat[distinct], kind="stable")]
    n = min(N_TINY, len(order))
    return np.concatenate([order[: n - n // 2], order[len(order) - n // 2 :]])


def _shuffled(
    job: Job,
    family: Family,
    matrix: NDArray[np.float32],
    target: Floats,
    columns: tuple[Column, ...],
    loss: Loss,
) -> dict[str, Any]:
    """Fit on a shuffled target; on other rows the squared error must not be less than the constant's beyond chance."""
    half = len(target) // 2
    shuffled = job.rng("shuffle").permutation(target)
    fitted = _fit(family, matrix[:half], shuffled[:half], columns, loss, job)
    wanted = as_columns(shuffled[half:], loss)
    ours = np.square(wanted - fitted(matrix[half:])).mean(axis=1)
    constant = np.square(wanted - as_columns(shuffled[:half], loss).mean(axis=0)).mean(axis=1)
    gain = constant - ours
    deviation = float(gain.std(ddof=1)) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
    score = float(gain.mean()) / deviation if deviation > 0 else 0.0
    return {"shuffled_gain": float(gain.mean()), "shuffled_p": _upper_tail(score), "n_shuffled": len(gain)}


def _upper_tail(score: float) -> float:
    """Return P(Z ≥ score) for a standard normal Z."""
    return 0.5 * erfc(score / sqrt(2.0))
