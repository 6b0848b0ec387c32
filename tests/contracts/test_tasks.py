"""Every registered task keeps its contract, and a new one is one file."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mulle.core.registry import import_file
from mulle.kinds.base import Facts
from mulle.tasks import tasks
from mulle.tasks.recognise import recognise
from mulle.testing import check_figure, check_task

PARTS = Path(__file__).parent / "parts"
RNG = np.random.default_rng(0)
N = 240

COLUMNS = {
    "binary": pl.Series("t", (["yes", "no", "no", None] * N)[:N]),
    "multiclass": pl.Series("t", (["a", "b", "c", "b", None] * N)[:N]),
    "regression": pl.Series("t", [*RNG.normal(size=N - 1), None]),
}
OUTPUTS = {"binary": 1, "multiclass": 3, "regression": 1}


def facts(column):
    known = column.drop_nulls()
    return Facts(
        name=column.name,
        dtype=column.dtype,
        n_rows=len(column),
        n_missing=column.null_count(),
        n_unique=known.n_unique(),
        values=known,
    )


@pytest.mark.parametrize("name", [name for name in tasks.names() if not name.startswith("toy_")])
def test_a_registered_task_keeps_its_contract(name):
    raw = RNG.random((N, OUTPUTS[name]))
    prediction = raw / raw.sum(axis=1, keepdims=True) if OUTPUTS[name] > 1 else raw
    check_task(tasks.get(name), COLUMNS[name], prediction)


@pytest.mark.parametrize("name", list(COLUMNS))
def test_rows_that_are_few_empty_or_of_one_class_can_be_drawn(name):
    task, target = tasks.get(name), tasks.get(name).read(COLUMNS[name])
    for n in (0, 1, 2):
        values, prediction = np.zeros(n), np.full((n, OUTPUTS[name]), 1 / OUTPUTS[name])
        for figure in task.figures(values, prediction, target.classes, values):
            check_figure(figure)
            assert "nan" not in figure.says
        task.errors(values, prediction, target.classes, values)


@pytest.mark.parametrize("name", list(COLUMNS))
def test_a_task_recognises_its_own_target_before_the_others_do(name):
    found, guess = recognise(facts(COLUMNS[name]))
    assert found.name == name
    assert 0 < guess.sure <= 1


def test_a_task_of_several_labels_is_one_file_and_fits_part_by_part():
    import_file(PARTS / "multilabel.py")
    task = tasks.get("toy_multilabel")
    column = pl.Series("tags", ["a;b", "b", None, "-", "a;c"])
    target = check_task(task, column, np.full((5, 3), 0.4))
    assert target.classes == ("a", "b", "c")
    assert [part.name for part in task.loss(target.classes).parts] == ["logistic"] * 3
    assert recognise(facts(column))[0].name == "toy_multilabel"


def test_importing_the_same_file_twice_is_no_clash():
    import_file(PARTS / "multilabel.py")
    import_file(PARTS / "multilabel.py")
    assert "toy_multilabel" in tasks


def test_every_name_of_a_task_is_a_word_that_fits_a_file():
    assert all(re.fullmatch(r"[a-z_]+", name) for name in tasks.names())
