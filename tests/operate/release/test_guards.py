"""Guardrails and proportions: what fails is seen, whatever it fails."""

from __future__ import annotations

import numpy as np
import pytest

from mulle.core.check import Status
from mulle.core.project import ReleasePart
from mulle.operate.release.criteria import Criteria
from mulle.operate.release.evidence import of_canary
from mulle.operate.release.guards import feedback, guardrails, ratio_of, unitless
from mulle.operate.release.online import CANDIDATE, CONTROL, Metric, OnlineLog
from mulle.operate.release.state import Step

from .people import BEGAN, challenger  # noqa: TID252  # tests have no package to be named by

CANARY = challenger(Step.CANARY, share=0.01)


def seen(people, held=CANARY):
    return OnlineLog(people.write()).trial(held.trial, since=held.since)


def canary(people, n_control=4000, n_candidate=210, **candidate):
    for i in range(n_control):
        people.ask(f"a{i}", trial=CANARY.trial)
    for i in range(n_candidate):
        people.ask(f"b{i}", CANDIDATE, trial=CANARY.trial, **candidate)


@pytest.mark.parametrize("n_rows", [1, 150])
def test_a_challenger_that_fails_every_request_breaks_its_guardrail(people, n_rows):
    canary(people, failed=True, n_rows=n_rows, n_candidate=210 if n_rows == 1 else 60)
    found = seen(people)
    assert found.moments(Metric.named("failed"))[CANDIDATE].mean == 1.0
    assert guardrails(found, {})["failed"].state == "breached"
    shut = of_canary(found, CANARY, ReleasePart(canary_units=50), Criteria.of(ReleasePart()))
    assert {c.name for c in shut.checks if c.status == Status.FAIL} >= {"release.guardrail.failed"}


def test_where_nobody_failed_nothing_is_said_of_failures(people):
    canary(people)
    assert guardrails(seen(people), {}) == {}


def test_one_failure_among_many_is_no_breach_and_not_yet_safe(people):
    canary(people)
    people.ask("b0", CANDIDATE, trial=CANARY.trial, failed=True)
    assert guardrails(seen(people), {})["failed"].state == "open"


def test_a_guardrail_of_which_less_is_better_breaks_upwards(people):
    for i in range(300):
        people.ask(f"a{i}", trial=CANARY.trial, value__complaints=float(i % 2))
        people.ask(f"b{i}", CANDIDATE, trial=CANARY.trial, value__complaints=3.0 + i % 2)
    page = ReleasePart.model_validate({"guardrails": {"value:complaints": {"margin": 0.5, "better": "lower"}}})
    found = seen(people)
    assert guardrails(found, page.guarded)["value:complaints"].state == "breached"
    assert (
        guardrails(found, ReleasePart(guardrails={"value:complaints": 0.5}).guarded)["value:complaints"].state == "safe"
    )


def test_the_direction_of_the_online_metric_is_that_of_its_guardrail():
    page = ReleasePart(online_metric="value:returns", better="lower", guardrails={"value:returns": 1.0, "failed": 0.1})
    assert page.guarded == {"value:returns": (1.0, "lower"), "failed": (0.1, "lower")}


TRIAL = challenger()


def told(people, n, arm, share, **values):
    for i in range(n):
        people.ask(f"{arm}{i}", arm, trial=TRIAL.trial, **(values if i < share * n else {}))


def test_feedback_that_one_arm_loses_forbids_a_decision_by_it(people):
    told(people, 1000, CONTROL, 0.8, outcome="yes")
    told(people, 1000, CANDIDATE, 0.6, outcome="yes")
    check = feedback(seen(people, TRIAL), Criteria.of(ReleasePart(online_metric="correct")))
    assert check.status == Status.FAIL
    assert "80.0% of 1,000 (champion) and 60.0% of 1,000 (challenger)" in check.says


