"""Small real tables for whole turns of the loop."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import mulle
from mulle.cli.main import cli
from mulle.compute.serial import SerialWorkshop
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
def made(tmp_path: Path) -> Callable[..., mulle.Project]:
    """Make a project with a quick search, in a folder of the test's own."""

    def make(frame: Any, *, folder: Path | None = None, objective: dict[str, Any] | None = None, **options: Any) -> Any:
        options.setdefault("target", "target")
        options["objective"] = {**QUICK, **(objective or {})}
        return mulle.Project(frame, folder=folder or tmp_path, **options)

    return make


@pytest.fixture
def turn(made: Callable[..., mulle.Project]) -> Callable[..., mulle.Run]:
    """Run one quick turn of such a project."""
    return lambda frame, **options: mulle.run(made(frame, **options), workers=2)


class OneProcess(SerialWorkshop):
    """Does all work in the test's own process: for turns that end before a model is fitted."""

    def __init__(self, *given: Any, workers: int | None = None, **named: Any) -> None:  # noqa: ARG002
        super().__init__(*given, **named)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing to end."""


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no worker be started."""
    # the package has a function of the module's name
    monkeypatch.setattr(importlib.import_module("mulle.api.turns"), "LocalWorkshop", OneProcess)


@dataclass(frozen=True)
class Said:
    """What a word on the command line left: its exit code, its result, its words."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """The words on one line, however they were wrapped."""
        return " ".join(self.err.split())


@pytest.fixture
def mulle_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_process: None) -> Callable[..., Said]:  # noqa: ARG001
    """Say a word on the command line, in the test's own folder."""
    monkeypatch.chdir(tmp_path)

    def say(*words: str) -> Said:
        done = CliRunner().invoke(cli, list(words))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    return say


__all__ = ["QUICK", "MulleError", "OneProcess", "Said"]
