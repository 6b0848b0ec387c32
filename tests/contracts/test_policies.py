"""Every registered policy keeps its contract, and its parameters change without a new graph."""

from pathlib import Path

import numpy as np
import pytest

from mulle.core.registry import import_file
from mulle.policies import policies
from mulle.testing import check_policy, decide

PARTS = Path(__file__).parent / "parts"
RNG = np.random.default_rng(0)


def example(policy):
    if "binary" in policy.tasks:
        p = RNG.random((200, 1))
        return (RNG.random(200) < p[:, 0]).astype(float), p, ("no", "yes")
    if "multiclass" in policy.tasks:
        p = RNG.dirichlet(np.ones(4), 200)
        return RNG.integers(0, 4, 200).astype(float), p, ("a", "b", "c", "d")
    p = RNG.normal(size=(200, 1))
    return p[:, 0] + 1, p, ()


@pytest.mark.parametrize("name", [name for name in policies.names() if not name.startswith("toy_")])
def test_a_registered_policy_keeps_its_contract(name):
    policy = policies.get(name)
    target, prediction, classes = example(policy)
    check_policy(policy, target, prediction, {"score": prediction}, classes=classes)


def test_a_blend_of_two_objectives_is_one_file_and_its_weights_change_without_retraining():
    import_file(PARTS / "blend.py")
    policy = policies.get("toy_blend")
    scores = {"quality": RNG.random((50, 1)), "clicks": RNG.random((50, 1))}
    both = np.hstack([scores["quality"], scores["clicks"]])
    even = check_policy(policy, np.zeros(50), both, scores)
    assert np.allclose(even, both.mean(axis=1))
    only = decide(policy, scores, {"quality": 1.0, "clicks": 0.0})
    assert np.array_equal(only, scores["quality"][:, 0])


def test_labels_are_decided_each_on_its_own_in_a_graph():
    import_file(PARTS / "multilabel.py")
    policy = policies.get("toy_each_half")
    p = np.array([[0.9, 0.1, 0.6], [0.2, 0.3, 0.4]])
    assert check_policy(policy, np.zeros((2, 3)), p, {"score": p}).tolist() == [5.0, 0.0]
