"""A bundle's profile comes from development rows alone, and is told after a whole turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mulle
from mulle.runtime import Bundle

pytestmark = pytest.mark.slow


def test_a_turn_leaves_a_profile_of_the_rows_that_are_not_sealed(
    wine: pl.DataFrame, made: Callable[..., Any], tmp_path: Path
) -> None:
    project = made(wine)
    run = mulle.run(project, workers=2)
    out = tmp_path / "rows.parquet"
    n_rows = mulle.api.rows(project, out)  # type: ignore[attr-defined]
    rows, bundle = pl.read_parquet(out), Bundle.load(run.home / "bundle")
    assert n_rows < len(wine)
    assert bundle.profile.n_rows == n_rows
    assert set(bundle.profile.columns) == set(bundle.columns)
    for name in bundle.columns:
        told = bundle.profile.column(name)
        assert told["typical"] == pytest.approx(rows[name].median(), rel=1e-5, abs=0.5 if told["whole"] else 0)
        # ten rows at least lie beyond each end
        assert (rows[name] <= told["low"] * (1 + 1e-5)).sum() >= 10
        assert (rows[name] >= told["high"] * (1 - 1e-5)).sum() >= 10
    told = bundle.profile.target["classes"]
    assert told == {name: int((rows["target"] == name).sum()) for name in bundle.classes}
    assert list(bundle.profile.prediction["quantiles"]) == list(bundle.score_columns)
    failed = bundle.manifest.said["failed"]
    assert failed == [check.name for check in run.checks.failed]
    why = bundle.explain(rows.drop("target").row(0, named=True))
    assert why.base + sum(held.effect for held in why.effects) == pytest.approx(why.score, abs=1e-9)
