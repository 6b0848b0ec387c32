"""What a card says of the rows that taught a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mulle.core.work import Ref
from mulle.splits.folds import Folds, make_folds
from mulle.stages.base import Prepared
from mulle.stages.card import rows_words


def prepared(folder: Path, folds: Folds) -> Prepared:
    (folder / "rows.json").write_text(json.dumps({"n_rows": folds.n_rows}))
    folds.save(folder / "folds.npz")
    ref = Ref(hash="x", path=folder)
    return Prepared(rows=ref, folds=ref, features=("a",), protocol=folds.protocol, n_folds=len(folds))


def test_of_a_hold_out_the_card_counts_the_rows_that_it_was_fitted_on_alone(tmp_path: Path) -> None:
    held = prepared(tmp_path, make_folds(25_000, rng=np.random.default_rng(0)))
    found = rows_words(held, 1)
    assert "It learned from 20,000 of the 25,000 rows" in found
    assert "measured on 5,000 others; either half of them said for the other when to stop learning." in found


@pytest.mark.parametrize(("n_rows", "models", "each"), [(1000, 5, "800"), (200, 15, "160")])
def test_of_folds_the_card_says_how_many_models_are_averaged_and_on_how_many_rows_each(
    tmp_path: Path, n_rows: int, models: int, each: str
) -> None:
    found = rows_words(prepared(tmp_path, make_folds(n_rows, rng=np.random.default_rng(0))), 1)
    assert f"It is the mean of {models} models." in found
    assert f"{each} " in found
    assert "fold" not in found


def test_along_time_the_card_says_that_each_was_judged_on_newer_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = rows_words(prepared(tmp_path, make_folds(600, rng=rng, time=np.arange(600.0))), 2)
    assert "Each of these is the mean of 5 models" in found
    assert "100 to 500 of the 600 rows to work with, and was judged on newer ones" in found
