"""Expected cost: known solutions, bounds, words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.errors import DataError
from mulle.policies.base import Costs
from mulle.policies.money import Prices, curve, expected_cost, money_figure, ratio_figure, worth
from mulle.policies.threshold import Threshold
from mulle.testing import check_figure, decide

COSTS = Costs(false_positive=1.5, false_negative=20.0, currency="EUR")
ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from(np.linspace(0, 1, 9).tolist())),
    min_size=1,
    max_size=50,
)


def calibrated(n, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 4, n)
    return (rng.random(n) < p).astype(float), p[:, None]


@given(ROWS, st.floats(0, 1))
def test_the_curve_and_the_plain_sum_agree_and_the_best_threshold_is_best(rows, threshold):
    y, p = np.array(rows).T
    found = curve(y, p)
    cost = found.cost(Prices(false_positive=1.5, false_negative=20.0))
    plain = [expected_cost(y, p, float(t), COSTS) for t in found.threshold]
    assert cost == pytest.approx(plain)
    assert expected_cost(y, p, threshold, COSTS) >= cost.min() - 1e-9
    assert worth(y, p, float(found.threshold[cost.argmin()]), COSTS).saves_over_best >= -1e-9


@given(ROWS)
def test_a_weight_of_two_is_a_row_written_twice(rows):
    y, p = np.array(rows).T
    twice = expected_cost(np.append(y, y[0]), np.append(p, p[0]), 0.5, COSTS)
    weight = np.ones(len(y))
    weight[0] = 2
    assert expected_cost(y, p, 0.5, COSTS, weight=weight) == pytest.approx(twice)


def test_doing_nothing_costs_every_positive_and_acting_on_all_every_negative():
    found = worth(np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.9]), 0.5, COSTS)
    assert (found.policy, found.nothing, found.everything) == (0.0, 5000.0, 1125.0)
    assert found.saves_over_best == 1125.0
    assert "Against acting on every row the model saves 1,125 EUR" in found.says


def test_for_calibrated_probabilities_the_threshold_follows_from_the_costs():
    y, p = calibrated(20_000)
    chosen = Threshold().choose(y, p, COSTS)
    assert chosen.parameters["threshold"] == pytest.approx(1.5 / 21.5)
    assert chosen.facts["by"] == "closed form"
    assert chosen.facts["empirical"] == pytest.approx(1.5 / 21.5, abs=0.05)
    assert "0.070" in chosen.why


def test_for_badly_calibrated_ones_the_threshold_that_was_cheapest_is_taken():
    y, p = calibrated(20_000)
    chosen = Threshold().choose(y, np.sqrt(p), COSTS)
    assert chosen.facts["by"] == "empirical"
    assert chosen.parameters["threshold"] == pytest.approx(np.sqrt(1.5 / 21.5), abs=0.1)


@pytest.mark.parametrize(
    ("costs", "word"),
    [(Costs(), "costs.false_positive"), (Costs(false_positive=1.0), "costs.false_negative")],
)
def test_with_a_cost_unknown_it_is_said_that_money_did_not_choose(costs, word):
    y, p = calibrated(500)
    chosen = Threshold().choose(y, p, costs)
    assert chosen.why.startswith("NOT chosen by cost")
    assert word in chosen.why
    assert 0 < chosen.parameters["threshold"] < 1


def test_mistakes_that_cost_nothing_leave_one_half():
    chosen = Threshold().choose(*calibrated(50), Costs(false_positive=0.0, false_negative=0.0))
    assert chosen.parameters == {"threshold": 0.5}


@given(ROWS)
def test_the_graph_decides_what_the_costs_were_counted_for(rows):
    y, p = np.array(rows).T
    chosen = Threshold().choose(y, p[:, None], COSTS)
    decision = decide(Threshold(), {"score": p[:, None]}, chosen.parameters)
    assert np.array_equal(decision, (p >= chosen.parameters["threshold"]).astype(int))


def test_figures_of_money_say_their_numbers():
    y, p = calibrated(2000)
    known = money_figure(y, p, 0.07, COSTS)
    unknown = money_figure(y, p, 0.3, Costs())
    check_figure(known)
    check_figure(unknown)
    assert (known.name, unknown.name) == ("money", "money_by_ratio")
    assert "EUR" in known.y.label
    assert "not said yet" in unknown.says


def test_unknown_costs_are_refused_with_what_to_type():
    with pytest.raises(DataError, match=r"mulle set costs\.false_positive"):
        expected_cost(np.array([1.0]), np.array([0.5]), 0.5, Costs())


def test_no_known_row_is_refused():
    with pytest.raises(DataError, match="whose target is known"):
        curve(np.array([np.nan]), np.array([0.5]))


def test_words_for_thresholds_at_the_ends():
    says = Threshold().says
    assert says({"threshold": 0.0}, ["no", "yes"]) == "Every row is called 'yes'."
    assert "7.5 % or more" in says({"threshold": 0.075}, ["no", "yes"])
    assert "No row" in says({"threshold": 1.1}, ["no", "yes"])


def test_a_threshold_by_weighted_rows_is_that_of_rows_written_out_as_often():
    held = np.random.default_rng(7)
    p = held.random(600)
    y = (held.random(600) < p**2).astype(float)
    weight = held.integers(0, 4, 600).astype(float)
    often = np.repeat(np.arange(600), weight.astype(int))
    for costs in (COSTS, Costs()):
        ours = Threshold().choose(y, p[:, None], costs, weight)
        theirs = Threshold().choose(y[often], p[often][:, None], costs)
        assert ours.parameters["threshold"] == pytest.approx(theirs.parameters["threshold"], abs=0.01)
        plain = Threshold().choose(y, p[:, None], costs)
        assert plain.why != ours.why


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_ratios_are_told_in_plain_numbers(share):
    rng = np.random.default_rng(1)
    y = (rng.random(3000) < share).astype(float)
    says = ratio_figure(y, np.clip(0.7 * y + 0.3 * rng.random(3000), 0, 1)).says
    assert "e+0" not in says
    assert "at every ratio that is drawn, from 0.1 to 100" in says


def test_a_model_that_tells_nothing_is_worth_using_at_no_ratio():
    says = ratio_figure(np.array([0.0, 1.0]), np.array([0.5, 0.5])).says
    assert "At no ratio" in says
