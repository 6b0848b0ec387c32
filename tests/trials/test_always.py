"""Guardrails: right at every look together, and never sure of what was not seen."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.trials.always import always_interval, guard, missing, reach
from mulle.trials.effect import Effect
from mulle.trials.moments import Moments


def share_ever_crossing(sides, alpha, n_trials=3000):
    """Return in how many random walks the statistic ever lies beyond the sequence, looked at 400 times from 50 to 100,000."""
    rng = np.random.default_rng(sides)
    n = np.unique(np.geomspace(50, 100_000, 400).astype(int))
    z = np.cumsum(rng.normal(0, np.sqrt(np.diff(n, prepend=0)), (n_trials, len(n))), axis=1) / np.sqrt(n)
    bounds = np.array([reach(int(k), alpha=alpha, sides=sides) for k in n])
    return ((np.abs(z) if sides == 2 else z) >= bounds).any(axis=1).mean()


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_truth_is_left_out_at_any_of_many_looks_no_more_often_than_promised(sides, alpha):
    found = share_ever_crossing(sides, alpha)
    assert found <= alpha + 3 * sqrt(alpha / 3000)
    # and the promise is not kept by being useless
    assert found > alpha / 5


@pytest.mark.parametrize("n", [500, 5000, 50_000])
def test_it_is_narrowest_where_it_was_tuned(n):
    at = reach(n, tuned=n)
    assert all(at <= reach(n, tuned=round(n * factor)) * 1.001 for factor in (0.1, 0.5, 2, 10))


@given(st.integers(2000, 10**7), st.sampled_from([0.01, 0.05, 0.1]))
def test_one_side_reaches_less_than_two_and_both_more_than_a_single_look(n, alpha):
    assert 1.28 < reach(n, alpha=alpha, sides=1) < reach(n, alpha=alpha)


@given(st.integers(100, 10**6))
def test_the_interval_shrinks_as_units_come(n):
    widths = [
        (i := always_interval(Effect(value=0, se=1 / sqrt(k), base=0, n_units=k))).high - i.low for k in (n, 2 * n)
    ]
    assert widths[1] < widths[0]


def errors(control, candidate, **changes):
    held = {"margin": 0.01, "greater_is_better": False, **changes}
    return guard("errors", Moments.share(*control), Moments.share(*candidate), **held)


def test_many_errors_are_a_breach_and_few_are_safe():
    assert errors((990, 99_000), (100, 1000)).state == "breached"
    assert errors((990, 99_000), (500, 50_000)).state == "safe"
    assert errors((990, 99_000), (12, 1000)).state == "open"


def test_no_error_among_few_is_not_safe():
    """The candidate's own variance is 0: alone it would be sure of a rate of 0."""
    found = errors((200, 9900), (0, 100))
    assert found.state == "open"
    assert found.more_units > 0


def test_nothing_seen_at_all_is_open_and_nothing_measured_is_missing():
    assert errors((0, 1000), (0, 1000)).state == "open"
    assert errors((0, 1000), (0, 0)).state == "missing"
    assert missing("errors", 0.1).state == "missing"


def test_a_handful_of_units_decides_nothing():
    found = errors((10, 1000), (20, 20))
    assert found.state == "open"
    assert found.says.endswith("too few units")


def test_the_direction_of_the_metric_counts():
    low, high = Moments.share(4000, 10_000), Moments.share(6000, 10_000)
    assert guard("kept", high, low, margin=0.05, greater_is_better=True).state == "breached"
    assert guard("kept", low, high, margin=0.05, greater_is_better=True).state == "safe"
    assert guard("lost", low, high, margin=0.05, greater_is_better=False).state == "breached"


def test_more_guardrails_ask_for_more_before_a_breach_and_for_the_same_before_they_are_safe():
    one, ten = errors((990, 99_000), (40, 1000)), errors((990, 99_000), (40, 1000), n_guardrails=10)
    assert ten.interval.low < one.interval.low
    assert ten.interval.high == one.interval.high


def test_the_units_that_would_decide_do_decide():
    found = errors((8, 800), (8, 800))
    assert found.state == "open"
    more = (1600 + found.more_units) / 1600
    n = round(800 * more)
    assert errors((round(n / 100), n), (round(n / 100), n)).state == "safe"
    n = round(800 * 0.85 * more)
    assert errors((round(n / 100), n), (round(n / 100), n)).state == "open"


def test_where_no_unit_differs_a_candidate_beyond_the_margin_is_breached():
    def found(control, candidate, n=200):
        arms = [Moments(n=n, mean=mean, variance=0.0) for mean in (control, candidate)]
        return guard("errors", *arms, margin=0.01, greater_is_better=False).state

    assert found(0.0, 1.0) == "breached"
    assert found(0.0, 0.0) == "open"
    assert found(0.0, 1.0, n=20) == "open"
