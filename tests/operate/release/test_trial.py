"""Trials from a log: planned, looked at when a look is due, ruled by what was fixed when they began."""

from __future__ import annotations

import numpy as np
import pytest

from mulle.core.check import Status
from mulle.core.project import ReleasePart
from mulle.operate.release.criteria import Criteria
from mulle.operate.release.online import CANDIDATE, CONTROL, OnlineLog
from mulle.operate.release.state import Refused, after, stand
from mulle.operate.release.trial import again, look, planned, progress

from .people import BEGAN, DAY_S, challenger  # noqa: TID252  # tests have no package to be named by

ARMS = (CONTROL, CANDIDATE)


def page(**changes):
    return ReleasePart.model_validate({"smallest_effect": 0.1, "whole_weeks": False, "looks": 2, **changes})


def under_way(page, n_units, **changes):
    design = {"criteria": Criteria.of(page, "EUR").as_json(), "n_units": n_units, "looks": page.looks}
    return challenger(design=design, **changes)


def revenue(people, held, n, gain, *, rng, at=BEGAN + 1.0, past=None, name="value__revenue"):
    """Half of n units an arm buy, for 10 on average; the candidate's for more. Who buys nothing sends nothing."""
    for arm, extra in zip(ARMS, (0.0, gain), strict=True):
        for i in range(n):
            usual = 0.0 if past is None else past[arm, i]
            buys = rng.random() < 0.5
            amount = float(max(10.0 + usual + extra + rng.normal(), 0.0))
            people.ask(f"{arm}{i}", arm, at=at, trial=held.trial, **({name: amount} if buys else {}))


def judged(people, held, page, *, days=1.0):
    return look(OnlineLog(people.write()), held, Criteria.of(page, "EUR"), at=BEGAN + days * DAY_S)


def test_a_value_is_a_sum_for_each_exposed_unit(people):
    wanted = page(online_metric="value:revenue", worth=2.0)
    held = under_way(wanted, 800)
    revenue(people, held, 400, 4.0, rng=np.random.default_rng(1))
    found, told = judged(people, held, wanted)
    assert found["n_units"] == 800
    assert found["metrics"]["value:revenue"]["base"] == pytest.approx(5.0, abs=0.6)
    assert found["metrics"]["value:revenue"]["value"] == pytest.approx(2.0, abs=0.8)
    assert told.ruling.decision == "promote"
    assert str(told.ruling.money["value:revenue"]).split(" (")[0].endswith("EUR per 1,000 units")


def test_a_mean_over_answers_is_told_and_paid_by_answers(people):
    wanted = page(online_metric="correct", worth=2.0)
    held = under_way(wanted, 800)
    for arm, every in zip(ARMS, (2, 5), strict=True):
        for i in range(400):
            people.ask(f"{arm}{i}", arm, trial=held.trial, outcome="no" if i % every == 0 else "yes")
    _, told = judged(people, held, wanted)
    assert told.ruling.money["correct"].per == "answered predictions"
    assert "for one answered prediction" in next(c.says for c in told.checks if c.name == "release.primary.correct")


def test_where_less_is_better_less_wins_and_words_show_what_was_measured(people):
    wanted = page(online_metric="value:returns", better="lower", worth=3.0)
    held = under_way(wanted, 800)
    revenue(people, held, 400, -4.0, rng=np.random.default_rng(2), name="value__returns")
    found, told = judged(people, held, wanted)
    assert found["metrics"]["value:returns"]["value"] < -1.0
    assert told.ruling.decision == "promote"
    assert told.ruling.money["value:returns"].value > 3000.0
    says = next(c.says for c in told.checks if c.name.startswith("release.primary"))
    assert says.startswith("value:returns: -")
    assert "lower is better" in says


def test_a_ratio_of_two_values_is_one_of_sums(people):
    wanted = page(online_metric="value:clicks / value:views")
    held = under_way(wanted, 600)
    rng = np.random.default_rng(3)
    for arm, rate in zip(ARMS, (0.2, 0.4), strict=True):
        for i in range(300):
            views = int(rng.integers(1, 30))
            clicks = float(rng.binomial(views, rate))
            people.ask(f"{arm}{i}", arm, trial=held.trial, value__clicks=clicks, value__views=float(views))
    found, told = judged(people, held, wanted)
    assert found["metrics"]["value:clicks / value:views"]["base"] == pytest.approx(0.2, abs=0.02)
    assert told.ruling.decision == "promote"


