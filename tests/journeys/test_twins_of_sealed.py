"""Rows that are left out because they look like sealed ones are said, with their number, the reason and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

import mulle
from mulle.core.check import Status

UNDO = "mulle set data.key='[]' data.ignore='[\"id\"]'"


def numbered(n_values: int) -> pl.DataFrame:
    """400 rows that a number tells apart, and one column with so many values does not."""
    rng = np.random.default_rng(3)
    size = rng.integers(0, n_values, 400)
    target = np.where(rng.random(400) < 0.3 + 0.4 * (size > n_values // 2), "yes", "no")
    return pl.DataFrame({"id": [f"c{i:04d}" for i in range(400)], "size": size, "target": target})


def looked(made: Callable[..., mulle.Project], frame: pl.DataFrame, **options: Any) -> tuple[mulle.Run, Any]:
    run = mulle.run(made(frame, **options), until="data")
    found = [check for check in run.checks if check.name == "data.twins_of_sealed"]
    return run, found[0] if found else None


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("n_values", "status"), [(60, Status.FAIL), (700, Status.UNANSWERED), (20_000, Status.NOTE), (10**9, None)]
)
def test_the_more_rows_are_left_out_the_less_it_is_a_pass(
    made: Callable[..., mulle.Project], n_values: int, status: Status | None
) -> None:
    run, found = looked(made, numbered(n_values), key="id")
    facts = run.outcomes[-1].facts
    assert facts["development_rows"] + facts["sealed_rows"] + facts["twins_left_out"] == 400
    if status is None:
        assert found is None
        return
    assert found.status is status
    assert f"{facts['twins_left_out']:,} of the" in found.says
    assert found.undo.startswith(UNDO)
    assert f"{facts['twins_left_out']:,} left out as twins" in run.outcomes[-1].answer


@pytest.mark.usefixtures("one_process")
def test_what_is_told_to_type_brings_the_rows_back(made: Callable[..., mulle.Project]) -> None:
    run, found = looked(made, numbered(700), key=[], ignore=["id"])
    assert found is None
    assert run.outcomes[-1].facts["twins_left_out"] == 0
