"""A kind in a file of one's own goes all the way into a bundle that opens without that file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import mulle
from mulle.core.errors import ProjectError
from mulle.kinds import kinds

PART = Path(__file__).parents[1] / "contracts" / "parts" / "score.py"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Leave no kind behind."""
    yield
    if "score" in kinds.names():
        kinds.remove("score")


@pytest.mark.slow
def test_a_kind_of_ones_own_is_trained_packaged_and_read_by_the_runtime(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame, tmp_path: Path
) -> None:
    shutil.copy(PART, tmp_path / "score.py")
    frame = cancer.rename({"mean_radius": "radius_score"})
    run = mulle.run(made(frame, code={"files": ["score.py"]}))
    asked = {entry["name"]: entry["kind"] for entry in run.bundle.manifest.request}
    assert asked["radius_score"] == "number"
    kinds.remove("score")
    rows = frame.drop("target").with_columns(pl.col("radius_score").cast(pl.String) + " ")
    ours, as_text = (run.bundle.predict(table).prediction for table in (frame.drop("target"), rows))
    np.testing.assert_allclose(ours, as_text, atol=1e-6)
    assert run.bundle.selftest().ok


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("lacking", "fix"),
    [("reads_as", 'as in reads_as = "number"; known: boolean'), ("like", 'as in like = "number"; or bring a family')],
)
def test_a_kind_that_nothing_could_read_or_see_is_refused_before_anything_is_fitted(
    made: Callable[..., mulle.Project], cancer: pl.DataFrame, tmp_path: Path, lacking: str, fix: str
) -> None:
    text = PART.read_text("utf-8").replace(f'    {lacking}: ClassVar[str] = "number"\n', "")
    (tmp_path / "score.py").write_text(text, "utf-8")
    project = made(cancer.rename({"mean_radius": "radius_score"}), code={"files": ["score.py"]})
    with pytest.raises(ProjectError, match=fix) as fault:
        mulle.run(project)
    assert f"class Score, {lacking}" in fault.value.where
    assert not (project.folder / "mulle.lock").exists()
