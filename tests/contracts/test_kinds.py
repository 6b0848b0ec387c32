"""What every kind promises: it reads in training as it does in serving, one row as many, and its views are graphs."""

# ruff: noqa: DTZ001  # moments without a zone are what is tested

from __future__ import annotations

import datetime as dt
import io
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.errors import DataError
from mulle.core.figure import Figure, Table
from mulle.core.schema import Feature
from mulle.kinds import kinds
from mulle.kinds.preparation import Preparation, canonical, request, wires
from mulle.runtime import encode

WORDS = st.sampled_from(
    [
        "",
        " ",
        "a",
        "b ",
        "Yes",
        "no",
        "?",
        "NA",
        "7",
        "7.0",
        "-3",
        "1,234",
        "1.234,5",
        "12 %",
        "€5",
        "(8)",
        "1e5",
        "inf",
        "-inf",
        "nan",
        "1e999",
        "0x1",
        "1_000",
        "٣",
        "5.",
        ".5",
        "+5",
        "1 234",
        "café",
        "cafe\u0301",
        "서울",
        "x\x1fy",
        "\x1c",
        "2024-01-05",
        "2024-01-05 10:11:12",
        "2024-01-05T10:11:12Z",
        "2024-01-05T10:11:12.5+09:00",
        "5 Jan 2024",
        "05/01/2024",
        "20240105",
        "2024-02-30",
        "0000-01-01",
        "9999-12-31",
        "2024-01-05 23:59:60",
        "1969-07-20 20:17:40",
        '["a", "b"]',
        "a|b",
        "x; y",
        "[]",
        "['q']",
        "true",
        "False",
        "on",
        "1.0",
        "90.5",
        "-180",
    ]
)
FLOATS = st.floats(width=64) | st.sampled_from([0.0, 1.0, -0.0, 1e300, float("nan"), float("inf")])
OPTIONS = {
    "number": [{}, {"decimal": ","}, {"missing": ["x"]}],
    "place": [{}],
    "boolean": [{}, {"true": ["a"], "false": ["b"]}],
    "datetime": [{}, {"formats": ["%d/%m/%Y"]}, {"epoch": "s"}],
    "category": [{}, {"missing": ["?"]}, {"numbers": True}, {"fold": True}],
    "id": [{}],
    "list": [{}, {"separator": "|"}],
    "text": [{}],
}


def feature(kind: str, options: dict[str, object]) -> Feature:
    columns = ["one", "two"][: kinds.get(kind).arity]
    return Feature(name="it", kind=kind, columns=columns, options=options)


def agrees(kind: str, options: dict[str, object], column: pl.Series) -> None:
    """Hold training against serving on one raw column."""
    it = feature(kind, options)
    raw = pl.DataFrame(dict.fromkeys(it.columns, column))
    table, faults = canonical([it], raw)
    part = kinds.get(kind)
    trained = part.to_wire([table[c] for c in it.columns], it.options)
    entry = request([it])[0]
    served, bad = encode.wire(entry, [column.to_list() for _ in it.columns])
    np.testing.assert_array_equal(trained, served)
    assert np.flatnonzero(bad).tolist() == (list(faults[0].positions) if faults else [])
    assert [table[c].dtype for c in it.columns] == [part.dtype] * part.arity
    one_by_one(entry, column, served, bad)


def one_by_one(entry: dict[str, object], column: pl.Series, served: np.ndarray, bad: np.ndarray) -> None:
    single = encode.one(entry)
    for i, value in enumerate(column.to_list()):
        given_row = [value] * len(entry["columns"])
        if bad[i]:
            with pytest.raises(DataError, match="fix:"):
                single(given_row)
        else:
            np.testing.assert_array_equal(np.atleast_1d(np.asarray(single(given_row), served.dtype)), served[i])


CASES = [(kind, options) for kind, several in OPTIONS.items() for options in several]


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
@given(values=st.lists(st.none() | WORDS | st.text(max_size=12), max_size=30))
@settings(max_examples=60, deadline=None)
def test_texts_are_read_in_training_as_in_serving(kind, options, values):
    agrees(kind, options, pl.Series("raw", values, dtype=pl.String))


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
@given(values=st.lists(st.none() | FLOATS, max_size=20))
@settings(max_examples=40, deadline=None)
def test_floats_are_read_in_training_as_in_serving(kind, options, values):
    agrees(kind, options, pl.Series("raw", values, dtype=pl.Float64))


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
@given(values=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 400), max_size=20))
@settings(max_examples=40, deadline=None)
def test_whole_numbers_are_read_in_training_as_in_serving(kind, options, values):
    agrees(kind, options, pl.Series("raw", values, dtype=pl.Int64))


