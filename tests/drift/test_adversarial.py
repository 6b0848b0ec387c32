"""Telling two sets of rows apart."""

import numpy as np
import polars as pl
import pytest

from mulle.drift.adversarial import auc, tell_apart


def table(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "shifted": rng.normal(size=n) + shift,
            "noise": rng.normal(size=n),
            "job": rng.choice(["a", "b", "c"], n),
            "when": pl.Series(rng.integers(0, 10**15, n)).cast(pl.Datetime("us")),
        }
    )


@pytest.mark.parametrize("seed", range(6))
def test_a_random_split_is_not_told_apart(seed):
    every = table(3000, seed)
    side = np.random.default_rng(seed + 100).random(3000) < 0.2
    told = tell_apart(every.filter(~side), every.filter(side), rng=np.random.default_rng(0))
    assert told.interval.low < 0.52
    assert abs(told.auc - 0.5) < 0.06


@pytest.mark.slow
def test_the_interval_of_a_random_split_holds_one_half_about_as_often_as_it_says():
    held = 0
    for seed in range(60):
        told = tell_apart(table(1500, seed), table(500, seed + 1000), rng=np.random.default_rng(seed))
        held += told.interval.low <= 0.5 <= told.interval.high
    assert held >= 50


def test_a_shift_is_told_with_its_column_first():
    told = tell_apart(table(2000, 1), table(2000, 2, shift=1.0), rng=np.random.default_rng(0))
    assert told.columns[0][0] == "shifted"
    assert told.columns[0][2] == pytest.approx(0.76, abs=0.03)
    assert told.auc > 0.7


def test_a_new_category_is_told():
    old, new = table(1000, 1), table(1000, 2).with_columns(job=pl.lit("d"))
    assert tell_apart(old, new, rng=np.random.default_rng(0)).columns[0][0] == "job"


def test_the_same_seed_gives_the_same_answer():
    first, second = (tell_apart(table(1000, 1), table(1000, 2), rng=np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_few_rows_say_nothing():
    assert tell_apart(table(1000, 1), table(99, 2), rng=np.random.default_rng(0)) is None


def test_the_area_counts_ties_half():
    assert auc(np.array([0.0, 1.0]), np.array([1.0, 1.0])) == 0.5


def test_twins_that_all_stand_on_one_side_are_no_difference():
    """Sealed by content, each cell of a coarse table stands on one side as a whole."""
    rng = np.random.default_rng(5)
    cells = rng.permutation(600)
    rows = pl.DataFrame({"x": cells % 30, "z": cells // 30})
    old, new = (pl.concat([rows[a:b]] * 3) for a, b in ((0, 480), (480, 600)))
    told = tell_apart(old, new, rng=rng)
    assert told is not None
    assert told.interval.low < 0.55


def test_a_coarse_table_whose_shares_moved_is_still_told():
    rng = np.random.default_rng(6)
    old, new = (
        pl.DataFrame({"plan": rng.choice(["a", "b", "c"], 2000, p=p)}) for p in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5])
    )
    told = tell_apart(old, new, rng=rng)
    assert told is not None
    assert told.interval.low > 0.6
