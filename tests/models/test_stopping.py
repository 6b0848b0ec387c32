"""Where a fit is cut: a curve that says nothing has no say."""

from __future__ import annotations

import math

import pytest

from mulle.models.stopping import best_iteration, mean_curve

NAN = math.nan
GOOD = [4.0, 2.0, 3.0]


def test_a_curve_that_is_no_number_has_no_say():
    assert best_iteration([GOOD, [NAN] * 3], [1.0, 5.0], cuts=range(1, 4), reached=3) == 2
    assert mean_curve([GOOD, [NAN, 1.0, 1.0]]) == [4.0, 1.5, 2.0]


def test_a_curve_of_weight_0_has_no_say():
    assert mean_curve([GOOD, [NAN] * 3], [1.0, 0.0]) == GOOD
    assert mean_curve([GOOD, [9.0, 9.0, 9.0]], [2.0, 0.0]) == GOOD


def test_a_fit_that_diverged_is_not_cut_behind_where_it_did():
    assert best_iteration([[2.0, math.inf, math.inf], [3.0, 2.5, 0.1]], cuts=range(1, 4), reached=3) == 1


@pytest.mark.parametrize("weights", [None, [0.0, 0.0]])
def test_where_no_curve_is_a_number_there_is_nothing_to_choose(weights):
    curves = [[NAN, NAN], [NAN]] if weights is None else [GOOD, GOOD]
    assert best_iteration(curves, weights, cuts=range(1, 3), reached=2) == 0
