"""`mulle run --final`: the assessed recipe on every row, with figures that are the recipe's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import mulle
from mulle import api
from mulle.core.errors import ProjectError
from mulle.runtime.bundle import Bundle

pytestmark = pytest.mark.slow

REASON = "a test of ours, agreed with nobody"
OPEN = ("problem.goal", "problem.costs", "problem.groups", "problem.min_gain", "evaluate.gain", "assess.gain")


def settled(made: Callable[..., mulle.Project], frame: pl.DataFrame, **options: Any) -> mulle.Project:
    """Return a project whose open gates are all passed by name."""
    return made(frame, overrides=[{"check": name, "reason": REASON} for name in OPEN], **options)


def artifacts(project: mulle.Project, name: str) -> set[Path]:
    return {path.parent for path in (project.folder / ".mulle" / "artifacts").glob(f"*/{name}")}


def test_the_assessed_recipe_is_refitted_on_every_row_and_says_whose_its_figures_are(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    project = settled(made, cancer)
    mulle.run(project)
    assessed = mulle.assess(project)
    before = artifacts(project, "rows.json")
    run = api.final(project)
    assert run.stamp == "ready"
    assert run.id != assessed.id
    (rows,) = [path for path in artifacts(project, "rows.json") - before if (path / "target.npy").exists()]
    assert json.loads((rows / "rows.json").read_text())["n_rows"] == len(cancer)
    assert f"refitted on all {len(cancer):,} rows" in run.bundle.card
    assert "its figures are the recipe's" in run.bundle.card
    assert run.bundle.manifest.metrics["figures"] == "the recipe's"
    assert run.bundle.manifest.metrics["recipe_of"] == assessed.id
    assert run.bundle.manifest.metrics["estimate"] == assessed.bundle.manifest.metrics["estimate"]
    ours, theirs = (b.predict(cancer.drop("target")).prediction for b in (run.bundle, assessed.bundle))
    assert np.abs(ours - theirs).max() > 0
    assert np.mean((ours > 0.5) == (theirs > 0.5)) > 0.97
    shipped = Bundle.load(project.folder / "project.zip")
    assert shipped.manifest.run == run.id


def test_a_hold_out_is_refitted_on_all_rows_by_one_model(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    project = settled(made, cancer, objective={"protocol": "holdout", "families": ["extra_trees", "linear"]})
    mulle.run(project)
    mulle.assess(project)
    before = artifacts(project, "folds.npz")
    run = api.final(project)
    held = [np.load(path / "folds.npz") for path in artifacts(project, "folds.npz") - before]
    assert max(len(folds["train_0"]) for folds in held) == len(cancer)
    assert run.bundle.selftest().ok


def test_what_was_not_assessed_or_is_not_open_is_refused(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    project = made(cancer)
    mulle.run(project)
    with pytest.raises(ProjectError, match="mulle assess"):
        api.final(project)
    mulle.assess(project)
    with pytest.raises(ProjectError, match=r"pass it by name with \[\[overrides\]\]"):
        api.final(project)


def test_data_that_changed_since_it_was_assessed_is_refused(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame, tmp_path: Path
) -> None:
    cancer.write_csv(tmp_path / "d.csv")
    project = settled(made, "d.csv")
    mulle.run(project)
    mulle.assess(project)
    cancer.head(500).write_csv(tmp_path / "d.csv")
    with pytest.raises(ProjectError, match="the data has changed since it was assessed"):
        api.final(project)
