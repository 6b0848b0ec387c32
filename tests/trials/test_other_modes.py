"""Thompson, interleaving and off-policy estimates: chances by drawing, estimates on data whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from mulle.core.errors import DataError, ProjectError
from mulle.trials.assign import Arms
from mulle.trials.interleave import Interleaved, preference, team_draft
from mulle.trials.moments import Moments
from mulle.trials.off_policy import off_policy
from mulle.trials.sequential import looks
from mulle.trials.thompson import BetaBelief, NormalBelief, batch_effect, believed, chances, standardised, thompson


def rng(seed=0):
    return np.random.default_rng(seed)


def test_chances_to_be_the_best_are_those_of_draws():
    beliefs = {"a": BetaBelief(yes=20, no=180), "b": BetaBelief(yes=25, no=170), "c": BetaBelief(yes=3, no=12)}
    drawn = np.stack([rng(i).beta(b.yes, b.no, 400_000) for i, b in enumerate(beliefs.values())])
    expected = np.bincount(drawn.argmax(axis=0), minlength=3) / 400_000
    assert list(chances(beliefs).values()) == pytest.approx(expected, abs=0.004)


def test_the_chance_of_one_normal_over_another_is_the_textbooks():
    from scipy.stats import norm

    found = chances({"a": NormalBelief(mean=1.0, sd=0.3), "b": NormalBelief(mean=1.4, sd=0.4)})
    assert found["b"] == pytest.approx(norm.cdf(0.4 / 0.5), abs=1e-3)


beliefs = st.dictionaries(
    st.text(min_size=1, max_size=4),
    st.builds(BetaBelief, yes=st.floats(1, 1e5), no=st.floats(1, 1e5)),
    min_size=2,
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(beliefs)
def test_shares_keep_the_floor_sum_to_one_and_make_arms(held):
    shares = thompson(held, floor=0.01)
    assert min(shares.values()) >= 0.01
    assert sum(shares.values()) == pytest.approx(1)
    assert Arms.of(shares).shares == pytest.approx(shares)


def test_equal_beliefs_get_equal_shares():
    assert thompson(dict.fromkeys("abcd", BetaBelief(yes=3, no=9))) == dict.fromkeys("abcd", 0.25)


def test_more_floor_than_there_is_is_refused():
    with pytest.raises(ProjectError, match="fewer arms"):
        thompson(dict.fromkeys("abc", BetaBelief()), floor=0.4)


def test_a_normal_belief_is_the_weighted_mean_and_needs_two_units():
    prior = NormalBelief(mean=0.0, sd=1.0)
    assert prior.after(Moments(n=1, mean=9.0, variance=float("nan"))) == prior
    assert prior.after(Moments(n=4, mean=2.0, variance=4.0)).mean == pytest.approx(1.0)


def test_one_batch_is_a_plain_difference_when_variances_are_equal():
    found = batch_effect([(Moments(n=50, mean=1.0, variance=4.0), Moments(n=200, mean=1.5, variance=4.0))])
    assert (found.value, found.se) == pytest.approx((0.5, np.sqrt(4 / 50 + 4 / 200)))


def test_batches_on_good_days_do_not_make_an_arm_better():
    bad = (Moments.share(90, 900), Moments.share(10, 100))
    good = (Moments.share(30, 100), Moments.share(270, 900))
    assert batch_effect([bad, good]).value == pytest.approx(0)


def test_a_batch_counts_by_its_units():
    """So that the statistic of a trial grows as one of a group-sequential trial does, whatever its batches are cut like."""
    batches = [
        (Moments(n=n, mean=0.0, variance=1.0), Moments(n=n, mean=gain, variance=1.0))
        for n, gain in ((100, 0.0), (900, 1.0))
    ]
    found = batch_effect(batches)
    assert found.z == pytest.approx(np.sqrt(0.9) * 1.0 / np.sqrt(2 / 900))


def test_one_batch_is_standardised_to_itself():
    arms = Moments.share(30, 100), Moments.of([1.0, 2.0, 5.0])
    assert standardised([arms]) == arms


def test_standardised_arms_met_the_same_days():
    draw = rng(3)
    days = [(500, 50, 0.0), (100, 700, 5.0), (30, 800, 9.0)]
    batches = [(Moments.of(draw.normal(day, 1, a)), Moments.of(draw.normal(day, 1, b))) for a, b, day in days]
    control, candidate = standardised(batches)
    assert candidate.mean - control.mean == pytest.approx(0.0, abs=0.3)
    assert control.variance == pytest.approx(1.0, abs=0.2)
    worth = sum(a * b / (a + b) for a, b, _ in days)
    assert 1 / control.n + 1 / candidate.n == pytest.approx(
        1 / worth, rel=0.01
    )  # the difference is as sure as its batches
    assert standardised([(Moments.share(0, 0), Moments.share(1, 5))])[0].n == 0


def test_an_arm_of_a_few_units_that_are_all_alike_is_not_certain():
    few, many = Moments(n=3, mean=0.0, variance=0.0), Moments(n=500, mean=1.0, variance=4.0)
    one, other = believed(few, many, yes_or_no=False)
    assert one.sd == pytest.approx(2 / np.sqrt(3))
    assert chances({"a": one, "b": other})["b"] < 0.85
    with pytest.raises(DataError, match="wait for feedback"):
        believed(few, Moments(n=9, mean=1.0, variance=0.0), yes_or_no=False)


@pytest.mark.slow
def test_looks_at_a_trial_by_thompson_find_what_is_not_there_as_seldom_as_they_say():
    wrong, plan = [], looks([0.2, 0.4, 0.6, 0.8, 1.0])
    for seed in range(2000):
        draw, chance, batches, z = rng(seed), 0.5, [], []
        for day in range(5):
            n_b, p = int(draw.binomial(6000, chance)), 0.02 * (1 + 0.05 * day)
            n = 6000 - n_b, n_b
            batches.append(tuple(Moments.share(int(draw.binomial(k, p)), k) for k in n))
            one, other = believed(*standardised(batches), yes_or_no=False)
            chance = thompson({"a": one, "b": other})["b"]
            z.append(batch_effect(batches).z)
        wrong.append(any(abs(one) >= look.bound for one, look in zip(z, plan, strict=True)))
    assert 0.035 < np.mean(wrong) < 0.065


@pytest.mark.slow
def test_intervals_by_batch_hold_where_thompson_chose_the_shares():
    holds = []
    for seed in range(200):
        draw, held, batches = rng(seed), {"a": BetaBelief(), "b": BetaBelief()}, []
        for day in range(8):
            n_b = int(draw.binomial(1000, thompson(held)["b"]))
            n, p = {"a": 1000 - n_b, "b": n_b}, 0.2 + 0.02 * day
            yes = {arm: int(draw.binomial(k, p)) for arm, k in n.items()}
            held = {arm: belief.after(yes[arm], n[arm]) for arm, belief in held.items()}
            batches.append((Moments.share(yes["a"], n["a"]), Moments.share(yes["b"], n["b"])))
        holds.append(abs(batch_effect(batches).z) < 1.96)
    assert np.mean(holds) == pytest.approx(0.95, abs=0.046)


def test_batches_that_say_nothing_are_left_out_or_refused():
    some, none = (Moments.share(5, 50), Moments.share(6, 50)), (Moments.share(0, 50), Moments.share(0, 0))
    assert batch_effect([some, none]) == batch_effect([some])
    assert batch_effect([some, (Moments.share(0, 50), Moments.share(0, 50))]) == batch_effect([some])
    with pytest.raises(DataError, match="raise the floor"):
        batch_effect([none])


rankings = st.lists(st.integers(0, 30), unique=True, max_size=12)


@given(rankings, rankings, st.integers(0, 15), st.text(max_size=5))
def test_a_draft_shows_each_item_once_and_each_team_brings_its_best(champion, candidate, n, query):
    found = team_draft(champion, candidate, n=n, salt="s", query=query)
    assert len(set(found.items)) == len(found.items) == min(n, len({*champion, *candidate}))
    assert found == team_draft(champion, candidate, n=n, salt="s", query=query)
    for i, (item, team) in enumerate(zip(found.items, found.teams, strict=True)):
        ranking = {"champion": champion, "candidate": candidate}[team]
        assert item == next(x for x in ranking if x not in found.items[:i])


@given(st.permutations(range(10)), st.permutations(range(10)), st.integers(0, 10**6))
def test_after_each_round_both_teams_have_brought_as_many(champion, candidate, query):
    teams = team_draft(champion, candidate, n=10, salt="s", query=query).teams
    assert all({*teams[i : i + 2]} == {"champion", "candidate"} for i in range(0, 10, 2))


def test_a_person_who_clicks_by_chance_prefers_neither():
    draw, points = rng(), []
    for query in range(3000):
        found = team_draft(list(range(10)), list(range(9, -1, -1)), n=5, salt="t", query=query)
        points.append(found.credit([found.items[min(draw.geometric(0.4) - 1, 4)]]))
    assert preference(points).p > 0.001
    assert abs(preference(points).value) < 0.03


def test_a_person_who_clicks_what_is_good_prefers_the_better_ranking():
    points = []
    for query in range(200):
        found = team_draft([5, 6, 7, 0, 1], [0, 1, 5, 6, 7], n=4, salt="t", query=query)
        points.append(found.credit({0, 1}))
    assert preference(points).value > 0.2
    assert preference(points).interval.low > 0


@given(st.integers(0, 80), st.integers(0, 80), st.integers(1, 20))
def test_the_preference_test_is_scipys_sign_test(wins, losses, ties):
    found = preference([1.0] * wins + [-1.0] * losses + [0.0] * ties)
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert found.p == pytest.approx(expected, abs=1e-9)
    assert found.interval.low <= found.value <= found.interval.high


def test_a_persons_queries_are_one_vote():
    points, units = np.array([1.0] * 50 + [-1.0] * 3), np.array([0] * 50 + [1, 2, 3])
    found = preference(points, units=units)
    assert (found.wins, found.losses) == (1, 3)


def test_no_query_is_refused_and_an_unshown_click_does_not_count():
    with pytest.raises(DataError, match="first queries"):
        preference([])
    assert Interleaved(items=("a",), teams=("candidate",)).credit({"z"}) == 0


def logged(n=4000, seed=0, clip=0.1):
    """Return what a log of two actions holds, the truth of acting on x alone, and a model that is a little off."""
    draw = rng(seed)
    x, base = draw.normal(size=n), draw.normal(size=n)
    chance = np.clip(1 / (1 + np.exp(-x)), clip, 1 - clip)
    action, wanted = draw.random(n) < chance, x < 0
    reward = 2 * base + action * (1 - 0.5 * x) + draw.normal(size=n)
    held = {
        "reward": reward,
        "propensity": np.where(action, chance, 1 - chance),
        "target": (action == wanted).astype(float),
        "predicted": 1.5 * base + 0.8 * action * (1 - 0.5 * x),
        "predicted_target": 1.5 * base + 0.8 * wanted * (1 - 0.5 * x),
    }
    return held, 0.5 * (1 + 0.5 * np.sqrt(2 / np.pi))


@pytest.mark.parametrize("method", ["ips", "snips", "doubly robust"])
def test_what_another_policy_earns_is_found_from_the_log(method):
    holds = []
    for seed in range(300):
        held, truth = logged(1500, seed)
        found = off_policy(**held, method=method)
        holds.append(found.interval.low <= truth <= found.interval.high)
    assert np.mean(holds) == pytest.approx(0.95, abs=0.045)


def test_a_model_makes_the_interval_narrower_and_a_wrong_one_leaves_it_right():
    held, truth = logged(20_000)
    plain, doubly = off_policy(**held, method="ips"), off_policy(**held, method="doubly robust")
    assert doubly.se < 0.8 * plain.se
    wrong = {**held, "predicted": np.full(20_000, 7.0), "predicted_target": np.full(20_000, 7.0)}
    assert off_policy(**wrong, method="doubly robust").value == pytest.approx(truth, abs=0.1)


def test_the_logs_own_policy_is_its_mean_reward():
    held, _ = logged()
    for method in ("ips", "snips"):
        found = off_policy(held["reward"], held["propensity"], held["propensity"], method=method)
        assert found.value == pytest.approx(held["reward"].mean())
        assert found.effective == pytest.approx(4000)


def test_a_constant_added_to_all_rewards_is_added_to_snips():
    held, _ = logged()
    args = held["propensity"], held["target"]
    assert off_policy(held["reward"] + 100, *args).value == pytest.approx(off_policy(held["reward"], *args).value + 100)


def test_the_bootstrap_agrees_with_the_normal():
    held, _ = logged()
    for method in ("ips", "snips", "doubly robust"):
        plain, drawn = (off_policy(**held, method=method, rng=draw).interval for draw in (None, rng(1)))
        assert drawn.high - drawn.low == pytest.approx(plain.high - plain.low, rel=0.12)


def test_a_small_effective_sample_is_refused_whatever_the_number_of_rows():
    n = 5000
    action = rng().random(n) < 0.01
    found = off_policy(rng(1).random(n), np.where(action, 0.01, 0.99), action, clip=1000)
    assert found.refused
    assert np.isnan(found.value)
    assert np.isnan(found.interval.low)
    assert found.effective < 100
    assert found.says.startswith("refused: the log is worth")


def test_propensities_that_are_not_true_are_refused():
    held, _ = logged()
    found = off_policy(held["reward"], np.full(4000, 0.9), held["target"])
    assert found.refused
    assert "propensities are wrong" in found.says


def test_rows_of_one_unit_do_not_count_as_many():
    held, _ = logged(1000)
    args = [held[name] for name in ("reward", "propensity", "target")]
    alone = off_policy(*args)
    copied = off_policy(*(np.repeat(a, 5) for a in args), units=np.repeat(np.arange(1000), 5))
    assert (copied.value, copied.effective) == pytest.approx((alone.value, alone.effective))
    assert copied.se == pytest.approx(alone.se, rel=1e-6)


def test_clipped_weights_are_counted():
    held, _ = logged(clip=0.01)
    found = off_policy(held["reward"], held["propensity"], held["target"], clip=2.0)
    assert 0 < found.clipped < 1
    assert "of weights cut at 2" in found.says


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"propensity": [0.0, 0.5]}, "above 0"),
        ({"propensity": [1.5, 0.5]}, "at most 1"),
        ({"target": [-0.1, 0.5]}, "above 0"),
        ({"reward": [np.nan, 1.0]}, "without an outcome"),
        ({"reward": [1.0]}, "for every row"),
        ({"method": "doubly robust"}, "take snips"),
        ({"method": "doubly robust", "predicted": [1.0], "predicted_target": [1.0, 2.0]}, "every row"),
    ],
)
def test_logs_that_cannot_be_are_refused(changes, fix):
    held = {"reward": [1.0, 2.0], "propensity": [0.5, 0.5], "target": [1.0, 0.0]}
    with pytest.raises(DataError, match=fix):
        off_policy(**{**held, **changes})
