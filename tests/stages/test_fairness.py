"""Fairness between groups: measures as in the literature, of classes and of numbers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mulle.core.check import Status
from mulle.core.errors import UnknownName
from mulle.core.project import FairnessPart
from mulle.stages.fairness import Fairness, Groupable, fairness_checks, fairness_figure, judge_fairness


def judged(part: FairnessPart, groups: list[str], rows: Groupable) -> Fairness:
    return judge_fairness(part, pl.DataFrame({"sex": groups}), rows, rng=np.random.default_rng(1))[0]


def numbers(weight: np.ndarray | None = None) -> tuple[list[str], Groupable]:
    """Return women predicted 3 too high on average, men 1 too low, both off by 5 in turn."""
    rng = np.random.default_rng(0)
    target = rng.normal(100, 20, 400)
    swing = np.where(np.arange(400) % 2, 5.0, -5.0)
    women = np.arange(400) < 200
    decision = target + swing + np.where(women, 3.0, -1.0)
    units = np.arange(400, dtype=np.uint64)
    rows = Groupable(target=target, decision=decision, units=units, weight=weight, numbers=True)
    return np.where(women, "F", "M").tolist(), rows


def test_the_mean_signed_error_is_the_mean_residual_of_each_group() -> None:
    groups, rows = numbers()
    found = judged(FairnessPart(columns=["sex"], measure="mean_error", max_gap=6.0), groups, rows)
    assert [round(g.rates["predicted less true, on average"], 9) for g in found.groups] == [3.0, -1.0]
    assert found.gap == pytest.approx(4.0)
    # the standard error of a difference of two means of 200 rows with a spread of 5
    half = 1.96 * np.sqrt(2 * 25 / 200)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)


def test_the_mean_absolute_error_of_each_group_is_sklearns() -> None:
    from sklearn.metrics import mean_absolute_error

    weight = np.random.default_rng(3).uniform(0, 2, 400)
    groups, rows = numbers(weight)
    found = judged(FairnessPart(columns=["sex"], measure="mean_absolute_error"), groups, rows)
    for group in found.groups:
        at = np.array(groups) == group.name
        wanted = mean_absolute_error(rows.target[at], rows.decision[at], sample_weight=weight[at])
        assert group.rates["off by, on average"] == pytest.approx(wanted)


@pytest.mark.parametrize(("max_gap", "status"), [(6.0, Status.PASS), (4.1, Status.UNANSWERED), (2.0, Status.FAIL)])
def test_the_gap_of_numbers_is_gated_by_its_interval_in_their_unit(max_gap: float, status: Status) -> None:
    groups, rows = numbers()
    part = FairnessPart(columns=["sex"], measure="mean_error", max_gap=max_gap)
    (check,) = fairness_checks([judged(part, groups, rows)], part, stage="evaluate")
    assert check.status is status
    assert "F +3, M -1" in check.says


def test_a_number_without_a_measure_is_shown_and_asked_for() -> None:
    groups, rows = numbers()
    part = FairnessPart(columns=["sex"])
    found = judged(part, groups, rows)
    (check,) = fairness_checks([found], part, stage="evaluate")
    assert check.status is Status.UNANSWERED
    assert check.fix == "mulle set fairness.measure=mean_error fairness.max_gap=4"
    assert not fairness_figure(found).x.percent


def test_rates_of_classes_count_rows_by_their_weight() -> None:
    target = np.ones(120)
    decision = np.tile([1.0, 0.0], 60)
    weight = np.tile([3.0, 1.0], 60)
    rows = Groupable(target=target, decision=decision, units=np.arange(120, dtype=np.uint64), weight=weight)
    found = judged(FairnessPart(columns=["sex"], measure="equal_opportunity"), ["F"] * 60 + ["M"] * 60, rows)
    assert [g.rates["found of those it should find"] for g in found.groups] == [0.75, 0.75]


def test_a_measure_of_numbers_is_refused_for_classes() -> None:
    rows = Groupable(target=np.tile([0.0, 1.0], 40), decision=np.ones(80), units=np.arange(80, dtype=np.uint64))
    with pytest.raises(UnknownName, match="equal_opportunity"):
        judged(FairnessPart(columns=["sex"], measure="mean_error"), ["F"] * 80, rows)
