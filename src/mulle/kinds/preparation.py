"""From features to the model's matrix: read raw columns, make wire values, fit views, and run their graph.

Views are fitted in numpy and applied by running the graph they emit, when training too, so that what was trained on
is what ships. The only exception is `Preparation.out_of_fold`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.errors import DataError, ProjectError, UnknownName
from mulle.core.jsonable import Json, from_json, to_json
from mulle.core.schema import Column, Feature
from mulle.export.graph import Graph
from mulle.kinds.base import Kind, Values, View, kinds, seen_as
from mulle.kinds.tokens import Tokens
from mulle.runtime import decode
from mulle.runtime.encode import READABLE
from mulle.runtime.layout import NUMBERS, STRINGS, Layout
from mulle.runtime.session import Session

Floats = NDArray[np.float64]
Wires = Mapping[str, Any]
"""Wire values by feature: arrays ``[rows, columns]``, or `Tokens`, which is indexed by rows in the same way."""

SAMPLE = 20_000
"""Rows on which views of vectors are fitted."""
_CHUNK_VALUES = 4_000_000
_LOCAL = frozenset(["root"])
"""Options that hold on this machine only and don't travel with a bundle."""


# ------------------------------------------------------------------------------------------------ reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Values that were there and could not be read: where they stand, and the first few as they are."""

    feature: str
    column: str
    kind: str
    positions: Sequence[int]
    samples: Sequence[str]
    infinite: int = 0


def request(features: Sequence[Feature]) -> list[dict[str, Any]]:
    """Return the entries of a bundle's request schema.

    Parameters
    ----------
    features
        In the order of the schema.

    Returns
    -------
    list
        ``name``, ``kind``, ``wire``, ``columns``, ``options`` and ``step`` (or None) of each.

    Examples
    --------
    >>> request([Feature(name="age", kind="number", columns=["age"])])
    [{'name': 'age', 'kind': 'number', 'wire': 'number', 'columns': ['age'], 'options': {}, 'step': None}]
    """
    return [_entry(feature) for feature in features]


def read_as(name: str) -> str:
    """Return by whose name a bundle reads the raw values of a kind: its own, or that which it names in ``reads_as``.

    Raises
    ------
    ProjectError
        When a bundle could not read them, which opens without the file that brought the kind.
    """
    held = kinds.get(name).reads_as or name
    if held not in READABLE:
        raise ProjectError(
            f"a bundle can't read values of the kind '{name}': it opens without the file that brought the kind",
            where=f"class {type(kinds.get(name)).__qualname__}, reads_as",
            fix=f'name the kind whose raw values it reads, as in reads_as = "number"; known: {", ".join(sorted(READABLE))}',
        )
    return held


def _entry(feature: Feature) -> dict[str, Any]:
    kind = kinds.get(feature.kind)
    step = kind.step(feature)
    options = {k: v for k, v in feature.options.items() if k not in _LOCAL}
    return {
        "name": feature.name,
        "kind": read_as(feature.kind),
        "wire": kind.wire,
        "columns": list(feature.columns),
        "options": to_json(options),
        "step": None if step is None else to_json(step),
    }


def canonical(features: Sequence[Feature], raw: pl.DataFrame) -> tuple[pl.DataFrame, list[Faults]]:
    """Read raw columns as their kinds, one column of the kind's own type for each.

    Parameters
    ----------
    features
        What the columns are.
    raw
        As the source gave them.

    Returns
    -------
    tuple
        The table that is stored, null where missing, and what could not be read.

    Raises
    ------
    DataError
        When a column isn't there.

    Examples
    --------
    >>> table, faults = canonical([Feature(name="a", kind="number", columns=["a"])], pl.DataFrame({"a": ["1", "x"]}))
    >>> table["a"].to_list(), faults[0].positions
    ([1.0, None], (1,))
    """
    columns: dict[str, pl.Series] = {}
    faults: list[Faults] = []
    there = {column.name: column for column in raw.get_columns()}
    for feature in features:
        _columns_exist(feature, there)
        held = kinds.get(feature.kind).read([there[c] for c in feature.columns], feature.options)
        columns |= {c: v.alias(c) for c, v in zip(feature.stored, held.values, strict=True)}
        if held.faults or held.infinite:
            fault = Faults(
                feature=feature.name,
                column=" and ".join(feature.columns),
                kind=feature.kind,
                positions=tuple(held.faults),
                samples=tuple(held.samples),
                infinite=held.infinite,
            )
            faults.append(fault)
    return pl.DataFrame(list(columns.values())), faults


