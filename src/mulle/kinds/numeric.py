"""Views of columns that travel as numbers, shared by the kinds that do: number, boolean, place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mulle.core.jsonable import Json, from_json, to_json
from mulle.core.schema import Feature
from mulle.export.graph import Graph
from mulle.kinds.base import Values, View

Floats = NDArray[np.float64]
SAMPLE = 50_000
"""Rows on which quantiles, medians and distinct values are found; more change the third digit at most."""
BLOCK = 250_000
"""Values that are looked at together."""
_FLOAT32_MAX = 3.0e38
_LOST = 0.01


def column_names(features: Sequence[Feature]) -> tuple[tuple[str, str], ...]:
    """Return name and feature for each wire column of a block.

    Examples
    --------
    >>> column_names([Feature(name="age", kind="number", columns=["age"])])
    (('age', 'age'),)
    """
    out: list[tuple[str, str]] = []
    for feature in features:
        alone = len(feature.stored) == 1
        out += [(feature.name if alone else f"{feature.name}.{c}", feature.name) for c in feature.stored]
    return tuple(out)


def sample(values: Floats, rng: np.random.Generator) -> Floats:
    """Return at most `SAMPLE` rows, in order.

    Examples
    --------
    >>> sample(np.zeros((3, 1)), np.random.default_rng(0)).shape
    (3, 1)
    """
    if len(values) <= SAMPLE:
        return values
    return values[np.sort(rng.choice(len(values), SAMPLE, replace=False))]


def middles(values: Floats) -> Floats:
    """Return each column's median over what is there; 0 where nothing is.

    Examples
    --------
    >>> middles(np.array([[1.0, np.nan], [3.0, np.nan]])).tolist()
    [2.0, 0.0]
    """
    middle: Floats = quantiles(values, [0.5])[0]
    return middle


def quantiles(values: Floats, shares: Sequence[float]) -> Floats:
    """Return ``[shares, columns]`` quantiles over what is there; 0 where nothing is.

    Examples
    --------
    >>> quantiles(np.array([[1.0], [2.0], [np.nan], [3.0]]), [0.0, 0.5, 1.0])[:, 0].tolist()
    [1.0, 2.0, 3.0]
    """
    parts = [_quantiles(np.sort(values[:, block], axis=0), shares) for block in blocks(values)]  # NaN goes last
    return np.concatenate(parts, axis=1)


def _quantiles(ordered: Floats, shares: Sequence[float]) -> Floats:
    """Return the quantiles of columns that are in order."""
    n = (~np.isnan(ordered)).sum(axis=0)
    columns = np.arange(ordered.shape[1])
    out = np.zeros((len(shares), ordered.shape[1]))
    for i, share in enumerate(shares):
        at = share * np.maximum(n - 1, 0)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, np.maximum(n - 1, 0))
        a, b = ordered[low, columns], ordered[high, columns]
        with np.errstate(over="ignore", invalid="ignore"):
            out[i] = np.where(n > 0, a + (b - a) * (at - low), 0.0)
    return np.nan_to_num(out, nan=0.0)


def shifts(values: Floats) -> Floats:
    """Return what to subtract so that float32 keeps the distinct values: 0, or the median where plain casting loses.

    ``1_700_000_000`` and ``1_700_000_001`` are one number in float32; a moment's distance from the median is not.

    Examples
    --------
    >>> shifts(np.array([[1.7e9, 0.5], [1.7e9 + 1, 0.25], [1.7e9 + 2, 1.0]])).tolist()
    [1700000001.0, 0.0]
    """
    largest = np.concatenate([_largest(values[:, block]) for block in blocks(values)])
    far = np.flatnonzero((largest > 2**20) & (largest < _FLOAT32_MAX))
    out = np.zeros(values.shape[1])
    for j, middle in zip(far, middles(values[:, far]), strict=True):
        there = values[~np.isnan(values[:, j]), j]
        whole = len(np.unique(there))
        if len(np.unique(there.astype(np.float32))) < (1 - _LOST) * whole:
            out[j] = middle
    return out


def _largest(values: Floats) -> Floats:
    return np.asarray(np.max(np.abs(np.nan_to_num(values)), axis=0, initial=0.0))


def blocks(values: Floats) -> list[slice]:
    """Return slices of columns to look at one after the other: what is made of each then fits a processor's cache.

    None is of one column, where there are more: numpy adds up a lone column in another order.

    Examples
    --------
    >>> blocks(np.zeros((100_000, 5)))
    [slice(0, 2, None), slice(2, 5, None)]
    """
    n_rows, width = values.shape
    count = max(1, min(width // 2, -(-n_rows * width // BLOCK)))
    edges = [round(i * width / count) for i in range(count + 1)]
    return [slice(low, high) for low, high in pairwise(edges)]


def _row(values: Sequence[float]) -> Floats:
    return np.asarray(values, np.float64)[None, :]


def _to_float(g: Graph, value: str, shift: Sequence[float] = ()) -> str:
    """Subtract where it matters, keep within float32, cast."""
    if any(shift):
        value = g.node("Sub", value, g.const(_row(shift)))
    low, high = g.const(np.float64(-_FLOAT32_MAX)), g.const(np.float64(_FLOAT32_MAX))
    return g.cast(g.node("Clip", value, low, high), "float")


def _indicators(g: Graph, is_missing: str, where: Sequence[int], width: int) -> str:
    columns = is_missing if len(where) == width else g.columns(is_missing, where)
    return g.cast(columns, "float")


class _Stored(View):
    """A fitted view whose dataclass fields are its JSON."""

    def to_json(self) -> dict[str, Json]:
        """Return the fitted parameters as plain JSON."""
        held: dict[str, Json] = to_json(self)
        return held

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` gave."""
        return from_json(cls, data)


