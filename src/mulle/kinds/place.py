"""Places: latitude and longitude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.count import count
from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.core.jsonable import Json, to_json
from mulle.core.schema import Feature, Wire
from mulle.export.graph import Graph
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind
from mulle.kinds.numeric import Plain, Scaled
from mulle.kinds.picture import classes_of, empty, presence, sampled, table
from mulle.kinds.reading import joined, read_distinct

Floats = NDArray[np.float64]
_ROOT = float(np.sqrt(0.5))
_POINTS = 1_500
_SIDES = ("latitude", "longitude", "north-east", "north-west")


def _turned(values: Floats) -> Floats:
    """Return latitude, longitude and both axes turned by 45°, ``[rows, 4 · places]``: all of one kind together."""
    lat, lon = values[:, 0::2], values[:, 1::2]
    return np.hstack([lat, lon, (lat + lon) * _ROOT, (lat - lon) * _ROOT])


def _emit_turned(g: Graph, source: str, n_places: int) -> str:
    lat = g.columns(source, range(0, 2 * n_places, 2))
    lon = g.columns(source, range(1, 2 * n_places, 2))
    root = g.const(np.float64(_ROOT))
    both = [g.node("Mul", g.node(op, lat, lon), root) for op in ("Add", "Sub")]
    return g.concat([lat, lon, *both])


def _names(features: Sequence[Feature]) -> list[tuple[str, str]]:
    return [(f"{f.name}: {side}", f.name) for side in _SIDES for f in features]


@dataclass(frozen=True, kw_only=True)
class _Turned(View):
    """A view of numbers, on places as they are and turned by 45°, so that one split can run across."""

    inner: ClassVar[type[Plain] | type[Scaled]]
    n_places: int
    held: dict[str, Any]

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Fit the inner view on the turned columns."""
        flat = [Feature(name=f"{i}", kind="number", columns=[f"{i}"]) for i in range(4 * len(features))]
        view = cls.inner.fit(flat, _turned(values), target=target, rng=rng)
        held = view.to_json()
        held["columns"] = [list(pair) for pair in _names(features)]
        return cls(n_places=len(features), held=held)

    def _view(self) -> Plain | Scaled:
        return self.inner.from_json(self.held)

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return the inner view's columns."""
        return self._view().names()

    def emit(self, g: Graph, source: str) -> str:
        """Turn, then as the inner view does."""
        return self._view().emit(g, _emit_turned(g, source, self.n_places))

    def to_json(self) -> dict[str, Json]:
        """Return the fitted parameters as plain JSON."""
        held: dict[str, Json] = to_json(self)
        return held

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        return cls(n_places=int(data["n_places"]), held=dict(data["held"]))


class PlainPlace(_Turned):
    """Latitude, longitude, and both turned by 45°; NaN where missing.

    Examples
    --------
    >>> home = Feature(name="home", kind="place", columns=["lat", "lon"])
    >>> view = PlainPlace.fit([home], np.array([[37.5, 127.0]]), target=None, rng=np.random.default_rng(0))
    >>> [name for name, *_ in view.names()]
    ['home: latitude', 'home: longitude', 'home: north-east', 'home: north-west']
    """

    name: ClassVar[str] = "plain"
    inner: ClassVar[type[Plain] | type[Scaled]] = Plain


class ScaledPlace(_Turned):
    """The same, filled and standardised, with indicators where places were missing."""

    name: ClassVar[str] = "scaled"
    inner: ClassVar[type[Plain] | type[Scaled]] = Scaled


@kind
class Place(Kind):
    """A point on the earth in degrees: two columns, latitude and longitude.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> reading = kinds.get("place").read([pl.Series([37.5, 95.0]), pl.Series([127.0, 10.0])], {})
    >>> reading.faults
    (1,)
    """

    name: ClassVar[str] = "place"
    wire: ClassVar[Wire] = "number"
    arity: ClassVar[int] = 2
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.Float64
    views: ClassVar[Mapping[str, type[View]]] = {"plain": PlainPlace, "scaled": ScaledPlace}

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim nothing: a place has two columns; see `mulle.kinds.recognise`."""
        del facts
        return None

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read both columns to Float64."""
        readings = [
            read_distinct(c, "place", {**options, "axis": axis}, pl.Float64, keep=_there)
            for axis, c in enumerate(columns)
        ]
        return joined(readings)

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return degrees, float64 ``[rows, 2]``."""
        del options
        return pl.DataFrame([v.cast(pl.Float64).alias(str(i)) for i, v in enumerate(values)]).to_numpy()

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return the bounding box and its middle."""
        rows = presence(values[0])
        for side, column in zip(_SIDES, values, strict=False):
            there = column.drop_nulls()
            if len(there):
                ordered = there.sort()
                marks = (("least", 0), ("median", len(ordered) // 2), ("most", len(ordered) - 1))
                rows += [(f"{side}, {word}", float(ordered[at])) for word, at in marks]
        return table(" × ".join(v.name for v in values), rows)

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return a map of points, coloured by target class."""
        whole = pl.DataFrame({"lat": values[0], "lon": values[1], "target": target if target is not None else None})
        whole = whole.drop_nulls(["lat", "lon"])
        if whole.height == 0:
            return empty(name)
        few = whole.gather_every(max(1, whole.height // _POINTS))
        middle = (float(np.median(few["lat"].to_numpy())), float(np.median(few["lon"].to_numpy())))
        return Figure(
            name=f"distribution of {name}",
            title=f"Where '{name}' lies",
            says=f"{count(whole.height, 'place')} around {middle[0]:.3f}° north, {middle[1]:.3f}° east; "
            f"{few.height:,} drawn.",
            x=Axis(label="longitude in degrees"),
            y=Axis(label="latitude in degrees"),
            marks=_points(few, target),
        )


def _points(few: pl.DataFrame, target: pl.Series | None) -> list[Mark]:
    if target is None:
        return [Mark(kind="points", x=few["lon"].to_list(), y=few["lat"].to_list())]
    shown, known = sampled(few["lat"], few["target"])
    del shown
    words = classes_of(few["target"]) if known is not None else None
    if words is None:
        colours = [None if v is None else float(v) for v in few["target"].to_list()]
        return [Mark(kind="points", x=few["lon"].to_list(), y=few["lat"].to_list(), value=colours)]
    roles = ("muted", "main", "other", "good", "bad", "reference")
    marks = []
    for i, word in enumerate(sorted(words.unique().to_list())[:6]):
        mine = few.filter(words == word)
        marks.append(
            Mark(kind="points", name=word, x=mine["lon"].to_list(), y=mine["lat"].to_list(), role=roles[i])  # type: ignore[arg-type]
        )
    return marks


def _there(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124  # NaN
