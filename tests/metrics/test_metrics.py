"""Every metric against scikit-learn, and what holds for all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference  # what we are held against

from mulle.metrics import metrics


def rows(task, seed, n, *, ties):
    rng = np.random.default_rng(seed)
    if task == "regression":
        target = rng.normal(3, 2, n).round(1)
        prediction = (target + rng.normal(0, 1, n)).round(1 if ties else 9)[:, None]
    elif task == "binary":
        target = (rng.random(n) < 0.4).astype(float)
        target[:2] = [0, 1]
        score = 1 / (1 + np.exp(-(target - 0.5 + rng.normal(0, 1, n))))
        prediction = score.round(1 if ties else 9)[:, None]
    else:
        target = rng.integers(0, 3, n).astype(float)
        target[:3] = [0, 1, 2]
        raw = rng.random((n, 3)).round(1 if ties else 9) + 0.05 + np.eye(3)[target.astype(int)] * 0.3
        prediction = raw / raw.sum(axis=1, keepdims=True)
    return target, prediction


def called(p):
    return (p[:, 0] >= 0.5).astype(float) if p.shape[1] == 1 else p.argmax(axis=1)


def on_calls(function, **options):
    return lambda y, p, w: function(y, called(p), sample_weight=w, **options)


def on_scores(function, **options):
    return lambda y, p, w: function(y, p[:, 0] if p.shape[1] == 1 else p, sample_weight=w, **options)


def pearson_of_ranks(y, p, w):
    from scipy.stats import spearmanr

    n = w.astype(int)
    return spearmanr(np.repeat(y, n), np.repeat(p[:, 0], n)).statistic


REFERENCE = {
    ("binary", "roc_auc"): on_scores(reference.roc_auc_score),
    ("binary", "average_precision"): on_scores(reference.average_precision_score),
    ("binary", "log_loss"): on_scores(reference.log_loss),
    ("binary", "brier"): on_scores(reference.brier_score_loss),
    ("binary", "accuracy"): on_calls(reference.accuracy_score),
    ("binary", "balanced_accuracy"): on_calls(reference.balanced_accuracy_score),
    ("binary", "f1"): on_calls(reference.f1_score, zero_division=0),
    ("binary", "precision"): on_calls(reference.precision_score, zero_division=0),
    ("binary", "recall"): on_calls(reference.recall_score),
    ("binary", "mcc"): on_calls(reference.matthews_corrcoef),
    ("multiclass", "log_loss"): on_scores(reference.log_loss, labels=[0, 1, 2]),
    ("multiclass", "accuracy"): on_calls(reference.accuracy_score),
    ("multiclass", "balanced_accuracy"): on_calls(reference.balanced_accuracy_score),
    ("multiclass", "macro_f1"): on_calls(reference.f1_score, average="macro"),
    ("multiclass", "mcc"): on_calls(reference.matthews_corrcoef),
    ("multiclass", "roc_auc_ovr"): on_scores(reference.roc_auc_score, multi_class="ovr"),
    ("regression", "rmse"): on_scores(reference.root_mean_squared_error),
    ("regression", "mae"): on_scores(reference.mean_absolute_error),
    ("regression", "mape"): on_scores(reference.mean_absolute_percentage_error),
    ("regression", "r2"): on_scores(reference.r2_score),
    ("regression", "median_absolute_error"): None,
    ("regression", "spearman"): pearson_of_ranks,
    ("binary", "calibration_error"): None,
}
EVERY = sorted(REFERENCE)
sizes = st.integers(5, 80)
seeds = st.integers(0, 10_000)


def test_every_registered_metric_is_tested_here_for_every_task_it_serves():
    assert {(task, m.name) for m in metrics for task in m.tasks} == set(REFERENCE)


@pytest.mark.parametrize(("task", "name"), [key for key in EVERY if REFERENCE[key]])
@settings(max_examples=20, deadline=None)
@given(seed=seeds, n=sizes, ties=st.booleans())
def test_a_metric_agrees_with_scikit_learn_under_weights(task, name, seed, n, ties):
    target, prediction = rows(task, seed, n, ties=ties)
    weight = np.random.default_rng(seed + 1).integers(1, 4, n).astype(float)
    expected = REFERENCE[task, name](target, prediction, weight)
    assert metrics.get(name)(target, prediction, weight) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("task", "name"), EVERY)
@settings(max_examples=15, deadline=None)
@given(seed=seeds, n=sizes, ties=st.booleans())
def test_a_weight_counts_as_repetition_and_the_order_of_rows_does_not_matter(task, name, seed, n, ties):
    target, prediction = rows(task, seed, n, ties=ties)
    rng = np.random.default_rng(seed + 2)
    weight = rng.integers(1 if name == "calibration_error" else 0, 4, n)
    found = metrics.get(name)(target, prediction, weight.astype(float))
    order = rng.permutation(n)
    moved = metrics.get(name)(target[order], prediction[order], weight[order].astype(float))
    assert moved == pytest.approx(found, rel=1e-9, abs=1e-9, nan_ok=True)
    if name != "calibration_error":  # its bins are those of the rows before they are repeated
        again = metrics.get(name)(np.repeat(target, weight), np.repeat(prediction, weight, axis=0))
        assert again == pytest.approx(found, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("task", "name"), EVERY)
@settings(max_examples=15, deadline=None)
@given(seed=seeds, n=sizes)
def test_perfect_predictions_have_the_best_value_and_nothing_beats_them(task, name, seed, n):
    target, prediction = rows(task, seed, n, ties=False)
    one = metrics.get(name)
    perfect = np.eye(3)[target.astype(int)] if task == "multiclass" else target[:, None]
    assert one(target, perfect) == pytest.approx(one.best, rel=1e-9, abs=1e-9)
    assert one.gain(one(target, prediction), one.best) <= 1e-9
    assert one.error(one(target, prediction)) >= 0


@pytest.mark.parametrize("name", ["roc_auc", "recall", "average_precision"])
def test_a_metric_without_a_value_says_nan(name):
    assert np.isnan(metrics.get(name)(np.zeros(3), np.array([[0.1], [0.2], [0.3]])))


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_rows_that_all_weigh_nothing_have_no_value(task, name):
    target, prediction = rows(task, 0, 20, ties=False)
    assert np.isnan(metrics.get(name)(target, prediction, np.zeros(20)))


def test_the_median_error_is_numpys():
    target, prediction = rows("regression", 1, 50, ties=False)
    expected = np.median(np.abs(target - prediction[:, 0]))
    assert metrics.get("median_absolute_error")(target, prediction) == pytest.approx(expected)


def test_calibration_error_sees_probabilities_that_are_off_by_a_tenth():
    rng = np.random.default_rng(0)
    p = rng.random(200_000) * 0.8
    target = (rng.random(200_000) < p).astype(float)
    error = metrics.get("calibration_error")
    assert error(target, p[:, None]) < 0.006
    assert error(target, p[:, None] + 0.1) == pytest.approx(0.1, abs=0.006)


def test_r2_of_huge_numbers_is_not_lost_in_rounding():
    target = 1e9 + np.array([1.0, 2.0, 3.0, 4.0])
    assert metrics.get("r2")(target, target[:, None] + 0.1) == pytest.approx(1 - 0.04 / 5, abs=1e-6)


def test_two_outputs_for_a_metric_of_one_are_refused():
    with pytest.raises(ValueError, match="one output a row"):
        metrics.get("roc_auc")(np.zeros(3), np.zeros((3, 2)))
