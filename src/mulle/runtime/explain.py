r"""Why one row is scored as it is: Shapley values against a typical row, and the nearest changes of one column that flip it.

The score of column *i* is what it adds to the prediction when it takes the row's value in place of the typical one,
averaged over all orders in which the columns can do so:

.. math:: \phi_i = \sum_{S \subseteq P \setminus i} \frac{|S|!\,(|P|-|S|-1)!}{|P|!}\,(v(S \cup i) - v(S))

where :math:`v(S)` is the prediction for the typical row with the columns *S* from the row. What they add up to is the
prediction, less the typical row's, exactly. Up to ten columns that differ are enumerated; beyond that, orders are
drawn, each together with its reverse, and the standard error over the pairs is told.

Effects are on the scale of the prediction itself: of a class, its probability, not the log-odds. That is the number
that people see and that the threshold is compared with, and it stays finite where a calibrated model says 0 or 1.

Source: Shapley, *A value for n-person games*, 1953; Štrumbelj and Kononenko, *Explaining prediction models and individual
predictions with feature contributions*, Knowledge and Information Systems 41, 2014, algorithm 2 (sampling of orders);
Lundberg and Lee, *A unified approach to interpreting model predictions*, NeurIPS 2017, equation 8; antithetic orders:
Mitchell, Cooper, Frank and Holmes, *Sampling permutations for Shapley value estimation*, JMLR 23, 2022, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import BundleError, UnknownName
from mulle.runtime.answer import Decision
from mulle.runtime.feeds import Feeds
from mulle.runtime.formula import KIND as FORMULA
from mulle.runtime.layout import NUMBERS, STRINGS, Layout
from mulle.runtime.manifest import Manifest
from mulle.runtime.profile import Profile

EXACT = 10
"""Up to so many groups of columns all their combinations are evaluated: 1,024 rows."""
MOST_PAIRS = 64
BUDGET_ROWS = 6_000
SEED = 20_140_801
"""Fixed, so that the same row is always explained by the same numbers."""
_REPEATING = 32
_JOINT = 4
"""Columns that one formula reads stand for themselves up to this number; beyond it they stand together."""
_BLOCK_ROWS = 128
"""Small blocks: between them a server's other thread comes to its turn."""
_BLOCK_VALUES = 2_000_000
_FIX = "run the bundle's selftest; if it fails too, package it again"

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Row = Mapping[str, Any]


class Answering(Protocol):
    """The part of a bundle that is needed to explain it."""

    manifest: Manifest
    where: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the raw columns of a row."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the classes in order."""

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Return the names of the prediction's numbers."""

    @property
    def profile(self) -> Profile:
        """Return what is usual in each column."""

    def read(self, row: Row) -> Feeds:
        """Read one row."""

    def decide(self, feeds: Feeds) -> tuple[Floats, list[Decision]]:
        """Answer for encoded rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a column, or the columns of one feature, adds to the score.

    ``value`` and ``typical`` are by raw column. ``error`` is the standard error of ``effect``; 0 when it is exact.
    """

    feature: str
    value: Row
    typical: Row
    effect: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Another value of one column, all others as they are, under which the decision would be another."""

    column: str
    value: Any
    to: Any
    decision: Decision
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a row is scored as it is.

    Parameters
    ----------
    output
        Which number is explained.
    scale
        *probability* or *value*: effects are on the scale of the prediction itself.
    score, decision, prediction
        What the bundle answers for the row; ``prediction`` has every output by name.
    base
        The score of the row that it is compared with; ``base`` and all effects add up to ``score``.
    effects
        The largest first.
    changes
        What would change the decision, the smallest first; empty when nothing that was tried would.
    compared_with
        The row that it is compared with, and in ``origin`` where that comes from.
    exact
        Whether every combination was evaluated.
    n_rows
        How many rows the model answered for this.
    """

    output: str
    scale: str
    score: float
    base: float
    decision: Decision
    prediction: Mapping[str, float]
    effects: Sequence[Effect]
    changes: Sequence[Change]
    compared_with: Row
    origin: str
    exact: bool
    n_rows: int

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return asdict(self)


