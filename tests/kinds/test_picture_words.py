"""What pictures of columns say, and leave unsaid."""

from __future__ import annotations

import numpy as np
import polars as pl

from mulle.kinds.picture import bars, histogram


def ages(n: int = 1000) -> np.ndarray:
    return np.random.default_rng(0).integers(18, 80, n).astype(float)


def test_values_far_off_are_left_out_of_the_picture_and_counted() -> None:
    x = ages()
    x[:30] = -999
    figure = histogram("age", pl.Series(x), None)
    assert figure.x.low is not None
    assert figure.x.low >= 17
    assert len([y for y in figure.marks[0].y if y > 0]) > 10
    assert "'age' lies between -999 and 79" in figure.says
    assert "rows lie outside of what is drawn" in figure.says
    assert sum(figure.marks[0].y) == 1


def test_a_column_of_mostly_zeros_keeps_its_range() -> None:
    x = np.zeros(1000)
    x[:100] = np.linspace(1, 50, 100)
    figure = histogram("gain", pl.Series(x), None)
    assert figure.x.high is not None
    assert figure.x.high > 40


def test_nothing_is_said_of_a_link_that_is_noise_and_it_is_said_of_a_clear_one() -> None:
    rng = np.random.default_rng(1)
    target = pl.Series(rng.choice(["no", "yes"], 1000))
    noise = histogram("x", pl.Series(rng.normal(size=1000)), target)
    assert "highest where" not in noise.says
    moved = histogram("x", pl.Series(rng.normal(size=1000) + (target == "yes").to_numpy()), target)
    assert "Its values are highest where the target is 'yes'" in moved.says


def test_noise_is_not_told_of_numbers_and_levels_either() -> None:
    rng = np.random.default_rng(2)
    number, level = pl.Series(rng.normal(size=2000)), pl.Series(rng.choice(["a", "b", "c"], 2000))
    x = pl.Series(rng.normal(size=2000))
    assert "highest" not in histogram("x", x, number).says
    assert "highest around" in histogram("x", x, x * 2 + number * 0.1).says
    assert "highest for" not in bars("job", level, number).says
    assert "highest for" in bars("job", level, number + (level == "b").cast(pl.Float64)).says
    assert "most frequent where" not in bars("job", level, pl.Series(rng.choice(["no", "yes"], 2000))).says
