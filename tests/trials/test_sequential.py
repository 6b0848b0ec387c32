"""Boundaries against published tables; what is said on stopping against simulated trials."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from mulle.core.errors import DataError
from mulle.trials.effect import Effect
from mulle.trials.primaries import judge_all
from mulle.trials.sequential import Look, crossing, inflation, judge, looks, obrien_fleming, pocock, stagewise_p

FIFTHS = [0.2, 0.4, 0.6, 0.8, 1.0]


def evenly(bounds):
    return [Look(t=(i + 1) / len(bounds), bound=b, spent=0.0) for i, b in enumerate(bounds)]


def at(z, n, se=1.0):
    return Effect(value=z * se, se=se, base=0.0, n_units=n)


# Jennison, Turnbull, Group sequential methods, 2000, table 2.1 (Pocock) and table 2.3 (O'Brien-Fleming), α = .05
@pytest.mark.parametrize(("k", "c"), [(2, 2.178), (3, 2.289), (4, 2.361), (5, 2.413), (10, 2.555)])
def test_pococks_published_boundaries_are_crossed_in_five_of_a_hundred(k, c):
    assert 2 * sum(crossing(evenly([c] * k)).up) == pytest.approx(0.05, abs=1.5e-4)


@pytest.mark.parametrize(("k", "c"), [(2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040), (10, 2.087)])
def test_obrien_and_flemings_published_boundaries_are_crossed_in_five_of_a_hundred(k, c):
    found = crossing(evenly([c * sqrt(k / (i + 1)) for i in range(k)]))
    assert 2 * sum(found.up) == pytest.approx(0.05, abs=1.5e-4)
    assert found.up == pytest.approx(found.down)


# the same, tables 2.2 and 2.4: maximum sample size ratios for power .8
@pytest.mark.parametrize(
    ("k", "c", "factor"),
    [(2, 1.977, 1.008), (3, 2.004, 1.017), (4, 2.024, 1.024), (5, 2.040, 1.028), (10, 2.087, 1.040)],
)
def test_power_with_obrien_flemings_boundaries_is_the_published_one(k, c, factor):
    plan = evenly([c * sqrt(k / (i + 1)) for i in range(k)])
    drift = brentq(lambda d: sum(crossing(plan, d).up) - 0.8, 2, 4)
    assert (drift / (norm.ppf(0.975) + norm.ppf(0.8))) ** 2 == pytest.approx(factor, abs=1.5e-3)


@pytest.mark.parametrize(("k", "c", "factor"), [(2, 2.178, 1.110), (5, 2.413, 1.229)])
def test_power_with_pococks_boundaries_is_the_published_one(k, c, factor):
    drift = brentq(lambda d: sum(crossing(evenly([c] * k), d).up) - 0.8, 2, 4)
    assert (drift / (norm.ppf(0.975) + norm.ppf(0.8))) ** 2 == pytest.approx(factor, abs=1.5e-3)


def test_spending_gives_the_published_boundaries():
    """Reboussin, DeMets, Kim, Lan, Programs for computing group sequential boundaries, 2000; R's ldbounds, gsDesign."""
    found = [look.bound for look in looks(FIFTHS)]
    assert found == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)
    assert [look.bound for look in looks(FIFTHS, spend=pocock)] == pytest.approx(
        [2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=2e-4
    )
    thirds = looks([1 / 3, 2 / 3, 1], alpha=0.025, sides=1)
    assert [look.bound for look in thirds] == pytest.approx([3.7103, 2.5114, 1.9930], abs=2e-4)


def test_one_look_is_the_textbooks():
    assert looks([1.0])[0].bound == pytest.approx(norm.ppf(0.975), abs=1e-8)
    assert looks([1.0], sides=1)[0].bound == pytest.approx(norm.ppf(0.95), abs=1e-8)


times = st.lists(st.integers(1, 1000), min_size=1, max_size=12, unique=True).map(
    lambda v: [t / 1000 for t in sorted(v)]
)


@settings(max_examples=40, deadline=None)
@given(times, st.sampled_from([0.01, 0.05, 0.2]), st.sampled_from([obrien_fleming, pocock]))
def test_whenever_one_looks_no_more_is_spent_than_there_is(fractions, alpha, spend):
    plan = looks(fractions, alpha=alpha, spend=spend)
    spent = np.array([look.spent for look in plan])
    assert 2 * np.cumsum(crossing(plan).up) == pytest.approx(spent, abs=1e-7)
    assert (np.diff(spent) >= 0).all()
    assert spent[-1] <= alpha + 1e-12


def test_a_simulation_that_shares_no_code_crosses_as_often_as_the_recursion_says():
    rng = np.random.default_rng(3)
    t = np.array([0.1, 0.35, 0.5, 0.9, 1.0])
    plan, n = looks(t.tolist()), 200_000
    for drift in (0.0, 2.0):
        paths = np.cumsum(
            rng.normal(np.diff(t, prepend=0) * drift, np.sqrt(np.diff(t, prepend=0)), (n, 5)), axis=1
        ) / np.sqrt(t)
        out = np.abs(paths) >= [look.bound for look in plan]
        first = np.where(out.any(axis=1), out.argmax(axis=1), -1)
        found = crossing(plan, drift)
        for i in range(5):
            expected = found.up[i] + found.down[i]
            assert abs((first == i).mean() - expected) < 4.5 * sqrt(expected / n) + 1e-6


def test_nothing_is_left_after_the_last_planned_look():
    plan = looks([0.5, 1.0, 1.5])
    assert plan[2].bound == np.inf
    assert looks([0.5, 1.2])[1].spent == pytest.approx(0.05)


def test_a_trial_that_ends_early_for_another_reason_spends_what_is_left():
    assert looks([0.4, 0.7], final=True)[-1].spent == pytest.approx(0.05)
    assert looks([0.4, 0.7])[-1].spent < 0.03


def test_more_looks_cost_more_units_and_not_many():
    factors = [inflation(k) for k in (1, 2, 5, 10, 20)]
    assert factors[0] == pytest.approx(1, abs=1e-6)
    assert factors == sorted(factors)
    assert factors[-1] < 1.05


@pytest.mark.parametrize("fractions", [[0.5, 0.5], [0.0, 1.0], [0.7, 0.3], [float("nan")]])
def test_looks_that_do_not_rise_are_refused(fractions):
    with pytest.raises(DataError, match="larger than the one before"):
        looks(fractions)


def test_one_look_says_what_the_textbook_says():
    found = judge([at(2.3, 1000)], 1000)
    assert found.crossed == "better"
    assert found.p == pytest.approx(2 * norm.sf(2.3), rel=1e-4)
    assert (found.interval.low, found.interval.high) == pytest.approx((2.3 - 1.96, 2.3 + 1.96), abs=1e-3)
    assert found.estimate == pytest.approx(2.3, abs=1e-4)


def test_the_first_crossing_decides_and_later_looks_tell_how_large_the_effect_is():
    first = [at(1.0, 400), at(3.4, 800)]
    found = judge([*first, at(3.5, 1200, se=0.5)], 2000)
    assert (found.crossed, found.look, found.p) == ("better", 2, judge(first, 2000).p)
    assert (found.estimate, found.effect.n_units) == (1.75, 1200)
    half = found.plan[2].bound * 0.5
    assert (found.interval.low, found.interval.high) == pytest.approx((1.75 - half, 1.75 + half))
    assert found.says.endswith("; how large it is was seen at look 3")


def test_a_look_beyond_the_plan_has_no_interval_and_the_one_before_it_is_told():
    looked = [at(3.5, 1000), at(3.0, 2000, se=0.7), at(2.9, 2500, se=0.6)]
    assert judge(looked, 2000).estimate == pytest.approx(2.1)


def test_worse_is_the_mirror_of_better():
    up, down = judge([at(3.5, 800)], 2000), judge([at(-3.5, 800)], 2000)
    assert (up.crossed, down.crossed) == ("better", "worse")
    assert down.p == pytest.approx(up.p)
    assert down.interval.low == pytest.approx(-up.interval.high)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-3.5, 3.5), min_size=1, max_size=4))
