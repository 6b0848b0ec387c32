"""Deleting the lock seals other rows, and neither a seal nor an opening is forgotten by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import mulle
from mulle import api
from mulle.core.errors import ProjectError
from mulle.splits.lock import Lock, changing, read_lock, write_lock
from mulle.splits.opening import open_seal

NOW = "2026-11-22T10:00:00+00:00"


def look(project: mulle.Project) -> mulle.Run:
    return mulle.run(project, until="data", workers=1)


def lock_of(project: mulle.Project) -> Lock:
    lock = read_lock(project.folder)
    assert lock is not None
    return lock


def sealed(project: mulle.Project, frame: pl.DataFrame) -> set[int]:
    return set(np.flatnonzero(lock_of(project).seal.test(frame)).tolist())


def opened(project: mulle.Project, bundle: str) -> None:
    """Open the seal for a bundle, and let the next turn of the loop see it in the lock."""
    open_seal(project.folder, bundle=bundle, run="r", now=NOW)
    look(project)


@pytest.mark.usefixtures("one_process")
def test_a_lock_that_was_deleted_seals_other_rows_and_keeps_what_there_was(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    project = made(cancer)
    look(project)
    first, rows = lock_of(project).seal, sealed(project, cancer)
    opened(project, "b1")
    with changing(project.folder) as lock:
        write_lock(project.folder, lock.count(7))
    look(project)
    (project.folder / "mulle.lock").unlink()
    run = look(project)
    lock = lock_of(project)
    assert lock.seal.salt != first.salt
    assert (lock.seal.number, list(lock.earlier), len(lock.openings), len(lock.opened())) == (2, [first], 1, 0)
    assert lock.scored == 7
    assert len(rows & sealed(project, cancer)) < len(rows) / 2
    said = next(check for check in run.checks if check.name == "data.seal").says
    assert "seal 2 of this project, opened 0 times before" in said
    look(project)
    assert lock_of(project) == lock
    (project.folder / "mulle.lock").unlink()
    look(project)
    assert lock_of(project).seal.salt not in {first.salt, lock.seal.salt}


@pytest.mark.usefixtures("one_process")
def test_the_same_rows_sealed_again_count_on(made: Callable[..., mulle.Project], cancer: pl.DataFrame) -> None:
    days = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 1) + pl.duration(days=len(cancer) - 1), "1d")
    frame = cancer.with_columns(at=pl.select(days).to_series())
    project = made(frame, time="at")
    look(project)
    opened(project, "b1")
    opened(project, "b2")
    first = lock_of(project)
    (project.folder / "mulle.lock").unlink()
    run = look(project)
    assert lock_of(project) == first
    said = next(check for check in run.checks if check.name == "data.seal").says
    assert "seal 1 of this project, opened 2 times before" in said
    assert open_seal(project.folder, bundle="b3", run="r", now=NOW).opening.number == 3


@pytest.mark.usefixtures("one_process")
def test_an_older_lock_that_was_brought_back_and_deleted_hides_no_opening(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame
) -> None:
    project = made(cancer)
    look(project)
    older = (project.folder / "mulle.lock").read_text("utf-8")
    opened(project, "b1")
    (project.folder / "mulle.lock").write_text(older, "utf-8")
    look(project)
    (project.folder / "mulle.lock").unlink()
    look(project)
    assert [(one.bundle, one.seal) for one in lock_of(project).openings] == [("b1", 1)]
    assert lock_of(project).seal.number == 2


@pytest.mark.usefixtures("one_process")
def test_equal_projects_seal_equal_rows(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame, tmp_path: Path
) -> None:
    locks = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        project = made(cancer, folder=tmp_path / name)
        look(project)
        locks.append(lock_of(project).seal.salt)
    assert locks[0] == locks[1]


@pytest.mark.slow
def test_a_bundle_from_before_the_new_seal_is_not_assessed_and_its_rows_are_not_handed_out(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame, tmp_path: Path
) -> None:
    project = made(cancer)
    mulle.run(project, workers=1)
    mulle.assess(project)
    (project.folder / "mulle.lock").unlink()
    look(project)
    with pytest.raises(ProjectError, match="mulle run; or bring the lock"):
        mulle.assess(project)
    with pytest.raises(ProjectError, match="mulle run; or bring the lock"):
        api.rows(project, tmp_path / "rows.csv")
    lock = lock_of(project)
    assert [opening.seal for opening in lock.openings] == [1], "the one that the ledger knows, and no other"
    mulle.run(project, workers=1)
    assert "opening 1" in mulle.assess(project).outcomes[-1].answer
    assert api.rows(project, tmp_path / "rows.csv") == len(cancer) - len(sealed(project, cancer))
