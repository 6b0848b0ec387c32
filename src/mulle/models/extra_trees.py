"""Extra trees: an average of many trees with random thresholds, each leaf holding a few rows at least."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import Json
from mulle.core.loss import Loss
from mulle.export.trees import Mode, Tree, Trees
from mulle.models.base import Config, Family, Fitted, Params, Rows, Suggest, Training, model
from mulle.models.losses import constant, mean_loss
from mulle.models.stopping import Deadline

Doubles = NDArray[np.float64]

_TREES = 200
_BATCH = 10
_MOST_LEAVES = 4_000
"""Leaves of one tree, nearly, at most: the least rows of a leaf rise with the rows; bundles stay small."""
_MOST_VALUES = 4_000_000
"""Leaf values of the whole forest at most; many classes get fewer trees."""


@model
class ExtraTrees(Family):
    """Extra trees by scikit-learn. Leaves its predictions, not raw scores.

    ``params``: ``min_samples_leaf``, ``max_features`` (a share of the columns), ``iterations`` (trees).
    """

    name: ClassVar[str] = "extra_trees"
    title: ClassVar[str] = "Extra trees"
    losses: ClassVar[frozenset[str]] = frozenset({"logistic", "softmax", "squared"})
    views: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "number": ("filled",),
        "category": ("onehot", "target"),
        "boolean": ("filled",),
        "datetime": ("parts",),
        "place": ("plain",),
        "list": ("onehot",),
        "text": ("topics",),
        "image": ("pixels",),
    }
    configs: ClassVar[tuple[Config, ...]] = (
        Config(name="default", rank=10, max_rows=20_000, params={"min_samples_leaf": 2, "max_features": 0.5}),
    )

    def space(self, suggest: Suggest) -> dict[str, Json]:
        """Draw the size of leaves and the share of columns.

        Returns
        -------
        dict
            Parameters for `fit`.
        """
        return {
            "min_samples_leaf": suggest.suggest_int("min_samples_leaf", 1, 20, log=True),
            "max_features": suggest.suggest_float("max_features", 0.2, 1.0),
        }

    def fit(self, training: Training, params: Params) -> Fitted:
        """Grow trees in small batches until there are enough or time is over.

        Returns
        -------
        Fitted
            The mean of all trees grown; the curves have one value a batch.
        """
        deadline = Deadline(training.seconds)
        if (fitted := constant(training, space="prediction")) is not None:
            return fitted
        wanted = _wanted(training, params)
        forest = _forest(training, params)
        grown = _Grown(training)
        stopped: Literal["done", "time"] = "done"
        while len(grown.trees) < wanted:
            # One tree first: it tells what a tree costs before ten are begun.
            batch = min(_BATCH if grown.trees else 1, wanted - len(grown.trees))
            forest.set_params(n_estimators=len(grown.trees) + batch)
            forest.fit(training.rows.matrix, _target(training), sample_weight=training.rows.weight)
            grown.add(forest.estimators_[len(grown.trees) :], forest)
            if deadline.passed and len(grown.trees) < wanted:
                stopped = "time"
                break
        return grown.fitted(stopped)


def _wanted(training: Training, params: Params) -> int:
    if "iterations" in params:
        return int(params["iterations"])  # type: ignore[arg-type]
    values = min(len(training.rows.target), _MOST_LEAVES) * training.loss.n_outputs
    return int(np.clip(_MOST_VALUES // values, 20, _TREES))


def _forest(training: Training, params: Params) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    least = int(params.get("min_samples_leaf", 2))  # type: ignore[arg-type]
    n_rows = len(training.rows.target)
    cls = ExtraTreesRegressor if training.loss.link == "identity" else ExtraTreesClassifier
    return cls(
        n_estimators=1,
        min_samples_leaf=max(min(least, n_rows // 20), n_rows // _MOST_LEAVES, 1),
        max_features=float(params.get("max_features", 0.5)),  # type: ignore[arg-type]
        warm_start=True,
        n_jobs=training.threads,
        random_state=int(training.rng.integers(2**31 - 1)),
    )


def _target(training: Training) -> NDArray[Any]:
    return training.rows.target if training.loss.link == "identity" else training.rows.target.astype(np.int64)


class _Grown:
    """The trees so far, and running means of their predictions for the curves."""

    def __init__(self, training: Training) -> None:
        self.loss = training.loss
        self.trees: list[Tree] = []
        self._rows: dict[str, Rows | None] = {"train": training.rows, "valid": training.valid}
        self._sums: dict[str, Doubles] = {}
        self._curves: dict[str, list[float]] = {"train": [], "valid": []}

    def add(self, estimators: Any, forest: Any) -> None:
        for estimator in estimators:
            values = _leaf_values(estimator.tree_, forest, self.loss)
            for side, rows in self._rows.items():
                if rows is not None:
                    here = values[estimator.tree_.apply(rows.matrix)]
                    self._sums[side] = self._sums.get(side, np.zeros(here.shape)) + here
            self.trees.append(_read_tree(estimator.tree_, values))
        for side, rows in self._rows.items():
            if rows is not None:
                self._curves[side].append(mean_loss(self.loss, rows, self._sums[side] / len(self.trees)))

    def fitted(self, stopped: Literal["done", "time"]) -> Fitted:
        trees = Trees.of(self.trees, bias=np.zeros(self.loss.n_outputs), space="prediction")
        return Fitted(
            scorer=trees.scaled(1.0 / len(self.trees)),
            train_curve=self._curves["train"],
            valid_curve=self._curves["valid"],
            iterations=len(self.trees),
            stopped=stopped,
        )


def _leaf_values(tree: Any, forest: Any, loss: Loss) -> Doubles:
    """Return what each node would predict, ``[nodes, outputs]``: the mean, or the share of each class."""
    if loss.link == "identity":
        return np.asarray(tree.value[:, 0, :], np.float64)
    share = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
    values = np.zeros((len(share), max(loss.n_outputs, 2)))
    values[:, np.asarray(forest.classes_, np.intp)] = share
    return values[:, 1:] if loss.link == "sigmoid" else values


def _read_tree(tree: Any, values: Doubles) -> Tree:
    """Return a scikit-learn tree with inner nodes and leaves numbered apart."""
    is_leaf = tree.children_left < 0
    place = np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(~is_leaf) - 1)
    inner = ~is_leaf
    return Tree(
        feature=tree.feature[inner],
        threshold=tree.threshold[inner].astype(np.float64),
        mode=np.full(int(inner.sum()), Mode.AT_MOST),
        left=place[tree.children_left[inner]],
        right=place[tree.children_right[inner]],
        missing_left=np.asarray(tree.missing_go_to_left[inner], np.bool_),
        leaf=values[is_leaf],
    )
