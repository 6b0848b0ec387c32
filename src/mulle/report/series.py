"""Which mark is which series: its colour by role, its dash, its words in the legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mulle.core.figure import Figure, Mark
from mulle.report.palette import EXTRA

_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 3", "10 4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A mark with its colour (a name of the palette) and its dash. ``slot`` tells bars side by side apart."""

    mark: Mark
    colour: str
    dash: str
    slot: int = 0
    slots: int = 1


def series(figure: Figure) -> list[Series]:
    """Give each mark its colour: marks of one name share it; names of one role get further hues.

    Returns
    -------
    list of Series
        One a mark, in the order of the marks.

    Examples
    --------
    >>> from mulle.core.figure import Axis
    >>> two = [Mark(kind="line", name="a"), Mark(kind="line", name="b")]
    >>> figure = Figure(name="f", title="", says="", x=Axis(label=""), y=Axis(label=""), marks=two)
    >>> [s.colour for s in series(figure)]
    ['main', 'other']
    """
    colours = _colours(figure.marks)
    lines = _line_order(figure.marks)
    found = []
    for mark in figure.marks:
        colour = colours[mark.role, mark.name]
        dash = _dash(mark, lines.get(mark.name, 0))
        slot, slots = _slot(mark, figure.marks)
        found.append(Series(mark=mark, colour=colour, dash=dash, slot=slot, slots=slots))
    return found


def _colours(marks: Sequence[Mark]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for mark in marks:
        key = (mark.role, mark.name)
        if key not in found:
            found[key] = _next(mark, set(found.values()), marks)
    return found


def _next(mark: Mark, taken: set[str], marks: Sequence[Mark]) -> str:
    """Return the role's own colour; for one more of a coloured role the next hue that nobody has."""
    if mark.role not in taken or mark.role not in {"main", "other"} or not mark.name:
        return mark.role
    roles = {held.role for held in marks}
    spare = [hue for hue in ("other", *EXTRA) if hue not in taken and hue not in roles]
    return spare[0] if spare else EXTRA[len(taken) % len(EXTRA)]


def _line_order(marks: Sequence[Mark]) -> dict[str, int]:
    """Give each line by name its number, the main one first: it has no dash."""
    lines = [m for m in marks if m.kind in {"line", "step"} and m.role not in {"reference", "muted"}]
    names = dict.fromkeys(m.name for m in sorted(lines, key=lambda m: m.role != "main"))
    return {name: at for at, name in enumerate(names)}


def _dash(mark: Mark, index: int) -> str:
    if mark.kind == "rule":
        return "4 3"
    if mark.role == "reference":
        return "3 3"
    return _DASHES[index % len(_DASHES)] if mark.kind in {"line", "step"} else ""


def _slot(mark: Mark, marks: Sequence[Mark]) -> tuple[int, int]:
    same = [held for held in marks if held.kind == mark.kind]
    return next(i for i, held in enumerate(same) if held is mark), len(same)


def named(found: Sequence[Series]) -> list[Series]:
    """Return one series a name, for the legend. Rules carry their words themselves.

    A line or a bar goes before the band around it.

    Returns
    -------
    list of Series
        In the order in which the names first stand in the figure.
    """
    first: dict[str, Series] = {}
    for held in sorted(found, key=lambda s: s.mark.kind == "area"):
        if held.mark.name and held.mark.kind not in {"rule", "images", "cells"}:
            first.setdefault(held.mark.name, held)
    order = {held.mark.name: i for i, held in reversed(list(enumerate(found)))}
    return sorted(first.values(), key=lambda s: order[s.mark.name])
