"""What lies beside the page: a ready bundle keeps its place until another one is ready."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mulle.api.shelf import Shelved, shelve
from mulle.export.bundle import write_bundle
from mulle.runtime.bundle import Bundle


@pytest.fixture
def lay(tmp_path: Path, toy_parts: Callable[..., Any]) -> Callable[[str, str], Shelved]:
    """Make a bundle of a run with a stamp, and lay it beside the page."""

    def lay(run: str, stamp: str) -> Shelved:
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}-{run}-{stamp}"
        write_bundle(folder, toy_parts(run=run, stamp=stamp))
        return shelve(folder, tmp_path, "toy")

    return lay


def told(path: Path) -> tuple[str, str]:
    manifest = Bundle.load(path).manifest
    return manifest.run, manifest.stamp


def test_a_draft_lies_beside_a_ready_bundle_and_both_are_named(lay: Any, tmp_path: Path) -> None:
    lay("r1", "ready")
    laid = lay("r2", "draft")
    assert laid.path == tmp_path / "toy-draft.zip"
    assert told(tmp_path / "toy.zip") == ("r1", "ready")
    assert told(laid.path) == ("r2", "draft")
    assert "toy.zip was left as it is: the assessed, ready bundle of run r1" in laid.says


def test_a_draft_that_becomes_ready_takes_the_place_and_leaves_no_copy(lay: Any, tmp_path: Path) -> None:
    lay("r1", "ready")
    lay("r2", "draft")
    laid = lay("r2", "ready")
    assert laid == Shelved(path=tmp_path / "toy.zip")
    assert not laid.says
    assert told(laid.path) == ("r2", "ready")
    assert not (tmp_path / "toy-draft.zip").exists()


def test_a_draft_of_another_run_is_not_taken_away(lay: Any, tmp_path: Path) -> None:
    lay("r1", "ready")
    lay("r2", "draft")
    lay("r1", "ready")
    assert told(tmp_path / "toy-draft.zip") == ("r2", "draft")


def test_a_bundle_that_lost_its_stamp_is_not_served_as_ready(lay: Any, tmp_path: Path) -> None:
    lay("r1", "ready")
    laid = lay("r1", "draft")
    assert laid.path == tmp_path / "toy.zip"
    assert told(laid.path) == ("r1", "draft")


def test_the_first_drafts_take_the_place_one_after_another(lay: Any, tmp_path: Path) -> None:
    (tmp_path / "toy.zip").write_bytes(b"no zip at all")
    lay("r1", "draft")
    laid = lay("r2", "draft")
    assert told(laid.path) == ("r2", "draft")
    assert laid.path == tmp_path / "toy.zip"
