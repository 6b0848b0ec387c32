"""Small real tables for whole turns of the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import mulle
from mulle.core.errors import MulleError


def _frame(held: Any, names: list[str] | None = None) -> pl.DataFrame:
    columns = {str(name).replace(" ", "_"): held.data[:, i] for i, name in enumerate(held.feature_names)}
    target = held.target if names is None else np.array(names)[held.target]
    return pl.DataFrame(columns).with_columns(target=pl.Series(target))


@pytest.fixture(scope="session")
def cancer() -> pl.DataFrame:
    """569 tumours, 30 numbers, malignant or benign."""
    return _frame(load_breast_cancer(), ["malignant", "benign"])


@pytest.fixture(scope="session")
def wine() -> pl.DataFrame:
    """178 wines, 13 numbers, three growers."""
    return _frame(load_wine(), ["first", "second", "third"])


@pytest.fixture(scope="session")
def diabetes() -> pl.DataFrame:
    """442 people, 10 numbers, progress of the disease after a year."""
    return _frame(load_diabetes())


QUICK: dict[str, Any] = {"budget": {"trials": 2}, "families": ["linear", "extra_trees"]}


@pytest.fixture
def turn(tmp_path: Path) -> Callable[..., mulle.Run]:
    """Run one quick turn in a folder of the test's own."""

    def run(frame: Any, *, folder: Path | None = None, objective: dict[str, Any] | None = None, **options: Any) -> Any:
        options.setdefault("target", "target")
        options["objective"] = {**QUICK, **(objective or {})}
        project = mulle.Project(frame, folder=folder or tmp_path, **options)
        return mulle.run(project, workers=2)

    return run


__all__ = ["MulleError", "QUICK"]
