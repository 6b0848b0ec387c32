"""Figures and tables as numbers and words. Parts return them; only the report draws them.

A figure says what it shows (marks with their numbers), what the axes mean (with units), and in words what
a reader should see (`says`, which is also the alt text).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mulle.core.jsonable import Json, from_json, to_json

Scale = Literal["linear", "log", "category", "time"]
MarkKind = Literal["line", "step", "points", "bars", "area", "intervals", "cells", "rule", "images"]
Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: its label with the unit, its scale, and its limits when they are not the data's."""

    label: str
    scale: Scale = "linear"
    low: float | None = None
    high: float | None = None
    percent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One series of a figure.

    ``x`` and ``y`` have one entry a point. ``low`` and ``high`` belong to *intervals* and *area*; ``value``
    colours *cells* (0..1 or raw; the report scales them); a *rule* is one line at ``x[0]`` or ``y[0]``; *images*
    carry data URIs in ``text``. ``role`` chooses the colour by meaning, not by hue.
    """

    kind: MarkKind
    name: str = ""
    x: Sequence[Cell] = ()
    y: Sequence[Cell] = ()
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    value: Sequence[float | None] = ()
    text: Sequence[str] = ()
    role: Literal["main", "other", "good", "bad", "muted", "reference"] = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Numbers to read: columns by name, rows in order, an optional note under them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture before it is drawn.

    Parameters
    ----------
    name
        A short id, unique within a stage: ``"calibration"``.
    title
        What the figure is, for a reader who does not do machine learning.
    says
        One or two sentences: what to see in it. Also the alt text.
    x, y
        The axes.
    marks
        The series, drawn in order.
    table
        The same numbers to read. When absent, the report makes one from the marks.

    Examples
    --------
    >>> figure = Figure(
    ...     name="missing",
    ...     title="Missing values",
    ...     says="Only 'age' has gaps.",
    ...     x=Axis(label="share of rows", percent=True, low=0, high=1),
    ...     y=Axis(label="", scale="category"),
    ...     marks=[Mark(kind="bars", x=[0.2, 0.0], y=["age", "job"])],
    ... )
    >>> Figure.from_json(figure.to_json()).marks[0].x
    (0.2, 0.0)
    """

    name: str
    title: str
    says: str
    x: Axis
    y: Axis
    marks: Sequence[Mark] = field(default_factory=tuple)
    table: Table | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the figure as plain JSON values."""
        held: dict[str, Json] = to_json(self)
        return held

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Figure:
        """Read a figure back from what `to_json` gave."""
        return from_json(cls, data)
