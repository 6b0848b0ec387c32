"""From a value to a place: one scale an axis, with its ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from mulle.core.figure import Axis, Cell, Figure, Mark
from mulle.core.figure import Scale as ScaleName
from mulle.report import ticks
from mulle.report.words import cell

Side = Literal["x", "y"]

_LARGEST = 1e150
"""Numbers beyond it have no place: nobody measures them, and their differences overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One tick: its place in pixels and its words."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A scale that knows its limits in values and its ends in pixels.

    Parameters
    ----------
    kind
        How values are spaced.
    low, high
        The limits in the data's unit. For categories: 0 and their count.
    names
        The categories in order.
    percent
        Whether 0.2 is told as 20%.
    start, end
        The pixels of ``low`` and ``high``.

    Examples
    --------
    >>> Scale(kind="linear", low=0, high=10, start=0, end=200).at(2.5)
    50.0
    """

    kind: ScaleName
    low: float
    high: float
    names: tuple[str, ...] = ()
    percent: bool = False
    start: float = 0.0
    end: float = 1.0

    def at(self, value: Cell) -> float | None:
        """Return the pixel of a value; None when it is missing, infinite, or not above 0 on a log."""
        where = self._position(value)
        if where is None or self.high == self.low:
            return None
        return self.start + (where - self.low) / (self.high - self.low) * (self.end - self.start)

    def _position(self, value: Cell) -> float | None:
        if self.kind == "category":
            name = cell(value)
            return self.names.index(name) + 0.5 if name in self.names else None
        found = plain(value, self.kind)
        return math.log10(found) if found is not None and self.kind == "log" else found

    @property
    def band(self) -> float:
        """How many pixels one category has."""
        return abs(self.end - self.start) / max(len(self.names), 1)

    def between(self, start: float, end: float) -> Scale:
        """Return the same scale over other pixels."""
        return replace(self, start=start, end=end)

    def ticks(self, count: int) -> list[Tick]:
        """Return about that many ticks; for categories, all of them."""
        if self.kind == "category":
            return [Tick(at=self.at(name) or 0.0, label=name) for name in self.names]
        values, labels = self._told(max(count, 1))
        places = [self.at(value) for value in values]
        return [Tick(at=p, label=w) for p, w in zip(places, labels, strict=True) if p is not None]

    def _told(self, count: int) -> tuple[list[float], list[str]]:
        if self.kind == "time":
            values = ticks.time(self.low, self.high, count)
            return values, ticks.time_labels(values)
        if self.kind == "log":
            values = ticks.log(10**self.low, 10**self.high, count)
            return values, ticks.log_labels(values, percent=self.percent)
        values = ticks.linear(self.low, self.high, count)
        return values, ticks.labels(values, percent=self.percent)


def plain(value: Cell, kind: ScaleName) -> float | None:
    """Return a value as a finite number on that kind of scale, or None.

    Returns
    -------
    float or None
        Seconds since 1970 on a time scale.

    Examples
    --------
    >>> plain(True, "linear"), plain("2", "linear"), plain(-1, "log"), plain(float("nan"), "linear")
    (1.0, None, None, None)
    """
    if kind == "time":
        return ticks.moment(value)
    if value is None or isinstance(value, str) or not abs(value) < _LARGEST:
        return None
    return None if kind == "log" and value < 1 / _LARGEST else float(value)


def scale(figure: Figure, side: Side, *, count: int) -> Scale:
    """Return the scale of one axis of a figure, over the pixels 0 to 1.

    Parameters
    ----------
    figure
        With all its marks.
    side
        Which axis.
    count
        How many ticks there will be about: open limits are rounded to them.

    Returns
    -------
    Scale
        Never without extent, even when there is nothing to show.
    """
    axis = figure.x if side == "x" else figure.y
    if axis.scale == "category":
        names = categories(figure, side)
        return Scale(kind="category", low=0, high=max(len(names), 1), names=names)
    low, high = _limits(figure, side, axis, count)
    return Scale(kind=axis.scale, low=low, high=high, percent=axis.percent)


def categories(figure: Figure, side: Side) -> tuple[str, ...]:
    """Return the categories of an axis in the order in which the marks name them."""
    found: dict[str, None] = {}
    for mark in figure.marks:
        held = mark.x if side == "x" else mark.y
        found.update(dict.fromkeys(cell(value) for value in held if value is not None))
    return tuple(found)


def is_lying(figure: Figure) -> bool:
    """Say whether bars and intervals lie: categories stand on the left, numbers run to the right."""
    return figure.y.scale == "category" and figure.x.scale != "category"


def _limits(figure: Figure, side: Side, axis: Axis, count: int) -> tuple[float, float]:
    values = [v for mark in figure.marks for v in _reach(mark, side, figure)]
    found = [v for v in (plain(value, axis.scale) for value in values) if v is not None]
    if axis.scale == "log":
        found = [math.log10(v) for v in found]
    low, high = _open_limits(found, side=side, axis=axis, count=count, figure=figure)
    return _pinned(axis, low, high)


def _open_limits(found: Sequence[float], *, side: Side, axis: Axis, count: int, figure: Figure) -> tuple[float, float]:
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1 / _LARGEST):
        pad = abs(low) * 0.1 if abs(low) > 1 / _LARGEST else 0.5
        low, high = (low - pad, high + pad) if not _from_zero(figure, side) else _with_zero(low, high)
    if axis.scale == "linear" and _is_value(figure, side):
        return _rounded(low, high, count, percent=axis.percent)
    pad = 0.03 * (high - low) if _needs_air(figure, side) else 0.0
    return low - pad, high + pad


def _with_zero(low: float, high: float) -> tuple[float, float]:
    """Return limits for bars that are all of one length, or all nothing."""
    if abs(high) <= 1 / _LARGEST:
        return 0.0, 1.0
    return min(low, 0.0), max(high, 0.0)


def _rounded(low: float, high: float, count: int, *, percent: bool) -> tuple[float, float]:
    """Go out to the next tick, yet not below 0% nor over 100%."""
    step = ticks.nice_step(high - low, count)
    down, up = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    air = 0.03 * (high - low)
    if low < 0 < high:
        down = low - air if -low < 0.3 * step else down
        up = high + air if high < 0.3 * step else up
    if percent and low >= 0:
        down = max(down, 0.0)
    if percent and high <= 1:
        up = min(up, 1.0)
    return (down, up) if down < up else (low, high)


def _pinned(axis: Axis, low: float, high: float) -> tuple[float, float]:
    """Let the limits that the figure names win over the data's."""
    for bound, value in (("low", axis.low), ("high", axis.high)):
        number = None if value is None else plain(value, axis.scale)
        if number is None:
            continue
        number = math.log10(number) if axis.scale == "log" else number
        low, high = (number, high) if bound == "low" else (low, number)
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def _is_value(figure: Figure, side: Side) -> bool:
    """Whether this axis carries the measured value: x when bars lie, else y."""
    return side == ("x" if is_lying(figure) else "y")