def _columns_exist(feature: Feature, there: Mapping[str, pl.Series]) -> None:
    for column in feature.columns:
        if column not in there:
            raise DataError(
                f"column '{column}' is not there",
                where=f"feature '{feature.name}'",
                fix=f"add it to the data; there are: {', '.join(list(there)[:12])}",
            )


def wires(features: Sequence[Feature], table: pl.DataFrame) -> dict[str, Any]:
    """Return the wire values of each feature; steps before the graph have run.

    Parameters
    ----------
    features
        Which to take.
    table
        As `canonical` gave it.

    Returns
    -------
    dict
        By feature: float64 ``[rows, columns]``, str ``[rows, 1]``, `Tokens`, or float32 pixels ``[rows, width]``.

    Examples
    --------
    >>> wires([Feature(name="a", kind="number", columns=["a"])], pl.DataFrame({"a": [1.0, None]}))["a"].tolist()
    [[1.0], [nan]]
    """
    return {feature.name: _wire(feature, table) for feature in features}


def _wire(feature: Feature, table: pl.DataFrame) -> Any:
    kind = kinds.get(feature.kind)
    values = kind.to_wire([table[c] for c in feature.stored], feature.options)
    step = kind.step(feature)
    if step is None:
        return values
    if step["op"] == "tokenise":
        return Tokens.of(step, values)
    return decode.run(step, values[:, 0])[0]


