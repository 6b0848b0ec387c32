"""Where may a boosted model stop? By its own validation rows, by the other folds', or by an inner part: on real tables.

CatBoost with its default parameters, five folds, the bag of the five scored on rows that no fold saw; error is RMSE or log
loss. *oof* is the error out of fold, which is what a project would report; *test* is the bag's. A rule is honest when
*oof* isn't too good, and good when *test* is low. The first table is noise: nothing can be learned, and the error of
knowing nothing is ln 2 = 0.6931.

Then the same of a hold-out, which has no other folds, by Mulle's own families: *halves* lets each half of the validation rows
say for the other (`mulle.training.halves`), *inner tenth* holds a tenth of the training rows back. *valid* is the error
that a project would report, *test* that of the one model that ships.

Run: ``python benchmarks/early_stopping.py [folds] [holdout] [noise]``; all three without a word.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from tables import TABLES, BenchTable, fetch

from mulle.core.loss import Loss, logistic, squared
from mulle.metrics import metrics
from mulle.models import Column, Rows, Training, families
from mulle.splits import make_folds
from mulle.training.halves import crosswise
from mulle.training.scoring import predict

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


# ------------------------------------------------------------------------------------------ one fold alone


HOLDOUT_RULES = ("halves", "own rows", "inner tenth")
STOPPING = (("linear", "path"), ("catboost", "default"), ("lightgbm", "small"), ("network", "default"))
N_NOISE, NOISE_ROWS = 40, 2_500
HOLDOUT_TABLES = ("adult", "california", "lending_club", "churn", "diamonds")


def alone(data: Data, rows: NDArray[Any], named: tuple[str, str], seed: int) -> dict[str, tuple[Floats, Any]]:
    """Fit one configuration on a hold-out by each rule.

    Returns
    -------
    dict
        By rule: predictions of the validation rows, and a function that gives those of the model that ships.
    """
    loss, held = (
        squared() if data.task == "regression" else logistic(),
        Data(name=data.name, x=data.x[rows], y=data.y[rows], task=data.task),
    )
    train, valid, half = _parts(held, seed)
    inner = np.random.default_rng(seed).permutation(train)
    few, most = inner[: len(train) // 10], inner[len(train) // 10 :]
    whole = _fitted(held, train, valid, named, loss, seed)
    tenth = _fitted(held, most, few, named, loss, seed)
    judged = _some(held, valid)
    own, less = whole.scorer.first(whole.iterations), tenth.scorer.first(tenth.iterations)
    return {
        "halves": (crosswise(whole, loss, judged, np.isin(valid, half))[0], _ships(own, loss)),
        "own rows": (predict(own, loss, judged.matrix), _ships(own, loss)),
        "inner tenth": (predict(less, loss, judged.matrix), _ships(less, loss)),
    }


def _ships(scorer: Any, loss: Loss) -> Any:
    return lambda x: predict(scorer, loss, x.astype(np.float32))


def _parts(data: Data, seed: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    folds = make_folds(
        len(data.y),
        rng=np.random.default_rng(seed),
        target=data.y,
        classes=data.task != "regression",
        protocol="holdout",
    )
    return folds.train[0], folds.valid[0], folds.half[0]


def _some(data: Data, rows: NDArray[Any]) -> Rows:
    return Rows(matrix=data.x[rows].astype(np.float32), target=data.y[rows])


def _fitted(data: Data, train: NDArray[Any], valid: NDArray[Any], named: tuple[str, str], loss: Loss, seed: int) -> Any:
    family = families.get(named[0])
    training = Training(
        rows=_some(data, train),
        valid=_some(data, valid),
        columns=[Column(name=f"c{i}", feature=f"c{i}") for i in range(data.x.shape[1])],
        loss=loss,
        rng=np.random.default_rng([seed, 1]),
    )
    return family.fit(training, next(c.params for c in family.configs if c.name == named[1]))


def holdout_lines() -> Iterator[str]:
    """Yield errors under hold-out as the mean of two seeds, *test* also relative to the first rule."""
    yield f"{'hold-out':16}" + "".join(f"{rule + ': valid':>20}{'test':>11}{'x':>8}" for rule in HOLDOUT_RULES)
    for data in [of(table) for table in TABLES if table.name in HOLDOUT_TABLES]:
        for named in STOPPING[1:3]:
            found = np.mean([_holdout_errors(data, named, seed) for seed in SEEDS], axis=0)
            yield f"{data.name + ' ' + named[0][:3]:16}" + "".join(
                f"{valid:20.5g}{test:11.5g}{test / found[0, 1]:8.4f}" for valid, test in found
            )


def _holdout_errors(data: Data, named: tuple[str, str], seed: int) -> list[tuple[float, float]]:
    order = np.random.default_rng(seed).permutation(len(data.y))
    rows, test = np.sort(order[len(order) // 3 :]), order[: len(order) // 3]
    valid = rows[_parts(Data(name="", x=data.x[rows], y=data.y[rows], task=data.task), seed)[1]]
    found = alone(data, rows, named, seed)
    return [(data.error(p[:, 0], data.y[valid]), data.error(ships(data.x[test])[:, 0], data.y[test]))
            for p, ships in (found[rule] for rule in HOLDOUT_RULES)]  # fmt: skip


def noise_lines() -> Iterator[str]:
    """Yield what each rule seems to know of pure noise under hold-out."""
    yield f"{f'noise, hold-out of {NOISE_ROWS // 5}':24}" + "".join(f"{rule:38}" for rule in HOLDOUT_RULES)
    for named in STOPPING:
        found = np.array([_of_noise(named, seed) for seed in range(N_NOISE)])
        mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(len(found))
        yield f"{' '.join(named):24}" + "".join(
            f"{f'AUC {auc:.3f} ± {e:.3f}  log loss {loss:.4f}':38}"
            for (auc, loss), (e, _) in zip(mean, error, strict=True)
        )


def _of_noise(named: tuple[str, str], seed: int) -> list[list[float]]:
    rng = np.random.default_rng([seed, 9])
    x, y = rng.normal(size=(NOISE_ROWS, 10)), (rng.random(NOISE_ROWS) < 0.5).astype(float)
    data = Data(name="noise", x=x, y=y, task="binary")
    valid = _parts(data, seed)[1]
    found = alone(data, np.arange(NOISE_ROWS), named, seed)
    asked = [metrics.get(name) for name in ("roc_auc", "log_loss")]
    return [[metric(y[valid], found[rule][0]) for metric in asked] for rule in HOLDOUT_RULES]


def main() -> None:
    """Print the tables."""
    asked = sys.argv[1:] or ["folds", "holdout", "noise"]
    fetch()
    for name, printed in (("folds", lines), ("holdout", holdout_lines), ("noise", noise_lines)):
        for line in printed() if name in asked else ():
            print(line, flush=True)


if __name__ == "__main__":
    main()