def test_at_the_end_the_interval_leaves_zero_out_exactly_when_the_boundary_is_crossed(zs):
    n = 1000
    taken = [at(z, n * (i + 1) // len(zs)) for i, z in enumerate(zs)]
    found = judge(taken, n)
    assert found.over
    found = judge(taken[: found.look], n, final=True)
    assert (found.crossed == "better") == (found.interval.low > 0)
    assert (found.crossed == "worse") == (found.interval.high < 0)
    assert (found.crossed != "no") == (found.p < 0.05)
    assert found.interval.low <= found.estimate <= found.interval.high


def test_before_the_end_there_is_an_interval_for_all_looks_and_no_p():
    found = judge([at(2.0, 500)], 1000)
    assert not found.over
    assert np.isnan(found.p)
    assert found.interval.high - found.interval.low == pytest.approx(2 * found.bound)


def test_a_bar_moves_what_must_be_exceeded_and_not_the_interval():
    no_worse = judge([at(-1.0, 1000)], 1000, bar=-4.0)
    assert no_worse.crossed == "better"
    assert no_worse.interval.low == pytest.approx(-2.96, abs=1e-3)
    assert no_worse.estimate == pytest.approx(-1, abs=1e-4)


def test_a_look_without_an_error_is_refused():
    for effect in (at(0.0, 100, se=0.0), Effect(value=float("nan"), se=1.0, base=0, n_units=10)):
        with pytest.raises(DataError, match="units that differ"):
            judge([effect], 100)
    with pytest.raises(DataError, match="units that differ"):
        judge([], 100)
    with pytest.raises(DataError, match="plan the size"):
        judge([at(1.0, 100)], 0)
    with pytest.raises(DataError, match="larger than the one before"):
        judge([at(1.0, 100), at(1.0, 100)], 1000)


@pytest.mark.slow
def test_intervals_and_estimates_on_stopping_hold():
    rng, n, t = np.random.default_rng(5), 400, np.array(FIFTHS)
    plan = looks(FIFTHS)
    holds, above, later, far = [], [], [], []
    for _ in range(n):
        z = np.cumsum(rng.normal(np.diff(t, prepend=0) * 2.5, np.sqrt(np.diff(t, prepend=0)))) / np.sqrt(t)
        stop = next((i for i in range(5) if abs(z[i]) >= plan[i].bound), 4)
        # an effect of 2.5 of the standard errors that all units would have
        taken = [at(z[i], int(1000 * t[i]), se=1 / sqrt(t[i])) for i in range(5)]
        found, whole = judge(taken[: stop + 1], 1000), judge(taken, 1000)
        later.append(whole.interval.low <= 2.5 <= whole.interval.high)
        far.append(whole.estimate - 2.5)
        holds.append(found.interval.low <= 2.5 <= found.interval.high)
        above.append(found.estimate > 2.5)
    assert np.mean(holds) == pytest.approx(0.95, abs=4 * sqrt(0.05 * 0.95 / n))
    assert np.mean(above) == pytest.approx(0.5, abs=4 * 0.5 / sqrt(n))
    assert np.mean(later) >= 0.95 - 4 * sqrt(0.05 * 0.95 / n), "who looks on has an interval that holds at all looks"
    assert np.mean(far) == pytest.approx(0.0, abs=4 * np.std(far) / sqrt(n)), "and an estimate of all that was seen"


def test_the_stagewise_p_falls_with_the_statistic_and_is_one_with_none():
    plan = looks([0.5, 1.0])
    found = [stagewise_p(plan, z) for z in (-8, 0, 1, 2, 3)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(1 - crossing(plan).down[0], abs=1e-6)


def test_holm_over_one_look_is_statsmodels_holm():
    from statsmodels.stats import multitest

    rng = np.random.default_rng(1)
    for _ in range(4):  # statsmodels collects garbage in each call, which takes long in a large process
        z = rng.normal(1.5, 1.2, 4)
        expected = multitest.multipletests(2 * norm.sf(np.abs(z)), method="holm")[0]
        found = judge_all({str(i): [at(v, 100)] for i, v in enumerate(z)}, 100)
        assert [r.crossed != "no" for r in found.values()] == expected.tolist()


def test_two_metrics_in_one_trial_raise_no_more_alarms_than_one():
    rng, n = np.random.default_rng(2), 4000
    t = np.array([0.4, 0.7, 1.0])
    z = np.cumsum(rng.normal(0, np.sqrt(np.diff(t, prepend=0)), (n, 2, 3)), axis=2) / np.sqrt(t)
    bounds = [look.bound for look in looks(t.tolist(), alpha=0.025)]
    alarms = (np.abs(z) >= bounds).any(axis=(1, 2))
    assert alarms.mean() < 0.05 + 3 * sqrt(0.05 * 0.95 / n)
    for trial in (*np.flatnonzero(alarms)[:10], *np.flatnonzero(~alarms)[:10]):
        effects = {str(m): [at(v, int(1000 * s)) for v, s in zip(z[trial, m], t, strict=True)] for m in range(2)}
        found = judge_all(effects, 1000)
        assert any(r.crossed != "no" for r in found.values()) == alarms[trial]


def test_a_thousand_looks_are_as_exact_as_five_and_those_too_close_together_decide_nothing():
    plan = looks([(i + 1) / 1000 for i in range(1000)])
    counted = [look for look in plan if np.isfinite(look.bound)]
    assert 150 < len(counted) <= 200
    assert 2 * sum(crossing(plan).up) == pytest.approx(0.05, abs=1e-5)
    assert counted[-1].bound == pytest.approx(looks([(i + 1) / 200 for i in range(200)])[-1].bound, abs=1e-6)


def test_a_last_look_right_after_another_still_spends_the_rest():
    plan = looks([0.5, 0.99999, 1.0])
    assert plan[2].spent == pytest.approx(0.05)
    assert np.isinf(looks([0.5, 0.501])[1].bound)
    assert judge([at(0.1, 500), at(9.0, 501)], 1000).crossed == "no"