def test_what_was_known_before_the_trial_is_taken_out_of_its_variance(people):
    wanted = page(online_metric="value:revenue")
    held = under_way(wanted, 600)
    rng = np.random.default_rng(4)
    past = {(arm, i): float(rng.normal(scale=8.0)) for arm in ARMS for i in range(300)}
    for (arm, i), usual in past.items():
        people.ask(f"{arm}{i}", at=BEGAN - 9 * DAY_S, value__revenue=20.0 + usual)
    for arm in ARMS:
        for i in range(300):
            amount = 20.0 + past[arm, i] + float(rng.normal()) + (0.5 if arm == CANDIDATE else 0.0)
            people.ask(f"{arm}{i}", arm, trial=held.trial, value__revenue=amount)
    found, told = judged(people, held, wanted)
    assert found["metrics"]["value:revenue"]["variance_left"] < 0.1
    assert found["metrics"]["value:revenue"]["value"] == pytest.approx(0.5, abs=0.3)
    assert told.ruling.decision == "promote"


def test_feedback_that_came_after_the_trial_began_is_no_past(people):
    wanted = page(online_metric="value:revenue")
    held = under_way(wanted, 200)
    rng = np.random.default_rng(5)
    for arm in ARMS:
        for i in range(100):
            people.ask(f"{arm}{i}", at=BEGAN - 0.5, value__revenue=float(rng.normal()))  # told half a second after it
    revenue(people, held, 100, 0.0, rng=rng)
    found, _ = judged(people, held, wanted)
    assert found["metrics"]["value:revenue"]["variance_left"] == pytest.approx(1.0, abs=0.01)


def test_several_metrics_share_the_chance_of_a_false_alarm(people):
    wanted = page(online_metric=["value:revenue", "correct"])
    held = under_way(wanted, 800)
    rng = np.random.default_rng(6)
    for arm, extra in zip(ARMS, (0.0, 4.0), strict=True):
        for i in range(400):
            right = "yes" if rng.random() < 0.7 else "no"
            people.ask(
                f"{arm}{i}", arm, trial=held.trial, value__revenue=10 + extra + float(rng.normal()), outcome=right
            )
    found, told = judged(people, held, wanted)
    assert set(found["metrics"]) == {"value:revenue", "correct"}
    by_name = {check.name: check for check in told.checks}
    assert by_name["release.primary.value:revenue"].status == Status.PASS
    assert by_name["release.primary.correct"].status == Status.NOTE
    assert told.ruling.decision == "promote"


def test_one_arm_without_feedback_is_no_look(people):
    wanted = page(online_metric="outcome")
    held = under_way(wanted, 100)
    for i in range(200):
        people.ask(f"a{i}", CONTROL, trial=held.trial, outcome=float(i % 3))
        people.ask(f"b{i}", CANDIDATE, trial=held.trial)
    with pytest.raises(Refused, match=r"'outcome' is not known of both arms \(200 and 0 units\)"):
        judged(people, held, wanted)


def test_a_look_that_found_nothing_to_tell_apart_is_not_counted(people):
    wanted = page(online_metric="outcome")
    held = under_way(wanted, 100)
    for arm in ARMS:
        for i in range(100):
            people.ask(f"{arm}{i}", arm, trial=held.trial, outcome=1.0)
    with pytest.raises(Refused, match="or no unit differs"):
        judged(people, held, wanted)


def test_a_look_before_the_first_week_is_over_is_refused(people):
    wanted = page(online_metric="value:revenue", whole_weeks=True)
    held = under_way(wanted, 400)
    revenue(people, held, 200, 4.0, rng=np.random.default_rng(7))
    with pytest.raises(Refused, match=r"3.0 days are no whole week"):
        judged(people, held, wanted, days=3.0)
    found, told = judged(people, held, wanted, days=9.5)
    assert found["days"] == 7.0
    assert told.ruling.decision == "promote"
    recorded = under_way(wanted, 400, looks=(found,))
    weeks = next(c for c in again(OnlineLog(people.folder), recorded).checks if c.name == "release.weeks")
    assert (weeks.status, weeks.value) == (Status.PASS, 7.0)


def test_what_came_after_the_last_whole_week_is_not_looked_at(people):
    wanted = page(online_metric="value:revenue", whole_weeks=True)
    held = under_way(wanted, 400)
    revenue(people, held, 200, 0.0, rng=np.random.default_rng(8), at=BEGAN + 8 * DAY_S)
    with pytest.raises(Refused, match="0 units count"):
        judged(people, held, wanted, days=9.0)


def test_a_page_that_was_changed_meanwhile_changes_nothing_and_that_is_said(people):
    wanted = page(online_metric="value:revenue", guardrails={"value:revenue": 0.1})
    held = under_way(wanted, 400)
    revenue(people, held, 200, -9.0, rng=np.random.default_rng(9))
    loose = page(online_metric="value:revenue", smallest_effect=50.0)
    log = OnlineLog(people.write())
    stood = progress(log, held, Criteria.of(loose, "EUR"), at=BEGAN + DAY_S)
    assert {c.name for c in stood.checks if c.status == Status.FAIL} == {"release.guardrail.value:revenue"}
    assert any("(smallest_effect, guardrails)" in note for note in stood.notes)
    _, told = look(log, held, Criteria.of(loose, "EUR"), at=BEGAN + DAY_S)
    assert told.ruling.decision == "keep"


