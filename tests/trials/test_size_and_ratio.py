"""How many units, how many days, and whether the arms got their shares: against statsmodels and by hand."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from mulle.core.errors import DataError, ProjectError
from mulle.trials.moments import Moments
from mulle.trials.power import detectable, duration, size, size_of_share
from mulle.trials.ratio_check import check_ratio, check_ratio_over, power_of_ratio
from mulle.trials.sequential import inflation

HALVES = {"champion": 0.5, "candidate": 0.5}
UNIT = Moments(n=0, mean=0.0, variance=1.0)


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize(
    ("effect", "share", "alpha", "power"), [(0.1, 0.5, 0.05, 0.8), (0.05, 0.2, 0.01, 0.9), (-0.3, 0.75, 0.1, 0.6)]
)
def test_sizes_are_statsmodels_sizes(sides, effect, share, alpha, power):
    from statsmodels.stats.power import NormalIndPower

    side = "two-sided" if sides == 2 else "larger"
    expected = NormalIndPower().solve_power(
        effect_size=abs(effect), alpha=alpha, power=power, ratio=share / (1 - share), alternative=side
    )
    found = size(UNIT, effect, share=share, alpha=alpha, power=power, sides=sides)
    assert found.n_control == pytest.approx(expected, abs=1)
    assert found.n_candidate / found.n_units == pytest.approx(share, abs=1e-2)


def test_a_share_of_ten_percent_needs_what_the_textbook_says_to_find_one_point():
    """By hand, with each arm's own variance: (1.96 + .8416)² (.1 · .9 + .11 · .89) / .01² = 14,749."""
    assert size_of_share(0.10, 0.01).n_control == 14_749


def test_looks_and_the_past_change_the_size_by_their_factors():
    plain = size(UNIT, 0.02).n_units
    assert size(UNIT, 0.02, n_looks=5).n_units / plain == pytest.approx(inflation(5), rel=1e-4)
    assert size(UNIT, 0.02, variance_left=0.4).n_units / plain == pytest.approx(0.4, rel=1e-3)


@given(st.floats(0.01, 2), st.floats(0.05, 0.95), st.floats(0.5, 0.99))
def test_what_a_size_can_detect_is_the_effect_it_was_made_for(effect, share, power):
    found = size(UNIT, effect, share=share, power=power)
    if found.n_units > 1000:
        assert detectable(UNIT, found.n_units, share=share, power=power) == pytest.approx(effect, rel=0.01)


@pytest.mark.parametrize(
    ("given_", "fix"),
    [
        ({"effect": 0.0}, "other than 0"),
        ({"effect": float("nan")}, "other than 0"),
        ({"effect": 1, "share": 1.0}, "between 0 and 1"),
    ],
)
def test_a_size_that_cannot_be_is_refused(given_, fix):
    with pytest.raises(ProjectError, match=fix):
        size(UNIT, **given_)
    with pytest.raises(DataError, match="two units"):
        size(Moments.of([1.0]), 1.0)
    with pytest.raises(ProjectError, match="within 0 and 1"):
        size_of_share(0.99, 0.02)


def test_days_are_counted_with_units_that_are_new_and_rounded_to_weeks():
    fading = [1000.0, 500.0, 250.0]
    assert duration(1700, fading, whole_weeks=False).days == 3
    assert duration(1700, fading).days == 7
    # after the third day the log's own days repeat: 1750, then 1000, 500, 250 …
    assert duration(2750, fading, whole_weeks=False).days == 4
    assert duration(700, [100.0] * 7).days == 7
    assert duration(701, [100.0] * 7).days == 14
    assert duration(700, [100.0] * 7, taking_part=0.5).days == 14


@given(st.integers(1, 10**6), st.lists(st.floats(0, 1e5), min_size=1, max_size=20).filter(lambda a: min(a) > 500))
def test_a_duration_is_the_first_whole_week_with_enough_units(n, arrivals):
    found = duration(n, arrivals)
    assert found.days % 7 == 0
    assert found.needed_days <= found.days < found.needed_days + 7
    assert found.n_expected >= n - 1


@pytest.mark.parametrize(
    ("arrivals", "fix"),
    [([], "0 or more"), ([-1.0], "0 or more"), ([0.0], "larger effect"), ([0.001], "more of the traffic")],
)
def test_a_trial_that_never_ends_is_refused(arrivals, fix):
    with pytest.raises(DataError, match=fix):
        duration(1000, arrivals)


@given(st.lists(st.integers(50, 5000), min_size=2, max_size=5), st.data())
def test_the_p_value_is_scipys(counts, data):
    raw = data.draw(st.lists(st.integers(20, 100), min_size=len(counts), max_size=len(counts)))
    shares = {str(i): r / sum(raw) for i, r in enumerate(raw)}
    found = check_ratio({str(i): c for i, c in enumerate(counts)}, shares)
    expected = chisquare(counts, np.array(list(shares.values())) * sum(counts)).pvalue
    assert found.p == pytest.approx(expected, rel=1e-6, abs=1e-300)
    assert not found.p < 0.001 or found.blocks


