"""What a family leaves scores as the library that trained it does, to the last digits, on every row."""

import json

import catboost  # ours is held against theirs
import lightgbm  # ours is held against theirs
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine  # ours is held against theirs
from sklearn.ensemble import ExtraTreesClassifier  # ours is held against theirs
from sklearn.linear_model import LogisticRegression, Ridge  # ours is held against theirs
from sklearn.preprocessing import StandardScaler  # ours is held against theirs

from mulle.core.errors import DataError
from mulle.core.loss import logistic, softmax, squared
from mulle.export.links import apply_link
from mulle.models import Column, Rows, Training, families
from mulle.models.catboost import read_model
from mulle.models.lightgbm import read_trees
from mulle.testing import kept, scores


def training(matrix, target, loss, *, valid=None, weight=None, levels=None, **more):
    columns = [Column(name=f"c{i}", feature=f"c{i}", n_levels=(levels or {}).get(i, 0)) for i in range(matrix.shape[1])]
    rows = Rows(matrix=matrix.astype(np.float32), target=target.astype(np.float64), weight=weight)
    rng = np.random.default_rng(1)
    return Training(rows=rows, valid=valid, columns=columns, loss=loss, rng=rng, **more)


@pytest.fixture(scope="module")
def mixed():
    """Make 3,000 rows: numbers with and without NaN, 40 codes, 5 codes, one constant."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(3000, 7)).astype(np.float32)
    matrix[:, 3], matrix[:, 4], matrix[:, 6] = rng.integers(0, 40, 3000), rng.integers(0, 5, 3000), 1.0
    matrix[rng.random(3000) < 0.2, 0] = np.nan
    target = (np.nan_to_num(matrix[:, 0], nan=1.0) > 0) ^ (matrix[:, 3] % 3 == 0) | (matrix[:, 4] == 2)
    return matrix, target.astype(np.float64)


def with_new_faults(matrix):
    """Return rows as serving may send them: NaN and codes where training had none, thresholds hit exactly."""
    matrix = matrix.copy()
    matrix[::7, 1] = np.nan
    matrix[::11, 3] = 39
    matrix[::13] = np.nan
    return matrix


@pytest.mark.parametrize("native", [True, False])
def test_lightgbm_is_exact_with_categories_and_missing_values(mixed, native):
    matrix, target = mixed
    levels = {3: 40, 4: 5} if native else None
    held = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 31, "min_data_per_group": 5},
        lightgbm.Dataset(matrix, target, categorical_feature=list(levels or []), params={"verbosity": -1}),
        60,
    )
    trees = read_trees(held.model_to_string(), 1)
    rows = with_new_faults(matrix)
    assert (trees.mode == 6).any() == native
    np.testing.assert_allclose(scores(trees, rows)[:, 0], held.predict(rows, raw_score=True), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("params", "says"),
    [({"linear_tree": True}, "linear_tree=false"), ({"zero_as_missing": True}, "without it"),
     ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "boosting=gbdt")],
)  # fmt: skip
def test_lightgbm_models_that_have_no_equal_here_are_refused(mixed, params, says):
    matrix, target = mixed
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, **params}
    held = lightgbm.train(settings, lightgbm.Dataset(matrix[:500], target[:500], params=dict(settings)), 3)
    with pytest.raises(DataError, match=says):
        read_trees(held.model_to_string(), 1)


@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
@pytest.mark.parametrize("loss", ["Logloss", "MultiClass", "RMSE"])
def test_catboost_is_exact_with_missing_values(mixed, tmp_path, nan_mode, loss):
    matrix, target = mixed
    held = catboost.CatBoost(
        {"loss_function": loss, "iterations": 40, "nan_mode": nan_mode, "thread_count": 1, "logging_level": "Silent",
         "allow_writing_files": False}
    )  # fmt: skip
    held.fit(matrix, (target + (matrix[:, 4] == 1)).astype(int) if loss == "MultiClass" else target)
    held.save_model(str(tmp_path / "model.json"), format="json")
    trees = read_model(json.loads((tmp_path / "model.json").read_text()))
    rows = with_new_faults(matrix)
    rows[:, 1:] = np.nan_to_num(rows[:, 1:])  # CatBoost refuses NaN in a column that had none
    wanted = held.predict(rows, prediction_type="RawFormulaVal").reshape(len(rows), -1)
    np.testing.assert_allclose(scores(trees, rows), wanted, rtol=0, atol=1e-12)


def test_extra_trees_are_a_forest_of_scikit_learns():
    matrix, target = load_breast_cancer(return_X_y=True)
    matrix = matrix.astype(np.float32)
    held = training(matrix, target, logistic())
    seed = int(np.random.default_rng(1).integers(2**31 - 1))
    fitted = families.get("extra_trees").fit(held, {"iterations": 30, "min_samples_leaf": 2, "max_features": 0.5})
    forest = ExtraTreesClassifier(30, min_samples_leaf=2, max_features=0.5, random_state=seed).fit(matrix, target)
    np.testing.assert_allclose(
        scores(fitted.scorer, matrix)[:, 0], forest.predict_proba(matrix)[:, 1], rtol=0, atol=1e-12
    )


def test_extra_trees_take_missing_values_where_scikit_learn_does(mixed):
    matrix, target = mixed
    fitted = families.get("extra_trees").fit(training(matrix, target, logistic()), {"iterations": 10})
    seed = int(np.random.default_rng(1).integers(2**31 - 1))
    forest = ExtraTreesClassifier(10, min_samples_leaf=2, max_features=0.5, random_state=seed).fit(matrix, target)
    np.testing.assert_allclose(
        scores(fitted.scorer, matrix)[:, 0], forest.predict_proba(matrix)[:, 1], rtol=0, atol=1e-12
    )


def test_linear_models_at_one_strength_are_scikit_learns():
    matrix, target = load_wine(return_X_y=True)
    scaled = StandardScaler().fit_transform(matrix)
    fitted = families.get("linear").fit(training(matrix, target, softmax(3)), {"c": 0.1})
    model = LogisticRegression(C=0.1, max_iter=5000, tol=1e-8).fit(scaled, target)
    got = apply_link(scores(fitted.scorer, matrix), softmax(3))
    np.testing.assert_allclose(got, model.predict_proba(scaled), rtol=0, atol=1e-3)


def test_linear_regression_at_one_strength_is_ridge():
    matrix, target = load_diabetes(return_X_y=True)
    scaled = StandardScaler().fit_transform(matrix).astype(np.float32)
    fitted = families.get("linear").fit(training(matrix, target, squared()), {"c": 0.1})
    wanted = Ridge(alpha=10.0).fit(scaled, target).predict(scaled)
    np.testing.assert_allclose(scores(fitted.scorer, matrix)[:, 0], wanted, rtol=0.01, atol=0.3)


@pytest.mark.parametrize("name", ["linear", "network"])
def test_smooth_families_read_handwritten_digits(name):
    matrix, target = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(target))
    train, test = order[:1400], order[1400:]
    valid = Rows(matrix=matrix[test].astype(np.float32), target=target[test].astype(np.float64))
    fitted = families.get(name).fit(training(matrix[train], target[train], softmax(10), valid=valid), {})
    right = apply_link(scores(kept(fitted), valid.matrix), softmax(10)).argmax(axis=1) == target[test]
    assert right.mean() >= 0.95


@pytest.mark.parametrize(("loss", "n_outputs"), [(logistic(), 2), (softmax(3), 3), (squared(), 0)])
@pytest.mark.parametrize("name", ["catboost", "lightgbm"])
def test_boosting_cut_after_n_iterations_is_boosting_of_n_iterations(mixed, name, loss, n_outputs):
    matrix, yes = mixed
    target = np.where(matrix[:, 4] == 1, n_outputs - 1, yes) if n_outputs else matrix[:, 1] + yes
    valid = Rows(matrix=matrix[800:1200], target=target[800:1200].astype(np.float64))
    held = {"levels": {3: 40, 4: 5} if name == "lightgbm" else None}
    path = families.get(name).fit(training(matrix[:800], target[:800], loss, valid=valid, **held), {"iterations": 60})
    assert len(path.scorer.cuts) == len(path.valid_curve) > 10
    rows = with_new_faults(matrix)[1200:2000]
    for n in (1, 7, len(path.valid_curve)):
        alone = families.get(name).fit(training(matrix[:800], target[:800], loss, **held), {"iterations": n})
        cut = path.scorer.first(n)
        assert cut.n_trees == alone.scorer.n_trees
        np.testing.assert_allclose(scores(cut, rows), scores(alone.scorer, rows), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "network", "linear"])
def test_with_validation_rows_a_fit_goes_on_past_its_best_and_keeps_it_all(name):
    rng = np.random.default_rng(3)
    matrix, target = rng.normal(size=(200, 8)).astype(np.float32), (rng.random(200) < 0.5).astype(np.float64)
    valid = Rows(matrix=matrix[120:], target=target[120:])
    path = families.get(name).fit(training(matrix[:120], target[:120], logistic(), valid=valid), {})
    assert path.iterations < len(path.valid_curve) == path.scorer.cuts[-1]
    assert not np.array_equal(scores(path.scorer, matrix), scores(kept(path), matrix))


def test_a_first_iteration_without_a_split_is_counted():
    """Random thresholds may find no split at first; LightGBM keeps a tree of one leaf for it."""
    rng = np.random.default_rng(0)
    matrix = np.zeros((60, 2), np.float32)
    matrix[:3, 0] = 1.0
    target = np.where(matrix[:, 0] > 0, 1.0, rng.random(60) < 0.3)
    valid = Rows(matrix=matrix, target=target)
    params = {"extra_trees": True, "feature_fraction": 0.5, "min_data_in_leaf": 3, "iterations": 40}
    path = families.get("lightgbm").fit(training(matrix, target, logistic(), valid=valid), params)
    ends = path.scorer.first(10**6)
    np.testing.assert_array_equal(scores(ends, matrix), scores(path.scorer, matrix))
    assert len(path.scorer.cuts) == len(path.valid_curve)


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "network", "extra_trees"])
def test_a_fit_without_time_left_gives_the_least_there_is_and_says_so(name):
    matrix, target = load_diabetes(return_X_y=True)
    fitted = families.get(name).fit(training(matrix, target, squared(), seconds=0.0), {})
    assert fitted.stopped == "time"
    assert fitted.iterations == 1
