"""A clone with the same page, lock and data seals the same rows, whoever runs it and in whatever order rows come."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mulle import api
from mulle.splits.lock import Lock, read_lock, write_lock
from mulle.splits.seal import Seal
from mulle.store.workspace import Workspace

PAGE = """\
[data]
source = "tumours.parquet"
target = "target"
ignore = ["row"]
{more}
"""


@pytest.fixture
def first(cancer: pl.DataFrame, tmp_path: Path) -> Path:
    """Return a project's folder."""
    return lay_out(cancer, tmp_path / "first")


def lay_out(frame: pl.DataFrame, folder: Path, *, more: str = "") -> Path:
    folder.mkdir()
    rows = pl.Series("row", np.arange(len(frame)))
    frame.head(200).with_columns(rows.head(200)).write_parquet(folder / "tumours.parquet")
    (folder / "mulle.toml").write_text(PAGE.format(more=more), "utf-8")
    return folder


def clone(folder: Path, to: Path) -> Path:
    """Copy what git would: the page, the lock and the data, not ``.mulle``."""
    to.mkdir()
    for name in ("mulle.toml", "mulle.lock", "tumours.parquet"):
        shutil.copy(folder / name, to)
    return to


def look(folder: Path, *, until: str = "problem") -> api.Run:
    """Run the stages until the rows are sealed."""
    return api.run(api.open_project(folder), until=until, workers=1)


def sealed(folder: Path) -> list[int]:
    """Return the rows that the last run has put aside."""
    with Workspace.open(folder, write=False) as space:
        sides = [row for row in space.ledger.units() if row.unit == "problem.side" and row.params["side"] == "sealed"]
        held = space.artifacts.find(sides[-1].artifact)
    assert held is not None
    return sorted(pl.read_parquet(held.path / "raw.parquet")["row"].to_list())


def units(folder: Path) -> list[str]:
    """Return the keys of all units that were done, in the order in which they ended."""
    with Workspace.open(folder, write=False) as space:
        return [row.key for row in space.ledger.units()]


def seal_of(folder: Path) -> Seal:
    lock = read_lock(folder)
    assert lock is not None
    return lock.seal


def test_a_second_clone_seals_the_same_rows(first: Path, tmp_path: Path) -> None:
    run = look(first, until="data")
    second = clone(first, tmp_path / "second")
    again = look(second, until="data")
    assert sealed(second) == sealed(first)
    assert run.outcomes[1].facts["sealed_rows"] == again.outcomes[1].facts["sealed_rows"] == len(sealed(first)) > 0
    assert (second / "mulle.lock").read_bytes() == (first / "mulle.lock").read_bytes()


def test_looking_again_does_no_unit_again(first: Path) -> None:
    look(first)
    before = units(first)
    look(first)
    assert units(first) == before


def test_the_lock_decides_not_the_clones_seed(first: Path, tmp_path: Path) -> None:
    look(first)
    second = clone(first, tmp_path / "second")
    with (second / "mulle.toml").open("a", encoding="utf-8") as page:
        page.write("[project]\nseed = 7\n")
    look(second)
    assert sealed(second) == sealed(first)
    (second / "mulle.lock").unlink()
    shutil.rmtree(second / ".mulle")
    look(second)
    assert sealed(second) != sealed(first)


def test_the_salt_in_the_lock_is_what_decides(first: Path, tmp_path: Path) -> None:
    look(first)
    second = clone(first, tmp_path / "second")
    held = seal_of(second)
    other = Seal(by=held.by, inputs=held.inputs, salt="00" * 16, fraction=held.fraction, made=held.made)
    write_lock(second, Lock(seal=other))
    look(second)
    assert sealed(second) != sealed(first)


def test_rows_in_another_order_are_sealed_all_the_same(first: Path, tmp_path: Path) -> None:
    look(first)
    second = clone(first, tmp_path / "second")
    frame = pl.read_parquet(second / "tumours.parquet")
    frame.sample(fraction=1.0, shuffle=True, seed=3).write_parquet(second / "tumours.parquet")
    look(second)
    assert sealed(second) == sealed(first)


def test_new_rows_move_no_old_row_to_another_side(cancer: pl.DataFrame, first: Path, tmp_path: Path) -> None:
    look(first)
    second = clone(first, tmp_path / "second")
    rows = pl.Series("row", np.arange(len(cancer)))
    cancer.with_columns(rows).head(300).write_parquet(second / "tumours.parquet")
    look(second)
    assert [row for row in sealed(second) if row < 200] == sealed(first)
    assert any(row >= 200 for row in sealed(second))


def test_patients_stay_sealed_by_their_key_though_their_values_change(cancer: pl.DataFrame, tmp_path: Path) -> None:
    first = lay_out(cancer, tmp_path / "first", more='key = "row"')
    (first / "mulle.toml").write_text(PAGE.format(more='key = "row"').replace('ignore = ["row"]\n', ""), "utf-8")
    look(first)
    second = clone(first, tmp_path / "second")
    frame = pl.read_parquet(second / "tumours.parquet")
    frame.with_columns(pl.col("mean_radius") * 1.01).write_parquet(second / "tumours.parquet")
    look(second)
    assert sealed(second) == sealed(first)
