"""What the page says is done, or refused with its place: nothing on it is passed over in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import mean_squared_error

import mulle
from mulle.core.check import Status
from mulle.core.errors import ProjectError, UnknownName
from mulle.loop import check_names
from mulle.splits.lock import read_lock
from mulle.store.ledger import EventKind
from mulle.store.workspace import Workspace

pytestmark = pytest.mark.slow

REASON = "agreed with Ana from the audit"


@pytest.mark.parametrize(
    ("name", "near"), [("data.twin", "data.twins"), ("evaluate.slice.larg", "evaluate.slice.large")]
)
@pytest.mark.usefixtures("one_process")
def test_an_override_that_names_no_check_is_refused_with_the_nearest_name(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame, name: str, near: str
) -> None:
    slices = [{"name": "large", "where": "mean_radius > 15"}]
    project = made(cancer, slices=slices, overrides=[{"check": name, "reason": REASON}])
    with pytest.raises(UnknownName, match=f"did you mean '{near}'") as fault:
        mulle.run(project)
    assert "[[overrides]] number 1, check" in fault.value.where


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"positive": "first"}, "positive means nothing for a multiclass task"),
        ({"objective": {"costs": {"false_positive": 1}}}, "false_positive means nothing for a multiclass task"),
        (
            {"fairness": {"columns": ["hue"], "measure": "equal_opportunity"}},
            "measure for a multiclass task 'equal_opportunity' is unknown",
        ),
    ],
)
@pytest.mark.usefixtures("one_process")
def test_a_key_that_nothing_would_read_is_refused(
    made: Callable[..., mulle.Project], wine: pl.DataFrame, options: dict[str, Any], what: str
) -> None:
    project = made(wine, **options)
    with pytest.raises(ProjectError, match=what):
        mulle.run(project)
    assert not (project.folder / "mulle.lock").exists()


def test_every_check_of_a_run_can_be_overridden_by_its_name_and_the_reason_stands_on_the_card(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    slices = [{"name": "large", "where": "mean_radius > 15"}]
    overrides = [{"check": "problem.goal", "reason": REASON}, {"check": "assess.slice.large", "reason": REASON}]
    project = made(cancer, slices=slices, overrides=overrides)
    run = mulle.run(project)
    assert f"`problem.goal` (UNANSWERED: {next(c.says for c in run.checks if c.name == 'problem.goal')})" in (
        run.bundle.card
    )
    assert REASON in run.bundle.card
    assert run.report is not None
    assert REASON in run.report.read_text("utf-8")
    assessed = mulle.assess(project)
    assert {c.name for c in assessed.checks} <= set(check_names(project.page))
    assert assessed.bundle.card.count("assess.slice.large") == 1
    assert assessed.outcomes[-1].answer in assessed.bundle.card
    assert assessed.bundle.selftest().ok


def test_a_number_is_judged_between_groups_here_and_on_the_sealed_rows(
    made: Callable[..., mulle.Project], diabetes: pl.DataFrame
) -> None:
    frame = diabetes.with_columns(group=pl.when(pl.col("sex") > 0).then(pl.lit("f")).otherwise(pl.lit("m")))
    fairness = {"columns": ["group"], "measure": "mean_absolute_error", "max_gap": 1e6}
    project = made(frame, fairness=fairness, ignore=["group"])
    mulle.run(project)
    found = {c.name: c for c in mulle.assess(project).checks}
    assert found["evaluate.fairness.group"].status is Status.PASS
    assert found["assess.fairness.group"].status is Status.PASS
    assert found["evaluate.fairness.group"].interval is not None


def test_row_weights_count_in_every_number(made: Callable[..., mulle.Project], diabetes: pl.DataFrame) -> None:
    heavy = (diabetes["target"] > 150).cast(pl.Float64) * 4 + 1
    project = made(diabetes.with_columns(people=heavy), weight="people", objective={"metric": "rmse"})
    run = mulle.run(project)
    rows = next(p for p in (project.folder / ".mulle" / "artifacts").glob("*/weight.npy"))
    target, weight = np.load(rows.parent / "target.npy"), np.load(rows)
    constant = np.full(len(target), np.average(target, weights=weight))
    wanted = mean_squared_error(target, constant, sample_weight=weight) ** 0.5
    facts = {o.stage: o.facts for o in run.outcomes}
    assert facts["baseline"]["constant"] == pytest.approx(wanted)
    assessed = mulle.assess(project)
    held = next(p for p in (project.folder / ".mulle" / "artifacts").glob("*/baseline.npy")).parent
    sealed = [np.load(held / f"{name}.npy") for name in ("target", "prediction", "weight")]
    value = mean_squared_error(sealed[0], sealed[1][:, 0], sample_weight=sealed[2]) ** 0.5
    assert assessed.outcomes[-1].facts["value"] == pytest.approx(value)
    assert value != pytest.approx(mean_squared_error(sealed[0], sealed[1][:, 0]) ** 0.5, rel=1e-3)


def test_a_run_that_scores_nothing_new_does_not_count_again(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    first = made(cancer)
    mulle.run(first)
    counted = _scored(first)
    assert counted > 1
    mulle.run(first)
    assert _scored(first) == counted
    mulle.run(made(cancer, objective={"budget": {"trials": 3}}))
    assert _scored(first) == counted + 1


def _scored(project: mulle.Project) -> int:
    lock = read_lock(project.folder)
    assert lock is not None
    return lock.scored


@pytest.mark.usefixtures("one_process")
def test_an_override_stands_in_the_ledger_with_its_reason(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    project = made(cancer, overrides=[{"check": "problem.goal", "reason": REASON}])
    mulle.run(project, until="data")
    with Workspace.open(project.folder, write=False) as space:
        (event,) = space.ledger.events(kind=EventKind.OVERRIDE)
    assert (event.body["check"], event.body["reason"]) == ("problem.goal", REASON)


def test_the_users_file_may_import_its_neighbour(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "mulle_test_neighbour.py").write_text('TITLE = "Rows"\n')
    run = mulle.run(made(cancer, code={"files": ["mine.py"]}, objective={"metric": "heard_accuracy"}), workers=1)
    assert run.outcomes[4].facts["metric_title"] == "Rows"


MINE = """
import mulle
from mulle.metrics import metrics
from mulle_test_neighbour import TITLE


@mulle.metric
class Mine(type(metrics.get("accuracy"))):
    name = "heard_accuracy"
    title = TITLE
"""
