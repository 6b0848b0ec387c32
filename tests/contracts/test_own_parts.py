"""The public contracts hold for every part of Mulle and for one's own, and catch a part that breaks its promise."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from mulle.core.errors import ProjectError
from mulle.kinds import kinds
from mulle.kinds.number import Number
from mulle.metrics import Metric, metrics
from mulle.testing import check_kind, check_metric

RAW: dict[str, list[Any]] = {
    "number": ["1,250", None, "€7", "dear", "(8)"],
    "formula": [1.5, None, 2.0, 3.25, -4.0],
    "place": [12.5, None, 40.0, 95.0, -3.0],
    "boolean": ["yes", None, "no", "perhaps", "true"],
    "datetime": ["2024-01-05", None, "2024-02-29 10:11:12", "soon", "2023-12-31"],
    "category": ["a", None, "b ", "?", "a"],
    "id": ["k1", None, "k2", "k3", "k4"],
    "list": [["a", "b"], None, [], ["c"], ["a"]],
    "text": ["a good day", None, "", "a bad one", "red and blue"],
}


class Score(Number):
    """A number of one's own."""

    name: ClassVar[str] = "score"
    like: ClassVar[str] = "number"
    reads_as: ClassVar[str] = "number"


class Doubled(Score):
    """A kind that reads otherwise than the one that it names."""

    def to_wire(self, values: Any, options: Any) -> Any:
        return 2 * super().to_wire(values, options)


def columns(name: str) -> list[pl.Series]:
    return [pl.Series(f"raw{i}", RAW[name] * 4) for i in range(kinds.get(name).arity)]


@pytest.mark.parametrize("name", sorted(RAW))
def test_every_kind_keeps_the_public_contract(name: str) -> None:
    if name != "formula":  # read by its expression in service, and only then
        check_kind(kinds.get(name), columns(name))


def test_a_kind_of_ones_own_keeps_it_unregistered_and_leaves_nothing_behind() -> None:
    check_kind(Score(), columns("number"))
    assert "score" not in kinds.names()


def test_a_kind_that_reads_otherwise_than_it_says_is_caught() -> None:
    with pytest.raises(AssertionError, match="score: the same wire values in training and in service"):
        check_kind(Doubled(), columns("number"))
    assert "score" not in kinds.names()


def test_a_kind_under_the_name_of_another_is_not_checked_in_its_place() -> None:
    class Number2(Number):
        """A number of one's own, by the name of Mulle's."""

    with pytest.raises(AssertionError, match="number: another kind has that name already"):
        check_kind(Number2(), columns("number"))


def test_a_kind_that_no_bundle_can_read_is_told_how_to_be_read() -> None:
    class Unread(Number):
        name: ClassVar[str] = "unread"

    with pytest.raises(ProjectError, match='name the kind whose raw values it reads, as in reads_as = "number"'):
        check_kind(Unread(), columns("number"))


TASKS = {
    "binary": (np.array([0.0, 1, 0, 1, 1, 0]), np.array([[0.2], [0.7], [0.6], [0.4], [0.9], [0.1]])),
    "multiclass": (
        np.array([0.0, 1, 2, 1]),
        np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.3, 0.2]]),
    ),
    "regression": (np.array([1.0, 2, 4, 8, 3]), np.array([[1.5], [2], [3], [9], [2.5]])),
}


@pytest.mark.parametrize(("metric", "task"), [(m.name, task) for m in metrics for task in sorted(m.tasks)])
def test_every_metric_keeps_the_public_contract(metric: str, task: str) -> None:
    if task in TASKS:
        check_metric(metrics.get(metric), *TASKS[task])


def test_a_metric_that_forgets_the_weights_is_caught() -> None:
    class Unweighted(Metric):
        name, title = "unweighted", "the share that is right, whatever it weighs"
        tasks = frozenset({"binary"})

        def prepare(self, target: Any, prediction: Any) -> Any:
            return lambda _: float(np.mean((prediction[:, 0] >= 0.5) == target))

    with pytest.raises(AssertionError, match="a row that weighs twice is as two rows"):
        check_metric(Unweighted(), *TASKS["binary"])
