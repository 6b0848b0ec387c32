"""What do target means of large levels cost, when each inner fold has its own? On real tables with categories.

A view fitted with the target gives training rows means in which they took no part: five means for one level, where rows
that are scored later get one. From `mulle.kinds.levels.PLAIN_ROWS` rows on a level has one mean for all. Printed is the
validation loss with that, at its least, as a ratio to the loss with five means for every level: the geometric mean over five
folds, and its standard error. Three configurations, nothing else differs.

Run: ``python benchmarks/target_means.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from tables import TABLES, BenchTable, fetch

from mulle.core.loss import Loss, logistic, squared
from mulle.core.schema import Feature
from mulle.kinds import levels
from mulle.kinds.preparation import Preparation, canonical, wires
from mulle.models import Column, Rows, Training, families
from mulle.tasks import tasks

Floats = NDArray[np.float64]
WITH_CATEGORIES = ("adult", "attrition", "credit", "churn", "lending_club", "ames", "diamonds")
MOST_ROWS = 15_000
CONFIGS = (("lightgbm", "steady"), ("lightgbm", "small"), ("catboost", "quick"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A table as features see it."""

    features: Sequence[Feature]
    wires: Mapping[str, NDArray[Any]]
    target: Floats
    loss: Loss

    @classmethod
    def of(cls, table: BenchTable) -> Data:
        """Read a benchmark's table, at most 15,000 rows: numbers as they are, everything else as words."""
        frame = table.load().drop_nulls(table.target)
        frame = frame.sample(MOST_ROWS, seed=3) if frame.height > MOST_ROWS else frame
        target = tasks.get(table.task).read(frame[table.target]).values
        frame = frame.drop(table.target)
        kinds = {name: "number" if dtype.is_numeric() else "category" for name, dtype in frame.schema.items()}
        features = [Feature(name=name, kind=kind, columns=[name]) for name, kind in kinds.items()]
        plain = {"number": pl.Float64, "category": pl.String}
        found, _ = canonical(features, frame.select(pl.col(name).cast(plain[kind]) for name, kind in kinds.items()))
        loss = squared() if table.task == "regression" else logistic()
        return cls(features=features, wires=wires(features, found), target=np.asarray(target), loss=loss)

    def some(self, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the wire values of some rows."""
        return {name: values[rows] for name, values in self.wires.items()}


def least_loss(data: Data, named: tuple[str, str], train: NDArray[Any], valid: NDArray[Any]) -> float:
    """Fit one configuration and return its least validation loss."""
    family, rng = families.get(named[0]), np.random.default_rng
    views = {kind: [v for v in held if v != "target"] for kind, held in family.views.items()}
    plain = Preparation.fit(data.features, data.some(train), views, target=None, rng=rng(0))
    target = data.target[train][:, None]
    words = [feature for feature in data.features if feature.kind == "category"]
    means = Preparation.fit(words, data.some(train), {"category": ["target"]}, target=target, rng=rng(1))
    seen = means.out_of_fold(data.some(train), target, rng=rng(2))
    matrices = (
        np.hstack([plain.run(data.some(train)), seen]),
        np.hstack([plain.run(data.some(valid)), means.run(data.some(valid))]),
    )
    training = Training(
        rows=Rows(matrix=matrices[0], target=data.target[train]),
        valid=Rows(matrix=matrices[1], target=data.target[valid]),
        columns=[Column(name=c.name, feature=c.feature, n_levels=c.n_levels) for c in (*plain.columns, *means.columns)],
        loss=data.loss,
        rng=rng(3),
    )
    params = next(config.params for config in family.configs if config.name == named[1])
    return float(min(family.fit(training, {**params, "iterations": 600}).valid_curve))


def ratios(data: Data) -> Floats:
    """Return the logarithms of the ratios, ``[folds, configurations]``."""
    from sklearn.model_selection import KFold

    plain_rows, found = levels.PLAIN_ROWS, []
    for train, valid in KFold(5, shuffle=True, random_state=0).split(data.target):
        sides = []
        for least in (plain_rows, 10**12):
            levels.PLAIN_ROWS = least
            sides.append([np.log(least_loss(data, named, train, valid)) for named in CONFIGS])
        found.append(np.subtract(*sides))
    levels.PLAIN_ROWS = plain_rows
    return np.array(found)


def lines() -> Iterator[str]:
    """Yield the table."""
    yield f"{'table':16}" + "".join(f"{' '.join(named):>22}" for named in CONFIGS)
    every = []
    for table in TABLES:
        if table.name not in WITH_CATEGORIES:
            continue
        found = ratios(Data.of(table))
        every.append(found.mean(axis=0))
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
        yield f"{table.name:16}" + "".join(
            f"{f'{np.exp(m):.4f} ± {e:.4f}':>22}" for m, e in zip(every[-1], error, strict=True)
        )
    yield f"{'geometric mean':16}" + "".join(f"{np.exp(m):>22.4f}" for m in np.mean(every, axis=0))
    yield f"{'of all':16}{np.exp(np.mean(every)):>22.4f}"


def main() -> None:
    """Print the table."""
    fetch()
    for line in lines():
        print(line, flush=True)


if __name__ == "__main__":
    main()
