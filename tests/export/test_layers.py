"""Layers, links and joined scorers: the graph does what numpy does."""

import numpy as np
import pytest

from mulle.core.errors import NotFittedError
from mulle.core.loss import Loss, each, logistic, softmax, squared
from mulle.export.forms import load_scorer
from mulle.export.graph import Graph
from mulle.export.joined import Joined
from mulle.export.layers import Layers
from mulle.export.links import apply_link, emit_link
from mulle.export.snapshots import Snapshots
from mulle.export.trees import Trees
from mulle.runtime.session import Session
from mulle.testing import scores

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(50, 3)).astype(np.float32) * 10


def network(seed, activation="relu"):
    rng = np.random.default_rng(seed)
    shapes = [(3, 8), (8, 8), (8, 2)]
    return Layers.of(
        [rng.normal(size=shape) for shape in shapes],
        [rng.normal(size=shape[1]) for shape in shapes],
        space="raw",
        activation=activation,
        mean=[1.0, 2.0, 3.0],
        scale=[2.0, 0.5, 1.0],
    )


@pytest.mark.parametrize(("activation", "function"), [("relu", lambda x: np.maximum(x, 0)), ("tanh", np.tanh)])
def test_a_network_scores_as_numpy_does_on_scaled_columns(activation, function):
    rng = np.random.default_rng(1)
    w1, w2, w3 = (rng.normal(size=shape) for shape in [(3, 8), (8, 8), (8, 2)])
    b1, b2, b3 = (rng.normal(size=n) for n in (8, 8, 2))
    scaled = (MATRIX - [1.0, 2.0, 3.0]) / [2.0, 0.5, 1.0]
    wanted = function(function(scaled @ w1 + b1) @ w2 + b2) @ w3 + b3
    np.testing.assert_allclose(scores(network(1, activation), MATRIX), wanted, rtol=1e-12, atol=1e-10)


def test_a_bag_of_networks_is_the_mean_of_their_outputs():
    members = [network(i) for i in range(3)]
    columns = [[0, 1, 2], [2, 1, 0], [1, 1, 1]]
    parts = [scores(m, MATRIX[:, at]) for m, at in zip(members, columns, strict=True)]
    np.testing.assert_allclose(scores(Layers.merge(members, columns), MATRIX), np.mean(parts, axis=0), rtol=1e-12)


def test_a_bag_of_linear_models_is_one_linear_model():
    members = [Layers.linear(RNG.normal(size=(2, 1)), [i], space="raw", mean=5.0, scale=[1, 2]) for i in range(3)]
    columns = [[0, 1], [0, 2], [1, 2]]
    merged = Layers.merge(members, columns)
    parts = [scores(m, MATRIX[:, at]) for m, at in zip(members, columns, strict=True)]
    assert len(merged.stacks) == 1
    assert merged.n_parameters() == 4
    np.testing.assert_allclose(scores(merged, MATRIX), np.mean(parts, axis=0), rtol=1e-10, atol=1e-10)


def test_bags_of_different_sizes_are_not_averaged_as_if_they_were_equal():
    bag = Layers.merge([network(0), network(1)], [[0, 1, 2]] * 2)
    with pytest.raises(NotFittedError, match="merge the members of one bag"):
        Layers.merge([bag, network(2)], [[0, 1, 2]] * 2)


@pytest.mark.parametrize("scorer", [network(0), Layers.constant([1.0, 2.0], space="prediction"),
                                    Snapshots((1, 3), (network(2), network(3))),
                                    Joined((network(1), Trees.of([], bias=np.array([3.0]), space="raw")))])  # fmt: skip
def test_a_saved_scorer_comes_back_bit_for_bit(scorer, tmp_path):
    scorer.save(tmp_path / "scorer.npz")
    loaded = load_scorer(scorer.form, tmp_path / "scorer.npz")
    assert (loaded.space, loaded.n_outputs) == (scorer.space, scorer.n_outputs)
    assert np.array_equal(scores(loaded, MATRIX), scores(scorer, MATRIX))


def test_snapshots_are_cut_at_the_latest_before_and_score_as_the_last():
    path = Snapshots((1, 4, 9), (network(0), network(1), network(2)))
    assert np.array_equal(scores(path, MATRIX), scores(network(2), MATRIX))
    for n, state in ((0, 0), (1, 0), (3, 0), (4, 1), (8, 1), (9, 2), (99, 2)):
        assert path.first(n) is path.states[state]
        assert not len(path.first(n).cuts)


def test_a_bag_of_snapshots_is_the_bag_of_their_ends():
    members = [Snapshots((1, 2), (network(i), network(i + 1))) for i in (0, 3)]
    ends = [member.end for member in members]
    bag = Snapshots.merge(members, [[0, 1, 2]] * 2)
    assert np.array_equal(scores(bag, MATRIX), scores(Layers.merge(ends, [[0, 1, 2]] * 2), MATRIX))


def test_joined_paths_are_cut_together():
    both = Joined((Snapshots((1, 4), (network(0), network(1))), network(2)))
    assert list(both.cuts) == [1, 4]
    wanted = np.hstack([scores(network(0), MATRIX), scores(network(2), MATRIX)])
    assert np.array_equal(scores(both.first(2), MATRIX), wanted)


def test_joined_scorers_stand_side_by_side_and_are_merged_part_by_part():
    one, two = Joined((network(0), network(1))), Joined((network(2), network(3)))
    wanted = np.hstack([scores(network(0), MATRIX), scores(network(1), MATRIX)])
    assert np.array_equal(scores(one, MATRIX), wanted)
    mean = (scores(one, MATRIX) + scores(two, MATRIX)) / 2
    np.testing.assert_allclose(scores(Joined.merge([one, two], [[0, 1, 2]] * 2), MATRIX), mean, rtol=1e-12)


MIXED = Loss(name="mixed", n_outputs=5, link="identity", parts=(softmax(3), squared(), logistic()))


@pytest.mark.parametrize("loss", [logistic(), softmax(4), squared(), each(logistic(), 3), MIXED], ids=lambda x: x.name)
def test_a_link_in_the_graph_is_its_numpy_twin_far_out_too(loss):
    raw = RNG.normal(size=(40, loss.n_outputs)) * 30
    g = Graph()
    value = emit_link(g, g.input("raw", "double", [None, loss.n_outputs]), loss)
    g.output(value, "prediction", "double", [None, loss.n_outputs])
    got = Session(g.to_bytes(), where="a link").run(["prediction"], {"raw": raw})[0]
    np.testing.assert_allclose(got, apply_link(raw, loss), rtol=1e-10, atol=1e-15)
