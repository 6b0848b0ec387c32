"""A figure made ready to be drawn: turned when its names don't fit, shortened when it has too many."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from mulle.core.figure import Cell, Figure, Mark
from mulle.report.scales import categories, is_lying, plain
from mulle.report.words import cell, width

MOST_CATEGORIES = 40
MOST_CELLS = 24
_TURNS = frozenset({"bars", "intervals", "rule", "points"})


def prepared(figure: Figure, sheet: float, *, size: float) -> tuple[Figure, int]:
    """Return the figure as it can be drawn on that sheet, and how many categories only the table has.

    Parameters
    ----------
    figure
        As a part returned it.
    sheet
        Width in pixels.
    size
        Of the letters, in pixels.

    Returns
    -------
    tuple
        The figure, and the number of categories that are not drawn.
    """
    whole = _turned(_gridded(figure), sheet, size)
    most = MOST_CELLS if _has_cells(whole) else MOST_CATEGORIES
    short_x, hidden_x = _shortened(whole, "x", most)
    short, hidden_y = _shortened(short_x, "y", most)
    return short, hidden_x + hidden_y


def _has_cells(figure: Figure) -> bool:
    return any(mark.kind == "cells" for mark in figure.marks)


def _gridded(figure: Figure) -> Figure:
    """Give cells two category axes; numbers stand in their order, the largest on top."""
    if not _has_cells(figure):
        return figure
    order = []
    if figure.x.scale != "category":
        order.append(Mark(kind="line", x=_in_order(figure, lambda mark: mark.x)))
    if figure.y.scale != "category":
        order.append(Mark(kind="line", y=_in_order(figure, lambda mark: mark.y)[::-1]))
    x, y = replace(figure.x, scale="category"), replace(figure.y, scale="category")
    return replace(figure, x=x, y=y, marks=(*order, *figure.marks))


def _in_order(figure: Figure, held: Callable[[Mark], Sequence[Cell]]) -> list[Cell]:
    every = {value for mark in figure.marks for value in held(mark)}
    return sorted(every, key=lambda value: (plain(value, "linear") or 0.0, cell(value)))


def _turned(figure: Figure, sheet: float, size: float) -> Figure:
    """Lay bars down when their names would not fit under them."""
    if figure.x.scale != "category" or figure.y.scale == "category":
        return figure
    if any(mark.kind not in _TURNS for mark in figure.marks):
        return figure
    names = categories(figure, "x")
    room = (sheet - 60) / max(len(names), 1) - 8
    if all(width(name, size) <= room for name in names):
        return figure
    marks = [replace(mark, x=mark.y, y=mark.x) for mark in figure.marks]
    return replace(figure, x=figure.y, y=figure.x, marks=marks)


def _shortened(figure: Figure, side: str, most: int) -> tuple[Figure, int]:
    axis = figure.x if side == "x" else figure.y
    names = categories(figure, "x" if side == "x" else "y") if axis.scale == "category" else ()
    if len(names) <= most:
        return figure, 0
    marks = [_only(mark, side, set(names[:most])) for mark in figure.marks]
    return replace(figure, marks=marks), len(names) - most


def _only(mark: Mark, side: str, names: Collection[str]) -> Mark:
    held = mark.x if side == "x" else mark.y
    if not held:
        return mark
    keep = [i for i, value in enumerate(held) if cell(value) in names]
    fields = ("x", "y", "low", "high", "value", "text")
    chosen: dict[str, Any] = {f: tuple(_at(getattr(mark, f), keep)) for f in fields}
    return replace(mark, **chosen)


def _at(held: Sequence[Any], keep: Sequence[int]) -> list[Any]:
    return [held[i] for i in keep if i < len(held)]


def shape(figure: Figure) -> str:
    """Say how a figure likes to stand on a page.

    Returns
    -------
    str
        ``"square"`` for two axes of the same extent, ``"tall"`` for many or long categories and for pictures,
        else ``"plain"``.

    Examples
    --------
    >>> from mulle.core.figure import Axis
    >>> unit = Axis(label="", low=0, high=1)
    >>> shape(Figure(name="roc", title="", says="", x=unit, y=unit))
    'square'
    """
    if any(mark.kind == "images" for mark in figure.marks):
        return "tall"
    if is_lying(figure) or _has_cells(figure):
        ready, _ = prepared(figure, 390, size=12)
        return "tall" if len(categories(ready, "y")) > 9 or len(categories(ready, "x")) > 6 else "plain"  # noqa: PLR2004
    if figure.x.scale == "category" and len(categories(figure, "x")) > 8:  # noqa: PLR2004
        return "tall"
    if figure.x.scale == "time":
        return "tall"
    return "square" if is_square(figure) else "plain"


def is_square(figure: Figure) -> bool:
    """Whether both axes are numbers with the same stated limits, so that a diagonal means something."""
    x, y = figure.x, figure.y
    same = (x.low, x.high, x.scale) == (y.low, y.high, y.scale)
    return same and x.scale == "linear" and x.low is not None and x.high is not None
