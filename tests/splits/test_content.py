import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.errors import DataError
from mulle.splits.content import content

NAIVE = dt.datetime(2026, 1, 1)  # noqa: DTZ001  # a moment without a zone is what is tested
CELLS = st.one_of(st.none(), st.text(max_size=5), st.integers(-5, 5).map(str))


def one(value, dtype=None):
    return int(content(pl.DataFrame({"x": pl.Series([value], dtype=dtype)}))[0])


def test_the_hash_of_known_rows_never_changes():
    frame = pl.DataFrame(
        {
            "n": [1.5, -0.0, None],
            "t": ["red", "Grün ", "12"],
            "b": [True, False, None],
            "d": [dt.date(2026, 1, 31), None, dt.date(1969, 12, 31)],
            "l": [["a", "b"], [], None],
        }
    )
    assert content(frame).tolist() == [11981276773921173916, 18073436231944766915, 9976170309771642990]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (1, "1"),
        ("1.50", 1.5),
        ("-0", 0.0),
        (True, "true"),
        (" red", "red"),
        (None, ""),
        (float("nan"), None),
        ("+2e3", 2000),
        (dt.date(2026, 1, 1), NAIVE),
        (NAIVE, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    ],
)
def test_values_that_mean_the_same_are_the_same(a, b):
    assert one(a) == one(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("red", "Red"),
        (0, None),
        ("nan", None),
        ("1_0", 10),
        ("1e", "1"),
        (1, True),
        (dt.date(2026, 1, 1), 1767225600000000),
    ],
)
def test_values_that_differ_differ(a, b):
    assert one(a) != one(b)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_twins_are_equal_wherever_they_stand_and_others_are_not(rows, seed):
    def meaning(cell):
        text = (cell or "").strip()
        try:
            return float(text) + 0.0 if text.isascii() and "_" not in text else text
        except ValueError:
            return text

    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    found = content(frame)
    by_meaning = {}
    for row, h in zip(rows, found.tolist(), strict=True):
        assert by_meaning.setdefault(repr([meaning(c) for c in row]), h) == h
    assert len(set(by_meaning.values())) == len(by_meaning)
    order = np.random.default_rng(seed).permutation(len(rows))
    assert (content(frame[order]) == found[order]).all()
    assert (content(frame.select("b", "a")) == found).all()


def test_an_empty_column_changes_nothing_and_a_column_that_is_gone_is_said():
    frame = pl.DataFrame({"x": [1, 2]})
    assert (content(frame) == content(frame.with_columns(y=pl.lit(None)))).all()
    with pytest.raises(DataError, match="bring the column back"):
        content(frame, ["x", "z"])


def test_the_same_value_in_another_column_is_another_row():
    assert content(pl.DataFrame({"x": [1], "y": [2]})) != content(pl.DataFrame({"x": [2], "y": [1]}))


def test_columns_of_every_type_are_read():
    frame = pl.DataFrame(
        {
            "cat": pl.Series(["a", None], dtype=pl.Categorical),
            "int": pl.Series([1, 2], dtype=pl.UInt8),
            "dec": pl.Series([1, 2], dtype=pl.Decimal(10, 2)),
            "bin": [b"x", b"y"],
            "time": [dt.time(1), None],
            "span": [dt.timedelta(1), None],
            "struct": [{"a": 1}, {"a": 2}],
        }
    )
    assert len(set(content(frame).tolist())) == 2
    assert content(frame.head(0)).shape == (0,)
