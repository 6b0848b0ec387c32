"""Several classes."""

import numpy as np
import polars as pl
import pytest

from mulle.core.check import Status
from mulle.core.errors import DataError
from mulle.tasks.multiclass import Multiclass

TASK = Multiclass()


def test_classes_stand_in_order_numbers_by_size():
    assert TASK.read(pl.Series([10, 9, 100])).classes == ("9", "10", "100")
    assert TASK.read(pl.Series(["b", "a", "c"])).classes == ("a", "b", "c")


def test_single_letters_keep_their_case_and_words_do_not():
    assert TASK.read(pl.Series(["a", "A", "b"])).classes == ("A", "a", "b")
    assert TASK.read(pl.Series(["Cat", "cat", "dog"])).classes == ("cat", "dog")


def test_none_is_a_class_and_na_is_not_known():
    target = TASK.read(pl.Series(["none", "mild", "N/A"]))
    assert target.classes == ("mild", "none")
    assert np.isnan(target.values[2])


def test_three_thousand_classes_are_badly_framed():
    target = TASK.read(pl.Series([f"product {i % 3000}" for i in range(9000)]))
    found = {check.name: check for check in TASK.framing(target)}
    assert found["problem.classes"].status is Status.FAIL
    assert "retrieval" in found["problem.classes"].fix
    assert found["problem.class_rows"].status is Status.FAIL


def test_uneven_classes_call_for_auc_and_even_ones_for_log_loss():
    even = TASK.read(pl.Series(["a", "b", "c"] * 100))
    uneven = TASK.read(pl.Series(["a"] * 200 + ["b"] * 95 + ["c"] * 5))
    assert TASK.default_metric(even).name == "log_loss"
    assert TASK.default_metric(uneven).name == "roc_auc_ovr"
    assert "'c' has 1.7 %" in TASK.default_metric(uneven).why


def test_the_worst_class_stands_first_in_words_and_in_the_figure():
    values = np.repeat([0.0, 1.0, 2.0], 50)
    p = np.eye(3)[values.astype(int)]
    p[:30] = [0, 1, 0]
    figures = {figure.name: figure for figure in TASK.figures(values, p, ["a", "b", "c"])}
    assert figures["recall"].says.startswith("'a' is found least often: 40.0 % of 50 rows")
    assert "30 of 50 'a' rows (60.0 %) are taken for 'b'" in figures["confusion"].says


def test_of_a_hundred_classes_twenty_are_drawn_and_the_rest_counted():
    values = np.arange(1000.0) % 100
    p = np.eye(100)[values.astype(int)]
    figure = TASK.figures(values, p, [str(i) for i in range(100)])[0]
    assert "80 rarer classes are not drawn" in figure.says
    assert len(figure.marks[0].x) == 400


def test_decisions_are_judged_when_they_are_given():
    values = np.array([0.0, 1.0, 2.0, 2.0])
    p = np.eye(3)[[0, 1, 2, 2]]
    table = TASK.errors(values, p, ["a", "b", "c"], np.zeros(4))[0]
    assert [row[3] for row in table.rows] == [1.0, 0.0, 0.0]


def test_one_class_is_refused():
    with pytest.raises(DataError, match="bring rows of another class"):
        TASK.read(pl.Series("t", ["a", "a"]))