def test_feedback_that_comes_alike_passes(people):
    told(people, 1000, CONTROL, 0.8, outcome="yes")
    told(people, 1000, CANDIDATE, 0.79, outcome="yes")
    assert feedback(seen(people, TRIAL), Criteria.of(ReleasePart(online_metric="correct"))).status == Status.PASS


def test_a_sum_may_come_with_feedback_only_where_there_is_something_to_sum(people):
    told(people, 1000, CONTROL, 0.1, value__revenue=5.0)
    told(people, 1000, CANDIDATE, 0.2, value__revenue=5.0)
    check = feedback(seen(people, TRIAL), Criteria.of(ReleasePart(online_metric="value:revenue")))
    assert check.status == Status.NOTE


def test_too_few_units_say_nothing_of_feedback(people):
    told(people, 5, CONTROL, 1.0, outcome="yes")
    told(people, 5, CANDIDATE, 0.2, outcome="yes")
    assert feedback(seen(people, TRIAL), Criteria.of(ReleasePart(online_metric="correct"))) is None


def test_an_alarm_of_the_ratio_stays(people):
    told(people, 500, CONTROL, 0.0)
    told(people, 500, CANDIDATE, 0.0)
    fits = seen(people, TRIAL)
    assert not ratio_of(fits, TRIAL).blocks
    assert ratio_of(fits, challenger(looks=({"n_units": 100, "ratio_p": 1e-6},))).blocks


def test_a_canary_that_grew_is_counted_anew(people):
    for i in range(50):
        people.ask(f"early{i}", CANDIDATE, trial=CANARY.trial)
    grown = challenger(Step.CANARY, share=0.05, since=BEGAN + 100.0)
    people.ask("late", CANDIDATE, trial=grown.trial, at=BEGAN + 101.0)
    assert set(seen(people, grown).arms[CANDIDATE].exposed) == {"late"}


def test_requests_that_name_no_unit_are_told(people):
    people.ask("", CANDIDATE, trial=CANARY.trial)
    people.ask("ann", trial=CANARY.trial)
    found = seen(people)
    assert unitless(found)[0].startswith("1 rows named no unit")
    assert len(found.arms[CONTROL].asked) == 1


REVENUE = ReleasePart(canary_units=50, guardrails={"value:revenue": 0.5})


def judged(people):
    return of_canary(seen(people), CANARY, REVENUE, Criteria.of(REVENUE))


def test_a_single_unit_beside_which_nothing_can_be_told_holds_the_canary_up_until_it_is_mended(people):
    for i in range(3000):
        people.ask(f"a{i}", trial=CANARY.trial, value__revenue=float(10 + i % 3))
    for i in range(100):
        people.ask(f"b{i}", CANDIDATE, trial=CANARY.trial, value__revenue=float(2 + i % 3))
    assert "release.guardrail.value:revenue" in {c.name for c in judged(people).checks if c.status == Status.FAIL}
    people.ask("slip", trial=CANARY.trial, value__revenue=1e15)
    found = {check.name: check for check in judged(people).checks}
    assert found["release.guardrail.value:revenue"].status != Status.FAIL, "the slip blinds the guardrail"
    assert found["release.outlier.value:revenue"].status == Status.UNANSWERED
    assert "unit 'slip' of the champion" in found["release.outlier.value:revenue"].says


def test_few_who_buy_much_among_many_who_buy_nothing_are_no_slip(people):
    rng = np.random.default_rng(4)
    for i in range(1500):
        people.ask(f"a{i}", trial=CANARY.trial, value__revenue=float(rng.lognormal(3, 2)) * (i % 20 == 0))
    for i in range(100):
        people.ask(f"b{i}", CANDIDATE, trial=CANARY.trial, value__revenue=500.0 * (i == 3))
    assert not [check for check in judged(people).checks if check.name.startswith("release.outlier")]


def test_what_nobody_can_count_by_is_told(people):
    canary(people)
    people.ask("b0", CANDIDATE, trial=CANARY.trial, value__revenue=1.7e308)
    assert any("1 values of feedback are beyond" in note for note in judged(people).notes)
