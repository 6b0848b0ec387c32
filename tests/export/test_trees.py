"""Trees: exact against an obvious walk in Python, whole when saved, and the mean when merged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.export import trees as trees_module
from mulle.export.forms import load_scorer
from mulle.export.oblivious import from_oblivious
from mulle.export.trees import Mode, Tree, Trees
from mulle.testing import scores


def grown(rng, *, depth, width=1, output=0, n_features=4):
    """Grow a random tree of one leaf or more, with members, NaN to either side and ties on the threshold."""
    feature, threshold, mode, left, right, missing, leaves, members = [], [], [], [], [], [], [], {}

    def grow(level):
        if level == depth or rng.random() < 0.2:
            leaves.append(rng.normal(size=width))
            return ~(len(leaves) - 1)
        node = len(feature)
        kind = int(rng.choice([Mode.AT_MOST, Mode.BELOW, Mode.MEMBER]))
        feature.append(int(rng.integers(n_features)))
        threshold.append(float(rng.integers(0, 5)))
        mode.append(kind)
        missing.append(bool(rng.random() < 0.5) and kind != Mode.MEMBER)
        if kind == Mode.MEMBER:
            members[node] = np.unique(rng.integers(0, 5, 3)).astype(float)
        left.append(0)
        right.append(0)
        left[node], right[node] = grow(level + 1), grow(level + 1)
        return node

    grow(0)
    arrays = [np.array(x) for x in (feature, threshold, mode, left, right, missing)]
    names = ("feature", "threshold", "mode", "left", "right", "missing_left")
    held = dict(zip(names, arrays, strict=True))
    return Tree(**held, leaf=np.array(leaves), output=output, members=members)


def walk(tree, row):
    """Follow one row down one tree."""
    at = 0 if len(tree.feature) else -1
    while at >= 0:
        x, t = row[tree.feature[at]], tree.threshold[at]
        goes = {
            Mode.AT_MOST: lambda x=x, t=t: x <= t,
            Mode.BELOW: lambda x=x, t=t: x < t,
            Mode.MEMBER: lambda x=x, at=at: x in tree.members[at],
        }[Mode(tree.mode[at])]()
        at = (tree.left if (tree.missing_left[at] if np.isnan(x) else goes) else tree.right)[at]
    return tree.leaf[~at]


def expected(trees, matrix, bias):
    total = np.tile(bias, (len(matrix), 1)).astype(float)
    for tree in trees:
        for i, row in enumerate(matrix):
            total[i, tree.output : tree.output + tree.leaf.shape[1]] += walk(tree, row)
    return total


def matrix_of(rng, n=60, width=4):
    matrix = rng.integers(-1, 6, (n, width)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.15] = np.nan
    return matrix


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.sampled_from([1, 3]), chunk=st.sampled_from([1, 7, 6000]))
def test_the_graph_scores_any_trees_as_a_walk_down_each_does(seed, width, chunk):
    rng = np.random.default_rng(seed)
    outputs = 3
    held = [grown(rng, depth=4, width=width, output=0 if width == 3 else int(rng.integers(3))) for _ in range(9)]
    bias, matrix = rng.normal(size=outputs), matrix_of(rng)
    before, trees_module.CHUNK_NODES = trees_module.CHUNK_NODES, chunk
    try:
        got = scores(Trees.of(held, bias=bias, space="raw"), matrix)
    finally:
        trees_module.CHUNK_NODES = before
    np.testing.assert_allclose(got, expected(held, matrix, bias), rtol=0, atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_bag_is_the_mean_of_its_members_each_on_its_own_columns(seed):
    rng = np.random.default_rng(seed)
    members = [
        Trees.of([grown(rng, depth=3) for _ in range(k)], bias=rng.normal(size=1), space="raw") for k in (3, 1, 5)
    ]
    columns = [[0, 1, 2, 3], [4, 1, 2, 5], [6, 1, 2, 0]]
    matrix = matrix_of(rng, width=7)
    parts = [scores(m, matrix[:, at]) for m, at in zip(members, columns, strict=True)]
    merged = Trees.merge(members, columns)
    np.testing.assert_allclose(scores(merged, matrix), np.mean(parts, axis=0), rtol=0, atol=1e-12)


def test_saved_trees_come_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(3)
    trees = Trees.of([grown(rng, depth=4) for _ in range(5)], bias=np.array([0.1]), space="prediction")
    trees.save(tmp_path / "scorer.npz")
    loaded = load_scorer("trees", tmp_path / "scorer.npz")
    matrix = matrix_of(rng)
    assert loaded.space == "prediction"
    assert loaded.n_parameters() == trees.n_parameters()
    assert np.array_equal(scores(loaded, matrix), scores(trees, matrix))


def test_trees_without_a_split_are_a_bias_even_without_columns():
    leaf = Tree(**{name: np.empty(0) for name in ("feature", "threshold", "mode", "left", "right")},
                missing_left=np.empty(0), leaf=np.array([[2.0]]))  # fmt: skip
    trees = Trees.of([leaf, leaf], bias=np.array([0.5]), space="raw")
    assert trees.n_trees == 0
    assert scores(trees, np.empty((3, 0), np.float32)).tolist() == [[4.5]] * 3


@pytest.mark.parametrize("above", [False, True])
def test_oblivious_trees_are_exact_and_shed_what_cannot_happen(above):
    rng = np.random.default_rng(11)
    n, depth = 40, 5
    feature, border = rng.integers(0, 3, (n, depth)), rng.integers(0, 4, (n, depth)) + 0.5
    asked = rng.integers(0, depth + 1, n)
    leaf = rng.normal(size=(n, 2**depth, 2)) * (rng.random((n, 2**depth, 1)) < 0.6)
    matrix = matrix_of(rng, width=3)
    trees = from_oblivious(
        feature, border, leaf, depth=asked, missing_above=np.full(3, above), bias=np.array([1.0, 2.0])
    )
    filled = np.where(np.isnan(matrix), np.inf if above else -np.inf, matrix)
    bits = (filled[:, feature] > border) & (np.arange(depth) < asked[:, None])
    place = (bits * 2 ** np.arange(depth)).sum(axis=2)
    wanted = leaf[np.arange(n), place].sum(axis=1) + np.array([1.0, 2.0])
    np.testing.assert_allclose(scores(trees, matrix), wanted, rtol=0, atol=1e-12)
    assert len(trees.feature) < (2**asked - 1).sum()
