"""Emitted graphs give what numpy gives, keep what must be kept apart, and stay small when tables are wide."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.schema import Feature
from mulle.export.graph import Graph
from mulle.kinds.datetime import PARTS, emit_parts
from mulle.kinds.levels import Codes, Frequency, OneHot, TargetMeans
from mulle.kinds.numeric import BLOCK, Filled, Plain, Scaled, blocks, shifts
from mulle.kinds.preparation import Preparation, wires
from mulle.kinds.vectors import Topics
from mulle.runtime.session import Session

NUMBER = Feature(name="x", kind="number", columns=["x"])
WORD = Feature(name="w", kind="category", columns=["w"])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def run(view, values: np.ndarray) -> np.ndarray:
    g = Graph()
    dtype = {"f": "double", "O": "string"}[values.dtype.kind]
    dtype = "float" if values.dtype == np.float32 else dtype
    source = g.input("x", dtype, [None, values.shape[1]])
    g.output(view.emit(g, source), "y", "float", [None, len(view.names())])
    return Session(g.to_bytes(), where="a view").run(["y"], {"x": values})[0]


def words(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)[:, None]


# ------------------------------------------------------------------------------------------------ numbers


@given(st.integers(0, 3 * BLOCK), st.integers(0, 2000))
def test_blocks_hold_each_column_once_and_no_column_is_alone(n_rows, width):
    values = np.broadcast_to(0.0, (n_rows, width))
    found = blocks(values)
    assert [i for block in found for i in range(block.start, block.stop)] == list(range(width))
    assert min(block.stop - block.start for block in found) >= min(width, 2)


@pytest.mark.parametrize("view", [Scaled, Plain, Filled])
def test_a_column_is_fitted_alike_however_many_stand_beside_it(view):
    columns = [np.exp(rng().normal(size=(5000, 3))), 1.7e9 + np.arange(15_000.0).reshape(5000, 3)]
    few = np.hstack([*columns, np.where(rng().random((5000, 3)) < 0.1, np.nan, 1.0)])
    many = np.hstack([few, rng().normal(size=(5000, 300))])
    features = [Feature(name=f"x{i}", kind="number", columns=[f"x{i}"]) for i in range(many.shape[1])]
    assert len(blocks(few)) == 1 < len(blocks(many))
    alone = view.fit(features[: few.shape[1]], few, target=None, rng=rng()).to_json()
    beside = view.fit(features, many, target=None, rng=rng()).to_json()
    for name in set(alone) - {"gaps"}:
        assert beside[name][: few.shape[1]] == alone[name], name


def test_only_columns_that_float32_would_blur_are_shifted():
    values = np.column_stack(
        [1.7e9 + np.arange(100.0), np.arange(100.0), np.full(100, np.nan), 2.0**21 * np.arange(100.0)]
    )
    assert shifts(values).tolist() == [1.7e9 + 49.5, 0.0, 0.0, 0.0]


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_filled_is_the_median_and_an_indicator(held):
    values = np.array(held)[:, None]
    view = Filled.fit([NUMBER], values, target=None, rng=rng())
    gone = np.isnan(values[:, 0])
    middle = np.median(values[~gone]) if (~gone).any() else 0.0
    wanted = np.where(gone, middle, values[:, 0]) - view.shift[0]
    got = run(view, values)
    np.testing.assert_allclose(got[:, 0], wanted, rtol=1e-6, atol=1e-30)
    assert got.shape[1] == 1 + gone.any()
    if gone.any():
        np.testing.assert_array_equal(got[:, 1], gone)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=2, max_size=60))
@settings(max_examples=60, deadline=None)
def test_scaled_never_turns_the_order_round_and_leaves_nothing_missing(held):
    values = np.array(held)[:, None]
    got = run(Scaled.fit([NUMBER], values, target=None, rng=rng()), values)
    assert np.isfinite(got).all()
    there = ~np.isnan(values[:, 0])
    order = np.argsort(values[there, 0])
    assert (np.diff(got[there, 0][order]) >= 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_scaled_columns_have_mean_0_and_variance_1(seed):
    values = np.random.default_rng(seed).lognormal(3, 1.5, (2000, 4))
    values[:, 1] = -values[:, 1]
    values[:, 2] = np.random.default_rng(seed).normal(5, 2, 2000)
    values[:, 3] = 7.0
    view = Scaled.fit([NUMBER] * 4, values, target=None, rng=rng())
    got = run(view, values)
    assert view.bend == (1.0, -1.0, 0.0, 0.0)
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(got.std(axis=0), [1, 1, 1, 0], atol=1e-4)


def test_skew_is_mended_without_losing_distinct_values():
    values = np.concatenate([np.arange(100.0), [1e6, 1e7, 1e9]])[:, None]
    got = run(Scaled.fit([NUMBER], values, target=None, rng=rng()), values)
    assert len(np.unique(got[:100])) == 100


@pytest.mark.parametrize("view", [Plain, Filled])
def test_numbers_that_float32_would_merge_are_shifted_first(view):
    moments = 1.7e9 + np.arange(1000.0)[:, None]
    assert len(np.unique(moments.astype(np.float32))) < 20
    fitted = view.fit([NUMBER], moments, target=None, rng=rng())
    assert len(np.unique(run(fitted, moments))) == 1000


@pytest.mark.parametrize("view", [Plain, Filled, Scaled])
def test_values_beyond_float32_stay_finite(view):
    values = np.array([[1e300], [-1e300], [1.0], [np.nan]])
    fitted = view.fit([NUMBER], values[2:], target=None, rng=rng())
    assert not np.isinf(run(fitted, values)).any()


def test_missing_numbers_pass_a_large_plain_block():
    values = rng().normal(size=(4097, 5))
    values[::7, 2] = np.nan
    got = run(Plain.fit([NUMBER] * 5, values, target=None, rng=rng()), values)
    np.testing.assert_array_equal(got, values.astype(np.float32))


# ------------------------------------------------------------------------------------------------ moments


def parts_of(seconds: np.ndarray) -> dict[str, np.ndarray]:
    g = Graph()
    held = emit_parts(g, g.input("x", "double", [None, 1]))
    for name in PARTS:
        g.output(held[name], f"{name}_", "double", [None, 1])
    got = Session(g.to_bytes(), where="parts").run([f"{n}_" for n in PARTS], {"x": seconds[:, None]})
    return dict(zip(PARTS, (v[:, 0] for v in got), strict=True))


@given(st.lists(st.datetimes(), min_size=1, max_size=50))
@settings(max_examples=100, deadline=None)
def test_calendar_parts_are_those_of_the_calendar(moments):
    column = pl.Series(moments, dtype=pl.Datetime("us"))
    got = parts_of(column.dt.epoch("us").cast(pl.Float64).to_numpy() / 1e6)
    assert got["year"].tolist() == column.dt.year().to_list()
    assert got["month"].tolist() == column.dt.month().to_list()
    assert got["day"].tolist() == column.dt.day().to_list()
    assert (got["weekday"] + 1).tolist() == column.dt.weekday().to_list()
    np.testing.assert_allclose(np.floor(got["hour"] + 1e-9), column.dt.hour().to_numpy(), atol=1)


def test_every_day_of_four_centuries_is_right():
    column = pl.date_range(pl.date(1799, 1, 1), pl.date(2201, 1, 1), "1d", eager=True)
    got = parts_of(column.cast(pl.Datetime("us")).dt.epoch("s").cast(pl.Float64).to_numpy())
    for part in ("year", "month", "day"):
        assert (got[part] == getattr(column.dt, part)().to_numpy()).all()


# ------------------------------------------------------------------------------------------------ words


def test_codes_go_by_frequency_and_keep_missing_and_unseen_apart():
    values = words("b", "b", "b", "a", "a", "", "rare")
    view = Codes.fit([WORD], values, target=None, rng=rng())
    assert view.names() == [("w", "w", 4)]
    assert run(view, words("b", "a", "", "rare", "new", "서울"))[:, 0].tolist() == [2, 3, 0, 1, 1, 1]


def test_onehot_puts_rare_and_unseen_words_under_other():
    values = words(*["a"] * 9, *["b"] * 5, *["c"] * 4, "")
    view = OneHot.fit([WORD], values, target=None, rng=rng())
    assert [n for n, *_ in view.names()] == ["w = 'a'", "w = 'b'", "w = other", "w = missing"]
    assert run(view, words("a", "c", "new", "")).argmax(axis=1).tolist() == [0, 2, 2, 3]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]), st.floats(0, 1)), min_size=2, max_size=60))
@settings(max_examples=60, deadline=None)
def test_target_means_lie_between_the_level_and_the_whole(rows):
    values, target = words(*(w for w, _ in rows)), np.array([[t] for _, t in rows])
    got = run(TargetMeans.fit([WORD], values, target=target, rng=rng()), values)[:, 0]
    for word in set(values[:, 0]):
        mine = values[:, 0] == word
        low, high = sorted([target[mine].mean(), target.mean()])
        assert ((got[mine] >= low - 1e-6) & (got[mine] <= high + 1e-6)).all()


def test_out_of_fold_means_do_not_tell_a_rows_own_target():
    n = 3000
    values = words(*(f"level {i % 1500}" for i in range(n)))
    target = rng().random((n, 1)).round()
    view = TargetMeans.fit([WORD], values, target=target, rng=rng())
    told = np.corrcoef(run(view, values)[:, 0], target[:, 0])[0, 1]
    held = np.corrcoef(view.out_of_fold(values, target, rng=rng())[:, 0], target[:, 0])[0, 1]
    assert told > 0.5
    assert abs(held) < 0.06


def test_a_large_level_has_one_mean_for_training_rows_and_for_all_others():
    """Five means of one level, one an inner fold, would tell the folds apart and nothing else."""
    values = words(*["many"] * 300, *["few"] * 150)
    target = rng().random((450, 1)).round()
    view = TargetMeans.fit([WORD], values, target=target, rng=rng())
    held, told = view.out_of_fold(values, target, rng=rng())[:, 0], run(view, values)[:, 0]
    assert np.array_equal(held[:300], told[:300])
    assert len(np.unique(held[300:])) == 5


def test_target_means_have_a_column_an_output():
    values, target = words("a", "a", "b", "b", "b"), np.eye(3)[[0, 0, 1, 2, 2]]
    view = TargetMeans.fit([WORD], values, target=target, rng=rng())
    got = run(view, words("a", "b", "new"))
    assert got.shape == (3, 3)
    assert got[0].argmax() == 0
    assert got[1].argmax() == 2
    np.testing.assert_allclose(got[2], target.mean(axis=0), atol=1e-6)


def test_a_column_of_many_levels_falls_from_codes_to_target_means():
    n = 1200
    table = pl.DataFrame({"w": [f"level {i % 600}" for i in range(n)], "few": ["a", "b"] * (n // 2)})
    features = [WORD, Feature(name="few", kind="category", columns=["few"])]
    held, wanted = wires(features, table), {"category": ["codes"]}
    plain = Preparation.fit(features, held, wanted, rng=rng())
    aimed = Preparation.fit(features, held, wanted, target=np.ones((n, 1)), rng=rng())
    assert [c.feature for c in plain.columns] == ["few"]
    assert [c.feature for c in aimed.columns] == ["w"]


def test_frequency_of_a_million_levels_is_kept_small():
    view = Frequency.fit([WORD], words(*(str(i) for i in range(60_000))), target=None, rng=rng())
    assert len(view.levels) <= 50_001


@pytest.mark.slow
def test_a_category_with_a_million_values_goes_through_every_view():
    n = 1_000_000
    table = pl.DataFrame({"w": pl.int_range(n, eager=True).cast(pl.String)})
    held = wires([WORD], table)
    plain = Preparation.fit([WORD], held, {"category": ["codes", "onehot", "frequency"]}, rng=rng())
    assert plain.run({"w": held["w"][:1000]}).shape == (1000, 2)
    target = rng().random((n, 1))
    aimed = Preparation.fit([WORD], held, {"category": ["target"]}, target=target, rng=rng())
    assert np.allclose(aimed.run({"w": held["w"][:1000]}), target.mean())


# ------------------------------------------------------------------------------------------------ wide and vectors


def test_ten_thousand_numbers_cost_a_handful_of_nodes():
    n = 10_000
    features = [Feature(name=f"x{i}", kind="number", columns=[f"x{i}"]) for i in range(n)]
    values = rng().normal(size=(50, n))
    held = {f.name: values[:, [i]] for i, f in enumerate(features)}
    for view in ("plain", "filled", "scaled"):
        g = Graph()
        prepared = Preparation.fit(features, held, {"number": [view]}, rng=rng())
        matrix = prepared.blocks[0].view.emit(g, g.input("numbers", "double", [None, n]))
        g.output(matrix, "y", "float", [None, n])
        assert len(g.build().graph.node) < 20
    assert prepared.run(held).shape == (50, n)


def test_topics_tell_two_subjects_apart():
    texts = ["the cat sat with another cat", "stocks and bonds fell today"] * 30
    feature = Feature(name="t", kind="text", columns=["t"])
    held = wires([feature], pl.DataFrame({"t": texts}))
    prepared = Preparation.fit([feature], held, {"text": ["topics"]}, rng=rng())
    matrix = prepared.run(held)
    assert matrix.shape[1] <= 100
    assert np.linalg.norm(matrix[0] - matrix[1]) > 0.5
    np.testing.assert_allclose(matrix[0], matrix[2], atol=1e-5)
    assert isinstance(prepared.blocks[0].view, Topics)
