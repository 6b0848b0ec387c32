"""CatBoost: gradient boosting on oblivious trees, on numbers alone. The strongest family without tuning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import Json
from mulle.export.oblivious import from_oblivious
from mulle.export.trees import Trees
from mulle.models.base import Config, Family, Fitted, Params, Rows, Suggest, Training, model
from mulle.models.losses import constant
from mulle.models.stopping import Deadline, best

_OBJECTIVES = {"logistic": "Logloss", "softmax": "MultiClass", "squared": "RMSE"}
_RATES = {"logistic": (0.247, -5.158), "softmax": (0.02, -2.364), "squared": (0.157, -4.062)}
"""CatBoost's own guess of the learning rate for 1,000 iterations with the best kept: exp(a · log rows + b).

Written out so that a refit without validation rows gets the same. Source: ``TLearningRateGuesser`` in
CatBoost 1.2, checked against ``get_all_params`` at 100, 1,000 and 10,000 rows."""
_LEAF_STEPS = {"logistic": {"leaf_estimation_iterations": 10}}
"""CatBoost's own default from 200 iterations on; with fewer it takes 1, so that a short fit would be no part of a long."""
_ITERATIONS = 1000
_REFIT_ITERATIONS = 400
_PATIENCE = 80
_MANY_COLUMNS = 1000
"""From here on fewer borders a column: finding them can't be interrupted."""


@model
class CatBoost(Family):
    """Boosted oblivious trees by CatBoost.

    ``params``: CatBoost's own names (``depth``, ``learning_rate``, ``l2_leaf_reg``, ``random_strength``,
    ``bootstrap_type``, ``subsample``, ``rsm`` …) and ``iterations``. Without a learning rate CatBoost's own
    guess is taken; ``rate_factor`` multiplies either.
    """

    name: ClassVar[str] = "catboost"
    title: ClassVar[str] = "CatBoost"
    losses: ClassVar[frozenset[str]] = frozenset(_OBJECTIVES)
    grows_with_outputs: ClassVar[bool] = True
    views: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "number": ("plain",),
        "category": ("onehot", "target"),
        "boolean": ("plain",),
        "datetime": ("parts",),
        "place": ("plain",),
        "list": ("onehot",),
        "text": ("topics",),
        "image": ("pixels",),
    }
    configs: ClassVar[tuple[Config, ...]] = (
        Config(
            name="quick",
            rank=1,
            min_rows=5_000,
            params={"depth": 5, "rate_factor": 2.5, "l2_leaf_reg": 1.0},
        ),
        Config(name="default", rank=3),
        Config(name="shallow", rank=7, params={"depth": 4, "rate_factor": 1.3, "l2_leaf_reg": 1.0}),
        Config(
            name="deep",
            rank=13,
            min_rows=2_000,
            params={
                "depth": 8,
                "l2_leaf_reg": 2.0,
                "random_strength": 0.8,
                "bootstrap_type": "Bernoulli",
                "subsample": 0.8,
                "rsm": 0.7,
            },
        ),
    )

    def space(self, suggest: Suggest) -> dict[str, Json]:
        """Draw around the defaults.

        Returns
        -------
        dict
            Parameters for `fit`.
        """
        return {
            "depth": suggest.suggest_int("depth", 3, 8),
            "rate_factor": suggest.suggest_float("rate_factor", 0.6, 2.5, log=True),
            "l2_leaf_reg": suggest.suggest_float("l2_leaf_reg", 0.1, 20.0, log=True),
            "random_strength": suggest.suggest_float("random_strength", 0.1, 3.0, log=True),
            "rsm": suggest.suggest_float("rsm", 0.4, 1.0),
            "bootstrap_type": "Bernoulli",
            "subsample": suggest.suggest_float("subsample", 0.6, 1.0),
        }

    def fit(self, training: Training, params: Params) -> Fitted:
        """Boost until the validation loss stalls, the iterations are done, or time is over.

        Returns
        -------
        Fitted
            All trees, also those after the lowest validation loss.
        """
        deadline = Deadline(training.seconds)
        if (fitted := constant(training)) is not None:
            return fitted
        import catboost

        watch, classes = _Watch(deadline), _classes(training)
        booster = catboost.CatBoost(_settings(training, params))
        valid = None if training.valid is None else _pool(_no_new_gaps(training), classes)
        booster.fit(_pool(training.rows, classes), eval_set=valid, use_best_model=False, callbacks=[watch])
        return _fitted(booster, training, watch, _iterations(training, params))