def _from_zero(figure: Figure, side: Side) -> bool:
    return _is_value(figure, side) and any(_stands(mark) for mark in figure.marks)


def _stands(mark: Mark) -> bool:
    return mark.kind == "bars" or (mark.kind == "area" and not any(v is not None for v in mark.low))


def _needs_air(figure: Figure, side: Side) -> bool:
    return any(mark.kind in {"points", "intervals"} for mark in figure.marks) or _is_value(figure, side)


def _reach(mark: Mark, side: Side, figure: Figure) -> Iterable[Cell]:
    """All values that one mark needs room for on one axis.

    Yields
    ------
    Cell
        As the axis knows them.
    """
    yield from mark.x if side == "x" else mark.y
    if _is_value(figure, side) and mark.kind in {"intervals", "area", "bars"}:
        yield from mark.low
        yield from mark.high
    if _is_value(figure, side) and _stands(mark) and (mark.x or mark.y):
        yield 0
    if mark.kind == "bars" and not _is_value(figure, side):
        half = bar_width(mark, side, figure) / 2
        for value in mark.x if side == "x" else mark.y:
            found = plain(value, (figure.x if side == "x" else figure.y).scale)
            yield from () if found is None else (found - half, found + half)


def bar_width(mark: Mark, side: Side, figure: Figure) -> float:
    """Return the width of the bars of a histogram in the axis' own unit: the smallest gap between two."""
    kind = (figure.x if side == "x" else figure.y).scale
    held = mark.x if side == "x" else mark.y
    found = sorted({v for v in (plain(value, kind) for value in held) if v is not None})
    return min((b - a for a, b in pairwise(found)), default=1.0)
