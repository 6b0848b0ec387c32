"""Units to arms: the same for ever, even, independent, and moved one way only."""

import subprocess
import sys
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.errors import DataError, ProjectError, UnknownName
from mulle.trials.assign import N_BUCKETS, Arms, Assignment, Lane, bucket, key_of

TWO = Arms.of({"champion": 0.5, "candidate": 0.5})
parts = st.integers(0, N_BUCKETS // 2)


def test_it_needs_the_standard_library_alone():
    code = "import mulle.trials.assign, sys; print([m for m in ('numpy', 'scipy', 'polars') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_unit_keeps_its_arm_in_another_process():
    units = [f"customer {i}" for i in range(50)]
    code = (
        "from mulle.trials.assign import *\n"
        "a = Assignment('trial', Arms.of({'champion': 0.5, 'candidate': 0.5}))\n"
        "print(','.join(a(f'customer {i}').arm for i in range(50)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assign = Assignment("trial", TWO)
    assert done.stdout.strip().split(",") == [assign(unit).arm for unit in units]


def test_the_hash_is_what_it_was_when_trials_began():
    """These numbers must never change: a running trial would deal its units anew."""
    key = key_of("trial-7")
    assert [bucket(key, unit) for unit in ("customer 42", 7, "박사", "\ud800", "a\0b")] == [
        2149,
        3493,
        5241,
        1045,
        4305,
    ]


@pytest.mark.parametrize(
    "ids", [lambda i: f"customer {i}", lambda i: i, lambda i: f"{i:032x}"], ids=["text", "int", "hex"]
)
def test_shares_are_kept_and_two_trials_know_nothing_of_each_other(ids):
    n = 40_000
    first, second = Assignment("one", TWO), Assignment("two", TWO)
    pairs = [(first(ids(i)).arm == "candidate", second(ids(i)).arm == "candidate") for i in range(n)]
    for share, found in (
        (0.5, sum(a for a, _ in pairs)),
        (0.5, sum(b for _, b in pairs)),
        (0.25, sum(a and b for a, b in pairs)),
    ):
        assert abs(found - n * share) < 4.5 * sqrt(n * share * (1 - share))


def test_propensities_are_the_chances_that_units_get_an_arm():
    arms = Arms.of({"champion": 0.7, "b": 0.2, "c": 0.1})
    assign = Assignment("t", arms, holdback=0.1, holdback_salt="project")
    found = [assign(i) for i in range(30_000)]
    said = {a.arm: a.propensity for a in found}
    assert said == pytest.approx({"champion": 0.63, "b": 0.18, "c": 0.09, "holdback": 0.1})
    for arm, chance in said.items():
        n = sum(a.arm == arm for a in found)
        assert abs(n - 30_000 * chance) < 4.5 * sqrt(30_000 * chance * (1 - chance))


def test_the_same_units_are_held_back_from_every_trial():
    trials = [Assignment(salt, TWO, holdback=0.05, holdback_salt="project") for salt in ("one", "two")]
    held = [{i for i in range(5000) if assign(i).arm == "holdback"} for assign in trials]
    assert held[0] == held[1]
    assert held[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(parts, min_size=2, max_size=5).map(sorted))
def test_a_growing_canary_never_loses_a_unit(steps):
    arms = Arms.of({"champion": 1.0, "canary": 0.0})
    for n in steps:
        wider = arms.ramp({"canary": n / N_BUCKETS})
        assert set(arms.moved(wider)) <= {("champion", "canary")}
        assert wider.shares["canary"] == n / N_BUCKETS
        arms = wider


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("bc"), parts), min_size=1, max_size=6))
def test_no_ramp_moves_a_unit_that_it_need_not_move(steps):
    arms = Arms.of({"a": 0.8, "b": 0.1, "c": 0.1})
    for name, n in steps:
        before, after = arms.shares, arms.ramp({name: n / N_BUCKETS})
        moved = arms.moved(after)
        assert sum(moved.values()) == round(abs(n / N_BUCKETS - before[name]) * N_BUCKETS)
        assert all("a" in pair and name in pair for pair in moved)
        assert sum(after.shares.values()) == pytest.approx(1)
        arms = after


def test_shrinking_and_growing_again_brings_back_the_same_units():
    arms = Arms.of({"champion": 0.95, "canary": 0.05})
    assert arms.ramp({"canary": 0.01}).ramp({"canary": 0.05}) == arms


def test_a_unit_leaves_one_challenger_for_another_only_where_the_control_has_no_others():
    arms = Arms.of({"champion": 0.2, "b": 0.6, "c": 0.2})
    assert ("b", "c") not in arms.moved(arms.ramp({"b": 0.5, "c": 0.4}))
    assert arms.moved(arms.ramp({"b": 0.3, "c": 0.45})) == {
        ("b", "champion"): 2500,
        ("champion", "c"): 2000,
        ("b", "c"): 500,
    }


@pytest.mark.parametrize(
    ("shares", "fix"),
    [
        ({"champion": 1.0}, "at least one challenger"),
        ({"champion": 0.6, "b": 0.5}, "sum to 1"),
        ({"champion": 0.99995, "b": 0.00005}, "four decimals"),
        ({"champion": 1.5, "b": -0.5}, "from 0 to 1"),
        ({"champion": float("nan"), "b": 0.5}, "from 0 to 1"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares, fix):
    with pytest.raises(ProjectError, match=fix):
        Arms.of(shares)


def test_ramps_that_cannot_be_are_refused():
    with pytest.raises(UnknownName, match="did you mean 'canary'"):
        Arms.of({"champion": 0.9, "canary": 0.1}).ramp({"canari": 0.2})
    with pytest.raises(UnknownName, match="challenger 'champion' is unknown"):
        TWO.ramp({"champion": 0.2})
    with pytest.raises(ProjectError, match="shrink another"):
        Arms.of({"a": 0.2, "b": 0.6, "c": 0.2}).ramp({"c": 0.5})


def test_lanes_with_a_hole_or_a_stranger_are_refused():
    with pytest.raises(ProjectError, match=r"Arms\.of"):
        Arms(names=("a", "b"), lanes=(Lane(start=0, stop=10, arm="a"), Lane(start=11, stop=N_BUCKETS, arm="b")))
    with pytest.raises(UnknownName, match="arm 'c' is unknown"):
        Arms(names=("a", "b"), lanes=(Lane(start=0, stop=N_BUCKETS, arm="c"),))


@pytest.mark.parametrize("unit", ["", None, 1.5, True, ["a"]])
def test_what_names_no_unit_is_refused(unit):
    with pytest.raises(DataError, match="as text or as a whole number"):
        Assignment("t", TWO)(unit)


def test_a_trial_without_a_salt_of_its_own_is_refused():
    with pytest.raises(ProjectError, match="its id"):
        Assignment("", TWO)
    with pytest.raises(ProjectError, match="another salt"):
        Assignment("same", TWO, holdback=0.1, holdback_salt="same")
    with pytest.raises(ProjectError, match="its id"):
        Assignment("t", TWO, holdback=0.1)
