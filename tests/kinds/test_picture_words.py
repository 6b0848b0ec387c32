"""What pictures of columns say, and leave unsaid."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mulle.kinds import kinds
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
    assert "values lie outside of what is drawn" in figure.says
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


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([0.0] * 92 + [5000.0] * 8, "'gain' lies between 0 and 5,000; 92.0% of the values are 0."),
        ([12.0] * 50, "'gain' is 12 wherever it is known."),
        ([1.0] * 20 + [2.0] * 60 + [3.0] * 20, "20.0% of the values are below 2, 60.0% are just that."),
        ([float(i) for i in range(100)], "half of the values are below 49.5."),
    ],
)
def test_what_is_said_of_the_middle_is_true_where_values_are_equal_too(values: list[float], says: str) -> None:
    assert says in histogram("gain", pl.Series(values), None).says


def test_a_column_of_lists_has_as_many_rows_as_the_table() -> None:
    tags = pl.Series("tags", [["a", "b"], ["a"], None, ["a", "b", "c"]])
    told = {row[0]: row[1] for row in kinds.get("list").summarise([tags]).rows}
    assert (told["rows"], told["missing"], told["levels"]) == (4, 1, 3)
