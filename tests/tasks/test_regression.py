"""Numbers."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.check import Status
from mulle.core.errors import DataError
from mulle.tasks.numbers import read_numbers
from mulle.tasks.regression import Regression

TASK = Regression()


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("1,234,567.5", 1234567.5),
        ("$ 1,200", 1200.0),
        ("-3.5e2", -350.0),
        ("1'000", 1000.0),
        (" 12 ", 12.0),
        ("12 %", 12.0),
        ("?", np.nan),
    ],
)
def test_numbers_written_as_text_are_read(raw, number):
    values, _ = read_numbers(pl.Series("t", [raw, "7"]))
    assert np.array_equal(values, [number, 7.0], equal_nan=True)


def test_a_decimal_comma_is_read_when_most_odd_values_have_one():
    values, notes = read_numbers(pl.Series("t", ["1.234,5", "2,75", "3"]))
    assert values.tolist() == [1234.5, 2.75, 3.0]
    assert "decimal comma" in notes[0]


def test_text_is_refused_with_its_rows():
    with pytest.raises(DataError, match="correct or empty these rows") as caught:
        TASK.read(pl.Series("price", ["1.5", "cheap", "2.5", "dear", "3", "4"]))
    assert "'cheap', 'dear'" in caught.value.what
    assert "rows 2, 4" in caught.value.where


def test_infinite_targets_are_not_known():
    target = TASK.read(pl.Series([1.0, 2.0, float("inf"), None]))
    assert np.isnan(target.values[2:]).all()
    assert "1 row with an infinite target" in target.notes[0]


def test_a_constant_target_and_an_empty_one_are_refused():
    with pytest.raises(DataError, match="is 3 in all 2 rows"):
        TASK.read(pl.Series("t", [3, 3, None]))
    with pytest.raises(DataError, match="is empty in all 2 rows"):
        TASK.read(pl.Series("t", [None, None], dtype=pl.Float64))


def test_five_values_look_like_classes():
    check = TASK.framing(TASK.read(pl.Series([1, 2, 3, 4, 5] * 50)))[0]
    assert check.status is Status.FAIL
    assert 'data.task="multiclass"' in check.fix


def test_heavy_tails_call_for_the_absolute_error_and_say_why():
    rng = np.random.default_rng(0)
    heavy = TASK.read(pl.Series(np.exp(rng.normal(size=2000) * 2)))
    light = TASK.read(pl.Series(rng.normal(size=2000)))
    assert TASK.default_metric(heavy).name == "mae"
    assert "of all squared deviation" in TASK.default_metric(heavy).why
    assert TASK.default_metric(light).name == "rmse"


def test_at_most_two_thousand_points_are_drawn_and_that_is_said():
    rng = np.random.default_rng(0)
    y = rng.normal(size=5000)
    figure = TASK.figures(y, (y + rng.normal(size=5000))[:, None], ())[0]
    assert len(figure.marks[0].x) == 2000
    assert "2,000 of 5,000 rows are drawn" in figure.says


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_numbers_come_back_as_they_were_written(values):
    found, _ = read_numbers(pl.Series("t", [repr(value) for value in values]))
    assert found.tolist() == values


def test_all_errors_alike_can_be_drawn():
    y = np.arange(20.0)
    figures = TASK.figures(y, y[:, None] + 1, ())
    assert "The mean error is 1" in figures[1].says
