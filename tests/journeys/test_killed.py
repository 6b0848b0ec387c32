"""A run that is killed with -9 and started again ends as one that nobody disturbed, however many workers do it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mulle
from mulle.store.workspace import Workspace
from mulle.training.search import allowed, portfolio

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_run.py"
SEARCHED: dict[str, Any] = {
    "families": ["linear", "lightgbm", "extra_trees"],
    "budget": {"trials": 9},
    "protocol": "kfold",
}
MEASURED = {"package.measure"}
"""Units whose work is times."""


@pytest.mark.skipif(os.name != "posix", reason="kills a process group")
def test_a_killed_run_ends_as_an_undisturbed_one() -> None:
    asked = ["--kills", "3", "--seed", "5", "--trials", "8", "--families", "linear,extra_trees"]
    done = subprocess.run(  # our own script
        [sys.executable, str(SCRIPT), *asked], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS: 3 kills, 0 faults" in done.stdout


def test_the_number_of_workers_changes_nothing(cancer: pl.DataFrame, tmp_path: Path) -> None:
    one, three = (turned(cancer, tmp_path / str(n), workers=n) for n in (1, 3))
    assert one == three
    assert "package.bundle" in {unit for unit, _ in one.values()}


@pytest.mark.parametrize("search", ["random", "grid"])
def test_another_kind_of_search_is_as_steady(cancer: pl.DataFrame, tmp_path: Path, search: str) -> None:
    one, two = (turned(cancer, tmp_path / str(n), workers=n, search=search) for n in (1, 2))
    assert one == two


def turned(frame: pl.DataFrame, folder: Path, *, workers: int, search: str = "tpe") -> dict[str, tuple[str, str]]:
    """Run one turn with proposals of a search; return each unit's name and work by its key."""
    project = mulle.Project(frame, target="target", folder=folder, objective={**SEARCHED, "search": search})
    mulle.run(project, workers=workers)
    with Workspace.open(folder, write=False) as space:
        rows = [row for row in space.ledger.units() if row.unit not in {"problem.read", *MEASURED}]
    assert len(rows) == len({row.key for row in rows})
    tried = {str([row.params["family"], row.params["config"]]) for row in rows if row.unit == "model.fold"}
    assert len(tried) > len(portfolio(allowed(SEARCHED["families"]), len(frame))) + 1, "the learning curve, proposals"
    return {row.key: (row.unit, row.artifact) for row in rows}
