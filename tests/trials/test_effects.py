"""Differences, ratios and CUPED: against statsmodels, and on data whose truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mulle.core.errors import DataError
from mulle.trials.cuped import cuped
from mulle.trials.delta import ratio, ratio_by_unit
from mulle.trials.effect import effect, relative_effect
from mulle.trials.moments import Moments, by_unit


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_difference_is_statsmodels_z_test_with_unequal_variances():
    from statsmodels.stats import weightstats

    a, b = rng().normal(5, 2, 300), rng(1).normal(5.3, 4, 500)
    compared = weightstats.CompareMeans.from_data(b, a)
    z, p = compared.ztest_ind(usevar="unequal")
    low, high = compared.zconfint_diff(usevar="unequal")
    found = effect(Moments.of(a), Moments.of(b))
    assert (found.z, found.p()) == pytest.approx((z, p))
    assert (found.interval().low, found.interval().high) == pytest.approx((low, high))


@given(st.integers(0, 200), st.integers(1, 200))
def test_a_share_has_the_moments_of_its_zeros_and_ones(n_yes, n):
    n_yes = min(n_yes, n)
    ones = Moments.of([1.0] * n_yes + [0.0] * (n - n_yes))
    found = Moments.share(n_yes, n)
    assert (found.n, found.mean) == (ones.n, pytest.approx(ones.mean))
    assert found.variance == pytest.approx(ones.variance, nan_ok=True)


def test_a_relative_effect_holds_the_truth_in_95_of_100():
    holds = []
    for seed in range(1000):
        draw = rng(seed)
        found = relative_effect(Moments.of(draw.exponential(2, 400)), Moments.of(draw.exponential(2.5, 400)))
        holds.append(abs(found.value - 0.25) <= 1.96 * found.se)
    assert np.mean(holds) == pytest.approx(0.95, abs=0.028)


def test_there_is_no_relative_effect_over_a_control_that_may_be_zero():
    found = relative_effect(Moments.of(rng().normal(size=100)), Moments.of(rng(1).normal(size=100)))
    assert np.isnan(found.value)
    assert not found.known


@pytest.mark.parametrize(("n", "known"), [(0, False), (1, False), (2, True)])
def test_arms_with_few_units_are_not_known(n, known):
    assert effect(Moments.of(rng().normal(size=n)), Moments.of(rng(1).normal(size=9))).known is known


def test_arms_without_spread_are_not_known():
    found = effect(Moments.share(0, 100), Moments.share(0, 100))
    assert not found.known
    assert found.z == 0
    assert effect(Moments.share(0, 10), Moments.share(10, 10)).z == np.inf


def test_a_metric_with_gaps_is_refused():
    with pytest.raises(DataError, match="for both arms alike"):
        Moments.of([1.0, np.nan])
    with pytest.raises(DataError, match="not events"):
        Moments.share(11, 10)


def test_rows_are_summed_by_unit():
    units, (a, b) = by_unit(np.array([5, 3, 5]), [1, 2, 3], [1, 1, 1])
    assert (units.tolist(), a.tolist(), b.tolist()) == ([3, 5], [2, 4], [1, 2])


def test_the_ratios_error_is_statsmodels_cluster_robust_error():
    """Deng, Lu, Qin, The equivalence of the delta method and the cluster-robust variance estimator, 2021."""
    from statsmodels.regression import linear_model as sm

    draw = rng(4)
    unit = draw.integers(0, 200, 3000)
    y = (draw.random(3000) < draw.beta(2, 5, 200)[unit]).astype(float)
    fit = sm.OLS(y, np.ones((3000, 1))).fit(cov_type="cluster", cov_kwds={"groups": unit, "use_correction": False})
    found = ratio_by_unit(unit, y, np.ones(3000))
    assert found.mean == pytest.approx(fit.params[0])
    n = found.n
    assert found.se == pytest.approx(fit.bse[0] * np.sqrt(n / (n - 1)), rel=1e-9)


@given(arrays(float, 20, elements=st.floats(0, 100)), st.floats(0.1, 50))
def test_a_ratio_by_a_constant_is_a_mean(y, c):
    found, mean = ratio(y, np.full(20, c)), Moments.of(y / c)
    assert found.mean == pytest.approx(mean.mean, abs=1e-9)
    assert found.variance == pytest.approx(mean.variance, rel=1e-6, abs=1e-9)


def test_ratios_that_cannot_be_are_refused_or_unknown():
    assert np.isnan(ratio([0.0, 0.0], [0.0, 0.0]).mean)
    with pytest.raises(DataError, match="for every unit"):
        ratio([1.0], [1.0, 2.0])
    with pytest.raises(DataError, match="0 or more"):
        ratio([1.0, 1.0], [1.0, -2.0])


def arms(n=2000, rho=0.7, lift=0.3, seed=0):
    draw = rng(seed)
    past = draw.normal(10, 3, (2, n))
    now = rho * (past - 10) / 3 + np.sqrt(1 - rho**2) * draw.normal(size=(2, n))
    return now[0], now[1] + lift, past[0], past[1]


def test_cuped_is_statsmodels_regression_on_arm_and_past():
    from statsmodels.regression import linear_model as sm

    a, b, x, z = arms()
    design = np.column_stack([np.ones(4000), np.repeat([0.0, 1.0], 2000), np.concatenate([x, z])])
    fit = sm.OLS(np.concatenate([a, b]), design).fit(cov_type="HC1")
    found = cuped(a, b, x, z)
    difference = effect(found.control, found.candidate)
    assert difference.value == pytest.approx(fit.params[1])
    assert found.theta[0] == pytest.approx(fit.params[2])
    assert difference.se == pytest.approx(fit.bse[1], rel=2e-3)


@pytest.mark.parametrize(("rho", "left"), [(0.0, 1.0), (0.5, 0.75), (0.9, 0.19)])
def test_what_cuped_leaves_is_one_less_the_squared_correlation(rho, left):
    found = cuped(*arms(20_000, rho))
    assert found.variance_left == pytest.approx(left, abs=0.02)
    assert found.candidate.mean - found.control.mean == pytest.approx(0.3, abs=0.03)


def test_units_without_a_past_stay_and_help_less():
    a, b, x, z = arms(20_000)
    full = cuped(a, b, x, z).variance_left
    x[::2], z[::2] = np.nan, np.nan
    half = cuped(a, b, x, z)
    assert half.control.n == 20_000
    assert full < half.variance_left < 0.8
    assert half.candidate.mean - half.control.mean == pytest.approx(0.3, abs=0.03)


def test_a_constant_or_empty_past_changes_nothing():
    a, b, _, _ = arms(50)
    for past in (np.ones(50), np.full(50, np.nan)):
        found = cuped(a, b, past, past)
        assert found.variance_left == pytest.approx(1)
        assert found.control.mean == pytest.approx(a.mean())


def test_several_columns_of_the_past_help_together():
    a, b, x, z = arms(20_000, rho=0.6)
    more = rng(9).normal(size=(2, 20_000))
    both = cuped(a + 0.5 * more[0], b + 0.5 * more[1], np.column_stack([x, more[0]]), np.column_stack([z, more[1]]))
    assert both.variance_left == pytest.approx(0.64 / 1.25, abs=0.02)


def test_a_past_of_other_units_is_refused():
    with pytest.raises(DataError, match="each unit"):
        cuped([1.0, 2.0], [1.0, 2.0], [1.0], [1.0, 2.0])
    with pytest.raises(DataError, match="more units"):
        cuped([1.0], [1.0, 2.0], [1.0], [1.0, 2.0])