@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
@given(values=st.lists(st.none() | st.booleans(), max_size=5))
@settings(max_examples=10, deadline=None)
def test_booleans_are_read_in_training_as_in_serving(kind, options, values):
    agrees(kind, options, pl.Series("raw", values, dtype=pl.Boolean))


@given(values=st.lists(st.none() | st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)), max_size=10))
@settings(max_examples=60, deadline=None)
def test_moments_are_read_in_training_as_in_serving(values):
    agrees("datetime", {}, pl.Series("raw", values, dtype=pl.Datetime("us")))
    agrees("datetime", {}, pl.Series("raw", [v and v.isoformat() for v in values], dtype=pl.String))
    zoned = pl.Series("raw", values, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
    agrees("datetime", {}, zoned.dt.convert_time_zone("Asia/Seoul"))


def test_dates_and_lists_and_categoricals_are_read_in_training_as_in_serving():
    agrees("datetime", {}, pl.Series("raw", [dt.date(2024, 2, 29), None, dt.date(1, 1, 1)]))
    agrees("list", {}, pl.Series("raw", [["a", None, " b"], [], None, ["x\x1fy"]]))
    agrees("list", {}, pl.Series("raw", [[1, 2], [3]]))
    agrees("category", {}, pl.Series("raw", ["a", None, "b"], dtype=pl.Categorical))
    agrees("category", {}, pl.Series("raw", [dt.date(2024, 2, 29), None]))
    agrees("number", {}, pl.Series("raw", ["1", "2"], dtype=pl.Categorical))


@pytest.mark.parametrize("array", [np.array([1.5, np.nan, np.inf]), np.array([3, -4, 2**62]), np.array([True, False])])
@pytest.mark.parametrize("kind", ["number", "category", "boolean", "id", "place"])
def test_numpy_arrays_are_read_as_lists_are(kind, array):
    entry = request([feature(kind, {})])[0]
    fast = encode.wire(entry, [array] * len(entry["columns"]))
    slow = encode.wire(entry, [array.tolist()] * len(entry["columns"]))
    np.testing.assert_array_equal(fast[0], slow[0])
    np.testing.assert_array_equal(fast[1], slow[1])


# ------------------------------------------------------------------------------------------------ views


def png(shade: int) -> bytes:
    from PIL import Image

    grid = np.full((4, 4), shade, np.uint8)
    grid[0, shade % 4] = 255 - shade
    out = io.BytesIO()
    Image.fromarray(grid).save(out, "PNG")
    return out.getvalue()


def columns_of(kind: str, rng: np.random.Generator, n: int) -> list[pl.Series]:
    """Make plausible values of a kind, some missing."""
    gone = rng.random(n) < 0.1
    moments = np.array([dt.datetime(2020, 1, 1) + dt.timedelta(hours=int(h)) for h in rng.integers(0, 30_000, n)])
    made = {
        "number": [rng.lognormal(3, 1, n)],
        "formula": [rng.lognormal(3, 1, n)],
        "place": [rng.uniform(33, 38, n), rng.uniform(126, 130, n)],
        "boolean": [rng.random(n) < 0.3],
        "datetime": [moments],
        "category": [rng.choice(list("abcde"), n)],
        "id": [np.arange(n).astype(str)],
        "list": [[list(rng.choice(list("xyz"), 2)) for _ in range(n)]],
        "text": [[" ".join(rng.choice(["good", "bad", "red", "blue"], 6)) for _ in range(n)]],
        "image": [[png(int(s)) for s in rng.integers(0, 255, n)]],
    }[kind]
    part = kinds.get(kind)
    lists = [[None if g else v for v, g in zip(list(m), gone, strict=True)] for m in made]
    return [
        pl.Series(f"c{i}", [getattr(v, "item", lambda v=v: v)() for v in m], dtype=part.dtype)
        for i, m in enumerate(lists)
    ]


VIEWS = [(k.name, v) for k in kinds for v in k.views]


@pytest.mark.parametrize(("kind", "view"), VIEWS, ids=str)
def test_a_view_gives_as_many_finite_or_missing_columns_as_it_names(kind, view):
    prepared, held, n = _prepared(kind, view, n=120)
    matrix = prepared.run(held)
    assert matrix.shape == (n, len(prepared.columns))
    assert matrix.dtype == np.float32
    assert not np.isinf(matrix).any()
    assert len({c.name for c in prepared.columns}) == len(prepared.columns)
    for j, column in enumerate(prepared.columns):
        if column.n_levels:
            assert set(np.unique(matrix[:, j])) <= set(range(column.n_levels))


@pytest.mark.parametrize(("kind", "view"), VIEWS, ids=str)
def test_a_view_survives_json_to_the_bit(kind, view):
    prepared, held, _ = _prepared(kind, view, n=60)
    again = Preparation.from_json(json.loads(json.dumps(prepared.to_json())))
    assert again.columns == prepared.columns
    np.testing.assert_array_equal(again.run(held), prepared.run(held))


@pytest.mark.parametrize(("kind", "view"), VIEWS, ids=str)
def test_a_view_takes_one_row_and_rows_it_never_saw(kind, view):
    prepared, held, _ = _prepared(kind, view, n=60)
    whole = prepared.run(held)
    np.testing.assert_allclose(prepared.run({k: v[[5]] for k, v in held.items()}), whole[[5]], rtol=1e-5, atol=1e-6)
    part = kinds.get(kind)
    it = _feature(kind)
    empty = pl.DataFrame({c: pl.Series([None], dtype=part.dtype) for c in it.columns})
    assert prepared.run(wires([it], empty)).shape == (1, whole.shape[1])


@pytest.mark.parametrize(("kind", "view"), VIEWS, ids=str)
def test_a_view_can_be_fitted_when_nothing_is_there(kind, view):
    it = _feature(kind)
    empty = pl.DataFrame({c: pl.Series([None] * 9, dtype=kinds.get(kind).dtype) for c in it.columns})
    held = wires([it], empty)
    uses = kinds.get(kind).views[view].uses_target
    target = np.zeros((9, 1)) if uses else None
    prepared = Preparation.fit([it], held, {kind: [view]}, target=target, rng=np.random.default_rng(0))
    assert prepared.run(held).shape == (9, len(prepared.columns))


def _feature(kind: str) -> Feature:
    options = {"size": [4, 4], "channels": 1} if kind == "image" else {}
    return Feature(name="it", kind=kind, columns=["c0", "c1"][: kinds.get(kind).arity], options=options)


def _prepared(kind: str, view: str, *, n: int) -> tuple[Preparation, dict[str, object], int]:
    rng = np.random.default_rng(3)
    it = _feature(kind)
    held = wires([it], pl.DataFrame(columns_of(kind, rng, n)))
    uses = kinds.get(kind).views[view].uses_target
    target = rng.random((n, 2)) if uses else None
    return Preparation.fit([it], held, {kind: [view]}, target=target, rng=rng), held, n


@pytest.mark.parametrize("kind", kinds.names())
@pytest.mark.parametrize("target", [None, "classes", "numbers"])
def test_a_kind_summarises_and_draws_what_it_read(kind, target):
    rng = np.random.default_rng(4)
    part = kinds.get(kind)
    columns = columns_of(kind, rng, 80)
    targets = {"classes": pl.Series(["yes", "no"] * 40), "numbers": pl.Series(rng.normal(size=80))}
    figure = part.draw("it", columns, targets.get(target))
    assert isinstance(figure, Figure)
    assert figure.says
    assert figure.marks
    assert Figure.from_json(json.loads(json.dumps(figure.to_json()))).says == figure.says
    summary = part.summarise(columns)
    assert isinstance(summary, Table)
    assert len(summary.columns) == 2
    assert part.draw("it", [c.clear(5) for c in columns], None).says


@pytest.mark.parametrize("kind", kinds.names())
def test_a_kind_reads_its_own_values_back(kind):
    part = kinds.get(kind)
    columns = columns_of(kind, np.random.default_rng(5), 40)
    again = part.read(columns, {})
    assert not again.faults
    for before, after in zip(columns, again.values, strict=True):
        assert before.equals(after, null_equal=True)