def test_looks_end_with_the_plan(people):
    wanted = page(online_metric="value:revenue")
    done = {"n_units": 410, "days": 1.0, "metrics": {"value:revenue": {"value": 0.1, "se": 1.0, "base": 5.0}}}
    held = under_way(wanted, 400, looks=(done,))
    with pytest.raises(Refused, match="all looks that were planned are taken"):
        judged(people, held, wanted)


def test_a_lost_arm_of_feedback_decides_nothing_whatever_the_metric_says(people):
    wanted = page(online_metric="correct")
    held = under_way(wanted, 600)
    for arm, share, right in zip(ARMS, (1.0, 0.5), ("no", "yes"), strict=True):
        for i in range(500):
            answer = {"outcome": right if i % 4 else "no"} if i < share * 500 else {}
            people.ask(f"{arm}{i}", arm, trial=held.trial, **answer)
    _, told = judged(people, held, wanted)
    assert told.ruling.decision == "inconclusive"
    assert "feedback comes from" in told.says


def test_a_trial_of_an_older_version_says_what_to_do(people):
    with pytest.raises(Refused, match="an older version began it"):
        judged(people, challenger(design={"n_units": 100, "looks": 2}), page(online_metric="correct"))


# ---------------------------------------------------------------- the plan


def traffic(people, *, days, per_day, told=1.0, rng=None):
    rng = rng or np.random.default_rng(10)
    for day in range(days):
        for i in range(per_day):
            unit, answer = f"{day}-{i}", {"outcome": float(rng.normal(5, 1))} if i < told * per_day else {}
            people.ask(unit, at=BEGAN - (days - day) * DAY_S + 60.0, **answer)


def design(people, wanted):
    return planned(OnlineLog(people.write()), wanted, Criteria.of(wanted), at=BEGAN)


def test_days_before_anybody_came_do_not_lengthen_a_trial(people):
    traffic(people, days=4, per_day=100)
    found = design(people, page(online_metric="outcome", smallest_effect=0.3))
    assert found["days"] == -(-found["n_units"] // 100)


def test_units_without_feedback_lengthen_a_trial_whose_metric_needs_it(people):
    traffic(people, days=4, per_day=100, told=0.5)
    found = design(people, page(online_metric="outcome", smallest_effect=0.3))
    assert found["days"] == -(-found["n_units"] // 50)


def test_a_plan_takes_into_account_what_is_known_of_those_who_come_back(people):
    rng = np.random.default_rng(11)
    usual = rng.normal(scale=5.0, size=200)
    for day in (1, 15):
        for i in range(200):
            amount = 20.0 + usual[i] + float(rng.normal())
            people.ask(f"u{i}", at=BEGAN - 16 * DAY_S + day * DAY_S, value__revenue=amount)
    found = design(people, page(online_metric="value:revenue", smallest_effect=1.5))
    assert found["variance_left"] < 0.15


def test_criteria_stand_in_the_design(people):
    traffic(people, days=4, per_day=20)
    wanted = page(online_metric="outcome", guardrails={"outcome": {"margin": 1.0, "better": "lower"}}, worth=2.0)
    assert Criteria.frozen(design(people, wanted)["criteria"]) == Criteria.of(wanted)


# ---------------------------------------------------------------- looks, recorded


def told(n, se=0.1):
    return {"n_units": n, "days": 1.0, "metrics": {"correct": {"value": 0.1, "se": se, "base": 0.5}}}


STARTED = (
    {"do": "start", "bundle": "a", "folder": "releases/a"},
    {"do": "promote"},
    {"do": "start", "bundle": "b", "folder": "releases/b"},
    {"do": "trial", "share": 0.5, "salt": "s", "design": {"n_units": 100, "looks": 2}},
    {"do": "look", "look": 0, "release": 2, "found": told(50)},
)


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ({"look": 0, "found": told(60)}, "somebody else looked meanwhile"),
        ({"look": 1, "found": told(50)}, "no more than the one before"),
        ({"look": 1, "found": told(60, se=0.0)}, "is not known of both arms"),
        ({"look": 1, "found": told(60, se=None)}, "is not known of both arms"),
        ({"look": 1, "found": told(60), "release": 1}, "release 1 is over"),
    ],
)
def test_a_look_that_would_spoil_the_trial_is_not_recorded(body, match):
    state = stand(enumerate(STARTED, 1))
    assert len(state.challenger.looks) == 1
    with pytest.raises(Refused, match=match):
        after(state, {"do": "look", **body})
