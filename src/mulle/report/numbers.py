"""The numbers of a figure as a table: for those who can't see it, and for those who want to know."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mulle.core.figure import Axis, Cell, Figure, Mark, Table
from mulle.report import ticks
from mulle.report.words import cell

_Column = Sequence[Cell]


def table_of(figure: Figure) -> Table:
    """Return a figure's table: its own, or one made from its marks.

    Parameters
    ----------
    figure
        Any figure.

    Returns
    -------
    Table
        A heat map as it is seen, series on the same categories side by side, all else one row a point. Never
        without a column.

    Examples
    --------
    >>> bars = Mark(kind="bars", x=[0.2, 0.05], y=["age", "job"])
    >>> figure = Figure(
    ...     name="m",
    ...     title="Missing",
    ...     says="",
    ...     x=Axis(label="share", percent=True),
    ...     y=Axis(label="column", scale="category"),
    ...     marks=[bars],
    ... )
    >>> table_of(figure).rows
    [['age', '20%'], ['job', '5%']]
    """
    if figure.table is not None:
        return figure.table
    cells = [mark for mark in figure.marks if mark.kind == "cells"]
    if len(cells) == 1 and len(figure.marks) == 1:
        return _grid(figure, cells[0])
    return _beside(figure) or _long(figure)


def _grid(figure: Figure, mark: Mark) -> Table:
    across = list(dict.fromkeys(cell(v) for v in mark.x))
    down = list(dict.fromkeys(cell(v) for v in mark.y))
    held = {(cell(y), cell(x)): _cell_words(mark, i) for i, (x, y) in enumerate(zip(mark.x, mark.y, strict=False))}
    rows = [[y, *(held.get((y, x), cell(None)) for x in across)] for y in down]
    return Table(title=figure.title, columns=[figure.y.label or " ", *across], rows=rows)


def _cell_words(mark: Mark, at: int) -> str:
    if at < len(mark.text):
        return mark.text[at]
    return cell(mark.value[at] if at < len(mark.value) else None)


def _beside(figure: Figure) -> Table | None:
    """Put series that share their categories side by side."""
    plain = [m for m in figure.marks if m.kind in {"bars", "points", "line", "step"}]
    shared = "y" if figure.y.scale == "category" else "x"
    if len(plain) < 2 or len(plain) != len(figure.marks):  # noqa: PLR2004
        return None
    keys = [tuple(cell(v) for v in (m.y if shared == "y" else m.x)) for m in plain]
    if len(set(keys)) != 1 or len(set(keys[0])) != len(keys[0]) or len({m.name for m in plain}) != len(plain):
        return None
    key_axis, value_axis = (figure.y, figure.x) if shared == "y" else (figure.x, figure.y)
    columns = [key_axis.label or " ", *(m.name or value_axis.label for m in plain)]
    first = plain[0].y if shared == "y" else plain[0].x
    values = [m.x if shared == "y" else m.y for m in plain]
    rows = [
        [
            _told(v, key_axis),
            *(_told(held[i], value_axis) if i < len(held) else cell(None) for held in values),
        ]
        for i, v in enumerate(first)
    ]
    return Table(title=figure.title, columns=columns, rows=rows)


def _long(figure: Figure) -> Table:
    """One row a point: series, place, range, value. Categories come before numbers."""
    x, y = figure.x.label or "across", figure.y.label or "name"
    lying = figure.y.scale == "category"
    columns = ["series", *((y, x) if lying else (x, y)), "from", "to", "value"]
    rows = [row for mark in figure.marks for row in _rows(mark, figure, lying=lying)]
    used = [i for i in range(len(columns)) if any(row[i] not in {None, ""} for row in rows)] or [1]
    return Table(
        title=figure.title,
        columns=[columns[i] for i in used],
        rows=[[cell(None) if row[i] is None else row[i] for i in used] for row in rows],
    )


def _rows(mark: Mark, figure: Figure, *, lying: bool) -> list[list[Cell]]:
    value_axis = figure.x if lying else figure.y
    count = max(len(mark.x), len(mark.y), len(mark.text) if mark.kind == "images" else 0)
    found: list[list[Cell]] = []
    for i in range(count):
        place = [_told(_at(mark.x, i), figure.x), _told(_at(mark.y, i), figure.y)]
        reach = [_told(_at(mark.low, i), value_axis), _told(_at(mark.high, i), value_axis)]
        found.append([mark.name, *(reversed(place) if lying else place), *reach, _at(mark.value, i)])
    return found


def _at(held: _Column, at: int) -> Cell:
    return held[at] if at < len(held) else None


def _told(value: Cell, axis: Axis) -> Cell:
    """Return a value as its axis tells it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if axis.scale == "time" and value is not None:
        seconds = ticks.moment(value)
        return cell(value) if seconds is None else _moment(seconds)
    if axis.percent and isinstance(value, int | float) and not isinstance(value, bool):
        return cell(value, percent=True)
    return value


def _moment(seconds: float) -> str:
    when = ticks.date(seconds)
    return f"{when:%Y-%m-%d}" if seconds % ticks.DAY == 0 else f"{when:%Y-%m-%d %H:%M}"
