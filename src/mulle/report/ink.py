"""The few pen strokes all drawings are made of: elements as text, numbers short, words escaped."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from mulle.report.words import clean, cut, escape

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


def px(value: float) -> str:
    """Return a coordinate with one decimal at most.

    Returns
    -------
    str
        The shortest text of it.

    Examples
    --------
    >>> px(12.04), px(3.0), px(-0.01)
    ('12', '3', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def element(name: str, body: str = "", **attributes: float | str | None) -> str:
    """Return one element; numbers become pixels, ``None`` and empty ones go, ``_`` becomes ``-``.

    Parameters
    ----------
    name
        Of the element.
    body
        What is inside; already safe.
    **attributes
        ``css`` is the class.

    Returns
    -------
    str
        XML.

    Examples
    --------
    >>> element("rect", x=1, css="mu-bar")
    '<rect x="1" class="mu-bar"/>'
    """
    told = "".join(
        f' {"class" if key == "css" else key.replace("_", "-")}="'
        f'{escape(value) if isinstance(value, str) else px(value)}"'
        for key, value in attributes.items()
        if value is not None and value != ""
    )
    return f"<{name}{told}>{body}</{name}>" if body else f"<{name}{told}/>"


def tip(text: str) -> str:
    """Return the words that appear when the pointer rests on a mark."""
    return element("title", escape(text)) if text else ""


def line(start: Point, end: Point, css: str, dash: str = "") -> str:
    """Return a straight line."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], css=css, stroke_dasharray=dash)


def word(text: str, at: Point, css: str, anchor: Anchor = "start") -> str:
    """Return words at a place."""
    shown = None if anchor == "start" else anchor
    return element("text", escape(text), x=at[0], y=at[1], css=css, text_anchor=shown) if text else ""


def word_in(text: str, at: Point, room: float, css: str, *, size: float = 12, anchor: Anchor = "start") -> str:
    """Return words cut to their room, the whole of them in a tip."""
    return cut_word(text, cut(text, room, size), at, css, anchor=anchor)


def cut_word(text: str, short: str, at: Point, css: str, *, anchor: Anchor = "start") -> str:
    """Return words that were cut already, the whole of them in a tip."""
    if short == clean(text) or not short:
        return word(short, at, css, anchor)
    shown = None if anchor == "start" else anchor
    body = escape(short) + tip(text)
    return element("text", body, x=at[0], y=at[1], css=css, text_anchor=shown)


def path(points: Sequence[Point]) -> str:
    """Return the commands that join points, without those that would not be seen.

    Returns
    -------
    str
        What stands in ``d``; empty without points.

    Examples
    --------
    >>> path([(0, 0), (0, 0.01), (5, 5)])
    'M0 0L5 5'
    """
    told = [place for place, _ in groupby(f"{px(x)} {px(y)}" for x, y in points)]
    return "M" + "L".join(told) if told else ""