def explain(bundle: Answering, row: Row, *, against: Row | None = None, output: str = "") -> Explanation:
    """Say why a row is scored as it is; see `mulle.runtime.Bundle.explain`.

    Parameters
    ----------
    bundle
        Open.
    row
        Raw values by column.
    against
        The row to compare with; by default the bundle's typical one.
    output
        Which number to explain; by default the decided class's.

    Returns
    -------
    Explanation
        Additive: base and effects sum to the score.

    Raises
    ------
    BundleError
        When a graph fails or gives no number.
    DataError
        When a column is missing or a value can't be read.
    UnknownName
        When the bundle gives no such output.
    """
    compared = {**bundle.profile.typical(bundle.columns), **(against or {})}
    for name in _pictures(bundle) if against is None else ():
        compared[name] = row.get(name)  # there is no typical picture, so it takes no part
    mine = bundle.read(row)
    scored, decided = bundle.decide(mine)
    at = _output(bundle, output, decided[0])
    ask = Asked(bundle=bundle, row=row, typical=compared, at=at)
    base = ask.alone(bundle.read(compared))
    values, errors, exact = _effects(ask, base, ask.alone(mine))
    effects = [_effect(ask, group, v, e) for group, v, e in zip(ask.groups, values, errors, strict=True)]
    changes = _changes(ask, decided[0])
    return Explanation(
        output=bundle.score_columns[at],
        scale="probability" if bundle.classes else "value",
        score=float(scored[0, at]),
        base=base,
        decision=decided[0],
        prediction=dict(zip(bundle.score_columns, scored[0].tolist(), strict=True)),
        effects=sorted(effects, key=lambda held: -abs(held.effect)),
        changes=changes,
        compared_with=compared,
        origin="the row that was given" if against is not None else f"typical values, from {bundle.profile.origin}",
        exact=exact,
        n_rows=ask.n_rows,
    )


def _pictures(bundle: Answering) -> list[str]:
    return [name for e in bundle.manifest.request if e["kind"] == "image" for name in e["columns"]]


def _output(bundle: Answering, output: str, decided: Decision) -> int:
    names = bundle.score_columns
    if output:
        if output not in names:
            raise UnknownName.among(output, names, noun="output", where="output")
        return names.index(output)
    return bundle.classes.index(decided) if len(names) > 1 and decided in bundle.classes else 0


def _effect(ask: Asked, group: Group, effect: float, error: float) -> Effect:
    return Effect(
        feature=group.name,
        value={name: ask.row[name] for name in group.columns},
        typical={name: ask.typical[name] for name in group.columns},
        effect=float(effect),
        error=float(error),
    )


# ------------------------------------------------------------------------------------------------ groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Columns that change together: those of one feature."""

    name: str
    columns: tuple[str, ...]