@pytest.mark.parametrize("shares", [HALVES, {"a": 0.99, "b": 0.01}, dict.fromkeys("abc", 1 / 3)])
@pytest.mark.parametrize("n", [1000, 30_000, 300_000])
def test_its_power_is_statsmodels(shares, n):
    from statsmodels.stats.power import GofChisquarePower

    planned = np.array(list(shares.values()))
    lost = planned.copy()
    i = int(planned.argmin())
    lost[i] *= 0.98
    lost[np.arange(len(planned)) != i] *= (1 - lost[i]) / (1 - planned[i])
    effect = sqrt(((lost - planned) ** 2 / planned).sum())
    expected = GofChisquarePower().power(effect, n, 0.001, n_bins=len(planned))
    assert power_of_ratio(n, shares) == pytest.approx(expected, abs=1e-6)


def test_a_wrong_ratio_blocks_and_says_so_and_a_right_one_says_what_it_could_miss():
    wrong = check_ratio({"champion": 50_000, "candidate": 48_000}, HALVES)
    assert wrong.blocks
    assert "no result can be trusted" in wrong.says
    right = check_ratio({"champion": 5050, "candidate": 4950}, HALVES)
    assert not right.blocks
    assert right.says.endswith("2 % fewer in the smallest arm would show with a chance of 10 %")


def test_too_few_units_are_no_pass():
    found = check_ratio({"champion": 300, "candidate": 3}, {"champion": 0.99, "candidate": 0.01})
    assert found.blocks
    assert "too few" in found.says
    assert check_ratio({"champion": 0, "candidate": 0}, HALVES).blocks


def test_an_arm_that_gets_nothing_is_noticed():
    assert check_ratio({"champion": 100, "candidate": 0}, HALVES).p < 1e-20


def test_the_always_valid_alarm_stays_once_it_was_raised():
    first = check_ratio({"champion": 60_000, "candidate": 50_000}, HALVES)
    later = check_ratio({"champion": 60_000, "candidate": 60_000}, HALVES, before=first.always_p)
    assert later.p == pytest.approx(1)
    assert later.blocks


def test_the_always_valid_test_raises_no_more_alarms_over_all_looks_than_promised():
    rng, n = np.random.default_rng(0), 400
    alarms = 0
    for _ in range(n):
        before = 1.0
        for counts in np.cumsum(rng.multinomial(5000, [0.5, 0.5], 20), axis=0):
            before = check_ratio(
                dict(zip(HALVES, counts.tolist(), strict=True)), HALVES, alpha=0.05, before=before
            ).always_p
        alarms += before < 0.05
    assert alarms / n <= 0.05 + 3 * sqrt(0.05 * 0.95 / n)


def test_an_arm_without_a_share_is_left_out_unless_it_got_units():
    assert check_ratio({"a": 500, "b": 500, "c": 0}, {"a": 0.5, "b": 0.5, "c": 0.0}).p == pytest.approx(1)
    with pytest.raises(DataError, match="every arm with a share"):
        check_ratio({"a": 500, "b": 500, "c": 1}, {"a": 0.5, "b": 0.5, "c": 0.0})
    with pytest.raises(DataError, match="0 where there are none"):
        check_ratio({"a": 500}, HALVES)
    with pytest.raises(DataError, match="a challenger"):
        check_ratio({"a": 500}, {"a": 1.0})


def batch(control, candidate, share):
    return {"champion": control, "candidate": candidate}, {"champion": round(1 - share, 4), "candidate": share}


@given(st.integers(200, 5000), st.integers(200, 5000), st.sampled_from([0.1, 0.25, 0.5, 0.9]))
def test_one_batch_is_checked_as_a_trial_of_fixed_shares(control, candidate, share):
    counts, shares = batch(control, candidate, share)
    one, other = check_ratio_over([(counts, shares)]), check_ratio(counts, shares)
    assert (one.p, one.always_p) == pytest.approx((other.p, other.always_p), rel=1e-6)
    assert (one.blocks, one.counts, one.power) == (other.blocks, other.counts, pytest.approx(other.power))


def test_shares_that_changed_on_the_way_are_no_wrong_ratio():
    found = check_ratio_over([batch(500, 500, 0.5), batch(100, 900, 0.9), batch(20, 980, 0.98)])
    assert not found.blocks
    assert found.expected == pytest.approx({"champion": 620.0, "candidate": 2380.0})


def test_units_that_one_arm_loses_in_each_batch_are_noticed_together():
    batches = [batch(500, 450, 0.5), batch(100, 810, 0.9), batch(50, 405, 0.9)]
    assert all(not check_ratio(*one).blocks for one in batches)
    assert check_ratio_over(batches * 3).blocks


@pytest.mark.slow
def test_alarms_over_batches_are_as_rare_as_promised_though_shares_follow_what_was_seen():
    alarms = []
    for seed in range(4000):
        rng, share, batches = np.random.default_rng(seed), 0.5, []
        for _ in range(5):
            k = int(rng.binomial(400, share))
            batches.append(batch(400 - k, k, share))
            share = 0.9 if k > 400 * share else 0.1  # whoever was lucky gets more
        alarms.append(check_ratio_over(batches, alpha=0.05).p < 0.05)
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.014)


@pytest.mark.parametrize("batches", [[], [({"a": 1, "b": 1, "c": 1}, {"a": 0.5, "b": 0.25, "c": 0.25})]])
def test_a_ratio_over_no_batch_or_of_three_arms_is_refused(batches):
    with pytest.raises(DataError, match="counts and shares of both"):
        check_ratio_over(batches)