@dataclass(frozen=True, kw_only=True)
class Plain(_Stored):
    """Numbers as they are, NaN where missing: for families that split on missing values themselves.

    Examples
    --------
    >>> age = Feature(name="age", kind="number", columns=["age"])
    >>> view = Plain.fit([age], np.array([[1.0], [np.nan]]), target=None, rng=np.random.default_rng(0))
    >>> view.names()
    [('age', 'age', 0)]
    """

    name: ClassVar[str] = "plain"
    columns: tuple[tuple[str, ...], ...]
    shift: tuple[float, ...]

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Find the columns that need a shift."""
        del target
        return cls(columns=column_names(features), shift=tuple(shifts(sample(values, rng)).tolist()))

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return one column for each that comes in."""
        return [(name, feature, 0) for name, feature in self.columns]

    def emit(self, g: Graph, source: str) -> str:
        """Cast to float32."""
        return _to_float(g, source, self.shift)


@dataclass(frozen=True, kw_only=True)
class Filled(_Stored):
    """Missing numbers become the median; a 0/1 column says so, where the training rows had gaps.

    Examples
    --------
    >>> age = Feature(name="age", kind="number", columns=["age"])
    >>> values = np.array([[1.0], [np.nan], [3.0]])
    >>> view = Filled.fit([age], values, target=None, rng=np.random.default_rng(0))
    >>> [name for name, *_ in view.names()], view.middle
    (['age', 'age is missing'], (2.0,))
    """

    name: ClassVar[str] = "filled"
    columns: tuple[tuple[str, ...], ...]
    middle: tuple[float, ...]
    shift: tuple[float, ...]
    gaps: tuple[int, ...]

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Find medians and which columns have gaps."""
        del target
        few = sample(values, rng)
        gaps = np.flatnonzero(np.isnan(values).any(axis=0))
        return cls(
            columns=column_names(features),
            middle=tuple(middles(few).tolist()),
            shift=tuple(shifts(few).tolist()),
            gaps=tuple(gaps.tolist()),
        )

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return the numbers, then the indicators."""
        marks = [(f"{self.columns[i][0]} is missing", self.columns[i][1], 0) for i in self.gaps]
        return [(name, feature, 0) for name, feature in self.columns] + marks

    def emit(self, g: Graph, source: str) -> str:
        """Fill, cast, and add the indicators."""
        missing = g.node("IsNaN", source)
        filled = _to_float(g, g.node("Where", missing, g.const(_row(self.middle)), source), self.shift)
        if not self.gaps:
            return filled
        return g.concat([filled, _indicators(g, missing, self.gaps, len(self.columns))])


