"""What was told is held against a class as a person would: by its text, or by the number that it writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.online import same


@given(st.integers())
def test_every_whole_number_is_the_class_that_writes_it_and_no_neighbour(number):
    assert same(number, str(number))
    assert not same(number, str(number + 1))


@pytest.mark.parametrize(
    ("told", "label"),
    [
        (10, "1_0"),
        (1, " 1 "),
        (1, "١"),
        (1, ""),
        (True, "1"),
        (False, ""),
        ("Yes", "yes"),
        (float("nan"), "x"),
        (1, "1e0"),
    ],
)
def test_what_only_looks_alike_is_another_class(told, label):
    assert not same(told, label)


@pytest.mark.parametrize(
    ("told", "label"), [(1.0, "1"), (1, "1.0"), (-0.5, "-0.5"), (True, "True"), (False, "false"), ("a", "a")]
)
def test_one_class_may_be_written_in_two_ways(told, label):
    assert same(told, label)
