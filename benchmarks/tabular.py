"""How good is what ships? Mulle's bundle against default CatBoost, LightGBM with tuned defaults, and linear models.

    python benchmarks/tabular.py [--budget 60s] [--trials 16] [--tables adult,ames] [--seeds 1]

Each table is split once (25 % test, the same for all). Mulle gets the other 75 % and the budget, on two cores; its
*bundle* predicts the test rows as they came. Peers are fitted on the same 75 %. Errors are 1 - ROC AUC or RMSE; what is
printed is each error as a ratio to default CatBoost's, and the geometric means. A budget in trials in place of the time
asks the same of a machine that does other work as well.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from tables import TABLES, BenchTable, fetch

import mulle
from mulle.metrics import metrics
from mulle.tasks import tasks

warnings.simplefilter("ignore")
GOAL = 0.97


def split(frame: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return training and test rows."""
    order = np.random.default_rng(seed).permutation(frame.height)
    n = frame.height // 4
    return frame[np.sort(order[n:])], frame[np.sort(order[:n])]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--tables", default="")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    fetch()
    wanted = [t for t in TABLES if not asked.tables or t.name in asked.tables.split(",")]
    names = ("mulle", "own linear", "lightgbm td", "linear")
    budget = f"{asked.trials} trials" if asked.trials else asked.budget
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, budget {budget}; errors as ratios to default CatBoost")
    print(f"{'table':15} {'rows':>6} {'CatBoost':>10}" + "".join(f"{n:>13}" for n in names) + f"{'mulle s':>9}  ships")
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for table in wanted:
        for seed in range(asked.seeds):
            one(table, seed, {"trials": asked.trials} if asked.trials else asked.budget, ratios)
    print(f"{'geometric mean':33}" + "".join(f"{geometric(ratios[n]):13.3f}" for n in names))
    worse = sum(m > 1.0001 * own for m, own in zip(ratios["mulle"], ratios["own linear"], strict=True))
    print(f"goal: ≤ {GOAL} × default CatBoost: {'reached' if geometric(ratios['mulle']) <= GOAL else 'NOT reached'}; "
          f"worse than its own linear baseline on {worse} of {len(ratios['mulle'])}")  # fmt: skip


def geometric(values: list[float]) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(values))))


def one(table: BenchTable, seed: int, budget: str | dict[str, int], ratios: dict[str, list[float]]) -> None:
    """Measure one table and print its line."""
    train, test = split(table.load(), seed)
    task, metric = tasks.get(table.task), metrics.get(table.metric)
    read = task.read(train[table.target])
    target = task.read(test[table.target], classes=read.classes).values

    def error(prediction: np.ndarray) -> float:
        return metric.error(metric(target, prediction.reshape(len(target), -1)))

    began = perf_counter()
    run, ours = run_mulle(table, train, test, {"budget": budget})
    seconds = perf_counter() - began
    _, own = run_mulle(table, train, test, {"budget": {"trials": 1}, "families": ["linear"]})
    base = error(catboost(table, train, test, read.values))
    found = {
        "mulle": error(ours),
        "own linear": error(own),
        "lightgbm td": error(lightgbm(table, train, test, read.values)),
        "linear": error(linear(table, train, test, read.values)),
    }
    for name, value in found.items():
        ratios[name].append(value / base)
    chosen = next(o.facts["chosen"] for o in run.outcomes if o.stage == "model")
    line = "".join(f"{value / base:13.3f}" for value in found.values())
    print(f"{table.name:15} {len(train):6} {base:10.5g}{line}{seconds:9.1f}  {chosen}", flush=True)


def run_mulle(table: BenchTable, train: pl.DataFrame, test: pl.DataFrame, objective: dict) -> tuple:
    """Run Mulle on the training rows; return the run and its bundle's predictions of the test rows."""
    with tempfile.TemporaryDirectory() as folder:
        train.write_parquet(Path(folder) / "train.parquet")
        project = mulle.Project(
            "train.parquet",
            target=table.target,
            folder=folder,
            test="none",
            objective={"metric": table.metric, **objective},
        )
        run = mulle.run(project)
        found = run.bundle.predict(test.drop(table.target))
        assert not found.n_rejected, f"{found.n_rejected} rows were rejected"
        return run, found.prediction


def _categories(table: BenchTable, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    frame = frame.drop(table.target)
    words = [c for c, t in frame.schema.items() if not t.is_numeric()]
    return frame.with_columns(pl.col(words).cast(pl.String).fill_null("")), words


def _predict(model: object, rows: object, table: BenchTable) -> np.ndarray:
    if table.task == "binary":
        return np.asarray(model.predict_proba(rows))[:, 1]
    return np.asarray(model.predict(rows))


def catboost(table: BenchTable, train: pl.DataFrame, test: pl.DataFrame, target: np.ndarray) -> np.ndarray:
    """Fit CatBoost as it comes, with its own treatment of categories."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    rows, words = _categories(table, train)
    make = CatBoostClassifier if table.task == "binary" else CatBoostRegressor
    model = make(cat_features=words, verbose=False, random_seed=0, thread_count=2, allow_writing_files=False)
    model.fit(rows.to_pandas(), target)
    return _predict(model, _categories(table, test)[0].to_pandas(), table)


def lightgbm(table: BenchTable, train: pl.DataFrame, test: pl.DataFrame, target: np.ndarray) -> np.ndarray:
    """Fit LightGBM with the tuned defaults of pytabkit, a fifth of the rows for early stopping."""
    import lightgbm as lgb

    rows, words = _categories(table, pl.concat([train, test], how="vertical_relaxed"))
    codes = rows.with_columns(pl.col(c).cast(pl.Categorical).to_physical() for c in words)
    matrix = codes.cast(pl.Float64).to_numpy()
    columns = [codes.columns.index(c) for c in words]
    settings = (
        {"learning_rate": 0.04, "num_leaves": 50, "subsample": 0.75, "min_child_samples": 40}
        if table.task == "binary"
        else {"learning_rate": 0.05, "num_leaves": 100, "subsample": 0.7, "min_child_samples": 3}
    )
    make = lgb.LGBMClassifier if table.task == "binary" else lgb.LGBMRegressor
    model = make(n_estimators=1000, subsample_freq=1, n_jobs=2, verbose=-1, random_state=0, **settings)
    order = np.random.default_rng(0).permutation(len(train))
    n = len(train) // 5
    fit, stop = order[n:], order[:n]
    model.fit(
        matrix[: len(train)][fit],
        target[fit],
        eval_set=[(matrix[: len(train)][stop], target[stop])],
        categorical_feature=columns,
        callbacks=[lgb.early_stopping(100, verbose=False)],
    )
    return _predict(model, matrix[len(train) :], table)


def linear(table: BenchTable, train: pl.DataFrame, test: pl.DataFrame, target: np.ndarray) -> np.ndarray:
    """Fit scikit-learn's regularised linear model with its strength cross-validated."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows, words = _categories(table, train)
    numbers = [c for c in rows.columns if c not in words]
    encode = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", min_frequency=10), words),
    )
    last = LogisticRegressionCV(Cs=5, max_iter=500) if table.task == "binary" else RidgeCV(np.logspace(-2, 4, 13))
    model = make_pipeline(encode, last)
    model.fit(rows.to_pandas(), target)
    return _predict(model, _categories(table, test)[0].to_pandas(), table)


if __name__ == "__main__":
    main()