@dataclass(frozen=True, kw_only=True)
class Scaled(_Stored):
    r"""Filled, cut to a robust range, straightened when skewed, mean 0 and variance 1; indicators where gaps were.

    A skewed column (skewness beyond ±1) becomes ``s · log(1 + s · (x − c) / u)``, where ``c`` is the end of its range
    that the mass leans on, ``s`` the sign and ``u`` the median distance from ``c``. Against Yeo-Johnson, this has no
    exponent to estimate that can run away: it is strictly rising, its slope falls no faster than 1/x, so float32
    keeps apart what it kept apart before. A column of which it would lose distinct values all the same, or that it
    doesn't make less skewed, stays linear.

    Examples
    --------
    >>> pay = Feature(name="pay", kind="number", columns=["pay"])
    >>> values = np.random.default_rng(0).lognormal(8.0, 1.0, size=(500, 1))
    >>> view = Scaled.fit([pay], values, target=None, rng=np.random.default_rng(0))
    >>> view.bend
    (1.0,)
    """

    name: ClassVar[str] = "scaled"
    columns: tuple[tuple[str, ...], ...]
    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    bend: tuple[float, ...]
    """1 or -1 for a column that is straightened (its ``s``), 0 for a linear one."""
    centre: tuple[float, ...]
    unit: tuple[float, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    gaps: tuple[int, ...] = field(default=())

    @classmethod
    def fit(
        cls, features: Sequence[Feature], values: Values, *, target: Floats | None, rng: np.random.Generator
    ) -> Self:
        """Find range, skewness, mean and spread of every column."""
        del target
        return cls.of(column_names(features), values, rng)

    @classmethod
    def of(cls, columns: Sequence[tuple[str, ...]], values: Floats, rng: np.random.Generator) -> Self:
        """Fit on columns by name; see `fit`."""
        few = sample(values, rng)
        fitted = [_scaling(np.ascontiguousarray(few[:, block])) for block in blocks(few)]
        parts = {name: np.concatenate([part[name] for part in fitted]) for name in fitted[0]}
        gaps = np.flatnonzero(np.isnan(values).any(axis=0)).tolist()
        held: dict[str, Any] = {k: tuple(v.tolist()) for k, v in parts.items()}
        return cls(columns=tuple(columns), gaps=tuple(gaps), **held)

    def names(self) -> Sequence[tuple[str, str, int]]:
        """Return the numbers, then the indicators."""
        marks = [(f"{self.columns[i][0]} is missing", self.columns[i][1], 0) for i in self.gaps]
        return [(name, feature, 0) for name, feature in self.columns] + marks

    def emit(self, g: Graph, source: str) -> str:
        """Fill, cut, straighten, standardise, cast; all columns at once."""
        missing = g.node("IsNaN", source)
        value = g.node("Where", missing, g.const(_row(self.middle)), source)
        value = g.node("Max", g.node("Min", value, g.const(_row(self.high))), g.const(_row(self.low)))
        value = g.node("Sub", value, g.const(_row(self.centre)))
        value = g.node("Mul", value, g.const(_row(self.unit)))
        if any(self.bend):
            value = self._bent(g, value)
        value = g.node("Mul", g.node("Sub", value, g.const(_row(self.mean))), g.const(_row(self.scale)))
        out = g.cast(value, "float")
        return g.concat([out, _indicators(g, missing, self.gaps, len(self.columns))]) if self.gaps else out

    def _bent(self, g: Graph, value: str) -> str:
        one = g.const(np.float64(1.0))
        curve = g.node("Mul", g.node("Log", g.node("Add", g.node("Abs", value), one)), g.const(_row(self.bend)))
        if all(self.bend):
            return curve
        return g.node("Where", g.const(_row(self.bend) != 0), curve, value)


def _scaling(values: Floats) -> dict[str, Floats]:
    """Return the fitted parameters of some columns, by their names in `Scaled`."""
    ordered = np.sort(values, axis=0)
    low, high = _range(ordered)
    middle = np.clip(_quantiles(ordered, [0.5])[0], low, high)
    with np.errstate(invalid="ignore"):
        cut, ordered = np.clip(values, low, high), np.clip(ordered, low, high)
    bend, centre, unit = _bends(cut, low, high)
    steady = bend == 0
    centre[steady] = _quantiles(ordered, [0.5])[0][steady]
    mean, spread = _moments(_straighten(cut, bend, centre, unit))
    scale = np.where(spread > 1e-12 * np.maximum(np.abs(mean), 1e-300), 1 / np.maximum(spread, 1e-300), 0.0)
    found = {"middle": middle, "low": low, "high": high, "bend": bend, "centre": centre, "unit": unit}
    return found | {"mean": mean, "scale": np.minimum(scale, 1e300)}


def _range(ordered: Floats) -> tuple[Floats, Floats]:
    """Return the robust range of columns that are in order: from 1 % to 99 %, and as far again on either side."""
    least, q01, q99, most = _quantiles(ordered, [0.0, 0.01, 0.99, 1.0])
    span = q99 - q01
    wide = span <= 0
    return np.where(wide, least, np.maximum(least, q01 - span)), np.where(wide, most, np.minimum(most, q99 + span))


LEAST_UNIT = 1e-9
"""A unit smaller than this share of the range would only magnify rounding."""


def _bends(values: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    """Return bend, centre and factor of every column; the centre of one that stays linear is 0."""
    width = values.shape[1]
    bend, centre, unit = np.zeros(width), np.zeros(width), np.ones(width)
    skewness = _skewness(values)
    for j in np.flatnonzero(np.abs(skewness) > 1.0):
        there = values[~np.isnan(values[:, j]), j]
        sign = float(np.sign(skewness[j]))
        end = low[j] if sign > 0 else high[j]
        distance = np.abs(there - end)
        typical = float(np.median(distance[distance > 0]))
        if typical <= LEAST_UNIT * (high[j] - low[j]):
            continue
        curve = np.log1p(distance / typical)
        if abs(_skewness(curve[:, None])[0]) < abs(skewness[j]) and _keeps(curve, there):
            bend[j], centre[j], unit[j] = sign, end, 1 / typical
    return bend, centre, unit


def _keeps(after: Floats, before: Floats) -> bool:
    """Say whether float32 keeps apart what was apart."""
    return len(np.unique(after.astype(np.float32))) >= (1 - _LOST) * len(np.unique(before))


def _straighten(values: Floats, bend: Floats, centre: Floats, unit: Floats) -> Floats:
    moved = (values - centre) * unit
    return np.where(bend != 0, bend * np.log1p(np.abs(moved)), moved)


def _moments(values: Floats) -> tuple[Floats, Floats]:
    n = _there(values)
    mean = _total(values, n) / n
    with np.errstate(over="ignore"):
        return mean, np.sqrt(_total((values - mean) ** 2, n) / n)


def _there(values: Floats) -> NDArray[np.int64]:
    """Return how many values each column has, at least 1."""
    return np.asarray(np.maximum((~np.isnan(values)).sum(axis=0), 1))


def _total(values: Floats, n: NDArray[np.int64]) -> Floats:
    """Return each column's sum over the ``n`` values that are there; where all are, nothing is copied."""
    return np.asarray(values.sum(axis=0) if (n == len(values)).all() else np.nansum(values, axis=0))


def _skewness(values: Floats) -> Floats:
    mean, spread = _moments(values)
    n = _there(values)
    safe = np.where((spread > 0) & np.isfinite(spread), spread, 1.0)
    off = (values - mean) / safe
    return np.where(safe == spread, _total(off * off * off, n) / n, 0.0)  # a power would take ten times as long
