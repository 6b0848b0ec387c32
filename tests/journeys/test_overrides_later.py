"""An override is a decision about a verdict: it is taken up after a run, and nothing is fitted anew for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

import mulle
from mulle import api
from mulle.api.project import open_project
from mulle.runtime.bundle import Bundle
from mulle.store.ledger import EventKind
from mulle.store.workspace import Workspace

pytestmark = pytest.mark.slow

REASON = "a test of ours, agreed with nobody"
OPEN = ("problem.goal", "problem.costs", "problem.groups", "problem.min_gain", "evaluate.gain", "assess.gain")
PAGE = """\
[project]
name = "tumours"
[data]
source = "tumours.parquet"
target = "target"
[objective]
budget = { trials = 2 }
families = ["linear", "extra_trees"]
"""


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory, cancer: pl.DataFrame) -> Path:
    """A project on disk after one turn that left gates undecided, assessed."""
    home = tmp_path_factory.mktemp("turned")
    cancer.write_parquet(home / "tumours.parquet")
    (home / "mulle.toml").write_text(PAGE, "utf-8")
    mulle.run(open_project(home))
    mulle.assess(open_project(home))
    return home


@pytest.fixture
def folder(tmp_path: Path, turned: Path) -> Path:
    """A copy of that project for one test."""
    return Path(shutil.copytree(turned, tmp_path / "copy"))


def override(folder: Path, *names: str) -> None:
    blocks = [f'[[overrides]]\ncheck = "{name}"\nreason = "{REASON}"\n' for name in names]
    (folder / "mulle.toml").write_text(PAGE + "\n".join(blocks), "utf-8")


def units(folder: Path) -> int:
    with Workspace.open(folder, write=False) as space:
        return len(list(space.ledger.units()))


def reasons(folder: Path) -> dict[str, str]:
    with Workspace.open(folder, write=False) as space:
        return {event.body["check"]: event.body["reason"] for event in space.ledger.events(kind=EventKind.OVERRIDE)}


def test_an_override_that_is_added_after_a_run_is_taken_up_everywhere_and_fits_nothing_anew(folder: Path) -> None:
    before = units(folder)
    assert "problem.goal" in api.status(folder)["open"]
    override(folder, *OPEN)
    said = api.status(folder)
    assert (said["open"], said["next"], said["stamp"]) == ("nothing", "mulle assess", "draft")
    drawn = api.report(folder).read_text("utf-8")
    assert REASON in drawn
    assert "mulle assess takes that up" in drawn
    run = mulle.assess(open_project(folder))
    assert run.stamp == "ready"
    assert run.record["decision"]["ship"]
    assert "opening 1" in run.outcomes[-1].answer
    assert set(OPEN[:4]) <= set(reasons(folder))
    assert f"Reason: {REASON}" in Bundle.load(folder / "tumours.zip").card
    assert Bundle.load(folder / "tumours.zip").manifest.stamp == "ready"
    assert api.status(folder)["next"].startswith("mulle predict")
    assert units(folder) == before


def test_an_override_that_is_taken_away_shuts_the_gate_again(folder: Path) -> None:
    override(folder, *OPEN)
    assert mulle.assess(open_project(folder)).stamp == "ready"
    override(folder, *OPEN[1:])
    assert api.status(folder)["open"] == "problem.goal"
    run = mulle.assess(open_project(folder))
    assert run.stamp == "draft"
    assert [check.name for check in run.checks.unanswered] == ["problem.goal"]
    assert f"`problem.goal` (UNANSWERED: {run.checks.unanswered[0].says}) Reason" not in run.bundle.card


def test_another_change_of_the_page_still_asks_for_a_run(folder: Path) -> None:
    page = PAGE.replace("trials = 2", "trials = 3")
    (folder / "mulle.toml").write_text(page, "utf-8")
    assert api.status(folder)["next"] == "mulle run"
    (folder / "mulle.toml").write_text(PAGE + "[server]\nmax_rows = 77\n", "utf-8")
    assert api.status(folder)["open"] != "the page has changed since this run"


def test_a_report_is_drawn_where_the_page_is_broken(folder: Path) -> None:
    (folder / "mulle.toml").write_text("[data]\ntraget = 1\n", "utf-8")
    assert "tumours" in api.report(folder).read_text("utf-8")


def test_final_takes_an_override_up(folder: Path) -> None:
    override(folder, *OPEN)
    run = api.final(open_project(folder))
    assert run.stamp == "ready"
    assert {"problem.goal", "problem.costs"} <= set(reasons(folder))
    assert REASON in run.bundle.card
