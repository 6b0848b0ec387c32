"""LightGBM: gradient boosting on histograms. Codes are split as native categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import DataError
from mulle.core.jsonable import Json
from mulle.core.loss import Loss
from mulle.export.trees import Mode, Tree, Trees
from mulle.models.base import Config, Family, Fitted, Params, Rows, Suggest, Training, model
from mulle.models.losses import constant
from mulle.models.stopping import Deadline, best, stalled

_OBJECTIVES = {"logistic": "binary", "softmax": "multiclass", "squared": "regression"}
_METRICS = {"logistic": "binary_logloss", "softmax": "multi_logloss", "squared": "rmse"}
_DEFAULTS: Mapping[str, Json] = {
    "learning_rate": 0.04,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.9,
    "lambda_l1": 0.0,
    "lambda_l2": 0.5,
    "extra_trees": False,
}
_ITERATIONS = 1500
_REFIT_ITERATIONS = 300
_MANY_COLUMNS = 1000
_WIDE: Mapping[str, Json] = {"max_bin": 63, "enable_bundle": False}
"""Binning can't be interrupted; with thousands of columns this makes it more than twice as fast."""
_BARREN = 10
"""Iterations in a row without a single split before boosting is over: random thresholds may miss at times."""


@model
class LightGBM(Family):
    """Boosted trees by LightGBM.

    ``params``: LightGBM's own names for what stands in the defaults, and ``iterations``. A leaf's least
    rows are lowered to a twentieth of the rows, so that tiny tables can be split at all.
    """

    name: ClassVar[str] = "lightgbm"
    title: ClassVar[str] = "LightGBM"
    losses: ClassVar[frozenset[str]] = frozenset(_OBJECTIVES)
    grows_with_outputs: ClassVar[bool] = True
    views: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "number": ("plain",),
        "category": ("codes", "target"),
        "boolean": ("plain",),
        "datetime": ("parts",),
        "place": ("plain",),
        "list": ("onehot",),
        "text": ("topics",),
        "image": ("pixels",),
    }
    configs: ClassVar[tuple[Config, ...]] = (
        Config(
            name="steady",
            rank=2,
            min_rows=3_000,
            params={"learning_rate": 0.08, "num_leaves": 24, "feature_fraction": 0.5, "lambda_l2": 1.0},
        ),
        Config(
            name="extra",
            rank=5,
            max_rows=10_000,
            params={
                "learning_rate": 0.03,
                "num_leaves": 39,
                "min_data_in_leaf": 3,
                "extra_trees": True,
                "feature_fraction": 0.46,
                "bagging_fraction": 0.88,
                "lambda_l1": 0.24,
                "lambda_l2": 0.36,
            },
        ),
        Config(
            name="small",
            rank=6,
            max_rows=20_000,
            params={
                "num_leaves": 6,
                "min_data_in_leaf": 15,
                "extra_trees": True,
                "feature_fraction": 0.6,
            },
        ),
        Config(
            name="deep",
            rank=8,
            params={
                "num_leaves": 50,
                "min_data_in_leaf": 40,
                "feature_fraction": 1.0,
                "bagging_fraction": 0.75,
                "lambda_l2": 0.0,
            },
        ),
    )

    def space(self, suggest: Suggest) -> dict[str, Json]:
        """Draw from the space of TabArena (Erickson et al. 2025), at learning rates that a minute allows.

        Returns
        -------
        dict
            Parameters for `fit`.
        """
        return {
            "learning_rate": suggest.suggest_float("learning_rate", 0.015, 0.1, log=True),
            "num_leaves": suggest.suggest_int("num_leaves", 3, 120, log=True),
            "min_data_in_leaf": suggest.suggest_int("min_data_in_leaf", 1, 64, log=True),
            "feature_fraction": suggest.suggest_float("feature_fraction", 0.4, 1.0),
            "bagging_fraction": suggest.suggest_float("bagging_fraction", 0.7, 1.0),
            "lambda_l1": suggest.suggest_float("lambda_l1", 1e-4, 1.0, log=True),
            "lambda_l2": suggest.suggest_float("lambda_l2", 1e-4, 2.0, log=True),
            "extra_trees": suggest.suggest_categorical("extra_trees", [True, False]),
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
        booster = _booster(training, {**_DEFAULTS, **params})
        curves, ends, stopped = _boost(booster, training, params, deadline)
        kept = best(curves["valid"]) or len(curves["train"])
        return Fitted(
            scorer=read_trees(booster.model_to_string(num_iteration=-1), training.loss.n_outputs, ends),
            train_curve=curves["train"],
            valid_curve=curves["valid"],
            iterations=kept,
            stopped=stopped,
        )


def _booster(training: Training, params: Mapping[str, Any]) -> Any:
    import lightgbm

    n_rows = len(training.rows.target)
    settings = {
        **{name: value for name, value in params.items() if name != "iterations"},
        **_task(training.loss),
        "min_data_in_leaf": max(1, min(int(params["min_data_in_leaf"]), n_rows // 20)),
        "bagging_freq": 1,
        "num_threads": training.threads,
        "seed": int(training.rng.integers(2**31 - 1)),
        "deterministic": True,
        "force_col_wise": True,
        **(_WIDE if training.rows.matrix.shape[1] >= _MANY_COLUMNS else {}),
        "feature_pre_filter": False,
        "verbosity": -1,
    }
    train = _dataset(training.rows, training, settings)
    booster = lightgbm.Booster(settings, train)
    if training.valid is not None:
        booster.add_valid(_dataset(training.valid, training, settings, reference=train), "valid")
    return booster


def _task(loss: Loss) -> dict[str, Any]:
    classes = {"num_class": loss.n_outputs} if loss.name == "softmax" else {}
    return {"objective": _OBJECTIVES[loss.name], "metric": _METRICS[loss.name], **classes}


def _dataset(rows: Rows, training: Training, settings: Mapping[str, Any], reference: Any = None) -> Any:
    import lightgbm

    return lightgbm.Dataset(
        np.ascontiguousarray(rows.matrix, np.float32),
        label=rows.target,
        weight=rows.weight,
        reference=reference,
        params=dict(settings),
        categorical_feature=[i for i, column in enumerate(training.columns) if column.n_levels],
        feature_name=[f"c{i}" for i in range(len(training.columns))],
    )


def _boost(
    booster: Any, training: Training, params: Params, deadline: Deadline
) -> tuple[dict[str, list[float]], list[int], Any]:
    """Return the curves, how many trees there were at each of their points, and why it ended."""
    patience = int(np.clip(4 / float({**_DEFAULTS, **params}["learning_rate"]), 40, 200))  # type: ignore[arg-type]
    iterations = int(params.get("iterations", _ITERATIONS if training.valid else _REFIT_ITERATIONS))  # type: ignore[arg-type]
    curves: dict[str, list[float]] = {"train": [], "valid": []}
    ends: list[int] = []
    barren = 0
    while len(curves["train"]) < iterations and barren < _BARREN:
        barren = barren + 1 if booster.update() else 0
        if barren:
            continue
        ends.append(booster.num_trees())
        curves["train"].append(booster.eval_train()[0][2])
        if training.valid is not None:
            curves["valid"].append(booster.eval_valid()[0][2])
        if stalled(curves["valid"], patience):
            return curves, ends, "early"
        if deadline.passed:
            return curves, ends, "time"
    return curves, ends, "done"


def read_trees(text: str, n_outputs: int, ends: Sequence[int] = ()) -> Trees:
    """Read LightGBM's own text format.

    Parameters
    ----------
    text
        What ``Booster.model_to_string`` gives.
    n_outputs
        Raw scores; tree i adds to score ``i % n_outputs``.
    ends
        How many trees there are after each iteration, so that they can be cut.

    Returns
    -------
    Trees
        With equal raw scores to the last bit, categories and missing values included.

    Raises
    ------
    DataError
        When the model uses what has no equal here: linear leaves, zero as missing, averaged trees.
    """
    head, *sections = text.split("\nTree=")
    if "\naverage_output" in head:
        raise DataError("the LightGBM model averages its trees", where="average_output", fix="train with boosting=gbdt")
    trees = [_read_tree(section, i % n_outputs) for i, section in enumerate(sections)]
    return Trees.of(trees, bias=np.zeros(n_outputs), space="raw", ends=ends)


def _read_tree(section: str, output: int) -> Tree:
    section = section.split("\n\n", 1)[0]
    field = dict(line.split("=", 1) for line in section.splitlines()[1:] if "=" in line)
    if field.get("is_linear", "0") != "0":
        raise DataError("the LightGBM model has linear leaves", where="linear_tree", fix="train with linear_tree=false")
    numbers = {name: _numbers(field.get(name, "")) for name in _FIELDS}
    kind, threshold = numbers["decision_type"].astype(np.int64), numbers["threshold"]
    member, missing = (kind & 1) > 0, (kind >> 2) & 3
    if (missing == 1).any():
        raise DataError("the LightGBM model takes 0 as missing", where="zero_as_missing", fix="train without it")
    as_zero = threshold >= 0.0
    return Tree(
        feature=numbers["split_feature"],
        threshold=np.where(member, 0.0, threshold),
        mode=np.where(member, Mode.MEMBER, Mode.AT_MOST),
        left=numbers["left_child"].astype(np.int64),
        right=numbers["right_child"].astype(np.int64),
        missing_left=np.where(missing == 2, (kind & 2) > 0, as_zero) & ~member,  # noqa: PLR2004
        leaf=numbers["leaf_value"][:, None],
        output=output,
        members=_read_members(numbers, np.flatnonzero(member)),
    )


_FIELDS = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "leaf_value",
           "cat_boundaries", "cat_threshold")  # fmt: skip


def _numbers(words: str) -> NDArray[np.float64]:
    return np.array(words.split(), np.float64)


def _read_members(numbers: Mapping[str, NDArray[Any]], nodes: NDArray[Any]) -> dict[int, NDArray[np.float64]]:
    """Return the codes of each category node from its bits, 32 a word."""
    bounds, words = numbers["cat_boundaries"].astype(np.int64), numbers["cat_threshold"].astype(np.uint32)
    held = {}
    for node in nodes.tolist():
        place = int(numbers["threshold"][node])
        bits = np.unpackbits(words[bounds[place] : bounds[place + 1]].view(np.uint8), bitorder="little")
        held[node] = np.flatnonzero(bits).astype(np.float64)
    return held
