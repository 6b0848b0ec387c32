"""Spans of time."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.duration import UNITS, seconds, spoken
from mulle.core.errors import ProjectError


@given(st.integers(1, 10**6), st.sampled_from(sorted(UNITS)))
def test_a_number_with_its_unit_is_that_many_units(number, unit):
    assert seconds(f"{number}{unit}") == pytest.approx(number * UNITS[unit])


@given(st.lists(st.tuples(st.integers(1, 500), st.sampled_from(["d", "h", "m", "s"])), min_size=1, max_size=4))
def test_pieces_are_added_up(pieces):
    text = " ".join(f"{number}{unit}" for number, unit in pieces)
    assert seconds(text) == pytest.approx(sum(number * UNITS[unit] for number, unit in pieces))


@given(st.floats(0.1, 10**7))
def test_what_is_spoken_can_be_read_back_within_its_smallest_unit(span):
    assert seconds(spoken(span)) == pytest.approx(span, rel=0.05, abs=0.051)


@given(st.text())
def test_no_text_breaks_it(text):
    with contextlib.suppress(ProjectError):
        assert seconds(text) > 0


@pytest.mark.parametrize("text", ["", "soon", "5 minutes", "-5m", "m5", "5m!", "1e3s", "٣m"])
def test_what_is_no_span_is_turned_away_with_an_example(text):
    with pytest.raises(ProjectError, match="write a number with its unit: 90s, 5m, 1h30m or 30d"):
        seconds(text)


def test_a_number_alone_is_asked_for_its_unit():
    with pytest.raises(ProjectError, match="say the unit: 60s or 60m"):
        seconds("60")


def test_no_time_at_all_is_turned_away():
    with pytest.raises(ProjectError, match="'0m' is no time at all"):
        seconds("0m")
