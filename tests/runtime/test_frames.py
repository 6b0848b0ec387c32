"""Columns of every library come out as plain values, whatever their type there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mulle.runtime import encode
from mulle.runtime.frame import read_frame

MOMENT = datetime(2024, 1, 31, 9, 30, tzinfo=UTC)
SECONDS = MOMENT.timestamp()


def wires(source, kind, **options):
    entry = {"name": "x", "kind": kind, "columns": ["x"], "options": options}
    values, bad = encode.wire(entry, [read_frame(source, ["x"]).columns["x"]])
    assert not bad.any()
    return values[:, 0].tolist()


@pytest.mark.parametrize(
    "source",
    [
        pl.DataFrame({"x": [1, 2, None]}),
        pl.DataFrame({"x": [1, 2, None]}, schema={"x": pl.UInt8}),
        pl.DataFrame({"x": [1.0, 2.0, None]}, schema={"x": pl.Float32}),
        pl.DataFrame({"x": [Decimal(1), Decimal(2), None]}),
        pl.DataFrame({"x": ["1", "2", None]}),
        pd.DataFrame({"x": [1, 2, None]}),
        pd.DataFrame({"x": pd.array([1, 2, None], dtype="Int64")}),
        pd.DataFrame({"x": pd.array(["1", "2", None], dtype="string")}),
        pd.DataFrame({"x": pd.Series([1, 2, None], dtype="float32")}),
        pd.DataFrame({"x": pd.Series([Decimal(1), Decimal(2), None])}),
        pa.table({"x": [1, 2, None]}),
        pa.table({"x": [1.0, 2.0, None]}),
        pa.table({"x": pa.array([Decimal(1), Decimal(2), None])}),
        np.array([(1.0,), (2.0,), (np.nan,)], dtype=[("x", "f4")]),
        {"x": (1, "2", None)},
        {"x": np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 0, 1])},
        {"x": pl.Series([1, 2, None])},
        {"x": pd.Series([1, 2, None])},
        {"x": pa.chunked_array([[1, 2], [None]])},
        [{"x": 1}, {"x": 2}, {}],
    ],
)
def test_numbers(source):
    one, two, nothing = wires(source, "number")
    assert (one, two) == (1.0, 2.0)
    assert np.isnan(nothing)


@pytest.mark.parametrize(
    "source",
    [
        pl.DataFrame({"x": ["a", None]}),
        pl.DataFrame({"x": ["a", None]}, schema={"x": pl.Categorical}),
        pl.DataFrame({"x": ["a", None]}, schema={"x": pl.Enum(["a", "b"])}),
        pd.DataFrame({"x": ["a", None]}),
        pd.DataFrame({"x": pd.array(["a", None], dtype="string")}),
        pd.DataFrame({"x": pd.Categorical(["a", None])}),
        pd.DataFrame({"x": pd.Series(["a", pd.NA], dtype=object)}),
        pa.table({"x": ["a", None]}),
        pa.table({"x": pa.array(["a", None]).dictionary_encode()}),
        pa.table({"x": pa.array(["a", None], pa.large_string())}),
        pa.table({"x": pa.array(["a", None], pa.string_view())}),
        np.array([("a",), ("",)], dtype=[("x", "U3")]),
    ],
)
def test_words(source):
    assert wires(source, "category") == ["a", ""]


@pytest.mark.parametrize(
    "source",
    [
        pl.DataFrame({"x": [True, None]}),
        pd.DataFrame({"x": [True, None]}),
        pd.DataFrame({"x": pd.array([True, None], dtype="boolean")}),
        pa.table({"x": [True, None]}),
    ],
)
def test_booleans(source):
    yes, nothing = wires(source, "boolean")
    assert yes == 1.0
    assert np.isnan(nothing)


@pytest.mark.parametrize(
    "source",
    [
        pl.DataFrame({"x": [MOMENT, None]}),
        pl.DataFrame({"x": [MOMENT.replace(tzinfo=None), None]}),
        pl.DataFrame({"x": [MOMENT, None]}).with_columns(pl.col("x").dt.convert_time_zone("Asia/Seoul")),
        pd.DataFrame({"x": pd.to_datetime(["2024-01-31T09:30", None])}),
        pd.DataFrame({"x": pd.to_datetime(["2024-01-31T09:30", None]).tz_localize("UTC").tz_convert("Asia/Seoul")}),
        pa.table({"x": pa.array([MOMENT, None], pa.timestamp("ms", "UTC"))}),
        pa.table({"x": pa.array([MOMENT.replace(tzinfo=None), None], pa.timestamp("ns"))}),
        [{"x": MOMENT}, {"x": None}],
        {"x": ["2024-01-31T18:30:00+09:00", ""]},
    ],
)
def test_moments(source):
    moment, nothing = wires(source, "datetime")
    assert moment == SECONDS
    assert np.isnan(nothing)


@pytest.mark.parametrize(
    "make", [pl.DataFrame, pd.DataFrame, pa.table, dict], ids=["polars", "pandas", "pyarrow", "dict"]
)
def test_days_lists_and_bytes(make):
    day = wires(make({"x": [date(2024, 1, 31)]}), "datetime")[0]
    assert day == datetime(2024, 1, 31, tzinfo=UTC).timestamp()
    assert wires(make({"x": [["a", "b"], None]}), "list") == ["a\x1fb", ""]
    assert wires(make({"x": [b"png", b""]}), "image") == [b"png", b""]
