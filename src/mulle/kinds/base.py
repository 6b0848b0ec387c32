"""What a kind of column is, and the views of itself that it offers to models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.figure import Figure, Table
from mulle.core.jsonable import Json
from mulle.core.registry import Registry
from mulle.core.schema import Feature, Wire
from mulle.export.graph import Graph

Values = NDArray[Any]
"""Wire values of a block: float64 ``[rows, columns]`` with NaN, or str objects ``[rows, columns]`` with ''."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a raw column before its kind is: computed once, on a sample of rows.

    ``values`` are up to 10,000 raw values that are not null, in order.
    """

    name: str
    dtype: pl.DataType
    n_rows: int
    n_missing: int
    n_unique: int
    values: pl.Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A kind's claim on a column: how sure (0..1), why in words, and the options to read it with."""

    sure: float
    why: str
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A column after it was read as its kind.

    ``values`` has one series a raw column, in the kind's own dtype, null where missing; ``faults`` are the positions
    of raw values that were there and could not be read (sorted), with the raw text of the first few; ``infinite``
    counts the values that are missing because they were infinite.
    """

    values: Sequence[pl.Series]
    faults: Sequence[int] = ()
    samples: Sequence[str] = ()
    infinite: int = 0


class View(ABC):
    """One way to turn a block of features of one kind into columns of numbers. An instance is fitted and never changes.

    A *block* is all features of one kind that are seen through this view, side by side, so that ten thousand numbers
    cost as few nodes as one. Kinds whose wire is text, list or image have one feature a block.
    """

    name: ClassVar[str]
    uses_target: ClassVar[bool] = False
    """True when it is fitted with the target: then it is fitted within each fold, and `out_of_fold` gives the
    training rows' own values."""
    fallback: ClassVar[str] = ""
    """The view of the same kind that stands in for this one where it does not suit."""

    @classmethod
    def suits(cls, values: Values, *, surely: bool = False) -> bool:
        """Say whether wire values ``[rows, columns]`` can be seen this way.

        A column that doesn't suit is seen through `fallback`. A fallback that is fitted on the rows of one fold asks
        for ``surely``, a lower bar, so that no column falls between two views that were asked on different rows.
        """
        del values, surely
        return True

    @classmethod
    @abstractmethod
    def fit(
        cls,
        features: Sequence[Feature],
        values: Values,
        *,
        target: NDArray[np.float64] | None,
        rng: np.random.Generator,
    ) -> Self:
        """Fit on wire values ``[rows, columns]``; ``target`` is float64 ``[rows, outputs]`` when `uses_target`."""

    @abstractmethod
    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return for each column that comes out: its name, its feature, and its number of levels (0: a number)."""

    @abstractmethod
    def emit(self, g: Graph, source: str) -> str:
        """Append nodes from ``source`` (wire values ``[rows, columns]``) to float32 ``[rows, width]``."""

    @abstractmethod
    def to_json(self) -> dict[str, Json]:
        """Return the fitted parameters as plain JSON. Arrays as lists."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` gave."""

    def out_of_fold(
        self, values: Values, target: NDArray[np.float64], *, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the training rows as a model must see them when the view was fitted with their own target."""
        raise NotImplementedError


class Kind(ABC):
    """What a column is. One new file in this folder with one class under ``@kind``.

    Raw columns become *values* (`read`: typed, null where missing), values become *wire* arrays (`to_wire`), and views
    turn wire arrays into the model's matrix. When serving, `mulle.runtime.encode` goes from raw to wire in one step
    with the feature's options, and a bundle opens without your file. So a kind of your own ships when its raw values
    are read as one of the kinds of Mulle reads them: it names that kind in ``reads_as``, and everything else is its
    own: how a column is recognised, summarised and drawn, and the views, which become part of the bundle's graph.
    `mulle.testing.check_kind` holds both ways against each other.
    """

    name: ClassVar[str]
    wire: ClassVar[Wire]
    arity: ClassVar[int] = 1
    dtype: ClassVar[pl.DataType | type[pl.DataType]]
    views: ClassVar[Mapping[str, type[View]]]
    like: ClassVar[str] = ""
    """Another kind with the same views: families that name no views for this kind see it as they see that one."""
    reads_as: ClassVar[str] = ""
    """The kind of Mulle whose raw values this one reads, with the same options and to the same wire values; its name is
    what a bundle's request says. Empty for the kinds of Mulle itself."""

    @abstractmethod
    def recognise(self, facts: Facts) -> Guess | None:
        """Claim a column, or not. Kinds of two columns claim none here; see ``kinds.recognise``."""

    @abstractmethod
    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read raw columns as this kind."""

    @abstractmethod
    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return wire values ``[rows, arity]``."""

    def step(self, feature: Feature) -> Mapping[str, Json] | None:
        """Return the runtime step (``tokenise``, ``decode``) that stands before the graph, if any."""
        del feature
        return None

    @abstractmethod
    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return a small table of what is in the column: two columns, *what* and *value*."""

    @abstractmethod
    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return the distribution, split by target class or against a numeric target when one is given."""


KindT = TypeVar("KindT", bound=Kind)
kinds: Registry[Kind] = Registry(noun="kind", package="mulle.kinds")


def kind(cls: type[KindT]) -> type[KindT]:
    """Register a kind of column of your own: a class with a ``name`` and no arguments.

    Parameters
    ----------
    cls
        A `Kind`.

    Returns
    -------
    type
        The class itself, so that this is a decorator.

    Examples
    --------
    A number that is known by its name, and seen by every family as numbers are:

    >>> from mulle.kinds.number import Number
    >>> @kind
    ... class Score(Number):
    ...     name, like, reads_as = "score", "number", "number"
    ...
    ...     def recognise(self, facts):
    ...         return Guess(sure=0.95, why="named as a score") if facts.name.endswith("_score") else None
    >>> kinds.get("score").read([pl.Series(["1,250", "n/a"])], {}).values[0].to_list()
    [1250.0, None]
    >>> seen_as({"number": ["plain"]})["score"]
    ['plain']
    >>> kinds.remove("score")
    """
    return kinds.take(cls)


def seen_as(wanted: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Add to the views that a family wants those of kinds that are like the ones it names.

    Parameters
    ----------
    wanted
        For each kind, the names of its views.

    Returns
    -------
    dict
        The same, with more kinds at its end.

    Examples
    --------
    >>> seen_as({"number": ["plain"]})
    {'number': ['plain'], 'formula': ['plain']}
    """
    more = {k.name: wanted[k.like] for k in kinds if k.name not in wanted and k.like in wanted}
    return {**wanted, **more}