def groups(request: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Put the columns of one feature together.

    Parameters
    ----------
    request
        The entries of a request schema.

    Returns
    -------
    list of Group
        Each raw column in one of them. A formula doesn't join the columns that it reads, unless there are many.

    Examples
    --------
    >>> home = {"name": "home", "kind": "place", "columns": ["lat", "lon"]}
    >>> age = {"name": "age", "kind": "number", "columns": ["age"]}
    >>> [(group.name, group.columns) for group in groups([age, home])]
    [('age', ('age',)), ('home', ('lat', 'lon'))]
    """
    head = {name: name for entry in request for name in entry["columns"]}
    for entry in request:
        if entry["kind"] != FORMULA or len({_root(head, name) for name in entry["columns"]}) > _JOINT:
            for name in entry["columns"][1:]:
                head[_root(head, name)] = _root(head, entry["columns"][0])
    held: dict[str, list[str]] = {}
    for name in head:
        held.setdefault(_root(head, name), []).append(name)
    names = {tuple(entry["columns"]): entry["name"] for entry in request}
    return [Group(name=names.get(tuple(c), " & ".join(c)), columns=tuple(c)) for c in held.values()]


def _root(head: dict[str, str], name: str) -> str:
    while head[name] != name:
        name = head[name]
    return name


# ------------------------------------------------------------------------------------------------ mixed rows


class Asked:
    """Rows that are partly the row and partly the typical one, made by the thousand from a few that were read."""

    def __init__(self, *, bundle: Answering, row: Row, typical: Row, at: int) -> None:
        self.bundle, self.row, self.typical, self.at = bundle, row, typical, at
        self.n_rows = 0
        self._singles: dict[str, tuple[NDArray[np.int64], Any, Any]] = {}
        request = bundle.manifest.request
        every = groups(request)
        place = {name: i for i, group in enumerate(every) for name in group.columns}
        feature_groups = {e["name"]: sorted({place[name] for name in e["columns"]}) for e in request}
        differing = _differing(bundle, row, typical, every, feature_groups)
        self.groups = [group for group, differs in zip(every, differing, strict=True) if differs]
        order = {i: n for n, i in enumerate(np.flatnonzero(differing).tolist())}
        # of each feature, the groups that can change it
        self._moved = {name: [order[i] for i in held if i in order] for name, held in feature_groups.items()}
        self._tables = {moved: self._read(moved) for moved in dict.fromkeys(map(tuple, self._moved.values()))}

    def _read(self, moved: tuple[int, ...]) -> Feeds:
        """Read each combination of some groups: row ``c`` has group ``moved[i]`` from the row where bit *i* of *c* is 1."""
        reads = []
        for bits in product((0, 1), repeat=len(moved)):
            mixed = dict(self.typical)
            for i, bit in zip(moved, reversed(bits), strict=True):
                mixed |= {name: self.row[name] for name in self.groups[i].columns if bit}
            reads.append(self.bundle.read(mixed))
        return _stacked(reads)

    def scores(self, taken: Bools) -> Floats:
        """Return the score of mixed rows: ``[rows, groups]`` says which groups come from the row."""
        width = sum(held.shape[1] for held in self._tables[()].values()) if () in self._tables else 0
        width = width or sum(held.shape[1] for held in next(iter(self._tables.values())).values())
        size = max(1, min(_BLOCK_ROWS, _BLOCK_VALUES // width))
        blocks = [self._score(self._feeds(taken[i : i + size])) for i in range(0, len(taken), size)]
        return np.concatenate(blocks)

    def _feeds(self, taken: Bools) -> Feeds:
        layout = Layout.of(self.bundle.manifest.request)
        feeds: Feeds = {}
        if layout.numbers:
            places = [(name, n) for n, (name, _) in enumerate(layout.numbers)]
            feeds[NUMBERS] = self._columns(NUMBERS, places, taken)
        if layout.strings:
            feeds[STRINGS] = self._columns(STRINGS, [(name, n) for n, name in enumerate(layout.strings)], taken)
        for i, (name, _) in enumerate(layout.tensors):
            moved = tuple(self._moved[name])
            feeds[f"tensor_{i}"] = self._tables[moved][f"tensor_{i}"][_codes(taken, moved)]
        return feeds

    def _columns(self, part: str, places: Sequence[tuple[str, int]], taken: Bools) -> NDArray[Any]:
        """Take each column from the row or the typical row; of a formula, from what its groups together give."""
        mover, mine, theirs = self._single(part, places)
        mixed: NDArray[Any] = np.where(taken[:, mover] if len(self.groups) else False, mine, theirs)
        for name, at in places:
            moved = tuple(self._moved[name])
            if len(moved) > 1:
                mixed[:, at] = self._tables[moved][part][_codes(taken, moved), at]
        return mixed

    def _single(self, part: str, places: Sequence[tuple[str, int]]) -> tuple[NDArray[np.int64], Any, Any]:
        if part not in self._singles:
            moves = [tuple(self._moved[name]) for name, _ in places]
            tables = [(self._tables[moved][part], at) for moved, (_, at) in zip(moves, places, strict=True)]
            mover = np.array([moved[0] if len(moved) == 1 else 0 for moved in moves], np.int64)
            mine, theirs = ([held[end, at] for held, at in tables] for end in (-1, 0))
            dtype = tables[0][0].dtype
            self._singles[part] = mover, np.array(mine, dtype), np.array(theirs, dtype)
        return self._singles[part]

    def _score(self, feeds: Feeds) -> Floats:
        scored = self.bundle.decide(feeds)[0][:, self.at]
        self.n_rows += len(scored)
        if not np.isfinite(scored).all():
            raise BundleError("the model gave no number", where=self.bundle.where, fix=_FIX)
        return scored

    def alone(self, feeds: Feeds) -> float:
        """Return the score of one row that was read, answered alone as a request would be."""
        return float(self._score(feeds)[0])


def _codes(taken: Bools, moved: Sequence[int]) -> NDArray[np.int64]:
    codes = np.zeros(len(taken), np.int64)
    for bit, i in enumerate(moved):
        codes |= taken[:, i].astype(np.int64) << bit
    return codes


def _stacked(reads: Sequence[Feeds]) -> Feeds:
    return {name: np.concatenate([held[name] for held in reads]) for name in reads[0]}


def _differing(
    bundle: Answering, row: Row, typical: Row, every: Sequence[Group], of_feature: Mapping[str, Sequence[int]]
) -> Bools:
    """Say which groups are read otherwise in the two rows: the others can have no effect."""
    layout, mine, theirs = Layout.of(bundle.manifest.request), bundle.read(row), bundle.read(typical)
    changed: set[str] = set()
    for part, names in ((NUMBERS, [name for name, _ in layout.numbers]), (STRINGS, layout.strings)):
        if names:
            same = _same(mine[part][0], theirs[part][0])
            changed |= {name for name, held in zip(names, same, strict=True) if not held}
    changed |= {
        name
        for i, (name, _) in enumerate(layout.tensors)
        if not _same(mine[f"tensor_{i}"], theirs[f"tensor_{i}"]).all()
    }
    moved = {i for name in changed if len(of_feature[name]) == 1 for i in of_feature[name]}
    formulas = {i for entry in bundle.manifest.request if entry["kind"] == FORMULA for i in of_feature[entry["name"]]}
    raw = {i for i in formulas if any(row[name] != typical[name] for name in every[i].columns)}
    return np.array([i in moved or i in raw for i in range(len(every))], bool)


def _same(a: NDArray[Any], b: NDArray[Any]) -> Bools:
    same = np.asarray(a == b, bool)
    return same | (np.isnan(a) & np.isnan(b)) if a.dtype.kind == "f" else same


# ------------------------------------------------------------------------------------------------ Shapley values


def _effects(ask: Asked, base: float, score: float) -> tuple[Floats, Floats, bool]:
    n = len(ask.groups)
    if n <= EXACT:
        values = ask.scores(_subsets(n)) if n else np.array([base])
        values[0], values[-1] = base, score
        return exact(values), np.zeros(n), True
    n_pairs = max(2, min(MOST_PAIRS, BUDGET_ROWS // (2 * (n - 1))))
    orders = _orders(n, n_pairs, rng=np.random.default_rng(SEED))
    effects, errors = sampled(ask.scores, orders, base=base, score=score)
    return effects, errors, False


def _subsets(n: int) -> Bools:
    return np.asarray((np.arange(2**n)[:, None] >> np.arange(n)) & 1, bool)


def exact(values: Floats) -> Floats:
    """Return Shapley values from the worth of every coalition.

    Parameters
    ----------
    values
        float64 ``[2**n]``; position *c* is the coalition of the players whose bits are 1 in *c*.

    Returns
    -------
    NDArray
        float64 ``[n]``; they sum to ``values[-1] - values[0]``.

    Notes
    -----
    Source: Lundberg and Lee 2017, equation 8.

    Examples
    --------
    Two who are worth 1 alone and 4 together share equally:

    >>> exact(np.array([0.0, 1.0, 1.0, 4.0])).tolist()
    [2.0, 2.0]
    """
    n = len(values).bit_length() - 1
    codes = np.arange(len(values))
    sizes = _subsets(n).sum(axis=1)
    effects = np.zeros(n)
    for i in range(n):
        without = codes[(codes >> i) & 1 == 0]
        shares = 1.0 / (n * np.array([math.comb(n - 1, size) for size in sizes[without].tolist()], np.float64))
        effects[i] = float((shares * (values[without | 1 << i] - values[without])).sum())
    return effects


def _orders(n: int, n_pairs: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw orders, ``[2 * n_pairs, n]``: each is followed by its reverse."""
    drawn = rng.permuted(np.tile(np.arange(n), (n_pairs, 1)), axis=1)
    return np.stack([drawn, drawn[:, ::-1]], axis=1).reshape(2 * n_pairs, n)


def sampled(worth: Any, orders: NDArray[np.int64], *, base: float, score: float) -> tuple[Floats, Floats]:
    """Return Shapley values from drawn orders, with their standard errors.

    Parameters
    ----------
    worth
        Takes bools ``[coalitions, n]`` and returns their worth.
    orders
        ``[2 * pairs, n]``, each followed by its reverse.
    base, score
        The worth of nobody and of all.

    Returns
    -------
    tuple
        Values and standard errors, float64 ``[n]`` each. The values sum to ``score - base``.

    Notes
    -----
    Source: Štrumbelj and Kononenko 2014, algorithm 2, with whole orders and their reverses.

    Examples
    --------
    >>> orders = _orders(3, 4, rng=np.random.default_rng(0))
    >>> values, errors = sampled(lambda taken: taken @ np.array([1.0, 2.0, 3.0]), orders, base=0.0, score=6.0)
    >>> values.tolist(), errors.tolist()
    ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    """
    m, n = orders.shape
    rank = np.argsort(orders, axis=1)
    # the coalition before step s of an order holds those whose rank is less than s
    taken = rank[:, None, :] < np.arange(1, n)[None, :, None]
    distinct, where = _distinct(taken.reshape(-1, n))
    along = np.empty((m, n + 1))
    along[:, 0], along[:, n] = base, score
    along[:, 1:n] = worth(distinct)[where].reshape(m, n - 1)
    steps = np.take_along_axis(np.diff(along, axis=1), rank, axis=1)
    pairs = steps.reshape(m // 2, 2, n).mean(axis=1)
    return pairs.mean(axis=0), pairs.std(axis=0, ddof=1) / math.sqrt(len(pairs))


def _distinct(taken: Bools) -> tuple[Bools, Any]:
    """Return each coalition once, and where each stands; among many players hardly any comes twice."""
    if taken.shape[1] > _REPEATING:
        return taken, slice(None)
    packed = np.packbits(taken, axis=1)
    _, first, where = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return taken[first], where.reshape(-1)


# ------------------------------------------------------------------------------------------------ what would change it


def _changes(ask: Asked, decided: Decision) -> list[Change]:
    if not ask.bundle.classes or ask.bundle.manifest.policy.decides == "value":
        return []
    from mulle.runtime.change import nearest  # noqa: PLC0415  # only classes have decisions that can flip

    def decide(rows: Sequence[Row]) -> list[tuple[Decision, float]]:
        told: list[tuple[Decision, float]] = []
        for i in range(0, len(rows), _BLOCK_ROWS // 4):
            scored, decisions = ask.bundle.decide(
                _stacked([ask.bundle.read(r) for r in rows[i : i + _BLOCK_ROWS // 4]])
            )
            told += zip(decisions, scored[:, ask.at].tolist(), strict=True)
        ask.n_rows += len(told)
        return told

    alone = [g.columns[0] for g in groups(ask.bundle.manifest.request) if len(g.columns) == 1]
    found = nearest(ask.row, {name: ask.bundle.profile.column(name) for name in alone}, decided, decide)
    return [Change(column=c, value=ask.row[c], to=to, decision=d, score=score) for c, to, d, score in found]
