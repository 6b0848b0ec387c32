"""Figures hold the right numbers: checked against scikit-learn on real data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import average_precision_score, roc_auc_score

from mulle.tasks.binary import Binary
from mulle.tasks.curves import calibration_figure, sweep
from mulle.tasks.shares import share, wilson

ROWS = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from(np.linspace(0, 1, 9).tolist())), min_size=2)


@given(ROWS)
def test_areas_agree_with_scikit_learn_ties_included(rows):
    y, p = np.array(rows).T
    found = sweep(y, p)
    if 0 < y.sum() < len(y):
        assert found.roc_auc() == pytest.approx(roc_auc_score(y, p))
        assert found.average_precision() == pytest.approx(average_precision_score(y, p))
    elif not y.sum():
        assert np.isnan(found.average_precision())


def test_figures_of_a_real_table_say_their_numbers():
    x, y = load_breast_cancer(return_X_y=True)
    p = 1 / (1 + np.exp((x[:, 0] - 14.5) * 0.9))
    figures = {f.name: f for f in Binary().figures(y.astype(float), p[:, None], ["bad", "good"], (p > 0.5) * 1.0)}
    assert list(figures) == ["roc", "precision_recall", "calibration", "scores", "confusion"]
    assert share(roc_auc_score(y, p)) in figures["roc"].says
    assert figures["precision_recall"].marks[0].y[0] == pytest.approx(y.mean())
    assert "569 rows are decided rightly" in figures["confusion"].says


def test_rows_whose_target_is_not_known_are_left_out():
    y = np.array([0.0, 1.0, np.nan, 1.0, 0.0])
    p = np.array([0.1, 0.9, 0.5, 0.8, 0.2])[:, None]
    with_unknown = [f.to_json() for f in Binary().figures(y, p, ["no", "yes"])]
    without = [f.to_json() for f in Binary().figures(y[[0, 1, 3, 4]], p[[0, 1, 3, 4]], ["no", "yes"])]
    assert with_unknown == without


def test_calibrated_promises_lie_in_their_intervals():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    figure = calibration_figure((rng.random(20_000) < p).astype(float), p, "'yes'")
    assert len(figure.table.rows) == 10
    assert "in 0 of 10 groups" in figure.says or "in 1 of 10 groups" in figure.says


def test_equal_probabilities_are_one_group():
    figure = calibration_figure(np.array([0.0, 1.0] * 20), np.full(40, 0.3), "'yes'")
    assert len(figure.table.rows) == 1


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_holds_the_share_and_stays_within_0_and_1(n, part):
    hits = np.array([float(round(part * n))])
    low, high = wilson(hits, np.array([float(n)]))
    assert 0 <= low[0] <= hits[0] / n + 1e-12
    assert hits[0] / n - 1e-12 <= high[0] <= 1
