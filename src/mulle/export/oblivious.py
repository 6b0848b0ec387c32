"""Oblivious trees, whose nodes of a level ask one question, as true trees without what can't happen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.export.trees import Mode, Trees

Doubles = NDArray[np.float64]
_DEAD = np.iinfo(np.int64).max


def from_oblivious(
    feature: NDArray[Any],
    border: Doubles,
    leaf: Doubles,
    *,
    depth: NDArray[Any],
    missing_above: NDArray[np.bool_],
    bias: Doubles,
) -> Trees:
    """Turn oblivious trees into true ones, exactly.

    A leaf whose answers contradict each other (above 5 and not above 3) is dropped, and so is a question
    whose two sides give the same; on small tables that is most of a tree.

    Parameters
    ----------
    feature, border
        Question i of each tree: is ``x[feature] > border``? ``[trees, questions]``.
    leaf
        Values ``[trees, 2 ** questions, outputs]``; bit i of a leaf's position is the answer to question i.
    depth
        How many of the questions each tree really asks ``[trees]``.
    missing_above
        For each feature, whether a missing value counts as above every border.
    bias
        ``[outputs]``.

    Returns
    -------
    Trees
        In space *raw*; one tree is one iteration of its path.

    Examples
    --------
    >>> trees = from_oblivious(
    ...     np.array([[0, 0]]),
    ...     np.array([[3.0, 5.0]]),
    ...     np.arange(4.0).reshape(1, 4, 1),
    ...     depth=np.array([2]),
    ...     missing_above=np.array([False]),
    ...     bias=np.zeros(1),
    ... )
    >>> sorted(trees.leaf[:, 0].tolist())  # above 5 and not above 3 (leaf 2) can't be
    [0.0, 1.0, 3.0]
    """
    n_trees, most = feature.shape
    node = {side: np.zeros((n_trees, 2**most), np.int64) for side in ("left", "right")}
    alive = np.zeros((n_trees, 2**most), np.bool_)
    reference = _leaves(feature, border, depth)
    for level in reversed(range(most)):
        left, right = reference[:, 0::2], reference[:, 1::2]
        same = _same(left, right, leaf.reshape(-1, leaf.shape[-1]))
        here = np.arange(n_trees)[:, None] * 2**most + (2**level - 1) + np.arange(2**level)
        splits = (left != _DEAD) & (right != _DEAD) & ~same
        reference = np.where(splits, here, np.where(left == _DEAD, right, left))
        place = slice(2**level - 1, 2 ** (level + 1) - 1)
        node["left"][:, place], node["right"][:, place], alive[:, place] = left, right, splits
    root = reference[:, 0]
    return _compact(feature, border, leaf, node=node, alive=alive, root=root, above=missing_above, bias=bias)


def _leaves(feature: NDArray[Any], border: Doubles, depth: NDArray[Any]) -> NDArray[np.int64]:
    """Return ``~position`` of each leaf among all, or dead where its answers contradict each other."""
    n_trees, most = feature.shape
    bits = (np.arange(2**most)[:, None] >> np.arange(most)) & 1 > 0
    asked = np.arange(most)[None, :] < depth[:, None]
    dead = (bits[None, :, :] & ~asked[:, None, :]).any(axis=2)
    for i in range(most):
        for j in range(most):
            both = asked[:, i] & asked[:, j] & (feature[:, i] == feature[:, j])
            implied = both & (border[:, i] >= border[:, j])
            dead |= implied[:, None] & (bits[:, i] & ~bits[:, j])[None, :]
    return np.where(dead, _DEAD, ~np.arange(n_trees * 2**most).reshape(n_trees, -1))


def _same(left: NDArray[np.int64], right: NDArray[np.int64], leaf: Doubles) -> NDArray[np.bool_]:
    """Return where both sides are leaves of equal values."""
    both = (left < 0) & (right < 0)
    same = np.zeros(left.shape, np.bool_)
    same[both] = (leaf[~left[both]] == leaf[~right[both]]).all(axis=1)
    return same


def _compact(
    feature: NDArray[Any],
    border: Doubles,
    leaf: Doubles,
    *,
    node: dict[str, NDArray[np.int64]],
    alive: NDArray[np.bool_],
    root: NDArray[np.int64],
    above: NDArray[np.bool_],
    bias: Doubles,
) -> Trees:
    """Return what is left, numbered anew tree by tree; a subtree's root comes first in its level order."""
    most = feature.shape[1]
    tree, position = np.nonzero(alive)
    question = most - 1 - np.floor(np.log2(position + 1)).astype(np.int64)
    children = {side: held[tree, position] for side, held in node.items()}
    used = np.zeros(leaf.shape[0] * leaf.shape[1], np.bool_)
    for child in children.values():
        used[~child[child < 0]] = True
    new_node, new_leaf = np.cumsum(alive.ravel()) - 1, np.cumsum(used) - 1
    values = leaf.reshape(-1, leaf.shape[-1])
    chosen = feature[tree, question]
    splits = root >= 0
    added = np.where(splits[:, None], 0.0, values[~np.where(splits, -1, root)])
    return Trees(
        space="raw",
        n_outputs=leaf.shape[-1],
        bias=bias + added.sum(axis=0),
        root=new_node[root[splits]].astype(np.int32),
        feature=chosen.astype(np.int32),
        threshold=border[tree, question],
        mode=np.full(len(tree), Mode.AT_MOST, np.uint8),
        left=_renumber(children["left"], new_node, new_leaf),
        right=_renumber(children["right"], new_node, new_leaf),
        missing_left=~above[chosen],
        leaf=values[used],
        leaf_output=np.zeros(int(used.sum()), np.int32),
        members=np.empty(0),
        member_start=np.zeros(len(tree) + 1, np.int32),
        tree_ends=np.cumsum(splits).astype(np.int32),
        bias_ends=bias + np.cumsum(added, axis=0),
    )


def _renumber(child: NDArray[np.int64], new_node: NDArray[np.int64], new_leaf: NDArray[np.int64]) -> NDArray[np.int32]:
    held = child.astype(np.int64)
    is_leaf = held < 0
    held[is_leaf] = ~new_leaf[~held[is_leaf]]
    held[~is_leaf] = new_node[held[~is_leaf]]
    return held.astype(np.int32)