class _Watch:
    """Ends the training when time is over."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self.late = False

    def after_iteration(self, info: Any) -> bool:  # noqa: ARG002  # CatBoost's own signature
        self.late = self._deadline.passed
        return not self.late


def _iterations(training: Training, params: Params) -> int:
    return int(params.get("iterations", _ITERATIONS if training.valid else _REFIT_ITERATIONS))  # type: ignore[arg-type]


def _settings(training: Training, params: Params) -> dict[str, Any]:
    slope, level = _RATES[training.loss.name]
    guess = min(0.5, float(np.exp(slope * np.log(len(training.rows.target)) + level)))
    own = {name: value for name, value in params.items() if name not in ("iterations", "rate_factor")}
    settings: dict[str, Any] = {"learning_rate": guess, **_LEAF_STEPS.get(training.loss.name, {}), **own}
    if training.rows.matrix.shape[1] >= _MANY_COLUMNS:
        settings.setdefault("border_count", 64)
    settings["learning_rate"] *= params.get("rate_factor", 1.0)
    return {
        **settings,
        "loss_function": _OBJECTIVES[training.loss.name],
        "iterations": _iterations(training, params),
        "od_type": "Iter",
        "od_wait": _PATIENCE,
        "random_seed": int(training.rng.integers(2**31 - 1)),
        "thread_count": training.threads,
        "allow_writing_files": False,
        "logging_level": "Silent",
    }


def _classes(training: Training) -> NDArray[np.float64] | None:
    """Return the classes that occur in the training rows, or None for a number. CatBoost knows no others."""
    return None if training.loss.link == "identity" else np.unique(training.rows.target)


def _pool(rows: Rows, classes: NDArray[np.float64] | None) -> Any:
    import catboost

    matrix, weight = rows.matrix, rows.weight
    target: NDArray[Any] = rows.target
    if classes is not None:
        known = np.isin(target, classes)
        matrix, target = matrix[known], np.searchsorted(classes, target[known])
        weight = None if weight is None else weight[known]
    return catboost.Pool(np.ascontiguousarray(matrix, np.float32), label=target, weight=weight)


def _no_new_gaps(training: Training) -> Rows:
    """Return the validation rows; a value missing where no training row misses one lies below every border.

    CatBoost refuses such rows when it is trained, and takes them so when it predicts.
    """
    assert training.valid is not None  # noqa: S101  # asked only when there are some
    matrix = training.valid.matrix
    new = np.isnan(matrix) & ~np.isnan(training.rows.matrix).any(axis=0)
    return replace(training.valid, matrix=np.where(new, np.finfo(np.float32).min, matrix))


def _fitted(booster: Any, training: Training, watch: _Watch, iterations: int) -> Fitted:
    curves = booster.get_evals_result()
    metric = _OBJECTIVES[training.loss.name]
    train = curves["learn"][metric]
    valid = curves.get("validation", {}).get(metric, ())
    stopped: Literal["early", "done", "time"] = "early" if len(train) < iterations else "done"
    return Fitted(
        scorer=_with_all_classes(_read(booster), training),
        train_curve=train,
        valid_curve=valid,
        iterations=best(valid) or int(booster.tree_count_),
        stopped="time" if watch.late else stopped,
    )


def _with_all_classes(trees: Trees, training: Training) -> Trees:
    """Return the trees with a place for each class without training rows: the score of half a row."""
    if trees.n_outputs == training.loss.n_outputs:
        return trees
    classes = np.unique(training.rows.target).astype(np.intp)
    biases = np.full((1 + len(trees.bias_ends), training.loss.n_outputs), -np.log(2.0 * len(training.rows.target)))
    biases[:, classes] = np.vstack([trees.bias, trees.bias_ends])
    leaf = np.zeros((len(trees.leaf), training.loss.n_outputs))
    leaf[:, classes] = trees.leaf
    return replace(trees, n_outputs=training.loss.n_outputs, bias=biases[0], bias_ends=biases[1:], leaf=leaf)


def _read(booster: Any) -> Trees:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        booster.save_model(str(path), format="json")
        return read_model(json.loads(path.read_text("utf-8")))


def read_model(data: Mapping[str, Any]) -> Trees:
    """Read CatBoost's own JSON format, of a model on numbers.

    Parameters
    ----------
    data
        What ``save_model(format="json")`` wrote.

    Returns
    -------
    Trees
        With equal raw scores, missing values included.
    """
    factor, bias = data["scale_and_bias"]
    held = data["oblivious_trees"]
    depth = np.array([len(tree["splits"] or ()) for tree in held])
    most, n_outputs = max(1, int(depth.max(initial=0))), len(bias)
    numbers = data["features_info"]["float_features"]
    flat = np.array([number["flat_feature_index"] for number in numbers])
    feature, border = np.zeros((len(held), most), np.int64), np.full((len(held), most), np.inf)
    leaf = np.zeros((len(held), 2**most, n_outputs))
    for i, tree in enumerate(held):
        splits: Sequence[Mapping[str, Any]] = tree["splits"] or ()
        feature[i, : depth[i]] = flat[[split["float_feature_index"] for split in splits]] if splits else []
        border[i, : depth[i]] = [split["border"] for split in splits]
        leaf[i, : 2 ** depth[i]] = np.reshape(tree["leaf_values"], (-1, n_outputs))
    return from_oblivious(
        feature,
        border.astype(np.float32).astype(np.float64),
        leaf * factor,
        depth=depth,
        missing_above=_above(numbers, flat),
        bias=np.array(bias, np.float64),
    )


def _above(numbers: Sequence[Mapping[str, Any]], flat: NDArray[Any]) -> NDArray[np.bool_]:
    above = np.zeros(int(flat.max(initial=0)) + 1, np.bool_)
    above[flat] = [number["nan_value_treatment"] == "AsTrue" for number in numbers]
    return above
