"""Promote, keep or inconclusive: what is missing is never a pass, and nothing is decided on arms that do not fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.check import Status
from mulle.trials.always import guard, missing
from mulle.trials.effect import Effect
from mulle.trials.moments import Moments
from mulle.trials.ratio_check import check_ratio
from mulle.trials.sequential import judge
from mulle.trials.verdict import Primary, rule

HALVES = {"champion": 0.5, "candidate": 0.5}
FITS = check_ratio({"champion": 10_000, "candidate": 10_010}, HALVES)
BROKEN = check_ratio({"champion": 10_000, "candidate": 9000}, HALVES)


def primary(z, n=20_000, planned=20_000, **changes):
    found = judge([Effect(value=0.005 * z, se=0.005, base=0.1, n_units=n)], planned)
    return Primary(name="orders", result=found, **changes)


def errors(candidate):
    held = {"margin": 0.01, "greater_is_better": False}
    return guard("errors", Moments.share(100, 10_000), Moments.share(candidate, 10_000), **held)


SAFE, BREACHED, OPEN = errors(60), errors(900), errors(190)


def ruled(**changes):
    held = {"ratio": FITS, "primaries": [primary(3.0)], "guardrails": {"errors": SAFE}, "days": 14}
    return rule(**{**held, **changes})


def test_the_guardrails_of_these_tests_are_what_they_are_called():
    assert [g.state for g in (SAFE, BREACHED, OPEN)] == ["safe", "breached", "open"]


def test_better_safe_and_whole_weeks_is_a_promotion():
    found = ruled()
    assert found.decision == "promote"
    assert found.says.startswith("Promote the candidate: ")
    assert found.more_units is None


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({"primaries": [primary(-3.0)]}, "keep"),
        ({"primaries": [primary(0.5)]}, "inconclusive"),
        ({"primaries": [primary(0.5, n=8000)]}, "inconclusive"),
        ({"primaries": [Primary(name="orders", result=None)]}, "inconclusive"),
        ({"primaries": []}, "inconclusive"),
        ({"guardrails": {"errors": BREACHED}}, "keep"),
        ({"guardrails": {"errors": OPEN}}, "inconclusive"),
        ({"guardrails": {"errors": None}}, "inconclusive"),
        ({"guardrails": {"errors": missing("errors", 0.01)}}, "inconclusive"),
        ({"days": 13}, "inconclusive"),
        ({"days": 0}, "inconclusive"),
        ({"days": 13, "whole_weeks": False}, "promote"),
        ({"ratio": BROKEN}, "inconclusive"),
        ({"ratio": BROKEN, "primaries": [primary(-9.0)], "guardrails": {"errors": BREACHED}}, "inconclusive"),
        ({"ratio": check_ratio({"champion": 2, "candidate": 2}, HALVES)}, "inconclusive"),
        ({"primaries": [primary(-3.0)], "days": 3}, "keep"),
        ({"primaries": [primary(3.0), primary(-3.0)]}, "keep"),
        ({"primaries": [primary(3.0), primary(0.5)]}, "promote"),
        ({"primaries": [primary(3.0), Primary(name="visits", result=None)]}, "inconclusive"),
    ],
)
def test_every_reason_has_its_decision(changes, decision):
    assert ruled(**changes).decision == decision


def test_arms_that_do_not_fit_are_the_only_thing_said():
    found = ruled(ratio=BROKEN, primaries=[primary(-9.0)])
    assert found.says.startswith("Inconclusive: champion 10,000 and candidate 9,000 of 19,000 do not fit 50 % and 50 %")
    assert "orders" not in found.says


def test_an_effect_worth_having_that_is_ruled_out_keeps_the_champion():
    assert ruled(primaries=[primary(0.0, least=0.02)]).decision == "keep"
    assert ruled(primaries=[primary(0.0, least=0.005)]).decision == "inconclusive"
    # not before the planned size is there
    assert ruled(primaries=[primary(0.0, n=15_000, least=0.05)]).decision == "inconclusive"


def test_a_running_trial_says_how_many_of_its_units_are_missing():
    assert ruled(primaries=[primary(1.0, n=8000)]).more_units == 12_000


def test_an_ended_trial_says_how_many_more_units_would_have_decided():
    found = ruled(primaries=[primary(1.2)])
    total = 20_000 + found.more_units
    shrunk = 0.005 * np.sqrt(20_000 / total)
    assert 0.006 / shrunk == pytest.approx(1.96, abs=0.03)
    assert found.says.endswith(f"This trial is at its end; a new one of about {total:,} units would decide.")
    assert "more units would decide" in ruled(primaries=[primary(1.0, n=8000)]).says
    assert ruled(primaries=[primary(0.0)]).more_units is None


def looked(*effects):
    found = judge([Effect(value=value, se=se, base=1.0, n_units=n) for value, se, n in effects], 2000)
    return ruled(primaries=[Primary(name="orders", result=found, worth=1.0, currency="USD")])


def test_looks_after_the_one_that_decided_say_what_it_is_worth():
    early = looked((1.686, 0.3, 500))
    found = looked((1.686, 0.3, 500), (1.3125, 0.085, 1500))
    assert (early.decision, found.decision) == ("promote", "promote")
    assert early.money["orders"].value > 1500
    assert found.money["orders"].value == pytest.approx(1312.5)
    assert "Worth +1,312.50 USD" in found.says
    assert found.checks[1].n_rows == 1500


def test_looks_that_take_back_what_an_earlier_one_showed_do_not_promote():
    found = looked((1.686, 0.3, 500), (0.1, 0.2, 1500))
    assert found.decision == "inconclusive"
    assert "what came after the look that showed it doesn't" in found.checks[1].fix


def test_money_is_the_interval_times_the_worth_of_a_thousand_units():
    bet = primary(3.0, worth=40.0, currency="EUR")
    money = ruled(primaries=[bet]).money["orders"]
    assert money.value == pytest.approx(0.015 * 40 * 1000, rel=1e-3)
    assert money.interval.low == pytest.approx(bet.result.interval.low * 40_000)
    assert str(money) in ruled(primaries=[bet]).says
    assert ruled().money == {}


def test_a_person_may_override_a_check_by_name_and_the_reason_stays():
    found = ruled(guardrails={"errors": OPEN}, overrides={"release.guardrail.errors": "we watch it by hand"})
    assert found.decision == "promote"
    assert [c.override for c in found.checks if c.override] == ["we watch it by hand"]
    assert ruled(ratio=BROKEN, overrides={"release.ratio": "bots were counted"}).decision == "promote"


def test_what_is_not_passed_says_what_to_do():
    for changes in (
        {"ratio": BROKEN},
        {"primaries": []},
        {"guardrails": {"errors": None}},
        {"days": 3},
        {"primaries": [primary(0.1)]},
    ):
        for check in ruled(**changes).checks:
            assert (check.fix == "") == (check.status in {Status.PASS, Status.NOTE})


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-4, 4),
    st.sampled_from([FITS, BROKEN]),
    st.sampled_from([SAFE, BREACHED, OPEN, None]),
    st.integers(0, 30),
    st.booleans(),
)
def test_a_promotion_has_every_reason(z, ratio, guardrail, days, waived):
    found = ruled(
        primaries=[primary(z)], ratio=ratio, guardrails={"errors": guardrail}, days=days, whole_weeks=not waived
    )
    every = z >= 1.96 and ratio is FITS and guardrail is SAFE and (waived or (days >= 7 and days % 7 == 0))
    assert (found.decision == "promote") == every
