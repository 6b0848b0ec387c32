"""Whole turns of the loop, on real tables, with real worker processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import mulle
from mulle.core.check import Status, Verdict
from mulle.core.errors import MulleError, ProjectError
from mulle.splits.lock import read_lock

pytestmark = pytest.mark.slow
STAGES = ["problem", "data", "baseline", "model", "evaluate", "package"]


def test_a_turn_goes_through_all_stages_and_leaves_a_bundle_that_predicts(
    turn: Callable[..., mulle.Run], cancer: pl.DataFrame
) -> None:
    run = turn(cancer)
    assert [outcome.stage for outcome in run.outcomes] == STAGES
    assert run.report is not None
    found = run.bundle.predict(cancer.drop("target").head(20))
    assert found.n_rejected == 0
    assert set(found.decision) <= {"malignant", "benign"}
    assert run.bundle.selftest().ok
    assert "stamped *draft*" in run.bundle.card


def test_all_that_counts_configurations_counts_the_same_ones(
    turn: Callable[..., mulle.Run], cancer: pl.DataFrame
) -> None:
    run = turn(cancer)
    model = next(outcome for outcome in run.outcomes if outcome.stage == "model")
    searched = next(check for check in model.checks if check.name == "model.searched")
    drawn = next(figure for figure in model.figures if figure.name == "search").marks[0]
    lock = read_lock(run.folder)
    assert lock is not None
    n = model.facts["configurations"]
    assert {int(searched.value or 0), len(drawn.x), run.scores.height - 2, lock.scored} == {n}  # constant, one rule
    assert f"from {n} configurations" in model.answer


def test_open_questions_are_unanswered_and_never_a_pass(turn: Callable[..., mulle.Run], cancer: pl.DataFrame) -> None:
    run = turn(cancer)
    unanswered = {check.name for check in run.checks.unanswered}
    assert {"problem.goal", "problem.costs", "problem.groups", "problem.min_gain"} <= unanswered
    assert run.verdict is not Verdict.OPEN
    assert run.stamp == "draft"


def test_the_second_run_finds_all_finished_units_again(
    turn: Callable[..., mulle.Run], cancer: pl.DataFrame, tmp_path: Path
) -> None:
    first = turn(cancer)
    before = {p.name for p in (tmp_path / ".mulle" / "artifacts").iterdir()}
    second = turn(cancer)
    after = {p.name for p in (tmp_path / ".mulle" / "artifacts").iterdir()}
    assert before <= after
    assert len(after - before) <= 2  # the bundle is measured anew, as a machine's load changes
    assert second.headline[:2] == first.headline[:2]  # the rest is measured anew


def test_assess_opens_the_seal_once_for_a_bundle_and_counts_the_next(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    project = made(cancer)
    mulle.run(project)
    first = mulle.assess(project).outcomes[-1]
    again = mulle.assess(project).outcomes[-1]
    assert first.facts["opening"] == again.facts["opening"] == 1
    assert first.facts["value"] == again.facts["value"]
    assert "not counted again" in again.answer
    assert "not counted again" not in first.answer
    other = made(cancer, objective={"families": ["extra_trees"], "budget": {"trials": 1}, "min_gain": 0.001})
    mulle.run(other)
    second = mulle.assess(other).outcomes[-1]
    assert second.facts["opening"] == 2
    assert second.facts["confidence"] == 0.975


def test_a_bundle_is_judged_by_the_page_it_was_made_with(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    mulle.run(made(cancer))
    changed = made(cancer, slices=[{"name": "large", "where": "mean_radius > 15"}])
    with pytest.raises(ProjectError, match="mulle run, then mulle assess"):
        mulle.assess(changed)


def test_what_failed_before_assess_still_stands_after_it(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    project = made(cancer)
    before = mulle.run(project)
    after = mulle.assess(project)
    assert {c.name for c in before.checks.unanswered} <= {c.name for c in after.checks.unanswered}
    assert not after.record["decision"]["ship"]
    assert after.record["decision"]["because"][0] in {c.says for c in (*after.checks.failed, *after.checks.unanswered)}


def test_a_fourth_bundle_needs_a_reason(made: Callable[..., mulle.Project], cancer: pl.DataFrame) -> None:
    for gain in (0.001, 0.002, 0.003):
        project = made(cancer, objective={"min_gain": gain, "families": ["linear"], "budget": {"trials": 1}})
        mulle.run(project)
        mulle.assess(project)
    last = made(cancer, objective={"min_gain": 0.004, "families": ["linear"], "budget": {"trials": 1}})
    mulle.run(last)
    with pytest.raises(ProjectError, match="--again"):
        mulle.assess(last)
    assert mulle.assess(last, again="the first three had a bug").outcomes[-1].facts["opening"] == 4


def test_sealed_rows_are_in_no_artifact_that_training_reads(
    turn: Callable[..., mulle.Run], made: Callable[..., mulle.Project], cancer: pl.DataFrame, tmp_path: Path
) -> None:
    frame = cancer.with_columns(mark=pl.Series(np.arange(len(cancer), dtype=float)))
    run = turn(frame)
    project = made(frame)
    n = mulle.api.rows(project, tmp_path / "rows.parquet")  # type: ignore[attr-defined]
    facts = run.outcomes[1].facts
    assert n == facts["development_rows"]
    assert facts["development_rows"] + facts["sealed_rows"] == len(frame)


def test_equal_projects_give_equal_results(
    cancer: pl.DataFrame, tmp_path: Path, turn: Callable[..., mulle.Run]
) -> None:
    a = turn(cancer, folder=tmp_path / "a")
    b = turn(cancer, folder=tmp_path / "b")
    assert a.headline[:2] == b.headline[:2]
    assert read_lock(tmp_path / "a").seal.id == read_lock(tmp_path / "b").seal.id  # type: ignore[union-attr]


def test_several_classes(turn: Callable[..., mulle.Run], wine: pl.DataFrame) -> None:
    run = turn(wine)
    found = run.bundle.predict(wine.head(5))
    assert found.prediction.shape == (5, 3)
    assert np.allclose(found.prediction.sum(axis=1), 1)


def test_a_number(turn: Callable[..., mulle.Run], diabetes: pl.DataFrame) -> None:
    run = turn(diabetes)
    facts = run.outcomes[4].facts
    assert facts["metric"] in {"rmse", "mae"}
    assert 40 < facts["estimate"] < 65


def test_groups_stay_whole_on_every_side(turn: Callable[..., mulle.Run], cancer: pl.DataFrame, tmp_path: Path) -> None:
    frame = cancer.with_columns(clinic=pl.Series([f"clinic {i % 40}" for i in range(len(cancer))]))
    run = turn(frame, group="clinic")
    assert run.outcomes[1].facts["sealed_rows"] > 0
    project = mulle.Project(frame, target="target", folder=tmp_path, group="clinic")
    mulle.api.rows(project, tmp_path / "rows.parquet")  # type: ignore[attr-defined]
    seen = set(pl.read_parquet(tmp_path / "rows.parquet")["clinic"])
    sealed = set(frame["clinic"]) - seen
    assert sealed
    assert run.outcomes[1].facts["sealed_rows"] == frame["clinic"].is_in(list(sealed)).sum()


def test_with_time_the_newest_rows_are_sealed(turn: Callable[..., mulle.Run], cancer: pl.DataFrame) -> None:
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2026, 1, 1), "1d", eager=True)
    frame = cancer.with_columns(seen_at=days[: len(cancer)])
    run = turn(frame, time="seen_at")
    assert run.outcomes[1].facts["protocol"].startswith("forward")


def test_without_a_sealed_test_nothing_is_promised(made: Callable[..., mulle.Project], cancer: pl.DataFrame) -> None:
    project = made(cancer, test="none")
    run = mulle.run(project)
    assert "data.seal" in {check.name for check in run.checks.unanswered}
    with pytest.raises(ProjectError, match="remove the key"):
        mulle.assess(project)


def test_the_users_rule_and_the_old_system_are_baselines(turn: Callable[..., mulle.Run], cancer: pl.DataFrame) -> None:
    frame = cancer.with_columns(old=(pl.col("mean_radius") > 15).cast(pl.Float64))
    run = turn(frame, baseline={"rule": "mean_radius > 14 AND mean_texture > 18", "old_system": "old"})
    titles = [row[0] for row in run.outcomes[2].tables[0].rows]
    assert {"Your rule", "Old system"} <= set(titles)
    assert "old" not in run.bundle.columns


def test_slices_and_groups_are_judged(turn: Callable[..., mulle.Run], cancer: pl.DataFrame) -> None:
    frame = cancer.with_columns(ward=pl.Series(["north" if i % 2 else "south" for i in range(len(cancer))]))
    run = turn(
        frame,
        slices=[{"name": "large", "where": "mean_radius > 13", "max_drop": 0.2}],
        fairness={"columns": ["ward"], "measure": "equal_opportunity", "max_gap": 0.5},
    )
    found = {check.name: check.status for check in run.checks}
    assert found["evaluate.slice.large"] is Status.PASS
    assert found["evaluate.fairness.ward"] is Status.PASS


def test_a_slice_without_rows_is_no_pass(turn: Callable[..., mulle.Run], cancer: pl.DataFrame) -> None:
    run = turn(cancer, slices=[{"name": "giants", "where": "mean_radius > 1000", "max_drop": 0.2}])
    assert {c.name: c.status for c in run.checks}["evaluate.slice.giants"] is Status.UNANSWERED


def test_an_override_stays_on_the_record(turn: Callable[..., mulle.Run], cancer: pl.DataFrame) -> None:
    reason = "a pilot with ten patients, read by a doctor"
    run = turn(cancer, overrides=[{"check": "problem.costs", "reason": reason}])
    check = next(c for c in run.checks if c.name == "problem.costs")
    assert check.override == reason
    assert "problem.costs" not in {c.name for c in run.checks.unanswered}


def test_costs_move_the_threshold_and_say_what_it_is_worth(
    turn: Callable[..., mulle.Run], cancer: pl.DataFrame
) -> None:
    cheap = turn(cancer, objective={"costs": {"false_positive": 1, "false_negative": 1, "currency": "EUR"}})
    dear = turn(cancer, objective={"costs": {"false_positive": 1, "false_negative": 50, "currency": "EUR"}})
    assert dear.bundle.parameters["threshold"] < cheap.bundle.parameters["threshold"]
    assert "EUR" in {a: b for a, b, _ in dear.headline}["worth"]


def test_a_leak_is_left_out_and_can_be_brought_back(turn: Callable[..., mulle.Run], cancer: pl.DataFrame) -> None:
    frame = cancer.with_columns(refund=pl.Series(np.where(cancer["target"] == "benign", 1.0, 7.0)))
    run = turn(frame)
    assert "refund" not in run.bundle.columns
    kept = turn(frame, keep=["refund"])
    assert "refund" in kept.bundle.columns


def test_pandas_and_arrow_frames_do_as_well(turn: Callable[..., mulle.Run], wine: pl.DataFrame, tmp_path: Path) -> None:
    a = turn(wine.to_pandas(), folder=tmp_path / "pandas")
    b = turn(wine.to_arrow(), folder=tmp_path / "arrow")
    assert a.headline[0] == b.headline[0]


def test_words_numbers_dates_and_lists_are_mixed_in_one_model(turn: Callable[..., mulle.Run]) -> None:
    rng = np.random.default_rng(0)
    n = 600
    good = rng.random(n) < 0.5
    praise, blame = ["lovely fit", "great colour and soft"], ["itchy and returned", "poor seams, too small"]
    frame = pl.DataFrame(
        {
            "review": [
                f"I bought this dress {i % 50} days ago, {(praise if g else blame)[i % 2]}, and so I say it"
                for i, g in enumerate(good)
            ],
            "age": rng.integers(18, 80, n),
            "bought": pl.Series([f"2025-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)]),
            "tags": ["|".join(rng.choice(["a", "b", "c", "d"], 2, replace=False)) for _ in range(n)],
            "member": rng.choice(["yes", "no"], n),
            "target": np.where(good ^ (rng.random(n) < 0.05), "keeps", "returns"),
        }
    )
    run = turn(frame)
    kinds = {row[0]: row[1] for row in run.outcomes[0].tables[0].rows}
    assert kinds["review"] == "text"
    assert run.outcomes[4].facts["estimate"] > 0.85
    one: Any = run.bundle.predict_one(frame.drop("target").row(0, named=True))
    assert one.decision in {"keeps", "returns"}


def test_no_answer_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0], "target": ["a", "a", "a"]})
    project = mulle.Project(frame, target="target", folder=tmp_path)
    with pytest.raises(MulleError, match="class"):
        mulle.run(project)
    assert not list((tmp_path / ".mulle" / "runs").glob("*/run.json"))


def test_weights_count_in_fitting(turn: Callable[..., mulle.Run], cancer: pl.DataFrame, tmp_path: Path) -> None:
    plain = turn(cancer, folder=tmp_path / "plain", objective={"families": ["linear"], "budget": {"trials": 1}})
    weights = pl.Series("w", np.where(cancer["target"] == "benign", 10.0, 1.0))
    run = turn(
        cancer.with_columns(weights),
        folder=tmp_path / "weighted",
        weight="w",
        objective={"families": ["linear"], "budget": {"trials": 1}},
    )
    assert "w" not in run.bundle.columns
    row = cancer.drop("target").head(50)
    assert not np.allclose(run.bundle.predict(row).prediction, plain.bundle.predict(row).prediction)


def test_a_group_stays_whole_in_the_folds_whatever_seals_the_test(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    frame = cancer.with_columns(clinic=pl.Series([f"clinic {i % 40}" for i in range(len(cancer))]))
    run = mulle.run(made(frame, group="clinic", test="none"))
    units = {np.load(p).size: np.unique(np.load(p)).size for p in run.folder.glob(".mulle/artifacts/*/unit.npy")}
    assert set(units.values()) == {40}
