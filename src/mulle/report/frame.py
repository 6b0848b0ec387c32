"""Where everything in one drawing goes: margins for the words there are, the rest for the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mulle.core.figure import Figure
from mulle.report.prepare import is_square, prepared
from mulle.report.scales import Scale, Tick, is_lying, scale
from mulle.report.series import Series, named, series
from mulle.report.words import cell, cut, width

SIZE = 12.0
"""Height of all words, in pixels."""
_ROW, _LABEL, _RULE_ROW = 19.0, 19.0, 16.0
END_SHARE = 0.3
"""Of the sheet that words at the ends of lines may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Words beside a mark: over a rule, or at the end of a line.

    ``row`` counts rows of words from the plot up.
    """

    text: str
    x: float
    y: float
    colour: str
    row: int = 0


LegendRow = Sequence[tuple[Series, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What will be drawn, before it has a place."""

    figure: Figure
    series: Sequence[Series]
    hidden: int
    lying: bool
    values: bool
    """Whether bars tell their number at their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """The places from left to right, and how tall the data stands."""

    left: float
    right: float
    plot: float
    x: Scale
    ends: Sequence[Label] = ()
    tilted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A figure, laid out on a sheet of ``width`` by ``height`` pixels.

    The data lies between ``left`` and ``right``, ``top`` and ``bottom``.
    """

    body: Body
    across: Across
    y: Scale
    width: float
    height: float
    top: float
    bottom: float
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    legend: Sequence[LegendRow]
    rules: Sequence[Label]

    @property
    def x(self) -> Scale:
        """The scale from left to right."""
        return self.across.x

    @property
    def left(self) -> float:
        """Where the data begins."""
        return self.across.left

    @property
    def right(self) -> float:
        """Where the data ends."""
        return self.across.right

    @property
    def base(self) -> float:
        """The pixel from which bars start: their zero, or the nearest end of the axis."""
        axis = self.x if self.body.lying else self.y
        zero = axis.at(0) if axis.kind != "log" else axis.start
        low, high = sorted((axis.start, axis.end))
        return min(max(zero if zero is not None else axis.start, low), high)


def laid_out(figure: Figure, sheet: float) -> Frame:
    """Lay a figure out on a sheet of that width.

    Parameters
    ----------
    figure
        With any marks but images.
    sheet
        Width in pixels.

    Returns
    -------
    Frame
        With all places settled.
    """
    ready, hidden = prepared(figure, sheet, size=SIZE)
    held = series(ready)
    body = Body(
        figure=ready,
        series=held,
        hidden=hidden,
        lying=is_lying(ready),
        values=is_lying(ready) and _tells_values(held),
    )
    y = scale(ready, "y", count=_y_count(sheet))
    return _down(body, y, _across(body, y, sheet), sheet)


def _tells_values(held: Sequence[Series]) -> bool:
    bars = [s.mark for s in held if s.mark.kind == "bars"]
    others = [s.mark for s in held if s.mark.kind not in {"bars", "rule"}]
    return len(bars) == 1 and not others and not bars[0].low


def _across(body: Body, y: Scale, sheet: float) -> Across:
    left, right = _left(y, sheet), sheet - _right(body)
    x = scale(body.figure, "x", count=_count(right - left)).between(left, right)
    plot = _plot_height(body, y, x, sheet)
    room = Across(left=left, right=right, plot=plot, x=x)
    ends = _line_ends(body, room, y, sheet)
    if ends:
        right = sheet - max(width(e.text, SIZE) for e in ends) - 12
        ends = [replace(e, x=right + 7) for e in ends]
        return replace(room, right=right, x=x.between(left, right), ends=ends)
    if x.kind == "category" and not _fits(x):
        left += _overhang(x)
        return replace(room, left=left, x=x.between(left, right), tilted=True)
    return room


def _count(pixels: float) -> int:
    """How many steps an axis of that length is cut into: few enough to stay calm."""
    return min(max(2, round(pixels / 80)), 7)


def _y_count(sheet: float) -> int:
    """How many steps the upright axis has; the limits are rounded to the same steps."""
    return 3 if sheet < 300 else 5  # noqa: PLR2004


def _left(y: Scale, sheet: float) -> float:
    """Room for the words of the vertical axis."""
    if y.kind == "category":
        return min(max((width(name, SIZE) for name in y.names), default=0), 0.4 * sheet, 230) + 10
    ticks = y.between(200, 0).ticks(_y_count(sheet))
    return max((width(t.label, SIZE) for t in ticks), default=0) + 8


def _right(body: Body) -> float:
    if not body.values:
        return 14
    told = [bar_label(body, value) for s in body.series if s.mark.kind == "bars" for value in s.mark.x]
    return max((width(t, SIZE) for t in told), default=0) + 9


def bar_label(body: Body, value: object) -> str:
    """Return what a bar says at its end."""
    held = value if isinstance(value, int | float) else None
    if body.figure.x.percent and held is not None:
        return cell(round(held, 3 if abs(held) < 0.1 else 2), percent=True)  # noqa: PLR2004
    return cell(held)


def _overhang(x: Scale) -> float:
    """How far slanted names stick out at the left."""
    places = ((x.at(name) or 0.0) - 0.79 * min(width(name, SIZE), 110) for name in x.names)
    return max(0.0, -min(places, default=0.0))


def _fits(x: Scale) -> bool:
    return all(width(name, SIZE) <= max(x.band - 6, 12) for name in x.names)


def _plot_height(body: Body, y: Scale, x: Scale, sheet: float) -> float:
    wide = x.end - x.start
    if y.kind == "category":
        return max(len(y.names), 1) * _band(body, x)
    if is_square(body.figure):
        return min(wide, 400.0)
    return min(max(0.6 * wide, 110.0 if sheet < 300 else 180.0), 300.0)  # noqa: PLR2004


