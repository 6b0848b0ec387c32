"""Ensembles of decision trees as flat arrays: what every tree library leaves, and one kind of node scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from mulle.export.constant import emit_constant
from mulle.export.graph import ML, Graph
from mulle.export.scorer import Scorer, Space

Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]

CHUNK_NODES = 6_000
"""Nodes of one `TreeEnsemble` node. The runtime walks all trees of an ensemble for one row before the next,
so an ensemble that outgrows the cache is slower: 60,000 nodes in pieces scored a batch a sixth faster and
opened in half the time, for 10 microseconds more on a single row."""


class Mode(IntEnum):
    """How a node decides whether a row goes left. The numbers are ONNX's own."""

    AT_MOST = 0
    BELOW = 1
    MEMBER = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One tree while it is read from a library: node 0 is the root.

    Parameters
    ----------
    feature, threshold, mode, missing_left
        One entry a node ``[nodes]``.
    left, right
        A child: a node's position, or ``~leaf`` (negative) for a leaf ``[nodes]``.
    leaf
        Values ``[leaves, width]`` which are added to the outputs ``output .. output + width - 1``.
    output
        The first output that the tree adds to.
    members
        For nodes of mode `Mode.MEMBER`, by node, the codes that go left.
    """

    feature: NDArray[Any]
    threshold: Doubles
    mode: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    missing_left: NDArray[Any]
    leaf: Doubles
    output: int = 0
    members: dict[int, Doubles] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Trees(Scorer):
    """A sum of true binary trees (no node is shared) and a bias, exact to the last bit of float64.

    The nodes of a tree lie together and begin with its root; its leaves lie together in the same order of
    trees. A tree of one leaf is not kept: it is part of the bias.

    Parameters
    ----------
    space, n_outputs
        See `Scorer`.
    bias
        ``[n_outputs]``.
    root
        The first node of each tree ``[trees]``.
    feature, threshold, mode, left, right, missing_left
        The nodes ``[nodes]``; children as positions among all nodes, or ``~leaf`` among all leaves.
    leaf, leaf_output
        Values ``[leaves, width]`` and the first output that each leaf adds to ``[leaves]``.
    members, member_start
        The codes that go left at node i are ``members[member_start[i]:member_start[i + 1]]``.
    tree_ends, bias_ends
        The path: how many trees are kept after each iteration ``[iterations]``, and the bias then
        ``[iterations, n_outputs]``. Empty where it is not known, as in a bag.

    Examples
    --------
    >>> stump = Tree(
    ...     feature=np.array([0]),
    ...     threshold=np.array([1.5]),
    ...     mode=np.array([0]),
    ...     left=np.array([-1]),
    ...     right=np.array([-2]),
    ...     missing_left=np.array([True]),
    ...     leaf=np.array([[-1.0], [2.0]]),
    ... )
    >>> trees = Trees.of([stump, stump], bias=np.array([0.5]), space="raw")
    >>> trees.n_trees, trees.n_parameters()
    (2, 7)
    """

    form: ClassVar[str] = "trees"

    space: Space
    n_outputs: int
    bias: Doubles
    root: Ints
    feature: Ints
    threshold: Doubles
    mode: NDArray[np.uint8]
    left: Ints
    right: Ints
    missing_left: NDArray[np.bool_]
    leaf: Doubles
    leaf_output: Ints
    members: Doubles
    member_start: Ints
    tree_ends: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    bias_ends: Doubles = field(default_factory=lambda: np.empty((0, 0)))

    @classmethod
    def of(cls, trees: Sequence[Tree], *, bias: Doubles, space: Space, ends: Sequence[int] = ()) -> Self:
        """Assemble trees that were read from a library.

        Parameters
        ----------
        trees
            Each with leaves of the same width.
        bias
            What is added to every row's score ``[n_outputs]``.
        space
            What the sum is.
        ends
            How many of the trees there are after each iteration, so that it can be cut; empty when it need not be.

        Returns
        -------
        Trees
            Trees without a split are folded into the bias.
        """
        biases = np.cumsum([np.array(bias, np.float64), *(_constant(tree, len(bias)) for tree in trees)], axis=0)
        splits = np.cumsum([0, *(len(tree.feature) > 0 for tree in trees)])
        bias, at = biases[-1], np.asarray(ends, np.intp)
        kept = [tree for tree in trees if len(tree.feature)]
        nodes = np.cumsum([0, *(len(tree.feature) for tree in kept)])
        leaves = np.cumsum([0, *(len(tree.leaf) for tree in kept)])
        counts = [_member_counts(tree) for tree in kept]
        sets = [tree.members[node] for tree in kept for node in sorted(tree.members or {})]  # type: ignore[index]
        width = kept[0].leaf.shape[1] if kept else 1
        return cls(
            space=space,
            n_outputs=len(bias),
            bias=bias,
            root=nodes[:-1].astype(np.int32),
            feature=_join([tree.feature for tree in kept], np.int32),
            threshold=_join([tree.threshold for tree in kept], np.float64),
            mode=_join([tree.mode for tree in kept], np.uint8),
            left=_children_of([tree.left for tree in kept], nodes, leaves),
            right=_children_of([tree.right for tree in kept], nodes, leaves),
            missing_left=_join([tree.missing_left for tree in kept], np.bool_),
            leaf=np.concatenate([np.empty((0, width)), *(tree.leaf for tree in kept)]),
            leaf_output=_join([np.full(len(tree.leaf), tree.output) for tree in kept], np.int32),
            members=_join(sets, np.float64),
            member_start=np.concatenate([[0], np.cumsum(_join(counts, np.int64))]).astype(np.int32),
            tree_ends=splits[at].astype(np.int32),
            bias_ends=biases[at],
        )

    @property
    def cuts(self) -> Sequence[int]:
        """Every iteration; see `Scorer.cuts`."""
        return range(1, len(self.tree_ends) + 1)

    def first(self, n: int) -> Trees:
        """Return the trees of the first ``n`` iterations; see `Scorer.first`.

        Returns
        -------
        Trees
            Itself, when the path is not known.
        """
        if not len(self.tree_ends):
            return self
        last = int(np.clip(n, 1, len(self.tree_ends))) - 1
        return replace(self._some(0, int(self.tree_ends[last])), bias=self.bias_ends[last])

    def step(self, after: int, upto: int) -> Trees | None:
        """Return the trees that some iterations added; see `Scorer.step`.

        Returns
        -------
        Trees or None
            None, when the path is not known.
        """
        if not len(self.tree_ends):
            return None
        ends, biases = np.append(0, self.tree_ends), np.vstack([np.zeros(self.n_outputs), self.bias_ends])
        begin, end = np.clip([after, upto], 0, len(self.tree_ends))
        return replace(self._some(int(ends[begin]), int(ends[end])), bias=biases[end] - biases[begin])

    @property
    def n_trees(self) -> int:
        """Return the number of trees that split at all."""
        return len(self.root)

    def n_parameters(self) -> int:
        """Return the number of nodes, members, leaf values and biases.

        Returns
        -------
        int
            A count.
        """
        return len(self.feature) + len(self.members) + self.leaf.size + len(self.bias)

    def scaled(self, factor: float) -> Trees:
        """Return the same trees with all that they add multiplied by ``factor``.

        Returns
        -------
        Trees
            Sharing all other arrays.
        """
        return replace(self, leaf=self.leaf * factor, bias=self.bias * factor, bias_ends=self.bias_ends * factor)

    def emit(self, g: Graph, matrix: str) -> str:
        """Append one `TreeEnsemble` node for every few trees, and the sum of them; see `Scorer.emit`.

        Returns
        -------
        str
            A float64 value ``[rows, n_outputs]``.
        """
        if not self.n_trees:
            return emit_constant(g, matrix, self.bias)
        rows = g.cast(matrix, "double")
        parts = [self._emit_some(g, rows, begin, end) for begin, end in self._chunks()]
        total = parts[0] if len(parts) == 1 else g.node("Sum", *parts)
        return g.node("Add", total, g.const(self.bias[None, :])) if self.bias.any() else total

    def _chunks(self) -> list[tuple[int, int]]:
        stop = np.append(self.root[1:], len(self.feature))
        label = (stop - 1) // CHUNK_NODES
        begins = np.flatnonzero(np.diff(label, prepend=-1))
        return list(zip(begins.tolist(), [*begins[1:].tolist(), self.n_trees], strict=True))

    def _emit_some(self, g: Graph, rows: str, begin: int, end: int) -> str:
        some, width = self._some(begin, end), self.leaf.shape[1]
        copies = np.arange(width)
        left_leaf, left = _children(some.left, copies, len(some.feature), len(some.leaf))
        right_leaf, right = _children(some.right, copies, len(some.feature), len(some.leaf))
        members: dict[str, Any] = {}
        if len(some.members):
            members["membership_values"] = numpy_helper.from_array(np.tile(_delimited(some), width))
        return g.node(
            "TreeEnsemble",
            rows,
            domain=ML,
            aggregate_function=1,
            post_transform=0,
            n_targets=self.n_outputs,
            tree_roots=(some.root + copies[:, None] * len(some.feature)).ravel().tolist(),
            nodes_featureids=np.tile(some.feature, width).tolist(),
            nodes_splits=numpy_helper.from_array(np.tile(some.threshold, width)),
            nodes_modes=numpy_helper.from_array(np.tile(some.mode, width)),
            nodes_missing_value_tracks_true=np.tile(some.missing_left, width).astype(int).tolist(),
            nodes_trueleafs=left_leaf,
            nodes_truenodeids=left,
            nodes_falseleafs=right_leaf,
            nodes_falsenodeids=right,
            leaf_targetids=(some.leaf_output + copies[:, None]).ravel().tolist(),
            leaf_weights=numpy_helper.from_array(some.leaf.T.ravel()),
            **members,
        )

    def _some(self, begin: int, end: int) -> Trees:
        """Return the trees ``begin .. end - 1``, their positions counted from 0, without a path."""
        first = int(self.root[begin]) if begin < self.n_trees else len(self.feature)
        last = int(self.root[end]) if end < self.n_trees else len(self.feature)
        leaf_first, leaf_last = first + begin, last + end  # a binary tree has one leaf more than nodes
        start = self.member_start[first : last + 1]
        return replace(
            self,
            root=self.root[begin:end] - first,
            feature=self.feature[first:last],
            threshold=self.threshold[first:last],
            mode=self.mode[first:last],
            left=_shift(self.left[first:last], -first, -leaf_first),
            right=_shift(self.right[first:last], -first, -leaf_first),
            missing_left=self.missing_left[first:last],
            leaf=self.leaf[leaf_first:leaf_last],
            leaf_output=self.leaf_output[leaf_first:leaf_last],
            members=self.members[start[0] : start[-1]],
            member_start=start - start[0],
            tree_ends=self.tree_ends[:0],
            bias_ends=self.bias_ends[:0],
        )

    def save(self, path: Path) -> None:
        """Write all arrays as one ``.npz`` without objects."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        np.savez(path, form=np.array(self.form), space=np.array(self.space), **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read back what `save` wrote.

        Returns
        -------
        Trees
            Equal to what was saved, bit for bit.
        """
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in _ARRAYS}
            return cls(space=str(held["space"]), n_outputs=len(held["bias"]), **arrays)  # type: ignore[arg-type]

    @classmethod
    def merge(cls, scorers: Sequence[Self], columns: Sequence[Sequence[int]]) -> Self:
        """Average ensembles into one that holds all their trees; see `Scorer.merge`.

        Returns
        -------
        Trees
            With each leaf and bias divided by the number of members.
        """
        share = 1.0 / len(scorers)
        nodes = np.cumsum([0, *(len(s.feature) for s in scorers)])
        leaves = np.cumsum([0, *(len(s.leaf) for s in scorers)])
        member = np.cumsum([0, *(len(s.members) for s in scorers)])
        features = [np.asarray(at, np.int32)[s.feature] for s, at in zip(scorers, columns, strict=True)]
        wide = max((s.leaf.shape[1] for s in scorers if s.n_trees), default=1)
        return cls(
            space=scorers[0].space,
            n_outputs=scorers[0].n_outputs,
            bias=np.sum([s.bias for s in scorers], axis=0) * share,
            root=_join([s.root + n for s, n in zip(scorers, nodes, strict=False)], np.int32),
            feature=_join(features, np.int32),
            threshold=_join([s.threshold for s in scorers], np.float64),
            mode=_join([s.mode for s in scorers], np.uint8),
            left=_children_of([s.left for s in scorers], nodes, leaves),
            right=_children_of([s.right for s in scorers], nodes, leaves),
            missing_left=_join([s.missing_left for s in scorers], np.bool_),
            leaf=np.concatenate([np.empty((0, wide)), *(s.leaf * share for s in scorers if s.n_trees)]),
            leaf_output=_join([s.leaf_output for s in scorers], np.int32),
            members=_join([s.members for s in scorers], np.float64),
            member_start=_join(
                [np.zeros(1), *(s.member_start[1:] + m for s, m in zip(scorers, member, strict=False))],
                np.int32,
            ),
        )


_ARRAYS = (
    "bias", "root", "feature", "threshold", "mode", "left", "right", "missing_left", "leaf", "leaf_output",
    "members", "member_start", "tree_ends", "bias_ends",
)  # fmt: skip


def _constant(tree: Tree, n_outputs: int) -> Doubles:
    """Return what a tree without a split adds to every row, ``[n_outputs]``; nothing for one that splits."""
    adds = np.zeros(n_outputs)
    if not len(tree.feature):
        adds[tree.output : tree.output + tree.leaf.shape[1]] = tree.leaf[0]
    return adds


def _join(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)


def _shift(child: NDArray[Any], node: int, leaf: int) -> NDArray[Any]:
    """Return positions moved: nodes by ``node``; leaves, which stand as ``~leaf``, by ``leaf``."""
    return np.where(child >= 0, child + node, child - leaf).astype(np.int32)


def _children_of(parts: Sequence[NDArray[Any]], nodes: NDArray[Any], leaves: NDArray[Any]) -> Ints:
    """Return the children of all parts, counted through from each part's first node and leaf."""
    return _join([_shift(part, n, f) for part, n, f in zip(parts, nodes, leaves, strict=False)], np.int32)


def _children(child: Ints, copies: NDArray[Any], n_nodes: int, n_leaves: int) -> tuple[list[int], list[int]]:
    """Return whether each child is a leaf, and its position, for every copy of the trees."""
    is_leaf = child < 0
    position = np.where(is_leaf, ~child, child) + copies[:, None] * np.where(is_leaf, n_leaves, n_nodes)
    return np.tile(is_leaf, len(copies)).astype(int).tolist(), position.ravel().tolist()


def _delimited(trees: Trees) -> Doubles:
    """Return the member sets with a NaN after each, as ONNX wants them."""
    stops = trees.member_start[1:][np.diff(trees.member_start) > 0]
    return np.insert(trees.members, stops, np.nan)


def _member_counts(tree: Tree) -> NDArray[Any]:
    counts = np.zeros(len(tree.feature), np.int64)
    for node, codes in (tree.members or {}).items():
        counts[node] = len(codes)
    return counts
