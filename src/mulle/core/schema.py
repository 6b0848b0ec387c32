"""What the columns are: features, the target, and those left out with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mulle.core.jsonable import Json

Wire = Literal["number", "string", "bytes"]
"""How a feature's values travel to the graph: float64 (NaN is missing), str ('' is missing), or bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One input of the model: one or more columns, read as one kind.

    Parameters
    ----------
    name
        Unique within the schema. The column's name when there is one column.
    kind
        The registered kind: ``"number"``, ``"category"``, …
    columns
        The raw columns, in the kind's order (a place: latitude, longitude).
    options
        How raw values are read, as plain JSON; the same when serving. See `mulle.runtime.encode`.
    origin
        *request*: the caller sends it. *looked-up*: the server finds it. *derived*: an SQL expression.
    why
        Why it was taken for this kind, in words.
    """

    name: str
    kind: str
    columns: Sequence[str]
    options: Mapping[str, Json] = field(default_factory=dict)
    origin: Literal["request", "looked-up", "derived"] = "request"
    why: str = ""

    @property
    def stored(self) -> Sequence[str]:
        """The columns of the canonical table that hold it: the raw columns' own names, or its name when derived.

        Returns
        -------
        Sequence of str
            As many as its wire has numbers or texts a row.

        Examples
        --------
        >>> Feature(name="ratio", kind="formula", columns=["a", "b"], origin="derived").stored
        ('ratio',)
        """
        return (self.name,) if self.origin == "derived" else self.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the feature matrix: its name, the feature it came from, and its levels if it holds codes."""

    name: str
    feature: str
    n_levels: int = 0
    """More than 0: whole codes 0..n_levels-1, to be split as categories. 0: an ordinary number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A column that is not used, why, and the command that brings it back."""

    column: str
    why: str
    undo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """All that is known about the columns of a project's table.

    ``target`` has as its kind the *task's* name once that is settled.
    """

    features: Sequence[Feature]
    target: str
    task: str
    classes: Sequence[str] = ()
    key: Sequence[str] = ()
    group: str = ""
    time: str = ""
    left_out: Sequence[LeftOut] = ()

    def feature(self, name: str) -> Feature:
        """Return the feature of that name."""
        return next(f for f in self.features if f.name == name)