def _band(body: Body, x: Scale) -> float:
    """How tall one category stands."""
    if any(s.mark.kind == "cells" for s in body.series):
        return min(max(0.7 * x.band, 28.0), 64.0) if x.kind == "category" else 28.0
    most = max((s.slots for s in body.series if s.mark.kind in {"bars", "intervals"}), default=1)
    return 25.0 if most == 1 else 12.0 + 13.0 * most


def _line_ends(body: Body, room: Across, y: Scale, sheet: float) -> list[Label]:
    """Return words for the ends of at most three lines, or none when they would not stand clear."""
    lines = [s for s in named(body.series) if s.mark.kind in {"line", "step"}]
    if any(width(s.mark.name, SIZE) > END_SHARE * sheet for s in lines):
        return []  # a legend has room for the whole name
    if len(lines) != len(named(body.series)) or not 1 < len(lines) <= 3:  # noqa: PLR2004
        return []
    height = y.between(room.plot, 0)
    found = [label for s in lines if (label := _end(s, room.x, height)) is not None]
    places = sorted(label.y for label in found)
    clear = all(b - a >= 15 for a, b in pairwise(places))  # noqa: PLR2004
    at_right = all(label.x > room.x.end - 40 for label in found)
    return found if clear and at_right and len(found) == len(lines) else []


def _end(held: Series, x: Scale, y: Scale) -> Label | None:
    points = [(x.at(a), y.at(b)) for a, b in zip(held.mark.x, held.mark.y, strict=False)]
    last = max(((a, b) for a, b in points if a is not None and b is not None), default=None)
    if last is None:
        return None
    return Label(text=cell(held.mark.name), x=last[0], y=min(max(last[1], 0), y.start), colour=held.colour)


def _down(body: Body, y: Scale, across: Across, sheet: float) -> Frame:
    legend = () if across.ends else _legend(body, sheet)
    rules = _rule_labels(body, across.x, sheet)
    top = _top(body, len(legend), max((r.row + 1 for r in rules), default=0))
    bottom = top + across.plot
    y = y.between(top, bottom) if y.kind == "category" else y.between(bottom, top)
    return Frame(
        body=body,
        across=across,
        y=y,
        width=sheet,
        height=round(bottom + _tail(body, across)),
        top=top,
        bottom=bottom,
        x_ticks=_x_ticks(across, sheet),
        y_ticks=y.ticks(_y_count(sheet)),
        legend=legend,
        rules=rules,
    )


def _top(body: Body, legend_rows: int, rule_rows: int) -> float:
    label = _LABEL + 6 if body.figure.y.label else 6.0
    return label + legend_rows * _ROW + rule_rows * _RULE_ROW + (4 if legend_rows else 0)


def _tail(body: Body, across: Across) -> float:
    ticks = tilt_room(across.x) if across.tilted else _LABEL
    return ticks + (_LABEL if body.figure.x.label else 2) + (_ROW if body.hidden else 0)


def tilt_room(x: Scale) -> float:
    """How much room slanted names need under the axis."""
    return min(max((width(name, SIZE) for name in x.names), default=0), 110) * 0.62 + 18


def _legend(body: Body, sheet: float) -> Sequence[LegendRow]:
    entries = named(body.series)
    if len(entries) < 2:  # noqa: PLR2004
        return []
    rows: list[list[tuple[Series, float]]] = [[]]
    at = 0.0
    for entry in entries:
        need = 26 + width(cut(entry.mark.name, sheet - 40, SIZE), SIZE) + 14
        if rows[-1] and at + need - 14 > sheet:
            rows.append([])
            at = 0.0
        rows[-1].append((entry, at))
        at += need
    return rows


def _rule_labels(body: Body, x: Scale, sheet: float) -> list[Label]:
    """Place the words of upright rules over the plot, each in the lowest free row."""
    taken: list[list[tuple[float, float]]] = []
    found = []
    for held in body.series:
        at = x.at(held.mark.x[0]) if held.mark.kind == "rule" and held.mark.x else None
        if at is None or not held.mark.name or not x.start - 1 <= at <= x.end + 1:
            continue
        text = cut(held.mark.name, sheet, SIZE)
        half = width(text, SIZE) / 2
        at = min(max(at, half), sheet - half)
        row = _free_row(taken, at - half, at + half)
        found.append(Label(text=text, x=at, y=0, colour=held.colour, row=row))
    return found


def _free_row(taken: list[list[tuple[float, float]]], start: float, end: float) -> int:
    for row, spans in enumerate(taken):
        if all(end + 8 < low or high + 8 < start for low, high in spans):
            spans.append((start, end))
            return row
    taken.append([(start, end)])
    return len(taken) - 1


def _x_ticks(across: Across, sheet: float) -> list[Tick]:
    """Return as many ticks as can stand side by side without touching."""
    x = across.x
    if x.kind == "category":
        return x.ticks(0)
    found: list[Tick] = []
    for count in range(_count(across.right - across.left), 0, -1):
        found = x.ticks(count)
        if _apart(found, sheet):
            return found
    return found[:1]


def _apart(ticks: Sequence[Tick], sheet: float) -> bool:
    spans = [tick_span(tick, sheet) for tick in ticks]
    return all(a[1] + 9 <= b[0] for a, b in pairwise(spans))


def tick_span(tick: Tick, sheet: float) -> tuple[float, float]:
    """Return from where to where a tick's words go: centred, yet never over the edge of the sheet."""
    half = width(tick.label, SIZE) / 2
    middle = min(max(tick.at, half), sheet - half)
    return middle - half, middle + half
