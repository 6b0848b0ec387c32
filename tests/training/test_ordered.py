"""Quantiles of what is in order already."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mulle.training.ordered import is_whole, median, quantile

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(numbers, st.floats(0, 1))
def test_a_quantile_is_numpys_to_the_last_digit(values: list[float], share: float) -> None:
    ordered = np.sort(np.array(values))
    assert quantile(ordered, share) == np.quantile(ordered, share)


@given(numbers)
def test_a_median_is_numpys_to_the_last_digit(values: list[float]) -> None:
    assert median(np.sort(np.array(values))) == np.median(values)


@given(numbers)
def test_whole_numbers_are_those_that_rounding_lets_be(values: list[float]) -> None:
    assert is_whole(np.array(values)) == all(value == round(value) for value in values)
