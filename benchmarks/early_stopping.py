"""Where may a boosted model stop? By its own validation rows, by the other folds', or by an inner part: on real tables.

CatBoost with its default parameters, five folds, the bag of the five scored on rows that no fold saw; error is RMSE or log
loss. *oof* is the error out of fold, which is what a project would report; *test* is the bag's. A rule is honest when
*oof* isn't too good, and good when *test* is low. The first table is noise: nothing can be learned, and the error of
knowing nothing is ln 2 = 0.6931.

Run: ``python benchmarks/early_stopping.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from tables import TABLES, BenchTable, fetch

Floats = NDArray[np.float64]
RULES = ("own rows", "other folds", "inner eighth")
SEEDS = (0, 1)
MOST_ROWS, MOST_TRAIN = 7_000, 4_000
RATES = {"RMSE": (0.157, -4.062), "Logloss": (0.247, -5.158), "MultiClass": (0.02, -2.364)}
"""CatBoost's own guess of its learning rate, fixed so that all rules share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A table as numbers."""

    name: str
    x: Floats
    y: Floats
    task: str

    @property
    def loss(self) -> str:
        """CatBoost's name of the loss."""
        return {"regression": "RMSE", "binary": "Logloss"}.get(self.task, "MultiClass")

    def error(self, prediction: Floats, y: Floats) -> float:
        """Return RMSE, or log loss."""
        if self.task == "regression":
            return float(np.sqrt(np.mean((prediction - y) ** 2)))
        from sklearn.metrics import log_loss

        return float(log_loss(y, prediction, labels=np.unique(self.y)))


def noise() -> Data:
    """Return a table in which nothing says anything."""
    rng = np.random.default_rng(0)
    y = (rng.random(1000) < 0.5).astype(float)
    return Data(name="noise", x=rng.normal(size=(1000, 10)), y=y, task="binary")


def of(table: BenchTable) -> Data:
    """Return a benchmark's table, words as codes, at most 7,000 rows."""
    frame = table.load().drop_nulls(table.target)
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, seed=1)
    y = frame[table.target].to_numpy()
    if table.task != "regression":
        y = np.unique(y.astype(str), return_inverse=True)[1]
    columns = [_numbers(frame[name]) for name in frame.columns if name != table.target]
    return Data(name=table.name, x=np.column_stack(columns), y=y.astype(float), task=table.task)


def _numbers(column: pl.Series) -> Floats:
    if column.dtype.is_numeric():
        return np.asarray(column.cast(pl.Float64).to_numpy())
    words = column.cast(pl.String).fill_null("").to_numpy().astype(str)
    return np.unique(words, return_inverse=True)[1].astype(float)


def compare(data: Data, seed: int) -> dict[str, tuple[float, float]]:
    """Return the error out of fold and on test rows by rule."""
    from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

    warnings.simplefilter("ignore")
    classes = data.task != "regression"
    rest, test = train_test_split(
        np.arange(len(data.y)), test_size=0.4, random_state=seed, stratify=data.y if classes else None
    )
    rows = rest[:MOST_TRAIN]
    dealer = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=seed)
    folds = [(rows[a], rows[b]) for a, b in dealer.split(data.x[rows], data.y[rows])]
    whole = [_fit(data, a, b, seed) for a, b in folds]
    own, others = _chosen([curve for _, curve in whole])
    inner = [_inner(data, a, seed) for a, _ in folds]
    models = [model for model, _ in whole]
    return {
        "own rows": _errors(data, folds, models, own, test),
        "other folds": _errors(data, folds, models, others, test),
        "inner eighth": _errors(data, folds, [m for m, _ in inner], [int(c.argmin()) + 1 for _, c in inner], test),
    }


def _fit(data: Data, train: NDArray[Any], valid: NDArray[Any], seed: int) -> tuple[Any, Floats]:
    import catboost

    slope, level = RATES[data.loss]
    rate = min(0.5, float(np.exp(slope * np.log(len(train)) + level)))
    model = catboost.CatBoost(
        {
            "loss_function": data.loss, "iterations": 1000, "learning_rate": rate, "random_seed": seed,
            "od_type": "Iter", "od_wait": 80, "use_best_model": False, "thread_count": 2,
            "logging_level": "Silent", "allow_writing_files": False,
        }
    )  # fmt: skip
    model.fit(data.x[train], data.y[train], eval_set=(data.x[valid], data.y[valid]))
    return model, np.array(model.get_evals_result()["validation"][data.loss])


def _inner(data: Data, train: NDArray[Any], seed: int) -> tuple[Any, Floats]:
    from sklearn.model_selection import train_test_split

    stratify = data.y[train] if data.task != "regression" else None
    most, few = train_test_split(train, test_size=0.125, random_state=seed, stratify=stratify)
    return _fit(data, most, few, seed)


def _chosen(curves: Sequence[Floats]) -> tuple[list[int], list[int]]:
    """Return each fold's best iteration by its own curve, and by the mean curve of the others."""
    longest = max(map(len, curves))
    held = np.array([np.pad(curve, (0, longest - len(curve)), mode="edge") for curve in curves])
    own = [int(curve.argmin()) + 1 for curve in curves]
    others = [
        min(int(np.delete(held, k, axis=0).mean(axis=0).argmin()) + 1, len(curve)) for k, curve in enumerate(curves)
    ]
    return own, others


def _errors(
    data: Data, folds: Sequence[tuple[Any, Any]], models: Sequence[Any], cuts: Sequence[int], test: NDArray[Any]
) -> tuple[float, float]:
    valid = np.concatenate([b for _, b in folds])
    out = np.concatenate([_predict(data, m, data.x[b], n) for m, n, (_, b) in zip(models, cuts, folds, strict=True)])
    bag = np.mean([_predict(data, m, data.x[test], n) for m, n in zip(models, cuts, strict=True)], axis=0)
    return data.error(out, data.y[valid]), data.error(bag, data.y[test])


def _predict(data: Data, model: Any, x: Floats, n: int) -> Floats:
    kind = "RawFormulaVal" if data.task == "regression" else "Probability"
    return np.asarray(model.predict(x, prediction_type=kind, ntree_end=n))


def lines() -> Iterator[str]:
    """Yield the table, errors as the mean of two seeds, *test* also relative to the first rule."""
    yield f"{'table':16}" + "".join(f"{rule + ': oof':>18}{'test':>11}{'x':>8}" for rule in RULES)
    ratios: dict[str, list[float]] = {rule: [] for rule in RULES}
    for data in [noise(), *(of(table) for table in TABLES)]:
        found = [compare(data, seed) for seed in SEEDS]
        cells = {rule: np.mean([one[rule] for one in found], axis=0) for rule in RULES}
        first = cells[RULES[0]][1]
        for rule in RULES:
            ratios[rule].append(cells[rule][1] / first)
        yield f"{data.name:16}" + "".join(
            f"{cells[rule][0]:18.5g}{cells[rule][1]:11.5g}{cells[rule][1] / first:8.4f}" for rule in RULES
        )
    means = {rule: np.exp(np.mean(np.log(ratios[rule][1:]))) for rule in RULES}
    yield f"{'geometric mean':16}" + "".join(f"{'':29}{means[rule]:8.4f}" for rule in RULES)


def main() -> None:
    """Print the table."""
    fetch()
    for line in lines():
        print(line, flush=True)


if __name__ == "__main__":
    main()