# ------------------------------------------------------------------------------------------------ fitting


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Features of one kind, side by side, and the fitted view through which they are seen."""

    kind: str
    features: Sequence[Feature]
    view: View

    def to_json(self) -> dict[str, Json]:
        """Return the block as plain JSON."""
        features = [to_json(f) for f in self.features]
        return {"kind": self.kind, "features": features, "view": self.view.name, "fitted": self.view.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Block:
        """Read back what `to_json` gave."""
        view = kinds.get(data["kind"]).views[data["view"]].from_json(data["fitted"])
        return cls(kind=data["kind"], features=[from_json(Feature, f) for f in data["features"]], view=view)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Fitted views, in order: the recipe of a model's matrix.

    Examples
    --------
    >>> features = [Feature(name="age", kind="number", columns=["age"])]
    >>> held = wires(features, pl.DataFrame({"age": [20.0, None, 40.0]}))
    >>> rng = np.random.default_rng(0)
    >>> fitted = Preparation.fit(features, held, {"number": ["filled"]}, rng=rng)
    >>> [column.name for column in fitted.columns]
    ['age', 'age is missing']
    >>> fitted.run(held).tolist()
    [[20.0, 0.0], [30.0, 1.0], [40.0, 0.0]]
    """

    blocks: tuple[Block, ...]

    @classmethod
    def fit(
        cls,
        features: Sequence[Feature],
        wires: Wires,
        wanted: Mapping[str, Sequence[str]],
        *,
        target: Floats | None = None,
        rng: np.random.Generator,
    ) -> Self:
        """Fit the wanted views on training rows.

        Parameters
        ----------
        features
            Those that may be used; kinds that aren't wanted are left out.
        wires
            Wire values by feature; see `wires`.
        wanted
            For each kind, the names of its views. A view that doesn't suit a column is replaced by its fallback.
        target
            float64 ``[rows, outputs]``: then only views that use the target are fitted. None: only those that don't.
        rng
            For samples.

        Returns
        -------
        Preparation
            Perhaps without any block.

        Raises
        ------
        UnknownName
            When a kind has no view of that name.
        """
        blocks: list[Block] = []
        done: set[tuple[str, str]] = set()
        for kind_name, names in seen_as(wanted).items():
            kind = kinds.get(kind_name)
            for group in _groups(kind, [f for f in features if f.kind == kind_name]):
                values = _stacked(group, wires, rng)
                for view in _chosen(kind, names, values, with_target=target is not None):
                    if (group[0].name, view.name) not in done:
                        done.add((group[0].name, view.name))
                        fitted = view.fit(group, values, target=target, rng=rng)
                        blocks.append(Block(kind=kind_name, features=tuple(group), view=fitted))
        return cls(blocks=tuple(blocks))

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the matrix's columns in order."""
        names = (held for block in self.blocks for held in block.view.names())
        return tuple(Column(name=n, feature=f, n_levels=k) for n, f, k in names)

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return the features that are used, each once, in order of first use."""
        return tuple({f.name: f for block in self.blocks for f in block.features}.values())

    def emit(self, g: Graph, layout: Layout, values: Mapping[str, str]) -> str | None:
        """Append the views to a graph.

        Parameters
        ----------
        g
            The graph.
        layout
            Where the features stand in the graph's inputs.
        values
            The value's name of each input (``numbers``, ``strings``, ``tensor_0`` …).

        Returns
        -------
        str or None
            A float32 value ``[rows, width]``; None when there is no block.
        """
        places = _Places(layout)
        parts = [block.view.emit(g, places.source(g, block, values)) for block in self.blocks]
        return g.concat(parts) if parts else None

    def run(self, wires: Wires) -> NDArray[np.float32]:
        """Apply the views by running their graph, in chunks of rows.

        Parameters
        ----------
        wires
            Wire values by feature.

        Returns
        -------
        NDArray
            float32 ``[rows, width]``.
        """
        n_rows = len(next(iter(wires.values()))) if wires else 0
        out = np.empty((n_rows, len(self.columns)), np.float32)
        for rows, part in self.parts(wires):
            out[rows] = part
        return out

    def parts(self, wires: Wires) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Apply the views chunk by chunk: for a matrix that should never stand in memory whole.

        Parameters
        ----------
        wires
            Wire values by feature.

        Yields
        ------
        tuple
            Which rows, and their part of the matrix; nothing where the matrix has no values.
        """
        n_rows = len(next(iter(wires.values()))) if wires else 0
        width = len(self.columns)
        if width == 0 or n_rows == 0:
            return
        session, layout = self._session()
        for rows in _chunks(n_rows, width + sum(w for _, w in layout.tensors) + len(layout.numbers)):
            block = {f.name: _dense(wires[f.name][rows]) for f in self.features}
            yield rows, session.run(["matrix"], layout.pack(block))[0]

    def _session(self) -> tuple[Session, Layout]:
        g, layout = Graph(), Layout.of(request(self.features))
        matrix = self.emit(g, layout, declare(g, layout))
        assert matrix is not None  # noqa: S101  # there are columns
        g.output(matrix, "matrix", "float", [None, len(self.columns)])
        return Session(g.to_bytes(), where="the prepared features"), layout

    def out_of_fold(self, wires: Wires, target: Floats, *, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the training rows as a model must see them when views were fitted with their own target.

        Parameters
        ----------
        wires
            The wire values that the preparation was fitted on.
        target
            The target that it was fitted with, float64 ``[rows, outputs]``.
        rng
            Deals the rows to inner folds.

        Returns
        -------
        NDArray
            float32 ``[rows, width]``.
        """
        parts = [block.view.out_of_fold(_stacked(block.features, wires, rng), target, rng=rng) for block in self.blocks]
        return np.hstack(parts) if parts else np.empty((len(target), 0), np.float32)

    def to_json(self) -> dict[str, Json]:
        """Return the preparation as plain JSON."""
        return {"version": 1, "blocks": [block.to_json() for block in self.blocks]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        return cls(blocks=tuple(Block.from_json(b) for b in data["blocks"]))


def declare(g: Graph, layout: Layout) -> dict[str, str]:
    """Declare a graph's inputs as a layout says.

    Parameters
    ----------
    g
        The graph.
    layout
        Which wire values stand where.

    Returns
    -------
    dict
        The value's name of each input.

    Examples
    --------
    >>> declare(Graph(), Layout(numbers=(("age", 0),)))
    {'numbers': 'numbers'}
    """
    values = {}
    if layout.numbers:
        values[NUMBERS] = g.input(NUMBERS, "double", [None, len(layout.numbers)])
    if layout.strings:
        values[STRINGS] = g.input(STRINGS, "string", [None, len(layout.strings)])
    for i, (_, width) in enumerate(layout.tensors):
        values[f"tensor_{i}"] = g.input(f"tensor_{i}", "float", [None, width])
    return values


class _Places:
    """Where the features of a block stand in the graph's inputs."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._numbers = {pair: i for i, pair in enumerate(layout.numbers)}
        self._strings = {name: i for i, name in enumerate(layout.strings)}
        self._tensors = {name: i for i, (name, _) in enumerate(layout.tensors)}

    def source(self, g: Graph, block: Block, values: Mapping[str, str]) -> str:
        """Append what takes a block's columns from the inputs."""
        first = block.features[0].name
        if first in self._tensors:
            return values[f"tensor_{self._tensors[first]}"]
        if first in self._strings:
            return g.columns(values[STRINGS], [self._strings[first]])
        at = [self._numbers[f.name, i] for f in block.features for i in range(len(f.stored))]
        if at == list(range(len(self._layout.numbers))):
            return values[NUMBERS]
        return g.columns(values[NUMBERS], at)


def _groups(kind: Kind, features: Sequence[Feature]) -> list[list[Feature]]:
    """Put numbers side by side; words, lists, texts and images stand alone: one block each."""
    if kind.wire == "number":
        return [list(features)] if features else []
    return [[feature] for feature in features]


def _chosen(kind: Kind, names: Sequence[str], values: Values, *, with_target: bool) -> list[type[View]]:
    """Return the views to fit; a fallback in place of one that doesn't suit."""
    held = [_standing_in(kind, _view(kind, name), values, with_target=with_target) for name in names]
    return [view for view in held if view.uses_target == with_target]


def _standing_in(kind: Kind, view: type[View], values: Values, *, with_target: bool) -> type[View]:
    if not view.fallback:
        return view
    fallback = kind.views[view.fallback]
    if fallback.uses_target and not with_target:
        return view if view.suits(values) else fallback
    return view if view.suits(values, surely=fallback.uses_target) else fallback


def _view(kind: Kind, name: str) -> type[View]:
    if name not in kind.views:
        raise UnknownName.among(name, kind.views, noun=f"view of kind '{kind.name}'")
    return kind.views[name]


def _stacked(features: Sequence[Feature], wires: Wires, rng: np.random.Generator) -> Values:
    """Return a block's wire values side by side; of vectors made by a step, a sample of rows."""
    held = [wires[f.name] for f in features]
    if isinstance(held[0], Tokens) or (held[0].dtype == np.float32):
        n_rows = len(held[0])
        few = np.sort(rng.choice(n_rows, SAMPLE, replace=False)) if n_rows > SAMPLE else slice(None)
        return _dense(held[0][few])
    return held[0] if len(held) == 1 else np.hstack(held)


def _dense(values: Any) -> Values:
    return values.dense() if isinstance(values, Tokens) else values


def _chunks(n_rows: int, width: int) -> Iterator[slice]:
    size = max(256, _CHUNK_VALUES // max(width, 1))
    return (slice(i, min(i + size, n_rows)) for i in range(0, n_rows, size))
